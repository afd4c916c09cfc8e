"""Whether the end of the last pod of a node is seamless: does the load balancer stop sending to the node while the
pod still serves? Pure.

The load balancer's side starts at the deletion where the health check is the healthCheckNodePort, which counts
ready endpoints alone, and at the end of the serving where it is the traffic port, which passes until then. With
publishNotReadyAddresses an endpoint is ready until the pod has ended (k8s.io/endpointslice v0.37.2 utils.go). The
pod's side is `pod_end.serving_window`. Where a data plane forwards to terminating endpoints, the node forwards
meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.targets import NodeTargets
from etpguard.assess.probe import (
    AnswersEverywhere,
    HealthCheckNodePort,
    KubeProxyHealthz,
    NoHealthCheck,
    OwnNodePort,
)
from etpguard.foresight.detection import NotKnown, Timing
from etpguard.foresight.detection.timing import MARGIN as MARGIN
from etpguard.foresight.pod_ending.pod_end import ServingWindow


class Seam(Enum):
    SEAMLESS = "Seamless"
    LOSSY = "Lossy"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class HandOff:
    """`seconds`: for how long requests to the node are lost, at least and at most; the most is None without a
    bound. It is None if the verdict is Seamless, or if nothing is known about the time. `because`: the facts
    behind the verdict, a sentence each."""

    verdict: Seam
    seconds: tuple[int, int | None] | None
    because: tuple[str, ...]


def hand_off(
    consumer: Consumer,
    timing: Timing | NotKnown,
    window: ServingWindow,
    *,
    forwards_to_terminating: bool | None,
    ready_until_gone: bool | None = False,
) -> HandOff:
    """The verdict for one consumer of node targets, whose health check has this timing. `forwards_to_terminating`:
    whether the data plane of the node does. `ready_until_gone`: whether its healthCheckNodePort counts a pod until
    the pod has ended. None if that is not known."""
    probe, pod = consumer.probe, tuple(window.because)
    if forwards_to_terminating is None:
        return _unknown("it is not known whether the data plane forwards to pods that terminate", *pod)
    never = isinstance(probe, KubeProxyHealthz | AnswersEverywhere | NoHealthCheck) or (
        isinstance(probe, HealthCheckNodePort) and probe.any_answer
    )
    if (never or isinstance(probe, OwnNodePort)) and (why := _follows(consumer)):
        return _unknown(why, *pod)
    if never:
        return _never(pod)
    if isinstance(probe, HealthCheckNodePort) and probe.service is not None:
        return _unknown("the health check asks another Service", *pod)
    if isinstance(probe, OwnNodePort):
        return _traffic_port(timing, pod, _failing_path(consumer, window) if forwards_to_terminating else 0)
    if not isinstance(probe, HealthCheckNodePort):
        return _unknown("it is not known when the health check fails", *pod)
    if ready_until_gone is None:
        return _unknown(f"{_PUBLISHES}; whether healthCheckNodePort counts it meanwhile is not known", *pod)
    if ready_until_gone:
        return _until_gone(timing, window)
    if isinstance(timing, NotKnown):
        return _unknown(timing.why, *pod)
    return _health_check_node_port(timing, window if forwards_to_terminating else ServingWindow(0, 0, pod), pod)


def lost_node(consumer: Consumer, timing: Timing | NotKnown) -> HandOff:
    """The verdict where the node goes with its pods: nothing answers there, whatever the health check asks. Its
    Node is gone, so it may be taken out of the load balancer sooner."""
    if consumer.probe is None or isinstance(consumer.probe, NoHealthCheck):
        if why := _follows(consumer):
            return _unknown(why)
        why = "without a health check, requests to it are lost until it is taken out of the load balancer"
        return HandOff(Seam.LOSSY, (0, None), (why,))
    if isinstance(timing, NotKnown):
        return HandOff(Seam.LOSSY, (0, None), (timing.why,))
    _, most = timing.down(dropped=True)
    why = f"nothing answers the health check on a node that is gone; {timing.stopped} within {most} s"
    return HandOff(Seam.LOSSY, (0, timing.bounded(most)), (why, *_settings(timing)))


def _follows(consumer: Consumer) -> str:
    """That the consumer stops or may stop without a health check, because its nodes are those of the endpoints; ""
    if they are not."""
    targets = consumer.targets
    if not isinstance(targets, NodeTargets):
        return ""
    if targets.rule.hosts:
        return "it stops sending to the node when the endpoint goes; how soon is not known"
    if targets.otherwise is not None and targets.otherwise.rule.hosts:
        return "it may stop sending to the node when the endpoint goes; whether and how soon is not known"
    return ""


def _never(pod: tuple[str, ...]) -> HandOff:
    why = (
        "the health check passes on a node without a pod, so requests to it are lost until a pod runs there again"
    )
    return HandOff(Seam.LOSSY, (0, None), (why, *pod))


def _failing_path(consumer: Consumer, window: ServingWindow) -> int:
    """For how many seconds a pod may fail the path of a check on the traffic port and still serve: from SIGTERM
    to the end of the grace period. 0 for a program that is known not to do so, and without a path."""
    check = consumer.targets.check
    protocol = check.settings.protocol if check and check.settings else ""
    asks = protocol.upper().startswith(("HTTP", "GRPC"))
    return window.most - window.least if asks and not window.keeps_paths else 0


_UNLESS = "unless its path begins to fail before"


def _traffic_port(timing: Timing | NotKnown, pod: tuple[str, ...], failing: int) -> HandOff:
    """`failing`: see `_failing_path`."""
    passes = "the health check on the traffic port passes as long as the pod serves"
    why = f"{passes}, {_UNLESS}" if failing else f"{passes}, so a preStop delay does not help"
    if isinstance(timing, NotKnown) and failing:
        return _unknown(why, timing.why, *pod)
    if isinstance(timing, NotKnown):
        return HandOff(Seam.LOSSY, (0, None), (why, timing.why, *pod))
    least, most = timing.down(dropped=True)
    notices = f"{timing.stopped} {least} to {most} s after the pod has ended"
    because = (why, notices, *_settings(timing), *pod)
    verdict = Seam.UNKNOWN if failing >= most else Seam.LOSSY
    return HandOff(verdict, (max(0, least - failing), timing.bounded(most)), because)


_PUBLISHES = "with publishNotReadyAddresses the endpoint of a pod is ready until the pod has ended"


def _until_gone(timing: Timing | NotKnown, window: ServingWindow) -> HandOff:
    """The node drops as soon as the pod stops to serve, and the check fails when its last container has ended."""
    why = f"{_PUBLISHES}, so healthCheckNodePort passes, and a preStop delay does not help"
    if isinstance(timing, NotKnown):
        return HandOff(Seam.LOSSY, (0, None), (why, timing.why, *window.because))
    least, most = timing.down(dropped=False)
    notices = f"{timing.stopped} {least} to {most + MARGIN} s after the pod has ended"
    longest = None if window.ended is None else timing.bounded(most + MARGIN + window.ended - window.least)
    return HandOff(Seam.LOSSY, (least, longest), (why, notices, *_settings(timing), *window.because))


def _health_check_node_port(timing: Timing, window: ServingWindow, pod: tuple[str, ...]) -> HandOff:
    least, most = timing.down(dropped=False)
    fails = f"healthCheckNodePort fails within {MARGIN} s of the deletion"
    notices = f"{fails}, and {timing.stopped} {least} to {most} s later"
    serves = f"the pod is Ready and serves for {_range(window.least, window.most)} s after its deletion"
    cuts = (f"it resets open connections then: {timing.cuts}, on by default",) if timing.cuts else ()
    because = (notices, *_settings(timing), *cuts, serves, *pod)
    last = most + MARGIN
    if window.least >= last:
        if timing.lag_known and timing.cuts:
            return HandOff(Seam.UNKNOWN, (0, 0), (_CUT, *because))
        if timing.lag_known:
            return HandOff(Seam.SEAMLESS, None, because)
        return _unknown("it is seamless if the load balancer stops as soon as its check has failed", *because)
    lost = max(0, least - window.most), last - window.least
    if window.most < last:
        return HandOff(Seam.LOSSY, (lost[0], timing.bounded(lost[1])), because)
    if timing.lag_known:
        return HandOff(Seam.UNKNOWN, lost, (f"up to {lost[1]} s may be lost", *because))
    return _unknown(f"{lost[1]} s or more may be lost", *because)


_CUT = "no new connection is lost, but requests on open ones are, where the load balancer resets them"
_NO_LAG = "for how long the load balancer sends on after its check has failed is not known, and not counted"


def _settings(timing: Timing) -> tuple[str, ...]:
    read = f"its health check: {timing.settings}"
    return (read,) if timing.lag_known else (read, _NO_LAG)


def _unknown(*because: str) -> HandOff:
    return HandOff(Seam.UNKNOWN, None, because)


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def outruns(timing: Timing | NotKnown, min_ready_seconds: int) -> str:
    """Why a rollout may go on before new nodes get traffic from the load balancer; "" if it waits long enough, or
    if the time is not known."""
    if isinstance(timing, NotKnown) or timing.starts is None or min_ready_seconds >= timing.starts:
        return ""
    return (
        f"a new node gets traffic up to {timing.starts} s after its pod is ready, but minReadySeconds is "
        f"{min_ready_seconds}: a rollout may end all old pods before"
    )


def words(found: HandOff) -> str:
    """The verdict, for people."""
    if found.verdict is Seam.SEAMLESS:
        return "Seamless: the load balancer stops before the pod does"
    if found.verdict is Seam.UNKNOWN:
        return "Unknown"
    least, most = found.seconds or (0, None)
    if most is None and least:
        return f"Lossy: requests to the node are lost for at least {least} s"
    if most is None:
        return "Lossy: requests to the node are lost, for a time that has no known bound"
    return f"Lossy: requests to the node are lost for {_range(least, most)} s"
