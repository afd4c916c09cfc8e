"""The advertisements of MetalLB for a Service, and the nodes that they select. MetalLB 7938d3f (0.16.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from etpguard.assess.consumers.families.metallb.sharing import may_share
from etpguard.assess.consumers.view import View
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Reason
from etpguard.objects import Requirement, Selector, Service
from etpguard.objects.addresses import family_of
from etpguard.objects.calico import BGP_CONFIGURATION
from etpguard.objects.metallb import (
    BGP_ADVERTISEMENT,
    BGP_PEER,
    IP_ADDRESS_POOL,
    L2_ADVERTISEMENT,
    SERVICE_BGP_STATUS,
    Advertisement,
    AdvertisementSpec,
    PeerSpec,
)

POOL = ("metallb.io/ip-allocated-from-pool", "metallb.universe.tf/ip-allocated-from-pool")
"""The annotations that its controller writes when it gives an address."""
CONFIGURATION = (L2_ADVERTISEMENT, BGP_ADVERTISEMENT, IP_ADDRESS_POOL, BGP_PEER)
_MOST_ALTERNATIVES = 256
Alternatives = tuple[tuple[Requirement, ...], ...]
_EVERY_NODE: Alternatives = ((),)


class Advertisements(Struct, frozen=True):
    """Those for a Service. Where there is none, `silent` is why nothing announces its address."""

    layer2: Sequence[AdvertisementSpec] = ()
    bgp: Sequence[AdvertisementSpec] = ()
    silent: Reason | None = None


def advertisements_for(service: Service, view: View) -> Advertisements | Reason:
    """The advertisements for the Service, or why they are not known."""
    found = _configured(service, view)
    return _with_peers(found, view) if isinstance(found, Advertisements) else found


def _configured(service: Service, view: View) -> Advertisements | Reason:
    for kind in CONFIGURATION:
        if why := view.unread(kind):
            return Reason("AdvertisementsNotReadable", f"cannot read {kind}: {why}")
    layer2, bgp = _specs(view.all(L2_ADVERTISEMENT)), _specs(view.all(BGP_ADVERTISEMENT))
    if not layer2 and not bgp:
        return _without_advertisement(view)
    pool = next((service.annotations[key] for key in POOL if key in service.annotations), None)
    if pool is None:
        return _without_pool(layer2, bgp)
    labels = next((p.labels for p in view.all(IP_ADDRESS_POOL) if p.metadata.name == pool), None)
    if labels is None and any(spec.ip_address_pool_selectors for spec in (*layer2, *bgp)):
        return Reason("PoolNotKnown", f"an advertisement selects pools by label, and {_pool(pool)} was not read")
    layer2 = [spec for spec in layer2 if _is_for(spec, pool, labels or {})]
    bgp = [spec for spec in bgp if _is_for(spec, pool, labels or {})]
    if not layer2 and not bgp:
        if unseen := unseen_kinds(view):
            detail = (
                f"no advertisement that was read is for its {_pool(pool)}, and there may be others "
                f"({next(iter(unseen.values()))}). Look at `kubectl get l2advertisements,bgpadvertisements -A`"
            )
            return Reason("AdvertisementsNotSeen", detail)
        detail = (
            f"no L2Advertisement or BGPAdvertisement is for its {_pool(pool)}, so no node announces its address"
        )
        return Advertisements(silent=Reason("NotAdvertised", detail))
    return _for_service(service, layer2, bgp)


def _for_service(
    service: Service, layer2: Sequence[AdvertisementSpec], bgp: Sequence[AdvertisementSpec]
) -> Advertisements:
    """Of those for its pool, the ones for the Service: `serviceSelectors`."""
    if may_share(service) and any(spec.service_selectors for spec in layer2):
        layer2 = ()
        detail = (
            "MetalLB does not announce a Service with allow-shared-ip by L2 where an L2Advertisement of its pool "
            "has serviceSelectors"
        )
    else:
        layer2 = [spec for spec in layer2 if _selects(spec, service)]
        detail = (
            "no advertisement for its pool has serviceSelectors that match its labels, so no node announces it"
        )
    bgp = [spec for spec in bgp if _selects(spec, service)]
    silent = None if layer2 or bgp else Reason("NotAdvertised", detail)
    return Advertisements(layer2, bgp, silent)


def _without_advertisement(view: View) -> Advertisements | Reason:
    """Without any advertisement nothing is announced, except by MetalLB before 0.13, whose configuration is a
    ConfigMap. It has no pools of this kind either."""
    asked = [view.unseen(kind) for kind in CONFIGURATION[:3]]  # all of them: a warning names each that is missing
    unseen = next(filter(None, asked), None)
    if unseen is None and any(True for _ in view.all(IP_ADDRESS_POOL)):
        detail = "there is no L2Advertisement and no BGPAdvertisement, so MetalLB announces no address"
        if why := view.unseen(BGP_CONFIGURATION):
            detail += (
                f". But no BGPConfiguration of Calico was read ({why}). If its serviceLoadBalancerIPs contain the "
                "address, nodes with a ready endpoint advertise it. If not, no node does"
            )
            return Reason("AdvertisementsNotSeen", detail)
        return Advertisements(silent=Reason("NotAdvertised", detail))
    return Reason(
        "AdvertisementsNotSeen",
        f"no L2Advertisement or BGPAdvertisement was read{f' ({unseen})' if unseen else ''}. If there is "
        "one for all nodes, each node with an endpoint may announce the address. If there is one for some nodes, "
        "only these may. If there is none, no node does",
    )


def _without_pool(
    layer2: Sequence[AdvertisementSpec], bgp: Sequence[AdvertisementSpec]
) -> Advertisements | Reason:
    restricted = any(
        spec.node_selectors or spec.service_selectors or spec.ip_address_pools or spec.ip_address_pool_selectors
        for spec in (*layer2, *bgp)
    )
    if restricted:
        detail = "advertisements differ by pool, node or Service, and no annotation names the pool of the Service"
        return Reason("PoolNotKnown", detail)
    return Advertisements(layer2, bgp)


def _with_peers(ads: Advertisements, view: View) -> Advertisements:
    """Without the BGPAdvertisements that are for no BGPPeer: they announce to nobody. internal/bgp/bgp.go
    MatchesPeer: `peers` has names of BGPPeers, and without any it is for all that exist."""
    if not ads.bgp or _peers_unseen(view):
        return ads
    bgp = [spec for spec in ads.bgp if _peers(spec, view)]
    if ads.layer2 or bgp:
        return replace(ads, bgp=bgp)
    detail = "no BGPPeer that exists is one of its BGPAdvertisements' peers, so no node announces its address"
    return Advertisements(silent=Reason("NotAdvertised", detail))


def announcing_nodes(ads: Advertisements, view: View) -> Alternatives | Reason:
    """Alternative requirements on the announcing nodes; the empty one is met by every node."""
    found: list[tuple[Requirement, ...]] = []
    for spec in ads.layer2:
        found += _alternatives(spec.node_selectors)
    if ads.bgp and (why := _peers_unseen(view)):
        detail = (
            f"no BGPPeer was read ({why}). A BGPPeer with nodeSelectors keeps other nodes from announcing the "
            "address"
        )
        return Reason("PeersNotSeen", detail)
    for spec in ads.bgp:
        by_peer = [each for peer in _peers(spec, view) for each in _alternatives(peer.node_selectors)]
        for of_node in _alternatives(spec.node_selectors):
            found += [(*of_node, *of_peer) for of_peer in by_peer]
            if len(found) > _MOST_ALTERNATIVES:
                return Reason("TooManySelectors", f"more than {_MOST_ALTERNATIVES} node selectors apply")
    return tuple(dict.fromkeys(found))


def by_interface(ads: Advertisements) -> bool:
    """Whether the announcing node may lack the interface of an L2Advertisement: speaker/layer2_controller.go
    SetBalancer. One for all interfaces of all nodes is enough."""
    return any(spec.interfaces for spec in ads.layer2) and not any(
        not spec.interfaces and not spec.node_selectors for spec in ads.layer2
    )


def prefix_shared(service: Service, ads: Advertisements) -> bool:
    """Whether a router may know only a prefix of an address: speaker/bgp_controller.go SetBalancer. Routers prefer
    the whole address, where an advertisement announces it to the same peers and from the same nodes."""
    addresses = [family for entry in service.load_balancer_ingress if (family := family_of(entry.ip or ""))]
    return any(
        not _whole(ad, family) and not any(_whole(each, family) and _covers(each, ad) for each in ads.bgp)
        for family in set(addresses or ip_families(service))
        for ad in ads.bgp
    )


def _whole(spec: AdvertisementSpec, family: str) -> bool:
    length, most = (spec.aggregation_length, 32) if family == "IPv4" else (spec.aggregation_length_v6, 128)
    return length is None or length >= most


def _covers(spec: AdvertisementSpec, other: AdvertisementSpec) -> bool:
    """Whether each peer and node of the other advertisement has this one, too."""
    peers = not spec.peers or (bool(other.peers) and set(other.peers or ()) <= set(spec.peers))
    return peers and (not spec.node_selectors or spec.node_selectors == other.node_selectors)


def prefix_hidden(service: Service, view: View, ads: Advertisements | Reason) -> Reason | None:
    """Why a router may know only a prefix of an address that speakers announce by BGP, although that does not
    show: the advertisements for the Service are not known."""
    if not view.referring(SERVICE_BGP_STATUS, service.key):
        return None
    if not view.has(BGP_ADVERTISEMENT) and (why := view.unseen(BGP_ADVERTISEMENT)):
        detail = (
            f"speakers announce the address by BGP, and no BGPAdvertisement was read ({why}). If one announces "
            "only a prefix of the address, nodes without an endpoint of this Service may get its packets"
        )
        return Reason("AdvertisementsNotSeen", detail)
    every = Advertisements(bgp=_specs(view.all(BGP_ADVERTISEMENT)))
    return ads if isinstance(ads, Reason) and prefix_shared(service, every) else None


def unseen_kinds(view: View) -> dict[str, str]:
    """The kinds of advertisements of which there may be others, each with the reason."""
    asked = {kind.name: view.unseen(kind) for kind in (L2_ADVERTISEMENT, BGP_ADVERTISEMENT)}
    return {name: why for name, why in asked.items() if why}


def _peers(spec: AdvertisementSpec, view: View) -> list[PeerSpec]:
    return [
        peer.spec
        for peer in view.all(BGP_PEER)
        if peer.spec and not peer.deleting and (not spec.peers or peer.metadata.name in spec.peers)
    ]


def _peers_unseen(view: View) -> str | None:
    """Why there may be BGPPeers, although none was read."""
    return None if view.has(BGP_PEER) else view.unseen(BGP_PEER)


def _alternatives(selectors: Sequence[Selector] | None) -> Alternatives:
    return tuple(selector.requirements for selector in selectors or ()) or _EVERY_NODE


def _specs(advertisements: Iterable[Advertisement]) -> list[AdvertisementSpec]:
    return [each.spec for each in advertisements if each.spec and not each.deleting]


def _is_for(spec: AdvertisementSpec, pool: str, labels: dict[str, str]) -> bool:
    if not spec.ip_address_pools and not spec.ip_address_pool_selectors:
        return True
    by_label = any(selector.admits(labels) for selector in spec.ip_address_pool_selectors or ())
    return pool in (spec.ip_address_pools or ()) or by_label


def _selects(spec: AdvertisementSpec, service: Service) -> bool:
    return not spec.service_selectors or any(each.admits(service.labels) for each in spec.service_selectors)


def _pool(name: str) -> str:
    return f"IPAddressPool {name[:253]}"
