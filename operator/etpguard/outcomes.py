"""The outcomes of an assessment. This module imports nothing of the package, so that `--help` loads quickly."""

from __future__ import annotations

from enum import IntEnum


class Outcome(IntEnum):
    """What uncovered nodes mean for the traffic. The order is total: the greater, the worse."""

    NotAffected = 0
    Covered = 1
    TargetsUnhealthy = 2
    NoEndpoints = 3
    Unknown = 4
    Uncovered = 5
    Blackhole = 6
    NoTargets = 7
    Outage = 8

    @property
    def loses_requests(self) -> bool:
        """Whether requests are surely lost now: Blackhole, NoTargets and Outage."""
        return self >= Outcome.Blackhole

    def __str__(self) -> str:
        return self.name


def outcome_named(name: object) -> Outcome | None:
    """The Outcome of that name; None for anything else."""
    return Outcome.__members__.get(name) if isinstance(name, str) else None


def severity(internal: Outcome) -> Outcome:
    """As which outcome `--fail-on` counts that of clients in the cluster. Connections from uncovered nodes fail,
    and those from other nodes do not: that is a Blackhole."""
    return Outcome.Blackhole if internal is Outcome.Uncovered else internal
