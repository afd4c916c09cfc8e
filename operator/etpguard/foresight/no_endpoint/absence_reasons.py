"""The reasons why a node has no usable local endpoint, and those that a pod shows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from etpguard.assess.data_planes.trackers import is_ready, is_terminating
from etpguard.foresight.changes import Workload
from etpguard.objects import Endpoint
from etpguard.objects.pods import ContainerStatus, Pod

_LONGEST = 160
"""Characters of a message of the scheduler."""


class Cause(Enum):
    """Why no usable endpoint is on the node."""

    TAINT = "UntoleratedTaint"
    NODE_SELECTOR = "NodeSelector"
    NODE_AFFINITY = "NodeAffinity"
    POD_PENDING = "PodPending"
    POD_STARTING = "PodStarting"
    POD_NOT_READY = "PodNotReady"
    POD_DELETED = "PodDeleted"
    POD_ENDED = "PodEnded"
    NO_ENDPOINT = "NoEndpoint"
    ROLLOUT = "Rollout"
    NO_POD = "NoPod"
    REPLICAS_ELSEWHERE = "ReplicasElsewhere"
    NO_WORKLOAD = "NoWorkload"
    NOT_READ = "NotRead"


@dataclass(frozen=True, slots=True)
class Reason:
    """`sentence` is a clause without a full stop. It names no pod, so that many nodes may have the same one."""

    cause: Cause
    sentence: str
    workload: Workload | None = None


def of_pod(pod: Pod) -> Reason:
    """Why a pod of the Service does not serve on its node."""
    if pod.finished:
        why = pod.status and pod.status.reason
        return Reason(Cause.POD_ENDED, f"its pod there has ended: {why or pod.phase}")
    if not pod.node:
        return Reason(Cause.POD_PENDING, f"its pod for this node is pending{unschedulable(pod)}")
    if pod.deleting:
        return Reason(Cause.POD_DELETED, "its pod there is being deleted")
    if pod.ready:
        return Reason(Cause.NO_ENDPOINT, "its pod there is ready, but not an endpoint of every port")
    if pod.phase == "Pending":
        return Reason(Cause.POD_STARTING, f"its pod there is not up yet{_container(pod)}")
    return Reason(Cause.POD_NOT_READY, f"its pod there is not ready{_container(pod)}")


def of_endpoint(endpoint: Endpoint) -> Reason:
    """As `of_pod`, from the endpoint of a pod alone: where Pods were not read."""
    if is_terminating(endpoint):
        return Reason(Cause.POD_DELETED, "its pod there is being deleted")
    if not is_ready(endpoint):
        return Reason(Cause.POD_NOT_READY, "its pod there is not ready")
    return Reason(Cause.NO_ENDPOINT, "its pod there is ready, but not an endpoint of every port")


def unschedulable(pod: Pod) -> str:
    """`: ` and the message of the scheduler; "" if there is none."""
    found = pod.condition("PodScheduled")
    if found is None or found.status == "True" or not (found.message or found.reason):
        return ""
    text = " ".join((found.message or found.reason or "").split())
    return f": {text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'}"


def _container(pod: Pod) -> str:
    """`: ` and the first container that is not ready, with the kubelet's reason; "" if the pod shows none."""
    status = pod.status
    first = (status and status.init_container_statuses) or ()
    statuses = [*first, *((status and status.container_statuses) or ())]
    unready = [each for each in statuses if not each.ready]
    for each in unready:
        if reason := _state(each):
            return f": container {each.name} {reason}"
    if unready:
        return f": container {unready[0].name} runs, but its readiness probe has not passed"
    found = pod.condition("Ready")
    return f": {found.reason}" if found is not None and found.reason else ""


def _state(status: ContainerStatus) -> str:
    state = status.state
    if state and state.waiting:
        return f"waits ({state.waiting.reason})" if state.waiting.reason else "waits"
    if state and state.terminated and state.terminated.reason != "Completed":
        return f"has ended ({state.terminated.reason or 'no reason is given'})"
    return ""
