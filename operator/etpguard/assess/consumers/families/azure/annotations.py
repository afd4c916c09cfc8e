"""The annotations of the Azure load balancer, as cloud-provider-azure 7b31c76 pkg/provider reads them."""

from __future__ import annotations

from etpguard.objects import Service, ServicePort

PREFIX = "service.beta.kubernetes.io/"
PROTOCOL = f"{PREFIX}azure-load-balancer-health-probe-protocol"
PATH = f"{PREFIX}azure-load-balancer-health-probe-request-path"
INTERNAL = f"{PREFIX}azure-load-balancer-internal"
_ALL_PORTS = f"{PREFIX}azure-load-balancer-enable-high-availability-ports"
NOT_FLOATING = f"{PREFIX}azure-disable-load-balancer-floating-ip"
"""With floating IP, the default, the load balancer sends to the port of the Service, and needs no node port:
azure_loadbalancer.go:3314."""
CONFIGURATIONS = f"{PREFIX}azure-load-balancer-configurations"
_PLS, PLS_PROXY = f"{PREFIX}azure-pls-create", f"{PREFIX}azure-pls-proxy-protocol"


def of_port(port: ServicePort, what: str) -> str:
    """The annotation for one port, by its number: consts.BuildAnnotationKeyForPort and
    BuildHealthProbeAnnotationKeyForPort."""
    return f"{PREFIX}port_{port.port}_{what}"


def is_true(service: Service, annotation: str) -> bool:
    """consts/helpers.go expectAttributeInSvcAnnotationBeEqualTo: in any case, and spaces count."""
    return service.annotations.get(annotation, "").lower() == "true"


def is_proxied(service: Service) -> bool:
    """Whether it is behind a private link service with PROXY protocol."""
    return is_true(service, _PLS) and is_true(service, PLS_PROXY)


def one_rule(service: Service) -> bool:
    """Whether one rule takes all ports and protocols. The probe of the healthCheckNodePort is then that of the
    rule, whatever the annotations of the ports: azure_loadbalancer.go getExpectedLBRules."""
    return is_true(service, INTERNAL) and is_true(service, _ALL_PORTS)


def has_rule(service: Service, port: ServicePort) -> bool:
    return one_rule(service) or not is_true(service, of_port(port, "no_lb_rule"))
