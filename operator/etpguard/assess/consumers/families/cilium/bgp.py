"""The BGP control plane: nodes with an endpoint advertise the address to the peers that are to get it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from msgspec.structs import replace

from etpguard.assess.consumers.shared.cilium_objects import LOAD_BALANCER_IP, advertisements_for
from etpguard.assess.consumers.shared.load_balancers import (
    NO_NODE,
    UNCHECKED,
    served_families,
)
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.data_planes.interface import DataPlane
from etpguard.assess.node_rule import Hosts, NodeRule, Readiness
from etpguard.assess.outcome import Reason
from etpguard.objects import IPFamily, Key, Requirement, Service
from etpguard.objects.cilium import (
    CILIUM_BGP_ADVERTISEMENT,
    CILIUM_BGP_CLUSTER_CONFIG,
    CILIUM_BGP_PEER_CONFIG,
    CiliumBGPAdvertisement,
    CiliumBGPClusterConfig,
    CiliumBGPPeerConfig,
)

BGP_NODES = NodeRule(taints=(), readiness=Readiness.IGNORED, hosts=Hosts.READY)
"""A node advertises the address while it has a ready endpoint of any port: cilium v1.20.2
pkg/bgp/manager/reconciler/service.go, cilium/cilium #25477."""
_SWITCH = "enable-bgp-control-plane"
_OFF = Reason(
    "ControlPlaneOff",
    f"the configuration of Cilium that was read (cilium-config or a CiliumNodeConfig) does not set {_SWITCH} to "
    "true. Without it no node advertises an address, once its agent has restarted with that configuration. "
    "`cilium bgp peers` shows whether the nodes have sessions",
)
"""cilium 058641d pkg/bgp/manager/reconciler/service.go NewServiceReconciler."""


def targets_by_bgp(
    service: Service, view: View, address: str = LOAD_BALANCER_IP, families: Sequence[IPFamily] = ()
) -> Targets:
    """For one kind of its addresses, in these families; those of the load balancer by default. A peer gets the
    advertisements that its CiliumBGPPeerConfig selects for the family of the address: cilium 9bcad54
    pkg/bgp/manager/reconciler/peer_advertisements.go GetConfiguredAdvertisements."""
    for kind in (CILIUM_BGP_ADVERTISEMENT, CILIUM_BGP_CLUSTER_CONFIG):
        if why := view.unread(kind):
            return UnknownOutcome(
                Reason("AdvertisementsNotReadable", f"cannot read {kind}: {why}"), BGP_NODES, UNCHECKED
            )
    if not view.has(CILIUM_BGP_ADVERTISEMENT):
        return _without_advertisement(view)
    advertisements = list(advertisements_for(service, view, address))
    if not advertisements:
        return _silent(
            f"no CiliumBGPAdvertisement of type Service with the address {address} has a selector for it"
        )
    if not view.has(CILIUM_BGP_CLUSTER_CONFIG):
        detail = (
            "no CiliumBGPClusterConfig was read: without one, no node has a session that advertises the address"
        )
        return UnknownOutcome(Reason("SessionsNotSeen", detail), BGP_NODES, UNCHECKED)
    configs = [config for config in view.all(CILIUM_BGP_CLUSTER_CONFIG) if not config.deleting]
    with_peers = [config for config in configs if config.spec and config.spec.peer_configs]
    if not with_peers:
        return _silent(
            "no CiliumBGPClusterConfig has a peer with a peerConfigRef, so no node advertises the address"
        )
    if why := view.unseen(CILIUM_BGP_PEER_CONFIG):
        return _peer_configs_unseen(with_peers, why)
    families = families or served_families(service)
    found = view.once(
        f"BGP sessions for {', '.join(families)}",
        advertisements[0],
        lambda _: _by_sessions(families, configs, advertisements, view),
        *advertisements[1:],
    )
    if isinstance(found, NodeTargets) and found.rule is not NO_NODE and _may_be_off(view):
        return PossibleNodes(found.rule, _OFF, sends_to_one=True, fewest=NO_NODE)
    return found


def _by_sessions(
    families: Sequence[IPFamily],
    configs: Sequence[CiliumBGPClusterConfig],
    advertisements: Sequence[CiliumBGPAdvertisement],
    view: View,
) -> Targets:
    by_family = {
        family: [config for config in configs if _advertises(config, family, advertisements, view)]
        for family in families
    }
    first, *others = by_family.values()
    if any(other != first for other in others):
        parts = (f"{family}: {_names(found) or 'none'}" for family, found in by_family.items())
        detail = (
            "the CiliumBGPPeerConfigs select its advertisement for one IP family and not for the other. The "
            f"CiliumBGPClusterConfigs whose nodes advertise its address: {'; '.join(parts)}"
        )
        every = [config for config in configs if any(config in found for found in by_family.values())]
        return PossibleNodes(_nodes(every), Reason("FamiliesDiffer", detail), sends_to_one=True, fewest=NO_NODE)
    if not first:
        return _silent(
            f"no CiliumBGPPeerConfig of a peer selects an advertisement of the Service ({_names(advertisements)}) "
            f"for {' or '.join(by_family)}, so no node advertises the address"
        )
    advertising = {config.metadata.name for config in first}
    selectors = {_selector(config) for config in first}
    contested = [
        config
        for config in configs
        if config.metadata.name not in advertising and not all(_disjoint(_selector(config), s) for s in selectors)
    ]
    if contested:
        detail = (
            f"CiliumBGPClusterConfig {_names(contested)}, which does not advertise the address, may select the "
            f"same nodes as {_names(first)}. Cilium uses the one that a node got first. `kubectl get "
            "ciliumbgpnodeconfigs -o yaml` names it as the owner"
        )
        reason = Reason("SessionsContested", detail)
        return PossibleNodes(_nodes(first), reason, sends_to_one=True, fewest=NO_NODE)
    return NodeTargets(_nodes(first), UNCHECKED)


def _advertises(
    config: CiliumBGPClusterConfig,
    family: IPFamily,
    advertisements: Sequence[CiliumBGPAdvertisement],
    view: View,
) -> bool:
    """Whether a peer gets one of the advertisements from the nodes of this configuration."""
    names = sorted(config.spec.peer_configs) if config.spec else ()
    found = (view.get(CILIUM_BGP_PEER_CONFIG, Key("", name)) for name in names)
    return any(_selects(peer, family, advertisements) for peer in found if peer)


def _selects(
    peer: CiliumBGPPeerConfig, family: IPFamily, advertisements: Sequence[CiliumBGPAdvertisement]
) -> bool:
    """Of several entries for one family, the last one counts."""
    entries = [
        entry
        for entry in (peer.spec and peer.spec.families) or ()
        if (entry.afi, entry.safi) == (family.lower(), "unicast")
    ]
    selector = entries[-1].advertisements if entries else None
    return selector is not None and any(selector.admits(each.labels) for each in advertisements)


def _nodes(configs: Iterable[CiliumBGPClusterConfig]) -> NodeRule:
    selectors = [_selector(config) for config in configs]
    return BGP_NODES if () in selectors else replace(BGP_NODES, any_of=tuple(dict.fromkeys(selectors)))


def _selector(config: CiliumBGPClusterConfig) -> tuple[Requirement, ...]:
    selector = config.spec.node_selector if config.spec else None
    return selector.requirements if selector else ()


def _disjoint(one: tuple[Requirement, ...], other: tuple[Requirement, ...]) -> bool:
    """Whether no node can meet both. A node gets the sessions of one configuration alone: cilium 23dbd70
    operator/pkg/bgp/cluster.go upsertNodeConfigs."""
    return any(a.key == b.key and (_contradict(a, b) or _contradict(b, a)) for a, b in product(one, other))


def _contradict(a: Requirement, b: Requirement) -> bool:
    """Whether no label meets both; one of the two orders is enough."""
    match a.operator, b.operator:
        case "In", "In":
            return not set(a.values or ()) & set(b.values or ())
        case "In", "NotIn":
            return set(a.values or ()) <= set(b.values or ())
        case "DoesNotExist", "In" | "Exists":
            return True
        case _:
            return False


def _may_be_off(view: View) -> bool:
    """Whether the configuration of Cilium, as far as it was read, has the BGP control plane off on some nodes."""
    planes = view.planes
    if planes is None:
        return False
    candidates = [each for group in planes.groups for each in (group.plane, group.plane.for_pods) if each]
    return any(
        each.name is DataPlane.CILIUM and each.settings is not None and not each.enabled(_SWITCH, default=False)
        for each in candidates
    )


def _without_advertisement(view: View) -> Targets:
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


def _peer_configs_unseen(configs: Sequence[CiliumBGPClusterConfig], why: str) -> PossibleNodes:
    named = sorted({name for config in configs if config.spec for name in config.spec.peer_configs})
    detail = (
        f"no CiliumBGPPeerConfig was read ({why}), which selects the advertisements and the IP families of a peer "
        f"(here {', '.join(named)[:500]}). If one selects an advertisement of the Service in the family of the "
        "address, the nodes with an endpoint advertise it. If none does, no node does, and all is lost. "
        "`cilium bgp routes advertised` shows which nodes do"
    )
    return PossibleNodes(_nodes(configs), Reason("PeerConfigNotRead", detail), sends_to_one=True, fewest=NO_NODE)


def _silent(detail: str) -> NodeTargets:
    return NodeTargets(NO_NODE, UNCHECKED, no_target=Reason("NotAdvertised", detail))


def _names(objects: Iterable[CiliumBGPAdvertisement | CiliumBGPClusterConfig]) -> str:
    return ", ".join(sorted(each.metadata.name for each in objects))[:500]
