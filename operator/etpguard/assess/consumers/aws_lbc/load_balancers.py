"""A Service as a consumer: the NLB that the controller makes for it, and for the Services it shares traffic
with by weight.

aws-load-balancer-controller v3.5.0: pkg/service/service_utils.go:47-77, model_build_target_group.go,
model_builder.go:158-164.
"""

from __future__ import annotations

from collections.abc import Sequence

from etpguard.assess.consumers.aws_lbc import proxy_protocol
from etpguard.assess.consumers.aws_lbc.annotations import NLB, Annotations, ModelError, parse_port
from etpguard.assess.consumers.aws_lbc.bindings import bound_to, targets_of
from etpguard.assess.consumers.aws_lbc.health_checks import (
    TRAFFIC_PORT,
    Check,
    accepts,
    health_check_node_port,
    on_number,
    on_traffic_port,
    unknown_check,
)
from etpguard.assess.consumers.aws_lbc.listener_actions import listener_actions
from etpguard.assess.consumers.aws_lbc.node_rules import labels_selector
from etpguard.assess.consumers.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.aws_lbc.target_groups import alb_families
from etpguard.assess.consumers.aws_lbc.targets import Sender, Targets, broken, consumer
from etpguard.assess.consumers.aws_lbc.weights import unused, without_traffic
from etpguard.assess.consumers.interface import Consumer, HealthCheck, View
from etpguard.objects import Service, ServicePort
from etpguard.objects.aws import TargetGroupBinding

_INTEGERS = (
    "healthcheck-interval",
    "healthcheck-timeout",
    "healthcheck-healthy-threshold",
    "healthcheck-unhealthy-threshold",
)


def owns(service: Service, options: AwsOptions) -> bool:
    """Whether the controller makes an NLB for the Service (service_utils.go:47-77), of any type unless
    ServiceTypeLoadBalancerOnly is set: by its class, or by annotations where it has none."""
    if service.deleting or (options.load_balancer_services_only and service.type != "LoadBalancer"):
        return False
    if service.spec.load_balancer_class is not None:
        return service.spec.load_balancer_class == options.load_balancer_class
    kind = service.annotations.get(f"{NLB}type", "")
    target_type = service.annotations.get(f"{NLB}nlb-target-type", "")
    return kind == "nlb-ip" or (kind == "external" and target_type in ("ip", "instance"))


class LoadBalancerPath:
    """The way from the NLB of `base` to a Service: itself, or one that it shares traffic with. `bindings` are
    those to that Service that the controller made for `base`."""

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
        self._actions, self._error = listener_actions(base)

    def consumers(self) -> list[Consumer]:
        made: dict[Consumer, None] = {}
        for binding in self._bindings:
            port = self._service.port(binding.spec.service_ref.port)
            targets = targets_of(binding)
            check = self._check_despite(port) if port and targets.target_type == "instance" else None
            made[self._consumer(binding.spec.service_ref.port, targets, check)] = None
        if owns(self._base, self._options):
            name = self._service.key.name
            for reference in dict.fromkeys(t.port for a in self._actions for t in a.targets if t.service == name):
                if not any(bound_to(binding, self._service, reference) for binding in self._bindings):
                    made[self._derived(reference)] = None
        return list(made)

    def _derived(self, reference: int | str) -> Consumer:
        """By annotations alone: there is no binding yet, or bindings cannot be read."""
        try:
            if self._error is not None:
                raise self._error
            targets = self._targets()
            port = self._service.port(reference)
            check = self._check(port) if port and targets.target_type == "instance" else None
            return self._consumer(reference, targets, check)
        except ModelError as refused:
            port = self._service.port(reference)
            label = port.label if port else reference
            return broken(self._sender, label, refused.reason, reads=frozenset({self._base.key}))

    def _consumer(self, reference: int | str, targets: Targets, check: Check | None) -> Consumer:
        made = consumer(self._sender, self._service, reference, targets, check, self._options)
        port = self._service.port(reference)
        # With an error in them, the weights are those of before, which nothing tells.
        if port and self._error is None and unused(self._actions, self._service, port):
            return without_traffic(made)
        return made

    def _targets(self) -> Targets:
        """buildTargetType: anything but "ip" is instance. The annotations are always those of `base`."""
        annotations = Annotations(NLB, ("Service", self._base))
        written = annotations.get("nlb-target-type")
        target_type = self._options.default_target_type if written is None else written
        source = self._options.told("default_target_type") if written is None else ""
        families = alb_families(self._service)
        if "IPv6" in families and not (annotations.get("ip-address-type") or "").startswith("dualstack"):
            raise ModelError(
                "LoadBalancerNotDualStack",
                f"Service {self._service.key} has an IPv6 address, and its load balancer is not dual-stack "
                f"(annotation {NLB}ip-address-type), so the controller refuses Service {self._base.key}",
            )
        if annotations.get("type") == "nlb-ip":
            return Targets("ip", families)
        if target_type == "ip":
            return Targets("ip", families, source=source)
        labels = annotations.labels("target-node-labels")
        return Targets("instance", families, labels_selector(labels), source)

    def _check_despite(self, port: ServicePort) -> Check:
        """What is registered stays should the annotations be refused now; only the check is then in doubt."""
        try:
            return self._check(port)
        except ModelError as error:
            return unknown_check(error.reason.detail)

    def _check(self, port: ServicePort) -> Check:
        check = self._configured(port)
        return proxy_protocol.through(check) if proxy_protocol.is_on(self._base, port) else check

    def _configured(self, port: ServicePort) -> Check:
        """L159-165: with type LoadBalancer and Local, HTTP /healthz on healthCheckNodePort, *of `base`*; else
        TCP on the traffic port. Annotations override each part."""
        annotations = Annotations(NLB, ("Service", self._base))
        local = self._service.type == "LoadBalancer" and self._service.policy == "Local"
        written = annotations.get("healthcheck-protocol")
        protocol = (written or ("HTTP" if local else "TCP")).upper()
        if protocol not in ("TCP", "HTTP", "HTTPS"):
            raise annotations.error("healthcheck-protocol", "is none of TCP, HTTP, HTTPS")
        path = annotations.get("healthcheck-path") or ("/healthz" if local else "/")
        codes = "" if protocol == "TCP" else annotations.get("healthcheck-success-codes") or "200-399"
        for suffix in _INTEGERS:
            annotations.integer(suffix)
        shown = HealthCheck("", protocol, "" if protocol == "TCP" else path, codes)
        try:
            accepts(codes or "200", 200)
        except ValueError as error:
            raise annotations.error("healthcheck-success-codes", "is no list of codes or ranges") from error
        raw = annotations.get("healthcheck-port")
        if raw is None and local:
            return self._on_base_health_check(shown)
        return self._on_written(shown, raw or TRAFFIC_PORT, port, annotations)

    def _on_base_health_check(self, shown: HealthCheck) -> Check:
        """The trap of weighted listeners: a second Service is probed on the healthCheckNodePort of the first."""
        number = self._base.spec.health_check_node_port or 0
        shown = _at(shown, str(number))
        if self._base.key == self._service.key:
            if number:
                return Check(shown, health_check_node_port(shown))
            # It is about to be allocated; the check follows it.
            return Check(_at(shown, "healthCheckNodePort"), health_check_node_port(shown))
        if not number:
            return unknown_check(f"Service {self._base.key} has no healthCheckNodePort to probe, so port 0 is")
        return Check(shown, health_check_node_port(shown, self._base.key), reads=frozenset({self._base.key}))

    def _on_written(self, shown: HealthCheck, raw: str, port: ServicePort, annotations: Annotations) -> Check:
        shown = _at(shown, raw)
        if raw == TRAFFIC_PORT:
            return on_traffic_port(shown, port, self._service)
        number = parse_port(raw)
        if isinstance(number, str):
            named = self._service.port(number)
            if named is None:
                raise annotations.error(
                    "healthcheck-port", f"is neither a number nor a port of Service {self._service.key}"
                )
            number = named.node_port or 0
        return on_number(shown, number, self._service, self._view, by_hand=True)


def _at(shown: HealthCheck, port: str) -> HealthCheck:
    return HealthCheck(port, shown.protocol, shown.path, shown.success_codes)
