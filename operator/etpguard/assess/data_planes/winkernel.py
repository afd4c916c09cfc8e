"""kube-proxy on Windows (winkernel): k8s.io/kubernetes v1.37.2 pkg/proxy/winkernel/proxier.go.

It does not use CategorizeEndpoints. Node ports and external IPs go to local ready endpoints. Local terminating
endpoints get traffic only while all local ones are terminating, and only for a Service that has a load balancer
address (L1117-1138, L1319-1352, L1560-1615). How a node without an endpoint fails was not verified.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from etpguard.assess.data_planes.inputs import Inputs
from etpguard.assess.data_planes.interface import KnownDataPlane
from etpguard.assess.data_planes.rule import doubt_of, kube_proxy_healthz, no_sctp
from etpguard.assess.data_planes.trackers import NO_NODES
from etpguard.assess.node_states import PortState, ServiceStates, Uncertain, cluster_ip_ports, external_ports
from etpguard.assess.outcome import Reason
from etpguard.objects import IPFamily, ServicePort

_TERMINATING = Reason(
    "DataPlaneNotModelled",
    "a Windows node has only terminating endpoints. Its kube-proxy forwards to them the traffic for the address "
    "of a load balancer, and no other traffic",
)
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

    def states(self, inputs: Inputs) -> ServiceStates:
        return inputs.tracked.states(self._states(inputs, external_ports(inputs.service)))

    def internal_ports(self, inputs: Inputs) -> tuple[PortState, ...]:
        """The same endpoints: L1506-1508."""
        return self._states(inputs, cluster_ip_ports(inputs.service))

    def _states(self, inputs: Inputs, ports: Iterable[tuple[ServicePort, IPFamily]]) -> tuple[PortState, ...]:
        tracked = inputs.tracked
        balanced = any(entry.ip for entry in inputs.service.load_balancer_ingress)
        made = []
        for port, family in ports:
            found = tracked.by_port.get((family, port.label, port.transport), NO_NODES)
            state = PortState.of(
                port,
                family,
                found.ready,
                0,
                found.usable,
                found.crowded,
                unanswered=-1,
                uncertain=doubt_of(port, _NO_SCTP),
            )
            if balanced and found.terminating:
                doubt = Uncertain(found.terminating, _TERMINATING, only_local=found.any_ready)
                state = replace(state, uncertain=(*state.uncertain, doubt))
            made.append(state)
        return tuple(made)
