"""How long the pods of a workload took to become ready, as far as their Pods show it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etpguard.foresight.pods import Seen
from etpguard.objects.times import parse


@dataclass(frozen=True, slots=True)
class StartTime:
    """Seconds from the start of a pod to its readiness. `pods`: how many pods show them. A pod that was unready in
    between shows a longer time, so the median says more than the longest one."""

    least: int
    median: int
    pods: int


def start_time(pods: Iterable[Seen]) -> StartTime | None:
    """The times between `status.startTime` and the last change of the condition Ready. None if no pod shows it."""
    seconds = []
    for each in pods:
        status = each.pod.status if each.pod else None
        began = parse(status.start_time) if status else None
        ready = parse(each.pod.ready_since) if each.pod else None
        if began is not None and ready is not None and ready >= began:
            seconds.append(round(ready - began))
    if not seconds:
        return None
    seconds.sort()
    return StartTime(seconds[0], seconds[len(seconds) // 2], len(seconds))
