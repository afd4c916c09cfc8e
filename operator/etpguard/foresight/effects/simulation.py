"""The state between two changes of a forecast: the picture, and the ways in which the pods may be. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from etpguard.cluster import Picture
from etpguard.foresight.changes import Refused
from etpguard.foresight.eviction import Blocked
from etpguard.foresight.forecasts.forecast import Evaluator
from etpguard.foresight.placement.scheduling import NewPod, Scheduling, Site
from etpguard.foresight.pod_ending.pod_ends import Ending, PodEnds
from etpguard.foresight.pods import Pods, Seen
from etpguard.foresight.workloads import Workloads
from etpguard.foresight.world import World
from etpguard.foresight.worlds.alternatives import Alternative, Choice
from etpguard.objects import ENDPOINT_SLICE, NODE, Key, Node
from etpguard.objects.node_details import NODE_DETAILS
from etpguard.objects.pods import Pod
from etpguard.objects.text import did_you_mean

_MOST_ALTERNATIVES = 16


class Simulation:
    """Its picture is the cluster after the changes so far. `alternatives` are the ways in which the pods may be
    after the last of them. The changes add `blocked`, `assumptions` and `warnings`, which the forecast shows."""

    def __init__(self, world: World, pods: Pods, evaluator: Evaluator, ends: PodEnds) -> None:
        self.world = world
        self.picture: Picture = world.picture
        self.pods = pods
        self.workloads = Workloads(world.picture, pods)
        self.evaluator = evaluator
        self.ends = ends
        self.alternatives: list[Alternative] = [Alternative()]
        self.blocked: list[Blocked] = []
        self.assumptions: dict[str, None] = {}
        self.warnings: list[str] = []

    def scheduling(self, without: frozenset[Key] = frozenset()) -> Scheduling:
        """The nodes as they are now, with the pods that are surely or possibly there: all but those that are gone
        in one of the alternatives, and those of `without`."""
        gone = without.union(*(each.pods() for each in self.alternatives))
        by_node: dict[str, list[Pod]] = defaultdict(list)
        for each in self.pods.seen.values():
            if each.pod is not None and not each.pod.finished and each.key not in gone:
                by_node[each.node].append(each.pod)
        details = {each.key: each for each in self.picture.store(NODE_DETAILS)}
        return Scheduling(
            Site(node, known, by_node.get(node.metadata.name, []), bool(known and known.unschedulable))
            for node in self.picture.store(NODE)
            if not node.deleting
            for known in [details.get(node.key)]
        )

    def settle(self) -> None:
        """The end of all changes: the scheduler has done what it may."""
        services = self.evaluator.affected | self.evaluator.touched_by(self.alternatives)
        self.evaluator.settled(services, self.alternatives, self.scheduling())

    def step(
        self,
        changed: set[Key],
        during: Sequence[Alternative],
        after: Sequence[Alternative],
        scheduling: Scheduling | None = None,
    ) -> None:
        """One step of a change: evaluate the Services of `changed`, and those whose pods differ, while the pods
        are as in `during`. Then they are as in `after`."""
        services = changed | self.evaluator.touched_by([*during, *after])
        self.evaluator.during(services, during, scheduling or self.scheduling())
        self.keep(after)

    def keep(self, alternatives: Iterable[Alternative]) -> None:
        """Go on with these alternatives, or with the first of them where they are too many."""
        kept = list(dict.fromkeys(alternatives))
        if len(kept) > _MOST_ALTERNATIVES:
            self.warnings.append("too many changes at once: the bounds after the first ones are not complete")
        self.alternatives = kept[:_MOST_ALTERNATIVES]

    def remove_nodes(self, nodes: Sequence[Node]) -> None:
        """Remove the Nodes and the endpoints on them."""
        gone = {node.metadata.name for node in nodes}
        stripped = []
        for slice_ in self.picture.store(ENDPOINT_SLICE):
            endpoints = slice_.endpoints or ()
            if any(endpoint.node_name in gone for endpoint in endpoints):
                left = [endpoint for endpoint in endpoints if endpoint.node_name not in gone]
                stripped.append(msgspec.structs.replace(slice_, endpoints=left))
        self.world.put(ENDPOINT_SLICE, stripped)
        self.world.remove(NODE, [node.key for node in nodes])

    def nodes(self, names: Sequence[str]) -> list[Node]:
        """The Nodes with these names. Raises Refused if one is missing."""
        found = [self.picture.get(NODE, Key("", name)) for name in names]
        missing = [name for name, node in zip(names, found, strict=True) if node is None]
        if missing:
            near = did_you_mean(missing[0], (node.metadata.name for node in self.picture.store(NODE)))
            raise Refused(f"there is no Node {missing[0]}{near}")
        return [node for node in found if node is not None]

    def note_ends(self, ending: Ending) -> None:
        """Note how pods end with a change, for the hand-off."""
        self.ends.note(ending, self.alternatives)

    def served_by(self, new: Iterable[NewPod]) -> frozenset[Key]:
        """The Services that these new pods will serve."""
        kinds = {(each.known_by_endpoint, each.like): each for each in new}
        return frozenset[Key]().union(*(self.pods.services_for(each) for each in kinds.values()))

    def note_moves(self, pods: Iterable[Seen], verb: str) -> None:
        """Note for the Services of these pods what happens to each pod, as the cause of what the forecast says."""
        for each in pods:
            for service in self.pods.services_of(each.key):
                self.evaluator.because(service, f"pod {each.key} {verb} node {each.node}")


def extended(
    before: Alternative,
    gone: frozenset[Key] = frozenset(),
    choices: tuple[Choice, ...] = (),
    new: tuple[NewPod, ...] = (),
) -> Alternative:
    """The alternative `before`, with more pods gone, more choices among pods and more new pods."""
    return Alternative(
        before.gone | gone,
        (*before.choices, *(choice for choice in choices if choice.pods)),
        (*before.new, *new),
    )
