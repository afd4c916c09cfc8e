"""The records of the AWS Load Balancer Controller's group elbv2.k8s.aws, with the fields that a rule reads.

Field names: aws-load-balancer-controller v3.5.0, apis/elbv2/v1beta1. The records for Gateways are in `gateways`.
"""

from __future__ import annotations

from collections.abc import Iterable

from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.records import AnnotatedRecord, Key, LabelledRecord, Selector, Shape


class ServiceReference(Shape, frozen=True):
    """`port` is a number or the name of a port of the Service."""

    name: str
    port: int | str


class TargetGroupBindingSpec(Shape, frozen=True):
    service_ref: ServiceReference
    target_type: str | None = None
    node_selector: Selector | None = None
    ip_address_type: str | None = None
    multi_cluster_target_group: bool | None = None
    target_group_protocol: str | None = None


class TargetGroupBinding(LabelledRecord, frozen=True):
    """Binds a target group to a port of a Service in its own namespace."""

    spec: TargetGroupBindingSpec

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.labels, self.deleting, self.spec)

    @property
    def service(self) -> Key:
        return Key(self.key.namespace, self.spec.service_ref.name)


class IngressGroup(Shape, frozen=True):
    name: str = ""


class IngressClassParamsSpec(Shape, frozen=True):
    group: IngressGroup | None = None
    namespace_selector: Selector | None = None
    target_type: str | None = None
    ip_address_type: str | None = None
    certificate_arn: list[str] | None = None
    ssl_redirect_port: str | None = None


class IngressClassParams(AnnotatedRecord, frozen=True):
    spec: IngressClassParamsSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


def _bound(binding: TargetGroupBinding) -> Iterable[Key]:
    return (binding.service,)


TARGET_GROUP_BINDING = Kind(
    "TargetGroupBinding",
    "targetgroupbindings",
    "elbv2.k8s.aws",
    "v1beta1",
    TargetGroupBinding,
    refers=_bound,
)
INGRESS_CLASS_PARAMS = Kind(
    "IngressClassParams",
    "ingressclassparams",
    "elbv2.k8s.aws",
    "v1beta1",
    IngressClassParams,
    namespaced=False,
    reach=Reach.EVERYTHING,
    refines=True,
)
