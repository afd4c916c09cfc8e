"""`etpguard check`: the report of all Services, and the exit code for a pipeline."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Assessed, Sources, assess
from etpguard.cli.output.formats import STRUCTURED, TABLES
from etpguard.cli.output.streams import complain, deliver, warn
from etpguard.cli.selection import ALL, Selection
from etpguard.objects.text import listed

if TYPE_CHECKING:
    from etpguard.assess import Assessment
    from etpguard.cli.inside.findings import Finding
    from etpguard.cli.reading import ClusterReport, Reading


SHOWN_ASSUMPTIONS = 5
"""How many assumptions get a warning each. The others are only counted."""


class CheckRequest(Struct, frozen=True):
    """`fail_on` is the name of an outcome, or "never"; `max_nodes` 0 means all names."""

    sources: Sources
    output: str = "table"
    max_nodes: int = 100
    fail_on: str = "Blackhole"
    strict: bool = False
    policies: Sequence[str] = ()
    """Files of policies. The table shows what they would do instead of the outcomes; JSON and YAML show both."""
    contexts: Sequence[str] = ()
    """Read the clusters of these contexts instead of one. The report then names the cluster of each Service."""
    select: Selection = ALL
    internal: bool = False
    """Whether `fail_on` also counts what clients in the cluster lose."""


def check(request: CheckRequest) -> int:
    """Print the report. Returns 2 if one of several clusters cannot be read, else 1 if a Service that is shown has
    the outcome `fail_on` or a worse one, else 0. With `policies` always 0. Raises Failure."""
    if request.policies:
        return _check_policies(request)
    reading = read(request)
    from etpguard.cli.output import report

    deliver(lambda: report.write(reading, request.output, request.max_nodes, request.fail_on))
    for each in reading.reports:
        warn(each.assessed.warnings, each.cluster)
        warn(assumed(each.chosen), each.cluster)
    for cluster, why in reading.failed.items():
        complain(f"etpguard: {cluster}: {' '.join(why.split())}")
    return exit_code(reading, request.fail_on)


def read(request: CheckRequest) -> Reading:
    """Read one cluster, the files, or all `contexts`. Raises Failure if nothing can be reported."""
    if not request.contexts:
        only = _cluster_report(request, request.sources)
        from etpguard.cli.reading import Reading

        return Reading([only], selected=bool(request.select), internal=request.internal)
    from etpguard.cli.fleet import read_all

    def read_one(context: str) -> ClusterReport:
        settings = dataclasses.replace(request.sources.settings, context=context)
        return _cluster_report(request, replace(request.sources, settings=settings), context)

    found = read_all(request.contexts, read_one)
    return replace(found, selected=bool(request.select), internal=request.internal)


def exit_code(reading: Reading, fail_on: str) -> int:
    """2 if a cluster could not be read, else 1 if a Service that is shown has the outcome `fail_on` or a worse
    one, else 0."""
    from etpguard.assess import Outcome

    if reading.failed:
        return 2
    least = Outcome.__members__.get(fail_on)
    found = [assessment.outcome for each in reading.reports for assessment in each.chosen]
    if reading.internal:
        found += [finding.severity for each in reading.reports for finding in each.internal]
    return int(least is not None and any(outcome >= least for outcome in found))


def _cluster_report(request: CheckRequest, sources: Sources, cluster: str = "") -> ClusterReport:
    assessed = _assessed(request, sources)
    from etpguard.cli.reading import ClusterReport

    select = request.select
    return ClusterReport(
        assessed,
        select.of(assessed, assessed.assessments.values()),
        cluster,
        internal=inside(assessed, select),
    )


def inside(assessed: Assessed, select: Selection) -> Sequence[Finding]:
    """The Services with `internalTrafficPolicy: Local`. Reads Pods and workloads where clients fail."""
    chosen = select.of(assessed, assessed.internal.values())
    if not chosen:
        return ()
    from etpguard.cli.inside.findings import findings

    return findings(assessed, chosen)


def _check_policies(request: CheckRequest) -> int:
    from etpguard.cli import policy_preview
    from etpguard.cli.output import report
    from etpguard.cli.reading import ClusterReport, Reading

    if request.output not in (*TABLES, *STRUCTURED):
        raise Failure(f"-o {request.output} does not show policies: use table, json or yaml with --policy")
    if "-" in request.policies and "-" in request.sources.files:
        raise Failure("stdin cannot be both -f and --policy")
    namespaces = request.sources.namespaces or ()
    given = policy_preview.read(request.policies, namespaces[0] if len(namespaces) == 1 else "")
    assessed = _assessed(request, replace(request.sources, for_policies=True))
    chosen = request.select.of(assessed, assessed.assessments.values())
    internal = inside(assessed, request.select)
    shown = {assessment.key for assessment in chosen}
    rows = [row for row in policy_preview.explain(assessed, given) if row.service in shown]
    assessed.loaded.warnings += policy_preview.not_looked_for(assessed.loaded.picture, rows)

    def show() -> None:
        if request.output in STRUCTURED:
            would: Sequence[dict[str, Any]] = [row.as_json() for row in rows]
            reading = Reading([ClusterReport(assessed, chosen, remediations=would, internal=internal)])
            report.write(reading, request.output, request.max_nodes, request.fail_on)
        else:
            policy_preview.show(rows)

    deliver(show)
    warn(assessed.warnings)
    if request.output not in STRUCTURED:  # else the report has them
        warn(policy_preview.assumed_planes(assessed, rows))
        about = {row.service for row in rows}
        warn(assumed([assessment for assessment in chosen if assessment.key in about]))
    return 0


def _assessed(request: CheckRequest, sources: Sources) -> Assessed:
    assessed = assess(sources)
    problems = [*assessed.loaded.malformed, *(f"{kind} could not be read" for kind in assessed.loaded.not_read)]
    if request.strict and problems:
        raise Failure(_strict(problems))
    return assessed


def assumed(chosen: Sequence[Assessment]) -> list[str]:
    """A line for each assumption that outcomes of these Services rest on."""
    resting: dict[str, list[str]] = {}
    for assessment in chosen:
        for text in assessment.assumptions:
            resting.setdefault(text, []).append(str(assessment.key))
    lines = [
        f"assumed for {listed(names, 3)}: {text}" for text, names in list(resting.items())[:SHOWN_ASSUMPTIONS]
    ]
    if more := len(resting) - len(lines):
        lines.append(f"{more} more {'assumption' if more == 1 else 'assumptions'}: -o wide shows all")
    return lines


def _strict(problems: Sequence[str]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"--strict: {problems[0]}{more}"
