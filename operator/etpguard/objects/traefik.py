"""The records of Traefik's own API that a rule reads, group traefik.io.

Field names: traefik fd5a576 pkg/provider/kubernetes/crd/traefikio/v1alpha1.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from etpguard.objects.kinds import Kind
from etpguard.objects.records import Key, LabelledRecord, Shape


class ServerHealthCheck(Shape, frozen=True):
    port: int | None = None
    path: str | None = None
    status: int | None = None


class RouteService(Shape, frozen=True):
    """A Service, or another TraefikService, to which Traefik sends. `port` is a number or a name."""

    name: str = ""
    namespace: str | None = None
    kind: str | None = None
    port: int | str | None = None
    native_lb: bool | None = msgspec.field(name="nativeLB", default=None)
    node_port_lb: bool | None = msgspec.field(name="nodePortLB", default=None)
    health_check: ServerHealthCheck | None = None
    mirrors: list[RouteService] | None = None
    """Only in the `mirroring` of a TraefikService, which is a Service itself."""


class Route(Shape, frozen=True):
    services: list[RouteService] | None = None


class Weighted(Shape, frozen=True):
    services: list[RouteService] | None = None


class RouteSpec(Shape, frozen=True):
    """`routes` of IngressRoutes, the rest of TraefikServices."""

    routes: list[Route] | None = None
    weighted: Weighted | None = None
    highest_random_weight: Weighted | None = None
    mirroring: RouteService | None = None

    @property
    def services(self) -> Iterable[RouteService]:
        for route in self.routes or ():
            yield from route.services or ()
        for weighted in (self.weighted, self.highest_random_weight):
            yield from (weighted and weighted.services) or ()
        if self.mirroring:
            yield self.mirroring
            yield from self.mirroring.mirrors or ()


class TraefikRoute(LabelledRecord, frozen=True):
    """An IngressRoute, IngressRouteTCP, IngressRouteUDP or TraefikService."""

    spec: RouteSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)

    def services(self) -> Iterable[tuple[Key, RouteService]]:
        """The Services to which it sends; in another namespace only with `allowCrossNamespace`."""
        for one in self.spec.services if self.spec else ():
            if one.name and one.kind in (None, "", "Service"):
                yield Key(one.namespace or self.key.namespace, one.name), one


def _services(route: TraefikRoute) -> Iterable[Key]:
    return {key for key, _ in route.services()}


def _kind(name: str, plural: str) -> Kind[TraefikRoute]:
    return Kind(name, plural, "traefik.io", "v1alpha1", TraefikRoute, refers=_services)


INGRESS_ROUTE = _kind("IngressRoute", "ingressroutes")
INGRESS_ROUTE_TCP = _kind("IngressRouteTCP", "ingressroutetcps")
INGRESS_ROUTE_UDP = _kind("IngressRouteUDP", "ingressrouteudps")
TRAEFIK_SERVICE = _kind("TraefikService", "traefikservices")
TRAEFIK_KINDS = (INGRESS_ROUTE, INGRESS_ROUTE_TCP, INGRESS_ROUTE_UDP, TRAEFIK_SERVICE)
