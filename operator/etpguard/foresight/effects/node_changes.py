"""Changes of nodes: what their loss or drain does to the picture and to the pods. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import msgspec

from etpguard.assess.node_rule import AUTOSCALER_TAINT, EXCLUDE_LABEL
from etpguard.foresight.changes import By, Drain, Lose
from etpguard.foresight.effects.drain_course import Course, course_of, replacements
from etpguard.foresight.effects.simulation import Simulation, extended
from etpguard.foresight.eviction import Evictions, evictions
from etpguard.foresight.placement.node_filters import KARPENTER, UNSCHEDULABLE
from etpguard.foresight.placement.scheduling import NewPod
from etpguard.foresight.pod_ending.pod_ends import Ending, Replaced
from etpguard.foresight.pods import Seen
from etpguard.foresight.worlds.alternatives import Alternative
from etpguard.objects import NODE, Key, Node
from etpguard.objects.disruption_budgets import POD_DISRUPTION_BUDGET, PodDisruptionBudget
from etpguard.objects.nodes import NodeSpec, Taint
from etpguard.objects.text import listed_nodes

_AUTOSCALER = Taint(AUTOSCALER_TAINT, "NoSchedule")
_EITHER = (
    "the drain is blocked: to consolidate, Karpenter leaves such a node as it is; where the end of the node is "
    "forced, as by expiration or an interruption, it takes the node out of load balancers and evicts the other "
    "pods. The bounds have both cases"
)


def lose(simulation: Simulation, change: Lose) -> None:
    """Pods of controllers get replacements on other nodes."""
    nodes = simulation.nodes(change.nodes)
    lost = [each for name in change.nodes for each in simulation.pods.on(name)]
    keys = frozenset(each.key for each in lost)
    new = replacements(lost)
    served = simulation.served_by(new)
    simulation.note_ends(
        Ending(str(change), [Alternative(keys)], Replaced.MEANWHILE, with_node=True, served=served)
    )
    simulation.remove_nodes(nodes)
    changed = simulation.world.refresh()
    here = [extended(each, gone=keys) for each in simulation.alternatives]
    simulation.note_moves(lost, "is lost with")
    simulation.step(changed, [replace(each, new=()) for each in here], [extended(each, new=new) for each in here])


def drain(simulation: Simulation, change: Drain) -> None:
    """Evict the pods as far as budgets let it. Delete the nodes if the change says so and nothing blocks it."""
    nodes = simulation.nodes(change.nodes)
    if change.by is By.CLUSTER_AUTOSCALER:
        nodes = _drained_by_autoscaler(simulation, change, nodes)
        if not nodes:
            return
    on_nodes = _staying(simulation, nodes)
    found = evictions(change, on_nodes, _budgets(simulation))
    marked = [_marked(node, change.by) for node in nodes]
    # The assessments are still those of before.
    simulation.world.put(NODE, marked)
    scheduling = simulation.scheduling(frozenset(each.key for each in found.allowed))
    course = course_of(found, scheduling)
    deletes = change.deletes and found.complete and not course.held
    either = change.by is By.KARPENTER and not found.complete
    simulation.blocked += found.blocked
    _note_ends(simulation, change, course, deletes=deletes)
    changed = simulation.world.refresh()
    _note_moves(simulation, found, frozenset() if either else course.going)
    simulation.assumptions.update(dict.fromkeys(each.sentence for each in course.in_turn))
    before = simulation.alternatives
    during, stuck, end = course.during(before), course.stuck(before), course.end(before)
    services = changed | simulation.evaluator.touched_by([*during, *end])
    inside = _clients_outlive_agents(found, during) if change.by is By.KARPENTER else ()
    simulation.evaluator.during(services, during, scheduling, inside)
    if change.by is By.CLUSTER_AUTOSCALER:
        # Cloud providers may keep a tainted node until something else makes them look; see `pod_ends`.
        with _unmarked(simulation, nodes, marked):
            simulation.evaluator.during(services, during, scheduling)
    if either:
        with _unmarked(simulation, nodes, marked):
            simulation.evaluator.during(services, before, scheduling)
            simulation.evaluator.settled(services, before, scheduling)
    if deletes:
        simulation.evaluator.settled(services, stuck, scheduling)
        simulation.remove_nodes(nodes)
        later = simulation.world.refresh()
        keys = frozenset(pod.key for _, on_node in on_nodes for pod in on_node)
        simulation.keep([extended(each, gone=keys) for each in end])
        simulation.evaluator.during(later - services, during, scheduling)
        return
    if either:
        simulation.warnings.append(_EITHER)
    elif change.deletes:
        simulation.warnings.append("the drain is blocked, so the nodes are not deleted")
    simulation.keep([*end, *stuck])


def _note_ends(simulation: Simulation, change: Drain, course: Course, *, deletes: bool) -> None:
    found = course.found
    everyone = Alternative(course.going.union(each.key for each in found.doubtful), course.held)
    served = simulation.served_by(course.new)
    simulation.note_ends(Ending(str(change), [everyone], Replaced.MEANWHILE, change.by, served=served))
    if deletes:
        stays = Alternative(frozenset(each.pod for each in found.blocked))
        with_nodes = Ending(str(change), [stays], Replaced.NOT_MEANWHILE, change.by, with_node=True)
        simulation.ends.note(with_nodes, [extended(each, everyone.gone) for each in simulation.alternatives])


def _note_moves(simulation: Simulation, found: Evictions, going: frozenset[Key]) -> None:
    """`going` are the pods that are surely evicted."""
    simulation.note_moves([each for each in found.allowed if each.key in going], "is evicted from")
    simulation.note_moves([each for each in found.allowed if each.key not in going], "may be evicted from")
    simulation.note_moves(found.doubtful, "may be evicted from")


def _clients_outlive_agents(found: Evictions, during: Sequence[Alternative]) -> list[Alternative]:
    """As clients in the cluster see it. terminator.go groupPodsByPriority: critical pods go after the pods of
    DaemonSets that are not critical, and some pods are never evicted. So a client on the node may outlive the pod
    of the DaemonSet, or not."""
    agents = frozenset(each.key for each in found.allowed if each.controlled_by == "DaemonSet")
    return [*during, *(replace(each, gone=each.gone - agents) for each in during)]


def _drained_by_autoscaler(simulation: Simulation, change: Drain, nodes: Sequence[Node]) -> list[Node]:
    """Those of the nodes that the cluster autoscaler drains, one after the other. It does nothing to a node with a
    pod that blocks it, or where the other nodes have no place for all its pods together:
    cluster-autoscaler/simulator/cluster.go SimulateNodeRemoval, NoPlaceToMovePods."""
    found = evictions(change, _staying(simulation, nodes), _budgets(simulation))
    shut = {each.node for each in found.blocked if not each.stays}
    moving: dict[str, list[NewPod]] = defaultdict(list)
    moved = [*found.free, *found.doubtful, *(pod for each in found.limited for pod in each.pods)]
    for each in moved:
        moving[each.node] += replacements([each])
    drained: list[Node] = []
    taken: list[tuple[NewPod, str]] = []
    for node in nodes:
        name = node.metadata.name
        if name in shut:
            continue
        closed = {name, *(each.metadata.name for each in drained)}
        simulation.world.put(NODE, [_marked(each, change.by) for each in (*drained, node)])
        scheduling = simulation.scheduling(frozenset(each.key for each in moved if each.node in closed))
        simulation.world.put(NODE, nodes)
        found_places = scheduling.places(moving[name], taken)
        homeless = len(moving[name]) - len(found_places)
        if homeless:
            shut.add(name)
            what = f"no other node has a place for {homeless} of the pods of node {name}"
            simulation.assumptions[f"{what}, so the cluster autoscaler does not drain it"] = None
        else:
            drained.append(node)
            taken += found_places
    if shut:
        simulation.blocked += [each for each in found.blocked if each.node in shut]
        left = listed_nodes([name for name in change.nodes if name in shut])
        simulation.warnings.append(f"the cluster autoscaler does not drain {left}, so nothing happens there")
    return drained


def _staying(simulation: Simulation, nodes: Sequence[Node]) -> list[tuple[str, list[Seen]]]:
    """The pods of the nodes that are not surely gone."""
    gone = frozenset.intersection(*(each.gone for each in simulation.alternatives))
    names = [node.metadata.name for node in nodes]
    return [(name, [pod for pod in simulation.pods.on(name) if pod.key not in gone]) for name in names]


@contextmanager
def _unmarked(simulation: Simulation, nodes: Sequence[Node], marked: Sequence[Node]) -> Iterator[None]:
    """The picture without the marks of the drain."""
    simulation.world.put(NODE, nodes)
    simulation.world.refresh()
    yield
    simulation.world.put(NODE, marked)
    simulation.world.refresh()


def _budgets(simulation: Simulation) -> Sequence[PodDisruptionBudget] | None:
    picture = simulation.picture
    if picture.why_unknown(POD_DISRUPTION_BUDGET):
        return None
    return list(picture.store(POD_DISRUPTION_BUDGET))


def _marked(node: Node, by: By) -> Node:
    """The Node while it is drained: cordoned by kubectl, excluded by Karpenter, tainted by the autoscaler."""
    taints = [*node.taints]
    labels = node.labels
    match by:
        case By.KUBECTL:
            taints.append(UNSCHEDULABLE)
        case By.KARPENTER:
            taints.append(KARPENTER)
            labels = {**labels, EXCLUDE_LABEL: "karpenter"}
        case By.CLUSTER_AUTOSCALER:
            taints.append(_AUTOSCALER)
    spec = msgspec.structs.replace(node.spec or NodeSpec(), taints=taints)
    return msgspec.structs.replace(node, spec=spec, metadata=msgspec.structs.replace(node.metadata, labels=labels))
