"""Which health checks ask a Service that is not their own. Pure.

Under `Cluster` that Service answers them on every node, and its healthCheckNodePort on none, whatever the nodes do
with the traffic that the health checks are for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from etpguard.assess import Assessment
from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.probe import HealthCheckNodePort, OtherNodePort
from etpguard.objects import Key, Service


class ProbedBy(NamedTuple):
    """A consumer of the same namespace, and one of another, whose health check asks a Service, in words; "" if
    there is none."""

    same_namespace: str = ""
    elsewhere: str = ""


class SharedProbes:
    """Over Services with Local. A remediated Service is left out: it forwards on every node."""

    def __init__(self, assessments: Iterable[Assessment]) -> None:
        self._services: dict[Key, list[tuple[Key, Consumer]]] = defaultdict(list)
        self._ports: dict[int, list[tuple[Key, Consumer]]] = defaultdict(list)
        for assessment in assessments:
            if assessment.if_local is not None:
                continue
            for consumer in (verdict.consumer for verdict in assessment.consumers):
                if asked := _asked(consumer):
                    self._services[asked].append((assessment.key, consumer))
                for number in consumer.check.reads_node_ports if consumer.check else ():
                    self._ports[number].append((assessment.key, consumer))

    def of(self, service: Service) -> ProbedBy:
        """Which health checks ask the Service."""
        port = service.spec.health_check_node_port or 0
        found = ProbedBy()
        for key, consumer in (*self._services.get(service.key, ()), *self._ports.get(port, ())):
            if key != service.key:
                words = f"the health check of {consumer}, which sends traffic to Service {key}, asks this Service"
                if consumer.namespace == service.key.namespace:
                    return found._replace(same_namespace=words)
                found = ProbedBy(elsewhere=words)
        return found


def _asked(consumer: Consumer) -> Key | None:
    """The other Service that its health check asks. Siblings of a backend, which it also reads, do not count."""
    match consumer.probe:
        case OtherNodePort(service) | HealthCheckNodePort(service=service):
            return service
    return None
