"""The addresses on which Cilium serves a Service, and the nodes that install it.

Read in cilium v1.20.2 pkg/loadbalancer/reflectors/conversions.go (convertService, getIPFamilies,
CheckServiceNodeExposure, NewSvcExposureType), and for releases before 1.18 in v1.15.19 pkg/k8s/service.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, ip_address
from typing import NamedTuple

from etpguard.assess.data_planes.inputs import Nodes
from etpguard.assess.node_selection import label_selector, not_read
from etpguard.assess.node_states import HEADLESS, PROXY_NAME, Frontend, ip_families, policy_applies
from etpguard.objects import IP_FAMILIES, IPFamily, Requirement, Service, ServicePort

NODE, NODE_SELECTOR, TYPE = (
    "service.cilium.io/node",
    "service.cilium.io/node-selector",
    "service.cilium.io/type",
)
_TYPES = frozenset({"ClusterIP", "NodePort", "LoadBalancer"})


class FrontendPort(NamedTuple):
    """A service port in one family, with the kinds of addresses that Cilium serves for it, and those that the
    Service has but Cilium leaves out."""

    port: ServicePort
    family: IPFamily
    served: frozenset[Frontend]
    left_out: frozenset[Frontend]


def selected(labels: dict[str, str], proxy_name: str) -> bool:
    """Whether the labels leave the object to this Cilium: pkg/k8s/utils/utils.go serviceListLabelSelector."""
    return labels.get(PROXY_NAME) == proxy_name if proxy_name else PROXY_NAME not in labels


def frontend_ports(service: Service, proxy_name: str) -> Iterable[FrontendPort]:
    """The ports that release 1.18 and later serve outside."""
    if not selected(service.labels, proxy_name) or not policy_applies(service):
        return
    if HEADLESS in service.labels or (service.spec.cluster_ip or "").lower() == "none":
        return
    only = service.annotations.get(TYPE)
    only = only if only in _TYPES else None
    families = _families(service)
    vips = {
        go_family_of(entry.ip)
        for entry in service.load_balancer_ingress
        if service.type == "LoadBalancer" and entry.ip and entry.ip_mode in (None, "VIP")
    }
    external = {go_family_of(address) for address in service.spec.external_ips or ()}
    for port in service.ports:
        for family in IP_FAMILIES:
            node_port = bool(port.node_port) and service.type in _WITH_NODE_PORT and family in families
            has = {Frontend.NODE_PORT: node_port, Frontend.VIP: family in vips}
            exposed = {
                Frontend.NODE_PORT: only in (None, "NodePort"),
                Frontend.VIP: only in (None, "LoadBalancer"),
            }
            served = {kind for kind, present in has.items() if present and exposed[kind]}
            if family in external:
                served.add(Frontend.EXTERNAL_IP)
            if served:
                left_out = frozenset(kind for kind, present in has.items() if present and not exposed[kind])
                yield FrontendPort(port, family, frozenset(served), left_out)


def cluster_ip_ports(service: Service, proxy_name: str) -> Iterable[FrontendPort]:
    """The ports that release 1.18 and later serve at a cluster IP."""
    if not selected(service.labels, proxy_name) or HEADLESS in service.labels or not _has_cluster_ip(service):
        return
    families = _families(service)
    for port in service.ports:
        for family in IP_FAMILIES:
            if family in families:
                yield FrontendPort(port, family, frozenset(), frozenset())


def leaves_out_cluster_ip(service: Service) -> bool:
    """Whether an annotation limits the Service to another kind of address."""
    return service.annotations.get(TYPE) in _TYPES - {"ClusterIP"}


def _has_cluster_ip(service: Service) -> bool:
    return service.type != "ExternalName" and (service.spec.cluster_ip or "").lower() != "none"


_WITH_NODE_PORT = ("NodePort", "LoadBalancer")


def _families(service: Service) -> frozenset[str]:
    """getIPFamilies: spec.ipFamilies, or else the families of all cluster IPs. In a manifest, which has none yet,
    those that kube-proxy's rule takes."""
    spec = service.spec
    if spec.ip_families:
        return frozenset(spec.ip_families)
    if not spec.cluster_ip:
        return frozenset(ip_families(service))
    return frozenset(family for ip in spec.cluster_ips or (spec.cluster_ip,) if (family := go_family_of(ip)))


def go_family_of(address: str) -> IPFamily | None:
    """As Go's netip.ParseAddr: no leading zeros, and an IPv4-mapped address is IPv6. None if invalid."""
    try:
        return "IPv4" if isinstance(ip_address(address), IPv4Address) else "IPv6"
    except ValueError:
        return None


def installing(service: Service, nodes: Nodes) -> int:
    """The nodes that install the Service: CheckServiceNodeExposure. A selector that cannot be parsed is
    ignored."""
    text = service.annotations.get(NODE_SELECTOR)
    if text is not None:
        selector = label_selector(text)
        return -1 if selector is None else nodes.having(selector)
    value = service.annotations.get(NODE)
    return -1 if value is None else nodes.having((Requirement(NODE, "In", (value,)),))


def limit(service: Service) -> str:
    """Why only some nodes may install the Service, as a clause; "" if nothing limits it."""
    found = next((each for each in (NODE, NODE_SELECTOR) if each in service.annotations), "")
    return found and f"the annotation {found} limits it to some of the nodes with Cilium"


def selector_not_read(service: Service) -> bool:
    """Whether the Service has a selector that Cilium understands and `installing` does not."""
    return not_read(service.annotations.get(NODE_SELECTOR, ""))
