"""What the implementations of `type: LoadBalancer` have in common: how to recognise one, and the nodes that the
cloud-provider contract gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from etpguard.assess.consumers.interface import CheckSettings, Consumer, HealthCheck, Targets, View
from etpguard.assess.eligibility import NodeRule, Readiness
from etpguard.assess.node_states import ip_families
from etpguard.assess.probe import HealthCheckNodePort, NoHealthCheck, NotModelled, Probe
from etpguard.objects import IPFamily, Service, ServicePort

CLOUD_NODES = NodeRule(readiness=Readiness.IGNORED, exclude_label_as_bool=True, skip_deleting=True)
"""k8s.io/cloud-provider v0.37.2 controllers/service/controller.go:1001-1048 stableNodeSetPredicates: not being
deleted, the exclude label absent or parsed as false, no autoscaler taint. Readiness, cordons and roles do not
matter."""

EVERY_NODE = NodeRule(taints=(), readiness=Readiness.IGNORED)
"""All nodes to which an unknown load balancer might send."""

UNCHECKED = HealthCheck(NoHealthCheck())

GENERIC_CLOUDS = frozenset(
    {
        *("openstack", "digitalocean", "hcloud", "linode", "vultr", "scaleway", "civo"),
        *("exoscale", "upcloud", "ibm", "equinixmetal", "tencentcloud", "huaweicloud", "yandex"),
    }
)
"""Schemes of providerIDs of clouds whose controllers are assumed to follow the contract and nothing else."""

CLOUDS = GENERIC_CLOUDS | {"aws", "azure", "gce"}
"""Schemes of providerIDs of clouds whose controller serves `type: LoadBalancer` without a class."""


def classless(service: Service) -> bool:
    """Whether the cloud's own service controller takes the Service: controller.go:862 wantsLoadBalancer."""
    return service.type == "LoadBalancer" and service.spec.load_balancer_class is None


def of_class(service: Service, *classes: str) -> bool:
    return service.type == "LoadBalancer" and service.spec.load_balancer_class in classes


def sole_cloud(view: View) -> str:
    """The one cloud that the nodes' providerIDs name; "" for none and for more than one."""
    clouds = view.platforms & CLOUDS
    return next(iter(clouds)) if len(clouds) == 1 else ""


def addressed_by_ip(service: Service) -> bool:
    """Whether the load balancer has addresses and no host name."""
    entries = service.load_balancer_ingress
    return bool(entries) and not any(entry.hostname for entry in entries)


def served_families(service: Service) -> tuple[IPFamily, ...]:
    """The families of the load balancer's addresses; the Service's while it has none."""
    own = ip_families(service)
    if not addressed_by_ip(service):
        return own
    given = {"IPv6" if ":" in (entry.ip or "") else "IPv4" for entry in service.load_balancer_ingress}
    return tuple(family for family in own if family in given) or own


@dataclass(frozen=True, slots=True)
class Balancer:
    """The load balancer of a Service of type LoadBalancer, which is one consumer for each port."""

    service: Service
    controller: str
    source: str
    target_type: str = "instance"
    """"node" where nodes announce an address and no target is registered."""
    _families: tuple[IPFamily, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_families", served_families(self.service))

    def consumer(self, port: ServicePort, targets: Targets) -> Consumer:
        return Consumer(
            kind="Service",
            namespace=self.service.key.namespace,
            name=self.service.key.name,
            controller=self.controller,
            target_type=self.target_type,
            port=port.label,
            targets=targets,
            families=self._families,
            source=self.source,
        )

    def consumers(self, targets: Targets) -> Iterator[Consumer]:
        """One for each port, all with the same targets."""
        for port in self.service.ports:
            yield self.consumer(port, targets)


def standard_settings(service: Service) -> CheckSettings:
    """HTTP on the healthCheckNodePort, path /healthz: k8s.io/cloud-provider v0.37.2 service/helpers/helper.go
    GetServiceHealthCheckPathPort."""
    return CheckSettings(str(service.spec.health_check_node_port or "healthCheckNodePort"), "HTTP", "/healthz")


def standard_check(service: Service) -> HealthCheck:
    return HealthCheck(HealthCheckNodePort(), standard_settings(service))


def on_health_check_node_port(protocol: str) -> Probe:
    """kube-proxy answers plain HTTP on the healthCheckNodePort of every node. A check that only connects passes on
    all of them; a check that uses TLS passes on none."""
    match protocol.upper():
        case "HTTP":
            return HealthCheckNodePort()
        case "TCP":
            return HealthCheckNodePort(any_answer=True)
        case other:
            return NotModelled(f"the check uses {other}, and the healthCheckNodePort answers plain HTTP")


def port_number(text: str) -> int | None:
    """The port that an annotation names by number; None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    return int(text) if 0 < int(text) <= 65535 else None
