"""Controllers that may announce the address that another one gave to a Service: Cilium and kube-router. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.consumers.shared.cilium_objects import advertisements_for, held_leases, policies_for
from etpguard.assess.consumers.targets import PossibleNodes
from etpguard.assess.consumers.view import View
from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.outcome import Reason
from etpguard.objects import Service
from etpguard.objects.cilium import (
    CILIUM_BGP_ADVERTISEMENT,
    CILIUM_L2_ANNOUNCEMENT_POLICY,
    CILIUM_L2_LEASE,
    l2_lease,
)

KUBE_ROUTER_ADVERTISES = "kube-router.io/service.advertise.loadbalancerip"
KUBE_ROUTER_SKIPS = "kube-router.io/service.skiplbips"
"""Deprecated. It counts with any value."""


def others(service: Service, view: View) -> str:
    """Who may announce the address of a Service, as a clause; "" if nobody else does."""
    if _selected_by_policy(service, view):
        return "a CiliumL2AnnouncementPolicy selects the Service"
    if _without_class(service) and view.has(CILIUM_BGP_ADVERTISEMENT) and any(advertisements_for(service, view)):
        return "a CiliumBGPAdvertisement selects the Service"
    if who := _kube_router(service, view):
        return who
    for kind in (CILIUM_L2_ANNOUNCEMENT_POLICY, CILIUM_BGP_ADVERTISEMENT):
        if _without_class(service) and (why := view.hidden(kind)):
            return f"{kind} cannot be read ({why})"
    return ""


def asked_of_kube_router(service: Service) -> bool | None:
    """Whether annotations of the Service make kube-router advertise the addresses of its load balancer; None where
    none says. kube-router treats a value that ParseBool rejects as false."""
    if KUBE_ROUTER_SKIPS in service.annotations:
        return False
    written = service.annotations.get(KUBE_ROUTER_ADVERTISES)
    return None if written is None else BOOLEANS.get(written, False)


def _kube_router(service: Service, view: View) -> str:
    router = view.planes.kube_router if view.planes else None
    if router and not router.routes:
        return ""
    asked = asked_of_kube_router(service)
    if asked:
        return f"the annotation {KUBE_ROUTER_ADVERTISES} of the Service makes kube-router advertise it"
    if asked is None and router and router.load_balancer_ips:
        return "kube-router advertises the addresses of load balancers (--advertise-loadbalancer-ip)"
    return ""


def also_by_cilium(service: Service, view: View, nodes: frozenset[str]) -> PossibleNodes | None:
    """The targets of an address that these nodes announce by ARP, where Cilium answers for it on another one too;
    None if it does not. Without names, any node may announce it."""
    if not _selected_by_policy(service, view):
        return None
    holders = frozenset(lease.holder for lease in held_leases(service, view))
    if holders <= nodes and (holders or not (why := view.unseen(CILIUM_L2_LEASE))):
        return None
    where = f"whose holder is {min(holders - nodes)[:253]}" if holders - nodes else f"which was not read ({why})"
    detail = (
        "a CiliumL2AnnouncementPolicy selects the Service too, so the holder of the Lease "
        f"{l2_lease(service.key)}, {where}, answers ARP requests for the address. If it has no endpoint, a "
        "share of the traffic or all of it is lost. Let one controller alone announce the address"
    )
    rule = replace(EVERY_NODE, names=holders | nodes) if nodes and holders - nodes else EVERY_NODE
    return PossibleNodes(rule, Reason("AnnouncedTwice", detail))


def _selected_by_policy(service: Service, view: View) -> bool:
    known = view.has(CILIUM_L2_ANNOUNCEMENT_POLICY)
    return _without_class(service) and known and any(policies_for(service, view))


def _without_class(service: Service) -> bool:
    """Cilium announces no Service with the class of another controller."""
    return service.spec.load_balancer_class is None
