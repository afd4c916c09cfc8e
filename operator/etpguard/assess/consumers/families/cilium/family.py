"""The family of Cilium: it recognises the Services that Cilium serves, and finds out how it does so. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.changes import Step, with_labels
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.cilium.bgp import targets_by_bgp
from etpguard.assess.consumers.families.cilium.envoy import served_by_envoy, targets_by_envoy
from etpguard.assess.consumers.families.cilium.l2 import LEADER, targets_by_l2
from etpguard.assess.consumers.families.cilium.node_ipam import MATCH_NODES, targets_by_node_ipam
from etpguard.assess.consumers.families.cilium.services import BGP, L2, NODE_IPAM
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, cluster, named, spread
from etpguard.assess.consumers.shared.announced_addresses import (
    ADDRESSES,
    AnnouncedBy,
    announced,
    external_consumers,
    shared_address,
)
from etpguard.assess.consumers.shared.cilium_objects import (
    EXTERNAL_IP,
    advertisements_for,
    held_leases,
    lease_keys,
    policies_for,
)
from etpguard.assess.consumers.shared.load_balancers import Balancer
from etpguard.assess.consumers.shared.recognition import Recognition, by_class, by_mark, classless
from etpguard.assess.consumers.targets import PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import IPFamily, Node, Service
from etpguard.objects.cilium import (
    CILIUM_BGP_ADVERTISEMENT,
    CILIUM_BGP_CLUSTER_CONFIG,
    CILIUM_BGP_PEER_CONFIG,
    CILIUM_L2_ANNOUNCEMENT_POLICY,
    CILIUM_L2_LEASE,
)

# The annotations by which people request an address of LB IPAM, and the condition with its answer.
REQUESTS = ("lbipam.cilium.io/", "io.cilium/lb-ipam-")
_SATISFIED = "cilium.io/IPAMRequestSatisfied"

_WITHOUT_ADDRESS = (
    "no CiliumLoadBalancerIPPool selects the Service or has a free address; the requested address is taken, and "
    "the Services do not share it"
)


class Cilium(BaseFamily):
    name = "cilium"
    kinds = (
        CILIUM_L2_ANNOUNCEMENT_POLICY,
        CILIUM_BGP_ADVERTISEMENT,
        CILIUM_BGP_CLUSTER_CONFIG,
        CILIUM_BGP_PEER_CONFIG,
        CILIUM_L2_LEASE,
    )
    refers = ADDRESSES
    documented = (
        DocumentedConsumer(
            consumer="Cilium L2 announcements",
            found_by=(
                "class `io.cilium/l2-announcer`; no class, and the condition `cilium.io/IPAMRequestSatisfied` or "
                "annotation `lbipam.cilium.io/` or `io.cilium/lb-ipam-`, "
                "if there is a `CiliumL2AnnouncementPolicy`"
            ),
            nodes="the holder of the Lease; without it one of those that `CiliumL2AnnouncementPolicy` selects",
            health_check="none",
            with_local=(
                "`Covered` or `Outage`, as the holder has an endpoint or not; without the Lease `Unknown` unless "
                "all or none have"
            ),
            evidence=Evidence.DOCUMENTED,
            source="cilium 0267401 pkg/l2announcer/l2announcer.go, Documentation/network/l2-announcements.rst; "
            "#46399, #48419, #48550",
        ),
        DocumentedConsumer(
            consumer="Cilium BGP control plane",
            found_by=(
                "class `io.cilium/bgp-control-plane`; no class, and the condition "
                "`cilium.io/IPAMRequestSatisfied` or annotation `lbipam.cilium.io/` or `io.cilium/lb-ipam-`, "
                "if there is a `CiliumBGPAdvertisement`"
            ),
            nodes=(
                "those with endpoints that a `CiliumBGPClusterConfig` selects with a BGP peer (a router) whose "
                "`CiliumBGPPeerConfig` selects an advertisement of the Service for the IP family of the address"
            ),
            health_check="none",
            with_local=(
                "`Covered`; `NoTargets` where no `CiliumBGPAdvertisement` selects the Service or no peer gets it; "
                "`Unknown` where only one IP family is advertised, or where another `CiliumBGPClusterConfig` may "
                "select the same nodes"
            ),
            evidence=Evidence.DOCUMENTED,
            source="cilium 058641d pkg/bgp/manager/reconciler/service.go and peer_advertisements.go",
        ),
        DocumentedConsumer(
            consumer="External IPs that Cilium announces",
            found_by=(
                "`spec.externalIPs`, and a `CiliumBGPAdvertisement` with the address `ExternalIP` or a "
                "`CiliumL2AnnouncementPolicy` with `externalIPs: true` that selects the Service"
            ),
            nodes="as for the addresses of load balancers",
            health_check="none",
            with_local=(
                "as for the addresses of load balancers; `Unknown` where Services share the address, and where "
                "the objects of Cilium cannot be read"
            ),
            evidence=Evidence.DOCUMENTED,
            source="cilium 058641d pkg/bgp/manager/reconciler/service.go getExternalIPPaths",
        ),
        DocumentedConsumer(
            consumer="Cilium Node IPAM",
            found_by="class `io.cilium/node`",
            nodes=(
                "those with endpoints, Ready or not, without the exclude label; if one of them has an ExternalIP, "
                "only those with one"
            ),
            health_check="none",
            with_local="`Covered`",
            evidence=Evidence.DOCUMENTED,
            source="cilium 94b67c8 operator/pkg/nodeipam",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if service.type == "LoadBalancer":
            yield from self._balancer(service, view)
        if service.spec.external_ips:
            for consumer in external_consumers(service, view, partial(_announcer, service, view)):
                yield replace(consumer, reads=consumer.reads | lease_keys(service))

    def _balancer(self, service: Service, view: View) -> Iterable[Consumer]:
        recognition = _recognised(service)
        if recognition is None:
            return
        controller, targets, source = _targets(service, view)
        recognition = recognition._replace(how=f"{recognition.how}{source}")
        if isinstance(targets, PossibleNodes) and targets.present:
            recognition = recognition._replace(evidence=Evidence.OBSERVED)
        balancer = Balancer.of(service, controller, recognition, "node", without_address=_WITHOUT_ADDRESS)
        for consumer in balancer.consumers(targets):
            yield replace(consumer, reads=lease_keys(service))  # a Lease may show that it is announced by L2

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        bad = verdict.outcome.loses_requests or verdict.outcome is Outcome.Unknown
        if not bad or verdict.reason.code == "NoAddress":
            return
        if verdict.consumer.controller == L2:
            names = ", ".join(named(nodes)) or "NODE"
            yield Advice(
                "Let only nodes with endpoints announce the address",
                f"In the CiliumL2AnnouncementPolicy that selects Service {service.key}, set spec.nodeSelector to "
                f"a label of the nodes with its pods ({names}), and bind the pods to that label by nodeSelector. "
                "Or announce the address by BGP, which follows endpoints.",
            )
        yield spread(service, "every node that may answer for the address")
        yield cluster(service, ClientIP.LOST)

    follows_labels = True
    """operator/pkg/nodeipam/nodesvclb.go: a Node is a source of reconciliations, with its labels."""

    def target_nodes(
        self, service: Service, consumer: Consumer, labels: Mapping[str, str], *, keep: bool
    ) -> Step | None:
        if consumer.controller != NODE_IPAM:
            return None
        written = with_labels(service.annotations.get(MATCH_NODES, ""), labels, keep=keep)
        return changes.annotated("Service", service.key, {MATCH_NODES: written})


def _recognised(service: Service) -> Recognition | None:
    """By what it is known that Cilium gave the Service its address; None where Cilium did not."""
    if recognition := by_class(service, L2, BGP, NODE_IPAM):
        return recognition
    if not classless(service) or any(entry.hostname for entry in service.load_balancer_ingress):
        return None
    for condition in (service.status and service.status.conditions) or ():
        if condition.type == _SATISFIED:
            how = Recognition(f"recognised by its condition {_SATISFIED}")
            return how if condition.status == "True" else None
    return by_mark(service, *REQUESTS)


def _targets(service: Service, view: View) -> tuple[str, Targets, str]:
    """The name of the controller, its targets, and a clause on where the targets come from, for the reader; it
    follows the clause on how Cilium was recognised."""
    chosen = service.spec.load_balancer_class
    if chosen == NODE_IPAM:
        return NODE_IPAM, targets_by_node_ipam(service), ""
    if served_by_envoy(service):
        return chosen or "cilium", targets_by_envoy(service, view), ""
    by_l2 = chosen != BGP and (
        chosen == L2 or any(policies_for(service, view)) or bool(held_leases(service, view))
    )
    by_bgp = chosen != L2 and (chosen == BGP or any(advertisements_for(service, view)))
    if by_l2 and by_bgp:
        detail = f"policies announce it by L2 and advertisements by BGP. By L2, {LEADER}"
        return "cilium", PossibleNodes(EVERY_NODE, Reason("AnnouncingNodesNotKnown", detail)), ""
    if chosen is None and (by_l2 or by_bgp) and (detail := _other_unseen(view, by_l2=by_l2)):
        return "cilium", PossibleNodes(EVERY_NODE, Reason("AnnouncingNodesNotKnown", detail)), ""
    if by_l2:
        return L2, *targets_by_l2(service, view)
    if by_bgp:
        return BGP, targets_by_bgp(service, view), ""
    detail = "LB IPAM gave the address; no object that was read shows what announces it"
    return "cilium", PossibleNodes(EVERY_NODE, Reason("AnnouncementNotKnown", detail)), ""


def _announcer(service: Service, view: View, address: str, family: IPFamily) -> AnnouncedBy | None:
    """Who announces an external IP. By BGP that of a Service with any class, by L2 not that of another class."""
    may_l2 = service.spec.load_balancer_class in (None, L2)
    by_l2 = may_l2 and any(policies_for(service, view, external=True))
    by_bgp = any(advertisements_for(service, view, EXTERNAL_IP))
    source = f"recognised by the Cilium objects that announce the external IPs of the Service ({address})"
    if (by_l2 or by_bgp) and (
        shared := shared_address(service, view, [announced(address)], "announce the address")
    ):
        return AnnouncedBy("cilium", shared, source)
    if by_l2 and by_bgp:
        detail = f"policies announce it by L2 and advertisements by BGP. By L2, {LEADER}"
        return AnnouncedBy("cilium", PossibleNodes(EVERY_NODE, Reason("AnnouncingNodesNotKnown", detail)), source)
    if (by_l2 or (by_bgp and may_l2)) and (detail := _other_unseen(view, by_l2=by_l2)):
        return AnnouncedBy("cilium", PossibleNodes(EVERY_NODE, Reason("AnnouncingNodesNotKnown", detail)), source)
    if by_l2:
        targets, where = targets_by_l2(service, view, external=True)
        return AnnouncedBy(L2, targets, f"{source}{where}")
    if by_bgp:
        return AnnouncedBy(BGP, targets_by_bgp(service, view, EXTERNAL_IP, (family,)), source)
    for kind in (CILIUM_BGP_ADVERTISEMENT, *((CILIUM_L2_ANNOUNCEMENT_POLICY,) if may_l2 else ())):
        if why := view.hidden(kind):
            detail = (
                f"cannot read {kind}: {why}. If one announces the external IPs of the Service, its traffic goes "
                "to the nodes that announce them. If none does, clients that address an uncovered node lose "
                "their requests"
            )
            return AnnouncedBy("cilium", PossibleNodes(EVERY_NODE, Reason("AnnouncementNotReadable", detail)), "")
    return None


def _other_unseen(view: View, *, by_l2: bool) -> str:
    """Why the address that is announced in one way may be announced in the other one too; "" if it is not. An
    advertisement that the files do not have adds no node without an endpoint, a policy may."""
    kind = CILIUM_BGP_ADVERTISEMENT if by_l2 else CILIUM_L2_ANNOUNCEMENT_POLICY
    why = view.hidden(kind) if by_l2 else not view.has(kind) and view.unseen(kind)
    if not why:
        return ""
    known = "policies announce it by L2" if by_l2 else "advertisements announce it by BGP"
    return f"{known}, and no {kind.name} was read ({why}), which may announce it too. By L2, {LEADER}"
