"""The pods that a change ends, and whether each Service hands their nodes off without a loss.
Pure.

Only a node that loses its last pod of the Service counts: another pod takes the requests over at once. The verdict
is that of the pod that ends first. Where no other node has a pod, the time counts when replacements get traffic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import Enum

from etpguard.assess import Assessment, Outcome
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.targets import NodeTargets
from etpguard.assess.data_planes.interface import DataPlane, NodePlanes
from etpguard.assess.node_rule import AUTOSCALER_TAINT
from etpguard.foresight.changes import By
from etpguard.foresight.detection import NotKnown, Timing, timing_of
from etpguard.foresight.hosts import hosts_of, target_ports
from etpguard.foresight.pod_ending.hand_off import HandOff, Seam, hand_off, lost_node, outruns
from etpguard.foresight.pod_ending.pod_end import ServingWindow, serving_window
from etpguard.foresight.pods import Pods
from etpguard.foresight.world import World
from etpguard.foresight.worlds.alternatives import Alternative
from etpguard.objects import SERVICE, Key, Service
from etpguard.objects.pods import Pod

_ORDER = (Seam.SEAMLESS, Seam.UNKNOWN, Seam.LOSSY)
"""From best to worst."""
_WITH_NODE = ServingWindow(0, 0, ("its node is gone",))


class Replaced(Enum):
    """When the replacements of these pods serve."""

    BEFORE = "a rollout waits for them, as long as minReadySeconds says"
    MEANWHILE = "they are created when the pods are evicted"
    NOT_MEANWHILE = "never, or after all pods have ended"


@dataclass(frozen=True, slots=True)
class PodEnd:
    """What one change does to one consumer, where the last pods of `nodes` end."""

    change: str
    consumer: Consumer
    nodes: tuple[str, ...]
    timing: Timing | NotKnown
    window: ServingWindow | None
    """None where the Pods are not known."""
    found: HandOff
    min_ready_seconds: int | None = None
    """See `Ending`."""
    with_node: bool = False
    """See `Ending`."""


@dataclass(frozen=True, slots=True)
class ServiceHandOff:
    """One Service: at least one end."""

    ends: tuple[PodEnd, ...]

    @property
    def worst(self) -> PodEnd:
        """That with the worst verdict, and of these that with the longest loss."""
        return max(self.ends, key=lambda end: (_ORDER.index(end.found.verdict), _longest(end.found)))


def _longest(found: HandOff) -> float:
    if found.seconds is None:
        return 0
    return float("inf") if found.seconds[1] is None else found.seconds[1]


@dataclass(frozen=True, slots=True)
class Ending:
    """Pods that a change ends, in one of these ways."""

    change: str
    ways: Sequence[Alternative]
    replaced: Replaced
    by: By = By.KUBECTL
    """What ends them. It may mark the nodes first, so that load balancers take them out."""
    min_ready_seconds: int | None = None
    """Of a rollout: how long it waits after a new pod is ready."""
    with_node: bool = False
    """Whether the nodes go with the pods."""
    first_on: frozenset[str] = frozenset()
    """Of a rollout that waits for a new pod before it ends an old one: the nodes that admit the new one."""
    later_on: frozenset[str] = frozenset()
    """Of a rollout: the nodes that admit a new pod when old ones have ended."""
    served: frozenset[Key] = frozenset()
    """The Services that new pods serve."""

    def of(self, service: Key) -> Ending:
        """As one Service sees it: new pods that do not serve it replace nothing."""
        if service in self.served:
            return self
        return replace(self, replaced=Replaced.NOT_MEANWHILE, first_on=frozenset(), later_on=frozenset())


class PodEnds:
    """Collects the ends while the changes are applied: each is judged by the objects as they are at the time."""

    def __init__(self, world: World, pods: Pods) -> None:
        self._world = world
        self._pods = pods
        self._found: dict[Key, list[PodEnd]] = defaultdict(list)

    def of(self, service: Key) -> ServiceHandOff | None:
        found = self._found.get(service)
        return ServiceHandOff(tuple(found)) if found else None

    def note(self, ending: Ending, before: Sequence[Alternative]) -> None:
        """Assess the pods that end in one of the ways, after those that may be gone in one of the alternatives
        `before`, and without those that surely are."""
        gone = frozenset.intersection(*(each.gone for each in before))
        keys = frozenset[Key]().union(*(way.pods() for way in ending.ways)) - gone
        services = {service for pod in keys for service in self._pods.services_of(pod)}
        for key in sorted(services):
            service = self._world.picture.get(SERVICE, key)
            assessment = self._world.engine.assessments.get(key)
            if service is not None and assessment is not None:
                self._found[key] += self._judged(ending.of(key), service, assessment, keys, before)

    def _judged(
        self,
        ending: Ending,
        service: Service,
        assessment: Assessment,
        keys: frozenset[Key],
        before: Sequence[Alternative],
    ) -> Iterable[PodEnd]:
        hosts, fixed = hosts_of(service.key, self._world.picture)
        ways = [
            Alternative(each.gone | way.gone, (*each.choices, *way.choices))
            for each in before
            for way in ending.ways
        ]
        # Where only one node admits the first new pod of a rollout, the pod runs there before any old one ends.
        kept = fixed | (ending.first_on if len(ending.first_on) == 1 else frozenset())
        of_pods = set(hosts.values()) - kept
        touched = of_pods & {node for pod, node in hosts.items() if pod in keys}
        emptied = {node for node in touched if _may_empty({node}, hosts, ways)}
        if not emptied:
            return
        ends = [pod for pod, node in hosts.items() if pod in keys and node in emptied]
        ports = target_ports(service.key, self._world.picture)
        window = _WITH_NODE if ending.with_node else self._window(ends, ports)
        table = self._world.picture.nodes
        for verdict in assessment.consumers:
            consumer = verdict.consumer
            nodes = tuple(sorted(node for node in emptied if table.bit(node) & verdict.eligible))
            by_nodes = isinstance(consumer.targets, NodeTargets) and verdict.outcome is not Outcome.NotAffected
            if nodes and by_nodes and not consumer.incidental:
                covered = set(table.names(verdict.eligible & ~verdict.uncovered))
                alone = covered <= of_pods and _may_empty(covered, hosts, ways)
                yield self._end(ending, service, consumer, nodes, window, alone=alone)

    def _end(
        self,
        ending: Ending,
        service: Service,
        consumer: Consumer,
        nodes: tuple[str, ...],
        window: ServingWindow | None,
        *,
        alone: bool,
    ) -> PodEnd:
        """The end of the last pods of these nodes. `alone`: whether no other node of the consumer has a pod."""
        timing = timing_of(consumer, service, self._world.picture)
        if ending.with_node:
            found = lost_node(consumer, timing)
        elif window is None:
            found = HandOff(Seam.UNKNOWN, None, ("Pods cannot be read, so it is not known how they end",))
        else:
            planes = self._world.engine.planes
            found = hand_off(
                consumer,
                timing,
                window,
                forwards_to_terminating=forwards_to_terminating(planes),
                ready_until_gone=ready_until_gone(service, planes),
            )
        found = _with_removal(found, consumer, ending.by)
        found = _alone(found, timing, ending) if alone else _with_rollout(found, timing, ending)
        found = _with_new_pods(found, ending, nodes)
        waits = ending.min_ready_seconds
        return PodEnd(ending.change, consumer, nodes, timing, window, found, waits, ending.with_node)

    def _window(self, pods: Iterable[Key], ports: Set[int]) -> ServingWindow | None:
        seen = (self._pods.seen.get(key) for key in pods)
        known = [each.pod for each in seen if each is not None and each.pod is not None]
        return first_window(known, ports) if known else None


def _may_empty(nodes: Set[str], hosts: Mapping[Key, str], ways: Iterable[Alternative]) -> bool:
    """Whether these nodes may all have lost all of their pods."""
    on_nodes = {pod for pod, node in hosts.items() if node in nodes}
    return any(way.may_take(on_nodes) for way in ways)


def _with_rollout(found: HandOff, timing: Timing | NotKnown, ending: Ending) -> HandOff:
    why = "" if ending.min_ready_seconds is None else outruns(timing, ending.min_ready_seconds)
    return replace(found, because=(*found.because, why)) if why else found


def _alone(found: HandOff, timing: Timing | NotKnown, ending: Ending) -> HandOff:
    """No other node of the consumer has a pod, so its replacements decide, too."""
    least = found.seconds[0] if found.seconds else 0
    if ending.replaced is Replaced.NOT_MEANWHILE:
        why = "no other node that gets traffic has a pod meanwhile, so all requests are lost then"
        return HandOff(Seam.LOSSY, (least, None), (why, *found.because))
    if ending.replaced is Replaced.BEFORE:
        waits = ending.min_ready_seconds or 0
        starts = None if isinstance(timing, NotKnown) else timing.starts
        if starts is not None and waits >= starts:
            return found
        why = outruns(timing, waits) or "it is not known how soon the nodes of new pods get traffic"
    else:
        why = "no other node that gets traffic has a pod, and when replacements get traffic is not known"
    if found.verdict is Seam.LOSSY:
        return HandOff(Seam.LOSSY, (least, None), (why, *found.because))
    return HandOff(Seam.UNKNOWN, None, (why, *found.because))


def _with_new_pods(found: HandOff, ending: Ending, nodes: Sequence[str]) -> HandOff:
    """A rollout may start new pods on the nodes that the old ones leave."""
    if found.verdict is not Seam.LOSSY or found.seconds is None:
        return found
    bound = (0, found.seconds[1])
    if ending.first_on.issuperset(nodes):
        why = "a new pod may serve on the node before the old one ends; if none does, requests to it are lost"
        return HandOff(Seam.UNKNOWN, bound, (why, *found.because))
    if ending.later_on.issuperset(nodes):
        why = "a new pod may start on the node as soon as the old one has ended"
        return HandOff(Seam.LOSSY, bound, (*found.because, why))
    return found


def _with_removal(found: HandOff, consumer: Consumer, by: By) -> HandOff:
    """A mark of Karpenter takes the node out of load balancers. The taint of the cluster autoscaler does so only
    for some: k8s.io/cloud-provider v0.37.2 controllers/service/controller.go shouldSyncUpdatedNode does not look
    at it, but a synchronization for another cause leaves the node out."""
    if by is By.KARPENTER:
        why = "karpenter takes the node out of load balancers before it evicts pods"
        soon = "how soon each one stops is not known"
    elif by is By.CLUSTER_AUTOSCALER and found.verdict is Seam.LOSSY and _heeds_taint(consumer):
        why = "the cluster autoscaler taints the node before it evicts pods"
        soon = "whether its load balancer stops for that, and how soon, is not known"
    else:
        return found
    bound = found.seconds and (0, found.seconds[1])
    return HandOff(Seam.UNKNOWN, bound, (f"{why}; {soon}", *found.because))


def _heeds_taint(consumer: Consumer) -> bool:
    rule = consumer.targets.rule
    return rule is not None and any(each.key == AUTOSCALER_TAINT for each in rule.taints)


def first_window(pods: Iterable[Pod], ports: Set[int]) -> ServingWindow:
    """That of the pod that ends first, of at least one. `ports` are those to which the Service leads."""
    windows = [serving_window(pod.spec, pod.labels, ports) for pod in pods]
    return min(windows, key=lambda window: (window.least, window.most))


def ready_until_gone(service: Service, planes: NodePlanes) -> bool | None:
    """Whether the healthCheckNodePort of every node counts a pod until the pod has ended. That of kube-proxy does
    with publishNotReadyAddresses. None if that is not known."""
    if not service.spec.publish_not_ready_addresses:
        return False
    return True if all(group.plane.name is DataPlane.KUBE_PROXY for group in planes.groups) else None


def forwards_to_terminating(planes: NodePlanes) -> bool | None:
    """Whether every node forwards to terminating endpoints that still serve, as kube-proxy and Cilium do. None if
    that is not known."""
    known = [group.plane for group in planes.groups]
    if all(plane.name is DataPlane.KUBE_PROXY for plane in known):
        return True
    if all(plane.name in (DataPlane.KUBE_PROXY, DataPlane.CILIUM) for plane in known):
        return all(plane.enabled("enable-k8s-terminating-endpoint", default=True) for plane in known)
    return None
