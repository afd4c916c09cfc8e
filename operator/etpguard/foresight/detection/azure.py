"""The Azure load balancer: cloud-provider-azure 7b31c76 pkg/provider/azure_loadbalancer_healthprobe.go
getHealthProbeConfigProbeIntervalAndNumOfProbe. Pure."""

from __future__ import annotations

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.probe import HealthCheckNodePort
from etpguard.cluster import Picture
from etpguard.foresight.detection.settings import Settings, Unclear
from etpguard.foresight.detection.timing import Timing
from etpguard.objects import Service

_PREFIX = "service.beta.kubernetes.io/"
_OF_ALL = f"{_PREFIX}azure-load-balancer-health-probe-"
_LONGEST = 120


def load_balancer(consumer: Consumer, service: Service, picture: Picture) -> Timing:
    """The keys of the port go first: the healthCheckNodePort where it is probed by default, else the port of the
    Service. Raises Unclear."""
    settings = Settings(("Service", service))
    interval_keys, number_keys = [f"{_OF_ALL}interval"], [f"{_OF_ALL}num-of-probe"]
    for number in _ports(consumer, service):
        interval_keys.insert(0, f"{_PREFIX}port_{number}_health-probe_interval")
        number_keys.insert(0, f"{_PREFIX}port_{number}_health-probe_num-of-probe")
    interval = settings.seconds("interval", *interval_keys, default=5, least=5)
    threshold = settings.count("number of probes", *number_keys, default=2, least=2)
    if interval * threshold >= _LONGEST:
        raise Unclear(f"interval times number of probes is {_LONGEST} s or more, which the controller rejects")
    return Timing.of(interval, 0, threshold, threshold, settings=str(settings))


def _ports(consumer: Consumer, service: Service) -> list[int]:
    check, port = consumer.check, service.port(consumer.port)
    if check and isinstance(check.probe, HealthCheckNodePort) and not check.pins_health_check_node_port:
        number = service.spec.health_check_node_port
        return [number] if number else []
    return [port.port] if port else []
