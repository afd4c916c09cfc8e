"""How each controller takes the labels of the nodes that it targets. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from etpguard.assess import Assessment
from etpguard.cluster import Picture
from etpguard.foresight.changes import Applied, Refused, TargetNodes
from etpguard.objects import SERVICE, Selector, Service
from etpguard.objects.aws import TARGET_GROUP_BINDING

_AWS_LBC = "aws-load-balancer-controller"
_INGRESS = "alb.ingress.kubernetes.io/target-node-labels"
_AWS_SERVICE = "service.beta.kubernetes.io/aws-load-balancer-target-node-labels"
_OF_FAMILY = {
    "aws-cloud-provider": _AWS_SERVICE,
    "hcloud": "load-balancer.hetzner.cloud/node-selector",
    "openstack": "loadbalancer.openstack.org/node-selector",
}
"""The annotations of Services; see `assess.consumers` for the sources."""


def applied(change: TargetNodes, picture: Picture, assessment: Assessment) -> list[Applied]:
    """The objects as they will be. Raises Refused where a consumer takes no node selector, or there is none."""
    service = picture.get(SERVICE, change.service)
    assert service is not None
    annotations: dict[str, str] = {}
    without: list[str] = []
    for verdict in assessment.consumers:
        consumer = verdict.consumer
        if consumer.targets.rule is None:
            continue
        name = _annotation(consumer.family, consumer.kind)
        if name == "":
            without.append(f"{consumer.kind} {consumer.namespace}/{consumer.name} ({consumer.controller})")
        elif name is not None:
            annotations[name] = change.selector
    bound = list(_bindings(change, picture, service))
    if without or not (annotations or bound):
        who = without[0] if without else f"Service {change.service} has no consumer"
        raise Refused(f"{who}: etpguard knows no node selector of it")
    metadata = msgspec.structs.replace(service.metadata, annotations={**service.annotations, **annotations})
    return [Applied(SERVICE, msgspec.structs.replace(service, metadata=metadata)), *bound]


def _annotation(family: str, kind: str) -> str | None:
    """The annotation of the Service that this consumer reads: None for a TargetGroupBinding, which has a field,
    and "" where there is none."""
    if family == _AWS_LBC:
        return {"Ingress": _INGRESS, "Service": _AWS_SERVICE, "TargetGroupBinding": None}.get(kind, "")
    return _OF_FAMILY.get(family, "")


def _bindings(change: TargetNodes, picture: Picture, service: Service) -> Iterable[Applied]:
    """The TargetGroupBindings of the Service: the controller writes the labels of the annotation into them."""
    if TARGET_GROUP_BINDING not in picture.kinds:
        return
    for binding in picture.referring(TARGET_GROUP_BINDING, service.key):
        if binding.spec.target_type != "ip":
            spec = msgspec.structs.replace(binding.spec, node_selector=Selector(labels(change.selector)))
            yield Applied(TARGET_GROUP_BINDING, msgspec.structs.replace(binding, spec=spec))


def labels(selector: str) -> dict[str, str]:
    """The labels of `k=v,k=v`. Raises Refused for another form."""
    found: dict[str, str] = {}
    for part in selector.split(","):
        key, equals, value = part.strip().partition("=")
        if not equals or not key:
            raise Refused(f"{selector!r} is not LABEL=VALUE")
        found[key] = value
    return found
