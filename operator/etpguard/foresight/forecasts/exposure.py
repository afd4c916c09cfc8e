"""For how long requests may be lost during a change. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.assess import Outcome
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.cluster import Picture
from etpguard.foresight.detection import detection_seconds
from etpguard.foresight.forecasts.forecast import Phases
from etpguard.foresight.pod_ending.hand_off import HandOff, Seam
from etpguard.foresight.pod_ending.pod_ends import PodEnd
from etpguard.objects import SERVICE, Service


def exposure(phases: Phases, picture: Picture) -> tuple[int, int] | None:
    """The least and the most seconds during which requests may be lost before the load balancers send to no node
    that drops. (0, 0) where no node becomes uncovered and no node loses its last pod. None where that is not
    bounded: traffic is lost in `during` until it is over, or the time of detection is not known."""
    worst = phases.during.worst.assessment
    if worst is None or phases.during.worst.figures == phases.now.figures:
        return _of_ending_pods(phases)
    if worst.outcome > Outcome.TargetsUnhealthy:
        return None
    now = phases.now.assessment
    fresh = worst.uncovered & ~(now.uncovered if now else 0)
    if not fresh:
        return _of_ending_pods(phases)
    service = picture.get(SERVICE, phases.service)
    if service is None:
        return None
    lost = [end for end in (phases.hand_off.ends if phases.hand_off else ()) if end.with_node]
    if not _all_bounded(lost):
        return None
    newly = set(picture.nodes.names(fresh))
    found = [_seconds(v, phases, newly, service, picture) for v in worst.consumers if _routes_around(v)]
    known = [seconds for seconds in found if seconds is not None]
    return (0, max(*known, _longest(lost))) if known and len(known) == len(found) else None


def _of_ending_pods(phases: Phases) -> tuple[int, int] | None:
    """A pod may move from one node to another: the number of uncovered nodes is the same then, and the load
    balancer still has to notice the move."""
    if phases.hand_off is None:
        return 0, 0
    return (0, _longest(phases.hand_off.ends)) if _all_bounded(phases.hand_off.ends) else None


def _seconds(
    verdict: ConsumerVerdict, phases: Phases, newly: set[str], service: Service, picture: Picture
) -> int | None:
    """The most seconds through one consumer: those of the hand-off where pods end on all of these nodes, else
    those until the load balancer notices."""
    ends = phases.hand_off.ends if phases.hand_off else ()
    own = [end for end in ends if end.consumer == verdict.consumer]
    if newly <= {node for end in own for node in end.nodes} and _all_bounded(own):
        return _longest(own)
    return detection_seconds(verdict.consumer, service, picture)


def _all_bounded(ends: Iterable[PodEnd]) -> bool:
    return all(_bounded(end.found) for end in ends)


def _longest(ends: Iterable[PodEnd]) -> int:
    return max((end.found.seconds[1] or 0 if end.found.seconds else 0 for end in ends), default=0)


def _bounded(found: HandOff) -> bool:
    if found.seconds is not None:
        return found.seconds[1] is not None
    return found.verdict is Seam.SEAMLESS


def _routes_around(verdict: ConsumerVerdict) -> bool:
    return verdict.outcome is Outcome.TargetsUnhealthy and not verdict.consumer.incidental
