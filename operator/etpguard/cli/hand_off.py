"""The part of `etpguard explain` on the end of pods: is it seamless for each load balancer?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess import Assessment
from etpguard.assess.consumers.interface import NodeTargets
from etpguard.assess.data_planes.interface import DataPlane
from etpguard.cli.input.sources import Assessed
from etpguard.foresight.detection import timing_of
from etpguard.foresight.hand_off import HandOff, Seam, hand_off, outruns
from etpguard.foresight.pod_end import ServingWindow, serving_window
from etpguard.objects import Key, Service
from etpguard.objects.pod_controllers import DEPLOYMENT
from etpguard.objects.pods import POD, Pod

_WORDS = {
    Seam.SEAMLESS: "Seamless: the load balancer stops before the pod does",
    Seam.UNKNOWN: "Unknown",
}


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
    window, terminating = _window(pods), _forwards_to_terminating(assessed)
    ready = _min_ready_seconds(assessed, pods)
    said: set[tuple[str, HandOff]] = set()
    for consumer in able:
        timing = timing_of(consumer, service, assessed.loaded.picture)
        found = hand_off(consumer, timing, window, forwards_to_terminating=terminating)
        name = f"{consumer.kind} {consumer.namespace}/{consumer.name}"
        if (name, found) in said:
            continue
        said.add((name, found))
        yield f"  {name}: {_verdict(found)}"
        yield from (f"    {each}" for each in found.because)
        if ready is not None and (why := outruns(timing, ready)):
            yield f"    {why}"


def _verdict(found: HandOff) -> str:
    if found.seconds is None:
        return _WORDS[found.verdict]
    least, most = found.seconds
    if most is None:
        return "Lossy: requests to the node are lost, for a time that has no known bound"
    return f"Lossy: requests to the node are lost for {least} to {most} s"


def _pods(assessed: Assessed, service: Service) -> list[Pod]:
    """The Pods that its EndpointSlices name."""
    picture = assessed.loaded.picture
    names = {
        endpoint.target_ref.name
        for slice_ in picture.slices(service.key)
        for endpoint in slice_.endpoints or ()
        if endpoint.target_ref and endpoint.target_ref.kind == "Pod" and endpoint.target_ref.name
    }
    found = (picture.get(POD, Key(service.key.namespace, name)) for name in sorted(names))
    return [pod for pod in found if pod is not None]


def _window(pods: Sequence[Pod]) -> ServingWindow:
    """That of the pod that ends first."""
    windows = [serving_window(pod.spec, pod.labels) for pod in pods]
    return min(windows, key=lambda window: (window.least, window.most))


def _forwards_to_terminating(assessed: Assessed) -> bool | None:
    """Whether every node forwards to terminating endpoints that still serve: kube-proxy and Cilium do."""
    planes = [group.plane for group in assessed.engine.planes.groups]
    if all(plane.name is DataPlane.KUBE_PROXY for plane in planes):
        return True
    if all(plane.name in (DataPlane.KUBE_PROXY, DataPlane.CILIUM) for plane in planes):
        return all(plane.enabled("enable-k8s-terminating-endpoint", default=True) for plane in planes)
    return None


def _min_ready_seconds(assessed: Assessed, pods: Sequence[Pod]) -> int | None:
    """Of the Deployment that makes the pods; None if it is not known."""
    picture = assessed.loaded.picture
    for deployment in picture.store(DEPLOYMENT):
        if deployment.selects(pods[0].key.namespace, pods[0].labels):
            return deployment.spec.min_ready_seconds or 0
    return None
