"""TargetGroupBindings: what the controller really registers, and whose object each leads back to.

aws-load-balancer-controller v3.5.0: apis/elbv2/v1beta1/targetgroupbinding_types.go:126-174,
pkg/deploy/tracking/provider.go:133-144 (owner labels).
"""

from __future__ import annotations

from typing import NamedTuple

from etpguard.assess.consumers.aws_lbc.targets import Targets
from etpguard.objects import IPFamily, Service
from etpguard.objects.aws import TargetGroupBinding

_PREFIXES = {
    "ingress.k8s.aws": "Ingress",
    "service.k8s.aws": "Service",
    "gateway.k8s.aws.alb": "Gateway",
    "gateway.k8s.aws.nlb": "Gateway",
}


class Owner(NamedTuple):
    """The object whose load balancer the controller made the binding for. An explicit Ingress group has a
    name and no namespace."""

    kind: str
    namespace: str
    name: str
    load_balancer: str
    """"alb" or "nlb"."""


def owner_of(binding: TargetGroupBinding) -> Owner | None:
    """None for a binding that somebody wrote by hand."""
    labels = binding.labels
    for prefix, kind in _PREFIXES.items():
        load_balancer = "nlb" if prefix in ("service.k8s.aws", "gateway.k8s.aws.nlb") else "alb"
        if group := labels.get(f"{prefix}/stack"):
            return Owner(kind, "", group, load_balancer)
        if name := labels.get(f"{prefix}/stack-name"):
            return Owner(kind, labels.get(f"{prefix}/stack-namespace", ""), name, load_balancer)
    return None


def targets_of(binding: TargetGroupBinding) -> Targets:
    """`target_type` "" where the binding has none, which the controller does not take."""
    spec = binding.spec
    family: IPFamily = "IPv6" if spec.ip_address_type == "ipv6" else "IPv4"
    return Targets(spec.target_type or "", (family,), spec.node_selector)


def bound_to(binding: TargetGroupBinding, service: Service, reference: int | str) -> bool:
    """Whether the binding is for the same port of the Service as `reference` is, by name or by number."""
    port = service.port(binding.spec.service_ref.port)
    return port is not None and port == service.port(reference)
