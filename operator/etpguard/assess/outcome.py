"""Reasons, and the outcome of a set of nodes: the rule for a consumer and the rule without one."""

from __future__ import annotations

from typing import NamedTuple

from etpguard.outcomes import Outcome as Outcome


class Reason(NamedTuple):
    """A CamelCase code to match on and a sentence to read."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


NO_HEALTHY_TARGET = "NoHealthyTarget"
"""Code of the reason for a Blackhole where the health check passes on no node, not even on a covered one."""


TOO_FEW_HEALTHY = "TooFewHealthyTargets"
"""Code of the reason for a Blackhole where too few targets are healthy, so the load balancer sends to all."""


class Verdict(NamedTuple):
    """`eligible` and `uncovered` are node sets."""

    outcome: Outcome
    eligible: int
    uncovered: int
    special: str = ""
    """Code of the reason where that is not the outcome's name."""

    @property
    def code(self) -> str:
        return self.special or self.outcome.name


def through_consumer(eligible: int, forwarding: int, usable: bool, probe_passes: int) -> Verdict:
    """The outcome for a consumer that sends to `eligible` nodes and probes them; `probe_passes` is the set on
    which the probe is predicted to pass.

    Where it passes on no target, the result is a Blackhole with the code NO_HEALTHY_TARGET, as for a load balancer
    that then sends to all targets. The caller knows whether this one does.
    """
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
    if not eligible & probe_passes:
        return Verdict(Outcome.Blackhole, eligible, uncovered, NO_HEALTHY_TARGET)
    return Verdict(Outcome.TargetsUnhealthy, eligible, uncovered)


def without_consumer(eligible: int, forwarding: int, usable: bool) -> Verdict:
    """The outcome of a port that any client may address on any eligible node."""
    if not usable:
        return Verdict(Outcome.NoEndpoints, eligible, 0)
    if not eligible:
        return Verdict(Outcome.NoTargets, 0, 0)
    uncovered = eligible & ~forwarding
    return Verdict(Outcome.Uncovered if uncovered else Outcome.Covered, eligible, uncovered)
