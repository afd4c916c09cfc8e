"""The Azure load balancer (cloud-provider-azure) and the Application Gateway Ingress Controller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.ingresses import backends
from etpguard.assess.consumers.interface import (
    Advice,
    BaseFamily,
    CheckSettings,
    Consumer,
    ConsumerVerdict,
    HealthCheck,
    NodeTargets,
    PodTargets,
    Targets,
    UnknownOutcome,
    View,
)
from etpguard.assess.consumers.load_balancers import (
    CLOUD_NODES,
    UNCHECKED,
    Balancer,
    classless,
    on_health_check_node_port,
    port_number,
    sole_cloud,
    standard_check,
)
from etpguard.assess.consumers.remedies import drop_annotation, health_checked, unpin
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.probe import NotModelled, OwnNodePort
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
    """The probe of the healthCheckNodePort outranks the others (pkg/provider/azure_loadbalancer.go:3181-3204),
    except for a port with its own probe port or without a probe, and behind a private link service with PROXY
    protocol."""

    name = "azure-load-balancer"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if not classless(service) or sole_cloud(view) != "azure":
            return
        balancer = Balancer(service, "cloud-provider/azure", "recognised by the nodes' providerIDs (azure://)")
        for port in service.ports:
            if service.annotations.get(of_port(port, "no_lb_rule"), "").strip().lower() != "true":
                yield balancer.consumer(port, _targets(service, port, view))

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        annotations, check = service.annotations, verdict.consumer.check
        if verdict.outcome in (Outcome.Blackhole, Outcome.Unknown):
            effect = (
                "Its rule then uses the probe of the healthCheckNodePort, and the load balancer routes around "
                "nodes "
                "without an endpoint."
            )
            own = [port for port in service.ports if port.label == verdict.consumer.port]
            for what in ("no_probe_rule", "health-probe_port"):
                for key in (of_port(port, what) for port in own):
                    if key in annotations:
                        yield drop_annotation(service, key, effect)
        extra = ""
        if check is not None and check.pins_health_check_node_port:
            keys = (of_port(port, "health-probe_port") for port in service.ports)
            pinned = next((key for key in keys if key in annotations), "")
            extra = unpin(pinned) if pinned else ""
        yield from health_checked(service, verdict, nodes, extra=extra)


class AzureApplicationGateway(BaseFamily):
    name = "azure-application-gateway"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for backend in backends(service, view, lambda _, by: by.controller in POD_CONTROLLERS):
            source = backend.handler.how or POD_CONTROLLERS[backend.handler.controller]
            targets: Targets = UnknownOutcome(backend.missing) if backend.missing else PodTargets()
            yield backend.consumer(targets, target_type="ip", source=source)


def _targets(service: Service, port: ServicePort, view: View) -> Targets:
    """azure_loadbalancer_healthprobe.go buildHealthProbeRulesForPort."""
    annotations = service.annotations
    if annotations.get(of_port(port, "no_probe_rule"), "").strip().lower() == "true":
        return NodeTargets(CLOUD_NODES, UNCHECKED)
    key = of_port(port, "health-probe_port")
    written = annotations.get(key, "").strip()
    proxied = annotations.get(_PLS, "") == "true" and annotations.get(_PLS_PROXY, "") == "true"
    if port.transport != "TCP" or not (written or proxied):
        return NodeTargets(CLOUD_NODES, UNCHECKED if proxied else standard_check(service))
    protocol = (
        annotations.get(of_port(port, "health-probe_protocol")) or annotations.get(PROTOCOL) or "TCP"
    ).strip()
    path = annotations.get(of_port(port, "health-probe_request-path"), "/") if protocol.upper() != "TCP" else ""
    settings = CheckSettings(written or "node port", protocol.upper(), path)
    if not written:
        return NodeTargets(CLOUD_NODES, HealthCheck(OwnNodePort(port.label), settings))
    number = port_number(written)
    named = service.port(number) if number else service.port_in_any_case(written)
    if named is not None:
        return NodeTargets(CLOUD_NODES, HealthCheck(OwnNodePort(named.label), settings))
    if number is None:
        detail = f"{key} is {written[:40]!r}, neither a port of the Service nor a number"
        unclear = HealthCheck(NotModelled(detail), settings)
        return UnknownOutcome(Reason("InvalidAnnotation", detail), CLOUD_NODES, unclear)
    if number == service.spec.health_check_node_port:
        probe = on_health_check_node_port(protocol)
        return NodeTargets(CLOUD_NODES, HealthCheck(probe, settings, pins_health_check_node_port=True))
    return NodeTargets(CLOUD_NODES, view.check_on(number, service, settings))
