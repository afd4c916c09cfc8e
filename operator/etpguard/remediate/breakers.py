"""Whether a circuit breaker holds back a change that too many Services need, or needed shortly before. Pure."""

from __future__ import annotations

from typing import NamedTuple

from etpguard.objects.policies import TriggerIf
from etpguard.remediate.amounts import amount
from etpguard.remediate.facts import Share


class Open(NamedTuple):
    """More than `most` Services need a change."""

    most: int


class Cooling(NamedTuple):
    """The breaker was open, and its cool-down ends at `until`, in seconds since the epoch."""

    until: float


def state(breaker: TriggerIf, share: Share, now: float) -> Open | Cooling | None:
    """None: it holds nothing back. `now` is in seconds since the epoch."""
    allowed = most(breaker, share.of)
    if share.in_need > allowed:
        return Open(allowed)
    until = cools_until(breaker, share)
    return Cooling(until) if until > now else None


def most(breaker: TriggerIf, of: int) -> int:
    """How many of the Services may need a change at once."""
    return amount(breaker.uncovered_services_less_than_or_equal_to, of)


def cools_until(breaker: TriggerIf, share: Share) -> float:
    """When the cool-down ends; 0 if the breaker did not trip."""
    return 0.0 if share.tripped_at is None else share.tripped_at + breaker.storm_cooldown_seconds
