"""OpenStack: Octavia, by cloud-provider-openstack (OCCM)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.clouds.cloud import Cloud
from etpguard.assess.consumers.interface import (
    Advice,
    ConsumerVerdict,
    DocumentedConsumer,
    Evidence,
    NodeTargets,
    PossibleNodes,
    Targets,
    View,
)
from etpguard.assess.consumers.load_balancers import CLOUD_NODES, UNCHECKED, standard_check
from etpguard.assess.consumers.remedies import annotate
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import NoHealthCheck
from etpguard.objects import Node, Service, ServicePort

MONITOR = "loadbalancer.openstack.org/enable-health-monitor"


class OpenStack(Cloud):
    """Without the annotation the controller's `create-monitor` decides, which no API object shows."""

    name = "openstack"
    provider = "OpenStack Octavia"
    scheme = "openstack"
    marks = ("loadbalancer.openstack.org/",)
    documented = (
        DocumentedConsumer(
            consumer="OpenStack Octavia",
            found_by="`loadbalancer.openstack.org/` annotation, providerID `openstack://`",
            nodes="cloud nodes",
            health_check="only with a health monitor",
            with_local="`Unknown` unless the annotation sets it",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-openstack c453fb7 pkg/openstack/loadbalancer.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        match service.annotations.get(MONITOR):
            case "true":
                return NodeTargets(CLOUD_NODES, standard_check(service))
            case "false":
                return NodeTargets(CLOUD_NODES, UNCHECKED)
            case _:
                detail = f"neither {MONITOR} nor another API object shows whether Octavia checks the nodes"
                return PossibleNodes(CLOUD_NODES, Reason("HealthMonitorNotKnown", detail))

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.reason.code == "HealthMonitorNotKnown" or isinstance(verdict.consumer.probe, NoHealthCheck):
            yield annotate(service, MONITOR, "true", "Octavia then routes around nodes without an endpoint.")
        yield from super().advise(service, verdict, nodes)
