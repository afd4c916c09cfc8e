"""The workload behind a Service: the one whose pods its selector selects. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from etpguard.cluster import Picture
from etpguard.foresight.changes import Workload
from etpguard.foresight.pods import Pods, selects
from etpguard.foresight.workloads import Workloads
from etpguard.objects import Service
from etpguard.objects.pod_controllers import (
    CONTROLLER_KINDS,
    HorizontalPodAutoscaler,
    PodController,
)

_TEMPLATED = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True)
class Behind:
    workload: Workload
    controller: PodController
    autoscaler: HorizontalPodAutoscaler | None = None
    notes: tuple[str, ...] = ()
    """What is not certain about it, one clause each."""


def behind(service: Service, picture: Picture) -> Behind | str:
    """The workload, or a clause that says why it is not known."""
    if not service.spec.selector:
        return f"Service {service.key} has no selector"
    unread = [
        f"{kind.plural} were not read ({why})" for kind in CONTROLLER_KINDS if (why := picture.why_unknown(kind))
    ]
    found = [
        (Workload(kind.name, controller.key), controller)
        for kind in CONTROLLER_KINDS
        for controller in picture.store(kind)
        if selects(service, controller.key.namespace, controller.template.labels) and not _outlived(controller)
    ]
    known = {workload for workload, _ in found}
    own = [(workload, controller) for workload, controller in found if not _owned(controller, known)]
    if len(own) != 1:
        return unread[0] if unread and not own else _not_one(service, own)
    workload, controller = own[0]
    if (owner := controller.owner) is not None:
        maker = f"{owner.kind} {workload.key.namespace}/{owner.name}"
        return f"{maker} makes {workload}, and etpguard does not know how it takes changes"
    if workload.kind not in _TEMPLATED:
        return f"{workload} is behind it, and a changed template of it reaches no running pod"
    if stranger := _stranger(service, picture, workload, controller):
        return stranger
    notes = [f"{unread[0]}, so another workload may be behind it too"] if unread else []
    return Behind(workload, controller, Workloads(picture, Pods(picture)).autoscaler(workload), tuple(notes))


def _outlived(controller: PodController) -> bool:
    """Whether it is a ReplicaSet of a former revision, or a workload that is scaled to 0."""
    return controller.spec.replicas == 0


def _owned(controller: PodController, known: set[Workload]) -> bool:
    owner = controller.owner
    return owner is not None and Workload(owner.kind, controller.key._replace(name=owner.name)) in known


def _not_one(service: Service, found: list[tuple[Workload, PodController]]) -> str:
    if not found:
        return f"no workload has pods that the selector of Service {service.key} selects"
    names = ", ".join(sorted(str(workload) for workload, _ in found)[:5])
    return f"the selector of Service {service.key} selects the pods of several workloads: {names}"


def _stranger(service: Service, picture: Picture, workload: Workload, controller: PodController) -> str:
    """A pod behind the Service that another workload made."""
    pods = Pods(picture)
    if not pods.known:
        return ""
    own = {each.key for each in Workloads(picture, pods).pods_of(workload, controller)}
    for each in pods.in_namespace(service.key.namespace):
        pod = each.pod
        if pod is None or not pod.active or pod.key in own or service.key not in pods.services_of(pod.key):
            continue
        by = pod.controller
        maker = f"{by.kind} {by.name}" if by else "no controller"
        return f"pod {pod.key} of {maker} is behind Service {service.key} beside {workload}"
    return ""
