"""The commands about a whole cluster: `dump`, `rollback` and `uninstall`, with their options."""

from __future__ import annotations

from typing import Any

import click

from etpguard.cli.common_options import only, service_name, service_namespace
from etpguard.cli.option_types import OnceOption
from etpguard.cli.setting_options import CLUSTER, READING, setting_options, take_settings


@click.command(short_help="Write the objects that `check` reads to a file.")
@click.option("-A", "--all-namespaces", is_flag=True, help="dump all namespaces: the default")
@click.option(
    "-n",
    "--namespace",
    cls=OnceOption,
    metavar="NS",
    help="dump what the Services in this namespace may depend on: all objects but the EndpointSlices of other "
    "Services. `check` then reports only the Services of this namespace",
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
    help="replace each name, address, host and provider ID with another word, the same one everywhere. `check` "
    "gives the same outcomes",
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


@click.command()
@click.argument("service", metavar="NAMESPACE/SERVICE")
@service_namespace
@click.option(
    "--force",
    is_flag=True,
    help="restore Local even if another manager declares Cluster now, or if the record of the remediation cannot "
    "be read",
)
@setting_options(CLUSTER)
def rollback(service: str, namespace: str | None, force: bool, **options: Any) -> int:
    """Restore Local on a Service that etpguard remediated.

    Uses your own credentials: get and patch on services, and get on servicecoverages. No operator has to run. The
    Service loses traffic again. No policy remediates it again before the spec of a policy that selects it changes,
    or a new policy selects it.

    \b
    Exit codes:
      0  the Service has Local now
      2  the rollback failed; one line on stderr says why
    """
    settings = take_settings(options, CLUSTER)
    from etpguard.cli.rollback import rollback as run_rollback

    return run_rollback(
        settings.kubeconfig or None, settings.context or None, *service_name(service, namespace), force=force
    )


@click.command(short_help="Remove the conditions, the reports and the Lease of the operator.")
@click.option(
    "--remediations",
    type=click.Choice(["keep", "revert"]),
    required=True,
    help="what to do with the Services that etpguard remediated: keep Cluster, or revert to Local",
)
@click.option("--dry-run", is_flag=True, help="send each request as a dry run: the API server stores nothing")
@click.option(
    "--force",
    is_flag=True,
    help="continue although an operator runs, and revert also Services for which another manager declares "
    "Cluster, or whose record of the remediation cannot be read",
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
