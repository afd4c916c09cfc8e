"""When an outcome has lasted long enough to be told."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from etpguard.publish.debounce import Debounce
from tests.publish.given import KEY, assessment

O = Outcome  # noqa: E741


def due(stands: Outcome | None, *seen: tuple[float, Outcome | None]) -> float:
    holds: Debounce[object] = Debounce(30, 5)
    for at, outcome in seen:
        holds.observe(KEY, None if outcome is None else assessment(outcome), at)
    return holds.due(KEY, stands)


@pytest.mark.parametrize(
    ("stands", "seen", "expected"),
    [
        pytest.param(None, [(0, O.Covered)], 30, id="the first verdict"),
        pytest.param(O.Covered, [(0, O.Covered), (10, O.Uncovered)], 40, id="a change"),
        pytest.param(O.Covered, [(0, O.Covered), (10, O.Blackhole)], 15, id="Blackhole"),
        pytest.param(O.Covered, [(0, O.Covered), (10, O.Outage)], 15, id="Outage"),
        pytest.param(O.Outage, [(0, O.Outage), (10, O.Covered)], 40, id="a recovery"),
        pytest.param(O.Covered, [(0, O.Covered), (10, None)], 40, id="no longer assessed"),
        pytest.param(
            O.Covered,
            [(0, O.Covered), (10, O.Uncovered), (20, O.Covered), (30, O.Uncovered)],
            60,
            id="flapping starts over",
        ),
        pytest.param(
            O.Covered,
            [(0, O.Covered), (10, O.Uncovered), (20, O.Uncovered), (30, O.Uncovered)],
            40,
            id="seen again is no change",
        ),
        pytest.param(
            O.Covered,
            [(0, O.Covered), (10, O.Blackhole), (13, O.Outage), (16, O.Blackhole)],
            15,
            id="lost without a break, taking turns",
        ),
        pytest.param(
            O.Blackhole,
            [(0, O.Blackhole), (10, O.Outage), (13, O.Blackhole), (16, O.Outage)],
            21,
            id="taking turns once it is told",
        ),
    ],
)
def test_due(stands: Outcome | None, seen: list[tuple[float, Outcome | None]], expected: float) -> None:
    assert due(stands, *seen) == expected


def test_another_set_of_nodes_has_a_time_of_its_own() -> None:
    holds: Debounce[object] = Debounce(30, 5)
    holds.observe(KEY, assessment(O.Uncovered, uncovered=0b010), 0)
    holds.observe(KEY, assessment(O.Uncovered, uncovered=0b100), 7)
    assert holds.due(KEY, None) == 30
    assert holds.nodes_since(KEY) == 7
    holds.forget([KEY])
    assert holds.keys() == []
