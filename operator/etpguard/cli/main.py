"""The commands and their options."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from etpguard import __version__
from etpguard.cli.errors import Failure
from etpguard.cli.option_types import OUTCOMES, Bool, OutcomeName, Ports

F = TypeVar("F", bound=Callable[..., Any])

_MOST_NODES = 1_000_000
"""More than any cluster has; 0 is for all."""


_KUBECONFIG = click.option("--kubeconfig", metavar="FILE", help="By default $KUBECONFIG or ~/.kube/config.")
_CONTEXT = click.option("--context", metavar="NAME", help="Context of the kubeconfig.")
_NAMESPACE = click.option(
    "-n", "--namespace", metavar="NS", help="Of a SERVICE given without one; by default the context's."
)


def _max_nodes(default: int, told: str) -> Callable[[F], F]:
    bounded = click.IntRange(0, _MOST_NODES)
    return click.option("--max-nodes", type=bounded, default=default, show_default=True, metavar="N", help=told)


def _sources(command: Any) -> Any:
    """The options that tell where objects come from and what no object tells."""
    for add in reversed(
        (
            click.option(
                "-f",
                "--filename",
                "files",
                multiple=True,
                metavar="FILE|DIR|-",
                help="Read what kubectl get -o json|yaml printed instead of a cluster; may be given again.",
            ),
            _KUBECONFIG,
            _CONTEXT,
            click.option(
                "--data-plane",
                type=click.Choice(["auto", "kube-proxy", "cilium", "other"]),
                default="auto",
                show_default=True,
                help="What forwards node ports.",
            ),
            click.option(
                "--answers-everywhere-ports",
                type=Ports(),
                default=(),
                metavar="PORTS",
                help="Ports on which every node answers health checks, separated by commas.",
            ),
            click.option(
                "--aws-lbc-default-target-type",
                type=click.Choice(["instance", "ip"]),
                help="The AWS LBC's --default-target-type.",
            ),
            click.option("--aws-lbc-ingress-class", metavar="NAME", help="The AWS LBC's --ingress-class."),
            click.option(
                "--aws-lbc-fail-open",
                type=Bool(),
                metavar="true|false",
                help="The AWS LBC's feature gate EndpointsFailOpen.",
            ),
            click.option(
                "--aws-lbc-max-targets",
                type=click.IntRange(0),
                metavar="N",
                help="The AWS LBC's --max-targets-per-target-group.",
            ),
            click.option(
                "--aws-lbc-deployment",
                metavar="NAMESPACE/NAME",
                default="",
                help="Deployment of the AWS LBC to read these from; not with -f.",
            ),
        )
    ):
        command = add(command)
    return command


_OF_A_CLUSTER = ("kubeconfig", "context", "aws_lbc_deployment")


def _take_sources(options: dict[str, Any], namespace: str | None) -> Any:
    from etpguard.cli.input.sources import Sources

    for name in _OF_A_CLUSTER if options["files"] else ():
        if options[name]:
            raise click.UsageError(f"-f and --{name.replace('_', '-')} exclude each other")
    deployment = options.pop("aws_lbc_deployment")
    if deployment and not all(deployment.partition("/")[::2]):
        raise click.UsageError(f"--aws-lbc-deployment: {deployment!r} is not NAMESPACE/NAME")
    aws = {
        name.removeprefix("aws_lbc_"): options.pop(name) for name in tuple(options) if name.startswith("aws_lbc_")
    }
    return Sources(
        files=options.pop("files"),
        kubeconfig=options.pop("kubeconfig"),
        context=options.pop("context"),
        namespace=namespace,
        data_plane=options.pop("data_plane"),
        answers_everywhere_ports=options.pop("answers_everywhere_ports"),
        aws={name: value for name, value in aws.items() if value is not None},
        aws_deployment=deployment,
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="etpguard")
def cli() -> None:
    """Finds the nodes that drop external traffic to Services with externalTrafficPolicy: Local."""


@cli.command()
@_sources
@click.option("-n", "--namespace", metavar="NS", help="Report on this namespace alone.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Report on all namespaces: the default.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "wide", "json", "yaml"]), default="table", show_default=True
)
@_max_nodes(100, "Names in each list of nodes; 0 for all.")
@click.option(
    "--fail-on",
    type=OutcomeName(),
    default="Blackhole",
    show_default=True,
    metavar="OUTCOME",
    help=f"Exit with 1 from this outcome on. Best to worst: {', '.join(OUTCOMES)}.",
)
@click.option("--strict", is_flag=True, help="Exit with 2 if any object cannot be read.")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="FILE|-",
    help="Tell what the CoveragePolicies in it would do now, Service by Service, and why not: as a table, or "
    "under remediations in JSON and YAML. May be given again.",
)
def check(namespace: str | None, all_namespaces: bool, **options: Any) -> int:
    """Report on all Services with externalTrafficPolicy: Local.

    Exit code 0: no outcome at or above --fail-on, or --policy was asked for; 1: one is; 2: it could not be told.
    """
    if namespace and all_namespaces:
        raise click.UsageError("-n and -A exclude each other")
    from etpguard.cli.check import CheckRequest
    from etpguard.cli.check import check as run_check

    sources = _take_sources(options, namespace or "")
    return run_check(CheckRequest(sources, namespace=namespace or "", **options))


@cli.command()
@click.argument("service", metavar="NAMESPACE/SERVICE")
@_sources
@_NAMESPACE
@_max_nodes(10, "Nodes shown of each state; 0 for all.")
def explain(service: str, namespace: str | None, max_nodes: int, **options: Any) -> int:
    """Tell the whole story of one Service."""
    from etpguard.cli.explain import explain as run_explain

    space, name = _named(service, namespace)
    return run_explain(_take_sources(options, space), name, max_nodes)


@cli.command()
@click.argument("service", metavar="NAMESPACE/SERVICE")
@_NAMESPACE
@_KUBECONFIG
@_CONTEXT
@click.option("--force", is_flag=True, help="Restore Local even if another manager declares Cluster now.")
def rollback(service: str, namespace: str | None, kubeconfig: str | None, context: str | None, force: bool) -> int:
    """Put a Service that etpguard changed back to Local.

    With your own credentials, whether or not an operator runs.
    """
    from etpguard.cli.rollback import rollback as run_rollback

    return run_rollback(kubeconfig, context, *_named(service, namespace), force=force)


@cli.command()
@click.option(
    "--remediations",
    type=click.Choice(["keep", "revert"]),
    required=True,
    help="Services that were changed to Cluster: leave them so, or put them back to Local.",
)
@click.option("--dry-run", is_flag=True, help="Have the API server go through it and store nothing.")
@click.option(
    "--force", is_flag=True, help="Go on while an operator runs, and revert what another manager declares."
)
@click.option("--lease-name", metavar="NAME", default="etpguard", show_default=True, help="The operator's Lease.")
@_KUBECONFIG
@_CONTEXT
def uninstall(kubeconfig: str | None, context: str | None, **options: Any) -> int:
    """Take away what the operator left in the cluster: conditions, reports, its Lease.

    With your own credentials, once the operator has ended. Its manifests and CRDs are then yours to delete.

    Exit code 0: nothing is left; 2: some of it is, a line each on stderr.
    """
    from etpguard.cli.uninstall import UninstallOptions
    from etpguard.cli.uninstall import uninstall as run_uninstall

    remediations, lease = options.pop("remediations"), options.pop("lease_name")
    return run_uninstall(
        kubeconfig, context, UninstallOptions(revert=remediations == "revert", lease=lease, **options)
    )


def _named(service: str, namespace: str | None) -> tuple[str | None, str]:
    """Namespace and name of NAMESPACE/SERVICE, or of SERVICE with -n; None for the context's own namespace."""
    space, slash, name = service.rpartition("/")
    if not name or "/" in space or (slash and not space):
        raise click.UsageError(f"{service!r} is not NAMESPACE/SERVICE")
    if slash and namespace and namespace != space:
        raise click.UsageError(f"{service!r} is not in the namespace {namespace!r}")
    return space or namespace, name


def _run_command() -> click.Command:
    """`run` takes every setting of the operator, as a flag or an environment variable."""

    @click.pass_context
    def run(_: click.Context, /, **flags: str | None) -> int:
        """Run the operator."""

        from etpguard.settings import SettingsError, parse

        try:
            settings = parse(flags, os.environ)
        except SettingsError as error:
            raise Failure(str(error)) from None
        from etpguard import app

        return app.run(settings)

    return _Run("run", callback=run, help="Run the operator. Each option is also read from the environment.")


class _Run(click.Command):
    """Its options are those of `etpguard.settings`, looked up when they are needed."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from etpguard import settings

        own: list[click.Parameter] = [
            click.Option([option.flag], metavar=option.metavar, help=f"{option.help}  [{option.environment}]")
            for option in settings.options()
        ]
        return [*own, *super().get_params(ctx)]


cli.add_command(_run_command())
