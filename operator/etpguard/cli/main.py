"""The commands and their options."""

from __future__ import annotations

import sys
from typing import Any

import click

from etpguard import __version__
from etpguard.cli.check_command import check
from etpguard.cli.common_options import max_nodes, only, service_name, service_namespace, sources, take_sources
from etpguard.cli.errors import Failure
from etpguard.cli.option_types import OnceOption, OutcomeName
from etpguard.cli.setting_options import CLUSTER, OF_RUN, READING, setting_options, take_settings
from etpguard.cli.what_if_changes import CHANGES, ChangesCommand

# The modules of a command are imported in its function: `etpguard --help` takes 0.16 s of CPU this way, and 1.6 s
# with those of all commands (time, median of three).

_VERIFY_OPTIONS = ("nodes", "max_nodes", "address_type", "addresses_file", "target_health", "output")


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="An option that names an env var is also read from this environment variable. The option overrides the "
    "variable. An unknown ETPGUARD_* variable is an error.",
)
@click.version_option(__version__, prog_name="etpguard")
def cli() -> None:
    """Find the nodes that drop external traffic to Services with externalTrafficPolicy: Local."""


@cli.command()
@setting_options(OF_RUN)
def run(**options: Any) -> int:
    """Run the operator.

    A duration is 30s, 10m or 1h30m. A switch is on or off. An option overrides its environment variable.
    """
    if sys.platform != "linux":
        raise Failure("run: the operator runs on Linux only")
    settings = take_settings(options, OF_RUN)
    from etpguard import app

    return app.run(settings)


cli.add_command(check)


@cli.command()
@click.argument("service", metavar="NAMESPACE/SERVICE")
@sources
@service_namespace
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="output format",
)
@max_nodes(10, "nodes shown of each state; 0 for all")
@click.option(
    "--hand-off",
    is_flag=True,
    help="also say whether requests are lost when the last pod of a node ends; reads Pods and workloads",
)
@click.option(
    "--patch",
    is_flag=True,
    help="print only the advice, as documents for `kubectl patch`, `kubectl apply` or `helm upgrade`, each after "
    "a comment; reads Pods and workloads. With -o json the explanation has these documents",
)
@click.option(
    "--way",
    type=click.IntRange(min=1),
    metavar="N",
    help="with --patch: print only the documents of the advice with this number",
)
def explain(service: str, namespace: str | None, **options: Any) -> int:
    """Explain the outcome of one Service.

    Shows its ports, the state of each node, its consumers, and advice.
    """
    from etpguard.cli.explain import ExplainOptions
    from etpguard.cli.explain import explain as run_explain

    space, name = service_name(service, namespace)
    own = ExplainOptions(
        **{field: options.pop(field) for field in ("max_nodes", "hand_off", "patch", "way", "output")}
    )
    if own.way is not None and not own.patch:
        raise click.UsageError("--way needs --patch")
    if own.way is not None and own.output != "text":
        raise click.UsageError("--way and -o json exclude each other")
    return run_explain(take_sources(options, only(space)), name, own)


@cli.command()
@click.argument("service", metavar="NAMESPACE/SERVICE")
@sources
@service_namespace
@click.option("--node", "nodes", multiple=True, metavar="NAME", help="try this node; can be repeated")
@max_nodes(50, "eligible nodes to try; 0 for all")
@click.option(
    "--address-type",
    type=click.Choice(["InternalIP", "ExternalIP"]),
    default="InternalIP",
    show_default=True,
    help="the addresses of the nodes to connect to",
)
@click.option(
    "--from-file",
    "addresses_file",
    default="",
    metavar="FILE|-",
    help="read the addresses from lines of NODE ADDRESS instead, and try these nodes only",
)
@click.option(
    "--target-health",
    default="",
    metavar="FILE|-",
    help="compare with what the load balancer says and connect to nothing. The file is the JSON of `aws elbv2 "
    "describe-target-health`, of `gcloud compute backend-services get-health --format=json`, or of Azure's health "
    "per load balancing rule",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="output format",
)
def verify(service: str, namespace: str | None, **options: Any) -> int:
    """Compare what etpguard predicts for one Service with real connections.

    Connects once, over TCP, from where you are, to the node ports of each eligible node, and asks its
    healthCheckNodePort. It sends nothing on the connections. Connections from a node or a pod prove nothing, since
    they are internal traffic.

    \b
    Exit codes:
      0  every node does what is predicted
      1  a node does something else
      2  it could not be done
      3  inconclusive: nothing differs, but not everything is proven
    """
    from etpguard.cli.verify.command import VerifyRequest
    from etpguard.cli.verify.command import verify as run_verify

    space, name = service_name(service, namespace)
    own = {field: options.pop(field) for field in _VERIFY_OPTIONS}
    return run_verify(VerifyRequest(take_sources(options, only(space)), name, **own))


@cli.command("what-if", cls=ChangesCommand)
@sources
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="output format",
)
@max_nodes(100, "names in each list of nodes; 0 for all")
@click.option(
    "--fail-on",
    type=OutcomeName(),
    default="Blackhole",
    show_default=True,
    metavar="OUTCOME",
    help="exit with 1 if a Service that changes has this outcome or a worse one, during the change or after it",
)
def what_if(**options: Any) -> int:
    """Show what a change would do to Services with externalTrafficPolicy: Local. Changes nothing.

    \b
    Changes, separated by the word `then`:
      lose NODE... | zone=ZONE | -l LABEL=VALUE
      drain NODE... [--by kubectl|karpenter|cluster-autoscaler] [--then-delete]
            [--force] [--delete-emptydir-data]
      scale NAMESPACE/KIND/NAME=N
      rollout NAMESPACE/KIND/NAME
      policy NAMESPACE/SERVICE=Cluster|Local
      target-nodes NAMESPACE/SERVICE -l LABEL=VALUE
      apply -f FILE

    \b
    Exit codes:
      0  no Service that changes reaches the outcome of --fail-on
      1  one does, during the change or in the worst case after it, or one loses its last endpoint
      2  the forecast could not be completed
    """
    from etpguard.cli.what_if import WhatIfRequest
    from etpguard.cli.what_if import what_if as run_what_if

    changes = click.get_current_context().meta[CHANGES]
    given = take_sources(options, ())
    return run_what_if(WhatIfRequest(given, changes, **options))


@cli.command()
@click.option("-A", "--all-namespaces", is_flag=True, help="dump all namespaces: the default")
@click.option(
    "-n",
    "--namespace",
    cls=OnceOption,
    metavar="NS",
    help="dump what the Services in this namespace depend on. `check` then reports only these Services",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="-",
    show_default="stdout",
    help="write to this file: YAML if its name ends in .yaml or .yml, else JSON",
)
@click.option(
    "--anonymize",
    is_flag=True,
    help="replace names, addresses, hosts and provider IDs, the same ones alike. `check` gives the same outcomes",
)
@click.option(
    "--with-workloads",
    is_flag=True,
    help="also dump what `what-if` reads: Pods, workloads, PodDisruptionBudgets, HorizontalPodAutoscalers",
)
@setting_options(READING)
def dump(
    namespace: str | None,
    all_namespaces: bool,
    output: str,
    anonymize: bool,
    with_workloads: bool,
    **options: Any,
) -> int:
    """Write the objects that `check` reads to a file, for `check -f`.

    The dump has only the fields that a rule of etpguard reads, and no Secrets. It names the kinds that could not
    be read.
    """
    if namespace and all_namespaces:
        raise click.UsageError("-n and -A exclude each other")
    if with_workloads and anonymize:
        raise click.UsageError("--with-workloads and --anonymize exclude each other")
    settings = take_settings(options, READING)
    from etpguard.cli.dump.command import dump as run_dump
    from etpguard.cli.input.sources import Sources

    given = Sources(namespaces=only(namespace) or (), settings=settings, for_what_if=with_workloads)
    return run_dump(given, output, anonymize=anonymize)


@cli.command()
@click.argument("service", metavar="NAMESPACE/SERVICE")
@service_namespace
@click.option("--force", is_flag=True, help="restore Local even if another manager declares Cluster now")
@setting_options(CLUSTER)
def rollback(service: str, namespace: str | None, force: bool, **options: Any) -> int:
    """Restore Local on a Service that etpguard remediated.

    Uses your own credentials. No operator has to run.
    """
    settings = take_settings(options, CLUSTER)
    from etpguard.cli.rollback import rollback as run_rollback

    return run_rollback(
        settings.kubeconfig or None, settings.context or None, *service_name(service, namespace), force=force
    )


@cli.command()
@click.option(
    "--remediations",
    type=click.Choice(["keep", "revert"]),
    required=True,
    help="Services that were remediated: keep Cluster, or revert to Local",
)
@click.option("--dry-run", is_flag=True, help="send each request as a dry run: the API server stores nothing")
@click.option(
    "--force", is_flag=True, help="go on while an operator runs, and revert what another manager declares"
)
@setting_options(("lease_name", *CLUSTER))
def uninstall(remediations: str, **options: Any) -> int:
    """Remove what the operator left on other objects: conditions, reports, its Lease.

    Uses your own credentials. Stop the operator first. Delete its manifests and CRDs afterwards.

    \b
    Exit codes:
      0  nothing is left
      2  something could not be removed; one line for each on stderr
    """
    settings = take_settings(options, ("lease_name", *CLUSTER))
    from etpguard.cli.uninstall import UninstallOptions
    from etpguard.cli.uninstall import uninstall as run_uninstall

    return run_uninstall(
        settings.kubeconfig or None,
        settings.context or None,
        UninstallOptions(revert=remediations == "revert", lease=settings.lease_name, **options),
    )


@cli.command("reader-role")
def reader_role() -> int:
    """Print the ClusterRole etpguard-reader: the permissions of check, explain and dump.

    Apply it with: etpguard reader-role | kubectl apply -f -
    """
    from importlib import resources

    from etpguard.cli.output.streams import deliver

    role = resources.files("etpguard.cli").joinpath("reader_role.yaml").read_text()
    deliver(lambda: print(role, end=""))
    return 0


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the lines that complete commands and options in a shell.

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
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="output format"
)
def version(output: str) -> int:
    """Print the version of etpguard and of Python."""
    import json
    import platform

    from etpguard.cli.output.streams import deliver

    found = {"version": __version__, "python": platform.python_version(), "platform": platform.platform()}
    line = f"etpguard {__version__} (Python {found['python']}, {found['platform']})"
    deliver(lambda: print(json.dumps(found) if output == "json" else line))
    return 0
