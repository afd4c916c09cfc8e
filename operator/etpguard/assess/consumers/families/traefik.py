"""Traefik's own routes, which send to node ports where `nodePortLB` is set, and to pods otherwise.

traefik fd5a576 pkg/provider/kubernetes/crd/kubernetes_http.go:569, kubernetes_tcp.go, kubernetes_udp.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import spread
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED, no_node_port
from etpguard.assess.consumers.targets import (
    NodeTargets,
    NoneHealthy,
    PodTargets,
    PossibleNodes,
    Targets,
    UnknownOutcome,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Reason
from etpguard.objects import Node, Service, ServicePort
from etpguard.objects.traefik import (
    INGRESS_ROUTE,
    INGRESS_ROUTE_TCP,
    INGRESS_ROUTE_UDP,
    TRAEFIK_KINDS,
    TRAEFIK_SERVICE,
    RouteService,
    Share,
    TraefikRoute,
    used,
)

CONTROLLER = "traefik.io/ingress-controller"
_NODE_PORTS_FIRST = frozenset({INGRESS_ROUTE_TCP.name, INGRESS_ROUTE_UDP.name})
"""The kinds whose `nodePortLB` goes before `nativeLB`: kubernetes_tcp.go:214, kubernetes_udp.go:130. For HTTP it
is the other way round: kubernetes_http.go:550."""
_NOT_NATIVE = (
    "Traefik runs without --providers.kubernetescrd.nativeLBByDefault, with which the route sends to the address "
    "of the Service inside the cluster"
)


class TraefikRoutes(BaseFamily):
    """With nodePortLB, and a Service of type NodePort, the servers are the node port on the internal address of
    every node, ready or not, unchecked."""

    name = "traefik-routes"
    kinds = TRAEFIK_KINDS
    documented = (
        DocumentedConsumer(
            consumer="Traefik routes",
            found_by="IngressRoute, IngressRouteTCP, IngressRouteUDP, TraefikService",
            nodes="with `nodePortLB` on a NodePort Service, all nodes; otherwise pods",
            health_check="none: Traefik refuses a route with `healthCheck` to such a Service",
            with_local="`Blackhole` with `nodePortLB`, and `Unknown` where a node has an internal address of a "
            "family that the Service does not have, where Traefik refuses the route (`healthCheck`, no port, or "
            "one that the Service does not have), and, unless all nodes are covered, for the fallback of a "
            "failover. Without `nodePortLB` not affected. A route of another namespace does not count",
            evidence=Evidence.DOCUMENTED,
            source="traefik fd5a576 pkg/provider/kubernetes/crd/kubernetes_http.go:569",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        found: dict[Consumer, None] = {}
        for kind in TRAEFIK_KINDS:
            protocol = "UDP" if kind is INGRESS_ROUTE_UDP else "TCP"
            for route in view.referring(kind, service.key):
                if not route.deleting:
                    found |= dict.fromkeys(_consumers(kind.name, route, service, protocol, view))
        yield from found

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if not isinstance(verdict.consumer.targets, NodeTargets) or not verdict.uncovered:
            return
        consumer = verdict.consumer
        route = str(consumer)
        yield Advice(
            f"Remove nodePortLB from Service {service.key.name} in {route}",
            "Traefik then sends to pods, and the traffic policy is not on the path.",
        )
        yield spread(service, "every node")


def _consumers(kind: str, route: TraefikRoute, service: Service, protocol: str, view: View) -> Iterator[Consumer]:
    for key, to, share in route.services():
        if key != service.key:
            continue
        port = _port(service, to.port, protocol)
        node_ports_first = kind in _NODE_PORTS_FIRST
        native = bool(to.native_lb) and not node_ports_first
        by_node_port = bool(to.node_port_lb) and not native and service.type == "NodePort"
        targets: Targets = PodTargets()
        unused = None
        if by_node_port:
            unused = _unused(kind, route, service, share, view)
            targets = UnknownOutcome(unused, EVERY_NODE) if unused else _targets(kind, to, share, port, service)
        yield Consumer(
            kind=kind,
            namespace=route.key.namespace,
            name=route.key.name,
            controller=CONTROLLER,
            target_type="instance" if by_node_port else "ip",
            port=port.label if port else str(to.port or ""),
            targets=targets,
            ip_families=ip_families(service),
            reads=frozenset((used(route.key),)) if kind == TRAEFIK_SERVICE.name else frozenset(),
            incidental=not by_node_port or unused is not None,
            source="by nodePortLB" if by_node_port else "",
            assumptions=(_NOT_NATIVE,) if by_node_port and not node_ports_first and to.native_lb is None else (),
        )


_CROSS_NAMESPACE = Reason(
    "CrossNamespaceRoute",
    "the route is in another namespace than the Service. Traefik refuses it unless the option allowCrossNamespace "
    "of its Kubernetes CRD provider is on: then it sends to the node port of every node",
)
"""traefik fd5a576 pkg/provider/kubernetes/crd/kubernetes.go:1638 isNamespaceAllowed: the option is off by default.
A tenant must not change the outcome of another one's Service by such a route."""


_SHARES = {
    Share.NONE: Reason("WeightZero", "it gives the Service weight 0, so it sends nothing to it"),
    Share.COPIES: Reason(
        "MirrorOnly", "the Service is a mirror: it gets copies of requests, and no client gets an answer to these"
    ),
}
"""traefik fd5a576 pkg/server/service/loadbalancer/mirror/mirror.go:117."""
_FALLBACK = Reason(
    "FallbackOnly",
    "the Service is the fallback of a failover: Traefik sends to the node port of every node, but only while the "
    "main Service fails, which no API object shows",
)
_NO_ROUTE = Reason(
    "NoRoute",
    "no IngressRoute of its namespace names this TraefikService. An HTTPRoute, a Middleware or another provider "
    "of Traefik may, which etpguard does not read",
)


def _unused(kind: str, route: TraefikRoute, service: Service, share: Share, view: View) -> Reason | None:
    """Why the route is no sender that counts; None for one that counts."""
    if route.key.namespace != service.key.namespace:
        return _CROSS_NAMESPACE
    if share in _SHARES:
        return _SHARES[share]
    if kind == TRAEFIK_SERVICE.name:
        named = any(view.any_refers(each, used(route.key)) for each in TRAEFIK_KINDS)
        if not named and not view.unseen(INGRESS_ROUTE):
            return _NO_ROUTE
    return None


def _port(service: Service, reference: int | str | None, protocol: str) -> ServicePort | None:
    """traefik fd5a576 pkg/provider/kubernetes/crd/kubernetes.go:711 getServicePort: the first port with the name
    or number, whatever its protocol. Traefik sends to its node port by the protocol of the route."""
    first = service.port(reference) if reference else None
    if first is None or first.transport == protocol:
        return first
    beside = (one for one in service.ports_numbered(first.port) if one.transport == protocol)
    return next((one for one in beside if one.node_port == first.node_port), None)


def _targets(kind: str, to: RouteService, share: Share, port: ServicePort | None, service: Service) -> Targets:
    if not to.port:
        return _refused("it names no port of the Service")
    if to.health_check is not None and kind not in _NODE_PORTS_FIRST:
        return _refused("healthCheck is only for Services of type ExternalName")
    if port is None:
        detail = f"the route names port {str(to.port)[:80]!r}, which the Service does not have by its protocol"
        return UnknownOutcome(Reason("PortNotFound", detail), EVERY_NODE)
    if not port.node_port and service.uid:
        return no_node_port(port, "Traefik")
    if share is Share.FALLBACK:
        return PossibleNodes(EVERY_NODE, _FALLBACK)
    return NodeTargets(EVERY_NODE, UNCHECKED, none_healthy=NoneHealthy.SENDS_TO_NONE, each_internal=True)


def _refused(why: str) -> UnknownOutcome:
    """traefik fd5a576 pkg/provider/kubernetes/crd/kubernetes.go:707 getServicePort, kubernetes_http.go:531
    loadServers: with an error of one Service there is no router for the route."""
    detail = f"Traefik refuses the route, so nothing arrives by it: {why}. Correct the route"
    return UnknownOutcome(Reason("RouteRefused", detail), EVERY_NODE)
