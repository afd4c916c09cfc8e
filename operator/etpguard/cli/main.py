"""The program and its commands. The commands with more options are in other modules."""

from __future__ import annotations

import sys
from typing import Any

import click

from etpguard import __version__
from etpguard.cli.check_command import check
from etpguard.cli.cluster_commands import dump, rollback, uninstall
from etpguard.cli.common_options import output_format
from etpguard.cli.errors import Failure
from etpguard.cli.service_commands import explain, verify
from etpguard.cli.setting_options import OF_RUN, setting_options, take_settings
from etpguard.cli.what_if_command import what_if

# The modules of a command are imported in its function: `etpguard --help` takes 0.16 s of CPU this way, and 1.6 s
# with those of all commands (time, median of three).


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Some options name an environment variable (env var) that sets them too. The option overrides the "
    "variable. An unknown ETPGUARD_* variable is an error.",
)
@click.version_option(__version__, prog_name="etpguard")
def cli() -> None:
    """Find the nodes that drop external traffic to Services with externalTrafficPolicy: Local."""


@cli.command()
@setting_options(OF_RUN)
def run(**options: Any) -> int:
    """Run the operator in the foreground, until SIGTERM or SIGINT.

    A duration is 30s, 10m or 1h30m. A switch is on or off. An option overrides its environment variable.
    """
    if sys.platform != "linux":
        raise Failure("run: the operator runs on Linux only")
    settings = take_settings(options, OF_RUN)
    from etpguard import app

    return app.run(settings)


for command in (check, explain, verify, what_if, dump, rollback, uninstall):
    cli.add_command(command)


@cli.command("reader-role", short_help="Print a ClusterRole with the permissions of the commands that read.")
def reader_role() -> int:
    """Print the ClusterRole etpguard-reader: the permissions of check, explain, what-if, verify and dump.

    Apply it with: etpguard reader-role | kubectl apply -f -
    """
    from importlib import resources

    from etpguard.cli.output.streams import deliver

    role = resources.files("etpguard.cli").joinpath("reader_role.yaml").read_text()
    deliver(lambda: print(role, end=""))
    return 0


@cli.command(short_help="Print a script that completes commands and options in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print a script that completes commands and options in a shell.

    \b
    bash:  source <(etpguard completion bash)
    zsh:   source <(etpguard completion zsh)
    fish:  etpguard completion fish | source

    `kubectl etpguard` needs none: kubectl 1.26 and later ask the program kubectl_complete-etpguard, which is
    installed together with etpguard.
    """
    from etpguard.cli.completion import script
    from etpguard.cli.output.streams import deliver

    deliver(lambda: print(script(cli, shell)))
    return 0


@cli.command()
@output_format("text", "json")
def version(output: str) -> int:
    """Print the version of etpguard and of Python."""
    import json
    import platform

    from etpguard.cli.output.streams import deliver

    found = {"version": __version__, "python": platform.python_version(), "platform": platform.platform()}
    line = f"etpguard {__version__} (Python {found['python']}, {found['platform']})"
    deliver(lambda: print(json.dumps(found) if output == "json" else line))
    return 0
