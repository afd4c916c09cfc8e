"""How to move a health check to where the traffic of the Service is forwarded."""

from __future__ import annotations

from typing import NamedTuple

from etpguard.assess.consumers.changes import Step
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.aws_lbc.annotations import NLB
from etpguard.assess.consumers.families.aws_lbc.commands import annotate, arn, configuration
from etpguard.assess.consumers.remedies import asks_the_pods
from etpguard.assess.consumers.shared.aws_target_groups import PROXIED, is_nlb
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck
from etpguard.objects import Service


class Moved(NamedTuple):
    """How to move a health check off a port that another answers on, and what it asks afterwards."""

    effect: str
    step: Step


def only_udp(service: Service, consumer: Consumer) -> bool:
    """Whether no health check reaches the node port, since each uses TCP."""
    port = service.port(consumer.port)
    return port is not None and port.transport == "UDP" and service.tcp_port_on(port.node_port or 0) is None


def to_traffic_port(service: Service, consumer: Consumer) -> Moved | None:
    """None where no setting that a command can make lets the check ask where the traffic is forwarded.

    Under Local, the controller's default for an NLB is HTTP /healthz on every port, which the pods may not answer:
    so each NLB gets TCP with it. An ALB cannot use TCP."""
    check = consumer.check
    proxied = check is not None and check.proxy_protocol
    own = consumer.kind == "Service" and _has_health_check_node_port(service, consumer)
    if only_udp(service, consumer):
        if not own or (proxied and f"{NLB}proxy-protocol" not in service.annotations):
            return None
        return _by_default(service, consumer, "proxy_protocol") if proxied else _by_default(service, consumer)
    match consumer.kind:
        case "Service" if own and not proxied:
            return _by_default(service, consumer)
        case "Service":
            both = (
                "This changes the check of both Services: the load balancer probes Service "
                f"{service.key.name} on a port of Service {consumer.name}, whose pods may be on other nodes."
            )
            return Moved(
                "" if consumer.name == service.key.name else both,
                annotate(service, consumer, healthcheck_port="traffic-port", healthcheck_protocol="tcp"),
            )
        case "Gateway" if is_nlb(consumer):
            on = {"targetGroupAttributes": [{"key": PROXIED, "value": "true"}]} if proxied else {}
            connects = {"healthCheckPort": "traffic-port", "healthCheckProtocol": "TCP"}
            return Moved(_WHOLE_CHECK, configuration(service, consumer, {"healthCheckConfig": connects}, on))
        case "Gateway":
            asks = kept_check(check.settings if check else None)
            step = configuration(service, consumer, {"healthCheckConfig": asks})
            return Moved(f"{_asked(check)} {_WHOLE_CHECK}".lstrip(), step)
        case "Ingress":
            moved = annotate(service, consumer, healthcheck_port="traffic-port")
        case _:
            group = f"--target-group-arn {arn(consumer)}"
            moved = Step(f"aws elbv2 modify-target-group {group} --health-check-port traffic-port", ())
    return Moved(_asked(check), moved)


def _by_default(service: Service, consumer: Consumer, *others: str) -> Moved:
    """Without the annotations of the health check, and without `others`."""
    removed = ("healthcheck_port", "healthcheck_protocol", "healthcheck_success_codes", *others)
    return Moved(
        "Without these annotations it uses HTTP on the healthCheckNodePort with Local, and TCP on the node port "
        "with Cluster.",
        annotate(service, consumer, **dict.fromkeys(removed)),
    )


_WHOLE_CHECK = (
    "It replaces the whole health check of a default configuration of the Gateway: copy interval, timeout and "
    "thresholds from there."
)
"""docs/guide/gateway/targetgroupconfig.md: the merge takes the health check as one field."""


def kept_check(settings: CheckSettings | None) -> dict[str, object]:
    """The health check on the traffic port with its present protocol, path and codes, which may come from the
    default configuration of the Gateway."""
    kept: dict[str, object] = {"healthCheckPort": "traffic-port"}
    if settings is not None and settings.path:
        kept |= {"healthCheckProtocol": settings.protocol, "healthCheckPath": settings.path}
        grpc = len(settings.success_codes.partition("-")[0].partition(",")[0].strip()) < 3
        kept["matcher"] = {"grpcCode" if grpc else "httpCode": settings.success_codes}
    return kept


def _has_health_check_node_port(service: Service, consumer: Consumer) -> bool:
    return consumer.name == service.key.name and service.type == "LoadBalancer"


def _asked(check: HealthCheck | None) -> str:
    """What the check asks of the pods once it is on the node port."""
    if check is None or check.settings is None:
        return "An HTTP check then asks its path of the pods, and they must answer it with success."
    return asks_the_pods(check.settings)
