"""Nodes as bits."""

from __future__ import annotations

import pytest

from etpguard.cluster import NodeTable
from etpguard.cluster.nodes import positions


def test_names_are_sorted_and_limited() -> None:
    table = NodeTable()
    for name in ("c", "a", "b"):
        table.add(name)
    assert table.names(table.present) == ["a", "b", "c"]
    assert table.names(table.present, 2) == ["a", "b"]
    assert table.names(table.bit("c")) == ["c"]
    assert table.names(0) == []


def test_a_name_keeps_its_bit_whether_a_node_bears_it_or_not() -> None:
    table = NodeTable()
    bit = table.bit("a")
    assert table.present == 0
    table.add("a")
    assert table.present == bit
    table.discard("a")
    assert (table.present, table.bit("a")) == (0, bit)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([], id="none"),
        pytest.param([7, 4_999], id="few, far apart"),
        pytest.param([*range(40), *range(1_000, 5_000, 9)], id="many, with a gap"),
        pytest.param(list(range(200)), id="many, without a gap"),
    ],
)
@pytest.mark.parametrize("limit", [0, 1, 39, 100])
def test_positions_of_few_and_of_many_members(members: list[int], limit: int) -> None:
    found = positions(sum(1 << member for member in members), limit)
    assert found == (members[:limit] if limit else members)


def test_positions() -> None:
    assert list(positions(0b1011 << 100)) == [100, 101, 103]


def test_an_unbounded_set_is_an_error_not_a_loop() -> None:
    table = NodeTable()
    table.add("a")
    with pytest.raises(ValueError, match="intersect"):
        table.names(-1)
    assert table.names(-1 & table.present) == ["a"]


def churned(kept: int, gone: int) -> NodeTable:
    table = NodeTable()
    for number in range(gone):
        table.add(f"gone-{number}")
        table.discard(f"gone-{number}")
    for number in range(kept):
        table.add(f"kept-{number}")
    return table


@pytest.mark.parametrize(
    ("kept", "gone", "slack", "does"),
    [
        pytest.param(10, 0, 0, False, id="nothing to drop"),
        pytest.param(10, 10, 0, False, id="just half belongs to no Node"),
        pytest.param(10, 11, 0, True, id="more than half"),
        pytest.param(10, 11, 1, False, id="but within the slack"),
        pytest.param(10, 1034, 1024, False, id="at the default slack"),
        pytest.param(10, 1035, 1024, True, id="above it"),
        pytest.param(0, 5, 0, True, id="no Node at all"),
    ],
)
def test_compact(kept: int, gone: int, slack: int, does: bool) -> None:
    table = churned(kept, gone)
    names = table.names(table.present)
    assert table.compact(slack) is does
    assert table.epoch == does
    assert table.names(table.present) == names
    assert (table.present.bit_length() <= kept) == (does or not gone)


def test_after_compaction_names_get_new_bits() -> None:
    table = churned(3, 20)
    assert table.compact(0)
    new = table.bit("gone-3")
    assert new & table.present == 0
    assert table.names(new) == ["gone-3"]


def test_a_copy_stays_as_it_was() -> None:
    table = churned(3, 20)
    nodes, last = table.present, table.bit("gone-19")
    copy = table.copy()
    copy.names(nodes)
    table.add("new")
    assert table.compact(0)
    assert copy.names(nodes) == ["kept-0", "kept-1", "kept-2"]
    assert (copy.present, copy.epoch, copy.bit("gone-19")) == (nodes, 0, last)
    copy.add("another")
    assert "another" not in table.names(table.present)


def test_names_are_those_of_now() -> None:
    table = NodeTable()
    table.add("b")
    everything = (1 << 40) - 1
    table.names(table.present).append("no node")
    assert table.names(table.present) == ["b"]
    table.add("a")
    assert table.names(table.present) == ["a", "b"]
    for number in range(100):
        table.add(f"n{number:03}")
        assert len(table.names(table.present & everything)) == min(number + 3, 40)


@pytest.mark.parametrize("limit", [1, 5, 20])
def test_the_first_names_of_a_set_are_the_first_of_all_its_names(limit: int) -> None:
    """Of sets whose first nodes are the same, and of sets with few nodes among the first ones."""
    table = NodeTable()
    for number in range(200):
        table.add(f"node-{number:03}")
    for nodes in (
        table.present,
        table.present & ~(1 << 3),
        table.present & ~((1 << 100) - 1),
        1 << 7 | 1 << 150,
        0,
    ):
        assert table.names(nodes, limit) == table.names(nodes)[:limit]
        assert table.names(nodes, limit) == table.names(nodes)[:limit], "as it is kept"
