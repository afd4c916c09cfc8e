"""The BGP control plane: nodes with an endpoint advertise the address."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from etpguard.assess.consumers.cilium.services import service_labels
from etpguard.assess.consumers.load_balancers import (
    NO_NODE,
    UNCHECKED,
)
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import NodeRule, Readiness
from etpguard.assess.outcome import Reason
from etpguard.objects import Service
from etpguard.objects.cilium import (
    CILIUM_BGP_ADVERTISEMENT,
    CILIUM_BGP_CLUSTER_CONFIG,
    BGPAdvertisement,
)

BGP_NODES = NodeRule(taints=(), readiness=Readiness.IGNORED, follows_endpoints=True, follows_ready=True)
"""A node advertises the address while it has a ready endpoint of any port: cilium v1.20.2
pkg/bgp/manager/reconciler/service.go, cilium/cilium #25477."""


def targets_by_bgp(service: Service, view: View) -> Targets:
    """From the nodes that may advertise the address. What a peer gets depends on its CiliumBGPPeerConfig, which is
    not read: cilium 058641d pkg/bgp/manager/reconciler/peer_advertisements.go GetConfiguredAdvertisements. Without
    one it gets nothing."""
    for kind in (CILIUM_BGP_ADVERTISEMENT, CILIUM_BGP_CLUSTER_CONFIG):
        if why := view.unread(kind):
            return UnknownOutcome(
                Reason("AdvertisementsNotReadable", f"cannot read {kind}: {why}"), BGP_NODES, UNCHECKED
            )
    if not view.has(CILIUM_BGP_ADVERTISEMENT):
        why = view.unseen(CILIUM_BGP_ADVERTISEMENT)
        detail = (
            f"no CiliumBGPAdvertisement was read{f' ({why})' if why else ''}. If an older CiliumBGPPeeringPolicy "
            "or another object selects the Service, nodes with an endpoint advertise the address. If no object "
            "selects it, no node does"
        )
        reason = Reason("AdvertisementsNotSeen", detail)
        if why:
            return UnknownOutcome(reason, BGP_NODES, UNCHECKED)
        return PossibleNodes(BGP_NODES, reason, sends_to_one=True, fewest=NO_NODE)
    if not any(advertisements_for(service, view)):
        detail = "no CiliumBGPAdvertisement of type Service with the address LoadBalancerIP has a selector for it"
        return NodeTargets(NO_NODE, UNCHECKED, no_target=Reason("NotAdvertised", detail))
    if not view.has(CILIUM_BGP_CLUSTER_CONFIG):
        detail = (
            "no CiliumBGPClusterConfig was read: without one, no node has a session that advertises the address"
        )
        return UnknownOutcome(Reason("SessionsNotSeen", detail), BGP_NODES, UNCHECKED)
    configs = [
        config.spec
        for config in view.all(CILIUM_BGP_CLUSTER_CONFIG)
        if config.spec and config.spec.peer_configs and not config.deleting
    ]
    if not configs:
        detail = "no CiliumBGPClusterConfig has a peer with a peerConfigRef, so no node advertises the address"
        return NodeTargets(NO_NODE, UNCHECKED, no_target=Reason("NotAdvertised", detail))
    selectors = [config.node_selector.requirements if config.node_selector else () for config in configs]
    rule = BGP_NODES if () in selectors else replace(BGP_NODES, any_of=tuple(dict.fromkeys(selectors)))
    named = sorted({name for config in configs for name in config.peer_configs})
    detail = (
        "etpguard does not read CiliumBGPPeerConfig, which selects the advertisements and the IP families of a "
        f"peer (here {', '.join(named)[:500]}). If one selects an advertisement of the Service in the family of "
        "the address, the nodes with an endpoint advertise it. If none does, no node does, and all is lost. "
        "`cilium bgp routes advertised` shows which nodes do"
    )
    return PossibleNodes(rule, Reason("PeerConfigNotRead", detail), sends_to_one=True, fewest=NO_NODE)


def advertisements_for(service: Service, view: View) -> Iterator[BGPAdvertisement]:
    """The advertisements of its address by BGP; an absent selector selects no Service."""
    for made in view.all(CILIUM_BGP_ADVERTISEMENT):
        if made.deleting:
            continue
        for each in (made.spec and made.spec.advertisements) or ():
            addresses = (each.service and each.service.addresses) or ()
            if each.advertisement_type != "Service" or "LoadBalancerIP" not in addresses or each.selector is None:
                continue
            if each.selector.admits(service_labels(service)):
                yield each
