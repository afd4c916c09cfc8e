"""By what the load balancer of a Service of type LoadBalancer is recognised."""

from __future__ import annotations

from typing import NamedTuple

from etpguard.assess.consumers.shared.node_addresses import holders
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.platforms import BESIDE_SCHEMES
from etpguard.objects import AnyKind, Service
from etpguard.objects.calico import BGP_CONFIGURATION
from etpguard.objects.cilium import CILIUM_BGP_ADVERTISEMENT, CILIUM_L2_ANNOUNCEMENT_POLICY
from etpguard.objects.metallb import IP_ADDRESS_POOL

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


def addressed_by_ip(service: Service) -> bool:
    """Whether the load balancer has addresses and no host name."""
    entries = service.load_balancer_ingress
    return bool(entries) and not any(entry.hostname for entry in entries)
