"""The outcomes, best to worst, and which of them a set of nodes amounts to."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Outcome(IntEnum):
    """What uncovered nodes mean for the traffic. The order is total: the greater, the worse."""

    NotAffected = 0
    Covered = 1
    TargetsUnhealthy = 2
    NoEndpoints = 3
    Unknown = 4
    Uncovered = 5
    NoTargets = 6
    Blackhole = 7
    Outage = 8

    def __str__(self) -> str:
        return self.name


class Reason(NamedTuple):
    """A CamelCase code to match on and a sentence to read."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


class Verdict(NamedTuple):
    """`eligible` and `uncovered` are node sets; `probe_passes` is the set on which the probe is predicted to
    pass (None where there is no probe)."""

    outcome: Outcome
    eligible: int
    uncovered: int


def through_consumer(eligible: int, forwarding: int, usable: bool, probe_passes: int) -> Verdict:
    """The outcome for a consumer that sends to `eligible` nodes and probes them."""
    if not usable:
        return Verdict(Outcome.NoEndpoints, eligible, 0)
    if not eligible:
        return Verdict(Outcome.NoTargets, 0, 0)
    uncovered = eligible & ~forwarding
    if not uncovered:
        return Verdict(Outcome.Covered, eligible, 0)
    if uncovered == eligible:
        return Verdict(Outcome.Outage, eligible, uncovered)
    if uncovered & probe_passes:
        return Verdict(Outcome.Blackhole, eligible, uncovered)
    return Verdict(Outcome.TargetsUnhealthy, eligible, uncovered)


def without_consumer(eligible: int, forwarding: int, usable: bool) -> Verdict:
    """The outcome of a port that any client may address on any eligible node."""
    if not usable:
        return Verdict(Outcome.NoEndpoints, eligible, 0)
    if not eligible:
        return Verdict(Outcome.NoTargets, 0, 0)
    uncovered = eligible & ~forwarding
    return Verdict(Outcome.Uncovered if uncovered else Outcome.Covered, eligible, uncovered)
