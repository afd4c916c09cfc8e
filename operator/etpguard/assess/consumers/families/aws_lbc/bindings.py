"""TargetGroupBindings: the targets that the controller registers, and the object that each was made for.

aws-load-balancer-controller v3.5.0: apis/elbv2/v1beta1/targetgroupbinding_types.go:126-174,
pkg/deploy/tracking/provider.go:133-144 (owner labels).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from etpguard.assess.consumers.families.aws_lbc.node_rules import node_rule
from etpguard.assess.consumers.families.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.families.aws_lbc.targets import MULTI_CLUSTER, TargetGroup
from etpguard.objects import IPFamily, Key, Service
from etpguard.objects.aws import TARGET_GROUP_BINDING, TargetGroupBinding
from etpguard.objects.records import presence_key

_PREFIXES = {
    "ingress.k8s.aws": "Ingress",
    "service.k8s.aws": "Service",
    "gateway.k8s.aws.alb": "Gateway",
    "gateway.k8s.aws.nlb": "Gateway",
}

PROTOCOLS = {
    "TCP": ("TCP",),
    "TLS": ("TCP",),
    "UDP": ("UDP",),
    "QUIC": ("UDP",),
    "TCP_UDP": ("TCP", "UDP"),
    "TCP_QUIC": ("TCP", "UDP"),
}
"""The protocols of the ports of a Service that a target group of an NLB serves, by its own protocol."""


class Owner(NamedTuple):
    """The object whose load balancer the controller made the binding for. An explicit Ingress group has a
    name and no namespace."""

    kind: str
    namespace: str
    name: str
    load_balancer: str
    """"alb" or "nlb"."""


def owner_of(binding: TargetGroupBinding) -> Owner | None:
    """The object that the controller made the binding for; None for a binding that a person wrote."""
    labels = binding.labels
    for prefix, kind in _PREFIXES.items():
        load_balancer = "nlb" if prefix in ("service.k8s.aws", "gateway.k8s.aws.nlb") else "alb"
        if group := labels.get(f"{prefix}/stack"):
            return Owner(kind, "", group, load_balancer)
        if name := labels.get(f"{prefix}/stack-name"):
            return Owner(kind, labels.get(f"{prefix}/stack-namespace", ""), name, load_balancer)
    return None


OF_ANY_INGRESS = presence_key(TARGET_GROUP_BINDING.name, "Ingress")
"""The key of the index to which each binding refers that the controller made for an Ingress."""


def of_any_ingress(binding: TargetGroupBinding) -> tuple[Key, ...]:
    owner = owner_of(binding)
    return (OF_ANY_INGRESS,) if owner and owner.kind == "Ingress" else ()


def targets_of(binding: TargetGroupBinding, options: AwsOptions) -> TargetGroup:
    """The targets that the binding registers. `target_type` is "" where the binding has none, as in a
    manifest: webhooks/elbv2/targetgroupbinding_mutator.go fills it in."""
    spec = binding.spec
    family: IPFamily = "IPv6" if spec.ip_address_type == "ipv6" else "IPv4"
    rule = node_rule(spec.node_selector, options) if spec.target_type == "instance" else None
    others = MULTI_CLUSTER if spec.multi_cluster_target_group else None
    return TargetGroup(spec.target_type or "", (family,), rule, other_targets=others)


def by_label(
    bindings: Iterable[TargetGroupBinding], service: Service
) -> dict[str | None, list[TargetGroupBinding]]:
    """The bindings by the label of the port of the Service that each one is for. Bindings for a port that the
    Service does not have are left out."""
    found: dict[str | None, list[TargetGroupBinding]] = {}
    for binding in bindings:
        label = label_of(service, binding.spec.service_ref.port)
        if label is not None:
            found.setdefault(label, []).append(binding)
    return found


def references(service: Service, reference: int | str, protocol: str = "TCP_UDP") -> list[int | str]:
    """The ports of the Service that a listener of `protocol` serves, where the listener names a number. TCP and
    UDP may share a number; they are two ports with a node port and endpoints each. The result then has their
    names."""
    ports = service.ports_numbered(reference) if isinstance(reference, int) else []
    if len(ports) < 2:
        return [reference]
    served = PROTOCOLS.get(protocol, ("TCP", "UDP", "SCTP"))
    return [port.label for port in ports if port.transport in served] or [reference]


def label_of(service: Service, reference: int | str) -> str | None:
    """The label of the port that `reference` means, by name or by number; None if the Service has no such port."""
    port = service.port(reference)
    return None if port is None else port.label
