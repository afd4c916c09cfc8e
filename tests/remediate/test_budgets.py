"""When a budget allows the next remediation."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from etpguard.objects.policies import Budget
from etpguard.remediate import budgets
from etpguard.remediate.budgets import allowed, seconds_left

NOW = 1_800_000_000.0
ONE = Budget()
TWO = Budget(services="2")


@pytest.mark.parametrize(
    ("budget", "ago", "whole", "left"),
    [
        pytest.param(ONE, [], 10, 0, id="nothing spent"),
        pytest.param(ONE, [599], 10, 1, id="spent"),
        pytest.param(ONE, [600], 10, 0, id="spent, and just free again"),
        pytest.param(TWO, [10], 10, 0, id="one of two spent"),
        pytest.param(TWO, [10, 500], 10, 100, id="of two the older is free first"),
        pytest.param(TWO, [10, 400, 500], 10, 200, id="overspent: until but one of two is spent"),
        pytest.param(Budget(services="0"), [], 10, 600, id="none at all: look again after the period"),
        pytest.param(Budget(services="25%"), [10, 20], 5, 580, id="a quarter of five is two"),
        pytest.param(Budget(services="25%"), [], 0, 600, id="a share of nothing is nothing"),
    ],
)
def test_what_was_spent(budget: Budget, ago: list[int], whole: int, left: float) -> None:
    assert seconds_left(budget, [NOW - seconds for seconds in ago], whole, NOW) == left


FREEZE = Budget(services="0", schedule="0 9 * * MON-FRI", duration_seconds=8 * 3600)
BERLIN = Budget(services="0", schedule="0 9 * * MON-FRI", duration_seconds=8 * 3600, time_zone="Europe/Berlin")
TWICE = Budget(services="0", schedule="30 2 * * *", duration_seconds=3600, time_zone="Europe/Berlin")
NIGHT = Budget(services="0", schedule="0 1 * * *", duration_seconds=7200, time_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("budget", "when", "left"),
    [
        pytest.param(FREEZE, "2026-11-23T09:00:00+00:00", 8 * 3600, id="its first second"),
        pytest.param(FREEZE, "2026-11-23T16:59:59+00:00", 1, id="its last second"),
        pytest.param(FREEZE, "2026-11-23T17:00:00+00:00", 0, id="over"),
        pytest.param(FREEZE, "2026-11-23T08:59:59+00:00", 0, id="not yet"),
        pytest.param(FREEZE, "2026-11-22T12:00:00+00:00", 0, id="a Sunday"),
        pytest.param(BERLIN, "2026-11-23T08:00:00+00:00", 8 * 3600, id="winter: an hour earlier in UTC"),
        pytest.param(BERLIN, "2026-07-20T07:00:00+00:00", 8 * 3600, id="summer: two hours"),
        pytest.param(NIGHT, "2026-10-25T00:30:00+00:00", 1800, id="two hours are two hours as clocks go back"),
        pytest.param(TWICE, "2026-10-25T00:30:00+00:00", 3600, id="it begins in the hour that comes twice"),
        pytest.param(TWICE, "2026-10-25T01:15:00+00:00", 900, id="and is in force when that comes again"),
        pytest.param(TWICE, "2026-10-25T01:30:00+00:00", 0, id="it does not begin again then"),
        pytest.param(NIGHT, "2026-03-29T01:30:00+00:00", 1800, id="and forward"),
    ],
)
def test_a_freeze_holds_within_its_window_alone(budget: Budget, when: str, left: float) -> None:
    assert seconds_left(budget, [], 10, datetime.fromisoformat(when).timestamp()) == left


@pytest.mark.parametrize(
    ("budget", "ago", "left"),
    [
        pytest.param(TWO, [], 2, id="nothing spent"),
        pytest.param(TWO, [10, 600], 1, id="one spent, one free again"),
        pytest.param(TWO, [1, 2, 3], 0, id="overspent"),
        pytest.param(Budget(services="25%"), [10], 2, id="a quarter of ten is three"),
        pytest.param(Budget(services="0", schedule="0 0 1 1 *", duration_seconds=60), [], None, id="not in force"),
    ],
)
def test_how_many_more_are_allowed(budget: Budget, ago: list[int], left: int | None) -> None:
    assert allowed(budget, [NOW - seconds for seconds in ago], 10, NOW) == left


@given(st.integers(0, 7 * 86400), st.sampled_from(["* * * * *", "*/7 3 * * *", "30 2 * * 0", "*/10 * * * * *"]))
def test_the_cached_start_is_that_of_the_very_moment(offset: int, schedule: str) -> None:
    now = 1_800_000_000.0 + offset + 0.5
    budget = Budget(schedule=schedule, duration_seconds=3601)
    after = datetime.fromtimestamp(now - 3601, ZoneInfo("UTC"))
    start = next(CronSim(schedule, after)).timestamp()
    assert budgets._window_left(budget, now) == (0 if start > now else start + 3601 - now)


def test_an_expensive_schedule_is_evaluated_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counting(schedule: str, after: datetime) -> CronSim:
        made.append(schedule)
        return CronSim(schedule, after)

    monkeypatch.setattr(budgets, "CronSim", counting)
    budgets._next_start.cache_clear()
    budget = Budget(schedule="0 0 29 2 1", duration_seconds=60)
    for _ in range(2000):
        budgets.seconds_left(budget, (), 10, 1_800_000_000.0)
    assert len(made) == 1
