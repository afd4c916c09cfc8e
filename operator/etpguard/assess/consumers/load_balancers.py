"""What the implementations of `type: LoadBalancer` have in common: how to recognise one, and the nodes that the
cloud-provider contract gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.node_addresses import holders
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck, NodeTargets, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EXCLUDE_LABEL, NodeRule, Readiness
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Reason
from etpguard.assess.platforms import BESIDE_SCHEMES
from etpguard.assess.probe import HealthCheckNodePort, NoHealthCheck, NotModelled, Probe
from etpguard.objects import AnyKind, IPFamily, Requirement, Service, ServicePort
from etpguard.objects.calico import BGP_CONFIGURATION
from etpguard.objects.cilium import CILIUM_BGP_ADVERTISEMENT, CILIUM_L2_ANNOUNCEMENT_POLICY
from etpguard.objects.metallb import IP_ADDRESS_POOL

CLOUD_NODES = NodeRule(
    readiness=Readiness.IGNORED, exclude_label_as_bool=True, skip_deleting=True, as_of_last_sync=True
)
"""k8s.io/cloud-provider v0.37.2 controllers/service/controller.go:1001-1048 stableNodeSetPredicates: not being
deleted, the exclude label absent or parsed as false, no autoscaler taint. Readiness, cordons and roles do not
matter. Only a change of the label or of the providerID, a new Node, one that is gone and a change of the Service
make it look: shouldSyncUpdatedNode."""

OLDER_CLOUD_NODES = replace(CLOUD_NODES, exclude_label_as_bool=False, exclude_label_by_presence=True)
"""The same before v0.34.0, where controller.go nodeIncludedPredicate does not read the value of the label. The
go.mod of a controller names its version."""

EVERY_NODE = NodeRule(taints=(), readiness=Readiness.IGNORED)
"""All nodes to which an unknown load balancer might send."""

SOME_NODES = NodeRule(requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),))
"""The nodes to which most load balancers send. Where there is none, an unknown one may have no target."""

NO_NODE = NodeRule(any_of=((Requirement("kubernetes.io/hostname", "In", ()),),))
"""No node at all."""

UNCHECKED = HealthCheck(NoHealthCheck())

CLOUDS = frozenset(
    {
        *("aws", "azure", "gce", "openstack", "hcloud", "digitalocean", "linode", "vultr", "scaleway", "exoscale"),
        *("upcloud", "civo", "oci", "ibm", "alicloud", "huaweicloud", "qcloud", "tencentcloud", "yandex"),
        *("cloudscale", "stackit", "vsphere", "ionos", "equinixmetal"),
    }
)
"""Schemes of providerIDs of clouds whose controller may serve `type: LoadBalancer` without a class."""

OUTSCALE_DOMAIN = ".lbu.outscale.com"
"""Of the host names of Outscale's load balancers: outscale/cloud-provider-osc 64174f3 examples/2048/README.md. The
providerIDs of its nodes have the scheme aws:// too."""
OUTSCALE_PREFIX = "service.beta.kubernetes.io/osc-load-balancer-"
"""Of its annotations: ccm/cloud/loadbalancer.go."""

CLEANUP = "service.kubernetes.io/load-balancer-cleanup"
"""The finalizer that every service controller of k8s.io/cloud-provider sets before it makes a load balancer."""


class Recognition(NamedTuple):
    """By what a load balancer is recognised, as a clause, and how certain that is."""

    how: str
    evidence: Evidence = Evidence.DOCUMENTED
    assumptions: tuple[str, ...] = ()


def classless(service: Service) -> bool:
    """Whether the cloud's own service controller takes the Service: controller.go:862 wantsLoadBalancer."""
    return service.type == "LoadBalancer" and service.spec.load_balancer_class is None


def of_class(service: Service, *classes: str) -> bool:
    return service.type == "LoadBalancer" and service.spec.load_balancer_class in classes


def sole_cloud(view: View) -> str:
    """The one cloud that the nodes' providerIDs name; "" for none and for more than one."""
    clouds = view.platforms & CLOUDS
    return next(iter(clouds)) if len(clouds) == 1 else ""


def first_mark(service: Service, *prefixes: str) -> str:
    """The first annotation by name that starts with one of the prefixes; "" if none does."""
    return min((key for key in service.annotations if key.startswith(prefixes)), default="")


_IN_CLUSTER: dict[AnyKind, str] = {
    IP_ADDRESS_POOL: "MetalLB",
    CILIUM_L2_ANNOUNCEMENT_POLICY: "Cilium",
    CILIUM_BGP_ADVERTISEMENT: "Cilium",
}
"""Kinds whose objects show a controller that may serve Services without a class."""


def in_cluster_balancers(service: Service, view: View) -> tuple[str, ...]:
    """The controllers in the cluster, other than that of a cloud, that may serve the Service if it has no class.
    Each is a clause: its name, and what shows it. One whose objects cannot be read may be there."""
    found: dict[str, str] = {}
    for kind, name in _IN_CLUSTER.items():
        if view.has(kind):
            found[name] = f"{name}, which the cluster has objects of,"
        elif why := view.hidden(kind):
            found.setdefault(name, _hidden(name, kind, why))
    # With a BGPConfiguration that was read, Calico claims the Services whose addresses it advertises.
    if addressed_by_ip(service) and (why := view.hidden(BGP_CONFIGURATION)):
        found["Calico"] = _hidden("Calico", BGP_CONFIGURATION, why)
    return tuple(found.values())


def _hidden(name: str, kind: AnyKind, why: str) -> str:
    return f"{name}, whose {kind} cannot be read ({why}),"


def by_nodes(service: Service, view: View, scheme: str, provider: str) -> Recognition | None:
    """The recognition of a Service without a class by the providerIDs of the nodes; None unless all that name a
    cloud name this one.

    A providerID shows who made the node, not who serves the Service. Only with the finalizer of a cloud's service
    controller is it certain. Beside another controller that may serve it, nothing is recognised. Files without the
    objects of one count as a cluster without it, since the recognition is then an assumption anyway.
    """
    if not classless(service) or sole_cloud(view) != scheme:
        return None
    if of_nodes(service, view):
        return None
    how = f"recognised by the nodes' providerIDs ({scheme}://)"
    if CLEANUP in service.finalizers:
        return Recognition(f"{how} and by the finalizer {CLEANUP}")
    if in_cluster_balancers(service, view) and not any(entry.hostname for entry in service.load_balancer_ingress):
        return None
    taken = f"the providerIDs of the nodes ({scheme}://) suggest that its load balancer is that of {provider}"
    return Recognition(how, Evidence.ASSUMED, (taken,))


def of_nodes(service: Service, view: View) -> bool:
    """Whether all addresses of the Service are addresses of nodes, which no load balancer of a cloud has. They are
    with k3s ServiceLB and with Node IPAM of Cilium."""
    entries = service.load_balancer_ingress
    return bool(entries) and all(entry.ip and holders(entry.ip, view) for entry in entries)


def of_others(service: Service, view: View, *schemes: str) -> bool:
    """Whether the nodes show that a provider whose nodes have these schemes does not serve the Service: they have
    providerIDs of others alone. Charts carry the annotations of several clouds.

    Nodes without a providerID leave that open, unless another controller may serve the Service too.
    """
    if of_nodes(service, view):
        return True
    found = view.platforms - BESIDE_SCHEMES
    if not schemes or not found.isdisjoint(schemes):
        return False
    named = any(entry.hostname for entry in service.load_balancer_ingress)
    return bool(found) or (not named and bool(in_cluster_balancers(service, view)))


def by_mark(service: Service, *prefixes: str) -> Recognition | None:
    """The recognition by an annotation of the provider."""
    mark = first_mark(service, *prefixes)
    return Recognition(f"recognised by its annotation {mark[:253]}") if mark else None


def by_host(service: Service, *domains: str) -> Recognition | None:
    """The recognition by a host name in one of these domains, which the provider gives to its load balancers."""
    for entry in service.load_balancer_ingress:
        if entry.hostname and entry.hostname.lower().endswith(domains):
            return Recognition(f"recognised by its address {entry.hostname[:253]}")
    return None


def by_class(service: Service, *classes: str) -> Recognition | None:
    """The recognition by one of these values of loadBalancerClass."""
    if not of_class(service, *classes):
        return None
    return Recognition(f"recognised by its loadBalancerClass {service.spec.load_balancer_class}")


def no_node_port(port: ServicePort, controller: str) -> NodeTargets:
    """For a port without a node port, of a load balancer that sends to node ports: it has no target."""
    why = f"{controller} sends to node ports, and port {port.label or port.port} has none"
    return no_target(Reason("NoNodePort", why))


def no_target(reason: Reason) -> NodeTargets:
    """For a port to which the load balancer sends nothing."""
    return NodeTargets(NO_NODE, HealthCheck(NotModelled(reason.detail)), no_target=reason)


def no_node_of(provider: str, scheme: str) -> Reason:
    """Why it is not known where the traffic goes: the controller skips the nodes of other providers, and no node
    is one of its own."""
    detail = (
        f"no Node has a providerID of {provider} ({scheme}), and its controller skips all others. If it serves "
        "the Service, all is lost. Another controller may serve it. Look at the targets of the load balancer"
    )
    return Reason("NoNodeOfProvider", detail)


def refused(code: str, cause: str) -> Reason:
    """The reason for all ports of a Service that the controller refuses as a whole."""
    effect = "The controller fails: it serves no port of the Service, or leaves the load balancer as it was"
    return Reason(code, f"{cause}. {effect}")


def refused_affinity(service: Service, rule: NodeRule) -> UnknownOutcome | None:
    """The targets where the controller refuses each sessionAffinity but None, and the Service has another one."""
    affinity = service.spec.session_affinity or "None"
    if affinity == "None":
        return None
    reason = refused("SessionAffinityNotServed", f"the Service has sessionAffinity {affinity[:63]}")
    return UnknownOutcome(reason, rule)


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
    evidence: Evidence = Evidence.DOCUMENTED
    assumptions: tuple[str, ...] = ()
    without_address: str = ""
    keeps_address: tuple[IPFamily, ...] = ()
    """See `Consumer`."""
    _families: tuple[IPFamily, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_families", served_families(self.service))

    @classmethod
    def of(
        cls,
        service: Service,
        controller: str,
        recognition: Recognition,
        target_type: str = "instance",
        *,
        without_address: str = "",
        keeps_address: tuple[IPFamily, ...] = (),
    ) -> Balancer:
        how, evidence, assumptions = recognition
        given = (how, target_type, evidence, assumptions, without_address, keeps_address)
        return cls(service, controller, *given)

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
            evidence=self.evidence,
            assumptions=self.assumptions,
            keeps_address=self.keeps_address,
            without_address=self.without_address,
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
