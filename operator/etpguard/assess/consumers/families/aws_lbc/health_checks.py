"""The health check of a target group, and what answers it on each node."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec.structs import replace

from etpguard.assess.consumers.targets import CheckSettings, HealthCheck
from etpguard.assess.consumers.view import View
from etpguard.assess.probe import (
    HealthCheckNodePort,
    NotModelled,
    OwnNodePort,
    PassesNowhere,
    Probe,
)
from etpguard.objects import Key, Service, ServicePort

TRAFFIC_PORT = "traffic-port"

_CODES = re.compile(r"[0-9]{1,3}(-[0-9]{1,3})?(,[0-9]{1,3}(-[0-9]{1,3})?)*")


def unknown_check(detail: str) -> HealthCheck:
    """A health check that no API object shows. It matters only where some of the nodes are uncovered."""
    return HealthCheck(NotModelled(detail))


@lru_cache(maxsize=512)
def accepts(codes: str, status: int) -> bool:
    """Whether a matcher, for example "200,202-299", accepts an HTTP status. Raises ValueError for another form."""
    compact = codes.replace(" ", "")
    if not _CODES.fullmatch(compact):
        raise ValueError(f"{codes!r} is no list of HTTP codes or ranges")
    for part in compact.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False


def on_traffic_port(settings: CheckSettings, port: ServicePort, service: Service) -> HealthCheck:
    """The check goes to each target's own node port."""
    return HealthCheck(_own_node_port(settings, port.node_port or 0, service), settings)


def on_number(
    settings: CheckSettings, number: int, service: Service, view: View, *, grpc: bool = False
) -> HealthCheck:
    """The check goes to a fixed port of each node, which somebody wrote: it stays when `Cluster` removes the
    Service's healthCheckNodePort, and when pods become the targets."""
    return replace(_on_number(settings, number, service, view, grpc=grpc), on_number=True)


def _on_number(settings: CheckSettings, number: int, service: Service, view: View, *, grpc: bool) -> HealthCheck:
    if number and service.has_node_port(number):
        return HealthCheck(_own_node_port(settings, number, service), settings)
    if grpc:
        probe = NotModelled(f"a gRPC health check on port {number}")
        return HealthCheck(probe, settings, reads_node_ports=frozenset({number}))
    if number and number == service.spec.health_check_node_port:
        return HealthCheck(health_check_node_port(settings), settings, pins_health_check_node_port=True)
    return view.check_on(number, service, settings, lambda status: accepts(settings.success_codes, status))


def _own_node_port(settings: CheckSettings, number: int, service: Service) -> Probe:
    """The answer of a node port of the Service itself. A check never reaches a UDP port with that number, because
    it uses TCP or HTTP over TCP."""
    port = service.tcp_port_on(number)
    if port is not None:
        return OwnNodePort(port.label)
    return NotModelled(f"a {settings.protocol} health check on node port {number}, which is not a TCP port")


def health_check_node_port(settings: CheckSettings, service: Key | None = None) -> Probe:
    """kube-proxy answers there with 200 or 503, in plain HTTP, on any path. The port is open on every node.
    `service` is given where the port belongs to another Service."""
    if settings.protocol == "TCP":
        return HealthCheckNodePort(any_answer=True, service=service)
    if settings.protocol != "HTTP":
        return PassesNowhere("the healthCheckNodePort answers plain HTTP")
    healthy, unhealthy = accepts(settings.success_codes, 200), accepts(settings.success_codes, 503)
    if healthy:
        return HealthCheckNodePort(any_answer=unhealthy, service=service)
    if unhealthy:
        return NotModelled(
            f"a health check that takes {settings.success_codes} for success on healthCheckNodePort, which "
            "answers 503 where no endpoint is ready"
        )
    return PassesNowhere(f"{settings.success_codes} is success, and the healthCheckNodePort answers 200 or 503")
