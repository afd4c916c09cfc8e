"""The load balancer that a cloud's own controller makes for `type: LoadBalancer`, by the contract of
k8s.io/cloud-provider v0.37.2; clouds whose ways are known better have a family of their own before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.interface import BaseFamily, Consumer, ConsumerVerdict, View
from etpguard.assess.consumers.load_balancers import (
    CLOUD_NODES,
    GENERIC_CLOUDS,
    Balancer,
    classless,
    sole_cloud,
    standard_check,
)
from etpguard.assess.consumers.remedies import annotate, health_checked
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import HealthCheckNodePort, NoHealthCheck
from etpguard.objects import Node, Service

MONITOR = "loadbalancer.openstack.org/enable-health-monitor"


class CloudProvider(BaseFamily):
    """Every node of `CLOUD_NODES`, checked by HTTP on the healthCheckNodePort."""

    name = "cloud-provider"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        cloud = sole_cloud(view)
        if not classless(service) or cloud not in GENERIC_CLOUDS:
            return
        told = f"the nodes' providerIDs ({cloud}://) tell the cloud whose controller serves it"
        for _, consumer in Balancer(service, f"cloud-provider/{cloud}", told).ports():
            if cloud == "openstack":
                yield _octavia(service, consumer)
            else:
                yield replace(
                    consumer,
                    nodes=CLOUD_NODES,
                    health_check=standard_check(service),
                    probe=HealthCheckNodePort(),
                    source=f"{told}; its health check is taken to be the contract's",
                )

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        if verdict.reason.code == "HealthMonitorNotKnown" or isinstance(verdict.consumer.probe, NoHealthCheck):
            yield annotate(service, MONITOR, "true", "Octavia then routes around nodes without an endpoint")
        yield from health_checked(service, verdict, nodes)


def _octavia(service: Service, consumer: Consumer) -> Consumer:
    """cloud-provider-openstack docs/openstack-cloud-controller-manager/expose-applications-using-loadbalancer-
    type-service.md: without the annotation the controller's `create-monitor` decides, and `Local` needs one."""
    consumer = replace(consumer, nodes=CLOUD_NODES)
    match service.annotations.get(MONITOR):
        case "true":
            return replace(consumer, health_check=standard_check(service), probe=HealthCheckNodePort())
        case "false":
            return replace(consumer, probe=NoHealthCheck())
        case _:
            detail = f"whether Octavia checks the nodes is told neither by {MONITOR} nor by another API object"
            return replace(consumer, unless_covered=Reason("HealthMonitorNotKnown", detail))
