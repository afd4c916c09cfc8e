"""One race's moments, and the table of many."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

COMPARED = ("metric", "kube-proxy", "condition", "Event", "health check")


@dataclass
class Race:
    """Moments in seconds since the epoch; 0 for what has not come."""

    namespace: str
    service: str
    number: int
    """Its node port."""
    write: float = 0.0
    moments: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.namespace}/{self.service}"

    def after(self, what: str) -> float:
        return self.moments[what] - self.write


def show(races: Sequence[Race]) -> None:
    """Median, least and most of each, and how long before the health check it was (after it where negative)."""
    print(f"{'seconds after the write':24}{'median':>8}{'min':>8}{'max':>8}   by so much before the health check")
    for what in COMPARED:
        line = _figures([race.after(what) for race in races])
        ahead = _figures([race.after("health check") - race.after(what) for race in races])
        print(f"{what:24}{line}{'' if what == 'health check' else '  ' + ahead}")
    ahead = _figures([race.after("kube-proxy") - race.after("metric") for race in races])
    print(f"{'metric before kube-proxy':24}{ahead}", flush=True)


def _figures(seconds: Sequence[float]) -> str:
    return "".join(f"{value:8.2f}" for value in (statistics.median(seconds), min(seconds), max(seconds)))
