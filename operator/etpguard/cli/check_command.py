"""The command `etpguard check` and its options."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from etpguard.cli.common_options import fail_on, internal, max_nodes, output_format, sources, take_sources
from etpguard.cli.option_types import OUTCOMES, LabelSelector, OutcomeName, Seconds
from etpguard.cli.output.formats import FORMATS, TABLES

_CONTEXT = "context"
_FURTHER = ("color",)


@click.command(short_help="Report all Services with the traffic policy Local, worst first.")
@partial(sources, several=[_CONTEXT], further=_FURTHER)
@click.option("--all-contexts", is_flag=True, help="report the clusters of all contexts of the kubeconfig")
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    metavar="NS",
    help="report only Services in this namespace; can be repeated",
)
@click.option("-A", "--all-namespaces", is_flag=True, help="report Services in all namespaces: the default")
@click.option(
    "-l",
    "--selector",
    type=LabelSelector(),
    default="",
    metavar="SELECTOR",
    help="report only Services whose labels match, as kubectl does: a=b, a!=b, a in (b,c), a, !a; separated by "
    "commas",
)
@click.option(
    "--outcome",
    "outcomes",
    type=OutcomeName(),
    multiple=True,
    metavar="OUTCOME",
    help="report only Services with this outcome; can be repeated",
)
@output_format(*FORMATS)
@max_nodes(100, "list at most this many names of nodes; 0 for all")
@fail_on(
    f"exit with 1 if a Service has this outcome or a worse one; best to worst: {', '.join(OUTCOMES)}. "
    "`never` fails for none"
)
@internal
@click.option("--strict", is_flag=True, help="exit with 2 if an object or a kind cannot be read")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="FILE|-",
    help="show what the CoveragePolicies in this file would do now to each Service, and the reason, as a table or "
    "under `remediations` in JSON and YAML; can be repeated",
)
@click.option(
    "-w",
    "--watch",
    is_flag=True,
    help="read again after each --interval until SIGINT or SIGTERM. On a terminal, refresh the table in place; "
    "else print a line for each change",
)
@click.option(
    "--interval",
    type=Seconds(5),
    default="30s",
    show_default=True,
    metavar="DURATION",
    help="pause between two reads of --watch, at least 5s",
)
def check(
    all_contexts: bool,
    namespaces: Sequence[str],
    all_namespaces: bool,
    selector: str,
    outcomes: Sequence[str],
    watch: bool,
    interval: float,
    **options: Any,
) -> int:
    """Report all Services with externalTrafficPolicy: Local, and those with internalTrafficPolicy: Local.

    With several contexts, the clusters are read at the same time. A cluster that cannot be read has a line on
    stderr, and the others are reported.

    \b
    Exit codes:
      0  no reported Service has the outcome of --fail-on or a worse one, or --policy was given
      1  a reported Service has this outcome or a worse one
      2  the check could not be completed, or a cluster could not be read

    With --watch the exit code is that of the last read.
    """
    if "" in namespaces:
        raise click.UsageError("-n: the name of the namespace is empty")
    if namespaces and all_namespaces:
        raise click.UsageError("-n and -A exclude each other")
    contexts = tuple(dict.fromkeys(options.pop(_CONTEXT)))
    if all_contexts and (contexts or options["files"]):
        raise click.UsageError(f"--all-contexts and {'--context' if contexts else '-f'} exclude each other")
    fleet = all_contexts or len(contexts) > 1
    if fleet and options["policies"]:
        raise click.UsageError("--policy is for one cluster")
    if fleet and options["output"] == "html":
        raise click.UsageError("-o html is for one cluster")
    if fleet and options["files"]:
        raise click.UsageError("-f and --context exclude each other")
    if watch:
        _refuse_with_watch(options)
    options[_CONTEXT] = contexts[0] if len(contexts) == 1 else None
    given = take_sources(
        options, tuple(dict.fromkeys(namespaces)), further=_FURTHER, without=[_CONTEXT] if fleet else ()
    )
    from etpguard.cli.check import CheckRequest
    from etpguard.cli.check import check as run_check
    from etpguard.cli.selection import Selection

    if all_contexts:
        from etpguard.cli.fleet import all_contexts as known_contexts

        contexts = known_contexts(given.settings.kubeconfig)
    select = Selection(selector, outcomes)
    request = CheckRequest(given, contexts=contexts if fleet else (), select=select, **options)
    if watch:
        from etpguard.cli.watch import watch as run_watch

        return run_watch(request, interval)
    return run_check(request)


def _refuse_with_watch(options: dict[str, Any]) -> None:
    for name, flag in (("files", "-f"), ("policies", "--policy")):
        if options[name]:
            raise click.UsageError(f"--watch and {flag} exclude each other")
    if options["output"] not in TABLES:
        raise click.UsageError(f"--watch shows a table, not -o {options['output']}")
