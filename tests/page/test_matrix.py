from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etpguard.assess import PortState
from etpguard.cluster import NodeTable
from etpguard.page import matrix
from etpguard.page.matrix import Mark, PortRow, cell, port_rows
from tests.assess.build import assess, consumer, endpoint, endpoint_slice, node, service

PORT = PortState("http", 80, "TCP", "IPv4", 30080, ready=0, terminating=0, usable=True)


def table_of(count: int) -> NodeTable:
    table = NodeTable()
    for number in range(count):
        table.add(f"n{number:04}")
    return table


def row(**sets: int) -> PortRow:
    return PortRow((PORT,), tuple((Mark[name], members) for name, members in sets.items()))


def shown(rows: list[PortRow], nodes: int, zones: tuple[tuple[str, int], ...] = ()) -> list[str]:
    made = matrix.matrix(rows, nodes, zones, table_of(nodes.bit_length()))
    return [
        f"{zone.name or '-'}: {column.title}: "
        + " ".join("".join(f"{m.letter}{n}" for m, n in cell(each, column).counts) or "none" for each in rows)
        for zone in made.zones
        for column in zone.columns
    ]


@pytest.mark.parametrize(
    ("rows", "nodes", "zones", "expected"),
    [
        pytest.param([row(READY=1, UNCOVERED=6)], 7, (), ["-: n0000: R1", "-: 2 nodes: U2"], id="no zones"),
        pytest.param(
            [row(READY=1, UNCOVERED=6)],
            7,
            (("a", 3), ("b", 4)),
            ["a: n0000: R1", "a: n0001: U1", "b: n0002: U1"],
            id="zones split",
        ),
        pytest.param(
            [row(READY=1, UNCOVERED=6), row(READY=2, DROPPED=5)],
            7,
            (),
            ["-: n0000: R1 D1", "-: n0001: U1 R1", "-: n0002: U1 D1"],
            id="rows split",
        ),
        pytest.param([row(READY=1)], 3, (), ["-: n0000: R1", "-: n0001: none"], id="a node that appeared since"),
        pytest.param([row(READY=3)], 3, (("a", 1),), ["a: n0000: R1", "-: n0001: R1"], id="one without a zone"),
        pytest.param([row(READY=1)], 1, (("a", 1), ("b", 2)), ["a: n0000: R1"], id="a zone without a Node"),
        pytest.param([], 3, (), ["-: 2 nodes: "], id="no rows"),
    ],
)
def test_columns(rows: list[PortRow], nodes: int, zones: tuple[tuple[str, int], ...], expected: list[str]) -> None:
    assert shown(rows, nodes, zones) == expected


def test_too_many_different_nodes_leave_a_column_for_each_zone() -> None:
    count = matrix.MAX_COLUMNS + 1
    nodes, odd = (1 << count) - 1, sum(1 << position for position in range(1, count, 2))
    rows = [row(READY=1 << position, UNCOVERED=nodes & ~(1 << position)) for position in range(count)]
    made = matrix.matrix(rows, nodes, (("a", odd), ("b", nodes & ~odd)), table_of(count))
    assert made.folded
    assert [(column.title, column.count) for column in made.columns] == [("30 nodes", 30), ("31 nodes", 31)]
    assert [cell(rows[0], column).counts for column in made.columns] == [
        ((Mark.UNCOVERED, 30),),
        ((Mark.READY, 1), (Mark.UNCOVERED, 30)),
    ]
    assert [cell(rows[0], column).colour for column in made.columns] == ["U", "M"]


def test_a_cell_without_a_state_has_a_colour_too() -> None:
    assert matrix.Cell(()).colour == "N"


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=6),
    st.integers(1, 255),
    st.integers(0, 255),
)
def test_each_node_is_in_one_column_and_its_column_shows_its_state(
    drawn: list[tuple[int, int]], nodes: int, zone: int
) -> None:
    rows = [row(READY=ready & nodes, DROPPED=lost & ~ready & nodes) for ready, lost in drawn]
    made = matrix.matrix(rows, nodes, (("a", zone),), table_of(8))
    assert not made.folded
    seen = 0
    for column in made.columns:
        assert not seen & column.nodes
        seen |= column.nodes
        for each in rows:
            states = {mark for mark, members in each.sets if members & column.nodes}
            assert len(states) <= 1
            assert {mark for mark, _ in cell(each, column).counts} == states
    assert seen == nodes


PORTS = [
    {"name": "http", "port": 80, "nodePort": 30080},
    {"name": "https", "port": 443, "nodePort": 30443},
]
TARGETS = [{"name": name, "protocol": "TCP", "port": 1} for name in ("http", "https")]
WEB, N1 = service(), endpoint_slice([endpoint("n1")])


def marks(*objects: object, **how: object) -> list[tuple[str, str]]:
    """Port and states of each row of the Service `web`, with the nodes by position."""
    assessment, picture = assess(*objects, **how)  # type: ignore[arg-type]
    assert assessment is not None
    return [
        (
            " ".join(port.port for port in each.ports),
            " ".join(f"{mark.letter}:{','.join(picture.nodes.names(members))}" for mark, members in each.sets),
        )
        for each in port_rows(assessment)
    ]


def test_what_clients_may_address_is_uncovered_without_a_consumer() -> None:
    assert marks(node("n1"), node("n2"), node("n3", "False"), WEB, N1) == [("http", "R:n1 U:n2 D:n3")]


def test_what_no_consumer_sends_to_is_not_uncovered() -> None:
    slices = endpoint_slice([endpoint("n1")], TARGETS)
    assert marks(node("n1"), node("n2"), service(ports=PORTS), slices, consumers=[consumer()]) == [
        ("http", "R:n1 U:n2"),
        ("https", "R:n1 D:n2"),
    ]


def test_a_consumer_of_another_family_does_not_count() -> None:
    assert marks(node("n1"), node("n2"), WEB, N1, consumers=[consumer(ip_families=("IPv6",))]) == [
        ("http", "R:n1 D:n2")
    ]


def test_ports_in_the_same_states_share_a_row() -> None:
    assert marks(node("n1"), WEB, service(ports=PORTS), endpoint_slice([endpoint("n1")], TARGETS)) == [
        ("http https", "R:n1")
    ]


def test_terminating_and_rejected() -> None:
    ending = endpoint_slice([endpoint("n1", ready=False, serving=True, terminating=True)])
    assert marks(node("n1"), WEB, ending) == [("http", "T:n1")]
    assert marks(node("n1"), WEB, endpoint_slice()) == [("http", "X:n1")]
