"""What to do about uncovered nodes behind a load balancer of AWS, in the field's order, with what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from etpguard.assess.consumers.aws_lbc import proxy_protocol
from etpguard.assess.consumers.aws_lbc.annotations import NLB
from etpguard.assess.consumers.aws_lbc.commands import annotate, arn, configuration, is_nlb
from etpguard.assess.consumers.aws_lbc.node_advice import admit, narrow, no_node_selected
from etpguard.assess.consumers.interface import Consumer, ConsumerVerdict
from etpguard.assess.consumers.remedies import ClientIP, bounded, cluster, spread
from etpguard.assess.outcome import NO_HEALTHY_TARGET, Outcome
from etpguard.assess.probe import HealthCheckNodePort
from etpguard.objects import Node, Service

_AFFECTED = (Outcome.TargetsUnhealthy, Outcome.Blackhole, Outcome.Outage)


def advice(service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterator[str]:
    """Pod targets, spread, target-node-labels, Cluster; before them what the outcome itself calls for. `nodes`
    are those with a ready endpoint."""
    consumer = verdict.consumer
    match verdict.outcome:
        case Outcome.TargetsUnhealthy:
            yield _harmless(verdict)
        case Outcome.Blackhole if _none_is_ready(verdict):
            yield _next_pods(service)
        case Outcome.Blackhole:
            yield _probe_the_node_port(service, consumer)
        case Outcome.NoTargets:
            yield from admit(service, nodes)
            yield no_node_selected(service, consumer)
        case Outcome.Outage:
            yield from admit(service, nodes)
        case Outcome.Unknown:
            yield from _find_out(service, verdict)
    if verdict.outcome in _AFFECTED:
        yield _pod_targets(service, consumer)
        yield spread(service)
        yield from narrow(service, verdict, nodes)
        yield _to_cluster(service, consumer)


def _none_is_ready(verdict: ConsumerVerdict) -> bool:
    """Whether the healthCheckNodePort fails everywhere, which it does where only terminating endpoints serve."""
    return verdict.reason.code == NO_HEALTHY_TARGET and isinstance(verdict.consumer.probe, HealthCheckNodePort)


def _next_pods(service: Service) -> str:
    selector = f"kubernetes.io/service-name={service.key.name}"
    return bounded(
        "No endpoint is ready: those that end still serve, and the healthCheckNodePort of their nodes fails "
        "already. See why none is ready in their place: kubectl "
        f"-n {service.key.namespace} get endpointslices -l {selector} -o yaml."
    )


def _look(consumer: Consumer) -> str:
    """For a binding that somebody wrote: the health check stands in AWS alone."""
    return bounded(
        f"See what is checked: aws elbv2 describe-target-groups --target-group-arns {arn(consumer)} --query "
        "'TargetGroups[].[HealthCheckProtocol,HealthCheckPort,HealthCheckPath]'. On traffic-port, or by HTTP on "
        "the healthCheckNodePort, it routes around these nodes; on any other port, requests to them are lost."
    )


def _harmless(verdict: ConsumerVerdict) -> str:
    base = (
        f"Nothing is lost while the pods stay where they are: the health check keeps traffic off the "
        f"{verdict.uncovered.bit_count()} nodes without one, which show as unhealthy by design. When the last pod "
        "of a node goes, "
    )
    if isinstance(verdict.consumer.probe, HealthCheckNodePort):
        return bounded(
            base + "its healthCheckNodePort fails at once and the node still forwards until the pod has exited: a "
            "preStop delay longer than the unhealthy threshold (by default 2 checks, 10 s apart) avoids any loss."
        )
    return bounded(
        base
        + "requests to that node are lost until the check has failed there (an ALB's defaults: 2 checks, 15 s "
        "apart, so some 20 to 35 s), unless the pod fails the check's path that long before it exits."
    )


def _probe_the_node_port(service: Service, consumer: Consumer) -> str:
    lead = (
        "Let the health check see what the node does with the traffic, so that the load balancer routes around: "
    )
    match consumer.kind:
        case _ if consumer.proxy_protocol:
            return _connect_to_the_node_port(service, consumer)
        case "Ingress":
            fix = annotate(service, consumer, "healthcheck-port=traffic-port")
        case "Service" if consumer.name == service.key.name and service.type == "LoadBalancer":
            keys = " ".join(f"{NLB}healthcheck-{part}-" for part in ("port", "protocol", "success-codes"))
            fix = (
                f"kubectl -n {consumer.namespace} annotate service {consumer.name} {keys} takes it "
                "back to HTTP on "
                "the healthCheckNodePort"
            )
        case "Service":
            fix = annotate(service, consumer, "healthcheck-port=traffic-port")
            if consumer.name != service.key.name:
                fix += (
                    f" (Service {service.key.name} is probed on a port of Service {consumer.name}, whose pods may "
                    "be elsewhere; this holds for both)"
                )
        case "Gateway":
            fix = configuration(service, {"healthCheckConfig": {"healthCheckPort": "traffic-port"}})
        case _:
            group = f"--target-group-arn {arn(consumer)}"
            fix = f"aws elbv2 modify-target-group {group} --health-check-port traffic-port"
    return bounded(f"{lead}{fix}.")


def _connect_to_the_node_port(service: Service, consumer: Consumer) -> str:
    """With PROXY protocol on, no check of what kube-proxy answers by HTTP passes."""
    if consumer.kind == "Gateway":
        fix = configuration(
            service,
            {
                "healthCheckConfig": {"healthCheckPort": "traffic-port", "healthCheckProtocol": "TCP"},
                "targetGroupAttributes": [{"key": proxy_protocol.ATTRIBUTE, "value": "true"}],
            },
        )
    else:
        fix = annotate(service, consumer, "healthcheck-port=traffic-port", "healthcheck-protocol=tcp")
    return bounded(
        "With PROXY protocol on, let the health check connect to the node port, which only nodes with an endpoint "
        f"accept: {fix}. Or take PROXY protocol away, from the pods' settings too: with Local they see the "
        "client's address anyway, unless preserve_client_ip.enabled is false."
    )


def _pod_targets(service: Service, consumer: Consumer) -> str:
    needs = "It needs pod addresses that the VPC routes (Amazon VPC CNI), and makes new target groups."
    if is_nlb(consumer):
        cost = (
            "It costs the client's address (preserve_client_ip is off by default for ip targets), "
            "unless the target "
            "group attribute preserve_client_ip.enabled=true or PROXY protocol v2 is set."
        )
    elif consumer.kind == "TargetGroupBinding":
        cost = "Behind an NLB it hides the client's address, unless preserve_client_ip.enabled=true; no ALB does."
    else:
        cost = "Pods see the load balancer's address and X-Forwarded-For, as before."
    match consumer.kind:
        case "Ingress":
            fix = annotate(service, consumer, "target-type=ip")
            needs += " A targetType in IngressClassParams goes before it."
        case "Service":
            fix = annotate(service, consumer, "nlb-target-type=ip")
        case "Gateway":
            fix = configuration(service, {"targetType": "ip"})
        case _:
            fix = (
                "a target group's type cannot change, so make one of type ip and bind it by a TargetGroupBinding "
                f"with targetType ip and serviceRef {service.key.name}"
            )
    return bounded(
        f"Target the pods, so that nodes and their policy are no longer on the path: {fix}. {needs} {cost}"
    )


def _to_cluster(service: Service, consumer: Consumer) -> str:
    if consumer.pins_health_check_node_port:
        number = service.spec.health_check_node_port
        fix = (
            configuration(service, {"healthCheckConfig": {"healthCheckPort": "traffic-port"}})
            if consumer.kind == "Gateway"
            else annotate(service, consumer, "healthcheck-port=traffic-port")
        )
        return bounded(
            f"Do not change the policy to Cluster as things are: the health check is set to healthCheckNodePort "
            f"{number}, which Cluster takes away, so that every target would turn unhealthy. First: {fix}."
        )
    if not is_nlb(consumer):
        cost = ClientIP.VARIES if consumer.kind == "TargetGroupBinding" else ClientIP.FORWARDED
        return cluster(service, cost)
    if consumer.proxy_protocol:
        return cluster(
            service, ClientIP.UNCHANGED, "PROXY protocol v2, which is on, goes on telling the client's."
        )
    how = "set the target group attribute proxy_protocol_v2.enabled=true"
    if consumer.kind == "Service":
        how = annotate(service, consumer, "proxy-protocol=*")
    return cluster(
        service,
        ClientIP.LOST,
        "To keep it: after this patch, and not before, since PROXY protocol breaks the HTTP check of "
        "Local, let the "
        f"pods accept PROXY protocol v2, then {how}.",
    )


def _find_out(service: Service, verdict: ConsumerVerdict) -> Iterable[str]:
    consumer = verdict.consumer
    match verdict.reason.code:
        case "RegistrationBlocked":
            yield bounded(
                "One node that cannot be registered keeps the controller from registering and "
                "removing any. Find it: "
                "kubectl get nodes -o custom-columns=NAME:.metadata.name,PROVIDER:.spec.providerID (the last part "
                "must begin with i-); leave it out: kubectl label node NODE "
                "node.kubernetes.io/exclude-from-external-load-balancers=true."
            )
        case "HealthCheckPortNotModelled" if verdict.uncovered:
            if consumer.kind == "TargetGroupBinding":
                yield _look(consumer)
            yield _probe_the_node_port(service, consumer)
            if consumer.health_check and consumer.health_check.port.isdigit():
                yield bounded(
                    f"If something answers on port {consumer.health_check.port} of every node, tell so: "
                    f"--answers-everywhere-ports={consumer.health_check.port}."
                )
            yield _pod_targets(service, consumer)
        case "NoNodePort":
            yield _pod_targets(service, consumer)
        case "TargetsCapped":
            yield _pod_targets(service, consumer)
