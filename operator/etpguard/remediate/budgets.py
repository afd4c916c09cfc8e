"""How many remediations a budget still allows, and when it allows the next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

from etpguard.objects.policies import Budget
from etpguard.remediate.amounts import allowance


def allowed(budget: Budget, applied: Sequence[float], whole: int, now: float) -> int | None:
    """How many more the budget allows now; None where it is not in force. Parameters as for `seconds_left`."""
    if _window_left(budget, now) <= 0:
        return None
    spent = sum(now - budget.per_seconds < time for time in applied)
    return max(0, allowance(budget.services, whole) - spent)


def seconds_left(budget: Budget, applied: Sequence[float], whole: int, now: float) -> float:
    """Seconds until the budget allows one more; 0 if it does now.

    `applied`: times of the intents under it, in seconds since the epoch like `now`. `whole`: how many Services its
    percentages refer to.
    """
    if (open_for := _window_left(budget, now)) <= 0:
        return 0
    most = allowance(budget.services, whole)
    recent = sorted(t for t in applied if t > now - budget.per_seconds)
    if len(recent) < most:
        return 0
    if most == 0:
        return open_for
    return min(open_for, recent[-most] + budget.per_seconds - now)


def _window_left(budget: Budget, now: float) -> float:
    """For how many seconds the budget is still in force; 0 outside its schedule."""
    if budget.schedule is None or budget.duration_seconds is None:
        return float(budget.per_seconds)
    # In absolute time, so that a clock change within the window does not move its start.
    # Five fields name whole minutes; a sixth names seconds.
    unit = 60 if len(budget.schedule.split()) == 5 else 1
    after = (now - budget.duration_seconds) // unit * unit
    start = _next_start(budget.schedule, budget.time_zone or "UTC", after)
    if start is None or start > now:
        return 0
    return start + budget.duration_seconds - now


@lru_cache(maxsize=4096)
def _next_start(schedule: str, time_zone: str, after: float) -> float | None:
    """The first time of the schedule after `after`, both in seconds since the epoch. The answer is the same for
    each moment of that minute, or second. Some schedules are expensive to evaluate, and every Service of a policy
    asks for the same one.
    """
    start = next(CronSim(schedule, datetime.fromtimestamp(after, ZoneInfo(time_zone))), None)
    # Not the datetimes: within one zone they compare by the local time, which repeats an hour in autumn.
    return None if start is None else float(start.timestamp())
