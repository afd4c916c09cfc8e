"""kube-router as the service proxy: 7c2c277 (2.11) pkg/controllers/proxy.

It keeps an endpoint whose condition ready or serving is true; nil is not true. It mixes ready and terminating
endpoints. A Service without a local endpoint of any family is not programmed on the node: its node port is
closed, so connections are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from ipaddress import IPv4Network, IPv6Network, ip_network
from operator import or_
from typing import NamedTuple

from etpguard.assess.data_planes.crowds import levels
from etpguard.assess.data_planes.inputs import ByPort, Inputs
from etpguard.assess.data_planes.interface import KnownDataPlane
from etpguard.assess.data_planes.rule import GOES_TO_ANY_ENDPOINT, Healthz, Leaving, doubt_of, doubted_at, no_sctp
from etpguard.assess.node_states import (
    Frontend,
    PortState,
    ServiceStates,
    Uncertain,
    cluster_ip_ports,
    external_ports,
    frontends_of,
)
from etpguard.assess.outcome import Reason
from etpguard.objects import IP_FAMILIES, Endpoint, EndpointSlice, IPFamily, Service, ServicePort
from etpguard.objects.addresses import family_of, parse_address

SERVICE_LOCAL = "kube-router.io/service.local"
"""An annotation that makes the policy Local whatever the Service says."""
_SERVES_HEALTH = (2, 1, 0)
"""The first release that serves the healthCheckNodePort: PR #1612."""
_RANGE = "service-external-ip-range"
_RANGE_DECIDES = Reason(
    "AddressRangeNotKnown",
    f"kube-router serves only the external addresses within --{_RANGE}, and these ranges are not known",
)
_NO_SCTP = no_sctp("kube-router")
"""utils.go convertSvcProtoToSysCallProto knows TCP and UDP alone."""


class KubeRouter:
    """The rule of kube-router."""

    healthz = False
    misleading = GOES_TO_ANY_ENDPOINT

    def __init__(self, plane: KnownDataPlane) -> None:
        self._serves_health = plane.release is None or plane.release >= _SERVES_HEALTH
        self._ranges = None if plane.settings is None else _networks(plane.setting(_RANGE) or "")
        """The ranges of the external addresses that it serves, () for any address; None if they are not known."""

    def healthz_before(self, leaving: Leaving) -> Healthz:
        return self.healthz

    def states(self, inputs: Inputs) -> ServiceStates:
        every = _Endpoints(inputs)
        service = inputs.service
        ports = tuple(self._port_state(service, port, family, every) for port, family in external_ports(service))
        # healthCheckNodePort counts the endpoints of one of the ports, and the API does not show which.
        by_port = [every.not_terminating(port) for port in service.ports]
        some = all_ports = by_port[0] if by_port else 0
        for nodes in by_port[1:]:
            some |= nodes
            all_ports &= nodes
        return inputs.tracked._replace(ready=dict.fromkeys(IP_FAMILIES, all_ports)).states(
            ports,
            health_port_open=-1 if self._serves_health else 0,
            healthz_only=-1,
            health_not_known=some & ~all_ports if self._serves_health else 0,
        )

    def internal_ports(self, inputs: Inputs) -> tuple[PortState, ...]:
        """service_endpoints_sync.go:113-230. With the annotation SERVICE_LOCAL the internal policy is Cluster
        (network_services_controller.go:952-960). Without a local endpoint the cluster IP is not programmed, and
        how a connection then fails was not verified."""
        every = _Endpoints(inputs)
        anywhere = inputs.service.annotations.get(SERVICE_LOCAL) == "true"
        made = []
        for port, family in cluster_ip_ports(inputs.service):
            ready, kept, usable, _ = every.of(port, family)
            if anywhere and usable:
                ready |= ~kept
            made.append(
                PortState.of(
                    port, family, ready, kept & ~ready, usable, unanswered=-1, uncertain=doubt_of(port, _NO_SCTP)
                )
            )
        return tuple(made)

    def _port_state(self, service: Service, port: ServicePort, family: IPFamily, every: _Endpoints) -> PortState:
        ready, kept, usable, more = every.of(port, family)
        through: tuple[tuple[Frontend, int], ...] = ()
        kinds = frontends_of(service, port, family)
        addresses = [address for address in service.spec.external_ips or () if family_of(address) == family]
        if addresses and self._ranges and not any(map(self._served, addresses)):
            through = ((Frontend.EXTERNAL_IP, 0),)
            if kinds == {Frontend.EXTERNAL_IP}:
                ready = kept = 0
        state = PortState.of(
            port, family, ready, kept & ~ready, usable, more, uncertain=doubt_of(port, _NO_SCTP), through=through
        )
        if self._ranges is None:
            state = doubted_at(state, Frontend.EXTERNAL_IP, kinds, Uncertain(-1, _RANGE_DECIDES))
        return state

    def _served(self, address: str) -> bool:
        parsed = parse_address(address)
        return any(parsed in network for network in self._ranges or () if parsed is not None)


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...] | None:
    """The ranges, separated by commas; None if one of them is none."""
    try:
        return tuple(ip_network(each.strip(), strict=False) for each in text.split(",") if each.strip())
    except ValueError:
        return None


class _Kept(NamedTuple):
    """The endpoints of a port in one family that get traffic."""

    ready: int
    """Nodes with a ready one."""
    nodes: int
    """Nodes with one of them."""
    usable: bool
    """Whether there is any, on whatever node."""
    crowded: tuple[int, ...]
    """Nodes with at least two of them, with at least three, and so on."""


class _Endpoints:
    """The endpoints of a Service by the name of their port alone; the protocol does not matter."""

    def __init__(self, inputs: Inputs) -> None:
        self._bit = inputs.nodes.bit
        self._by_port = ByPort(inputs.slices, lambda q: q.name or "", self._folded)

    def of(self, port: ServicePort, family: IPFamily) -> _Kept:
        return self._by_port.of(port.label)[0][family]

    def not_terminating(self, port: ServicePort) -> int:
        """Nodes with an endpoint of the port that gets traffic and does not terminate, in any family."""
        return self._by_port.of(port.label)[1]

    def _folded(self, slices: Iterable[EndpointSlice]) -> tuple[Mapping[IPFamily, _Kept], int]:
        ready = dict.fromkeys(IP_FAMILIES, 0)
        kept: dict[IPFamily, list[int]] = {family: [] for family in IP_FAMILIES}
        not_terminating = 0
        for endpoint in (each for slice_ in slices for each in slice_.endpoints or ()):
            conditions = endpoint.conditions
            is_ready = conditions is not None and conditions.ready is True
            if not is_ready and not (conditions is not None and conditions.serving is True):
                continue
            here = self._node(endpoint)
            for family in {family for address in endpoint.addresses or () if (family := family_of(address))}:
                kept[family].append(here)
                if is_ready:
                    ready[family] |= here
                if not (conditions and conditions.terminating):
                    not_terminating |= here
        by_family = {
            family: _Kept(ready[family], reduce(or_, nodes, 0), bool(nodes), levels(nodes)[1:])
            for family, nodes in kept.items()
        }
        return by_family, not_terminating

    def _node(self, endpoint: Endpoint) -> int:
        return self._bit(endpoint.node_name) if endpoint.node_name is not None else 0
