"""What the implementations of `type: LoadBalancer` have in common: how one is recognised, and which nodes
the cloud-provider contract gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etpguard.assess.consumers.interface import Consumer, HealthCheck, View
from etpguard.assess.eligibility import NodeRule, Readiness
from etpguard.assess.node_states import ip_families
from etpguard.assess.probe import HealthCheckNodePort, NotModelled, Probe
from etpguard.objects import IPFamily, Service, ServicePort

CLOUD_NODES = NodeRule(readiness=Readiness.IGNORED, exclude_label_as_bool=True, skip_deleting=True)
"""k8s.io/cloud-provider v0.37.2 controllers/service/controller.go:1001-1048 stableNodeSetPredicates: not being
deleted, the exclude label absent or parsed as false, no autoscaler taint. Readiness, cordons and roles have no
say."""

EVERY_NODE = NodeRule(taints=(), readiness=Readiness.IGNORED)
"""All that some unknown way of balancing might send to."""

GENERIC_CLOUDS = frozenset(
    {
        *("openstack", "digitalocean", "hcloud", "linode", "vultr", "scaleway", "civo"),
        *("exoscale", "upcloud", "ibm", "equinixmetal", "tencentcloud", "huaweicloud", "yandex"),
    }
)
"""Schemes of providerIDs of clouds whose controllers are taken to keep to the contract and no more."""

CLOUDS = GENERIC_CLOUDS | {"aws", "azure", "gce"}
"""Schemes of providerIDs of clouds whose controller serves `type: LoadBalancer` without a class."""


def classless(service: Service) -> bool:
    """Whether the cloud's own service controller takes the Service: controller.go:862 wantsLoadBalancer."""
    return service.type == "LoadBalancer" and service.spec.load_balancer_class is None


def of_class(service: Service, *classes: str) -> bool:
    return service.type == "LoadBalancer" and service.spec.load_balancer_class in classes


def sole_cloud(view: View) -> str:
    """The one cloud that the nodes' providerIDs name, "" where it is none or more than one."""
    clouds = view.platforms & CLOUDS
    return next(iter(clouds)) if len(clouds) == 1 else ""


def addressed_by_ip(service: Service) -> bool:
    """Whether the load balancer has answered with addresses and no host name."""
    entries = service.load_balancer_ingress
    return bool(entries) and not any(entry.hostname for entry in entries)


def served_families(service: Service) -> tuple[IPFamily, ...]:
    """The families of the addresses that the load balancer has; the Service's where that is not told."""
    own = ip_families(service)
    if not addressed_by_ip(service):
        return own
    given = {"IPv6" if ":" in (entry.ip or "") else "IPv4" for entry in service.load_balancer_ingress}
    return tuple(family for family in own if family in given) or own


@dataclass(frozen=True, slots=True)
class Balancer:
    """A load balancer of the Service itself, before a port of it is looked at."""

    service: Service
    controller: str
    source: str
    target_type: str = "instance"
    """"node" where an address is announced from nodes, and nothing is registered anywhere."""

    def ports(self) -> Iterator[tuple[ServicePort, Consumer]]:
        """Each port of the Service with the consumer that it is, still without nodes and health check."""
        for port in self.service.ports:
            yield (
                port,
                Consumer(
                    kind="Service",
                    namespace=self.service.key.namespace,
                    name=self.service.key.name,
                    controller=self.controller,
                    target_type=self.target_type,
                    port=port.label,
                    families=served_families(self.service),
                    source=self.source,
                ),
            )


def standard_check(service: Service) -> HealthCheck:
    """HTTP on the healthCheckNodePort, path /healthz: k8s.io/cloud-provider v0.37.2 service/helpers/helper.go
    GetServiceHealthCheckPathPort."""
    return HealthCheck(str(service.spec.health_check_node_port or "healthCheckNodePort"), "HTTP", "/healthz")


def on_health_check_node_port(protocol: str) -> Probe:
    """kube-proxy answers plain HTTP on the healthCheckNodePort of every node, so a check that only connects
    passes on all of them, and one that wants TLS on none."""
    match protocol.upper():
        case "HTTP":
            return HealthCheckNodePort()
        case "TCP":
            return HealthCheckNodePort(any_answer=True)
        case other:
            return NotModelled(f"an {other} check of the healthCheckNodePort, which speaks plain HTTP")


def port_number(text: str) -> int | None:
    """The port that an annotation names by number, None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    return int(text) if 0 < int(text) <= 65535 else None
