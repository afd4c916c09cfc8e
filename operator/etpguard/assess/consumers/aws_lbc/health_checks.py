"""What the target group's health check asks, and what answers there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from etpguard.assess.consumers.interface import HealthCheck, View
from etpguard.assess.probe import (
    HealthCheckNodePort,
    KubeProxyHealthz,
    NotModelled,
    OwnNodePort,
    PassesNowhere,
    Probe,
)
from etpguard.objects import Key, Service, ServicePort

TRAFFIC_PORT = "traffic-port"

_CODES = re.compile(r"[0-9]{1,3}(-[0-9]{1,3})?(,[0-9]{1,3}(-[0-9]{1,3})?)*")


@dataclass(frozen=True, slots=True)
class Check:
    """A health check with its probe and what that was read from; see `Consumer` for all that follows them."""

    shown: HealthCheck | None
    probe: Probe
    pins: bool = False
    reads: frozenset[Key] = frozenset()
    reads_node_ports: frozenset[int] = frozenset()
    proxy_protocol: bool = False


def unknown_check(detail: str) -> Check:
    """A health check that no API object tells. It only matters where nodes are partly covered."""
    return Check(None, NotModelled(detail))


def accepts(codes: str, status: int) -> bool:
    """Whether a matcher, "200,202-299" for one, takes an HTTP status. Raises ValueError on any other form."""
    compact = codes.replace(" ", "")
    if not _CODES.fullmatch(compact):
        raise ValueError(f"{codes!r} is no list of HTTP codes or ranges")
    for part in compact.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False


def on_traffic_port(shown: HealthCheck, port: ServicePort, service: Service) -> Check:
    """The check goes to each target's own node port."""
    return Check(shown, _own_node_port(shown, port.node_port or 0, service))


def on_number(
    shown: HealthCheck, number: int, service: Service, view: View, *, by_hand: bool, grpc: bool = False
) -> Check:
    """The check goes to a fixed port of each node. `by_hand`: whether someone wrote that number, so that it
    stays when the Service's healthCheckNodePort goes."""
    if number and any(port.node_port == number for port in service.ports):
        return Check(shown, _own_node_port(shown, number, service))
    if grpc:
        return Check(
            shown, NotModelled(f"a gRPC health check on port {number}"), reads_node_ports=frozenset({number})
        )
    if number and number == service.spec.health_check_node_port:
        return Check(shown, health_check_node_port(shown), pins=by_hand)
    probe, reads = view.probe_of(number, service)
    if isinstance(probe, KubeProxyHealthz):
        probe = _healthz(shown)
    return Check(shown, probe, reads=reads, reads_node_ports=frozenset({number}))


def _own_node_port(shown: HealthCheck, number: int, service: Service) -> Probe:
    """Whether by TCP or by HTTP over it, a check never reaches a UDP port of that number."""
    for port in service.ports:
        if port.node_port == number and port.transport == "TCP":
            return OwnNodePort(port.label)
    return NotModelled(f"a {shown.protocol} health check on node port {number}, which is none of TCP")


def health_check_node_port(shown: HealthCheck, service: Key | None = None) -> Probe:
    """kube-proxy's answer there is 200 or 503, plain HTTP, on any path; the port is open on every node.
    `service` is another one whose port that is."""
    if shown.protocol == "TCP":
        return HealthCheckNodePort(any_answer=True, service=service)
    if shown.protocol != "HTTP":
        return PassesNowhere("the healthCheckNodePort speaks plain HTTP")
    healthy, unhealthy = accepts(shown.success_codes, 200), accepts(shown.success_codes, 503)
    if healthy:
        return HealthCheckNodePort(any_answer=unhealthy, service=service)
    if unhealthy:
        return NotModelled(
            f"a health check that takes {shown.success_codes} for success on healthCheckNodePort, which answers "
            "503 where no endpoint is ready"
        )
    return PassesNowhere(f"{shown.success_codes} is success, and the healthCheckNodePort answers 200 or 503")


def _healthz(shown: HealthCheck) -> Probe:
    """kube-proxy serves /healthz and /livez alone on 10256, by plain HTTP (healthcheck/proxy_health.go)."""
    if shown.protocol == "TCP":
        return KubeProxyHealthz()
    if shown.protocol != "HTTP":
        return PassesNowhere("kube-proxy speaks plain HTTP there")
    expected = 200 if shown.path.partition("?")[0] in ("/healthz", "/livez") else 404
    if accepts(shown.success_codes, expected):
        return KubeProxyHealthz()
    return PassesNowhere(f"kube-proxy answers {expected} to {shown.path}")
