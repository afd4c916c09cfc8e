"""The columns and cells of the matrix: the state of each service port on groups of nodes. Pure.

Nodes of one zone that are in the same state for every row share a column. If there are still more columns than a
person can read, each zone is one column, and its cells count the nodes by state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from etpguard.assess import Assessment, PortState
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.resilience import Zones
from etpguard.cluster import NodeTable
from etpguard.objects import IPFamily

MAX_COLUMNS = 60
MAX_CELLS = 30_000
"""The most cells of a table. A browser lays out this many within a second (measured with Chromium: see
tests/page)."""
NAMED = 5
"""How many nodes a column names."""


class Mark(Enum):
    """What one cell shows: a letter, and what it means. The order is that of the legend."""

    READY = ("R", "ready", "a ready endpoint is on the node: it forwards the traffic")
    TERMINATING = (
        "T",
        "terminating",
        "only terminating endpoints that still serve are on the node: it forwards the traffic until they end",
    )
    UNCOVERED = (
        "U",
        "uncovered",
        "no usable endpoint is on the node, so it does not forward, and the node is eligible: it gets traffic",
    )
    DROPPED = (
        "D",
        "dropped",
        "no usable endpoint is on the node, so it does not forward; the node is not eligible for this port",
    )
    REJECTED = ("X", "rejected", "no endpoint is usable anywhere: every node refuses the traffic")

    @property
    def letter(self) -> str:
        return self.value[0]

    @property
    def word(self) -> str:
        return self.value[1]

    @property
    def meaning(self) -> str:
        return self.value[2]


class PortRow(NamedTuple):
    """Ports of one Service whose nodes are in the same states. `sets` are disjoint sets of nodes."""

    ports: tuple[PortState, ...]
    sets: tuple[tuple[Mark, int], ...]


class Cell(NamedTuple):
    """The nodes of one column by state. If all are in one state, there is one entry. No entry means that the nodes
    are newer than the assessment."""

    counts: tuple[tuple[Mark, int], ...]

    @property
    def colour(self) -> str:
        """The letter of the one state, "M" for several, "N" for none."""
        return self.counts[0][0].letter if len(self.counts) == 1 else "M" if self.counts else "N"


@dataclass(frozen=True, slots=True)
class Column:
    """`title` names the node, or says how many nodes share the column. `names` are the first of them."""

    title: str
    names: tuple[str, ...]
    count: int
    nodes: int


@dataclass(frozen=True, slots=True)
class Zone:
    """Columns side by side. `name` is "" for nodes without a zone label."""

    name: str
    count: int
    columns: tuple[Column, ...]


class Matrix(NamedTuple):
    """`folded`: each zone is one column, because the nodes have too many different states."""

    zones: tuple[Zone, ...]
    folded: bool

    @property
    def columns(self) -> list[Column]:
        return [column for zone in self.zones for column in zone.columns]


def port_rows(assessment: Assessment) -> tuple[PortRow, ...]:
    """The rows of one Service. An uncovered node is one that drops the traffic and to which a consumer of the port
    sends. Without a known consumer, it is one that drops the traffic and that clients may address."""
    groups: dict[tuple[tuple[Mark, int], ...], list[PortState]] = {}
    known = assessment.known
    addressed = _addressed(known)
    for port in assessment.ports:
        to = addressed[port.port, port.family] if known else assessment.eligible
        groups.setdefault(_states(assessment, port, to), []).append(port)
    return tuple(PortRow(tuple(ports), sets) for sets, ports in groups.items())


def _states(assessment: Assessment, port: PortState, addressed: int) -> tuple[tuple[Mark, int], ...]:
    nodes = assessment.nodes
    dropped = port.dropped(nodes)
    uncovered = dropped & addressed
    states = (
        (Mark.READY, port.ready & nodes),
        (Mark.TERMINATING, port.terminating & nodes),
        (Mark.UNCOVERED, uncovered),
        (Mark.DROPPED, dropped & ~uncovered),
        (Mark.REJECTED, port.rejected(nodes)),
    )
    return tuple((mark, members) for mark, members in states if members)


def _addressed(known: Sequence[ConsumerVerdict]) -> Mapping[tuple[str, IPFamily], int]:
    """The nodes to which these consumers send the traffic of each port and family."""
    found: dict[tuple[str, IPFamily], int] = defaultdict(int)
    for verdict in known:
        for family in verdict.consumer.ip_families:
            found[verdict.consumer.port, family] |= verdict.eligible
    return found


def matrix(rows: Sequence[PortRow], nodes: int, zones: Zones, table: NodeTable) -> Matrix:
    """The columns for these rows. `nodes` are all Nodes."""
    by_zone = [(name, members & nodes) for name, members in zones if members & nodes]
    rest = nodes
    for _, members in by_zone:
        rest &= ~members
    if rest:
        by_zone.append(("", rest))
    most = min(MAX_COLUMNS, max(MAX_CELLS // max(len(rows), 1), len(by_zone)))
    parts = _parts([members for _, members in by_zone], rows, most)
    folded = parts is None
    found = [members for _, members in by_zone] if parts is None else parts
    made = tuple(_zone(name, members, found, table) for name, members in by_zone)
    return Matrix(made, folded)


def _parts(start: list[int], rows: Sequence[PortRow], most: int) -> list[int] | None:
    """`start` split until all nodes of a part are in the same state for each row; None if that takes more than
    `most` parts."""
    parts = start
    for splitter in dict.fromkeys(members for row in rows for _, members in row.sets):
        parts = list(_split(parts, splitter))
        if len(parts) > most:
            return None
    return parts


def _split(parts: Iterable[int], splitter: int) -> Iterable[int]:
    for part in parts:
        inside = part & splitter
        if inside and inside != part:
            yield inside
            yield part ^ inside
        else:
            yield part


def _zone(name: str, members: int, parts: Sequence[int], table: NodeTable) -> Zone:
    columns = [_column(part, table) for part in parts if part & members]
    columns.sort(key=lambda column: column.names)
    return Zone(name, members.bit_count(), tuple(columns))


def _column(nodes: int, table: NodeTable) -> Column:
    count, names = nodes.bit_count(), tuple(table.names(nodes, NAMED))
    return Column(names[0] if count == 1 else f"{count:,} nodes", names, count, nodes)


def cell(row: PortRow, column: Column) -> Cell:
    found = ((mark, (members & column.nodes).bit_count()) for mark, members in row.sets)
    return Cell(tuple((mark, count) for mark, count in found if count))
