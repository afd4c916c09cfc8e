"""The objects of Cilium that announce the addresses of a Service. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from etpguard.assess.consumers.view import View
from etpguard.objects import Key, Service
from etpguard.objects.cilium import (
    CILIUM_BGP_ADVERTISEMENT,
    CILIUM_L2_ANNOUNCEMENT_POLICY,
    CILIUM_L2_LEASE,
    CiliumBGPAdvertisement,
    CiliumL2AnnouncementPolicy,
    L2Lease,
    l2_lease,
    l2_lease_key,
)

LOAD_BALANCER_IP, EXTERNAL_IP = "LoadBalancerIP", "ExternalIP"

# Labels that LB IPAM and the policies match in place of the Service's name and namespace.
_NAME, _NAMESPACE = "io.kubernetes.service.name", "io.kubernetes.service.namespace"


def service_labels(service: Service) -> dict[str, str]:
    return {**service.labels, _NAME: service.key.name, _NAMESPACE: service.key.namespace}


def advertisements_for(
    service: Service, view: View, address: str = LOAD_BALANCER_IP
) -> Iterator[CiliumBGPAdvertisement]:
    """Those that advertise this kind of its addresses by BGP; an absent selector selects no Service."""
    labels = service_labels(service)
    for made in view.all(CILIUM_BGP_ADVERTISEMENT):
        if made.deleting:
            continue
        for each in (made.spec and made.spec.advertisements) or ():
            addresses = (each.service and each.service.addresses) or ()
            if each.advertisement_type != "Service" or address not in addresses or each.selector is None:
                continue
            if each.selector.admits(labels):
                yield made
                break


def policies_for(service: Service, view: View, *, external: bool = False) -> Iterator[CiliumL2AnnouncementPolicy]:
    """The policies that announce the addresses of its load balancer, or its external IPs, by L2; an absent
    selector selects every Service."""
    for policy in view.all(CILIUM_L2_ANNOUNCEMENT_POLICY):
        spec = policy.spec
        if spec is None or policy.deleting or not (spec.external_ips if external else spec.load_balancer_ips):
            continue
        if spec.service_selector is None or spec.service_selector.admits(service_labels(service)):
            yield policy


def lease_keys(service: Service) -> frozenset[Key]:
    return frozenset({l2_lease_key(l2_lease(service.key))})


def held_leases(service: Service, view: View) -> list[L2Lease]:
    """Those of the Service that a node holds: one, unless Cilium has moved to another namespace."""
    found = view.referring(CILIUM_L2_LEASE, l2_lease_key(l2_lease(service.key)))
    return [lease for lease in found if lease.holder]
