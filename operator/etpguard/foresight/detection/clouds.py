"""Load balancers of other cloud providers: the annotations and the defaults of their controllers, in the versions
that `assess.consumers.families.clouds` names. Pure.

For how long they send on after a check has failed is not known, so the lag is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.clouds.oci import TYPE
from etpguard.cluster import Picture
from etpguard.foresight.detection.settings import Settings, Unclear
from etpguard.foresight.detection.timing import Timing
from etpguard.objects import Service

_BETA = "service.beta.kubernetes.io/"


def _hetzner(settings: Settings) -> Timing:
    """internal/hcops/load_balancer.go. Options of the controller may set other defaults, which no object shows."""
    prefix = "load-balancer.hetzner.cloud/health-check-"
    interval = settings.duration("interval", f"{prefix}interval", default=None)
    timeout = settings.duration("timeout", f"{prefix}timeout", default=None)
    return _made(settings, interval, timeout, settings.count("retries", f"{prefix}retries", default=None), None)


def _digitalocean(settings: Settings) -> Timing:
    """cloud-controller-manager/do/loadbalancers.go healthCheckIntervalSeconds and its neighbours."""
    prefix = f"{_BETA}do-loadbalancer-healthcheck-"
    interval = settings.seconds("interval", f"{prefix}check-interval-seconds", default=3)
    timeout = settings.seconds("timeout", f"{prefix}response-timeout-seconds", default=5)
    return _thresholds(settings, interval, timeout, prefix, 3, 5)


def _linode(settings: Settings) -> Timing:
    """cloud/linode/loadbalancers.go: 5 s, 3 s and 2 attempts."""
    prefix = f"{_BETA}linode-loadbalancer-check-"
    interval = settings.seconds("interval", f"{prefix}interval", default=5)
    timeout = settings.seconds("timeout", f"{prefix}timeout", default=3)
    return _made(settings, interval, timeout, settings.count("attempts", f"{prefix}attempts", default=2), None)


def _vultr(settings: Settings) -> Timing:
    """vultr/loadbalancers.go: 15 s, 5 s, 5 and 5."""
    prefix = f"{_BETA}vultr-loadbalancer-healthcheck-"
    interval = settings.seconds("interval", f"{prefix}check-interval", default=15)
    timeout = settings.seconds("timeout", f"{prefix}response-timeout", default=5)
    return _thresholds(settings, interval, timeout, prefix, 5, 5)


def _scaleway(settings: Settings) -> Timing:
    """scaleway/loadbalancers_annotations.go. After a first failure the checks follow one another faster, by the
    transient delay, so the least is that of the faster ones."""
    prefix = f"{_BETA}scw-loadbalancer-health-"
    delay = settings.duration("interval", f"{prefix}check-delay", default=5)
    timeout = settings.duration("timeout", f"{prefix}check-timeout", default=5)
    retries = settings.count("retries", f"{prefix}check-max-retries", default=5)
    transient = settings.duration("transient interval", f"{prefix}transient-check-delay", default=0.5)
    made = _made(settings, delay, timeout, retries, None)
    return made.or_(_made(settings, min(delay, transient), timeout, retries, None))


def _exoscale(settings: Settings) -> Timing:
    """exoscale/loadbalancer.go: 10 s, 5 s and 1 retry. Whether the first failure counts as one is not known."""
    prefix = f"{_BETA}exoscale-loadbalancer-service-healthcheck-"
    interval = settings.duration("interval", f"{prefix}interval", default=10)
    timeout = settings.duration("timeout", f"{prefix}timeout", default=5)
    retries = settings.count("retries", f"{prefix}retries", default=1)
    counted = _made(settings, interval, timeout, retries, None)
    return counted.or_(_made(settings, interval, timeout, retries + 1, None))


def _cloudscale(settings: Settings) -> Timing:
    """pkg/cloudscale_ccm/service_info.go: 2 s, 1 s, 3 and 2."""
    prefix = "k8s.cloudscale.ch/loadbalancer-health-monitor-"
    interval = settings.seconds("interval", f"{prefix}delay-s", default=2)
    timeout = settings.seconds("timeout", f"{prefix}timeout-s", default=1)
    down = settings.count("unhealthy threshold", f"{prefix}down-threshold", default=3)
    return _made(
        settings, interval, timeout, down, settings.count("healthy threshold", f"{prefix}up-threshold", default=2)
    )


def _openstack(settings: Settings) -> Timing:
    """pkg/openstack/loadbalancer.go. The cloud config sets the defaults, which no object shows."""
    prefix = "loadbalancer.openstack.org/health-monitor-"
    interval = settings.seconds("interval", f"{prefix}delay", default=None)
    timeout = settings.seconds("timeout", f"{prefix}timeout", default=None)
    down = settings.count("failures", f"{prefix}max-retries-down", default=None)
    return _made(settings, interval, timeout, down, None)


def _oracle(settings: Settings) -> Timing:
    """pkg/cloudprovider/providers/oci/load_balancer_spec.go: 10 s, 3 s and 3 retries, in milliseconds."""
    network = settings.text(TYPE).lower() == "nlb"
    prefix = (
        "oci-network-load-balancer.oraclecloud.com/health-check-"
        if network
        else f"{_BETA}oci-load-balancer-health-check-"
    )
    interval = settings.milliseconds("interval", f"{prefix}interval", default=10)
    timeout = settings.milliseconds("timeout", f"{prefix}timeout", default=3)
    return _made(settings, interval, timeout, settings.count("retries", f"{prefix}retries", default=3), None)


def _outscale(settings: Settings) -> Timing:
    """ccm/cloud/loadbalancer.go: 10 s, 5 s, 3 and 2."""
    prefix = f"{_BETA}osc-load-balancer-healthcheck-"
    interval = settings.seconds("interval", f"{prefix}interval", default=10)
    timeout = settings.seconds("timeout", f"{prefix}timeout", default=5)
    return _thresholds(settings, interval, timeout, prefix, 3, 2)


def _upcloud(settings: Settings) -> Timing:
    """internal/loadbalancer/loadbalancer_request.go: 10 s and 3. The JSON of an annotation may replace them."""
    key = f"{_BETA}upcloud-load-balancer-config"
    if settings.has(key):
        raise Unclear(f"the annotation {key} may set another interval and threshold")
    interval = settings.seconds("interval", default=10)
    return _made(settings, interval, interval, settings.count("unhealthy threshold", default=3), None)


def _yandex(settings: Settings) -> Timing:
    """load_balancer.go: 2 s and 2. The time-out is less than the interval."""
    interval = settings.seconds("interval", default=2)
    return _made(settings, interval, interval, settings.count("unhealthy threshold", default=2), None)


def _thresholds(
    settings: Settings, interval: float, timeout: float, prefix: str, unhealthy: int, healthy: int
) -> Timing:
    down = settings.count("unhealthy threshold", f"{prefix}unhealthy-threshold", default=unhealthy)
    up = settings.count("healthy threshold", f"{prefix}healthy-threshold", default=healthy)
    return _made(settings, interval, timeout, down, up)


def _made(settings: Settings, interval: float, timeout: float, unhealthy: int, healthy: int | None) -> Timing:
    return Timing.of(interval, timeout, unhealthy, healthy, lag=None, settings=str(settings))


_READERS: Mapping[str, Callable[[Settings], Timing]] = {
    "hcloud": _hetzner,
    "digitalocean": _digitalocean,
    "linode": _linode,
    "vultr": _vultr,
    "scaleway": _scaleway,
    "exoscale": _exoscale,
    "cloudscale": _cloudscale,
    "openstack": _openstack,
    "oci": _oracle,
    "outscale": _outscale,
    "upcloud": _upcloud,
    "yandex": _yandex,
}


def _of(read: Callable[[Settings], Timing]) -> Callable[[Consumer, Service, Picture], Timing]:
    return lambda _, service, __: read(Settings(("Service", service)))


BY_FAMILY = {family: _of(read) for family, read in _READERS.items()}
