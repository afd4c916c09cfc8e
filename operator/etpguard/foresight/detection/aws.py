"""Load balancers of AWS: aws-load-balancer-controller 225f4456 (pkg/ingress/model_build_target_group.go,
pkg/service/model_build_target_group.go) and cloud-provider-aws 63ec440c (pkg/providers/v1/aws_loadbalancer.go,
aws.go buildNLBHealthCheckConfiguration). AWS rejects values outside of the bounds, and then keeps those that it
has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.aws_lbc.annotations import ALB, NLB
from etpguard.assess.consumers.shared.aws_target_groups import (
    ALB_CHECK,
    CLASSIC_CHECK,
    CLOUD_PROVIDER_NLB_CHECK,
    NLB_CHECK,
    NLB_LAG,
    NLB_LOCAL_CHECK,
    CheckDefaults,
    is_nlb,
)
from etpguard.assess.node_selection import key_values
from etpguard.cluster import Picture
from etpguard.foresight.detection.settings import Settings, Unclear
from etpguard.foresight.detection.timing import Timing
from etpguard.objects import INGRESS, SERVICE, Key, Service, ServicePort

_ALB_KEYS = (
    f"{ALB}healthcheck-interval-seconds",
    f"{ALB}healthcheck-timeout-seconds",
    f"{ALB}unhealthy-threshold-count",
    f"{ALB}healthy-threshold-count",
)
_KEYS = (
    f"{NLB}healthcheck-interval",
    f"{NLB}healthcheck-timeout",
    f"{NLB}healthcheck-unhealthy-threshold",
    f"{NLB}healthcheck-healthy-threshold",
)
"""Of an NLB, and of a Classic Load Balancer: interval, timeout, unhealthy and healthy threshold."""
_ATTRIBUTES = f"{NLB}target-group-attributes"
_CUTS = "target_health_state.unhealthy.connection_termination.enabled"
"""On by default, for TCP and TLS."""


def load_balancer_controller(consumer: Consumer, service: Service, picture: Picture) -> Timing:
    """Raises Unclear."""
    key = Key(consumer.namespace, consumer.name)
    if consumer.kind == "Ingress":
        ingress = picture.get(INGRESS, key)
        if ingress is None:
            raise Unclear(f"there is no Ingress {key}")
        return _application(Settings(("Service", service), ("Ingress", ingress)))
    base = picture.get(SERVICE, key) if consumer.kind == "Service" else None
    if base is None:
        raise Unclear(f"the settings of the target groups of {consumer.kind} {key} are not known")
    port = service.port(consumer.port)
    made = _network(Settings(("Service", base)), NLB_LOCAL_CHECK, port)
    if base.type == "LoadBalancer":
        return made
    # The settings of Local are those of type LoadBalancer; the controller may take the others here.
    return made.or_(_network(Settings(("Service", base)), NLB_CHECK, port))


def cloud_provider(consumer: Consumer, service: Service, picture: Picture) -> Timing:
    """Raises Unclear."""
    settings = Settings(("Service", service))
    if is_nlb(consumer):
        return _network(settings, CLOUD_PROVIDER_NLB_CHECK, service.port(consumer.port))
    return _timing(settings, _KEYS, CLASSIC_CHECK)


def _application(settings: Settings) -> Timing:
    return _timing(settings, _ALB_KEYS, ALB_CHECK)


def _network(settings: Settings, defaults: CheckDefaults, port: ServicePort | None) -> Timing:
    timing = _timing(settings, _KEYS, defaults, lag=NLB_LAG[1])
    return replace(timing, cuts=f"target group attribute {_CUTS}") if _cuts(settings, port) else timing


def _cuts(settings: Settings, port: ServicePort | None) -> bool:
    """Whether the NLB resets the connections of unhealthy targets. The attributes of a port decide before those of
    all ports: aws-load-balancer-controller docs/guide/service/annotations.md."""
    if port is None or port.transport == "UDP":
        return False
    for key in (f"{_ATTRIBUTES}.{port.port}", _ATTRIBUTES):
        value = key_values(settings.text(key)).get(_CUTS)
        if value is not None:
            return value != "false"
    return True


def _timing(settings: Settings, keys: Sequence[str], defaults: CheckDefaults, lag: int = 0) -> Timing:
    interval, timeout, unhealthy, healthy = keys
    return Timing.of(
        settings.seconds("interval", interval, default=defaults.interval, least=5, most=300),
        settings.seconds("timeout", timeout, default=defaults.timeout, least=2, most=120),
        settings.count("unhealthy threshold", unhealthy, default=defaults.unhealthy, least=2, most=10),
        settings.count("healthy threshold", healthy, default=defaults.healthy, least=2, most=10),
        lag=lag,
        settings=str(settings),
    )
