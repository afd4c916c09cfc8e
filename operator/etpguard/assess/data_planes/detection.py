"""Finds the data plane of each node. Pure.

The flag comes first, then what the Node shows, then the named objects. Without any of them the data plane is
kube-proxy, by assumption. Signs that contradict one another are reported. The data planes that they leave possible
are `NodePlanes.otherwise`, and an outcome that differs between them is Unknown. So is what no object excludes: a
Cilium whose configuration could not be read may replace kube-proxy.

That an object is absent proves nothing: k3s, RKE2, kops and GKE run kube-proxy without a DaemonSet.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple, cast

from msgspec.structs import replace

from etpguard.assess.data_planes.choice import Choice
from etpguard.assess.data_planes.detection_claims import Claims, observed
from etpguard.assess.data_planes.detection_nodes import Cluster, NodeSigns, signs_of
from etpguard.assess.data_planes.detection_objects import Objects
from etpguard.assess.data_planes.interface import DataPlane, KnownDataPlane, NodePlanes, PlaneGroup
from etpguard.assess.evidence import Evidence
from etpguard.objects import Node, named
from etpguard.objects.named import NamedObjects

FLAG = "--data-plane"
ASSUMED = KnownDataPlane(DataPlane.KUBE_PROXY)
MAX_VARIANTS = 8
"""Combinations of possible data planes that are assessed. Groups of nodes beyond that are `other`."""
PRECEDES = (2, 1, 0)
"""The release of Antrea that installs its rules before those of kube-proxy."""
_PREFERRED = frozenset({DataPlane.CILIUM, DataPlane.CALICO_EBPF})
"""The data planes that handle a packet before the rules of kube-proxy do."""


class Finding(NamedTuple):
    """The data plane of the nodes that show the same, what else is possible, and why."""

    plane: KnownDataPlane
    otherwise: tuple[KnownDataPlane, ...] = ()
    contradiction: str = ""


class Detection:
    """The `Detector` of a cluster, from the flag and the named objects."""

    def __init__(self, choice: Choice, objects: NamedObjects) -> None:
        self._choice = choice
        self._objects = Objects(objects)
        self._claims = Claims(self._objects)
        self.objects = objects

    def signs(self, node: Node) -> Hashable:
        labels, name, objects = node.labels, node.metadata.name, self._objects
        return signs_of(
            node,
            self._choice.selected(labels),
            objects.runs_on(name, labels),
            objects.cilium.overrides(node),
            objects.felix_bpf(name),
        )

    def planes(self, nodes: Mapping[Hashable, int]) -> NodePlanes:
        seen = cast(Mapping[NodeSigns, int], nodes)
        cluster = Cluster.of(seen)
        found: dict[Finding, int] = {}
        for signs, members in seen.items():
            finding = self._finding(signs, cluster)
            found[finding] = found.get(finding, 0) | members
        if not found:
            found[self._finding(NodeSigns(), cluster)] = 0
        found = dict(sorted(found.items(), key=_largest_first))  # not in the order in which nodes came
        return NodePlanes(
            _groups((finding.plane, members) for finding, members in found.items()),
            tuple(_contradictions(found)),
            tuple(_variants(found)),
            self._objects.kube_router_advertises(),
            self._objects.calico_answers_arp(),
        )

    def _finding(self, signs: NodeSigns, cluster: Cluster) -> Finding:
        if chosen := self._choice.plane(signs.chosen):
            return Finding(self._claims.described(_stated(chosen, signs), signs, cluster))
        shown = list(self._claims.shown_by_node(signs, cluster))
        if signs.windows:
            return self._windows(shown)
        claims = [*shown, *self._claims.shown_by_objects(signs, cluster)]
        return self._concluded(claims, signs, cluster)

    def _windows(self, shown: Sequence[KnownDataPlane]) -> Finding:
        """Only Antrea has a data plane of its own on Windows. Its configuration there is another ConfigMap."""
        plane = next(iter(shown))
        found = self._objects.daemon_set(named.ANTREA_DAEMON_SET)
        antrea = KnownDataPlane(DataPlane.ANTREA, how=f"{named.ANTREA_DAEMON_SET}")
        return Finding(plane, (antrea,) if found else ())

    # From claims to one answer.

    def _concluded(self, claims: Sequence[KnownDataPlane], signs: NodeSigns, cluster: Cluster) -> Finding:
        claims = self._antrea_first(claims)
        first: dict[DataPlane, KnownDataPlane] = {}
        for claim in claims:
            first.setdefault(claim.name, claim)
        if denial := self._denial(first, signs):
            first.setdefault(DataPlane.KUBE_PROXY, self._claims.described(denial, signs, cluster))
        if not first:
            return self._without_claim(signs, cluster)
        chosen = next((p for p in first.values() if p.name in _PREFERRED), None)
        chosen = chosen or next((p for p in first.values() if p.name is not DataPlane.KUBE_PROXY), None)
        chosen = chosen or first[DataPlane.KUBE_PROXY]
        others = tuple(plane for plane in first.values() if plane is not chosen)
        if not others:
            possible = self._not_excluded(chosen, signs, cluster)
            return _open(chosen, tuple(self._claims.described(each, signs, cluster) for each in possible))
        against = " and ".join(f"{other.how} shows {other.name.value}" for other in others)
        contradiction = f"{chosen.how} shows {chosen.name.value}, but {against}"
        how = f"{chosen.how}, contradicted"
        return Finding(replace(chosen, evidence=Evidence.ASSUMED, how=how), others, contradiction)

    def _antrea_first(self, claims: Sequence[KnownDataPlane]) -> Sequence[KnownDataPlane]:
        """Antrea 2.1 and later installs its rules before those of kube-proxy, earlier ones after them."""
        antrea = next((claim for claim in claims if claim.name is DataPlane.ANTREA), None)
        if antrea is None or antrea.release is None:
            return claims
        loser = DataPlane.KUBE_PROXY if antrea.release >= PRECEDES else DataPlane.ANTREA
        return [claim for claim in claims if claim.name is not loser] or claims

    def _denial(self, first: Mapping[DataPlane, KnownDataPlane], signs: NodeSigns) -> KnownDataPlane | None:
        """Why Cilium may not be the data plane: its configuration says that it does not replace kube-proxy, and
        another sign says that it does. In a migration this is no contradiction: a CiliumNodeConfig overrides the
        ConfigMap on the migrated nodes."""
        if DataPlane.CILIUM not in first:
            return None
        replaces = self._objects.cilium.replacement_override(signs.cilium_overrides)
        if replaces is None and not signs.migrated:
            replaces = self._objects.cilium.replaces_kube_proxy(())
        return observed(DataPlane.KUBE_PROXY, replaces.how) if replaces and replaces.says is False else None

    def _not_excluded(
        self, chosen: KnownDataPlane, signs: NodeSigns, cluster: Cluster
    ) -> Iterator[KnownDataPlane]:
        """What may handle the traffic instead of the only data plane that signs show."""
        if chosen.name is DataPlane.KUBE_PROXY:
            yield from self._claims.possible(signs, cluster)
        if chosen.name is DataPlane.CILIUM and chosen.evidence is Evidence.DOCUMENTED:
            yield KnownDataPlane(DataPlane.KUBE_PROXY, how="some versions of GKE Dataplane V2 keep kube-proxy")
        elif how := self._claims.kube_proxy_may_stay(chosen, signs, cluster):
            yield KnownDataPlane(DataPlane.KUBE_PROXY, how=how)
        if chosen.name is DataPlane.ANTREA and (chosen.release is None or chosen.release < PRECEDES):
            yield KnownDataPlane(
                DataPlane.KUBE_PROXY, how="before Antrea 2.1, kube-proxy has precedence over Antrea if it runs"
            )

    def _without_claim(self, signs: NodeSigns, cluster: Cluster) -> Finding:
        """The finding where no sign names a data plane."""
        if gone := self._claims.kube_proxy_is_gone(signs, cluster):
            return Finding(KnownDataPlane(DataPlane.OTHER, evidence=Evidence.OBSERVED, how=gone))
        assumed = self._claims.described(ASSUMED, signs, cluster)
        return Finding(assumed, tuple(self._claims.possible(signs, cluster)))


def _open(chosen: KnownDataPlane, others: tuple[KnownDataPlane, ...]) -> Finding:
    """A finding that a sign shows `chosen`, and that nothing excludes the others."""
    if others:
        chosen = replace(chosen, evidence=Evidence.ASSUMED, how=f"{chosen.how}, but {others[0].how}")
    return Finding(chosen, others)


def _stated(name: DataPlane, signs: NodeSigns) -> KnownDataPlane:
    """What the flag says. A name for all nodes applies to Linux nodes only, unless Windows nodes may have that
    data plane."""
    if signs.windows and signs.chosen < 0 and name not in (DataPlane.ANTREA, DataPlane.OTHER):
        return observed(DataPlane.WINKERNEL, "the label kubernetes.io/os=windows")
    return KnownDataPlane(name, evidence=Evidence.STATED, how=FLAG)


def _groups(found: Iterable[tuple[KnownDataPlane, int]]) -> tuple[PlaneGroup, ...]:
    """The groups of nodes, the largest first. Findings of the same data plane make one group."""
    members: dict[KnownDataPlane, int] = {}
    for plane, nodes in found:
        members[plane] = members.get(plane, 0) | nodes
    return tuple(PlaneGroup(plane, nodes) for plane, nodes in sorted(members.items(), key=_largest_first))


def _largest_first(item: tuple[object, int]) -> tuple[int, str]:
    """A key that sorts by the number of nodes, then by all that is known of them, for one order of equal sets."""
    return -item[1].bit_count(), repr(item[0])


def _contradictions(found: Mapping[Finding, int]) -> Iterator[str]:
    for finding, nodes in found.items():
        if finding.contradiction:
            count = nodes.bit_count()
            yield f"{finding.contradiction}, on {count} {'node' if count == 1 else 'nodes'}"


def _variants(found: Mapping[Finding, int]) -> Iterator[NodePlanes]:
    """The data planes of all nodes for each combination of what is possible, without the combination that is
    `planes`."""
    choices: list[tuple[KnownDataPlane, ...]] = []
    combinations = 1
    for finding in found:
        possible = (finding.plane, *finding.otherwise)
        if combinations * len(possible) > MAX_VARIANTS:
            possible = (KnownDataPlane(DataPlane.OTHER, how="more combinations of data planes are possible"),)
        combinations *= len(possible)
        choices.append(possible)
    primary = tuple(finding.plane for finding in found)
    for combination in product(*choices):
        if combination != primary:
            yield NodePlanes(_groups(zip(combination, found.values(), strict=True)))
