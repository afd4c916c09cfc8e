"""Advice to register pods in place of nodes."""

from __future__ import annotations

from etpguard.assess.consumers.changes import NO_STEP
from etpguard.assess.consumers.consumer import Advice, Consumer
from etpguard.assess.consumers.families.aws_lbc.commands import annotate, both, configuration, pod_targets_by_class
from etpguard.assess.consumers.families.aws_lbc.moved_checks import kept_check, only_udp
from etpguard.assess.consumers.remedies import asks_the_pods
from etpguard.assess.consumers.shared.aws_target_groups import is_nlb
from etpguard.objects import Service


def pod_targets(service: Service, consumer: Consumer) -> Advice:
    effect = "Nodes and the policy are then no longer on the path."
    needs = "Cost: it needs pod addresses that the VPC routes (Amazon VPC CNI). It makes new target groups"
    if consumer.kind == "TargetGroupBinding":
        needs += "."
    else:
        # pkg/deploy/stack_deployer.go Deploy: the listeners come before the bindings, which register the targets.
        needs += ", and requests are lost until their targets are registered and healthy."
    step = NO_STEP
    settings = consumer.check.settings if consumer.check else None
    udp = only_udp(service, consumer)
    stays = _stays_on_a_port_of_the_node(consumer) and not udp
    moved = {"healthcheck_port": "traffic-port"} if stays else {}
    if stays and settings:
        moves = f" Pods may not answer on port {settings.port}, so the health check moves too."
        effect += f"{moves} {asks_the_pods(settings)}".rstrip()
    elif udp:
        effect += " No health check uses UDP: set its port to a TCP port on which the pods answer."
    match consumer.kind:
        case "Ingress" if consumer.configured_by:
            (params,) = consumer.configured_by
            step = pod_targets_by_class(params)
            if moved:
                step = both(annotate(service, consumer, **moved), step)
            effect += (
                f" IngressClassParams {params.name} sets the target type, so no annotation does. This changes all "
                "Ingresses of its classes; or give this one another class."
            )
        case "Ingress":
            step = annotate(service, consumer, target_type="ip", **moved)
            needs += " A targetType in IngressClassParams goes before the annotation."
        case "Service":
            step = annotate(service, consumer, nlb_target_type="ip", **moved)
        case "Gateway":
            check = {"healthCheckConfig": kept_check(settings)} if stays else {}
            step = configuration(service, consumer, {"targetType": "ip", **check})
        case _:
            effect += (
                " A target group's type cannot change: make one of type ip, and bind it by a TargetGroupBinding "
                f"with targetType ip and serviceRef {service.key.name}."
            )
    return Advice("Target the pods", effect, f"{needs} {_client_address(service, consumer)}", *step)


def _client_address(service: Service, consumer: Consumer) -> str:
    """What pods see of the client."""
    if _keeps_client_ip(service, consumer):
        return "Behind an NLB, pods see the client's address, as UDP always does."
    if is_nlb(consumer):
        return (
            "Pods lose the client's address (preserve_client_ip is off by default for ip targets), unless the "
            "target group attribute preserve_client_ip.enabled=true or PROXY protocol v2 is set."
        )
    if consumer.kind == "TargetGroupBinding":
        return "Behind an NLB, pods lose the client's address unless preserve_client_ip.enabled=true."
    return "Pods see the load balancer's address and X-Forwarded-For, as before."


def _keeps_client_ip(service: Service, consumer: Consumer) -> bool:
    """Whether the port has a target group of protocol UDP or TCP_UDP, for which an NLB always preserves the
    client's address."""
    port = service.port(consumer.port)
    return port is not None and any(each.transport == "UDP" for each in service.ports_numbered(port.port))


def _stays_on_a_port_of_the_node(consumer: Consumer) -> bool:
    """Whether the check is set to a number, which pods do not follow. The name of a port means that of the
    targets."""
    check = consumer.check
    return check is not None and check.on_number and check.settings is not None and check.settings.port.isdigit()
