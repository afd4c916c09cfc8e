"""The part of `etpguard explain` on the end of pods: whether requests are lost then, for each load balancer."""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.assess import Assessment
from etpguard.assess.consumers.targets import NodeTargets
from etpguard.cli.input.sources import Assessed
from etpguard.foresight.detection import timing_of
from etpguard.foresight.hosts import target_ports
from etpguard.foresight.no_endpoint.absence import workloads_behind
from etpguard.foresight.pod_ending.hand_off import HandOff, hand_off, outruns, words
from etpguard.foresight.pod_ending.pod_ends import first_window, forwards_to_terminating, ready_until_gone
from etpguard.objects import Key, Service
from etpguard.objects.pods import POD, Pod


def lines(assessed: Assessed, service: Service, assessment: Assessment) -> Iterable[str]:
    """What happens to requests when the last pod of a node ends, for each consumer that sends to nodes."""
    able = [v.consumer for v in assessment.consumers if isinstance(v.consumer.targets, NodeTargets)]
    if not able:
        return
    pods = _pods(assessed, service)
    yield ""
    yield "When the last pod of a node ends"
    if not pods:
        yield "  no Pod of it was read, so it is not known how its pods end"
        return
    window, planes = first_window(pods, target_ports(service.key, assessed.loaded.picture)), assessed.engine.planes
    terminating, until_gone = forwards_to_terminating(planes), ready_until_gone(service, planes)
    ready = _min_ready_seconds(assessed, service)
    said: set[tuple[str, HandOff]] = set()
    for consumer in able:
        timing = timing_of(consumer, service, assessed.loaded.picture)
        found = hand_off(
            consumer, timing, window, forwards_to_terminating=terminating, ready_until_gone=until_gone
        )
        name = str(consumer)
        if (name, found) in said:
            continue
        said.add((name, found))
        yield f"  {name}: {words(found)}"
        yield from (f"    {each}" for each in found.because)
        if ready is not None and (why := outruns(timing, ready)):
            yield f"    {why}"


def _pods(assessed: Assessed, service: Service) -> list[Pod]:
    """The Pods that the EndpointSlices of the Service name."""
    picture = assessed.loaded.picture
    names = {
        endpoint.target_ref.name
        for slice_ in picture.slices(service.key)
        for endpoint in slice_.endpoints or ()
        if endpoint.target_ref and endpoint.target_ref.kind == "Pod" and endpoint.target_ref.name
    }
    found = (picture.get(POD, Key(service.key.namespace, name)) for name in sorted(names))
    return [pod for pod in found if pod is not None]


def _min_ready_seconds(assessed: Assessed, service: Service) -> int | None:
    """The least `minReadySeconds` of the workloads behind the Service that have rollouts; None without one."""
    behind = workloads_behind(assessed.loaded.picture, service)
    rolled = [controller for workload, controller in behind if workload.kind != "ReplicaSet"]
    return min((controller.spec.min_ready_seconds or 0 for controller in rolled), default=None)
