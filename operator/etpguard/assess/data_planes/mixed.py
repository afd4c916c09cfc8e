"""The rules of all nodes, and the states of a Service put together from those of each group of nodes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from etpguard.assess.data_planes.antrea import Antrea
from etpguard.assess.data_planes.calico_ebpf import CalicoEBPF
from etpguard.assess.data_planes.cilium import Cilium, limit
from etpguard.assess.data_planes.inputs import Inputs, Nodes
from etpguard.assess.data_planes.interface import DataPlane, KnownDataPlane, NodePlanes
from etpguard.assess.data_planes.kube_proxy import KubeProxy, node_port_ranges
from etpguard.assess.data_planes.kube_router import KubeRouter
from etpguard.assess.data_planes.other import Other
from etpguard.assess.data_planes.ovn_kubernetes import OVNKubernetes
from etpguard.assess.data_planes.rule import Healthz, Leaving, Rule
from etpguard.assess.data_planes.winkernel import Winkernel
from etpguard.assess.node_states import Frontend, PortState, ServiceStates, Uncertain
from etpguard.assess.outcome import Reason
from etpguard.objects import IP_FAMILIES, EndpointSlice, IPFamily, Service

_RULES: dict[DataPlane, Callable[[KnownDataPlane], Rule]] = {
    DataPlane.KUBE_PROXY: KubeProxy,
    DataPlane.CILIUM: Cilium,
    DataPlane.CALICO_EBPF: CalicoEBPF,
    DataPlane.OVN_KUBERNETES: OVNKubernetes,
    DataPlane.ANTREA: Antrea,
    DataPlane.KUBE_ROUTER: KubeRouter,
    DataPlane.WINKERNEL: Winkernel,
    DataPlane.OTHER: Other,
}


NOT_KNOWN = "DataPlaneNotKnown"
"""The code of the reason where the outcome depends on a data plane that the signs leave open."""


def not_known(planes: NodePlanes) -> str:
    """Why a data plane is left open: signs that contradict one another, or what nothing excludes."""
    if planes.contradictions:
        return planes.contradictions[0]
    known = {group.plane for group in planes.groups}
    others = (group.plane for variant in planes.otherwise for group in variant.groups)
    return next((plane.how for plane in others if plane not in known), "")


def rule_of(plane: KnownDataPlane) -> Rule:
    return _RULES[plane.name](plane)


def _for_pods(plane: KnownDataPlane) -> Reason:
    name = plane.for_pods.name.value if plane.for_pods else ""
    return Reason(
        "TwoDataPlanes",
        f"{name} serves the cluster IP for pods, and {plane.name.value} serves it for the node and for pods with "
        "hostNetwork. They read the endpoints of this Service in different ways",
    )


StatesByPlane = dict[KnownDataPlane, ServiceStates]
"""The states of one Service as if every node had that data plane."""


class Answers(NamedTuple):
    """What a port answers on the nodes that are Ready."""

    passes: int
    """Nodes that answer with success."""
    not_known: list[tuple[int, str]]
    """Nodes of which that is not known, with the reason."""


class Rules:
    """The rules of a cluster, one for each data plane that its nodes have."""

    def __init__(self, planes: NodePlanes) -> None:
        self.planes = planes
        by_plane: dict[KnownDataPlane, int] = {}
        for group in planes.groups:
            by_plane[group.plane] = by_plane.get(group.plane, 0) | group.nodes
        self._planes = list(by_plane)
        self._rules = [(rule_of(plane), nodes) for plane, nodes in by_plane.items()]
        if len(self._rules) == 1:
            self._rules = [(self._rules[0][0], -1)]
        self._for_pods = {plane: rule_of(plane.for_pods) for plane in by_plane if plane.for_pods}
        self.node_port_ranges: dict[IPFamily, list[tuple[tuple[str, ...], int]]] = {
            family: [
                (ranges, nodes)
                for plane, (_, nodes) in zip(self._planes, self._rules, strict=True)
                if (ranges := node_port_ranges(plane, family))
            ]
            for family in IP_FAMILIES
        }
        """Nodes that serve node ports at some of their addresses only; see the function of that name."""
        self._otherwise = [Rules(variant) for variant in planes.otherwise]
        self._doubt = Reason(NOT_KNOWN, f"{not_known(planes)}. Name the right one by --data-plane")
        self.healthz: dict[Leaving, Answers] = {leaving: self._healthz(leaving) for leaving in Leaving}
        """What port 10256 answers on each node, if it leaves so."""

    def _healthz(self, leaving: Leaving) -> Answers:
        answers = [(_healthz_of(rule, leaving), nodes) for rule, nodes in self._rules]
        passes = _union(nodes for answer, nodes in answers if answer is True)
        not_known = [(nodes, answer) for answer, nodes in answers if isinstance(answer, str)]
        for other in self._otherwise:
            theirs = other.healthz[leaving]
            if differ := (passes ^ theirs.passes) | _union(nodes for nodes, _ in theirs.not_known):
                not_known.append((differ, self._doubt.detail))
        return Answers(passes, not_known)

    def limit(self, service: Service) -> str:
        """Why only some nodes may serve the Service, whatever its policy, as a clause; "" if all do."""
        planes = (*self._planes, *(plane for other in self._otherwise for plane in other._planes))
        return limit(service) if any(plane.name is DataPlane.CILIUM for plane in planes) else ""

    def misleading(self, nodes: int) -> list[str]:
        """The sentences on requests that prove nothing, for the data planes of these nodes."""
        return list(dict.fromkeys(rule.misleading for rule, members in self._rules if members & nodes))

    def states(
        self, service: Service, slices: Iterable[EndpointSlice], nodes: Nodes, known: StatesByPlane | None
    ) -> ServiceStates:
        """The states of a Service as if its policy were Local, whatever it is. The states by data plane in `known`
        are not computed again; new ones are added to it. They do not depend on which nodes have which data
        plane. `known` is None for a cluster that can have only one."""
        inputs = Inputs(service, slices, nodes)
        states = self._states(inputs, known)
        for other in self._otherwise:
            states = _doubted(states, other._states(inputs, known), self._doubt)
        return states

    def internal_ports(
        self, service: Service, slices: Iterable[EndpointSlice], nodes: Nodes
    ) -> tuple[PortState, ...]:
        """The states for traffic to the cluster IPs of a Service, as if `internalTrafficPolicy` were Local,
        whatever it is. They have no node port."""
        inputs = Inputs(service, slices, nodes)
        states = self._internal(inputs)
        for other in self._otherwise:
            states = _doubted(states, other._internal(inputs), self._doubt)
        return tuple(replace(port, node_port=0) for port in states.ports)

    def _internal(self, inputs: Inputs) -> ServiceStates:
        parts = []
        for plane, (rule, members) in zip(self._planes, self._rules, strict=True):
            states = ServiceStates(rule.internal_ports(inputs), {})
            # Without ports there, the other one leaves the Service to this one.
            if (pods := self._for_pods.get(plane)) and (ports := pods.internal_ports(inputs)):
                pods_states = ServiceStates(ports, {})
                states = _doubted(_with_doubts(states, pods_states), pods_states, _for_pods(plane))
            parts.append((states, members))
        return parts[0][0] if len(parts) == 1 else _assembled(parts)

    def _states(self, inputs: Inputs, known: StatesByPlane | None) -> ServiceStates:
        if known is None:
            return self._rules[0][0].states(inputs)
        parts = []
        for plane, (rule, members) in zip(self._planes, self._rules, strict=True):
            states = known.get(plane)
            if states is None:
                states = known[plane] = rule.states(inputs)
            parts.append((states, members))
        return parts[0][0] if len(parts) == 1 else _assembled(parts)


def _healthz_of(rule: Rule, leaving: Leaving) -> Healthz:
    return rule.healthz if leaving is Leaving.NO else rule.healthz_before(leaving)


def _with_doubts(states: ServiceStates, other: ServiceStates) -> ServiceStates:
    """`states` with what is not known of the same ports of `other`, for its own reasons."""
    doubts = {(port.port, port.protocol, port.family): port.uncertain for port in other.ports}
    ports = (
        replace(port, uncertain=(*port.uncertain, *doubts.get((port.port, port.protocol, port.family), ())))
        for port in states.ports
    )
    return replace(states, ports=tuple(ports))


def _doubted(states: ServiceStates, other: ServiceStates, reason: Reason) -> ServiceStates:
    """`states` with an uncertain state for nodes where `other` has another one."""
    others = {(port.port, port.protocol, port.family): port for port in other.ports}
    ports = []
    for port in states.ports:
        found = others.pop((port.port, port.protocol, port.family), None)
        nodes = -1 if found is None else _differing(port, found)
        lost = nodes | port.silent ^ found.silent if found else nodes
        ports.append(
            replace(
                port,
                uncertain=(*port.uncertain, *_doubts(port, found, nodes, reason)),
                unanswered=port.unanswered | lost,
            )
        )
    ports += (replace(port, uncertain=(*port.uncertain, Uncertain(-1, reason))) for port in others.values())
    families = {port.family for port in (*states.ports, *other.ports)}
    unhealthy = _union(states.healthy.get(family, 0) ^ other.healthy.get(family, 0) for family in families)
    return replace(
        states,
        ports=tuple(ports),
        health_not_known=states.health_not_known
        | other.health_not_known
        | unhealthy
        | states.health_port_open ^ other.health_port_open
        | states.healthz_only ^ other.healthz_only,
    )


def _doubts(port: PortState, other: PortState | None, nodes: int, reason: Reason) -> Iterator[Uncertain]:
    """Marks `nodes` as uncertain. Those that both ports treat alike under Cluster are uncertain under Local
    only."""
    always = nodes
    if other is not None and not any(kind is Frontend.NODE_PORT for kind, _ in (*port.through, *other.through)):
        always &= _rejecting(port) ^ _rejecting(other) | port.under_cluster.doubtful ^ other.under_cluster.doubtful
    if always:
        yield Uncertain(always, reason)
    if nodes & ~always:
        yield Uncertain(nodes & ~always, reason, only_local=True)


def _rejecting(port: PortState) -> int:
    """The nodes that reject what they do not forward."""
    return port.unusable if port.usable else -1


def _differing(port: PortState, other: PortState) -> int:
    """The nodes on which the port has another state. It does not matter which endpoints of a node are used."""
    forwarding = port.forwarding ^ other.forwarding
    doubted = port.doubtful ^ other.doubtful
    ways = (port.through, other.through, port.uncertain_through, other.uncertain_through)
    for kind in {kind for each in ways for kind, _ in each}:
        through, instead = port.seen_through(kind), other.seen_through(kind)
        forwarding |= through.forwarding ^ instead.forwarding
        doubted |= through.doubtful ^ instead.doubtful
    rejects = _rejecting(port) ^ _rejecting(other)
    return forwarding | rejects & ~(port.forwarding & other.forwarding) | doubted


def _assembled(parts: Sequence[tuple[ServiceStates, int]]) -> ServiceStates:
    """The states of all nodes, from those of each group."""
    keys: dict[tuple[str, str, IPFamily], PortState] = {}
    found: list[tuple[dict[tuple[str, str, IPFamily], PortState], int]] = []
    for states, members in parts:
        by_key = {(port.port, port.protocol, port.family): port for port in states.ports}
        keys |= {key: port for key, port in by_key.items() if key not in keys}
        found.append((by_key, members))
    ports = tuple(
        _port(sample, [(by_key.get(key), members) for by_key, members in found]) for key, sample in keys.items()
    )
    families = dict.fromkeys(family for states, _ in parts for family in states.healthy)
    healthy: dict[IPFamily, int] = {
        family: _union(states.healthy.get(family, 0) & members for states, members in parts) for family in families
    }
    return ServiceStates(
        ports,
        healthy,
        _union(states.placed for states, _ in parts),
        _union(states.addressed for states, _ in parts),
        _union(states.hosting for states, _ in parts),
        _union(states.hosting_ready for states, _ in parts),
        _union(states.health_port_open & members for states, members in parts),
        _union(states.healthz_only & members for states, members in parts),
        _union(states.health_not_known & members for states, members in parts),
    )


def _port(sample: PortState, parts: Sequence[tuple[PortState | None, int]]) -> PortState:
    """One port. A data plane that does not serve it leaves it closed on its nodes: connections are refused."""
    known = [(port, members) for port, members in parts if port is not None]
    usable = any(port.usable for port, _ in known)
    kinds = [kind for kind in Frontend if any(kind is each for port, _ in known for each, _ in port.through)]
    return PortState(
        sample.port,
        sample.number,
        sample.protocol,
        sample.family,
        sample.node_port,
        _union(port.ready & members for port, members in known),
        _union(port.terminating & members for port, members in known),
        usable,
        tuple(
            _union(port.crowded[level] & members for port, members in known if level < len(port.crowded))
            for level in range(max((len(port.crowded) for port, _ in known), default=0))
        ),
        _union(members for port, members in known if not port.usable) if usable else 0,
        _union(port.silent & members for port, members in known),
        _union(port.unanswered & members for port, members in known),
        tuple(
            doubt._replace(nodes=doubt.nodes & members)
            for port, members in known
            for doubt in port.uncertain
            if doubt.nodes & members
        ),
        tuple(
            (kind, _union(dict(port.through).get(kind, port.forwarding) & members for port, members in known))
            for kind in kinds
        ),
        tuple(
            (kind, Uncertain(doubt.nodes & members, doubt.reason))
            for port, members in known
            for kind, doubt in port.uncertain_through
            if doubt.nodes & members
        ),
    )


def _union(sets: Iterable[int]) -> int:
    nodes = 0
    for each in sets:
        nodes |= each
    return nodes
