"""What became of the resources of a process over time, and whether they grow. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

SETTLED_MINUTES = 15
"""Growth counts from this minute on: before, caches fill and the allocator finds its size."""


def leader_change_due(changes: int, every: float) -> float:
    """When the leader is to change next, in seconds since the start, after so many `changes`: after half of
    `every`, then whenever `every` seconds more are over. A replica that was never cut off has not yet listed
    everything beside its old records, so its memory is not yet what it will be. This way each was, before growth
    counts."""
    return every * max(changes, (changes + 1) / 2)


@dataclass(frozen=True)
class Sample:
    """One look at a replica. `at` is in seconds since the start; `blocks` are those of memory that Python has in
    use; `requests` is a counter."""

    at: float
    memory_mb: float
    blocks: int
    threads: int
    descriptors: int
    requests: float
    cpu: float
    leading: bool


@dataclass(frozen=True)
class Minute:
    """`memory_mb` and `blocks` are the least of the samples, because a list that is being read is no growth.
    `threads` and `descriptors` are the most of them, `requests` and `cpu` the increase within the minute."""

    minute: int
    memory_mb: float
    blocks: int
    threads: int
    descriptors: int
    requests: float
    cpu: float
    leading: bool


def minutes(samples: Sequence[Sample]) -> list[Minute]:
    """One entry for each minute with at least two samples."""
    found = []
    for minute, group in groupby(samples, key=lambda sample: int(sample.at // 60)):
        own = list(group)
        if len(own) < 2:
            continue
        scale = 60 / (own[-1].at - own[0].at)
        found.append(
            Minute(
                minute=minute,
                memory_mb=round(min(one.memory_mb for one in own), 2),
                blocks=min(one.blocks for one in own),
                threads=max(one.threads for one in own),
                descriptors=max(one.descriptors for one in own),
                requests=round((own[-1].requests - own[0].requests) * scale, 1),
                cpu=round((own[-1].cpu - own[0].cpu) * scale, 2),
                leading=own[-1].leading,
            )
        )
    return found


def per_hour(points: Sequence[tuple[int, float, bool]]) -> float:
    """The growth of a value per hour, from (minute, value, leading): the median slope of pairs (Theil-Sen), so
    that a few odd minutes do not count. Both minutes of a pair have the same role, because a leader has more
    connections and sends more requests than a standby. 0.0 for fewer than two points."""
    slopes = [
        (later[1] - sooner[1]) / (later[0] - sooner[0])
        for sooner, later in combinations(points, 2)
        if sooner[2] == later[2]
    ]
    return 60 * statistics.median(slopes) if slopes else 0.0


@dataclass(frozen=True)
class Growth:
    """Per hour, after `SETTLED_MINUTES`. `steady_memory_mb` is that of the memory between two changes of the
    leader, without the steps that a change itself makes. `requests` is the growth of the requests in a minute, as
    a share of their median."""

    memory_mb: float
    steady_memory_mb: float
    blocks: float
    threads: float
    descriptors: float
    requests: float

    def faults(self) -> list[str]:
        """What grows more than a program may that runs for months."""
        bounds = (
            (self.memory_mb >= 1.0, f"memory grows by {self.memory_mb:.2f} MB an hour"),
            (self.blocks >= 10_000, f"what Python holds grows by {self.blocks:,.0f} blocks an hour, about 1 MB"),
            (self.threads >= 0.5, f"threads grow by {self.threads:.1f} an hour"),
            (self.descriptors >= 0.5, f"file descriptors grow by {self.descriptors:.1f} an hour"),
            (self.requests >= 0.05, f"requests a minute grow by {self.requests:.0%} an hour"),
        )
        return [fault for broken, fault in bounds if broken]


def growth(series: Sequence[Minute]) -> Growth:
    settled = [each for each in series if each.minute >= SETTLED_MINUTES]

    def slope(name: str) -> float:
        return per_hour([(each.minute, getattr(each, name), each.leading) for each in settled])

    typical = statistics.median([each.requests for each in settled]) if settled else 0.0
    return Growth(
        memory_mb=round(slope("memory_mb"), 3),
        steady_memory_mb=round(_between_changes(settled), 3),
        blocks=round(slope("blocks")),
        threads=round(slope("threads"), 2),
        descriptors=round(slope("descriptors"), 2),
        requests=round(slope("requests") / typical, 3) if typical else 0.0,
    )


def _between_changes(series: Sequence[Minute]) -> float:
    """The median of the growth of the memory per hour in each stretch without a change of the leader. The two
    minutes after a change are left out: a replica that was cut off then lists everything."""
    stretches = [list(group) for _, group in groupby(series, key=lambda minute: minute.leading)]
    slopes = [
        per_hour([(each.minute, each.memory_mb, each.leading) for each in stretch[2:]])
        for stretch in stretches
        if len(stretch) >= 5
    ]
    return statistics.median(slopes) if slopes else 0.0
