"""What to do about uncovered nodes behind a load balancer of AWS, in the order that operators prefer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from etpguard.assess.consumers.changes import NO_STEP, WorkloadChange
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.aws_lbc.annotations import ALB, NLB
from etpguard.assess.consumers.families.aws_lbc.commands import annotate, arn
from etpguard.assess.consumers.families.aws_lbc.moved_checks import only_udp, to_traffic_port
from etpguard.assess.consumers.families.aws_lbc.node_advice import admit, narrow, no_node_selected, on_fargate
from etpguard.assess.consumers.families.aws_lbc.pod_targets import pod_targets
from etpguard.assess.consumers.families.aws_lbc.shared_numbers import OTHER_NODE_PORT, SHARED
from etpguard.assess.consumers.remedies import NEW_NODE, ClientIP, cluster, kubectl, spread
from etpguard.assess.consumers.shared.aws_target_groups import (
    ALB_CHECK,
    GATEWAY_ALB_CHECK,
    LOWER_THE_MINIMUM,
    NLB_CHECK,
    NLB_LAG,
    NLB_LOCAL_CHECK,
    CheckDefaults,
    is_nlb,
    without_proxy_protocol,
    zones_without,
)
from etpguard.assess.consumers.shared.known_annotations import (
    AWS_ALB,
    AWS_ALB_BEGINNINGS,
    AWS_NLB,
    AWS_NLB_BEGINNINGS,
    spelling,
)
from etpguard.assess.node_rule import EXCLUDE_LABEL
from etpguard.assess.outcome import NO_HEALTHY_TARGET, TOO_FEW_HEALTHY, Outcome
from etpguard.assess.probe import HealthCheckNodePort
from etpguard.objects import Node, Service

_READER = "The AWS Load Balancer Controller"
_AFFECTED = (Outcome.TargetsUnhealthy, Outcome.Blackhole, Outcome.Outage)


def advice(service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterator[Advice]:
    """Pod targets, spread, target-node-labels and Cluster, in this order; before them, what the outcome itself
    requires. `nodes` are those with a ready endpoint."""
    consumer = verdict.consumer
    if verdict.outcome not in (Outcome.Covered, Outcome.NotAffected, Outcome.NoEndpoints):
        yield from _spelling(service, consumer)
    match verdict.outcome:
        case Outcome.TargetsUnhealthy:
            yield _harmless(service, verdict)
        case Outcome.Blackhole if _none_is_ready(verdict):
            yield _next_pods(service)
        case Outcome.Blackhole if verdict.reason.code == TOO_FEW_HEALTHY:
            yield LOWER_THE_MINIMUM
        case Outcome.Blackhole:
            yield from _probe_the_node_port(service, consumer)
        case Outcome.NoTargets if verdict.reason.code == "ProtocolNotServed":
            yield Advice("Serve this port by other means", "No load balancer of AWS serves its protocol.")
        case Outcome.NoTargets if verdict.reason.code == SHARED:
            yield _one_listener(service, consumer)
        case Outcome.NoTargets if verdict.reason.code == OTHER_NODE_PORT:
            yield Advice(
                "Give both ports of this number the same node port",
                "The load balancer sends TCP and UDP to the node port of the first one.",
            )
        case Outcome.NoTargets:
            if nodes and all(map(on_fargate, nodes)):
                yield pod_targets(service, consumer)
            yield from admit(service, nodes)
            yield no_node_selected(service, consumer)
        case Outcome.Outage:
            yield from admit(service, nodes)
        case Outcome.Unknown:
            yield from _find_out(service, verdict)
    if verdict.outcome in _AFFECTED:
        yield pod_targets(service, consumer)
        yield spread(service)
        yield from narrow(service, verdict, nodes)
        yield _to_cluster(service, consumer)


def _spelling(service: Service, consumer: Consumer) -> Iterator[Advice]:
    """Advice on annotations of the Service. Those of another object do not reach it."""
    if consumer.kind == "Ingress":
        yield from spelling(_READER, service.annotations, ALB, AWS_ALB, AWS_ALB_BEGINNINGS)
    elif is_nlb(consumer):
        yield from spelling(_READER, service.annotations, NLB, AWS_NLB, AWS_NLB_BEGINNINGS)


def _none_is_ready(verdict: ConsumerVerdict) -> bool:
    """Whether the healthCheckNodePort answers 503 on every node, as it does where only terminating endpoints
    serve."""
    return verdict.reason.code == NO_HEALTHY_TARGET and isinstance(verdict.consumer.probe, HealthCheckNodePort)


def _next_pods(service: Service) -> Advice:
    selector = f"kubernetes.io/service-name={service.key.name}"
    return Advice(
        "Find out why no new pod is ready",
        "Only terminating endpoints serve, and the healthCheckNodePort of their nodes already fails.",
        "",
        kubectl("-n", service.key.namespace, "get", "endpointslices", "-l", selector, "-o", "yaml"),
    )


def _look(service: Service, consumer: Consumer) -> Advice:
    """For a binding that a person wrote: only AWS holds the health check."""
    where = "By" if only_udp(service, consumer) else "On traffic-port, or by"
    return Advice(
        "Find out what the health check probes",
        f"{where} HTTP on the healthCheckNodePort, the load balancer routes around these nodes. On any other "
        "port, requests to them are lost.",
        "",
        f"aws elbv2 describe-target-groups --target-group-arns {arn(consumer)} --query "
        "'TargetGroups[].[HealthCheckProtocol,HealthCheckPort,HealthCheckPath]'",
    )


def _harmless(service: Service, verdict: ConsumerVerdict) -> Advice:
    count = verdict.uncovered.bit_count()
    which = "the node without a pod, which shows" if count == 1 else f"the {count} nodes without a pod, which show"
    effect = f"The health check keeps traffic off {which} as unhealthy by design."
    if isinstance(verdict.consumer.probe, HealthCheckNodePort):
        _, check = _defaults(service, verdict.consumer)
        lag = f", and {_LAG}" if is_nlb(verdict.consumer) else ""
        cost = (
            "Cost: when the last pod of a node is deleted, its healthCheckNodePort fails at once. The load "
            f"balancer needs time to notice: by default {check.unhealthy} checks, {check.interval} s apart{lag}. "
            "Nothing is lost if the pod stays Ready and serves until then. A preStop delay gives that time only "
            "to a pod that stays Ready meanwhile. ingress-nginx, Envoy Gateway and Contour fail their readiness "
            "at once, and the node then drops the traffic."
        )
    else:
        defaults = _time_to_notice(service, verdict.consumer)
        cost = (
            "Cost: when the last pod of a node stops, requests to that node are lost until the check has failed "
            f"there. With {defaults}. A preStop delay alone "
            "does not help, because the check passes as long as the pod serves. The delay helps only if the path "
            "of the check begins to fail while the pod still serves for that time."
        )
    return Advice(
        "Leave it as it is: nothing is lost while the pods stay on their nodes",
        effect,
        " ".join(filter(None, (cost, NEW_NODE if is_nlb(verdict.consumer) else "", zones_without(verdict)))),
        change=WorkloadChange.HAND_OVER,
    )


def _time_to_notice(service: Service, consumer: Consumer) -> str:
    """With n checks, i apart, and timeout t, a load balancer takes (n-1)·i to n·i+t, as `what-if` says too: a node
    may refuse the checks at once instead of dropping them."""
    whose, check = _defaults(service, consumer)
    interval, timeout, checks, _ = check
    least, most = (checks - 1) * interval, checks * interval + timeout
    lag = f", and {_LAG}" if is_nlb(consumer) else ""
    defaults = f"{whose} ({checks} checks, {interval} s apart, timeout {timeout} s)"
    return f"{defaults} this takes {least} to {most} s{lag}"


_LAG = f"the NLB sends there for {NLB_LAG[0]} to {NLB_LAG[1]} s more"


def _defaults(service: Service, consumer: Consumer) -> tuple[str, CheckDefaults]:
    """Whose defaults count for the health check of the consumer, and what they are."""
    if not is_nlb(consumer):
        if consumer.kind == "Gateway":
            return "the defaults of a Gateway's ALB", GATEWAY_ALB_CHECK
        return "an ALB's defaults", ALB_CHECK
    if consumer.kind == "Service" and service.type != "LoadBalancer":
        return f"an NLB's defaults for type {service.type}", NLB_CHECK
    return "an NLB's defaults for Local", NLB_LOCAL_CHECK


def _probe_the_node_port(service: Service, consumer: Consumer) -> Iterator[Advice]:
    """Nothing where no health check of the node port can pass."""
    proxied = consumer.check is not None and consumer.check.proxy_protocol
    moved = to_traffic_port(service, consumer)
    if proxied and only_udp(service, consumer):
        yield without_proxy_protocol(moved.step if moved else NO_STEP)
    elif moved and proxied:
        yield Advice(
            "Let the health check connect to the node port",
            "With PROXY protocol on, only nodes with an endpoint accept such a check. Or turn PROXY protocol off, "
            "in the pods' settings too. With Local, pods see the client's address without it, unless "
            "preserve_client_ip.enabled is false.",
            "",
            *moved.step,
        )
    elif moved:
        effect = "It then fails on nodes that drop the traffic, and the load balancer routes around them."
        title = "Let the health check probe the node port"
        if only_udp(service, consumer):
            title = "Let the health check probe the healthCheckNodePort"
        yield Advice(title, f"{effect} {moved.effect}".strip(), "", *moved.step)


def _to_cluster(service: Service, consumer: Consumer) -> Advice:
    check = consumer.check
    if check is not None and check.pins_health_check_node_port:
        number = service.spec.health_check_node_port
        moved = to_traffic_port(service, consumer)
        return Advice(
            "Do not change the policy to Cluster before the health check",
            f"The health check is set to healthCheckNodePort {number}. Cluster removes that port, and every "
            f"target would turn unhealthy. Move the check first. {moved.effect if moved else ''}".strip(),
            "",
            *(moved.step if moved else NO_STEP),
        )
    if not is_nlb(consumer):
        cost = ClientIP.VARIES if consumer.kind == "TargetGroupBinding" else ClientIP.FORWARDED
        return cluster(service, cost)
    if check is not None and check.proxy_protocol:
        return cluster(service, ClientIP.UNCHANGED, "PROXY protocol v2 is on and keeps carrying it.")
    how = "set the target group attribute proxy_protocol_v2.enabled=true"
    if consumer.kind == "Service":
        how = f"set the annotation {NLB}proxy-protocol=* on Service {consumer.namespace}/{consumer.name}"
    return cluster(
        service,
        ClientIP.LOST,
        f"To keep the client's address, let the pods accept PROXY protocol v2, then {how}. Do this after the "
        "patch and not before it, because PROXY protocol breaks the HTTP check of Local.",
    )


def _one_listener(service: Service, consumer: Consumer) -> Advice:
    return Advice(
        "Let one listener serve TCP and UDP",
        "Both ports must have the same node port. The controller can do this since v2.13.0.",
        "Cost: it makes a new target group, and requests are lost until its targets are registered and healthy.",
        *annotate(service, consumer, enable_tcp_udp_listener="true"),
    )


def _find_out(service: Service, verdict: ConsumerVerdict) -> Iterable[Advice]:
    consumer = verdict.consumer
    settings = consumer.check.settings if consumer.check else None
    match verdict.reason.code:
        case code if code == SHARED:
            yield _one_listener(service, consumer)
        case "RegistrationBlocked":
            yield Advice(
                "Find the node that cannot be registered, and exclude it",
                "It keeps the controller from registering and removing any node. The last part of a providerID "
                "must begin with i-.",
                "",
                "kubectl get nodes -o custom-columns=NAME:.metadata.name,PROVIDER:.spec.providerID\n"
                f"kubectl label node NODE {EXCLUDE_LABEL}=true",
            )
        case "HealthCheckPortNotModelled" if verdict.uncovered:
            if consumer.kind == "TargetGroupBinding":
                yield _look(service, consumer)
            yield from _probe_the_node_port(service, consumer)
            if settings and settings.port.isdigit():
                yield Advice(
                    f"If every node answers on port {settings.port}, run etpguard with "
                    f"--answers-everywhere-ports={settings.port}"
                )
            yield pod_targets(service, consumer)
        case "NoNodePort":
            yield pod_targets(service, consumer)
        case "TargetsCapped":
            yield pod_targets(service, consumer)
