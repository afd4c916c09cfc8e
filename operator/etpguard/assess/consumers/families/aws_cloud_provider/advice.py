"""What to do about uncovered nodes behind a load balancer of the AWS cloud provider: cloud-provider-aws
63ec440 (1.36), pkg/providers/v1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.aws_cloud_provider.annotations import (
    ATTRIBUTES,
    CHECK_PORT,
    CHECK_PROTOCOL,
    PREFIX,
    TARGET_NODES,
    TYPE,
)
from etpguard.assess.consumers.remedies import (
    NEW_NODE,
    ClientIP,
    annotate_service,
    drop_annotation,
    health_checked,
    unpin,
)
from etpguard.assess.consumers.shared.aws_target_groups import (
    PRESERVED,
    PROXIED,
    is_nlb,
    without_proxy_protocol,
    zones_without,
)
from etpguard.assess.consumers.shared.known_annotations import AWS_NLB, AWS_NLB_BEGINNINGS, spelling
from etpguard.assess.node_selection import key_values
from etpguard.assess.outcome import Outcome
from etpguard.assess.probe import HealthCheckNodePort, OwnNodePort
from etpguard.objects import Node, Service

_PROXY_PROTOCOL = (
    "To keep the client's address, change the policy first, since this makes new target groups. Only then let the "
    f"pods accept PROXY protocol v2, and set the annotation {ATTRIBUTES} to {PROXIED}=true. With Local, PROXY "
    "protocol breaks the health check. An older cloud controller manager ignores this annotation. In this case, "
    f"set the attribute of the target groups in AWS. ({PREFIX}proxy-protocol is for Classic Load Balancers.)"
)
"""aws_loadbalancer.go:308-320; aws_validations.go validateServiceAnnotationTargetGroupAttributes; the order is
that of aws-load-balancer-controller docs/guide/service/nlb.md:158."""
_EACH_PROTOCOL = Advice(
    "Give each protocol a Service for itself", "The controller serves one protocol for each Service."
)
_TYPE_KEPT = Advice(
    f"Undo the change of the annotation {TYPE}, or make a new Service",
    "The type of a load balancer cannot change. A new Service gets a new address.",
)


def advice(service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
    match verdict.reason.code:
        case "ProtocolNotServed":
            yield _another_load_balancer(verdict.consumer)
            return
        case "MixedProtocols":
            yield _EACH_PROTOCOL
            return
        case "LoadBalancerTypeChanged":
            yield _TYPE_KEPT
            return
        case "InvalidAttributes":
            yield drop_annotation(service, ATTRIBUTES, "The controller then serves the Service again.")
    if verdict.outcome not in (Outcome.Covered, Outcome.NotAffected):
        yield from spelling("The AWS cloud provider", service.annotations, PREFIX, AWS_NLB, AWS_NLB_BEGINNINGS)
    yield from _on_the_check(service, verdict)
    if verdict.outcome in (Outcome.Outage, Outcome.NoTargets) and TARGET_NODES in service.annotations:
        effect = "Every node is then a target, and so are those with pods."
        yield drop_annotation(service, TARGET_NODES, effect)
        return
    network = is_nlb(verdict.consumer)
    cost, extra = (ClientIP.LOST, _PROXY_PROTOCOL) if network else (ClientIP.HIDDEN, "")
    check = verdict.consumer.check
    if check is not None and check.proxy_protocol:
        cost, extra = ClientIP.UNCHANGED, "PROXY protocol v2 is on and keeps carrying it."
    if check is not None and check.pins_health_check_node_port:
        extra = f"{unpin(CHECK_PORT)} {extra}".strip()
    left = f"{NEW_NODE} {zones_without(verdict)}".rstrip() if network else ""
    yield from health_checked(service, verdict, nodes, cost, extra, left)


def _on_the_check(service: Service, verdict: ConsumerVerdict) -> Iterable[Advice]:
    """How to have the health check fail on nodes without an endpoint, where it may pass there."""
    if verdict.outcome not in (Outcome.Blackhole, Outcome.Unknown):
        return
    check, port = verdict.consumer.check, service.port(verdict.consumer.port)
    if verdict.outcome is Outcome.Blackhole and check is not None and check.proxy_protocol:
        if port is not None and port.transport == "UDP":
            yield _unproxied(service)
        else:
            yield Advice(
                "Let the health check connect to the node port",
                "With PROXY protocol on, only nodes with an endpoint accept such a check.",
                "",
                *annotate_service(service, f"{CHECK_PORT}=traffic-port", f"{CHECK_PROTOCOL}=TCP"),
            )
            return
    probed = check is not None and isinstance(check.probe, OwnNodePort | HealthCheckNodePort)
    for key in (CHECK_PORT, CHECK_PROTOCOL):
        if key in service.annotations and (key == CHECK_PROTOCOL or not probed):
            effect = (
                "The load balancer then checks the healthCheckNodePort by HTTP, and routes around nodes "
                "without an endpoint."
            )
            yield drop_annotation(service, key, effect)


def _another_load_balancer(consumer: Consumer) -> Advice:
    if is_nlb(consumer):
        return Advice("Serve this port by other means", "No load balancer of AWS serves its protocol.")
    return Advice(
        "Serve this port by a Network Load Balancer",
        f"Give each protocol a Service of type LoadBalancer, and that of UDP the annotation {TYPE}=nlb when it is "
        "made.",
        "Cost: each has an address for itself.",
    )


def _unproxied(service: Service) -> Advice:
    kept = key_values(service.annotations[ATTRIBUTES]).get(PRESERVED)
    written = None if kept is None else f"{PRESERVED}={kept}"
    return without_proxy_protocol(changes.annotated("Service", service.key, {ATTRIBUTES: written}))
