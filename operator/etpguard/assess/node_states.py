"""What happens on each node to external traffic for a Service under `Local`: the states, and what decides them for
every data plane.

Which nodes forward is the rule of the data plane: see `assess.data_planes`. What is common to all of them, such as
the ports that a Service has for external traffic, is read from kube-proxy in k8s.io/kubernetes v1.37.2. The file
names below are under pkg/proxy there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from etpguard.assess.node_rule import Hosts
from etpguard.assess.outcome import Reason
from etpguard.objects import IP_FAMILIES, IPFamily, Service, ServicePort
from etpguard.objects.addresses import family_of

PROXY_NAME = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"
_OTHER: dict[IPFamily, IPFamily] = {"IPv4": "IPv6", "IPv6": "IPv4"}


class Client(Enum):
    """What a client meets on nodes that do not forward its traffic."""

    TIMEOUT = "timeout"
    """The node drops the packets without an answer."""
    REFUSED = "refused"
    """The node rejects them, or nothing listens on the port: the connection is refused at once."""
    MIXED = "timeout or refused"
    """It depends on the node."""
    NOT_KNOWN = "not known"


class Frontend(Enum):
    """The kinds of addresses through which external traffic reaches a service port."""

    NODE_PORT = "node port"
    VIP = "load balancer address"
    EXTERNAL_IP = "external IP"


class Uncertain(NamedTuple):
    """Nodes on which the state of a port is not known."""

    nodes: int
    reason: Reason
    only_local: bool = False
    """Whether these nodes answer alike in all possible cases if the policy is Cluster."""


class PortState(Struct, frozen=True):
    """One service port, in one family. Node sets are integers of `NodeTable`, and may name nodes without a Node
    object. They may be negative, with every bit set from some position on, so intersect them before counting.
    `node_port` is 0 where there is none."""

    port: str
    number: int
    protocol: str
    family: IPFamily
    node_port: int
    ready: int
    """Nodes that forward to a ready endpoint."""
    terminating: int
    """Nodes without one that forward to serving and terminating endpoints."""
    usable: bool
    """Whether the data plane of some node has any usable endpoint, on whatever node."""
    crowded: tuple[int, ...] = ()
    """Nodes with at least two endpoints that get the traffic, with at least three, and so on."""
    unusable: int = 0
    """Nodes whose data plane has no usable endpoint at all, although that of another node has one."""
    silent: int = 0
    """Nodes that do not answer where they do not forward: clients time out. The others refuse."""
    unanswered: int = 0
    """Nodes where it is not known what a client meets if they do not forward."""
    uncertain: tuple[Uncertain, ...] = ()
    through: tuple[tuple[Frontend, int], ...] = ()
    """Nodes that forward the traffic through one kind of address, where they differ from `forwarding`."""
    uncertain_through: tuple[tuple[Frontend, Uncertain], ...] = ()
    """What is not known for one kind of address alone."""

    @classmethod
    def of(
        cls,
        port: ServicePort,
        family: IPFamily,
        ready: int,
        terminating: int,
        usable: bool,
        crowded: tuple[int, ...] = (),
        *,
        silent: int = 0,
        unanswered: int = 0,
        uncertain: tuple[Uncertain, ...] = (),
        through: tuple[tuple[Frontend, int], ...] = (),
    ) -> PortState:
        """The state of a port of a Service in one family."""
        return cls(
            port.label,
            port.port,
            port.transport,
            family,
            port.node_port or 0,
            ready,
            terminating,
            usable,
            crowded,
            silent=silent,
            unanswered=unanswered,
            uncertain=uncertain,
            through=through,
        )

    @property
    def forwarding(self) -> int:
        # Each operation on a set copies it. Most Services have no terminating endpoint.
        return self.ready | self.terminating if self.terminating else self.ready

    def dropped(self, nodes: int) -> int:
        """Of `nodes`, those that do not forward although usable endpoints exist: none of them is here."""
        if not self.usable:
            return 0
        lost = nodes & ~self.forwarding
        return lost & ~self.unusable if self.unusable else lost

    def rejected(self, nodes: int) -> int:
        """Of `nodes`, those that do not forward because no endpoint is usable anywhere."""
        return nodes & ~self.forwarding & (self.unusable if self.usable else -1)

    def client(self, nodes: int) -> Client | None:
        """What a client meets on those of `nodes` that do not forward; None if all of them forward."""
        lost = nodes & ~self.forwarding
        if not lost:
            return None
        if lost & self.unanswered:
            return Client.NOT_KNOWN
        silent = lost & self.silent
        return Client.REFUSED if not silent else Client.TIMEOUT if silent == lost else Client.MIXED

    def same_on_nodes(self, other: PortState) -> bool:
        """Whether every node forwards, drops and rejects the traffic of both ports alike."""
        return (
            self.ready == other.ready
            and self.terminating == other.terminating
            and self.usable == other.usable
            and self.unusable == other.unusable
            and self.silent == other.silent
            and self.unanswered == other.unanswered
        )

    def seen_through(self, frontend: Frontend) -> PortState:
        """The state for traffic that arrives at this kind of address."""
        if not (self.through or self.uncertain_through):
            return self
        nodes = dict(self.through).get(frontend, self.forwarding)
        doubts = (doubt for kind, doubt in self.uncertain_through if kind is frontend)
        return replace(
            self,
            ready=self.ready & nodes | nodes & ~self.forwarding,
            terminating=self.terminating & nodes,
            uncertain=(*self.uncertain, *doubts),
            through=(),
            uncertain_through=(),
        )

    def doubted_where_forwarding(self, doubts: tuple[Uncertain, ...]) -> PortState:
        """The state with more doubts, each about those of its nodes that forward."""
        if not doubts:
            return self
        forwarding = self.forwarding
        more = tuple(each._replace(nodes=here) for each in doubts if (here := each.nodes & forwarding))
        return replace(self, uncertain=(*self.uncertain, *more)) if more else self

    def doubt(self, nodes: int) -> Reason | None:
        """Why the state on some of `nodes` is not known."""
        return next((each.reason for each in self.uncertain if each.nodes & nodes), None)

    @property
    def under_cluster(self) -> PortState:
        """The same port, with what is not known under the policy Cluster alone."""
        return replace(self, uncertain=tuple(each for each in self.uncertain if not each.only_local))

    @property
    def doubtful(self) -> int:
        """All nodes on which the state is not known."""
        found = 0
        for each in self.uncertain:
            found |= each.nodes
        return found


def client_of(ports: Iterable[PortState], nodes: int) -> Client | None:
    """What a client of any of these ports meets on `nodes`; None if all of them forward."""
    met = {client for port in ports if (client := port.client(port.dropped(nodes)))}
    if len(met) < 2:
        return next(iter(met), None)
    return Client.NOT_KNOWN if Client.NOT_KNOWN in met else Client.MIXED


def unaddressed(ports: Sequence[PortState], lacking: Mapping[IPFamily, int]) -> list[int]:
    """For each of these ports, the nodes that nobody addresses in its family: they have addresses, and none in it
    (`lacking`, by family), and their endpoints have the other family."""
    if not any(lacking.values()):
        return [0] * len(ports)
    forwarding = {(each.port, each.protocol, each.family): each.forwarding for each in ports}
    return [
        lacking[each.family] & forwarding.get((each.port, each.protocol, _OTHER[each.family]), 0) for each in ports
    ]


class ServiceStates(Struct, frozen=True, dict=True):
    """All externally served ports of a Service, and what answers on its healthCheckNodePort."""

    ports: tuple[PortState, ...]
    healthy: dict[IPFamily, int]
    """For each family the nodes on which healthCheckNodePort answers 200. Under kube-proxy those are the nodes
    with a ready endpoint of any port (healthcheck/service_health.go); a terminating one does not count."""
    placed: int = 0
    """Nodes with an endpoint of any port, in any family, that is not terminating, ready or not."""
    addressed: int = 0
    """Nodes with an endpoint of any port, in any family, whatever its conditions."""
    hosting: int = 0
    """Nodes that an endpoint of any port, in any family, names that is ready, or serving and terminating."""
    hosting_ready: int = 0
    """Nodes that a ready endpoint of any port, in any family, names."""
    health_port_open: int = -1
    """Nodes on which healthCheckNodePort accepts connections."""
    healthz_only: int = 0
    """Nodes whose healthCheckNodePort answers only on the path /healthz."""
    health_not_known: int = 0
    """Nodes where the answer of healthCheckNodePort is not known."""

    def hosting_by(self, hosts: Hosts) -> int:
        """The nodes that host such an endpoint. What is true of one port counts for any port."""
        match hosts:
            case Hosts.USABLE:
                return self.hosting
            case Hosts.READY | Hosts.READY_OF_PORT:
                return self.hosting_ready
            case Hosts.NOT_TERMINATING:
                return self.placed
            case Hosts.ANY:
                return self.addressed

    @cached_property
    def _by_port(self) -> dict[tuple[str, IPFamily], PortState]:
        by_port: dict[tuple[str, IPFamily], PortState] = {}
        for state in self.ports:
            by_port.setdefault((state.port, state.family), state)
        return by_port

    def of(self, port: str, family: IPFamily) -> PortState | None:
        return self._by_port.get((port, family))


def proxied(service: Service, proxy_name: str = "") -> bool:
    """Whether kube-proxy serves the Service at all: cmd/kube-proxy/app/server.go:564-608 and
    util/utils.go:56-68. Without a clusterIP, or with "", as in a manifest, the API server has not allocated it
    yet. A data plane with a name serves the Services whose label has this name instead."""
    if service.type == "ExternalName" or service.spec.cluster_ip == "None":
        return False
    return service.labels.get(PROXY_NAME) == proxy_name if proxy_name else PROXY_NAME not in service.labels


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
        return tuple(f for f in IP_FAMILIES if f in allocated)
    return (family_of(spec.cluster_ip or "") or "IPv4",)


def external_ports(service: Service, proxy_name: str = "") -> list[tuple[ServicePort, IPFamily]]:
    """The service ports that are reachable from outside: a node port, or a VIP or external IP of the family
    (serviceport.go:164 ExternallyAccessible)."""
    if not proxied(service, proxy_name) or not policy_applies(service):
        return []
    addressed = _vip_families(service) | _external_ip_families(service)
    return [(p, f) for f in ip_families(service) for p in service.ports if p.node_port or f in addressed]


def cluster_ip_ports(service: Service, proxy_name: str = "") -> list[tuple[ServicePort, IPFamily]]:
    """The service ports that clients in the cluster reach at a cluster IP: every port, in the families that have
    one (iptables/proxier.go:888-900). A headless Service has none."""
    if not proxied(service, proxy_name):
        return []
    return [(port, family) for family in ip_families(service) for port in service.ports]


def frontends_of(service: Service, port: ServicePort, family: IPFamily) -> set[Frontend]:
    """The kinds of addresses that an external port has in a family."""
    found = {Frontend.NODE_PORT} if port.node_port else set()
    if family in _vip_families(service):
        found.add(Frontend.VIP)
    if family in _external_ip_families(service):
        found.add(Frontend.EXTERNAL_IP)
    return found


def _vip_families(service: Service) -> set[IPFamily | None]:
    """A hostname, or an ingress IP of mode Proxy, is no VIP."""
    return {family_of(i.ip) for i in service.load_balancer_ingress if i.ip and i.ip_mode in (None, "VIP")}


def _external_ip_families(service: Service) -> set[IPFamily | None]:
    return {family_of(address) for address in service.spec.external_ips or ()}
