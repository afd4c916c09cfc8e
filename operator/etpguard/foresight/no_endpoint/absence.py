"""Why a node has no usable local endpoint of a Service: its workload, its pods, and the node. Pure.

A DaemonSet runs a pod on each node that its node selector, its affinity and its tolerations admit:
k8s.io/kubernetes v1.37.2 pkg/controller/daemon/daemon_controller.go NodeShouldRunDaemonPod.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etpguard.cluster import Picture
from etpguard.foresight.changes import Workload
from etpguard.foresight.no_endpoint.absence_reasons import Cause, Reason, of_endpoint, of_pod, unschedulable
from etpguard.foresight.no_endpoint.rollout_state import rollout_of
from etpguard.foresight.placement.node_filters import affinity_admits, unmet_selector, untolerated
from etpguard.foresight.pods import selects
from etpguard.objects import NODE, AnyKind, Endpoint, Key, Node, Service
from etpguard.objects.nodes import Taint
from etpguard.objects.pod_controllers import (
    CONTROLLER_KINDS,
    DAEMON_SET,
    DEPLOYMENT,
    STATEFUL_SET,
    PodController,
)
from etpguard.objects.pods import POD, Pod, PodSpec, Toleration

_WORKLOADS: tuple[AnyKind, ...] = (DAEMON_SET, DEPLOYMENT, STATEFUL_SET)


@dataclass(frozen=True, slots=True)
class Absence:
    """Nodes without a usable endpoint, for the same reasons. `pods` are those that should serve there."""

    reasons: tuple[Reason, ...]
    nodes: tuple[str, ...]
    pods: tuple[Key, ...] = ()


def absences(picture: Picture, found: Picture, service: Service, nodes: Iterable[str]) -> list[Absence]:
    """Why each of these Ready nodes has no usable endpoint of the Service, the most frequent reasons first.
    `found` holds the Pods and the workloads as far as they were read; it may be the same object as `picture`."""
    reading = _Reading(picture, found, service)
    grouped: dict[tuple[Reason, ...], list[str]] = defaultdict(list)
    pods: dict[tuple[Reason, ...], list[Key]] = defaultdict(list)
    for name in nodes:
        reasons, here = reading.of(name)
        grouped[reasons].append(name)
        pods[reasons] += here
    made = [Absence(reasons, tuple(names), tuple(pods[reasons])) for reasons, names in grouped.items()]
    return sorted(made, key=lambda each: (-len(each.nodes), each.nodes))


def workloads_behind(found: Picture, service: Service) -> list[tuple[Workload, PodController]]:
    """The workloads whose template the selector of the Service selects. A ReplicaSet counts if nothing owns it."""
    made = [
        (Workload(kind.name, each.key), each)
        for kind in CONTROLLER_KINDS
        for each in (found.store(kind) if kind in found.kinds else ())
        if each.owner is None and selects(service, each.key.namespace, each.template.labels)
    ]
    return sorted(made, key=lambda pair: (pair[0].kind, pair[0].key))


class _Reading:
    """What is known about one Service."""

    def __init__(self, picture: Picture, found: Picture, service: Service) -> None:
        self._picture = picture
        self._service = service
        self._pods_unread = found.why_unknown(POD)
        self._workloads = workloads_behind(found, service)
        self._rollouts = [
            Reason(Cause.ROLLOUT, sentence, workload)
            for workload, controller in self._workloads
            if (sentence := rollout_of(workload, controller))
        ]
        self._by_node: dict[str, list[Pod]] = defaultdict(list)
        self._without_node: list[Pod] = []
        if self._pods_unread is None:
            for pod in found.store(POD):
                if selects(service, pod.key.namespace, pod.labels):
                    self._place(pod)
        self._unread_workloads = [kind for kind in _WORKLOADS if found.why_unknown(kind)]
        self._endpoints: dict[str, list[Endpoint]] = defaultdict(list)
        for slice_ in picture.slices(service.key):
            for endpoint in slice_.endpoints or ():
                if endpoint.target_ref and endpoint.target_ref.kind == "Pod" and endpoint.node_name:
                    self._endpoints[endpoint.node_name].append(endpoint)

    def of(self, name: str) -> tuple[tuple[Reason, ...], list[Key]]:
        pods = self._by_node.get(name, [])
        alive = [pod for pod in pods if not pod.finished] or pods
        if alive:
            reasons = [of_pod(pod) for pod in alive]
            return self._with_rollouts(reasons), [pod.key for pod in alive]
        if self._pods_unread is not None and (seen := self._endpoints.get(name)):
            reasons = [of_endpoint(endpoint) for endpoint in seen]
            return self._with_rollouts(reasons), [self._key(endpoint) for endpoint in seen]
        node = self._picture.get(NODE, Key("", name))
        return tuple(dict.fromkeys(self._without_pod(node))), []

    def _place(self, pod: Pod) -> None:
        if name := pod.node or _wanted_node(pod.spec):
            self._by_node[name].append(pod)
        elif not pod.finished:
            self._without_node.append(pod)

    def _key(self, endpoint: Endpoint) -> Key:
        target = endpoint.target_ref
        return Key(self._service.key.namespace, (target and target.name) or "")

    def _with_rollouts(self, reasons: Sequence[Reason]) -> tuple[Reason, ...]:
        return tuple(dict.fromkeys([*reasons, *self._rollouts]))

    def _without_pod(self, node: Node | None) -> Iterator[Reason]:
        if not self._service.spec.selector:
            yield Reason(Cause.NO_WORKLOAD, "the Service has no selector, so something else writes its endpoints")
            return
        if not self._workloads:
            yield self._no_workload()
            return
        for workload, controller in self._workloads:
            excluded = exclusion(workload, controller, node) if node else None
            if excluded is not None:
                yield excluded
            elif self._pods_unread is not None:
                yield _not_read(POD, self._pods_unread)
            elif workload.kind == "DaemonSet":
                yield Reason(Cause.NO_POD, f"{workload} has no pod there yet", workload)
                yield from (each for each in self._rollouts if each.workload == workload)
            else:
                yield self._replicas(workload, controller)
                yield from (each for each in self._rollouts if each.workload == workload)

    def _replicas(self, workload: Workload, controller: PodController) -> Reason:
        waiting = [pod for pod in self._without_node if controller.selects(pod.key.namespace, pod.labels)]
        if waiting:
            number = f"{len(waiting)} of its pods {'has' if len(waiting) == 1 else 'have'} no node yet"
            return Reason(Cause.POD_PENDING, f"{workload}: {number}{unschedulable(waiting[0])}", workload)
        count = controller.replicas
        if not count:
            return Reason(Cause.REPLICAS_ELSEWHERE, f"{workload} has 0 replicas", workload)
        which = "the replica" if count == 1 else f"the {count} replicas"
        runs = "runs on another node" if count == 1 else "run on other nodes"
        return Reason(Cause.REPLICAS_ELSEWHERE, f"{which} of {workload} {runs}", workload)

    def _no_workload(self) -> Reason:
        if self._unread_workloads:
            names = " and ".join(f"{kind.name}s" for kind in self._unread_workloads)
            return Reason(Cause.NOT_READ, f"{names} were not read")
        pods = [pod for here in self._by_node.values() for pod in here] + self._without_node
        owner = next((found for pod in pods if (found := pod.controller)), None)
        if owner is not None:
            what = f"{owner.kind} {owner.name} makes its pods, and etpguard does not read that kind"
            return Reason(Cause.NO_WORKLOAD, what)
        if pods:
            return Reason(Cause.NO_WORKLOAD, "no controller makes its pods")
        return Reason(Cause.NO_WORKLOAD, "no DaemonSet, Deployment or StatefulSet makes pods that it selects")


def _not_read(kind: AnyKind, why: str) -> Reason:
    return Reason(Cause.NOT_READ, f"{kind.name}s were not read: {why}")


def exclusion(workload: Workload, controller: PodController, node: Node) -> Reason | None:
    """Why the workload runs no pod on the node, whatever pods exist; None if it may run one."""
    spec = controller.template.spec or PodSpec()
    if spec.node_name and spec.node_name != node.metadata.name:
        return Reason(Cause.NODE_SELECTOR, f"the template of {workload} names node {spec.node_name}", workload)
    if unmet := unmet_selector(spec, node.labels):
        entries = ", ".join(f"{key}={value}" for key, value in sorted(unmet.items()))
        return Reason(Cause.NODE_SELECTOR, f"the node selector of {workload} demands {entries}", workload)
    if not affinity_admits(spec, node):
        return Reason(Cause.NODE_AFFINITY, f"the node affinity of {workload} excludes it", workload)
    tolerations = [*(spec.tolerations or ())]
    if workload.kind == "DaemonSet":
        tolerations += daemon_tolerations(spec)
    taint = untolerated(tolerations, node.taints)
    if taint is None:
        return None
    return Reason(Cause.TAINT, f"{workload} does not tolerate the taint {shown_taint(taint)}", workload)


def shown_taint(taint: Taint) -> str:
    """The taint as kubectl writes it: `key=value:effect`."""
    return f"{taint.key}{f'={taint.value}' if taint.value else ''}:{taint.effect}"


def daemon_tolerations(spec: PodSpec) -> list[Toleration]:
    """The tolerations that the controller adds to the pods of a DaemonSet: k8s.io/kubernetes v1.37.2
    pkg/controller/daemon/util/daemonset_util.go AddOrUpdateDaemonPodTolerations."""
    keys = [("not-ready", "NoExecute"), ("unreachable", "NoExecute")]
    keys += [(f"{name}-pressure", "NoSchedule") for name in ("disk", "memory", "pid")]
    keys.append(("unschedulable", "NoSchedule"))
    if spec.host_network:
        keys.append(("network-unavailable", "NoSchedule"))
    return [Toleration(f"node.kubernetes.io/{key}", "Exists", None, effect) for key, effect in keys]


def _wanted_node(spec: PodSpec) -> str:
    """The node of a DaemonSet's pod that the scheduler has not placed yet: its controller names it in the affinity
    (daemonset_util.go ReplaceDaemonSetPodNodeNameNodeAffinity)."""
    affinity = spec.affinity and spec.affinity.node_affinity
    for term in affinity.terms if affinity else ():
        for each in term.match_fields or ():
            if each.key == "metadata.name" and each.operator == "In" and each.values:
                return each.values[0]
    return ""
