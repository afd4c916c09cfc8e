"""The changes, one after the other: what each does to the picture and to the pods. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from etpguard.assess.node_rule import AUTOSCALER_TAINT, EXCLUDE_LABEL
from etpguard.cluster import Picture
from etpguard.foresight import changed_objects, target_nodes
from etpguard.foresight.alternatives import Alternative, Choice
from etpguard.foresight.apply import replaced_slices, slices_of
from etpguard.foresight.changes import (
    Applied,
    Apply,
    By,
    Change,
    Drain,
    Lose,
    Policy,
    Refused,
    Rollout,
    Scale,
    TargetNodes,
    Workload,
)
from etpguard.foresight.eviction import Blocked, evictions
from etpguard.foresight.forecast import Evaluator, new_pods
from etpguard.foresight.node_filters import UNSCHEDULABLE
from etpguard.foresight.pod_ends import Ending, PodEnds, Replaced
from etpguard.foresight.pods import Pods, Seen
from etpguard.foresight.scale_in import outside, victims
from etpguard.foresight.scheduling import NewPod, Scheduling, Site
from etpguard.foresight.start_time import start_time
from etpguard.foresight.workloads import Workloads, new_pod
from etpguard.foresight.world import World
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE, Key, Node, Service
from etpguard.objects.disruption_budgets import POD_DISRUPTION_BUDGET, PodDisruptionBudget
from etpguard.objects.node_details import NODE_DETAILS
from etpguard.objects.nodes import NodeSpec, Taint
from etpguard.objects.pod_controllers import CONTROLLER_KINDS, PodController
from etpguard.objects.pods import Pod

_MOST_ALTERNATIVES = 16
_KARPENTER_TAINT = Taint("karpenter.sh/disrupted", "NoSchedule")
_AUTOSCALER = Taint(AUTOSCALER_TAINT, "NoSchedule")


class Steps:
    """Applies changes in order. `alternatives` are the ways in which the pods may be after the last one."""

    def __init__(self, world: World, pods: Pods, evaluator: Evaluator, ends: PodEnds) -> None:
        self._world = world
        self._picture: Picture = world.picture
        self._pods = pods
        self._workloads = Workloads(world.picture, pods)
        self._evaluator = evaluator
        self._ends = ends
        self.alternatives: list[Alternative] = [Alternative()]
        self.blocked: list[Blocked] = []
        self.assumptions: dict[str, None] = {}
        self.warnings: list[str] = []

    def apply(self, change: Change) -> None:
        """Raises Refused, and then nothing of this change was applied."""
        match change:
            case Lose():
                self._lose(change)
            case Drain():
                self._drain(change)
            case Scale():
                self._scale(change)
            case Rollout():
                self._rollout(change.workload)
            case Policy():
                self._change_objects([Applied(SERVICE, self._with_policy(change))], str(change))
            case TargetNodes():
                self._target_nodes(change)
            case Apply():
                self._apply(change)

    def scheduling(self) -> Scheduling:
        """The nodes as they are now, with the pods that are surely or possibly there."""
        gone = frozenset[Key]().union(*(each.pods() for each in self.alternatives))
        by_node: dict[str, list[Pod]] = defaultdict(list)
        for each in self._pods.seen.values():
            if each.pod is not None and not each.pod.finished and each.key not in gone:
                by_node[each.node].append(each.pod)
        details = {each.key: each for each in self._picture.store(NODE_DETAILS)}
        return Scheduling(
            Site(node, known, by_node.get(node.metadata.name, []), bool(known and known.unschedulable))
            for node in self._picture.store(NODE)
            if not node.deleting
            for known in [details.get(node.key)]
        )

    def settle(self) -> None:
        """The end of all changes: the scheduler has done what it may."""
        services = self._evaluator.affected | self._evaluator.touched_by(self.alternatives)
        self._evaluator.settled(services, self.alternatives, self.scheduling())

    def _lose(self, change: Lose) -> None:
        nodes = self._nodes(change.nodes)
        lost = [each for name in change.nodes for each in self._pods.on(name)]
        self._remove_nodes(nodes, change.nodes)
        changed = self._world.refresh()
        keys = frozenset(each.key for each in lost)
        here = [_with(each, gone=keys) for each in self.alternatives]
        new = new_pods(each.replacement() for each in lost if _serves(each))
        self._note_moves(lost, "is lost with")
        self._step(changed, [replace(each, new=()) for each in here], [_with(each, new=new) for each in here])

    def _drain(self, change: Drain) -> None:
        nodes = self._nodes(change.nodes)
        gone = frozenset.intersection(*(each.gone for each in self.alternatives))
        on_nodes = [(name, [p for p in self._pods.on(name) if p.key not in gone]) for name in change.nodes]
        found = evictions(change, on_nodes, self._budgets())
        self.blocked += found.blocked
        evicted = [*found.free, *found.doubtful, *(pod for each in found.limited for pod in each.pods)]
        marks = change.by is not By.KUBECTL
        everyone = Alternative(frozenset(each.key for each in evicted))
        removes = change.by.value if marks else ""
        self._note_ends(Ending(str(change), [everyone], Replaced.MEANWHILE, removes_nodes=removes))
        if not (change.by is By.CLUSTER_AUTOSCALER and not found.complete):
            self._world.put(NODE, [_marked(node, change.by) for node in nodes])
        changed = self._world.refresh()
        self._note_moves([*found.free, *(pod for each in found.limited for pod in each.pods)], "is evicted from")
        self._note_moves(found.doubtful, "may be evicted from")
        free = frozenset(each.key for each in found.free)
        choices: list[Choice] = []
        if found.doubtful:
            doubtful = frozenset(each.key for each in found.doubtful)
            choices.append(Choice(doubtful, 0, len(doubtful)))
        at_first = [Choice(frozenset(p.key for p in e.pods), e.at_once, e.at_once) for e in found.limited]
        limited = frozenset(pod.key for each in found.limited for pod in each.pods)
        certain = sum(len(each.pods) - each.at_once for each in found.limited)
        first = [_with(each, free, (*choices, *at_first)) for each in self.alternatives]
        replacing_free = new_pods(each.replacement() for each in found.free if _serves(each))
        replacing_limited = new_pods(
            (each.replacement() for group in found.limited for each in group.pods if _serves(each)), certain
        )
        replacing = (
            *replacing_limited,
            *replacing_free,
            *new_pods(each.replacement() for each in found.doubtful if _serves(each)),
        )
        everything = [_with(each, free | limited, tuple(choices), replacing) for each in self.alternatives]
        during = [replace(each, new=()) for each in first]
        stuck: list[Alternative] = []
        if found.limited:
            during += [
                _with(each, free | limited, tuple(choices), replacing_limited) for each in self.alternatives
            ]
            stuck = [_with(each, new=replacing_free) for each in first]
        for each in found.limited:
            self.assumptions[
                f"PodDisruptionBudget {each.budget} lets {each.at_once} of {len(each.pods)} pods go at a time: if "
                "a replacement is never ready, the drain does not end"
            ] = None
        scheduling = self.scheduling()
        services = changed | self._evaluator.touched_by([*during, *everything])
        self._evaluator.during(services, during, scheduling)
        if change.deletes and found.complete:
            self._evaluator.settled(services, stuck, scheduling)
            self._remove_nodes(nodes, change.nodes)
            later = self._world.refresh()
            keys = frozenset(pod.key for _, on_node in on_nodes for pod in on_node)
            self._keep([_with(each, gone=keys) for each in everything])
            self._evaluator.during(later - services, during, scheduling)
            return
        if change.deletes:
            self.warnings.append("the drain is blocked, so the nodes are not deleted")
        self._keep([*everything, *stuck])

    def _scale(self, change: Scale) -> None:
        workload, wanted = change.workload, change.replicas
        if workload.kind == "DaemonSet":
            raise Refused(f"{workload} has no replicas")
        controller = self._workloads.get(workload)
        wanted = self._autoscaled(workload, wanted)
        pods = self._workloads.pods_of(workload, controller)
        known = self._pods.known
        made: list[Alternative] = []
        for each in self.alternatives:
            here = [pod for pod in pods if pod.key not in each.gone]
            pending = [new for new in each.new if _belongs(new, controller)]
            missing = max(0, len(here) + len(pending) - wanted)
            if workload.kind == "StatefulSet" and known:
                made.append(_scaled_stateful_set(controller, each, here, pending, wanted))
            elif missing:
                made += self._scaled_in(workload, controller, each, here, pending, missing)
            else:
                additional = wanted - len(here) - len(pending) if known else wanted
                made.append(_with(each, new=(new_pod(controller),) * max(0, additional)))
        self._note_ends(Ending(str(change), made, Replaced.NOT_MEANWHILE))
        if not known:
            self.assumptions["Pods cannot be read: any endpoint of its Services may be one of the workload"] = None
        for service in self._pods.services_for(new_pod(controller)):
            self._evaluator.because(service, f"{change} ({len(pods)} active pods)")
        self._step(set(), [replace(each, new=()) for each in made], made)

    def _scaled_in(
        self,
        workload: Workload,
        controller: PodController,
        before: Alternative,
        here: Sequence[Seen],
        pending: Sequence[NewPod],
        missing: int,
    ) -> list[Alternative]:
        keys = frozenset(pod.key for pod in here)
        running = [each.pod for each in here if each.pod is not None]
        if pending or len(running) < len(here):
            # Replacements that are not there yet, or pods that cannot be read: which of them go is not known.
            least = max(0, missing - len(pending))
            return [_with(before, choices=(Choice(keys, least, min(missing, len(keys))),))]
        sets = {owner.name for pod in running if (owner := pod.controller) is not None}
        if len(sets) > 1:
            self.assumptions[f"a rollout of {workload} is under way: each of its pods may be deleted"] = None
            return [_with(before, choices=(Choice(keys, missing, missing),))]
        alone = workload.kind == "ReplicaSet" and controller.owner is None
        found = victims(running, missing, () if alone else running)
        tied = (Choice(frozenset(found.tied), found.of_tied, found.of_tied),) if found.of_tied else ()
        return [_with(before, frozenset(found.certain), tied)]

    def _autoscaled(self, workload: Workload, wanted: int) -> int:
        """The number that a HorizontalPodAutoscaler leaves: it pauses at 0."""
        autoscaler = self._workloads.autoscaler(workload)
        if autoscaler is None or wanted == 0:
            return wanted
        least = 1 if autoscaler.spec.min_replicas is None else autoscaler.spec.min_replicas
        most = autoscaler.spec.max_replicas or wanted
        allowed = min(max(wanted, least), max(most, least))
        if allowed != wanted:
            self.warnings.append(
                f"HorizontalPodAutoscaler {autoscaler.key} keeps {workload} at {allowed} replicas, not {wanted}"
            )
        self.assumptions[f"HorizontalPodAutoscaler {autoscaler.key} sets no other number of replicas"] = None
        return allowed

    def _rollout(self, workload: Workload, template: PodController | None = None) -> None:
        controller = self._workloads.get(workload)
        batch = self._workloads.batch(workload, controller)
        keys = frozenset(each.key for each in batch.pods)
        missing = min(batch.missing, len(keys))
        partly = [_with(each, choices=(Choice(keys, missing, missing),)) for each in self.alternatives]
        for service in self._pods.services_for(new_pod(template or controller)):
            self._evaluator.because(
                service, f"a rollout of {workload} replaces {len(keys)} pods, of which {missing} may be missing"
            )
        if missing or not batch.replaced_in_place:
            waits = (template or controller).spec.min_ready_seconds or 0
            how = Replaced.BEFORE if missing < len(keys) else Replaced.NOT_MEANWHILE
            way = Alternative(keys)
            self._note_ends(Ending(f"roll out {workload}", [way], how, min_ready_seconds=waits))
        if batch.replaced_in_place:
            for service in self._pods.services_for(new_pod(template or controller)):
                self._evaluator.internal.replaced_in_place(service, start_time(batch.pods))
            during = partly if missing else list(self.alternatives)
            self._step(set(), during, list(self.alternatives), keep=self.alternatives)
            return
        one = new_pod(template or controller)
        certain = len(keys) - missing
        new = tuple(replace(one, certain=number < certain) for number in range(len(keys)))
        replaced = [_with(each, gone=keys, new=new) for each in self.alternatives]
        # A rollout whose new pods are never ready stops with the first batch.
        self._step(set(), [*partly, *replaced], [*replaced, *partly])

    def _target_nodes(self, change: TargetNodes) -> None:
        if self._picture.get(SERVICE, change.service) is None:
            raise Refused(f"there is no Service {change.service}")
        assessment = self._world.engine.assessments.get(change.service)
        if assessment is None:
            raise Refused(f"Service {change.service} is not assessed: its policy is not Local")
        self.assumptions[
            "cloud controllers know the labels of the nodes as of their last sync: they read a label that changes "
            "later with the next change of the Service or of the set of Nodes"
        ] = None
        families = self._world.engine.families
        self._change_objects(target_nodes.applied(change, self._picture, assessment, families), str(change))

    def _apply(self, change: Apply) -> None:
        workloads: list[tuple[Workload, PodController | None, PodController]] = []
        objects: list[Applied] = []
        for each in change.objects:
            if each.kind in CONTROLLER_KINDS and isinstance(each.record, PodController):
                before = self._picture.get(each.kind, each.record.key)
                workloads.append((Workload(each.kind.name, each.record.key), before, each.record))
            objects.append(each)
        self._change_objects(objects, str(change))
        for workload, former, after in workloads:
            self._apply_workload(workload, former, after)

    def _apply_workload(self, workload: Workload, former: PodController | None, after: PodController) -> None:
        if former is None:
            new = (new_pod(after),) * (after.replicas if workload.kind != "DaemonSet" else 0)
            if workload.kind == "DaemonSet":
                self.warnings.append(f"{workload} is new: etpguard does not place the pods of a new DaemonSet")
            self._step(set(), list(self.alternatives), [_with(each, new=new) for each in self.alternatives])
            return
        if former.template != after.template:
            try:
                self._rollout(workload)
            except Refused as refused:
                self.warnings.append(str(refused))
        if workload.kind != "DaemonSet" and former.replicas != after.replicas:
            self._scale(Scale(workload, after.replicas))

    def _change_objects(self, objects: Sequence[Applied], what: str) -> None:
        services: set[Key] = set()
        former = {each.record.key: self._picture.get(SERVICE, each.record.key) for each in objects}
        changed_objects.put(self._world, objects)
        for each in objects:
            if isinstance(each.record, Service):
                services.add(each.record.key)
                self._reselect(former[each.record.key], each.record)
        changed = self._world.refresh()
        for key in changed | services:
            self._evaluator.because(key, what)
        self._step(changed | services, list(self.alternatives), list(self.alternatives))

    def _reselect(self, before: Service | None, after: Service) -> None:
        """A new Service, or one with another selector, gets the endpoints of the pods that it selects."""
        if before is not None and before.spec.selector == after.spec.selector:
            return
        if not after.spec.selector:
            return
        if not self._pods.known:
            self.warnings.append(f"Pods cannot be read, so the endpoints of Service {after.key} are not known")
            return
        self._world.remove(ENDPOINT_SLICE, replaced_slices(self._picture, after.key))
        self._world.put(ENDPOINT_SLICE, slices_of(after, self._pods))

    def _with_policy(self, change: Policy) -> Service:
        service = self._picture.get(SERVICE, change.service)
        if service is None:
            raise Refused(f"there is no Service {change.service}")
        if service.type not in ("NodePort", "LoadBalancer"):
            raise Refused(f"Service {change.service} has the type {service.type}, which takes no such policy")
        if change.policy == "Cluster":
            spec = msgspec.structs.replace(
                service.spec, external_traffic_policy="Cluster", health_check_node_port=None
            )
            return msgspec.structs.replace(service, spec=spec)
        number = service.spec.health_check_node_port
        if service.type == "LoadBalancer" and not number:
            number = self._free_node_port()
        return service.under_local(number)

    def _free_node_port(self) -> int:
        """The healthCheckNodePort that the API server would allocate: one that no Service has."""
        taken = {service.spec.health_check_node_port for service in self._picture.store(SERVICE)}
        return next(
            number
            for number in range(32767, 0, -1)
            if number not in taken and not self._picture.node_port_owners(number)
        )

    def _step(
        self,
        changed: set[Key],
        during: Sequence[Alternative],
        after: Sequence[Alternative],
        keep: Sequence[Alternative] | None = None,
    ) -> None:
        services = changed | self._evaluator.touched_by([*during, *after])
        self._evaluator.during(services, during, self.scheduling())
        self._keep(list(after if keep is None else keep))

    def _keep(self, alternatives: Iterable[Alternative]) -> None:
        kept = list(dict.fromkeys(alternatives))
        if len(kept) > _MOST_ALTERNATIVES:
            self.warnings.append("too many changes at once: the bounds after the first ones are not complete")
        self.alternatives = kept[:_MOST_ALTERNATIVES]

    def _remove_nodes(self, nodes: Sequence[Node], names: Iterable[str]) -> None:
        gone = set(names)
        stripped = []
        for slice_ in self._picture.store(ENDPOINT_SLICE):
            endpoints = slice_.endpoints or ()
            if any(endpoint.node_name in gone for endpoint in endpoints):
                left = [endpoint for endpoint in endpoints if endpoint.node_name not in gone]
                stripped.append(msgspec.structs.replace(slice_, endpoints=left))
        self._world.put(ENDPOINT_SLICE, stripped)
        self._world.remove(NODE, [node.key for node in nodes])

    def _nodes(self, names: Sequence[str]) -> list[Node]:
        found = [self._picture.get(NODE, Key("", name)) for name in names]
        missing = [name for name, node in zip(names, found, strict=True) if node is None]
        if missing:
            raise Refused(f"there is no Node {missing[0]}")
        return [node for node in found if node is not None]

    def _budgets(self) -> Sequence[PodDisruptionBudget] | None:
        picture = self._picture
        if POD_DISRUPTION_BUDGET in picture.unread or POD_DISRUPTION_BUDGET in picture.unlisted:
            return None
        return list(picture.store(POD_DISRUPTION_BUDGET))

    def _note_ends(self, ending: Ending) -> None:
        self._ends.note(ending, self.alternatives)

    def _note_moves(self, pods: Iterable[Seen], verb: str) -> None:
        for each in pods:
            for service in self._pods.services_of(each.key):
                self._evaluator.because(service, f"pod {each.key} {verb} node {each.node}")


def _serves(each: Seen) -> bool:
    """Whether its controller creates a replacement that could serve: not for a pod that has finished."""
    return each.pod is None or each.pod.active


def _with(
    before: Alternative,
    gone: frozenset[Key] = frozenset(),
    choices: tuple[Choice, ...] = (),
    new: tuple[NewPod, ...] = (),
) -> Alternative:
    return Alternative(
        before.gone | gone,
        (*before.choices, *(choice for choice in choices if choice.pods)),
        (*before.new, *new),
    )


def _scaled_stateful_set(
    controller: PodController, before: Alternative, here: Sequence[Seen], pending: Sequence[NewPod], wanted: int
) -> Alternative:
    """A StatefulSet has one pod for each of its ordinals: the others go, and the missing ones are created."""
    leave = outside(controller, [each.key for each in here], wanted)
    superfluous = outside(controller, [new.origin for new in pending if new.origin is not None], wanted)
    kept = tuple(new for new in before.new if new not in pending or new.origin not in superfluous)
    present = len(here) - len(leave) + len(pending) - len(superfluous)
    created = (new_pod(controller),) * max(0, wanted - present)
    return Alternative(before.gone | leave, before.choices, (*kept, *created))


def _belongs(new: NewPod, controller: PodController) -> bool:
    return controller.selects(new.namespace, dict(new.labels))


def _marked(node: Node, by: By) -> Node:
    """The Node while it is drained: cordoned by kubectl, excluded by Karpenter, tainted by the autoscaler."""
    taints = [*node.taints]
    labels = node.labels
    match by:
        case By.KUBECTL:
            taints.append(UNSCHEDULABLE)
        case By.KARPENTER:
            taints.append(_KARPENTER_TAINT)
            labels = {**labels, EXCLUDE_LABEL: "karpenter"}
        case By.CLUSTER_AUTOSCALER:
            taints.append(_AUTOSCALER)
    spec = msgspec.structs.replace(node.spec or NodeSpec(), taints=taints)
    return msgspec.structs.replace(node, spec=spec, metadata=msgspec.structs.replace(node.metadata, labels=labels))
