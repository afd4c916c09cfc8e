"""The second table of `check`: a line for each Service with `internalTrafficPolicy: Local`, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from etpguard.assess import InternalAssessment, Outcome
from etpguard.cli.inside.findings import Finding
from etpguard.cli.output.table import NAMED, explain_command, footnotes, nodes, print_table
from etpguard.cli.reading import Reading
from etpguard.cluster import NodeTable
from etpguard.objects.text import harmless, listed
from etpguard.report.sentences import explain_internal

HEADER = ("OUTCOME", "SERVICE", "UNCOVERED", "NODES", "REASON")
WIDE = ("TYPE", "PORTS", "CLIENTS", "ASSUMPTIONS")
TITLE = "Clients in the cluster (internalTrafficPolicy Local):"
_NAMED_OWNERS = 3


def show(reading: Reading, *, wide: bool, max_nodes: int) -> None:
    """Print the table to stdout, after that of external traffic."""
    found = [(each, finding) for each in reading.reports for finding in each.internal]
    found.sort(key=lambda pair: (_badness(pair[1].assessment), pair[0].cluster, pair[1].key))
    rows = [
        (
            *([each.cluster] if reading.fleet else ()),
            *row(finding, each.assessed.loaded.picture.nodes, wide=wide, max_nodes=max_nodes),
        )
        for each, finding in found
    ]
    header = (*(("CLUSTER",) if reading.fleet else ()), *HEADER, *(WIDE if wide else ()))
    assessments = [finding.assessment for _, finding in found]
    print(f"\n{TITLE}")
    color = reading.reports[0].assessed.sources.settings.color
    print_table(header, rows, [each.outcome for each in assessments], color)
    print(f"\n{summary(assessments)}")
    if not any(each.chosen for each in reading.reports):  # else they are below the first table
        for report in reading.reports:
            for line in footnotes(report.assessed, (), wide=wide):
                print(f"{report.cluster}: {line}" if report.cluster else line)
    each, worst = found[0]
    if not wide and worst.assessment.outcome > Outcome.Covered:
        command = explain_command(each.assessed, worst.key)
        print(f"\nFor the pods that are affected, and what to do:\n  {harmless(command)}")


def _badness(assessment: InternalAssessment) -> tuple[int, int]:
    return -assessment.outcome, -assessment.uncovered.bit_count()


def row(finding: Finding, table: NodeTable, *, wide: bool, max_nodes: int) -> tuple[str, ...]:
    """The cells of one Service, one line each."""
    assessment = finding.assessment
    uncovered, eligible = assessment.uncovered.bit_count(), assessment.eligible.bit_count()
    named = max_nodes if wide else min(NAMED, max_nodes or NAMED)
    cells = (
        assessment.outcome.name,
        str(assessment.key),
        f"{uncovered}/{eligible}" if eligible else "-",
        nodes(table.names(assessment.uncovered, named), uncovered),
        reason(finding),
    )
    if not wide:
        return cells
    ports = dict.fromkeys(f"{p.state.port or p.state.number}/{p.state.protocol}" for p in assessment.ports)
    return (
        *cells,
        assessment.type,
        ", ".join(ports) or "-",
        _clients(finding),
        " | ".join(assessment.assumptions) or "-",
    )


def reason(finding: Finding) -> str:
    """Why nodes have no endpoint, by number of nodes; the reason of the assessment if that was not asked."""
    if not finding.absences:
        return explain_internal(finding.assessment)
    parts = []
    for each in finding.absences:
        sentences = ", and ".join(reason.sentence for reason in each.reasons)
        count = len(each.nodes)
        parts.append(sentences if len(finding.absences) == 1 else f"{count} node{'s' * (count > 1)}: {sentences}")
    return "; ".join(parts)


def _clients(finding: Finding) -> str:
    """`57 pods: Deployment shop/api (40), DaemonSet ops/logs (17)`."""
    if finding.clients is None:
        return "not read" if finding.unread else "-"
    total = sum(each.pods for each in finding.clients)
    if not total:
        return "none"
    owners = [f"{each.owner} ({each.pods})" for each in finding.clients]
    return f"{total} pod{'s' * (total > 1)}: {listed(owners, _NAMED_OWNERS)}"


def summary(assessments: Sequence[InternalAssessment]) -> str:
    counts = Counter(each.outcome.name for each in assessments)
    number = len(assessments)
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{number} Service{'s' * (number > 1)} with internalTrafficPolicy Local: {listed}"
