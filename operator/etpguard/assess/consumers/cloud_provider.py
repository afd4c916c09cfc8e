"""The load balancer that a cloud's own controller makes for `type: LoadBalancer`, by the contract of
k8s.io/cloud-provider v0.37.2. Clouds whose controllers are known in detail have a family of their own before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.interface import (
    Advice,
    BaseFamily,
    Consumer,
    ConsumerVerdict,
    NodeTargets,
    PossibleNodes,
    Targets,
    View,
)
from etpguard.assess.consumers.load_balancers import (
    CLOUD_NODES,
    GENERIC_CLOUDS,
    UNCHECKED,
    Balancer,
    classless,
    sole_cloud,
    standard_check,
)
from etpguard.assess.consumers.remedies import annotate, health_checked
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import NoHealthCheck
from etpguard.objects import Node, Service

MONITOR = "loadbalancer.openstack.org/enable-health-monitor"


class CloudProvider(BaseFamily):
    """Every node of `CLOUD_NODES`, with an HTTP check of the healthCheckNodePort."""

    name = "cloud-provider"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        cloud = sole_cloud(view)
        if not classless(service) or cloud not in GENERIC_CLOUDS:
            return
        source = f"recognised by the nodes' providerIDs ({cloud}://)"
        if cloud == "openstack":
            targets = _octavia(service)
        else:
            source += "; its health check is assumed to be the contract's"
            targets = NodeTargets(CLOUD_NODES, standard_check(service))
        yield from Balancer(service, f"cloud-provider/{cloud}", source).consumers(targets)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.reason.code == "HealthMonitorNotKnown" or isinstance(verdict.consumer.probe, NoHealthCheck):
            yield annotate(service, MONITOR, "true", "Octavia then routes around nodes without an endpoint.")
        yield from health_checked(service, verdict, nodes)


def _octavia(service: Service) -> Targets:
    """cloud-provider-openstack docs/openstack-cloud-controller-manager/expose-applications-using-loadbalancer-
    type-service.md: without the annotation the controller's `create-monitor` decides, and `Local` needs one."""
    match service.annotations.get(MONITOR):
        case "true":
            return NodeTargets(CLOUD_NODES, standard_check(service))
        case "false":
            return NodeTargets(CLOUD_NODES, UNCHECKED)
        case _:
            detail = f"neither {MONITOR} nor another API object shows whether Octavia checks the nodes"
            return PossibleNodes(CLOUD_NODES, Reason("HealthMonitorNotKnown", detail))
