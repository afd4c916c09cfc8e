"""A Service as a consumer: the NLB that the controller makes for it. The NLB may share its traffic with other
Services by weight.

aws-load-balancer-controller v3.5.0: pkg/service/service_utils.go:47-77, model_build_target_group.go,
model_builder.go:158-164.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.aws_lbc.annotations import NLB, Annotations, ModelError, parse_port
from etpguard.assess.consumers.families.aws_lbc.bindings import label_of, references, targets_of
from etpguard.assess.consumers.families.aws_lbc.health_checks import (
    TRAFFIC_PORT,
    accepts,
    health_check_node_port,
    on_number,
    on_traffic_port,
    unknown_check,
)
from etpguard.assess.consumers.families.aws_lbc.listener_actions import listener_actions
from etpguard.assess.consumers.families.aws_lbc.node_rules import labels_selector, node_rule
from etpguard.assess.consumers.families.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.families.aws_lbc.proxy_protocol import ATTRIBUTES, ProxyProtocol, through
from etpguard.assess.consumers.families.aws_lbc.shared_numbers import as_served
from etpguard.assess.consumers.families.aws_lbc.target_groups import alb_families
from etpguard.assess.consumers.families.aws_lbc.targets import MULTI_CLUSTER, Sender, TargetGroup, broken, consumer
from etpguard.assess.consumers.families.aws_lbc.weights import without_traffic
from etpguard.assess.consumers.shared.aws_target_groups import CROSS_ZONE, minimum_healthy
from etpguard.assess.consumers.shared.load_balancers import no_target
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck, NodeTargets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.outcome import Reason
from etpguard.assess.resilience import MinimumHealthy
from etpguard.objects import Service, ServicePort
from etpguard.objects.aws import TargetGroupBinding

_INTEGERS = (
    "healthcheck-interval",
    "healthcheck-timeout",
    "healthcheck-healthy-threshold",
    "healthcheck-unhealthy-threshold",
)


_CROSS_ZONE = "cross-zone-load-balancing-enabled"

_NO_SCTP = Reason(
    "ProtocolNotServed", "a Network Load Balancer has no SCTP listener, so it sends nothing to this port"
)


def owns(service: Service, options: AwsOptions) -> bool:
    """Whether the controller makes an NLB for the Service (service_utils.go:47-77): its class decides, or its
    annotations where it has no class. The type of the Service matters only with the feature gate
    ServiceTypeLoadBalancerOnly."""
    if service.deleting or not options.services:
        return False
    if options.load_balancer_services_only and service.type != "LoadBalancer":
        return False
    if service.spec.load_balancer_class is not None:
        return service.spec.load_balancer_class == options.load_balancer_class
    kind = service.annotations.get(f"{NLB}type", "")
    target_type = service.annotations.get(f"{NLB}nlb-target-type", "")
    return kind == "nlb-ip" or (kind == "external" and target_type in ("ip", "instance"))


class LoadBalancerPath:
    """The path from the NLB of `base` to a Service: to `base` itself, or to one that it shares traffic with.
    `bindings` are the TargetGroupBindings of that Service that the controller made for `base`. What does not
    depend on the port is read once."""

    def __init__(
        self,
        base: Service,
        service: Service,
        bindings: Sequence[TargetGroupBinding],
        view: View,
        options: AwsOptions,
    ) -> None:
        self._base = base
        self._service = service
        self._bindings = bindings
        self._view = view
        self._options = options
        self._sender = Sender("Service", *base.key, options.load_balancer_class)
        self._made: dict[int | str, str] = {
            each.spec.service_ref.port: each.spec.target_group_protocol or "" for each in bindings
        }
        """By the number of a port, the protocol of the target group that the controller made for it."""
        self._actions = view.once("nlb-actions", base, listener_actions)
        self._idle = self._actions.idle_ports(service)

    def consumers(self) -> list[Consumer]:
        made: dict[Consumer, None] = {}
        bound: set[str | None] = set()
        for binding in self._bindings:
            group = targets_of(binding, self._options)
            protocol = binding.spec.target_group_protocol or "TCP_UDP"
            for reference in references(self._service, binding.spec.service_ref.port, protocol):
                port = self._service.port(reference)
                check = self._check_despite(port) if port and group.target_type == "instance" else None
                made[self._consumer(reference, group, check)] = None
                bound.add(label_of(self._service, reference))
        if owns(self._base, self._options):
            for numbered in self._actions.ports(self._service):
                for reference in references(self._service, numbered):
                    label = label_of(self._service, reference)
                    if label is None or label not in bound:
                        made[self._derived(reference)] = None
        return list(made)

    def _derived(self, reference: int | str) -> Consumer:
        """The consumer from annotations alone: there is no binding yet, or bindings cannot be read."""
        try:
            if self._actions.error is not None:
                raise self._actions.error.with_traceback(None)
            group = self._group
            port = self._service.port(reference)
            check = self._check(port) if port and group.target_type == "instance" else None
            return self._consumer(reference, group, check)
        except ModelError as refused:
            port = self._service.port(reference)
            label = port.label if port else reference
            return broken(self._sender, label, refused.reason, reads=frozenset({self._base.key}))

    def _consumer(self, reference: int | str, group: TargetGroup, check: HealthCheck | None) -> Consumer:
        port = self._service.port(reference)
        minimum = self._minimum(port) if port and check else MinimumHealthy()
        made = consumer(self._sender, self._service, reference, group, check, self._options, minimum)
        if port and isinstance(made.targets, NodeTargets):
            made = replace(made, targets=self._served(port, made.targets))
        return without_traffic(made) if made.port in self._idle else made

    def _served(self, port: ServicePort, targets: NodeTargets) -> NodeTargets | UnknownOutcome:
        if port.transport == "SCTP":
            return no_target(_NO_SCTP)
        if self._base.key != self._service.key:
            return targets
        return as_served(self._service, port, targets, self._options, self._made.get(port.port, ""))

    @property
    def _group(self) -> TargetGroup:
        return self._view.once("nlb-group", self._base, lambda _: self._target_group(), self._service)

    def _target_group(self) -> TargetGroup:
        """The target group by the annotations of `base`. Every target type but "ip" is instance
        (buildTargetType)."""
        annotations = Annotations(NLB, ("Service", self._base))
        written = annotations.get("nlb-target-type")
        target_type = self._options.default_target_type if written is None else written
        source = self._options.described("default_target_type") if written is None else ""
        families = alb_families(self._service)
        if annotations.choice("ip-address-type", "ipv4", ("ipv4", "dualstack")) == "ipv4" and "IPv6" in families:
            raise ModelError(
                "LoadBalancerNotDualStack",
                f"Service {self._service.key} has an IPv6 address, and its load balancer is not dual-stack "
                f"(annotation {NLB}ip-address-type), so the controller refuses Service {self._base.key}",
            )
        if annotations.get("type") == "nlb-ip":
            return TargetGroup("ip", families)
        if target_type == "ip":
            return TargetGroup("ip", families, source=source)
        selector = labels_selector(annotations.labels("target-node-labels"))
        others = MULTI_CLUSTER if annotations.boolean("multi-cluster-target-group") else None
        return TargetGroup("instance", families, node_rule(selector, self._options), source, others)

    def _check_despite(self, port: ServicePort) -> HealthCheck:
        """The check of a binding. If the controller refuses the annotations now, the registered targets stay, and
        only the check is in doubt."""
        try:
            return self._check(port)
        except ModelError as error:
            return unknown_check(error.reason.detail)

    def _check(self, port: ServicePort) -> HealthCheck:
        check = self._configured(port)
        on = self._view.once("nlb-proxy-protocol", self._base, ProxyProtocol).is_on(port)
        return through(check) if on else check

    def _minimum(self, port: ServicePort) -> MinimumHealthy:
        """From the attributes of the port, merged over those of all ports. Where the controller refuses them, the
        defaults of AWS are assumed to be in force."""
        annotations = Annotations(NLB, ("Service", self._base))
        try:
            of_all = self._view.once("nlb-attributes", self._base, lambda _: annotations.pairs(ATTRIBUTES))
            of_port = annotations.pairs(f"{ATTRIBUTES}.{port.port}")
            crosses_zones = self._view.once("nlb-cross-zone", self._base, _crosses_zones)
        except ModelError:
            return MinimumHealthy()
        # An empty value keeps that of all ports.
        merged = {**of_all, **{key: value for key, value in of_port.items() if value}}
        return minimum_healthy(merged, by_zone=not crosses_zones)

    def _configured(self, port: ServicePort) -> HealthCheck:
        settings, written = self._view.once(
            "nlb-check", self._base, lambda base: _settings(base, self._service), self._service
        )
        if written is None:
            return self._on_base_health_check(settings)
        if written == TRAFFIC_PORT:
            return on_traffic_port(settings, port, self._service)
        return on_number(settings, int(written), self._service, self._view)

    def _on_base_health_check(self, settings: CheckSettings) -> HealthCheck:
        """A second Service of weighted listeners is probed on the healthCheckNodePort of the first."""
        number = self._base.spec.health_check_node_port or 0
        settings = replace(settings, port=str(number))
        if self._base.key == self._service.key:
            if number:
                return HealthCheck(health_check_node_port(settings), settings)
            # The API server is about to allocate it, and the check follows it.
            settings = replace(settings, port="healthCheckNodePort")
            return HealthCheck(health_check_node_port(settings), settings)
        if not number:
            return unknown_check(
                f"Service {self._base.key} has no healthCheckNodePort, so the load balancer probes port 0"
            )
        probe = health_check_node_port(settings, self._base.key)
        return HealthCheck(probe, settings, reads=frozenset({self._base.key}))


def _crosses_zones(base: Service) -> bool:
    """Whether annotations turn cross-zone load balancing on: model_build_load_balancer.go
    getAnnotationSpecificLbAttributes, whose attributes go before the others."""
    annotations = Annotations(NLB, ("Service", base))
    if annotations.get(_CROSS_ZONE) is not None:
        return annotations.boolean(_CROSS_ZONE)
    return annotations.pairs("attributes").get(CROSS_ZONE) == "true"


def _settings(base: Service, service: Service) -> tuple[CheckSettings, str | int | None]:
    """The settings of the check, and its port: `TRAFFIC_PORT`, a port number of the node, or None for the
    healthCheckNodePort. A Service of type LoadBalancer with Local is probed by HTTP /healthz on the
    healthCheckNodePort of `base`, any other by TCP on the traffic port (L159-165). Annotations override each
    part."""
    annotations = Annotations(NLB, ("Service", base))
    local = service.type == "LoadBalancer" and service.policy == "Local"
    written = annotations.get("healthcheck-protocol")
    protocol = (("HTTP" if local else "TCP") if written is None else written).upper()
    if protocol not in ("TCP", "HTTP", "HTTPS"):
        raise annotations.error("healthcheck-protocol", "is none of TCP, HTTP, HTTPS")
    path = annotations.get("healthcheck-path") or ("/healthz" if local else "/")
    codes = "" if protocol == "TCP" else annotations.get("healthcheck-success-codes") or "200-399"
    for suffix in _INTEGERS:
        annotations.integer(suffix)
    try:
        accepts(codes or "200", 200)
    except ValueError as error:
        raise annotations.error("healthcheck-success-codes", "is no list of codes or ranges") from error
    raw = annotations.get("healthcheck-port")
    settings = CheckSettings(raw or TRAFFIC_PORT, protocol, "" if protocol == "TCP" else path, codes)
    if raw is None and local:
        return settings, None
    if raw is None or raw == TRAFFIC_PORT:
        return settings, TRAFFIC_PORT
    number = parse_port(raw)
    if isinstance(number, str):
        named = service.port(number)
        if named is None:
            raise annotations.error("healthcheck-port", f"is neither a number nor a port of Service {service.key}")
        number = named.node_port or 0
    return settings, number
