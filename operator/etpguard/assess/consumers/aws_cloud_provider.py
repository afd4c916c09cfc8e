"""CLB and NLB of the AWS cloud provider (cloud-provider-aws, pkg/providers/v1), which is not the AWS Load
Balancer Controller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.interface import BaseFamily, Consumer, ConsumerVerdict, HealthCheck, View
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
from etpguard.assess.consumers.remedies import ClientIP, drop_annotation, health_checked, kubectl, unpin
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.platforms import EKS_AUTO
from etpguard.assess.probe import HealthCheckNodePort, KubeProxyHealthz, OwnNodePort, PassesNowhere
from etpguard.objects import Node, Requirement, Service, ServicePort

_PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
TYPE, TARGET_NODES = f"{_PREFIX}type", f"{_PREFIX}target-node-labels"
CHECK_PORT, CHECK_PROTOCOL, CHECK_PATH = (f"{_PREFIX}healthcheck-{part}" for part in ("port", "protocol", "path"))

ATTRIBUTES = f"{_PREFIX}target-group-attributes"
_PROXIED = "proxy_protocol_v2.enabled"

_PROXY_PROTOCOL = (
    "To keep the client's address, change the policy first, by which the target groups are made anew, and only "
    f"then let the pods accept PROXY protocol v2 and set {ATTRIBUTES} to {_PROXIED}=true: with Local it breaks "
    "the health check. A cloud controller manager that does not know this annotation does nothing about it; then "
    f"set the attribute of the target groups in AWS. ({_PREFIX}proxy-protocol is for Classic Load Balancers.)"
)
"""aws_loadbalancer.go:308-320; aws_validations.go validateServiceAnnotationTargetGroupAttributes; the order is
that of aws-load-balancer-controller docs/guide/service/nlb.md:158."""

_PLAIN = PassesNowhere("kube-proxy speaks plain HTTP")

_NODES = replace(CLOUD_NODES, provider_id="i-[^/]*", skips_unidentified=True)
"""aws_loadbalancer.go:1802-1857: nodes whose providerID names no instance are left out."""


class AwsCloudProvider(BaseFamily):
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

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        probed = isinstance(verdict.consumer.probe, OwnNodePort | HealthCheckNodePort)
        if verdict.outcome is Outcome.Blackhole and verdict.consumer.proxy_protocol:
            pairs = f"--overwrite '{CHECK_PORT}=traffic-port' '{CHECK_PROTOCOL}=TCP'"
            yield (
                "With PROXY protocol on, let the health check connect to the node port, which only nodes with an "
                f"endpoint accept: {kubectl(service, 'annotate service', pairs)}."
            )
        elif verdict.outcome in (Outcome.Blackhole, Outcome.Unknown):
            for key in (CHECK_PORT, CHECK_PROTOCOL):
                if key in service.annotations and (key == CHECK_PROTOCOL or not probed):
                    effect = "the load balancer then checks the healthCheckNodePort by HTTP, and routes around"
                    yield drop_annotation(service, key, effect)
        if verdict.outcome in (Outcome.Outage, Outcome.NoTargets) and TARGET_NODES in service.annotations:
            yield drop_annotation(service, TARGET_NODES, "every node is then a target, those with pods too")
            return
        network = verdict.consumer.controller.endswith("nlb")
        cost, extra = (ClientIP.LOST, _PROXY_PROTOCOL) if network else (ClientIP.HIDDEN, "")
        if verdict.consumer.proxy_protocol:
            cost, extra = ClientIP.UNCHANGED, "PROXY protocol v2, which is on, goes on telling the client's."
        if verdict.consumer.pins_health_check_node_port:
            extra = f"{unpin(CHECK_PORT)} {extra}".strip()
        yield from health_checked(service, verdict, nodes, cost, extra)


def _pairs(value: str) -> dict[str, str]:
    """aws_loadbalancer.go getKeyValuePropertiesFromAnnotation: "k=v,k2=,k3"."""
    pairs = (item.strip().partition("=") for item in value.split(",") if item.strip())
    return {key.strip(): text.strip() for key, _, text in pairs}


def _target_nodes(value: str) -> tuple[Requirement, ...]:
    """aws_loadbalancer.go filterTargetNodes, where an empty value admits any."""
    return tuple(
        Requirement(key, "In", (text,)) if text else Requirement(key, "Exists")
        for key, text in sorted(_pairs(value).items())
    )


def _checked(consumer: Consumer, service: Service, port: ServicePort, view: View) -> Consumer:
    """PROXY protocol on an NLB goes with its health checks, too, and kube-proxy does not speak it. On a CLB it is
    a policy of the traffic's ports, and never of the healthCheckNodePort."""
    consumer = _configured(consumer, service, port, view)
    written = _pairs(service.annotations.get(ATTRIBUTES, "")).get(_PROXIED, "false")
    if written == "false" or not consumer.controller.endswith("nlb"):
        return consumer
    if written != "true":
        detail = f"{ATTRIBUTES} has a {_PROXIED} that is neither true nor false"
        return replace(consumer, unknown=consumer.unknown or Reason("InvalidAnnotation", detail))
    by_http = consumer.health_check is not None and consumer.health_check.protocol == "HTTP"
    if by_http and isinstance(consumer.probe, HealthCheckNodePort | KubeProxyHealthz):
        consumer = replace(consumer, probe=PassesNowhere("kube-proxy does not speak PROXY protocol"))
    return replace(consumer, proxy_protocol=True)


def _configured(consumer: Consumer, service: Service, port: ServicePort, view: View) -> Consumer:
    """aws.go buildNLBHealthCheckConfiguration, and for a CLB EnsureLoadBalancer and
    ensureLoadBalancerHealthCheck: HTTP /healthz on the healthCheckNodePort, unless annotations say otherwise.
    A CLB has one check for all listeners, on the first port where traffic-port is asked for."""
    network = consumer.controller.endswith("nlb")
    standard = standard_check(service)
    written = service.annotations.get(CHECK_PORT, "")
    protocol = service.annotations.get(CHECK_PROTOCOL, "HTTP").upper()
    path = service.annotations.get(CHECK_PATH) or standard.path if protocol in ("HTTP", "HTTPS") else ""
    check = HealthCheck(written or standard.port, protocol, path)
    consumer = replace(consumer, health_check=check)
    if not port.node_port:
        return replace(consumer, unknown=Reason("NoNodePort", f"port {port.label!r} has no node port to register"))
    if written == "traffic-port":
        checked = port if network else service.ports[0]
        return replace(consumer, probe=OwnNodePort(checked.label))
    if not written or port_number(written) == service.spec.health_check_node_port:
        probe = _PLAIN if network and protocol == "HTTPS" else on_health_check_node_port(protocol)
        return replace(consumer, probe=probe, pins_health_check_node_port=bool(written))
    number = port_number(written)
    if number is None:
        detail = f"{CHECK_PORT} is {written!r}, neither traffic-port nor a port number"
        return replace(consumer, unknown=Reason("InvalidAnnotation", detail))
    probe, others = view.probe_of(number, service)
    if network and protocol == "HTTPS" and isinstance(probe, KubeProxyHealthz):
        probe = _PLAIN
    return replace(consumer, probe=probe, reads=others, reads_node_ports=frozenset({number}))
