"""The nodes that announce an address of MetalLB: what its speakers report, or else what its configuration says.

MetalLB 7938d3f (0.16.1), speaker/layer2_controller.go and speaker/bgp_controller.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from etpguard.assess.consumers.load_balancers import EVERY_NODE, NO_NODE, UNCHECKED, served_families
from etpguard.assess.consumers.metallb.sharing import may_share
from etpguard.assess.consumers.other_announcers import also_by_cilium, others
from etpguard.assess.consumers.strict_arp import answered_everywhere
from etpguard.assess.consumers.targets import NodeTargets, Otherwise, PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import CONTROL_PLANE_TAINTS, EXCLUDE_LABEL, NodeRule, Readiness
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Reason
from etpguard.assess.platforms import TAINTED
from etpguard.objects import Key, Kind, Requirement, Selector, Service
from etpguard.objects.addresses import family_of
from etpguard.objects.calico import BGP_CONFIGURATION
from etpguard.objects.metallb import (
    BGP_ADVERTISEMENT,
    BGP_PEER,
    IP_ADDRESS_POOL,
    L2_ADVERTISEMENT,
    SERVICE_BGP_STATUS,
    SERVICE_L2_STATUS,
    Advertisement,
    AdvertisementSpec,
    AnnouncementStatus,
    PeerSpec,
    report_key,
)

POOL = ("metallb.io/ip-allocated-from-pool", "metallb.universe.tf/ip-allocated-from-pool")
"""The annotations that its controller writes when it gives an address."""

CONFIGURATION = (L2_ADVERTISEMENT, BGP_ADVERTISEMENT, IP_ADDRESS_POOL, BGP_PEER)
STATUSES = (SERVICE_L2_STATUS, SERVICE_BGP_STATUS)

NODES = NodeRule(
    requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),),
    taints=(),
    tolerated=CONTROL_PLANE_TAINTS,
    needs_network=True,
    readiness=Readiness.IGNORED,
    follows_endpoints=True,
)
"""speaker/layer2_controller.go nodesWithEndpoint and speakersForPool, speaker/bgp_controller.go ShouldAnnounce:
nodes with a ready or serving endpoint, whatever its port or family, with a network, and without the exclude
label, whatever its value. The manifests' speaker tolerates the taints of control planes alone."""

_SPEAKER = Reason(
    "SpeakerNotKnown",
    "no node announces the address, unless nodes with a taint do. The speaker of MetalLB's manifests tolerates "
    "only the taints of control planes. Look at the tolerations of the DaemonSet speaker",
)
_SILENT = (
    "no node announces the address: MetalLB announces from nodes with an endpoint that an advertisement selects, "
    f"without the label {EXCLUDE_LABEL}, without the condition NetworkUnavailable, and with a speaker"
)
_OUTDATED = Reason(
    "AnnouncementOutdated",
    "a ServiceL2Status or ServiceBGPStatus names a node without an endpoint, but MetalLB announces only from "
    "nodes with one. If the speaker of that node still announces the address, its traffic is lost. If the status "
    "is out of date, another node announces the address. Look at the log of the speaker on that node",
)
_ONE_NODE = Reason(
    "AnnouncerNotKnown",
    "by ARP, one of the nodes with an endpoint of any port announces the address, and no ServiceL2Status names "
    "it. If it has an endpoint of this port, nothing is lost. If it has none of this port, all is lost",
)
_INTERFACES = Reason(
    "InterfacesNotKnown",
    "an L2Advertisement has interfaces, and no ServiceL2Status names the announcing node. Without such an "
    "interface, that node announces nothing. Look at the events announceFailed of the Service, and at the "
    "interfaces of the nodes",
)
_PREFIX_SHARED = Reason(
    "PrefixShared",
    "a BGPAdvertisement has an aggregationLength shorter than the address, so MetalLB announces a prefix. Each "
    "node that announces an address of this prefix gets the packets for all of them. Nodes without an endpoint of "
    "this Service drop its packets. Look at the routes to the prefix on the routers",
)
_NOT_REPORTED = Reason(
    "AnnouncementNotReported",
    "speakers report what they announce, and none reports this Service. If it is new, its status follows in a "
    "moment. If not, no node announces the address, for example because no speaker runs on a node with an "
    "endpoint, or because there is no session with a BGP peer. Look at `kubectl get "
    "servicel2statuses,servicebgpstatuses -A`, and at the events of the Service",
)
"""layer2_status_controller.go and bgp_status_controller.go: a speaker deletes its status of a Service when it
stops to announce it, and when no BGP peer is left."""
_MOST_ALTERNATIVES = 256

_Alternatives = tuple[tuple[Requirement, ...], ...]
_EVERY_NODE: _Alternatives = ((),)


class Announcement(Struct, frozen=True):
    targets: Targets
    observed: bool = False
    """Whether a speaker reports it."""
    assumptions: tuple[str, ...] = ()
    reads: frozenset[Key] = frozenset()
    """Keys that stand for the reports about other Services: whether there are any decides."""


def announcement(service: Service, view: View) -> Announcement:
    """Who announces the Service's address."""
    ads = _advertisements(service, view)
    if isinstance(ads, _Advertisements):
        ads = _with_peers(ads, view)
    if _by_arp(service, view, ads) and (everywhere := answered_everywhere(view, *served_families(service))):
        return Announcement(everywhere)
    shared = isinstance(ads, _Advertisements) and _prefix_shared(service, ads)
    nodes = frozenset[str]().union(*(_reporting(service, view, kind) for kind in STATUSES))
    complete = not isinstance(ads, _Advertisements) or not _missing(service, view, ads)
    if nodes and complete and not shared:
        if hidden := _prefix_hidden(service, view, ads):
            return Announcement(UnknownOutcome(hidden, NODES, UNCHECKED))
        if view.referring(SERVICE_L2_STATUS, service.key) and (twice := also_by_cilium(service, view, nodes)):
            return Announcement(twice)
        rule = _named(nodes)
        hosting = Otherwise(replace(rule, follows_endpoints=True), _OUTDATED, none_is_unknown=True)
        return Announcement(NodeTargets(rule, UNCHECKED, otherwise=hosting), observed=True)
    if isinstance(ads, Reason):
        return Announcement(UnknownOutcome(ads, NODES, UNCHECKED))
    if ads.silent and (who := others(service, view)):
        detail = (
            f"{ads.silent.detail}. But {who}. If that is meant for this address, nodes of its own choice announce "
            "it. If not, no node does, and all is lost"
        )
        return Announcement(UnknownOutcome(Reason("AnnouncedByOther", detail), NODES, UNCHECKED))
    if silent := ads.silent:
        targets = NodeTargets(NO_NODE, UNCHECKED, no_target=silent)
        return Announcement(targets, assumptions=_no_others(view))
    alternatives = _nodes(ads, view)
    if isinstance(alternatives, Reason):
        return Announcement(UnknownOutcome(alternatives, NODES, UNCHECKED))
    if ads.layer2 and (twice := also_by_cilium(service, view, nodes)):
        return Announcement(twice)
    rule = replace(NODES, any_of=() if () in alternatives else alternatives)
    missing = _missing(service, view, ads)
    reads = frozenset(map(report_key, missing))
    others_have = any(view.any_refers(kind, report_key(kind)) for kind in missing)
    unreported = Otherwise(_named(nodes), _NOT_REPORTED) if service.uid and others_have else None
    if shared:
        fewest = unreported.rule if unreported else rule
        return Announcement(PossibleNodes(EVERY_NODE, _PREFIX_SHARED, fewest=fewest), reads=reads)
    targets = NodeTargets(rule, UNCHECKED, otherwise=unreported)
    if not ads.bgp:
        nobody = Otherwise(NO_NODE, _INTERFACES) if _by_interface(ads) else None
        targets = replace(targets, one_of=_ONE_NODE, otherwise=unreported or nobody)
    if TAINTED in view.platforms:
        return Announcement(replace(targets, other_targets=_SPEAKER), reads=reads)
    targets = replace(targets, no_target=Reason("NoTargets", _SILENT))
    return Announcement(targets, assumptions=_no_others(view) if rule.any_of else (), reads=reads)


class _Advertisements(Struct, frozen=True):
    """Those for a Service. Where there is none, `silent` is why nothing announces its address."""

    layer2: Sequence[AdvertisementSpec] = ()
    bgp: Sequence[AdvertisementSpec] = ()
    silent: Reason | None = None


def _by_arp(service: Service, view: View, ads: _Advertisements | Reason) -> bool:
    """Whether speakers announce the address by ARP, as far as is known, or none announces it. By BGP alone,
    routers have routes to it and ask no node by ARP."""
    if view.referring(SERVICE_L2_STATUS, service.key):
        return True
    return isinstance(ads, _Advertisements) and (bool(ads.layer2) or ads.silent is not None)


def _reporting(service: Service, view: View, kind: Kind[AnnouncementStatus]) -> set[str]:
    """The nodes whose speakers report by this kind that they announce the Service."""
    return {status.node for status in view.referring(kind, service.key) if status.node and not status.deleting}


def _missing(service: Service, view: View, ads: _Advertisements) -> list[Kind[AnnouncementStatus]]:
    """The kinds by which no speaker reports the Service, though an advertisement uses the protocol: as before 0.14
    (L2) and 0.15 (BGP), or because no node announces it."""
    used = zip(STATUSES, (ads.layer2, ads.bgp), strict=True)
    return [kind for kind, found in used if found and not _reporting(service, view, kind)]


def _named(nodes: frozenset[str]) -> NodeRule:
    return NodeRule(names=nodes, taints=(), readiness=Readiness.IGNORED) if nodes else NO_NODE


def _advertisements(service: Service, view: View) -> _Advertisements | Reason:
    """The advertisements for the Service, or why they are not known."""
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
        if unseen := _unseen(view):
            detail = (
                f"no advertisement that was read is for its {_pool(pool)}, and there may be others "
                f"({next(iter(unseen.values()))}). Look at `kubectl get l2advertisements,bgpadvertisements -A`"
            )
            return Reason("AdvertisementsNotSeen", detail)
        detail = (
            f"no L2Advertisement or BGPAdvertisement is for its {_pool(pool)}, so no node announces its address"
        )
        return _Advertisements(silent=Reason("NotAdvertised", detail))
    return _for_service(service, layer2, bgp)


def _for_service(
    service: Service, layer2: Sequence[AdvertisementSpec], bgp: Sequence[AdvertisementSpec]
) -> _Advertisements:
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
    return _Advertisements(layer2, bgp, silent)


def _prefix_shared(service: Service, ads: _Advertisements) -> bool:
    """Whether a router may know only a prefix of an address: speaker/bgp_controller.go SetBalancer. Routers prefer
    the whole address, where an advertisement announces it to the same peers and from the same nodes."""
    addresses = [family for entry in service.load_balancer_ingress if (family := family_of(entry.ip or ""))]
    return any(
        not _whole(ad, family) and not any(_whole(each, family) and _covers(each, ad) for each in ads.bgp)
        for family in set(addresses or ip_families(service))
        for ad in ads.bgp
    )


def _prefix_hidden(service: Service, view: View, ads: _Advertisements | Reason) -> Reason | None:
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
    every = _Advertisements(bgp=_specs(view.all(BGP_ADVERTISEMENT)))
    return ads if isinstance(ads, Reason) and _prefix_shared(service, every) else None


def _by_interface(ads: _Advertisements) -> bool:
    """Whether the announcing node may lack the interface of an L2Advertisement: speaker/layer2_controller.go
    SetBalancer. One for all interfaces of all nodes is enough."""
    return any(spec.interfaces for spec in ads.layer2) and not any(
        not spec.interfaces and not spec.node_selectors for spec in ads.layer2
    )


def _whole(spec: AdvertisementSpec, family: str) -> bool:
    length, most = (spec.aggregation_length, 32) if family == "IPv4" else (spec.aggregation_length_v6, 128)
    return length is None or length >= most


def _covers(spec: AdvertisementSpec, other: AdvertisementSpec) -> bool:
    """Whether each peer and node of the other advertisement has this one, too."""
    peers = not spec.peers or (bool(other.peers) and set(other.peers or ()) <= set(spec.peers))
    return peers and (not spec.node_selectors or spec.node_selectors == other.node_selectors)


def _without_advertisement(view: View) -> _Advertisements | Reason:
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
        return _Advertisements(silent=Reason("NotAdvertised", detail))
    return Reason(
        "AdvertisementsNotSeen",
        f"no L2Advertisement or BGPAdvertisement was read{f' ({unseen})' if unseen else ''}. If there is "
        "one for all nodes, each node with an endpoint may announce the address. If there is one for some nodes, "
        "only these may. If there is none, no node does",
    )


def _unseen(view: View) -> dict[str, str]:
    """The kinds of advertisements of which there may be others, each with the reason."""
    asked = {kind.name: view.unseen(kind) for kind in (L2_ADVERTISEMENT, BGP_ADVERTISEMENT)}
    return {name: why for name, why in asked.items() if why}


def _no_others(view: View) -> tuple[str, ...]:
    """Advertisements for the pool were read, and leave out the Service or nodes: one kind is usual, and more would
    be needed only to announce the address in two ways."""
    return tuple(f"no {name} announces the address ({why})" for name, why in _unseen(view).items())


def _without_pool(
    layer2: Sequence[AdvertisementSpec], bgp: Sequence[AdvertisementSpec]
) -> _Advertisements | Reason:
    restricted = any(
        spec.node_selectors or spec.service_selectors or spec.ip_address_pools or spec.ip_address_pool_selectors
        for spec in (*layer2, *bgp)
    )
    if restricted:
        detail = "advertisements differ by pool, node or Service, and no annotation names the pool of the Service"
        return Reason("PoolNotKnown", detail)
    return _Advertisements(layer2, bgp)


def _nodes(ads: _Advertisements, view: View) -> _Alternatives | Reason:
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


def _with_peers(ads: _Advertisements, view: View) -> _Advertisements:
    """Without the BGPAdvertisements that are for no BGPPeer: they announce to nobody. internal/bgp/bgp.go
    MatchesPeer: `peers` has names of BGPPeers, and without any it is for all that exist."""
    if not ads.bgp or _peers_unseen(view):
        return ads
    bgp = [spec for spec in ads.bgp if _peers(spec, view)]
    if ads.layer2 or bgp:
        return replace(ads, bgp=bgp)
    detail = "no BGPPeer that exists is one of its BGPAdvertisements' peers, so no node announces its address"
    return _Advertisements(silent=Reason("NotAdvertised", detail))


def _peers(spec: AdvertisementSpec, view: View) -> list[PeerSpec]:
    return [
        peer.spec
        for peer in view.all(BGP_PEER)
        if peer.spec and not peer.deleting and (not spec.peers or peer.metadata.name in spec.peers)
    ]


def _peers_unseen(view: View) -> str | None:
    """Why there may be BGPPeers, although none was read."""
    return None if view.has(BGP_PEER) else view.unseen(BGP_PEER)


def _alternatives(selectors: Sequence[Selector] | None) -> _Alternatives:
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
