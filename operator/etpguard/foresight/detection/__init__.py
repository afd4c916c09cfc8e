"""How fast a load balancer notices that a node stops or starts to serve, from the settings that objects show.

Pure. A setting that no object shows has the default of the controller. Where the controller rejects a setting, or
where its default is not known, the time is not known either.
"""

from __future__ import annotations

from collections.abc import Callable

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.probe import HealthCheckNodePort, OwnNodePort
from etpguard.cluster import Picture
from etpguard.foresight.detection import aws, azure, clouds, google
from etpguard.foresight.detection.settings import NotKnown as NotKnown
from etpguard.foresight.detection.settings import Unclear
from etpguard.foresight.detection.timing import MARGIN
from etpguard.foresight.detection.timing import Timing as Timing
from etpguard.objects import Service

_FAMILIES: dict[str, Callable[[Consumer, Service, Picture], Timing]] = {
    "aws-load-balancer-controller": aws.load_balancer_controller,
    "aws-cloud-provider": aws.cloud_provider,
    "azure-load-balancer": azure.load_balancer,
    "gke-l4": google.passthrough,
    "gke-ingress": google.ingress,
    **clouds.BY_FAMILY,
}


def timing_of(consumer: Consumer, service: Service, picture: Picture) -> Timing | NotKnown:
    """The timing of the health check of a consumer of that Service, or why it is not known."""
    read = _FAMILIES.get(consumer.family)
    if read is None:
        return NotKnown("the interval and the thresholds of its health check are not known")
    try:
        return read(consumer, service, picture)
    except Unclear as unclear:
        return unclear.reason


def detection_seconds(consumer: Consumer, service: Service, picture: Picture) -> int | None:
    """The most seconds until the load balancer sends no new connection to a node that drops; None if that is not
    known."""
    timing = timing_of(consumer, service, picture)
    if isinstance(timing, NotKnown) or not timing.lag_known:
        return None
    shown_after = MARGIN if isinstance(consumer.probe, HealthCheckNodePort) else 0
    return timing.down(dropped=isinstance(consumer.probe, OwnNodePort))[1] + shown_after
