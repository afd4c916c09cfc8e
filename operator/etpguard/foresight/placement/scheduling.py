"""Where a new pod may run: the filters of the scheduler that the API shows. Pure.

k8s.io/kubernetes v1.37.2 pkg/scheduler/framework/plugins: nodeunschedulable, tainttoleration, nodeaffinity,
noderesources/fit.go, nodeports, interpodaffinity. Volumes, topology spread, extenders and the configuration of the
scheduler are not read: they only make fewer nodes possible, and the worst case counts with a pending pod anyway.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from msgspec import json, structs

from etpguard.foresight.placement.node_filters import UNSCHEDULABLE, affinity_admits, unmet_selector, untolerated
from etpguard.foresight.placement.pod_affinity import shunned_by, term_selects, wanted_by
from etpguard.foresight.placement.pod_requests import host_ports, requests
from etpguard.foresight.placement.quantity import quantity
from etpguard.objects import Key, Node
from etpguard.objects.node_details import NodeDetails
from etpguard.objects.nodes import HOSTNAME_LABEL
from etpguard.objects.pods import Pod, PodSpec

Rivals = Mapping[str, Mapping[str, set[str]]]


@dataclass(frozen=True, slots=True, eq=False)
class NewPod:
    """A pod that does not exist yet: what it needs, and its labels. Each is equal to itself only."""

    namespace: str
    labels: Mapping[str, str]
    spec: PodSpec
    origin: Key | None = None
    """The pod that it replaces; None for an additional one."""
    known_by_endpoint: Key | None = None
    """The pod that it replaces, of which only an endpoint is known: it serves the same Services."""
    certain: bool = False
    """Whether it is surely ready, on whichever node. Otherwise it may stay pending."""
    only_on: str | None = None
    """The node on which a DaemonSet wants it; None for any node."""
    like: bytes = field(init=False)
    """The same for all pods that the scheduler treats alike, as those of one template."""

    def __post_init__(self) -> None:
        anywhere = structs.replace(self.spec, node_name=None)
        object.__setattr__(self, "like", json.encode((self.namespace, self.labels, anywhere)))


@dataclass
class Site:
    """A node with what runs on it."""

    node: Node
    details: NodeDetails | None
    pods: list[Pod] = field(default_factory=list)
    unschedulable: bool = False

    @property
    def name(self) -> str:
        return self.node.metadata.name

    @cached_property
    def used(self) -> dict[str, Fraction]:
        """The sum of the requests of its pods."""
        total: dict[str, Fraction] = defaultdict(Fraction)
        for pod in self.pods:
            for name, value in requests(pod.spec).items():
                total[name] += value
        return dict(total)

    def domain(self, key: str) -> str | None:
        """The value of a topology key; the name of the node replaces a missing hostname label."""
        return self.node.labels.get(key) or (self.name if key == HOSTNAME_LABEL else None)


class Scheduling:
    """The nodes on which a new pod may run."""

    def __init__(self, sites: Iterable[Site]) -> None:
        self.sites = {site.name: site for site in sites}
        self._repelling = [
            (site, pod)
            for site in self.sites.values()
            for pod in site.pods
            if pod.spec.affinity and shunned_by(pod.spec)
        ]
        self._admitted: dict[bytes, list[str]] = {}
        self._apart: dict[tuple[bytes, bytes], list[str]] = {}
        self._needed: dict[bytes, Mapping[str, Fraction]] = {}

    def admitted(self, pod: NewPod) -> list[str]:
        """The names of the nodes that every filter admits, for one new pod."""
        kept = self._admitted.get(pod.like)
        if kept is None:
            kept = self._admitted[pod.like] = self._find(pod)
        if pod.only_on is None:
            return kept
        at = bisect_left(kept, pod.only_on)
        return [pod.only_on] if kept[at : at + 1] == [pod.only_on] else []

    def needed(self, pod: NewPod) -> Mapping[str, Fraction]:
        """The requests of a new pod."""
        kept = self._needed.get(pod.like)
        if kept is None:
            kept = self._needed[pod.like] = requests(pod.spec)
        return kept

    def apart(self, one: NewPod, other: NewPod) -> list[str]:
        """The topology keys in which the nodes of two new pods must differ."""
        kept = self._apart.get((one.like, other.like))
        if kept is None:
            kept = self._apart[one.like, other.like] = _apart(one, other)
        return kept

    def _find(self, pod: NewPod) -> list[str]:
        repelled, attracted = self._domains(pod)
        keys = {key for key, _ in repelled}
        return [
            name
            for name, site in sorted(self.sites.items())
            if self._admits(site, pod)
            and not any((key, site.domain(key)) in repelled for key in keys)
            and all(site.domain(key) in domains for key, domains in attracted.items())
        ]

    def beside(self, pod: NewPod, taken: Iterable[tuple[NewPod, str]]) -> list[str]:
        """The names of the nodes that admit the pod in addition to the new pods that run on `taken`."""
        rivals = self.rivals(pod, taken)
        return [name for name in self.admitted(pod) if not self.rivals_at(name, rivals)]

    def placed(self, pods: Iterable[NewPod]) -> list[NewPod]:
        """Those of the new pods that find a node, if they are created one after the other."""
        return [pod for pod, _ in self.places(pods)]

    def places(self, pods: Iterable[NewPod], taken: Sequence[tuple[NewPod, str]] = ()) -> list[tuple[NewPod, str]]:
        """The same with their nodes, beside new pods that run on `taken`. Those with the fewest nodes come first,
        and of these the largest."""
        found: list[tuple[NewPod, str]] = []
        added: dict[str, list[Mapping[str, Fraction]]] = defaultdict(list)
        for pod, name in taken:
            added[name].append(self.needed(pod))
        for pod in sorted(pods, key=lambda pod: (len(self.admitted(pod)), *_smallness(self.needed(pod)))):
            needed = self.needed(pod)
            names = self.beside(pod, [*taken, *found])
            place = next((name for name in names if _fits(self.sites[name], needed, added[name])), None)
            if place is not None:
                found.append((pod, place))
                added[place].append(needed)
        return found

    def rivals(self, pod: NewPod, taken: Iterable[tuple[NewPod, str]]) -> Rivals:
        """The topology domains in which the pod cannot run because of the new pods that run on `taken`: by their
        key and value, the nodes of these pods."""
        found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for other, name in taken:
            for key in self.apart(pod, other):
                domain = self._domain(name, key)
                if domain is not None:
                    found[key][domain].add(name)
        return found

    def rivals_at(self, name: str, rivals: Rivals) -> set[str]:
        """The nodes of those that keep the pod away from this node."""
        found: set[str] = set()
        for key, nodes in rivals.items():
            found |= nodes.get(self._domain(name, key) or "", set())
        return found

    def _domain(self, name: str, key: str) -> str | None:
        return name if key == _NODE else self.sites[name].domain(key)

    def _admits(self, site: Site, pod: NewPod) -> bool:
        spec = pod.spec
        taints = [*site.node.taints, *([UNSCHEDULABLE] if site.unschedulable else [])]
        if untolerated(spec.tolerations or (), taints) or unmet_selector(spec, site.node.labels):
            return False
        return affinity_admits(spec, site.node) and _fits(site, self.needed(pod)) and _ports_free(site, spec)

    def _domains(self, pod: NewPod) -> tuple[set[tuple[str, str | None]], dict[str, set[str | None]]]:
        """The topology domains that anti-affinity excludes, its own and that of running pods, and those that
        affinity demands."""
        repelled: set[tuple[str, str | None]] = set()
        attracted: dict[str, set[str | None]] = defaultdict(set)
        # Which namespaces a selector of namespaces selects is not read: such a term is taken to be satisfied.
        wanted = [term for term in wanted_by(pod.spec) if term.namespace_selector is None]
        for site, other in self._repelling:
            for term in shunned_by(other.spec):
                if term_selects(term, other.key.namespace, other.labels, pod.namespace, pod.labels):
                    repelled.add((term.topology_key, site.domain(term.topology_key)))
        shunned = shunned_by(pod.spec)
        for site in self.sites.values() if shunned or wanted else ():
            for other in site.pods:
                for term in shunned:
                    if term_selects(term, pod.namespace, pod.labels, other.key.namespace, other.labels):
                        repelled.add((term.topology_key, site.domain(term.topology_key)))
                for term in wanted:
                    if term_selects(term, pod.namespace, pod.labels, other.key.namespace, other.labels):
                        attracted[term.topology_key].add(site.domain(term.topology_key))
        for term in wanted:
            # The first pod of a group that wants its own kind may run anywhere: interpodaffinity/filtering.go
            # satisfyPodAffinity.
            if not attracted[term.topology_key] and term_selects(
                term, pod.namespace, pod.labels, pod.namespace, pod.labels
            ):
                del attracted[term.topology_key]
        return {each for each in repelled if each[1] is not None}, attracted


_NODE = ""
"""As a topology key: the node itself."""


def _apart(one: NewPod, other: NewPod) -> list[str]:
    """The topology keys in which the nodes of the two pods differ: by the required anti-affinity of each against
    the other, and by their host ports."""
    keys = [
        term.topology_key
        for pod, rival in ((one, other), (other, one))
        for term in shunned_by(pod.spec)
        if term_selects(term, pod.namespace, pod.labels, rival.namespace, rival.labels)
    ]
    return keys if host_ports(one.spec).isdisjoint(host_ports(other.spec)) else [*keys, _NODE]


def _smallness(needed: Mapping[str, Fraction]) -> tuple[Fraction, Fraction]:
    """Sorts the pods with the largest requests first."""
    return -needed.get("cpu", Fraction()), -needed.get("memory", Fraction())


def _fits(site: Site, needed: Mapping[str, Fraction], added: Sequence[Mapping[str, Fraction]] = ()) -> bool:
    """noderesources/fit.go, for a pod beside the `added` ones: what is not known is taken to fit."""
    allocatable = site.details.allocatable if site.details else None
    if allocatable is None:
        return True
    limit = quantity(allocatable.get("pods", ""))
    if limit is not None and len(site.pods) + len(added) + 1 > limit:
        return False
    if not any(needed.values()):
        return True
    used = site.used
    for name, value in needed.items():
        offered = quantity(allocatable.get(name, 0))
        taken = used.get(name, 0) + sum(other.get(name, 0) for other in added)
        if value and offered is not None and taken + value > offered:
            return False
    return True


def _ports_free(site: Site, spec: PodSpec) -> bool:
    wanted = host_ports(spec)
    return not wanted or all(wanted.isdisjoint(host_ports(pod.spec)) for pod in site.pods)
