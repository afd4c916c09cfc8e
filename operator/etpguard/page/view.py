"""The records that the template shows, made from assessments and from what the operator recorded. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from etpguard.assess import Assessment, Outcome
from etpguard.assess.consumers.consumer import Advice
from etpguard.assess.resilience import Zones
from etpguard.cluster import NodeTable
from etpguard.objects import Key, Remediation
from etpguard.objects.shell import command_line
from etpguard.page.matrix import Cell, Mark, Matrix, PortRow, cell, matrix, port_rows
from etpguard.report.contract import Contents, Json, coverage_report, report_assumptions, service_report
from etpguard.report.internal import internal_report
from etpguard.report.resilience import resilience_lines
from etpguard.report.transitions import transitions_of

MAX_NAMES = 10
"""How many nodes a list names, as in `explain`."""
WHOLE_STORIES = 100
"""How many Services, the worst first, are shown with all details. The others name fewer nodes and show only the
best advice: with all details the page of 2,000 Services would take 10 MB."""
FEW_NAMES = 2
HISTORY = 5
"""How many changes of the outcome are shown, as in `explain`."""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the operator. `problems`: why the picture is not fresh, or what is not written."""

    revision: str
    """Names this version of the page."""
    leader: str
    """Which replica writes, or why none does."""
    fresh: bool
    problems: Sequence[str] = ()

    @property
    def facts(self) -> tuple[object, ...]:
        """All but the revision."""
        return (self.leader, self.fresh, tuple(self.problems))


@dataclass(frozen=True, slots=True)
class PageContents:
    """What a page shows. `source` says where the objects come from, `made` when the page was made (RFC 3339).
    `recorded` are the statuses of the ServiceCoverages, `why_not` the reasons that policies give for Services that
    they do not remediate, both by Service. `status` is None for a file."""

    contents: Contents
    zones: Zones
    advisor: Callable[[Assessment], Iterable[Advice]]
    source: str
    made: str
    recorded: Mapping[Key, Json] = field(default_factory=dict)
    why_not: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    status: Status | None = None


class PortLine(NamedTuple):
    """Ports in the same states: how the page writes them, and the nodes by state."""

    labels: tuple[str, ...]
    states: tuple[StateLine, ...]


@dataclass(frozen=True, slots=True)
class StateLine:
    """Nodes in one state: how many, the first names, and how many more there are."""

    mark: Mark
    count: int
    names: tuple[str, ...]
    more: int


class ConsumerLine(NamedTuple):
    """One entry of `consumers[]` of the report, and its sentences about resilience."""

    report: Json
    resilience: tuple[str, ...]


class Change(NamedTuple):
    """A change of the outcome. `before` is "" for the first one."""

    time: str
    before: str
    after: str
    reason: str


class RemediationLine(NamedTuple):
    """What remediation did, since when and by which policy, and why it did no more. A field is "" if that is not
    recorded."""

    phase: str
    since: str
    policy: str
    message: str


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One Service. `report` is its entry in `services[]` of the CoverageReport."""

    report: Json
    outcome: Outcome
    ports: tuple[PortLine, ...]
    consumers: tuple[ConsumerLine, ...]
    resilience: tuple[str, ...]
    advice: tuple[Advice, ...]
    whole: bool
    """Whether all advice is shown, with lists as long as in `explain`."""
    history: tuple[Change, ...]
    remediation: RemediationLine | None
    why_not: tuple[str, ...]
    rows: tuple[PortRow, ...]

    @property
    def name(self) -> str:
        return f"{self.report['namespace']}/{self.report['name']}"

    @property
    def explain(self) -> str:
        """The command that explains it. A file may have names that a shell would not take as such."""
        return command_line(["etpguard", "explain", self.name])

    @property
    def remediated(self) -> bool:
        return "ifLocal" in self.report


class MatrixRow(NamedTuple):
    """A row of the matrix. `first`: whether it is the first of its Service."""

    service: ServiceView
    ports: str
    cells: tuple[Cell, ...]
    first: bool


@dataclass(frozen=True, slots=True)
class PageView:
    """The whole page. `report` is the CoverageReport without `services` and `internal`. `outcomes` counts the
    Services, the worst outcome first."""

    page: PageContents
    report: Json
    outcomes: tuple[tuple[Outcome, int], ...]
    nodes: int
    matrix: Matrix
    rows: tuple[MatrixRow, ...]
    services: tuple[ServiceView, ...]
    internal: tuple[Json, ...]
    """Entries of `internal[]`, the worst first, without those that are Covered."""
    internal_covered: int

    @property
    def losing(self) -> int:
        """Services that lose requests now."""
        return sum(count for outcome, count in self.outcomes if outcome.loses_requests)


@dataclass(slots=True)
class ServiceViews:
    """Makes the view of each Service, and keeps it while its data stays the same."""

    _kept: dict[Key, tuple[tuple[object, ...], ServiceView]] = field(default_factory=dict)

    def view(self, page: PageContents, assessment: Assessment, *, whole: bool) -> ServiceView:
        key = assessment.key
        made_from = (assessment, page.recorded.get(key), page.why_not.get(key), whole, page.contents.table.epoch)
        kept = self._kept.get(key)
        if kept is None or any(a is not b and a != b for a, b in zip(kept[0], made_from, strict=True)):
            kept = self._kept[key] = (made_from, service_view(page, assessment, whole=whole))
        return kept[1]

    def retain(self, keys: Iterable[Key]) -> None:
        """Forget all other Services."""
        wanted = set(keys)
        self._kept = {key: kept for key, kept in self._kept.items() if key in wanted}


def service_views(page: PageContents, views: ServiceViews) -> Iterator[ServiceView]:
    """The views of all Services, the worst first. A generator, because all of them together may take seconds."""
    ordered = sorted(page.contents.assessments, key=lambda a: (-a.outcome, a.key))
    for place, assessment in enumerate(ordered):
        yield views.view(page, assessment, whole=place < WHOLE_STORIES)


def page_view(page: PageContents, views: ServiceViews | None = None) -> PageView:
    """The records of the page, the worst Services first. `views` keeps the views of Services that do not
    change."""
    contents, views = page.contents, views or ServiceViews()
    services = tuple(service_views(page, views))
    views.retain(assessment.key for assessment in contents.assessments)
    made = matrix([row for each in services for row in each.rows], contents.nodes, page.zones, contents.table)
    return PageView(
        page=page,
        report=coverage_report(replace(contents, internal=()), []) | {"assumptions": report_assumptions(contents)},
        outcomes=tuple(sorted(Counter(s.outcome for s in services).items(), reverse=True)),
        nodes=contents.nodes.bit_count(),
        matrix=made,
        rows=tuple(row for each in services for row in _matrix_rows(each, made)),
        services=services,
        internal=tuple(_internal(contents)),
        internal_covered=sum(each.outcome is Outcome.Covered for each in contents.internal),
    )


def _internal(contents: Contents) -> Iterator[Json]:
    failing = [each for each in contents.internal if each.outcome is not Outcome.Covered]
    for each in sorted(failing, key=lambda a: (-a.outcome, a.key)):
        report = internal_report(each, contents.table, contents.internal_advice(each), MAX_NAMES)
        yield {"causes": [], **report, **contents.internal_details(each)}


def _matrix_rows(service: ServiceView, made: Matrix) -> Iterable[MatrixRow]:
    columns = made.columns
    for index, (row, line) in enumerate(zip(service.rows, service.ports, strict=True)):
        cells = tuple(cell(row, column) for column in columns)
        yield MatrixRow(service, ", ".join(line.labels), cells, first=not index)


def service_view(page: PageContents, assessment: Assessment, *, whole: bool = True) -> ServiceView:
    table, names = page.contents.table, MAX_NAMES if whole else FEW_NAMES
    recorded = page.recorded.get(assessment.key)
    rows = port_rows(assessment)
    report = service_report(assessment, table, (), names)
    lines = [
        tuple(resilience_lines(v.resilience, table, names)) if v.resilience is not None else ()
        for v in assessment.consumers
    ]
    own = assessment.resilience if not assessment.consumers else None
    return ServiceView(
        report=report,
        outcome=assessment.outcome,
        ports=tuple(_port_line(row, table, names) for row in rows),
        consumers=tuple(ConsumerLine(*each) for each in zip(report["consumers"], lines, strict=True)),
        resilience=tuple(resilience_lines(own, table, names)) if own is not None else (),
        advice=tuple(page.advisor(assessment))[: None if whole else 1],
        whole=whole,
        history=tuple(_change(each) for each in transitions_of(recorded)[:HISTORY]),
        remediation=remediation_line(recorded),
        why_not=page.why_not.get(assessment.key, ()),
        rows=rows,
    )


def _port_line(row: PortRow, table: NodeTable, names: int) -> PortLine:
    states = []
    for mark, members in row.sets:
        listed = tuple(table.names(members, names))
        states.append(StateLine(mark, members.bit_count(), listed, members.bit_count() - len(listed)))
    labels = dict.fromkeys(
        f"{port.port or 'unnamed'} {port.number}{f'→{port.node_port}' if port.node_port else ''}"
        f"/{port.protocol}{' IPv6' if port.family == 'IPv6' else ''}"
        for port in row.ports
    )
    return PortLine(tuple(labels), tuple(states))


def _change(recorded: Json) -> Change:
    return Change(*(str(recorded.get(name, "")) for name in ("time", "from", "to", "reason")))


def remediation_line(recorded: Json | None) -> RemediationLine | None:
    """What remediation recorded; None for a record that another version or program wrote in another form."""
    try:
        found = msgspec.convert((recorded or {}).get("remediation"), Remediation)
    except msgspec.ValidationError:
        return None
    policy = str(found.policy) if found.policy else ""
    return RemediationLine(found.phase, found.since, policy, found.message)
