"""The rules of all nodes, and the states of a Service put together from those of each group of nodes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from etpguard.assess.data_planes.antrea import Antrea
from etpguard.assess.data_planes.calico_ebpf import CalicoEBPF
from etpguard.assess.data_planes.cilium import Cilium
from etpguard.assess.data_planes.inputs import Inputs, Nodes
from etpguard.assess.data_planes.interface import DataPlane, KnownDataPlane, NodePlanes
from etpguard.assess.data_planes.kube_proxy import KubeProxy
from etpguard.assess.data_planes.kube_router import KubeRouter
from etpguard.assess.data_planes.other import Other
from etpguard.assess.data_planes.ovn_kubernetes import OVNKubernetes
from etpguard.assess.data_planes.rule import Rule
from etpguard.assess.data_planes.winkernel import Winkernel
from etpguard.assess.node_states import Frontend, PortState, ServiceStates, Uncertain
from etpguard.objects import EndpointSlice, IPFamily, Service

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


def rule_of(plane: KnownDataPlane) -> Rule:
    return _RULES[plane.name](plane)


class Rules:
    """The rules of a cluster, one for each data plane that its nodes have."""

    def __init__(self, planes: NodePlanes) -> None:
        self.planes = planes
        self._rules: list[tuple[Rule, int]] = []
        by_plane: dict[KnownDataPlane, int] = {}
        for group in planes.groups:
            by_plane[group.plane] = by_plane.get(group.plane, 0) | group.nodes
        self._rules = [(rule_of(plane), nodes) for plane, nodes in by_plane.items()]
        if len(self._rules) == 1:
            self._rules = [(self._rules[0][0], -1)]
        healthz = [(rule.healthz, nodes) for rule, nodes in self._rules]
        self.healthz_passes = _union(nodes for answer, nodes in healthz if answer is True)
        """Nodes whose port 10256 answers with success while they are Ready."""
        self.healthz_not_known = [(nodes, answer) for answer, nodes in healthz if isinstance(answer, str)]
        """Nodes of which that is not known, with the reason."""

    def misleading(self, nodes: int) -> list[str]:
        """The sentences on requests that prove nothing, for the data planes of these nodes."""
        return list(dict.fromkeys(rule.misleading for rule, members in self._rules if members & nodes))

    def states(self, service: Service, slices: Iterable[EndpointSlice], nodes: Nodes) -> ServiceStates:
        """The states of a Service as if its policy were Local, whatever it is."""
        inputs = Inputs(service, slices, nodes)
        if len(self._rules) == 1:
            return self._rules[0][0].states(inputs)
        return _assembled([(rule.states(inputs), members) for rule, members in self._rules])


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
            Uncertain(doubt.nodes & members, doubt.reason)
            for port, members in known
            for doubt in port.uncertain
            if doubt.nodes & members
        ),
        tuple(
            (kind, _union(dict(port.through).get(kind, port.forwarding) & members for port, members in known))
            for kind in kinds
        ),
    )


def _union(sets: Iterable[int]) -> int:
    nodes = 0
    for each in sets:
        nodes |= each
    return nodes
