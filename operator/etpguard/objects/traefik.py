"""The records of Traefik's own API that a rule reads, group traefik.io.

Field names: traefik fd5a576 pkg/provider/kubernetes/crd/traefikio/v1alpha1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

import msgspec

from etpguard.objects.kinds import Kind
from etpguard.objects.records import Key, LabelledRecord, Shape, index_key


class ServerHealthCheck(Shape, frozen=True):
    """That there is one is all that matters."""


class RouteService(Shape, frozen=True):
    """A Service, or another TraefikService, to which Traefik sends. `port` is a number or a name."""

    name: str = ""
    namespace: str | None = None
    kind: str | None = None
    port: int | str | None = None
    weight: int | None = None
    native_lb: bool | None = msgspec.field(name="nativeLB", default=None)
    node_port_lb: bool | None = msgspec.field(name="nodePortLB", default=None)
    health_check: ServerHealthCheck | None = None
    mirrors: list[RouteService] | None = None
    """Only in the `mirroring` of a TraefikService, which is a Service itself."""


class Share(Enum):
    """What a Service gets of the traffic of a route."""

    REQUESTS = "requests"
    NONE = "nothing, by its weight"
    COPIES = "copies of requests"
    FALLBACK = "requests while another Service fails"


class Route(Shape, frozen=True):
    services: list[RouteService] | None = None


class Weighted(Shape, frozen=True):
    services: list[RouteService] | None = None

    @property
    def shares(self) -> Iterator[tuple[RouteService, Share]]:
        """traefik fd5a576 pkg/server/service/loadbalancer/wrr/wrr.go:205, hrw/hrw.go:166: a weight of 0 or less is
        none at all."""
        for one in self.services or ():
            yield one, Share.REQUESTS if one.weight is None or one.weight > 0 else Share.NONE


class Failover(Shape, frozen=True):
    service: RouteService | None = None
    fallback: RouteService | None = None


class RouteSpec(Shape, frozen=True):
    """`routes` of IngressRoutes, the rest of TraefikServices."""

    routes: list[Route] | None = None
    weighted: Weighted | None = None
    mirroring: RouteService | None = None
    highest_random_weight: Weighted | None = None
    failover: Failover | None = None

    @property
    def shares(self) -> Iterator[tuple[RouteService, Share]]:
        for route in self.routes or ():
            services = route.services or []
            if len(services) == 1:  # its weight does not count: kubernetes_http.go:108
                yield services[0], Share.REQUESTS
            else:
                yield from Weighted(services).shares
        # kubernetes_http.go:244 buildTraefikService: the first of these that is set.
        if self.weighted is not None:
            yield from self.weighted.shares
        elif self.mirroring is not None:
            yield self.mirroring, Share.REQUESTS
            yield from ((one, Share.COPIES) for one in self.mirroring.mirrors or ())
        elif self.highest_random_weight is not None:
            yield from self.highest_random_weight.shares
        elif self.failover is not None:
            if self.failover.service:
                yield self.failover.service, Share.REQUESTS
            if self.failover.fallback:
                yield self.failover.fallback, Share.FALLBACK


class TraefikRoute(LabelledRecord, frozen=True):
    """An IngressRoute, IngressRouteTCP, IngressRouteUDP or TraefikService."""

    spec: RouteSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)

    def services(self) -> Iterable[tuple[Key, RouteService, Share]]:
        """The Services to which it sends; in another namespace only with `allowCrossNamespace`."""
        for one, share in self.spec.shares if self.spec else ():
            if one.name and one.kind in (None, "", "Service"):
                yield Key(one.namespace or self.key.namespace, one.name), one, share

    def traefik_services(self) -> Iterable[Key]:
        """The TraefikServices of its namespace to which it may send requests."""
        for one, share in self.spec.shares if self.spec else ():
            own = (one.namespace or self.key.namespace) == self.key.namespace
            if one.kind == "TraefikService" and one.name and own and share in (Share.REQUESTS, Share.FALLBACK):
                yield Key(self.key.namespace, one.name)


def used(traefik_service: Key) -> Key:
    """The key of the index to which the routes and TraefikServices refer that may send requests to it."""
    return index_key("TraefikService", traefik_service)


def _refers(route: TraefikRoute) -> Iterable[Key]:
    found = {key for key, _, _ in route.services()}
    if not route.deleting:
        found.update(map(used, route.traefik_services()))
    return found


def _kind(name: str, plural: str) -> Kind[TraefikRoute]:
    return Kind(name, plural, "traefik.io", "v1alpha1", TraefikRoute, refers=_refers)


INGRESS_ROUTE = _kind("IngressRoute", "ingressroutes")
INGRESS_ROUTE_TCP = _kind("IngressRouteTCP", "ingressroutetcps")
INGRESS_ROUTE_UDP = _kind("IngressRouteUDP", "ingressrouteudps")
TRAEFIK_SERVICE = _kind("TraefikService", "traefikservices")
TRAEFIK_KINDS = (INGRESS_ROUTE, INGRESS_ROUTE_TCP, INGRESS_ROUTE_UDP, TRAEFIK_SERVICE)
