"""The target group that an ALB gets for one port of a Service.

aws-load-balancer-controller v3.5.0, pkg/ingress/model_build_target_group.go. It never reads externalTrafficPolicy
or healthCheckNodePort. Annotations of the Service override those of the Ingress. What does not depend on the port
is read once for each pair of Service and Ingress.
"""

from __future__ import annotations

from typing import NamedTuple

from etpguard.assess.consumers.families.aws_lbc.annotations import ALB, Annotations, ModelError, parse_port
from etpguard.assess.consumers.families.aws_lbc.health_checks import (
    TRAFFIC_PORT,
    accepts,
    on_number,
    on_traffic_port,
)
from etpguard.assess.consumers.families.aws_lbc.node_rules import labels_selector, node_rule
from etpguard.assess.consumers.families.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.families.aws_lbc.targets import MULTI_CLUSTER, TargetGroup
from etpguard.assess.consumers.shared.aws_target_groups import minimum_healthy
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck
from etpguard.assess.consumers.view import View
from etpguard.assess.resilience import MinimumHealthy
from etpguard.objects import Ingress, IPFamily, Service, ServicePort
from etpguard.objects.aws import IngressClassParamsSpec

_GRPC = "GRPC"
_INTEGERS = (
    "healthcheck-interval-seconds",
    "healthcheck-timeout-seconds",
    "healthy-threshold-count",
    "unhealthy-threshold-count",
)


class AlbCheck(NamedTuple):
    """The health check of an ALB's instance targets; `number` is a port of the node, None for the traffic port.
    `minimum` is the number of healthy targets below which the ALB sends to all."""

    settings: CheckSettings
    number: int | None
    grpc: bool
    minimum: MinimumHealthy

    def of(self, port: ServicePort, service: Service, view: View) -> HealthCheck:
        if self.number is None:
            return on_traffic_port(self.settings, port, service)
        return on_number(self.settings, self.number, service, view, grpc=self.grpc)


def port_of(service: Service, reference: int | str, ingress: Ingress) -> ServicePort:
    """The port by its name or its number, never by its targetPort: LookupServicePort
    (pkg/k8s/service_utils.go:10-26)."""
    port = service.port(reference)
    if port is None:
        raise ModelError(
            "PortNotFound",
            f"Ingress {ingress.key} names port {reference!r} of Service {service.key}, which has no such port",
        )
    return port


def alb_group(
    service: Service, ingress: Ingress, params: IngressClassParamsSpec, options: AwsOptions
) -> TargetGroup:
    """The target group. The target type comes from the IngressClassParams, else the Service, else the Ingress,
    else --default-target-type (L164, L255-272)."""
    annotations = Annotations(ALB, ("Service", service), ("Ingress", ingress))
    source = ""
    if params.target_type:
        target_type = params.target_type
    elif annotations.get("target-type") is not None:
        target_type = annotations.choice("target-type", "", ("instance", "ip"))
    else:
        target_type, source = options.default_target_type, options.described("default_target_type")
    families = alb_families(service)
    if target_type != "instance":
        return TargetGroup(target_type, families, source=source)
    selector = labels_selector(annotations.labels("target-node-labels"))
    # Either object turns it on, unlike all other annotations: buildTargetGroupBindingMultiClusterFlag.
    owners = (("Ingress", ingress), ("Service", service))
    shared = any(Annotations(ALB, owner).boolean("multi-cluster-target-group") for owner in owners)
    return TargetGroup(
        target_type, families, node_rule(selector, options), source, MULTI_CLUSTER if shared else None
    )


def alb_families(service: Service) -> tuple[IPFamily, ...]:
    """One family for each target group: IPv6 as soon as the Service has it (buildTargetGroupIPAddressType)."""
    return ("IPv6",) if "IPv6" in (service.spec.ip_families or ()) else ("IPv4",)


def alb_check(service: Service, ingress: Ingress) -> AlbCheck:
    """The health check of instance targets (L303-409)."""
    annotations = Annotations(ALB, ("Service", service), ("Ingress", ingress))
    backend = annotations.choice("backend-protocol", "HTTP", ("HTTP", "HTTPS"))
    version = annotations.choice("backend-protocol-version", "HTTP1", ("HTTP1", "HTTP2", _GRPC))
    raw = annotations.get("healthcheck-port")
    number = None if raw is None else _check_port(annotations, raw, service)
    protocol = annotations.choice("healthcheck-protocol", backend, ("HTTP", "HTTPS"))
    path = annotations.get("healthcheck-path") or ("/AWS.ALB/healthcheck" if version == _GRPC else "/")
    codes = annotations.get("success-codes") or ("12" if version == _GRPC else "200")
    try:
        accepts(codes, 200)
    except ValueError as error:
        raise annotations.error("success-codes", "is no list of codes or ranges") from error
    for suffix in _INTEGERS:
        annotations.integer(suffix)
    minimum = minimum_healthy(annotations.pairs("target-group-attributes"), by_zone=False)
    return AlbCheck(CheckSettings(raw or TRAFFIC_PORT, protocol, path, codes), number, version == _GRPC, minimum)


def _check_port(annotations: Annotations, raw: str, service: Service) -> int | None:
    """L385-409: traffic-port, a number as it is, or the name of a Service port for its node port."""
    if raw == TRAFFIC_PORT:
        return None
    number = parse_port(raw)
    if isinstance(number, int):
        return number
    named = service.port(raw)
    if named is None:
        raise annotations.error("healthcheck-port", f"is neither a number nor a port of Service {service.key}")
    return named.node_port or 0
