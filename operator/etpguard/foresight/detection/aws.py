"""Load balancers of AWS: aws-load-balancer-controller 225f4456 (pkg/ingress/model_build_target_group.go,
pkg/service/model_build_target_group.go) and cloud-provider-aws 63ec440c (pkg/providers/v1/aws_loadbalancer.go,
aws.go buildNLBHealthCheckConfiguration). AWS rejects values outside of the bounds, and then keeps those that it
has. Pure."""

from __future__ import annotations

from typing import NamedTuple

from etpguard.assess.consumers.aws_lbc.annotations import ALB, NLB
from etpguard.assess.consumers.consumer import Consumer
from etpguard.cluster import Picture
from etpguard.foresight.detection.settings import Settings, Unclear
from etpguard.foresight.detection.timing import Timing
from etpguard.objects import INGRESS, SERVICE, Key, Service

_CHECK = f"{NLB}healthcheck-"
_LAG = 40
"""Seconds that an NLB sends on after a target is unhealthy: AWS support names 30 to 40 s."""


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
    made = _network(Settings(("Service", base)), interval=10, timeout=6, threshold=2)
    if base.type == "LoadBalancer":
        return made
    # The settings of Local are those of type LoadBalancer; the controller may take the others here.
    return made.or_(_network(Settings(("Service", base)), interval=10, timeout=10, threshold=3))


def cloud_provider(consumer: Consumer, service: Service, picture: Picture) -> Timing:
    """Raises Unclear."""
    settings = Settings(("Service", service))
    if consumer.controller.endswith("nlb"):
        return _network(settings, interval=10, timeout=10, threshold=2)
    return _of_service(settings, _Defaults(interval=10, timeout=5, unhealthy=6, healthy=2))


def _application(settings: Settings) -> Timing:
    interval = settings.seconds("interval", f"{ALB}healthcheck-interval-seconds", default=15, least=5, most=300)
    timeout = settings.seconds("timeout", f"{ALB}healthcheck-timeout-seconds", default=5, least=2, most=120)
    down = settings.count("unhealthy threshold", f"{ALB}unhealthy-threshold-count", default=2, least=2, most=10)
    up = settings.count("healthy threshold", f"{ALB}healthy-threshold-count", default=2, least=2, most=10)
    return Timing.of(interval, timeout, down, up, settings=str(settings))


def _network(settings: Settings, *, interval: int, timeout: int, threshold: int) -> Timing:
    return _of_service(settings, _Defaults(interval, timeout, threshold, threshold), lag=_LAG)


class _Defaults(NamedTuple):
    interval: int
    timeout: int
    unhealthy: int
    healthy: int


def _of_service(settings: Settings, defaults: _Defaults, lag: int = 0) -> Timing:
    interval = settings.seconds("interval", f"{_CHECK}interval", default=defaults.interval, least=5, most=300)
    timeout = settings.seconds("timeout", f"{_CHECK}timeout", default=defaults.timeout, least=2, most=120)
    unhealthy, healthy = (
        settings.count(f"{what} threshold", f"{_CHECK}{what}-threshold", default=default, least=2, most=10)
        for what, default in (("unhealthy", defaults.unhealthy), ("healthy", defaults.healthy))
    )
    return Timing.of(interval, timeout, unhealthy, healthy, lag=lag, settings=str(settings))
