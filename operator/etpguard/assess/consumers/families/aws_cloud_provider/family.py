"""Classic and Network Load Balancers of the AWS cloud provider, which is not the AWS Load Balancer Controller.

cloud-provider-aws 63ec440 (1.36), pkg/providers/v1; file names without a path are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.changes import Step, with_labels
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.aws_cloud_provider.advice import advice
from etpguard.assess.consumers.families.aws_cloud_provider.annotations import (
    ATTRIBUTES,
    CHECK_PATH,
    CHECK_PORT,
    CHECK_PROTOCOL,
    CROSS_ZONE,
    PREFIX,
    TARGET_NODES,
    TYPE,
)
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import (
    as_of_last_sync,
)
from etpguard.assess.consumers.shared.aws_target_groups import (
    CLASSIC,
    CLASSIC_CHECK,
    CLASSIC_NAME,
    CLOUD_PROVIDER_NLB_CHECK,
    INSTANCE_ID,
    NETWORK_NAME,
    PRESERVED,
    PROXIED,
    is_classic,
    named_by_aws,
)
from etpguard.assess.consumers.shared.load_balancers import (
    CLOUD_NODES,
    Balancer,
    no_node_port,
    no_target,
    on_health_check_node_port,
    port_number,
    refused,
    refused_affinity,
    standard_settings,
)
from etpguard.assess.consumers.shared.recognition import (
    OUTSCALE_DOMAIN,
    OUTSCALE_PREFIX,
    Recognition,
    addressed_by_ip,
    by_host,
    by_mark,
    by_nodes,
    classless,
    first_mark,
    sole_cloud,
)
from etpguard.assess.consumers.targets import (
    CheckSettings,
    HealthCheck,
    NodeTargets,
    NoneHealthy,
    Targets,
    UnknownOutcome,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.node_selection import key_values, target_node_labels
from etpguard.assess.outcome import Reason
from etpguard.assess.platforms import EKS_AUTO
from etpguard.assess.probe import HealthCheckNodePort, KubeProxyHealthz, NotModelled, OwnNodePort, PassesNowhere
from etpguard.assess.resilience import MinimumHealthy
from etpguard.objects import Node, Service, ServicePort

_PLAIN = PassesNowhere("kube-proxy answers plain HTTP")

_NODES = replace(CLOUD_NODES, provider_id=INSTANCE_ID, skips_unidentified=True)
"""aws_loadbalancer.go:1802-1857: nodes whose providerID names no instance are left out."""

_PROTOCOLS = {True: ("TCP", "UDP"), False: ("TCP",)}
"""Protocols that an NLB (True) and a Classic Load Balancer serve: aws.go checkProtocol. The controller refuses a
Service with any other one."""


class AwsCloudProvider(BaseFamily):
    name = "aws-cloud-provider"
    balancers_only = True
    follows_labels = False
    documented = (
        DocumentedConsumer(
            consumer="AWS Network Load Balancer of the cloud provider",
            found_by="no class; annotation `aws-load-balancer-type: nlb`",
            nodes="cloud nodes with an instance ID that match `aws-load-balancer-target-node-labels`",
            health_check=(
                f"HTTP `/healthz` on healthCheckNodePort, {CLOUD_PROVIDER_NLB_CHECK.unhealthy} failures "
                f"{CLOUD_PROVIDER_NLB_CHECK.interval} s apart; annotations change port and protocol"
            ),
            with_local="`TargetsUnhealthy`; sends to all nodes while none is healthy; `Unknown` with ports of "
            "several protocols or a sessionAffinity",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-aws 63ec440 pkg/providers/v1/aws_loadbalancer.go",
        ),
        DocumentedConsumer(
            consumer="AWS Classic Load Balancer",
            found_by="no class; host name `*.elb.amazonaws.com`, annotation `aws-load-balancer-*` or providerID `aws://`",
            nodes="cloud nodes with an instance ID that match `aws-load-balancer-target-node-labels`",
            health_check=(
                f"one for all ports: HTTP `/healthz` on healthCheckNodePort, {CLASSIC_CHECK.unhealthy} failures "
                f"{CLASSIC_CHECK.interval} s apart"
            ),
            with_local="`TargetsUnhealthy`; no UDP; what it does while no node is healthy is not known; "
            "`Unknown` with ports of several protocols or a sessionAffinity",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-aws 63ec440 pkg/providers/v1/aws.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        kind = service.annotations.get(TYPE, "")
        # "external" and "nlb-ip" are left to the AWS Load Balancer Controller: aws.go isLBExternal.
        if kind in ("external", "nlb-ip") or addressed_by_ip(service):
            return
        if EKS_AUTO in view.platforms and not is_classic(service):
            return
        recognition = _recognition(service, view)
        if recognition is None:
            return
        if TARGET_NODES in service.annotations:
            recognition = recognition._replace(how=recognition.how + as_of_last_sync(TARGET_NODES))
        network = kind == "nlb"
        controller = "cloud-provider/aws-nlb" if network else CLASSIC
        balancer = Balancer.of(service, controller, recognition, without_address=_refusals(service, network))
        rule = replace(_NODES, requirements=target_node_labels(service.annotations.get(TARGET_NODES, "")))
        settings = _settings(service)
        attributes = key_values(service.annotations.get(ATTRIBUTES, "")) if network else {}
        proxied = attributes.get(PROXIED) == "true"
        whole = _refused_as_a_whole(service, rule, network)
        for port in service.ports:
            if port.transport not in _PROTOCOLS[network]:
                targets: Targets = _not_served(port, network)
            elif whole:
                targets = whole
            elif not port.node_port and service.uid:
                targets = no_node_port(port, "The AWS cloud provider")
            else:
                targets = _targets(service, port, view, rule, settings, network)
                targets = _through_proxy_protocol(targets, proxied)
            if network and isinstance(targets, NodeTargets):
                minimum = MinimumHealthy(by_zone=not BOOLEANS.get(service.annotations.get(CROSS_ZONE, "")))
                targets = replace(targets, none_healthy=NoneHealthy.SENDS_TO_ALL, minimum_healthy=minimum)
            made = balancer.consumer(port, targets)
            # CreateLoadBalancer and CreateTargetGroup set no IP address type, which is then IPv4.
            yield replace(made, ip_families=("IPv4",)) if "IPv4" in made.ip_families else made

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        return advice(service, verdict, nodes)

    def target_nodes(
        self, service: Service, consumer: Consumer, labels: Mapping[str, str], *, keep: bool
    ) -> Step | None:
        written = with_labels(service.annotations.get(TARGET_NODES, ""), labels, keep=keep)
        return changes.annotated("Service", service.key, {TARGET_NODES: written})


def _recognition(service: Service, view: View) -> Recognition | None:
    """By the host name that AWS gave, by an annotation in a cluster with nodes of AWS, or by the nodes alone. In
    other clusters an annotation proves nothing: charts set it on any cluster."""
    if not classless(service) or first_mark(service, OUTSCALE_PREFIX) or by_host(service, OUTSCALE_DOMAIN):
        return None
    for entry in service.load_balancer_ingress:
        if entry.hostname and named_by_aws(entry.hostname):
            return Recognition(f"recognised by its address {entry.hostname[:253]}")
    if sole_cloud(view) != "aws":
        return None
    return by_mark(service, PREFIX) or by_nodes(service, view, "aws", "AWS")


def _refusals(service: Service, network: bool) -> str:
    """Why the controller makes no load balancer of the Service: aws.go checkProtocol and checkMixedProtocol."""
    what = "a Network Load Balancer" if network else "a Classic Load Balancer"
    used = {port.transport for port in service.ports}
    causes = []
    if odd := sorted(used - {*_PROTOCOLS[network]}):
        causes.append(f"{what} has no {' and no '.join(odd)}, and the controller refuses the whole Service")
    if len(used) > 1:
        causes.append("the controller refuses a Service with ports of several protocols")
    return "; ".join(causes)


def _refused_as_a_whole(service: Service, rule: NodeRule, network: bool) -> UnknownOutcome | None:
    """aws.go:2375 EnsureLoadBalancer, checkMixedProtocol, and aws_validations.go since v1.34.0. Before that, the
    controller does not read the attributes of target groups."""
    if len({port.transport for port in service.ports}) > 1:
        return UnknownOutcome(refused("MixedProtocols", "the Service has ports of several protocols"), rule)
    if affinity := refused_affinity(service, rule):
        return affinity
    if cause := _odd_attribute(service, network):
        return UnknownOutcome(refused("InvalidAttributes", f"{ATTRIBUTES} {cause}"), rule)
    host = next((entry.hostname or "" for entry in service.load_balancer_ingress), "")
    if (CLASSIC_NAME if network else NETWORK_NAME).search(host):
        other = "Classic" if network else "Network"
        cause = f"the name {host[:253]} is that of a {other} Load Balancer, which {TYPE} does not ask for"
        return UnknownOutcome(refused("LoadBalancerTypeChanged", cause), rule)
    return None


def _odd_attribute(service: Service, network: bool) -> str:
    """Why the controller refuses the attributes of target groups, as a clause about the annotation."""
    if ATTRIBUTES not in service.annotations:
        return ""
    if not network:
        return "is for Network Load Balancers, and the Service does not ask for one"
    for key, value in key_values(service.annotations[ATTRIBUTES]).items():
        if key not in (PROXIED, PRESERVED):
            return f"sets {key[:80]!r}, and the controller takes {PRESERVED} and {PROXIED} alone"
        if value not in ("true", "false"):
            return f"has a {key} that is neither true nor false"
        if key == PRESERVED and value == "false" and any(port.transport == "UDP" for port in service.ports):
            return f"sets {PRESERVED}=false, which UDP does not allow"
    return ""


def _not_served(port: ServicePort, network: bool) -> NodeTargets:
    what = "a Network Load Balancer" if network else "a Classic Load Balancer"
    why = f"{what} does not serve {port.transport}, so nothing sends to port {port.label or port.port}"
    return no_target(Reason("ProtocolNotServed", why))


def _through_proxy_protocol(targets: Targets, on: bool) -> Targets:
    """The check with PROXY protocol on. An NLB uses it in health checks too, and kube-proxy does not understand
    it. On a CLB it is a policy of the ports of the traffic, and never of the healthCheckNodePort."""
    if not on or not isinstance(targets, NodeTargets):
        return targets
    check = targets.check
    by_http = check.settings is not None and check.settings.protocol == "HTTP"
    if by_http and isinstance(check.probe, HealthCheckNodePort | KubeProxyHealthz):
        check = replace(check, probe=PassesNowhere("kube-proxy does not understand PROXY protocol"))
    return replace(targets, check=replace(check, proxy_protocol=True))


def _settings(service: Service) -> CheckSettings:
    """HTTP /healthz on the healthCheckNodePort, unless annotations say otherwise."""
    standard = standard_settings(service)
    protocol = service.annotations.get(CHECK_PROTOCOL, "HTTP").upper()
    path = service.annotations.get(CHECK_PATH) or standard.path if protocol in ("HTTP", "HTTPS") else ""
    return CheckSettings(service.annotations.get(CHECK_PORT, "") or standard.port, protocol, path)


def _targets(
    service: Service, port: ServicePort, view: View, rule: NodeRule, settings: CheckSettings, network: bool
) -> Targets:
    """aws.go buildNLBHealthCheckConfiguration, and for a CLB EnsureLoadBalancer and
    ensureLoadBalancerHealthCheck. A CLB has one check for all listeners, on the first port where traffic-port is
    set."""
    unclear = HealthCheck(NotModelled("the controller registers no node"), settings)
    if not port.node_port:
        reason = Reason("NoNodePort", f"port {port.label!r} has no node port to register")
        return UnknownOutcome(reason, rule, unclear)
    written = service.annotations.get(CHECK_PORT, "")
    tls = network and settings.protocol == "HTTPS"
    if written == "traffic-port":
        checked = port if network else service.ports[0]
        if checked.transport != "TCP":  # a check uses TCP, and another port may have the number there
            return NodeTargets(rule, view.check_on(checked.node_port or 0, service, settings))
        return NodeTargets(rule, HealthCheck(OwnNodePort(checked.label), settings))
    if not written or port_number(written) == service.spec.health_check_node_port:
        probe = _PLAIN if tls else on_health_check_node_port(settings.protocol)
        return NodeTargets(rule, HealthCheck(probe, settings, pins_health_check_node_port=bool(written)))
    number = port_number(written)
    if number is None:
        detail = f"{CHECK_PORT} is {written[:40]!r}, neither traffic-port nor a port number"
        return UnknownOutcome(Reason("InvalidAnnotation", detail), rule, unclear)
    return NodeTargets(rule, view.check_on(number, service, settings))
