"""When an outcome has lasted long enough to be published."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from etpguard.publish.debounce import Debounce
from tests.publish.given import KEY, assessment

O = Outcome  # noqa: E741


def due(published: Outcome | None, *seen: tuple[float, Outcome | None]) -> float:
    debounce: Debounce[object] = Debounce(30, 5)
    for at, outcome in seen:
        debounce.observe(KEY, None if outcome is None else assessment(outcome), at)
    return debounce.due(KEY, published, 1000)


@pytest.mark.parametrize(
    ("published", "seen", "expected"),
    [
        pytest.param(None, [(0, O.Covered)], 30, id="the first verdict"),
        pytest.param(O.Covered, [(0, O.Covered), (10, O.Uncovered)], 40, id="a change"),
        pytest.param(O.Covered, [(0, O.Covered), (10, O.Blackhole)], 15, id="Blackhole"),
        pytest.param(O.Covered, [(0, O.Covered), (10, O.Outage)], 15, id="Outage"),
        pytest.param(O.Covered, [(0, O.Covered), (10, O.NoTargets)], 15, id="NoTargets"),
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
            id="taking turns once it is published",
        ),
        pytest.param(
            O.Covered,
            [(0, O.Covered), (100, O.TargetsUnhealthy), (120, O.NoEndpoints), (140, O.TargetsUnhealthy)],
            160,
            id="two that are not published take turns",
        ),
        pytest.param(
            O.Covered,
            [(0, O.Covered), *((100 + 4 * i, (O.Blackhole, O.NoEndpoints)[i % 2]) for i in range(15))],
            160,
            id="Blackhole takes turns with another",
        ),
        pytest.param(
            O.Covered,
            [(0, O.Covered), (90, O.TargetsUnhealthy), (120, O.Covered), (130, O.Uncovered), (150, O.NoEndpoints)],
            180,
            id="the published one was there between",
        ),
        pytest.param(
            O.Covered,
            [(0, O.TargetsUnhealthy), (20, O.NoEndpoints), (40, O.TargetsUnhealthy)],
            60,
            id="taking turns from the start",
        ),
        pytest.param(
            O.Covered,
            [(0, O.TargetsUnhealthy), (20, O.NoEndpoints), (60, O.Uncovered), (70, O.NoEndpoints)],
            100,
            id="one lasted, and its write failed",
        ),
        pytest.param(
            O.NotAffected,
            [(0, None), (3600, O.Covered)],
            3630,
            id="the published one was never seen",
        ),
    ],
)
def test_due(published: Outcome | None, seen: list[tuple[float, Outcome | None]], expected: float) -> None:
    assert due(published, *seen) == expected


def test_another_set_of_nodes_has_a_time_of_its_own() -> None:
    debounce: Debounce[object] = Debounce(30, 5)
    debounce.observe(KEY, assessment(O.Uncovered, uncovered=0b010), 0)
    debounce.observe(KEY, assessment(O.Uncovered, uncovered=0b100), 7)
    assert debounce.due(KEY, None, 8) == 30
    assert debounce.nodes_since(KEY, 8) == 7


def test_a_key_that_was_never_observed_is_held_from_now() -> None:
    debounce: Debounce[object] = Debounce(30, 5)
    assert debounce.due(KEY, None, 100) == 130
    assert debounce.nodes_since(KEY, 100) == 100


@pytest.mark.parametrize("how", ["forget", "retain"])
def test_what_is_forgotten_leaves_nothing_behind(how: str) -> None:
    debounce: Debounce[object] = Debounce(30, 5)
    debounce.observe(KEY, assessment(O.Uncovered), 0)
    debounce.observe("other", assessment(O.Uncovered), 0)
    if how == "forget":
        debounce.forget([KEY])
    else:
        debounce.retain({"other"})
    assert len(debounce) == 1
    assert debounce.due("other", None, 8) == 30
