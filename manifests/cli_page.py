"""docs/cli.md: the commands, their options and exit codes, from the code."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from etpguard.cli.main import cli

_HEAD = """\
# Command line

etpguard finds the nodes that lose external traffic to Services with `externalTrafficPolicy: Local`.
`kubectl etpguard COMMAND` is the same as `etpguard COMMAND`. `python -m manifests.generated` writes this page from
the code, and `make man` writes the man page `etpguard(1)` from this page.

## Exit codes

| code | meaning |
|---|---|
| 0 | Success. For `check`: no Service has the outcome of `--fail-on` or a worse one. For `run`: a signal. |
| 1 | A finding. For `check`: a Service has the outcome of `--fail-on` or a worse one. For `run`: a part failed. |
| 2 | The command was completed in part or not at all. stderr names each cause; stdout has what was completed. |
| 130 | Interrupted by the user. Another signal N gives 128 + N. |

`check --policy` always exits with 0 or 2. Options that name a variable are also read from it; the option
overrides the variable. [reference.md](reference.md) has all variables.
"""


def page() -> str:
    return _HEAD + "".join(_command(name, command) for name, command in sorted(cli.commands.items()))


def _command(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"etpguard {name}", help_option_names=["-h", "--help"])
    usage = f"etpguard {name} {' '.join(command.collect_usage_pieces(context))}".strip()
    rows = "".join(_row(flags, text) for flags, text in _options(command, context))
    text = _text(command.help or "")
    return f"\n## etpguard {name}\n\n```\n{usage}\n```\n\n{text}\n| option | meaning |\n|---|---|\n{rows}"


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            yield record


def _text(text: str) -> str:
    """The help with its fixed blocks as Markdown."""
    made = []
    for paragraph in re.split(r"\n\s*\n", text):
        fixed = "\b" in paragraph
        lines = paragraph.replace("\b", "").strip("\n ").splitlines()
        made.append("```\n" + "\n".join(lines) + "\n```" if fixed else " ".join(line.strip() for line in lines))
    return "\n\n".join(made) + "\n"


def _row(flags: str, text: str) -> str:
    shown = " ".join(text.split()).replace("|", "\\|")
    return f"| `{flags.replace('|', chr(92) + '|')}` | {shown} |\n"
