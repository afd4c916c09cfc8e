"""CLB and NLB of the AWS cloud provider (cloud-provider-aws, pkg/providers/v1), which is not the AWS Load
Balancer Controller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.family import Family
from etpguard.assess.consumers.interface import Consumer, ConsumerVerdict, HealthCheck, View
from etpguard.assess.consumers.load_balancers import (
    CLOUD_NODES,
    Balancer,
    addressed_by_ip,
    classless,
    on_health_check_node_port,
    port_number,
    sole_cloud,
    standard_check,
)
from etpguard.assess.consumers.remedies import ClientIP, drop_annotation, health_checked, unpin
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.platforms import EKS_AUTO
from etpguard.assess.probe import HealthCheckNodePort, OwnNodePort
from etpguard.objects import Requirement, Service, ServicePort

_PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
TYPE, TARGET_NODES = f"{_PREFIX}type", f"{_PREFIX}target-node-labels"
CHECK_PORT, CHECK_PROTOCOL, CHECK_PATH = (f"{_PREFIX}healthcheck-{part}" for part in ("port", "protocol", "path"))

_PROXY_PROTOCOL = (
    "To keep the client's address, change the policy first, and only then set "
    f"{_PREFIX}proxy-protocol to '*' and accept PROXY protocol in the pods: with Local it breaks the health "
    "check. The target groups are made anew."
)
"""Same order as aws-load-balancer-controller docs/guide/service/nlb.md:158; aws_loadbalancer.go:308-320."""

_NODES = replace(CLOUD_NODES, provider_id="i-[^/]*", skips_unidentified=True)
"""aws_loadbalancer.go:1802-1857: nodes whose providerID names no instance are left out."""


class AwsCloudProvider(Family):
    name = "aws-cloud-provider"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        kind = service.annotations.get(TYPE, "")
        # "external" and "nlb-ip" are left to the AWS Load Balancer Controller: aws.go isLBExternal.
        if not classless(service) or sole_cloud(view) != "aws" or kind in ("external", "nlb-ip"):
            return
        if addressed_by_ip(service) or EKS_AUTO in view.platforms:
            return
        told = "the nodes' providerIDs (aws://) tell that the AWS cloud provider serves it"
        controller = "cloud-provider/aws-" + ("nlb" if kind == "nlb" else "clb")
        rule = replace(_NODES, requirements=_target_nodes(service.annotations.get(TARGET_NODES, "")))
        for port, consumer in Balancer(service, controller, told).ports():
            yield _checked(replace(consumer, nodes=rule), service, port, view)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[str]) -> Iterable[str]:
        probed = isinstance(verdict.consumer.probe, OwnNodePort | HealthCheckNodePort)
        if verdict.outcome in (Outcome.Blackhole, Outcome.Unknown):
            for key in (CHECK_PORT, CHECK_PROTOCOL):
                if key in service.annotations and (key == CHECK_PROTOCOL or not probed):
                    effect = "the load balancer then checks the healthCheckNodePort by HTTP, and routes around"
                    yield drop_annotation(service, key, effect)
        if verdict.outcome in (Outcome.Outage, Outcome.NoTargets) and TARGET_NODES in service.annotations:
            yield drop_annotation(service, TARGET_NODES, "every node is then a target, those with pods too")
            return
        balancer = verdict.consumer.controller.endswith("nlb")
        extra = _PROXY_PROTOCOL if balancer else ""
        if verdict.consumer.pins_health_check_node_port:
            extra = f"{unpin(CHECK_PORT)} {extra}".strip()
        yield from health_checked(service, verdict, nodes, ClientIP.LOST if balancer else ClientIP.HIDDEN, extra)


def _target_nodes(value: str) -> tuple[Requirement, ...]:
    """aws_utils.go getKeyValuePropertiesFromAnnotation and aws_loadbalancer.go filterTargetNodes: "k=v,k2=",
    where an empty value admits any."""
    pairs = (item.strip().partition("=") for item in value.split(",") if item.strip())
    wanted = {key.strip(): text.strip() for key, _, text in pairs}
    return tuple(
        Requirement(key, "In", (text,)) if text else Requirement(key, "Exists")
        for key, text in sorted(wanted.items())
    )


def _checked(consumer: Consumer, service: Service, port: ServicePort, view: View) -> Consumer:
    """aws.go buildNLBHealthCheckConfiguration, and for a CLB EnsureLoadBalancer and
    ensureLoadBalancerHealthCheck: HTTP /healthz on the healthCheckNodePort, unless annotations say otherwise.
    A CLB has one check for all listeners, on the first port where traffic-port is asked for."""
    standard = standard_check(service)
    written = service.annotations.get(CHECK_PORT, "")
    protocol = service.annotations.get(CHECK_PROTOCOL, "HTTP").upper()
    path = service.annotations.get(CHECK_PATH) or standard.path if protocol in ("HTTP", "HTTPS") else ""
    check = HealthCheck(written or standard.port, protocol, path)
    consumer = replace(consumer, health_check=check)
    if not port.node_port:
        return replace(consumer, unknown=Reason("NoNodePort", f"port {port.label!r} has no node port to register"))
    if written == "traffic-port":
        checked = port if consumer.controller.endswith("nlb") else service.ports[0]
        return replace(consumer, probe=OwnNodePort(checked.label))
    if not written or port_number(written) == service.spec.health_check_node_port:
        probe = on_health_check_node_port(protocol)
        return replace(consumer, probe=probe, pins_health_check_node_port=bool(written))
    number = port_number(written)
    if number is None:
        detail = f"{CHECK_PORT} is {written!r}, neither traffic-port nor a port number"
        return replace(consumer, unknown=Reason("InvalidAnnotation", detail))
    probe, others = view.probe_of(number, service)
    return replace(consumer, probe=probe, reads=others, reads_node_ports=frozenset({number}))
