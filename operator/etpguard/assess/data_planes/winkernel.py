"""kube-proxy on Windows (winkernel): k8s.io/kubernetes v1.37.2 pkg/proxy/winkernel/proxier.go.

It does not use CategorizeEndpoints. Node ports and external IPs go to local endpoints that are ready and serving.
Others get traffic only while all local ones are terminating or do not serve, and only for the address of a load
balancer (L1117-1160, L1319-1352, L1560-1615). How a node without an endpoint fails was not verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from etpguard.assess.data_planes.inputs import Inputs, Nodes
from etpguard.assess.data_planes.interface import KnownDataPlane
from etpguard.assess.data_planes.rule import Healthz, Leaving, doubt_of, kube_proxy_healthz, no_sctp
from etpguard.assess.data_planes.trackers import (
    NO_NODES,
    Source,
    folded,
    is_ready,
    is_serving,
    is_terminating,
    merged,
)
from etpguard.assess.node_states import (
    PortState,
    ServiceStates,
    Uncertain,
    cluster_ip_ports,
    external_ports,
    ip_families,
)
from etpguard.assess.outcome import Reason
from etpguard.objects import IPFamily, ServicePort

_TERMINATING = Reason(
    "DataPlaneNotModelled",
    "a Windows node has only endpoints that are terminating or do not serve. Its kube-proxy forwards to them the "
    "traffic for the address of a load balancer, and no other traffic",
)
_OF_ITS_NODE = Reason(
    "DataPlaneNotModelled",
    "a Windows node has only endpoints with its own address, as pods with hostNetwork have (HostProcess). Its "
    "kube-proxy looks for them in the network of the pods and skips those that it does not find there. Test a "
    "connection, or let the pods have addresses of their own",
)
"""L1372-1385; kubernetes issue 126795."""
_SEVERAL_NUMBERS = Reason(
    "DataPlaneNotModelled",
    "the endpoints have different numbers of this port, and kube-proxy on Windows sends to the same number on all "
    "of them. Which one is not known. Give the container port the same number in all pods",
)
"""L1354-1360."""
_NO_SCTP = no_sctp("kube-proxy on Windows")
"""https://kubernetes.io/docs/reference/networking/service-protocols/"""


class Winkernel:
    """The rule of kube-proxy on Windows."""

    misleading = (
        "curl localhost:{port} on a Windows node proves nothing. Only a request from another machine to the "
        "node's own address shows what clients get."
    )

    def __init__(self, plane: KnownDataPlane) -> None:
        self.healthz = kube_proxy_healthz(plane)

    def healthz_before(self, leaving: Leaving) -> Healthz:
        """proxy_health.go NodeEligible: 503."""
        return False

    def states(self, inputs: Inputs) -> ServiceStates:
        return inputs.tracked.states(self._states(inputs, external_ports(inputs.service)))

    def internal_ports(self, inputs: Inputs) -> tuple[PortState, ...]:
        """The same endpoints: L1506-1508."""
        return self._states(inputs, cluster_ip_ports(inputs.service))

    def _states(self, inputs: Inputs, ports: Iterable[tuple[ServicePort, IPFamily]]) -> tuple[PortState, ...]:
        tracked = inputs.tracked
        serving = folded(inputs.slices, ip_families(inputs.service), lambda pairs: _serving(pairs, inputs.nodes))
        balanced = any(entry.ip for entry in inputs.service.load_balancer_ingress)
        made = []
        for port, family in ports:
            key = (family, port.label, port.transport)
            found, own = tracked.by_port.get(key, NO_NODES), serving.get(key, _NONE)
            state = PortState.of(
                port,
                family,
                own.ready | own.of_node,
                0,
                found.usable,
                tuple(level & own.staying for level in found.crowded),
                unanswered=-1,
                uncertain=doubt_of(port, _NO_SCTP),
            )
            doubts = []
            if own.several_numbers:
                doubts.append(Uncertain(own.ready, _SEVERAL_NUMBERS))
            if of_node := own.of_node & ~own.ready:
                doubts.append(Uncertain(of_node, _OF_ITS_NODE))
            if balanced and (leaving := (found.ready | found.terminating) & ~own.staying):
                doubts.append(Uncertain(leaving, _TERMINATING, only_local=found.any_ready))
            if doubts:
                state = replace(state, uncertain=(*state.uncertain, *doubts))
            made.append(state)
        return tuple(made)


class _Serving(NamedTuple):
    """The nodes of the endpoints of one port that are ready and serving. `staying`: of those that stay.
    `of_node`: of those that have an address of their node, which the other two leave out."""

    ready: int
    staying: int
    of_node: int
    several_numbers: bool


_NONE = _Serving(0, 0, 0, False)


def _serving(pairs: Sequence[Source], nodes: Nodes) -> _Serving:
    ready = staying = of_node = 0
    for endpoint in merged(pairs):
        if endpoint.node_name is not None and is_ready(endpoint) and is_serving(endpoint):
            here = nodes.bit(endpoint.node_name)
            if endpoint.addresses and endpoint.addresses[0] in nodes.addresses(endpoint.node_name):
                of_node |= here
                continue
            ready |= here
            if not is_terminating(endpoint):
                staying |= here
    numbers = {number for slice_, number in pairs if slice_.endpoints}
    return _Serving(ready, staying, of_node, len(numbers) > 1)
