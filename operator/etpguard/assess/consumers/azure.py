"""The Azure load balancer (cloud-provider-azure) and the Application Gateway Ingress Controller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.ingresses import backends
from etpguard.assess.consumers.interface import BaseFamily, Consumer, ConsumerVerdict, HealthCheck, View
from etpguard.assess.consumers.load_balancers import (
    CLOUD_NODES,
    Balancer,
    classless,
    on_health_check_node_port,
    port_number,
    sole_cloud,
    standard_check,
)
from etpguard.assess.consumers.remedies import drop_annotation, health_checked, unpin
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.probe import HealthCheckNodePort, NoHealthCheck, OwnNodePort
from etpguard.objects import Node, Service, ServicePort

POD_CONTROLLERS = {
    "azure/application-gateway": "pkg/appgw/backendaddresspools.go:99-181: pools hold pod addresses",
    "alb.networking.azure.io/alb-controller": "Application Gateway for Containers sends to pod addresses",
}

_PREFIX = "service.beta.kubernetes.io/"
PROTOCOL = f"{_PREFIX}azure-load-balancer-health-probe-protocol"
_PLS, _PLS_PROXY = f"{_PREFIX}azure-pls-create", f"{_PREFIX}azure-pls-proxy-protocol"


def of_port(port: ServicePort, what: str) -> str:
    """The annotation for one port, by its number: consts.BuildAnnotationKeyForPort and
    BuildHealthProbeAnnotationKeyForPort."""
    return f"{_PREFIX}port_{port.port}_{what}"


class AzureLoadBalancer(BaseFamily):
    """The healthCheckNodePort's probe outranks the others (pkg/provider/azure_loadbalancer.go:3181-3204),
    but for a port with an own probe port or none, and behind a private link service with PROXY protocol."""

    name = "azure-load-balancer"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if not classless(service) or sole_cloud(view) != "azure":
            return
        told = "the nodes' providerIDs (azure://) tell that the Azure cloud provider serves it"
        for port, consumer in Balancer(service, "cloud-provider/azure", told).ports():
            if service.annotations.get(of_port(port, "no_lb_rule"), "").strip().lower() != "true":
                yield _probed(replace(consumer, nodes=CLOUD_NODES), service, port, view)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        annotations = service.annotations
        if verdict.outcome in (Outcome.Blackhole, Outcome.Unknown):
            effect = "its rule then uses the probe of the healthCheckNodePort, which routes around"
            own = [port for port in service.ports if port.label == verdict.consumer.port]
            for what in ("no_probe_rule", "health-probe_port"):
                for key in (of_port(port, what) for port in own):
                    if key in annotations:
                        yield drop_annotation(service, key, effect)
        pinned = [
            key for key in (of_port(port, "health-probe_port") for port in service.ports) if key in annotations
        ]
        extra = unpin(pinned[0]) if verdict.consumer.pins_health_check_node_port and pinned else ""
        yield from health_checked(service, verdict, nodes, extra=extra)


class AzureApplicationGateway(BaseFamily):
    name = "azure-application-gateway"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for served, consumer in backends(service, view, lambda _, by: by.controller in POD_CONTROLLERS):
            why = POD_CONTROLLERS[served.controller]
            yield replace(consumer, target_type="ip", source=consumer.source or why)


def _probed(consumer: Consumer, service: Service, port: ServicePort, view: View) -> Consumer:
    """azure_loadbalancer_healthprobe.go buildHealthProbeRulesForPort."""
    annotations = service.annotations
    if annotations.get(of_port(port, "no_probe_rule"), "").strip().lower() == "true":
        return replace(consumer, probe=NoHealthCheck())
    key = of_port(port, "health-probe_port")
    written = annotations.get(key, "").strip()
    proxied = annotations.get(_PLS, "") == "true" and annotations.get(_PLS_PROXY, "") == "true"
    if port.transport != "TCP" or not (written or proxied):
        if proxied:
            return replace(consumer, probe=NoHealthCheck())
        return replace(consumer, health_check=standard_check(service), probe=HealthCheckNodePort())
    protocol = (
        annotations.get(of_port(port, "health-probe_protocol")) or annotations.get(PROTOCOL) or "TCP"
    ).strip()
    path = annotations.get(of_port(port, "health-probe_request-path"), "/") if protocol.upper() != "TCP" else ""
    consumer = replace(consumer, health_check=HealthCheck(written or "node port", protocol.upper(), path))
    if not written:
        return replace(consumer, probe=OwnNodePort(port.label))
    number = port_number(written)
    named = [q for q in service.ports if (q.port == number if number else q.label.lower() == written.lower())]
    if named:
        return replace(consumer, probe=OwnNodePort(named[0].label))
    if number is None:
        detail = f"{key} is {written!r}, neither a port of the Service nor a number"
        return replace(consumer, unknown=Reason("InvalidAnnotation", detail))
    if number == service.spec.health_check_node_port:
        return replace(consumer, probe=on_health_check_node_port(protocol), pins_health_check_node_port=True)
    probe, others = view.probe_of(number, service)
    return replace(consumer, probe=probe, reads=others, reads_node_ports=frozenset({number}))
