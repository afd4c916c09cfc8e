"""The pods on some nodes that may be clients of a Service, and whose they are. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from etpguard.cluster import Picture
from etpguard.foresight.eviction import MIRROR
from etpguard.foresight.pods import selects
from etpguard.objects import Key, Service
from etpguard.objects.pod_controllers import REPLICA_SET
from etpguard.objects.pods import POD, Pod

_HASH = "pod-template-hash"


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """What runs a pod: its Deployment, another controller, or "Pod" for a bare or static pod."""

    key: Key
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


@dataclass(frozen=True, slots=True)
class Clients:
    """The pods of one owner on those nodes."""

    owner: Owner
    pods: int
    nodes: int


def clients(found: Picture, service: Service, nodes: Collection[str]) -> list[Clients]:
    """The pods on these nodes that are not the Service's own, by owner, those with most pods first. Pods that have
    finished do not count."""
    wanted = frozenset(nodes)
    pods: dict[Owner, int] = defaultdict(int)
    where: dict[Owner, set[str]] = defaultdict(set)
    for pod in found.store(POD):
        if pod.node in wanted and not pod.finished and not selects(service, pod.key.namespace, pod.labels):
            owner = owner_of(found, pod)
            pods[owner] += 1
            where[owner].add(pod.node)
    made = [Clients(owner, number, len(where[owner])) for owner, number in pods.items()]
    return sorted(made, key=lambda each: (-each.pods, each.owner))


def owner_of(found: Picture, pod: Pod) -> Owner:
    """The Deployment of a ReplicaSet's pod, else the controller. Where ReplicaSets were not read, the name of the
    Deployment is that of the ReplicaSet without the hash of the template, which the pod has as a label
    (k8s.io/kubernetes v1.37.2 pkg/controller/deployment/sync.go getNewReplicaSet)."""
    namespace, controller = pod.key.namespace, pod.controller
    if controller is None:
        return Owner(pod.key, "Pod")
    if controller.kind == "Node" or MIRROR in pod.annotations:
        return Owner(Key(namespace, pod.key.name.removesuffix(f"-{pod.node}")), "Pod")
    if controller.kind == "ReplicaSet":
        known = found.get(REPLICA_SET, Key(namespace, controller.name))
        if known is not None and known.owner is not None:
            return Owner(Key(namespace, known.owner.name), known.owner.kind)
        suffix = f"-{pod.labels.get(_HASH, '')}"
        if known is None and suffix != "-" and controller.name.endswith(suffix):
            return Owner(Key(namespace, controller.name.removesuffix(suffix)), "Deployment")
    return Owner(Key(namespace, controller.name), controller.kind)
