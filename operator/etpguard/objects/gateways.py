"""The records that decide on the load balancers of Gateways: those of the Gateway API, and the configurations of
the AWS Load Balancer Controller that they refer to.

Field names: aws-load-balancer-controller v3.5.0, apis/gateway/v1beta1, and v1, which is new there.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from etpguard.objects.kinds import Kind
from etpguard.objects.records import Key, LabelledRecord, Shape, index_key


class HealthCheckMatcher(Shape, frozen=True):
    http_code: str | None = None
    grpc_code: str | None = msgspec.field(name="grpcCode", default=None)


class HealthCheckConfig(Shape, frozen=True):
    health_check_port: str | None = None
    health_check_protocol: str | None = None
    health_check_path: str | None = None
    matcher: HealthCheckMatcher | None = None


class TargetGroupAttribute(Shape, frozen=True):
    key: str = ""
    value: str = ""


class TargetGroupProps(Shape, frozen=True):
    health_check_config: HealthCheckConfig | None = None
    protocol: str | None = None
    protocol_version: str | None = None
    target_group_attributes: list[TargetGroupAttribute] | None = None

    @property
    def attributes(self) -> dict[str, str]:
        return {each.key: each.value for each in self.target_group_attributes or ()}


class RouteConfiguration(Shape, frozen=True):
    target_group_props: TargetGroupProps | None = None


class TargetReference(Shape, frozen=True):
    name: str = ""
    group: str | None = None
    kind: str | None = None


class TargetGroupConfigurationSpec(Shape, frozen=True):
    target_reference: TargetReference | None = None
    default_configuration: TargetGroupProps | None = None
    route_configurations: list[RouteConfiguration] | None = None


class TargetGroupConfiguration(LabelledRecord, frozen=True):
    """The settings of the target groups of one Service, or the default ones that others refer to."""

    spec: TargetGroupConfigurationSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)

    @property
    def service(self) -> Key | None:
        reference = self.spec.target_reference if self.spec else None
        if reference is None or not reference.name or reference.group or reference.kind not in (None, "Service"):
            return None
        return Key(self.key.namespace, reference.name)


class NameReference(Shape, frozen=True):
    name: str = ""


class LoadBalancerConfigurationSpec(Shape, frozen=True):
    default_target_group_configuration: NameReference | None = None
    merging_mode: str | None = None


class LoadBalancerConfiguration(LabelledRecord, frozen=True):
    spec: LoadBalancerConfigurationSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


class ParametersReference(Shape, frozen=True):
    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str | None = None


class GatewayInfrastructure(Shape, frozen=True):
    parameters_ref: ParametersReference | None = None


class GatewaySpec(Shape, frozen=True):
    gateway_class_name: str = ""
    infrastructure: GatewayInfrastructure | None = None


class Gateway(LabelledRecord, frozen=True):
    spec: GatewaySpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


class GatewayClassSpec(Shape, frozen=True):
    parameters_ref: ParametersReference | None = None


class GatewayClass(LabelledRecord, frozen=True):
    spec: GatewayClassSpec | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.deleting, self.spec)


def _configured(configuration: TargetGroupConfiguration) -> Iterable[Key]:
    own = index_key(TARGET_GROUP_CONFIGURATION.name, configuration.key)
    return (own, configuration.service) if configuration.service else (own,)


TARGET_GROUP_CONFIGURATION = Kind(
    "TargetGroupConfiguration",
    "targetgroupconfigurations",
    "gateway.k8s.aws",
    "v1beta1",
    TargetGroupConfiguration,
    equal_versions=("gateway.k8s.aws/v1",),
    refers=_configured,
    refines=True,
    beyond_namespace=True,
)
LOAD_BALANCER_CONFIGURATION = Kind(
    "LoadBalancerConfiguration",
    "loadbalancerconfigurations",
    "gateway.k8s.aws",
    "v1beta1",
    LoadBalancerConfiguration,
    equal_versions=("gateway.k8s.aws/v1",),
    refers=lambda config: (index_key("LoadBalancerConfiguration", config.key),),
    refines=True,
    beyond_namespace=True,
)
GATEWAY = Kind(
    "Gateway",
    "gateways",
    "gateway.networking.k8s.io",
    "v1",
    Gateway,
    refers=lambda gateway: (index_key("Gateway", gateway.key),),
    refines=True,
    beyond_namespace=True,
)
GATEWAY_CLASS = Kind(
    "GatewayClass",
    "gatewayclasses",
    "gateway.networking.k8s.io",
    "v1",
    GatewayClass,
    namespaced=False,
    refers=lambda class_: (index_key("GatewayClass", class_.key),),
    refines=True,
)
