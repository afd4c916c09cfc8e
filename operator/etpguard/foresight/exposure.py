"""For how long requests may be lost during a change. Pure."""

from __future__ import annotations

from etpguard.assess import Outcome
from etpguard.assess.consumers.interface import ConsumerVerdict
from etpguard.cluster import Picture
from etpguard.foresight.detection import detection_seconds
from etpguard.foresight.forecast import Phases
from etpguard.objects import SERVICE


def exposure(phases: Phases, picture: Picture) -> tuple[int, int] | None:
    """The least and the most seconds during which requests may be lost before the load balancers send to no node
    that drops. (0, 0) where no node becomes uncovered. None where that is not bounded: traffic is lost in `during`
    until it is over, or the time of detection is not known."""
    worst = phases.during.worst.assessment
    if worst is None or phases.during.worst.figures == phases.now.figures:
        return 0, 0
    if worst.outcome > Outcome.TargetsUnhealthy:
        return None
    now = phases.now.assessment
    if not worst.uncovered & ~(now.uncovered if now else 0):
        return 0, 0
    service = picture.get(SERVICE, phases.service)
    if service is None:
        return None
    found = [detection_seconds(v.consumer, service, picture) for v in worst.consumers if _routes_around(v)]
    known = [seconds for seconds in found if seconds is not None]
    return (0, max(known)) if known and len(known) == len(found) else None


def _routes_around(verdict: ConsumerVerdict) -> bool:
    return verdict.outcome is Outcome.TargetsUnhealthy and not verdict.consumer.incidental
