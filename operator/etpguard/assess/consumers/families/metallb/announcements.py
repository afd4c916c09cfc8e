"""The nodes that announce an address of MetalLB: what its speakers report, or else what its configuration says.

MetalLB 7938d3f (0.16.1), speaker/layer2_controller.go and speaker/bgp_controller.go.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from etpguard.assess.consumers.families.metallb.advertisements import (
    Advertisements,
    advertisements_for,
    announcing_nodes,
    by_interface,
    prefix_hidden,
    prefix_shared,
    unseen_kinds,
)
from etpguard.assess.consumers.shared.load_balancers import NO_NODE, UNCHECKED, served_families
from etpguard.assess.consumers.shared.other_announcers import also_by_cilium, others
from etpguard.assess.consumers.shared.strict_arp import answered_everywhere
from etpguard.assess.consumers.targets import NodeTargets, Otherwise, PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import CONTROL_PLANE_TAINTS, EVERY_NODE, EXCLUDE_LABEL, Hosts, NodeRule, Readiness
from etpguard.assess.outcome import Reason
from etpguard.assess.platforms import TAINTED
from etpguard.objects import Key, Kind, Requirement, Service
from etpguard.objects.metallb import (
    SERVICE_BGP_STATUS,
    SERVICE_L2_STATUS,
    AnnouncementStatus,
    report_key,
)

STATUSES = (SERVICE_L2_STATUS, SERVICE_BGP_STATUS)

NODES = NodeRule(
    requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),),
    taints=(),
    tolerated=CONTROL_PLANE_TAINTS,
    needs_network=True,
    readiness=Readiness.IGNORED,
    hosts=Hosts.USABLE,
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


class Announcement(Struct, frozen=True):
    targets: Targets
    observed: bool = False
    """Whether a speaker reports it."""
    assumptions: tuple[str, ...] = ()
    reads: frozenset[Key] = frozenset()
    """Keys that stand for the reports about other Services: whether there are any decides."""


def announcement(service: Service, view: View) -> Announcement:
    """Who announces the Service's address."""
    ads = advertisements_for(service, view)
    if _by_arp(service, view, ads) and (everywhere := answered_everywhere(view, *served_families(service))):
        return Announcement(everywhere)
    shared = isinstance(ads, Advertisements) and prefix_shared(service, ads)
    nodes = frozenset[str]().union(*(_reporting(service, view, kind) for kind in STATUSES))
    complete = not isinstance(ads, Advertisements) or not _missing(service, view, ads)
    if nodes and complete and not shared:
        return _as_reported(service, view, ads, nodes)
    if isinstance(ads, Reason):
        return Announcement(UnknownOutcome(ads, NODES, UNCHECKED))
    return _as_configured(service, view, ads, nodes, shared=shared)


def _as_reported(
    service: Service, view: View, ads: Advertisements | Reason, nodes: frozenset[str]
) -> Announcement:
    if hidden := prefix_hidden(service, view, ads):
        return Announcement(UnknownOutcome(hidden, NODES, UNCHECKED))
    if view.referring(SERVICE_L2_STATUS, service.key) and (twice := also_by_cilium(service, view, nodes)):
        return Announcement(twice)
    rule = _named(nodes)
    hosting = Otherwise(replace(rule, hosts=Hosts.USABLE), _OUTDATED, none_is_unknown=True)
    return Announcement(NodeTargets(rule, UNCHECKED, otherwise=hosting), observed=True)


def _as_configured(
    service: Service, view: View, ads: Advertisements, nodes: frozenset[str], *, shared: bool
) -> Announcement:
    """`nodes` are those that report it. `shared`: whether a router may know only a prefix of the address."""
    if ads.silent and (who := others(service, view)):
        detail = (
            f"{ads.silent.detail}. But {who}. If that is meant for this address, nodes of its own choice announce "
            "it. If not, no node does, and all is lost"
        )
        return Announcement(UnknownOutcome(Reason("AnnouncedByOther", detail), NODES, UNCHECKED))
    if silent := ads.silent:
        targets = NodeTargets(NO_NODE, UNCHECKED, no_target=silent)
        return Announcement(targets, assumptions=_no_others(view))
    alternatives = announcing_nodes(ads, view)
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
        nobody = Otherwise(NO_NODE, _INTERFACES) if by_interface(ads) else None
        targets = replace(targets, one_of=_ONE_NODE, otherwise=unreported or nobody)
    if TAINTED in view.platforms:
        return Announcement(replace(targets, other_targets=_SPEAKER), reads=reads)
    targets = replace(targets, no_target=Reason("NoTargets", _SILENT))
    return Announcement(targets, assumptions=_no_others(view) if rule.any_of else (), reads=reads)


def _by_arp(service: Service, view: View, ads: Advertisements | Reason) -> bool:
    """Whether speakers announce the address by ARP, as far as is known, or none announces it. By BGP alone,
    routers have routes to it and ask no node by ARP."""
    if view.referring(SERVICE_L2_STATUS, service.key):
        return True
    return isinstance(ads, Advertisements) and (bool(ads.layer2) or ads.silent is not None)


def _reporting(service: Service, view: View, kind: Kind[AnnouncementStatus]) -> set[str]:
    """The nodes whose speakers report by this kind that they announce the Service."""
    return {status.node for status in view.referring(kind, service.key) if status.node and not status.deleting}


def _missing(service: Service, view: View, ads: Advertisements) -> list[Kind[AnnouncementStatus]]:
    """The kinds by which no speaker reports the Service, though an advertisement uses the protocol: as before 0.14
    (L2) and 0.15 (BGP), or because no node announces it."""
    used = zip(STATUSES, (ads.layer2, ads.bgp), strict=True)
    return [kind for kind, found in used if found and not _reporting(service, view, kind)]


def _named(nodes: frozenset[str]) -> NodeRule:
    return NodeRule(names=nodes, taints=(), readiness=Readiness.IGNORED) if nodes else NO_NODE


def _no_others(view: View) -> tuple[str, ...]:
    """Advertisements for the pool were read, and leave out the Service or nodes: one kind is usual, and more would
    be needed only to announce the address in two ways."""
    return tuple(f"no {name} announces the address ({why})" for name, why in unseen_kinds(view).items())
