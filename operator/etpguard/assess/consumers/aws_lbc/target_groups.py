"""The target group that an ALB gets for one port of a Service.

aws-load-balancer-controller v3.5.0, pkg/ingress/model_build_target_group.go. It never reads
externalTrafficPolicy or healthCheckNodePort. Annotations of the Service go before those of the Ingress.
"""

from __future__ import annotations

from etpguard.assess.consumers.aws_lbc.annotations import ALB, Annotations, ModelError, parse_port
from etpguard.assess.consumers.aws_lbc.health_checks import (
    TRAFFIC_PORT,
    Check,
    accepts,
    on_number,
    on_traffic_port,
)
from etpguard.assess.consumers.aws_lbc.node_rules import labels_selector
from etpguard.assess.consumers.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.aws_lbc.targets import Targets
from etpguard.assess.consumers.interface import HealthCheck, View
from etpguard.objects import Ingress, IPFamily, Service, ServicePort
from etpguard.objects.aws import IngressClassParamsSpec

_GRPC = "GRPC"
_INTEGERS = (
    "healthcheck-interval-seconds",
    "healthcheck-timeout-seconds",
    "healthy-threshold-count",
    "unhealthy-threshold-count",
)


def port_of(service: Service, reference: int | str, ingress: Ingress) -> ServicePort:
    """LookupServicePort (pkg/k8s/service_utils.go:10-26): by name, or by `port`, never by targetPort."""
    port = service.port(reference)
    if port is None:
        raise ModelError(
            "PortNotFound",
            f"Ingress {ingress.key} names port {reference!r} of Service {service.key}, which has no such port",
        )
    return port


def alb_targets(
    service: Service, ingress: Ingress, params: IngressClassParamsSpec, options: AwsOptions
) -> Targets:
    """Target type (L164, L255-272): IngressClassParams, Service, Ingress, --default-target-type."""
    annotations = Annotations(ALB, ("Service", service), ("Ingress", ingress))
    source = ""
    if params.target_type:
        target_type = params.target_type
    elif annotations.get("target-type") is not None:
        target_type = annotations.choice("target-type", "", ("instance", "ip"))
    else:
        target_type, source = options.default_target_type, options.told("default_target_type")
    families = alb_families(service)
    if target_type != "instance":
        return Targets(target_type, families, source=source)
    return Targets(target_type, families, labels_selector(annotations.labels("target-node-labels")), source=source)


def alb_families(service: Service) -> tuple[IPFamily, ...]:
    """One family for each target group: IPv6 as soon as the Service has it (buildTargetGroupIPAddressType)."""
    return ("IPv6",) if "IPv6" in (service.spec.ip_families or ()) else ("IPv4",)


def alb_check(service: Service, port: ServicePort, ingress: Ingress, view: View) -> Check:
    """The health check of instance targets (L303-409)."""
    annotations = Annotations(ALB, ("Service", service), ("Ingress", ingress))
    backend = annotations.choice("backend-protocol", "HTTP", ("HTTP", "HTTPS"))
    version = annotations.choice("backend-protocol-version", "HTTP1", ("HTTP1", "HTTP2", _GRPC))
    raw = annotations.get("healthcheck-port")
    number = TRAFFIC_PORT if raw is None else _check_port(annotations, raw, service)
    protocol = annotations.choice("healthcheck-protocol", backend, ("HTTP", "HTTPS"))
    path = annotations.get("healthcheck-path") or ("/AWS.ALB/healthcheck" if version == _GRPC else "/")
    codes = annotations.get("success-codes") or ("12" if version == _GRPC else "200")
    try:
        accepts(codes, 200)
    except ValueError as error:
        raise annotations.error("success-codes", "is no list of codes or ranges") from error
    for suffix in _INTEGERS:
        annotations.integer(suffix)
    shown = HealthCheck(raw or TRAFFIC_PORT, protocol, path, codes)
    if isinstance(number, str):
        return on_traffic_port(shown, port, service)
    grpc = version == _GRPC
    return on_number(shown, number, service, view, by_hand=True, grpc=grpc)


def _check_port(annotations: Annotations, raw: str, service: Service) -> int | str:
    """L385-409: traffic-port, a number as it is, or the name of a Service port for its node port."""
    if raw == TRAFFIC_PORT:
        return raw
    number = parse_port(raw)
    if isinstance(number, int):
        return number
    named = service.port(raw)
    if named is None:
        raise annotations.error("healthcheck-port", f"is neither a number nor a port of Service {service.key}")
    return named.node_port or 0
