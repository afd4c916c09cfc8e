"""What the Azure load balancer probes under Local and under Cluster: cloud-provider-azure 7b31c76 pkg/provider."""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.consumers.families.azure.annotations import (
    PATH,
    PROTOCOL,
    has_rule,
    is_proxied,
    is_true,
    of_port,
    one_rule,
)
from etpguard.assess.consumers.remedies import asks_the_pods
from etpguard.assess.consumers.shared.load_balancers import (
    UNCHECKED,
    on_health_check_node_port,
    port_number,
    standard_check,
)
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck, NodeTargets, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import HealthCheckNodePort, KubeProxyHealthz, NotModelled, OwnNodePort, PassesNowhere
from etpguard.objects import Service, ServicePort

_NOT_UNDERSTOOD = PassesNowhere("it gets a PROXY protocol header, which kube-proxy does not understand")
"""Azure adds the header to the probes, too: cloud-provider-azure pull request 5264."""


def probed(service: Service, port: ServicePort, view: View, rule: NodeRule, *, proxied: bool) -> Targets:
    """azure_loadbalancer_healthprobe.go buildHealthProbeRulesForPort. `proxied`: behind a private link service
    with PROXY protocol, where nothing probes the healthCheckNodePort."""
    annotations = service.annotations
    key = of_port(port, "health-probe_port")
    written = annotations.get(key, "").strip()
    if port.transport != "TCP" or not (written or proxied):
        return NodeTargets(rule, UNCHECKED if proxied else standard_check(service))
    protocol = _protocol(service, port)
    settings = CheckSettings(written or "node port", protocol, "" if protocol == "TCP" else _path(service, port))
    if not written:
        return NodeTargets(rule, HealthCheck(OwnNodePort(port.label), settings))
    number = port_number(written)
    named = service.port(number) if number else service.port_in_any_case(written)
    if named is not None:
        return NodeTargets(rule, HealthCheck(OwnNodePort(named.label), settings))
    if number is None:
        detail = f"{key} is {written[:40]!r}, neither a port of the Service nor a number"
        unclear = HealthCheck(NotModelled(detail), settings)
        return UnknownOutcome(Reason("InvalidAnnotation", detail), rule, unclear)
    if number == service.spec.health_check_node_port:
        check = HealthCheck(on_health_check_node_port(protocol), settings, pins_health_check_node_port=True)
    else:
        check = view.check_on(number, service, settings)
    if proxied and protocol != "TCP" and isinstance(check.probe, HealthCheckNodePort | KubeProxyHealthz):
        check = replace(check, probe=_NOT_UNDERSTOOD)
    return NodeTargets(rule, check)


def _moved(service: Service) -> list[ServicePort]:
    """The TCP ports whose probe `Cluster` moves from the healthCheckNodePort to their node port. One rule for all
    ports has the probe of the first of them: getExpectedLBRules."""
    tcp = [port for port in service.ports if port.transport == "TCP"]
    if one_rule(service):
        tcp = tcp[:1]
    else:
        tcp = [p for p in tcp if has_rule(service, p) and not is_true(service, of_port(p, "no_probe_rule"))]
    if is_proxied(service):
        return []
    number = str(service.spec.health_check_node_port or "")
    written = {port: service.annotations.get(of_port(port, "health-probe_port"), "").strip() for port in tcp}
    return [port for port in tcp if written[port] in ("", number)]


def _under_cluster(service: Service, port: ServicePort) -> CheckSettings:
    protocol = _protocol(service, port)
    return CheckSettings("node port", protocol, "" if protocol == "TCP" else _path(service, port))


def fails_under_cluster(service: Service) -> tuple[str, str]:
    """Why the check may fail, and what to do first. A person who wrote a path has chosen what the pods answer,
    since it counts for nothing else under Local."""
    for port in _moved(service):
        check, own_path = _under_cluster(service, port), of_port(port, "health-probe_request-path")
        if not port.node_port and service.uid:
            why = f"probes port 0, since port {port.label or port.port} has no node port"
            return why, "First give each port of the Service a node port"
        if check.protocol != "TCP" and own_path not in service.annotations and PATH not in service.annotations:
            asks = f"asks {check.path} of the pods by {check.protocol}"
            return asks, f"First set {own_path} to a path that the pods answer"
    return "", ""


def before_cluster(service: Service) -> str:
    """What to do before a change to `Cluster`. With the cloud config's clusterServiceLoadBalancerHealthProbeMode
    "shared", all Services with `Cluster` have one probe, of kube-proxy."""
    moved = _moved(service)
    if any(not port.node_port and service.uid for port in moved):
        return (
            "First give each port of the Service a node port: the probe then uses it, and fails on port 0, unless "
            "the cluster uses the shared probe."
        )
    asked = next((check for p in moved if (check := _under_cluster(service, p)).protocol != "TCP"), None)
    if asked is None:
        return ""
    return f"{asks_the_pods(asked)} {PATH} sets the path. A cluster with the shared probe needs no such step."


def _path(service: Service, port: ServicePort) -> str:
    """azure_loadbalancer_healthprobe.go "Select request path"."""
    annotations = service.annotations
    return annotations.get(of_port(port, "health-probe_request-path"), annotations.get(PATH, "/"))


def _protocol(service: Service, port: ServicePort) -> str:
    """azure_loadbalancer_healthprobe.go "Select Protocol": the first one that is set counts, and any other value
    than these, "" too, is TCP."""
    written = service.annotations.get(of_port(port, "health-probe_protocol"), port.app_protocol)
    if written is None:
        written = service.annotations.get(PROTOCOL, "")
    protocol = written.strip().upper()
    return protocol if protocol in ("HTTP", "HTTPS") else "TCP"
