"""A Gateway as a consumer, by the TargetGroupBindings that the controller made for it.

aws-load-balancer-controller v3.5.0: pkg/gateway/model/model_build_target_group.go,
pkg/gateway/routeutils/backend_service.go, controllers/gateway/gateway_config_resolver.go,
docs/guide/gateway/targetgroupconfig.md. etpguard does not read routes: where the health check depends on the
route, it is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.aws_lbc import proxy_protocol
from etpguard.assess.consumers.families.aws_lbc.annotations import ModelError, parse_port
from etpguard.assess.consumers.families.aws_lbc.bindings import Owner, targets_of
from etpguard.assess.consumers.families.aws_lbc.health_checks import (
    TRAFFIC_PORT,
    accepts,
    health_check_node_port,
    on_number,
    on_traffic_port,
    unknown_check,
)
from etpguard.assess.consumers.families.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.families.aws_lbc.targets import Sender, consumer
from etpguard.assess.consumers.shared.aws_target_groups import PROXIED, minimum_healthy
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck
from etpguard.assess.consumers.view import View
from etpguard.assess.resilience import MinimumHealthy
from etpguard.objects import AnyKind, Key, Service, ServicePort
from etpguard.objects.aws import TargetGroupBinding
from etpguard.objects.gateways import (
    GATEWAY,
    GATEWAY_CLASS,
    LOAD_BALANCER_CONFIGURATION,
    TARGET_GROUP_CONFIGURATION,
    HealthCheckConfig,
    LoadBalancerConfiguration,
    ParametersReference,
    TargetGroupAttribute,
    TargetGroupConfiguration,
    TargetGroupConfigurationSpec,
    TargetGroupProps,
)
from etpguard.objects.records import index_key

GATEWAY_KINDS: tuple[AnyKind, ...] = (
    TARGET_GROUP_CONFIGURATION,
    LOAD_BALANCER_CONFIGURATION,
    GATEWAY,
    GATEWAY_CLASS,
)
_NONE = TargetGroupProps()


def gateway_consumer(
    service: Service,
    reference: int | str,
    binding: TargetGroupBinding,
    owner: Owner,
    view: View,
    options: AwsOptions,
) -> Consumer:
    """The consumer of the port that `reference` names, one of those that the binding is for."""
    sender = Sender("Gateway", owner.namespace, owner.name, f"gateway.k8s.aws/{owner.load_balancer}")
    port = service.port(reference)
    group = targets_of(binding, options)
    check, minimum = None, MinimumHealthy()
    configured_by: tuple[Key, ...] | None = ()
    if port and group.target_type == "instance":
        configuration = view.once(
            f"{owner.load_balancer} of Gateway {owner.namespace}/{owner.name}",
            service,
            lambda _: _Configuration(Key(owner.namespace, owner.name), owner.load_balancer, service, view),
        )
        check, minimum = configuration.check(port), configuration.minimum
        configured_by = configuration.of_service
    made = consumer(sender, service, reference, group, check, options, minimum)
    return replace(made, configured_by=configured_by)


_MOST_SETTINGS = 256
"""The most alternatives of one Service that are compared. Where routes define more, the health check is not
known."""
_BY_ROUTE = "it depends on the route, by a TargetGroupConfiguration"


class _Setting(NamedTuple):
    """One way in which the health check may be configured, the same for each port. `number` is a port of the node,
    "" for the traffic port, None for the healthCheckNodePort."""

    settings: CheckSettings
    number: int | str | None
    grpc: bool = False
    proxy_protocol: bool = False
    minimum: MinimumHealthy = MinimumHealthy()


class _Configuration:
    """The settings of the target groups of one Gateway for one Service, read once for all of its ports."""

    def __init__(self, gateway: Key, load_balancer: str, service: Service, view: View) -> None:
        self._gateway = gateway
        self._service = service
        self._view = view
        self._reads = {index_key(GATEWAY.name, gateway)}
        self._error = ""
        self._setting: _Setting | None = None
        self.of_service: tuple[Key, ...] | None = None
        """The TargetGroupConfigurations of the Service; None if they cannot be read."""
        unseen = {kind: why for kind in GATEWAY_KINDS if (why := view.unseen(kind))}
        if TARGET_GROUP_CONFIGURATION not in unseen:
            self.of_service = tuple(each.key for each in self._configured())
        for kind, why in unseen.items():
            self._error = f"a {kind.name} may set the health check, and these cannot be read: {why}"
            return
        try:
            every = list(islice(self._props(), _MOST_SETTINGS + 1))
            found = {_setting(props, load_balancer, service) for props in every}
            self._setting = found.pop() if len(found) == 1 and len(every) <= _MOST_SETTINGS else None
            self._error = "" if self._setting else _BY_ROUTE
        except ModelError as error:
            self._error = error.reason.detail

    @property
    def minimum(self) -> MinimumHealthy:
        return self._setting.minimum if self._setting else MinimumHealthy()

    def check(self, port: ServicePort) -> HealthCheck:
        made = self._check(port, self._setting) if self._setting else unknown_check(self._error)
        return replace(made, reads=made.reads | self._reads)

    def _check(self, port: ServicePort, setting: _Setting) -> HealthCheck:
        check = self._plain(port, setting)
        return proxy_protocol.through(check) if setting.proxy_protocol else check

    def _plain(self, port: ServicePort, setting: _Setting) -> HealthCheck:
        """The check without PROXY protocol. An NLB under Local probes healthCheckNodePort, which is 0 for a
        Service of type NodePort."""
        service, settings = self._service, setting.settings
        if setting.number is None:
            if service.spec.health_check_node_port:
                return HealthCheck(health_check_node_port(settings), settings)
            return unknown_check(
                f"Service {service.key} of type {service.type} has no healthCheckNodePort, so the load balancer "
                "probes port 0"
            )
        if setting.number == "":
            return on_traffic_port(settings, port, service)
        return on_number(settings, int(setting.number), service, self._view, grpc=setting.grpc)

    def _props(self) -> Iterable[TargetGroupProps]:
        """All settings that may apply: those of the Service, for each route, merged over the default of the
        Gateway."""
        defaults = self._defaults()
        configured = self._configured()
        if not configured:
            yield from defaults
        for configuration in configured:
            assert configuration.spec is not None
            own = configuration.spec.default_configuration or _NONE
            for props in (own, *_by_route(configuration.spec, own)):
                # The guide says that the default fills what the Service's leaves out; older versions of the
                # controller took the Service's alone. Both may hold.
                yield props
                yield from (_over(props, default) for default in defaults)

    def _configured(self) -> list[TargetGroupConfiguration]:
        referring = self._view.referring(TARGET_GROUP_CONFIGURATION, self._service.key)
        return [
            each for each in referring if not each.deleting and each.spec and each.service == self._service.key
        ]

    def _defaults(self) -> list[TargetGroupProps]:
        """The defaults of the GatewayClass and of the Gateway, merged (gateway_config_resolver.go
        resolveAndMergeDefaultTGCs). Those of the class win unless its mergingMode is prefer-gateway. Settings for
        single routes are not merged: the first configuration that exists gives all of them."""
        gateway = self._view.get(GATEWAY, self._gateway)
        spec = gateway.spec if gateway else None
        if spec is None:
            return [_NONE]
        class_key = Key("", spec.gateway_class_name)
        self._reads.add(index_key(GATEWAY_CLASS.name, class_key))
        class_ = self._view.get(GATEWAY_CLASS, class_key)
        of_class = self._configuration(class_.spec.parameters_ref if class_ and class_.spec else None)
        of_gateway = self._configuration(spec.infrastructure.parameters_ref if spec.infrastructure else None)
        ranked = [self._default_of(of_class), self._default_of(of_gateway)]
        if of_class and of_class.spec and of_class.spec.merging_mode == "prefer-gateway":
            ranked.reverse()
        high, low = ((one.default_configuration if one else None) or _NONE for one in ranked)
        merged = _over(high, low)
        first = ranked[0] or ranked[1]
        return [merged, *(_by_route(first, merged) if first else ())]

    def _configuration(self, reference: ParametersReference | None) -> LoadBalancerConfiguration | None:
        if reference is None or reference.kind != "LoadBalancerConfiguration":
            return None
        key = Key(reference.namespace or self._gateway.namespace, reference.name)
        self._reads.add(index_key(LOAD_BALANCER_CONFIGURATION.name, key))
        return self._view.get(LOAD_BALANCER_CONFIGURATION, key)

    def _default_of(self, configuration: LoadBalancerConfiguration | None) -> TargetGroupConfigurationSpec | None:
        spec = configuration.spec if configuration else None
        reference = spec.default_target_group_configuration if spec else None
        if configuration is None or reference is None:
            return None
        key = Key(configuration.key.namespace, reference.name)
        self._reads.add(index_key(TARGET_GROUP_CONFIGURATION.name, key))
        found = self._view.get(TARGET_GROUP_CONFIGURATION, key)
        return found.spec if found else None


def _by_route(spec: TargetGroupConfigurationSpec, rest: TargetGroupProps) -> list[TargetGroupProps]:
    """The settings for single routes, over `rest`."""
    routes = (route.target_group_props for route in spec.route_configurations or ())
    return [_over(props, rest) for props in routes if props]


def _over(high: TargetGroupProps, low: TargetGroupProps) -> TargetGroupProps:
    """Merge field by field; `high` wins where it sets a field (performTakeOneMerges). The health check is one
    field. Target group attributes are merged one by one (mergeAttributes)."""
    attributes = {**low.attributes, **high.attributes}
    return TargetGroupProps(
        health_check_config=high.health_check_config or low.health_check_config,
        protocol=high.protocol or low.protocol,
        protocol_version=high.protocol_version or low.protocol_version,
        target_group_attributes=[TargetGroupAttribute(*pair) for pair in attributes.items()],
    )


def _setting(props: TargetGroupProps, load_balancer: str, service: Service) -> _Setting:
    """buildTargetGroupHealthCheckConfig. An NLB under Local probes healthCheckNodePort; an ALB never does."""
    config = props.health_check_config or HealthCheckConfig()
    on = load_balancer == "nlb" and proxy_protocol.attribute_is_on(props.attributes.get(PROXIED, ""))
    minimum = minimum_healthy(props.attributes, by_zone=load_balancer == "nlb")
    local = load_balancer == "nlb" and service.policy == "Local"
    protocol = (config.health_check_protocol or _protocol(props, load_balancer, local)).upper()
    grpc = load_balancer == "alb" and props.protocol_version == "GRPC"
    path = config.health_check_path or ("/AWS.ALB/healthcheck" if grpc else "/healthz" if local else "/")
    matcher = config.matcher
    written = (matcher.grpc_code if grpc else matcher.http_code) if matcher else None
    codes = written or ("12" if grpc else "200-399")
    if protocol == "TCP":
        path = codes = ""
    try:
        accepts(codes or "200", 200)
    except ValueError as error:
        raise ModelError("MalformedConfiguration", f"a TargetGroupConfiguration's matcher {error}") from error
    raw = config.health_check_port
    if raw is None and local:
        shown = str(service.spec.health_check_node_port or 0)
        return _Setting(CheckSettings(shown, protocol, path, codes), None, grpc, on, minimum)
    settings = CheckSettings(raw or TRAFFIC_PORT, protocol, path, codes)
    if not raw or raw == TRAFFIC_PORT:
        return _Setting(settings, "", grpc, on, minimum)
    number = parse_port(raw)
    if isinstance(number, str):
        named = service.port(number)
        if named is None:
            raise ModelError(
                "MalformedConfiguration",
                f"healthCheckPort {raw[:80]!r} of a TargetGroupConfiguration is no port of Service {service.key}",
            )
        number = named.node_port or 0
    return _Setting(settings, number, grpc, on, minimum)


def _protocol(props: TargetGroupProps, load_balancer: str, local: bool) -> str:
    if load_balancer == "nlb":
        return "HTTP" if local else "TCP"
    return props.protocol or "HTTP"
