"""The node states of Services, computed once for each set of data planes that the nodes may have. Pure.

The signs on the nodes may leave several sets of data planes possible. Each of them is a `Variant` with its states.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from typing import TypeVar

from etpguard.assess.data_planes.inputs import Nodes
from etpguard.assess.data_planes.interface import Detector, NodePlanes
from etpguard.assess.data_planes.mixed import Rules, StatesByPlane
from etpguard.assess.data_planes.signs_of_nodes import SignsOfNodes
from etpguard.assess.eligible_nodes import EligibleNodes
from etpguard.assess.node_rule import NodeRule, Readiness
from etpguard.assess.node_states import PortState, ServiceStates
from etpguard.assess.turns import Steps
from etpguard.assess.variants import Variant, variants_of
from etpguard.cluster import Picture
from etpguard.objects import NODE, Key, Node, Requirement, Service

T = TypeVar("T")


class NodeStateCache:
    """Gives the states under the first variant, which the signs show. Work that runs in `under` gets those under
    another variant."""

    def __init__(self, picture: Picture, detector: Detector, eligible: EligibleNodes) -> None:
        self._picture = picture
        self._eligible = eligible
        self._detector = detector
        self._signs = SignsOfNodes()
        self._variants = variants_of(detector.planes({}))
        self._variant = self._variants[0]
        self._nodes = Nodes(picture.nodes.bit, self._having, self._addresses)
        self._by_labels: set[Key] = set()
        """Services whose states depend on labels or addresses of nodes."""
        self._selecting = False
        """Whether the computation that runs has read a label or an address of a node."""
        self._by_plane: dict[Key, StatesByPlane] = {}
        """In a cluster with several data planes: what the states of a Service are put together from."""

    @property
    def variants(self) -> Sequence[Variant]:
        return self._variants

    @property
    def planes(self) -> NodePlanes:
        """The data planes that the signs show."""
        return self._variants[0].rules.planes

    @property
    def rules(self) -> Rules:
        return self._variant.rules

    def of(self, key: Key, service: Service) -> ServiceStates:
        """The node states of the Service for external traffic, as if its policy were Local."""
        rules, kept, _ = self._variant
        states = kept.get(key)
        if states is None:
            self._selecting = False
            known = self._by_plane.setdefault(key, {}) if self._several else None
            states = kept[key] = rules.states(service, self._picture.slices(key), self._nodes, known)
            if self._selecting:
                self._by_labels.add(key)
        return states

    def of_cluster_ip(self, key: Key, service: Service) -> tuple[PortState, ...]:
        """The node states of the Service for traffic to its cluster IPs."""
        rules, _, kept = self._variant
        states = kept.get(key)
        if states is None:
            self._selecting = False
            states = kept[key] = rules.internal_ports(service, self._picture.slices(key), self._nodes)
            if self._selecting:
                self._by_labels.add(key)
        return states

    def under(self, variant: Variant, steps: Generator[None, None, T]) -> Generator[None, None, T]:
        """Run `steps`, each of them under the rules of `variant`. Between two steps, others read states under the
        first variant."""
        work = Steps(steps)
        self._variant = variant
        try:
            for _ in work:
                self._variant = self._variants[0]
                yield
                self._variant = variant
        finally:
            self._variant = self._variants[0]
        return work.result

    def use_detector(self, detector: Detector) -> None:
        """Find the data planes with another detector, from the next `reset` on."""
        self._detector = detector

    def reset(self) -> None:
        """Drop all states, and find the data planes of the nodes in the picture."""
        self._by_labels.clear()
        self._by_plane.clear()
        self._signs.reset(self._detector, self._picture.store(NODE), self._picture.nodes.bit)
        self._use(self._detector.planes(self._signs.nodes))

    def forget(self, key: Key) -> None:
        """Drop the states of one Service."""
        self._by_labels.discard(key)
        self._by_plane.pop(key, None)
        for variant in self._variants:
            variant.states.pop(key, None)
            variant.internal.pop(key, None)

    def forget_those_by_labels(self) -> None:
        """Drop the states that depend on labels or addresses of nodes."""
        for key in tuple(self._by_labels):
            self.forget(key)

    def note_signs(self, name: str, node: Node | None) -> bool:
        """Take in a node that changed, or that is gone (None). Returns whether its signs changed."""
        return self._signs.update(self._detector, name, node, self._picture.nodes.bit(name))

    def find_planes(self) -> bool:
        """Find the data planes again, after signs changed. Returns whether they changed."""
        before, planes = self.planes, self._detector.planes(self._signs.nodes)
        if planes == before:
            return False
        kept = self._variants[0]
        self._use(planes)
        # Where only one data plane is possible, the states do not depend on which nodes there are.
        certain = not planes.otherwise and not before.otherwise
        if certain and planes.only is not None and planes.only == before.only:
            self._variant.states.update(kept.states)
            self._variant.internal.update(kept.internal)
        if planes.distinct != before.distinct:
            self._by_plane.clear()
        return True

    def _use(self, planes: NodePlanes) -> None:
        self._variants = variants_of(planes)
        self._variant = self._variants[0]

    @property
    def _several(self) -> bool:
        """Whether the states of a Service are put together from those of several data planes."""
        return len(self._variants) > 1 or self.planes.only is None

    def _addresses(self, name: str) -> Collection[str]:
        self._selecting = True
        node = self._picture.get(NODE, Key("", name))
        return node.addresses if node else ()

    def _having(self, requirements: tuple[Requirement, ...]) -> int:
        """The nodes with labels that meet the requirements."""
        self._selecting = True
        rule = NodeRule(requirements=requirements, taints=(), readiness=Readiness.IGNORED)
        return self._eligible.of(rule)
