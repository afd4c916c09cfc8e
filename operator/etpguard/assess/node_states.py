"""What the data plane does, on each node, with external traffic to a Service under `Local`.

The rule is kube-proxy's, read in k8s.io/kubernetes v1.37.2; file names below are under pkg/proxy there.
Cilium's differences are those of its kube-proxy replacement (pkg/loadbalancer/writer, pkg/k8s/endpoints.go).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from etpguard.assess.data_planes.interface import DataPlane
from etpguard.objects import Endpoint, EndpointSlice, IPFamily, Service, ServicePort

_PROXY_NAME = "service.kubernetes.io/service-proxy-name"
_HEADLESS = "service.kubernetes.io/headless"
_FAMILIES: tuple[IPFamily, ...] = ("IPv4", "IPv6")
# Addresses with more than one spelling: IPv6, and IPv4 with leading zeros.
_AMBIGUOUS = re.compile(r":|(?:^|\.)0\d")


@dataclass(frozen=True, slots=True)
class PortState:
    """One service port, in one family. Node sets are integers of `NodeTable`, and may name nodes without a
    Node object; under Cilium they may be -1, every bit, so intersect them before counting. `node_port`
    is 0 where there is none."""

    port: str
    number: int
    protocol: str
    family: IPFamily
    node_port: int
    ready: int
    """Nodes with a ready endpoint."""
    terminating: int
    """Nodes without one, whose serving and terminating endpoints still get the traffic."""
    usable: bool
    """Whether any endpoint anywhere is ready, or serving and terminating."""
    crowded: tuple[int, ...] = ()
    """Nodes with at least two endpoints that get the traffic, with at least three, and so on."""

    @property
    def forwarding(self) -> int:
        return self.ready | self.terminating

    def dropped(self, nodes: int) -> int:
        """Of `nodes`, those that drop: usable endpoints exist, none of them here."""
        return nodes & ~self.forwarding if self.usable else 0

    def rejected(self, nodes: int) -> int:
        return 0 if self.usable else nodes


@dataclass(frozen=True, slots=True)
class ServiceStates:
    """All externally served ports of a Service, and for each family the nodes on which healthCheckNodePort
    answers 200: those with a ready endpoint of any port (healthcheck/service_health.go; a terminating one
    does not count)."""

    ports: tuple[PortState, ...]
    healthy: dict[IPFamily, int]
    placed: int = 0
    """Nodes with an endpoint of any port, in any family, that is not terminating, ready or not."""
    addressed: int = 0
    """Nodes with an endpoint of any port, in any family, whatever its conditions."""
    hosting: int = field(init=False, repr=False, compare=False)
    """Nodes that host a usable endpoint of any port, in any family."""
    _by_port: dict[tuple[str, IPFamily], PortState] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_port: dict[tuple[str, IPFamily], PortState] = {}
        hosting = 0
        for state in self.ports:
            by_port.setdefault((state.port, state.family), state)
            hosting |= state.forwarding
        for ready in self.healthy.values():
            hosting |= ready
        object.__setattr__(self, "_by_port", by_port)
        object.__setattr__(self, "hosting", hosting)

    @property
    def hosting_ready(self) -> int:
        """Nodes that host a ready endpoint of any port, in any family."""
        ready = 0
        for state in self.ports:
            ready |= state.ready
        return ready

    def of(self, port: str, family: IPFamily) -> PortState | None:
        return self._by_port.get((port, family))


def proxied(service: Service) -> bool:
    """Whether kube-proxy serves the Service at all: cmd/kube-proxy/app/server.go:564-608 and
    util/utils.go:56-68. Without a clusterIP, as in a manifest, the API server has not allocated it yet."""
    if _PROXY_NAME in service.labels or service.type == "ExternalName":
        return False
    return service.spec.cluster_ip not in ("", "None")


def policy_applies(service: Service) -> bool:
    """Whether the type takes an external traffic policy: ExternallyAccessible in
    pkg/api/v1/service/util.go:71-83."""
    return service.type in ("NodePort", "LoadBalancer") or (
        service.type == "ClusterIP" and bool(service.spec.external_ips)
    )


def ip_families(service: Service) -> tuple[IPFamily, ...]:
    """util/utils.go:188-212 GetClusterIPByFamily: the families of spec.ipFamilies that have a cluster IP, or
    else the family of clusterIP. Where no cluster IP is allocated yet, as in a manifest, all of them."""
    spec = service.spec
    if spec.ip_families:
        allocated = spec.ip_families[: len(spec.cluster_ips)] if spec.cluster_ips else spec.ip_families
        return tuple(f for f in _FAMILIES if f in allocated)
    return (family_of(spec.cluster_ip or "") or "IPv4",)


@lru_cache(maxsize=8192)
def family_of(address: str) -> IPFamily | None:
    """The family as k8s.io/utils/net IPFamilyOf sees it (an IPv4-mapped address is IPv4), None if invalid."""
    parsed = _parse(address)
    return None if parsed is None else "IPv4" if isinstance(parsed, IPv4Address) else "IPv6"


def external_ports(service: Service) -> list[tuple[ServicePort, IPFamily]]:
    """The service ports that are reachable from outside: a node port, or a VIP or external IP of the family
    (serviceport.go:164 ExternallyAccessible). A hostname, or an ingress IP of mode Proxy, is no VIP."""
    if not proxied(service) or not policy_applies(service):
        return []
    vips = [i.ip for i in service.load_balancer_ingress if i.ip and i.ip_mode in (None, "VIP")]
    addressed = {family_of(ip) for ip in (*vips, *(service.spec.external_ips or ()))}
    return [(p, f) for f in ip_families(service) for p in service.ports if p.node_port or f in addressed]


def service_states(
    service: Service,
    slices: Iterable[EndpointSlice],
    bit: Callable[[str], int],
    data_plane: DataPlane = DataPlane.KUBE_PROXY,
) -> ServiceStates:
    """The states of a Service as if its policy were Local, whatever it is.

    `slices` are those bound to it by namespace and label; `bit` gives the set of one node by name.
    Topology hints, trafficDistribution and internalTrafficPolicy do not matter here (topology.go:48-154).
    Where kube-proxy's own answer depends on the order of a Go map (copies of one ip:port that differ), the
    slice whose name sorts last wins here.
    """
    served = ip_families(service)
    sources = _sources(slices, served)
    tally = _Tally(bit, data_plane)
    counted: dict[tuple[tuple[int, int], ...], _Nodes] = {}
    nodes: dict[tuple[str, str, str], _Nodes] = {}
    for source, pairs in sources.items():
        # The port numbers do not matter to the node sets, only which of them are the same.
        shape = _shape(pairs)
        if shape not in counted:
            counted[shape] = tally.nodes(pairs)
        nodes[source] = counted[shape]
    ports = tuple(
        PortState(
            port.label,
            port.port,
            port.transport,
            family,
            port.node_port or 0,
            *nodes.get((family, port.label, port.transport), _NONE)[:4],
        )
        for port, family in external_ports(service)
    )
    # Of all ports in the slices, also those that the Service does not have (endpointschangetracker.go:268-307).
    healthy = dict.fromkeys(served, 0)
    for family in served:
        for (address_type, _, _), found in nodes.items():
            if address_type == family:
                healthy[family] |= found.ready
    placed = addressed = 0
    for found in nodes.values():
        placed |= found.placed
        addressed |= found.addressed
    return ServiceStates(ports, healthy, placed, addressed)


def endpoints_by_node(slices: Iterable[EndpointSlice], port: PortState) -> dict[str, list[Endpoint]] | None:
    """The endpoints that the data plane knows for a port, ready or not, by the name of their node; those without a
    nodeName under "". None where no slice has the port."""
    sources = _sources(slices, (port.family,)).get((port.family, port.port, port.protocol))
    if sources is None:
        return None
    found: dict[str, list[Endpoint]] = {}
    for endpoint in _merged(sources):
        found.setdefault(endpoint.node_name or "", []).append(endpoint)
    return found


def _sources(
    slices: Iterable[EndpointSlice], families: Container[str]
) -> dict[tuple[str, str, str], list[tuple[EndpointSlice, int]]]:
    """The slices of each port with its number there, by family, port name and protocol alone; a port without name
    or number is ignored (endpointslicecache.go:173-181)."""
    sources: dict[tuple[str, str, str], list[tuple[EndpointSlice, int]]] = {}
    for slice_ in sorted(slices, key=lambda s: s.metadata.name):
        if _HEADLESS not in slice_.labels and slice_.address_type in families:
            for q in slice_.ports or ():
                if q.port and q.name is not None:
                    group = (slice_.address_type, q.name, q.protocol or "TCP")
                    sources.setdefault(group, []).append((slice_, q.port))
    return sources


def _merged(sources: Iterable[tuple[EndpointSlice, int]]) -> Iterable[Endpoint]:
    """endpointslicecache.go:168-253: the union of all slices, one endpoint for each ip:port, the first address
    only."""
    merged: dict[tuple[str, int], Endpoint] = {}
    for slice_, port in sources:
        for endpoint in slice_.endpoints or ():
            if endpoint.addresses:
                at = (_canonical(endpoint.addresses[0]), port)
                # L247: a copy that is terminating never replaces another one.
                if at not in merged or not _terminating(endpoint):
                    merged[at] = endpoint
    return merged.values()


def _shape(pairs: Iterable[tuple[EndpointSlice, int]]) -> tuple[tuple[int, int], ...]:
    numbers: dict[int, int] = {}
    return tuple((id(slice_), numbers.setdefault(port, len(numbers))) for slice_, port in pairs)


class _Nodes(NamedTuple):
    ready: int
    terminating: int
    usable: bool
    crowded: tuple[int, ...] = ()
    placed: int = 0
    addressed: int = 0


_NONE = _Nodes(0, 0, False)


class _Tally:
    """Folds endpoints into node sets."""

    def __init__(self, bit: Callable[[str], int], data_plane: DataPlane) -> None:
        self._bit = bit
        self._cilium = data_plane is DataPlane.CILIUM

    def nodes(self, sources: Iterable[tuple[EndpointSlice, int]]) -> _Nodes:
        """topology.go:96-123: ready endpoints, and per node the fallback to serving and terminating ones."""
        ready = terminating = placed = addressed = 0
        usable = False
        again: list[int] = []
        ending_again: list[int] = []
        for endpoint in _merged(sources):
            local = self._local(endpoint)
            addressed |= local
            if not _terminating(endpoint):
                placed |= local
            if _ready(endpoint):
                if ready & local:
                    again.append(local)
                ready |= local
                usable = True
            elif _terminating(endpoint) and self._serving(endpoint):
                if terminating & local:
                    ending_again.append(local)
                terminating |= local
                usable = True
        again += [local for local in ending_again if not local & ready]
        return _Nodes(ready, terminating & ~ready, usable, _levels(again), placed, addressed)

    def _local(self, endpoint: Endpoint) -> int:
        """The node on which the endpoint is local. Without a nodeName it is local nowhere for kube-proxy
        (L209,255), and everywhere for Cilium: all bits set."""
        if endpoint.node_name is not None:
            return self._bit(endpoint.node_name)
        return -1 if self._cilium else 0

    def _serving(self, endpoint: Endpoint) -> bool:
        """L211-213: nil is true, and does not inherit ready; Cilium's does."""
        serving = endpoint.conditions.serving if endpoint.conditions else None
        if serving is None:
            return _ready(endpoint) if self._cilium else True
        return serving


def _levels(again: Iterable[int]) -> tuple[int, ...]:
    """The nodes that come at least once, at least twice, and so on."""
    levels: list[int] = []
    for local in again:
        for level, nodes in enumerate(levels):
            if not nodes & local:
                levels[level] |= local
                break
        else:
            levels.append(local)
    return tuple(levels)


def _ready(endpoint: Endpoint) -> bool:
    ready = endpoint.conditions.ready if endpoint.conditions else None
    return True if ready is None else ready


def _terminating(endpoint: Endpoint) -> bool:
    return bool(endpoint.conditions and endpoint.conditions.terminating)


def _canonical(address: str) -> str:
    """One spelling for each address, as kube-proxy keys endpoints by the parsed IP (endpointslicecache.go:231)."""
    return _respelt(address) if _AMBIGUOUS.search(address) else address


@lru_cache(maxsize=8192)
def _respelt(address: str) -> str:
    parsed = _parse(address)
    return address if parsed is None else str(parsed)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """As Go's ParseIPSloppy: leading zeros are decimal, an IPv4-mapped IPv6 address is IPv4."""
    try:
        if ":" not in address:
            return IPv4Address(".".join(octet.lstrip("0") or octet[:1] for octet in address.split(".")))
        parsed = ip_address(address)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
