"""Load balancers of Google Cloud: ingress-gce acbcf5d pkg/l4/healthchecks/healthchecksl4.go and pkg/healthchecks,
and k8s.io/cloud-provider-gcp providers/gce/gce_healthchecks.go. Pure."""

from __future__ import annotations

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.gke.backend_configs import backend_config
from etpguard.assess.consumers.shared.load_balancers import CLOUD_NODES
from etpguard.assess.consumers.targets import NodeTargets
from etpguard.cluster import Picture
from etpguard.foresight.detection.settings import Unclear
from etpguard.foresight.detection.timing import Timing
from etpguard.objects import Service
from etpguard.objects.gke import BackendHealthCheck

_BACKEND_SERVICE = Timing.of(3, 1, 2, 1, lag=6, settings="interval 3 s, timeout 1 s, thresholds 2 and 1 (fixed)")
"""Users see 6 to 12 s."""
_TARGET_POOL = Timing.of(8, 1, 3, 1, lag=6, settings="interval 8 s, timeout 1 s, thresholds 3 and 1 (fixed)")
"""gceHcCheckIntervalSeconds, gceHcTimeoutSeconds, gceHcUnhealthyThreshold, gceHcHealthyThreshold. Its lag is taken
to be that of a backend service."""


def passthrough(consumer: Consumer, service: Service, picture: Picture) -> Timing:
    """No annotation changes them. A target pool has others than a backend service."""
    targets = consumer.targets
    if not isinstance(targets, NodeTargets) or targets.rule is not CLOUD_NODES:
        return _BACKEND_SERVICE
    return _TARGET_POOL.or_(_BACKEND_SERVICE) if targets.otherwise else _TARGET_POOL


def ingress(consumer: Consumer, service: Service, picture: Picture) -> Timing:
    """By its BackendConfig. What that leaves out depends on the readiness probe as it was when the controller made
    the check, and on changes outside of Kubernetes, which the controller keeps. Raises Unclear."""
    config = backend_config(service, consumer.port, picture)
    check = config.spec.health_check if config and config.spec else None
    if config is None or check is None:
        raise Unclear("no BackendConfig sets the interval and the thresholds of its health check")
    interval, timeout, unhealthy = check.check_interval_sec, check.timeout_sec, check.unhealthy_threshold
    if not interval or not timeout or not unhealthy or min(interval, timeout, unhealthy) < 1:
        raise Unclear(
            f"BackendConfig {config.key} does not set checkIntervalSec, timeoutSec and unhealthyThreshold"
        )
    return Timing.of(
        interval, timeout, unhealthy, check.healthy_threshold, lag=None, settings=_settings(config.key, check)
    )


def _settings(key: object, check: BackendHealthCheck) -> str:
    up = "" if check.healthy_threshold is None else f", healthy threshold {check.healthy_threshold}"
    return (
        f"interval {check.check_interval_sec} s, timeout {check.timeout_sec} s, unhealthy threshold "
        f"{check.unhealthy_threshold}{up} (BackendConfig {key})"
    )
