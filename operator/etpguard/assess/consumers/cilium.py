"""Cilium's ways to serve a LoadBalancer: BGP, L2 announcements and Node IPAM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.changes import Step, with_labels
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.load_balancers import (
    EVERY_NODE,
    NO_NODE,
    UNCHECKED,
    Balancer,
    Recognition,
    by_class,
    by_mark,
    classless,
)
from etpguard.assess.consumers.remedies import ClientIP, cluster, named, spread
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.data_planes.interface import DataPlane
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EXCLUDE_LABEL, NodeRule, Readiness, TaintRule
from etpguard.assess.node_selection import label_selector
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Key, Node, Requirement, Service
from etpguard.objects.cilium import (
    CILIUM_BGP_ADVERTISEMENT,
    CILIUM_BGP_CLUSTER_CONFIG,
    CILIUM_L2_ANNOUNCEMENT_POLICY,
    CILIUM_L2_LEASE,
    BGPAdvertisement,
    CiliumL2AnnouncementPolicy,
    L2Lease,
    l2_lease,
    l2_lease_key,
)

L2, BGP, NODE_IPAM = "io.cilium/l2-announcer", "io.cilium/bgp-control-plane", "io.cilium/node"

# The annotations by which people request an address of LB IPAM, and the condition with its answer.
_REQUESTS = ("lbipam.cilium.io/", "io.cilium/lb-ipam-")
_SATISFIED = "cilium.io/IPAMRequestSatisfied"

# Labels that LB IPAM and the policies match in place of the Service's name and namespace.
_NAME, _NAMESPACE = "io.kubernetes.service.name", "io.kubernetes.service.namespace"

_SHARED = (
    "but each Service that shares the address has a Lease, and the holder of each answers for it: nothing is lost "
    "if all of them are nodes with an endpoint; a share or all of it is lost if one is not"
)
"""cilium/cilium#48419, open."""
_NOT_LONG = (
    "which is not Ready, is not a node of the policy, or has no endpoint: since Cilium 1.20.2, a node with an "
    "endpoint takes the Lease over, and nothing is lost; before, all is lost while a node without one holds it"
)
_SHARING = ("lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key")

_WITHOUT_ADDRESS = (
    "no CiliumLoadBalancerIPPool selects the Service or has a free address; the requested address is taken, and "
    "the Services do not share it"
)
_GATEWAY = "io.cilium.gateway/"
_INGRESS = "cilium.io/ingress"
_MATCH_NODES = "io.cilium.nodeipam/match-node-labels"

_LEADER = (
    "before Cilium 1.20.2, one leader among the nodes of the policy answers for the address, with or without an "
    "endpoint: nothing is lost if it has one, all is lost if not; since 1.20.2, only nodes with an endpoint may "
    "lead"
)

_ENDPOINTS_LEAD = (1, 20, 2)
"""The first release in which only nodes with an endpoint of the Service compete to announce its address by L2: PR
#46399, #48550. Its placeholder has no node, so no node announces a Service of Envoy: cilium/cilium#48799, open."""
_ONLY_ENDPOINTS = (
    "one leader among the nodes of the policy that have an endpoint, of any port, answers for the address: "
    "nothing is lost if it has one of this port"
)
_BEFORE = (
    "one leader among the nodes of the policy answers for the address, with or without an endpoint: nothing "
    "is lost if it has one, all is lost if not"
)

_OF_ENVOY = Reason(
    "EnvoyOnEachNode",
    "Cilium redirects this Service of a Gateway or an Ingress to the Envoy of the node, and its endpoint is a "
    "placeholder: which nodes announce the address under Local depends on the release of Cilium. Nothing is lost "
    "where one does; all is lost where none does",
)

BGP_NODES = NodeRule(taints=(), readiness=Readiness.IGNORED, follows_endpoints=True, follows_ready=True)
"""A node advertises the address while it has a ready endpoint of any port: cilium v1.20.2
pkg/bgp/manager/reconciler/service.go, cilium/cilium #25477."""

NODE_IPAM_NODES = NodeRule(
    requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),),
    taints=(TaintRule("ToBeDeletedByClusterAutoscaler"),),
    readiness=Readiness.IGNORED,
    skip_deleting=True,
    follows_endpoints=True,
    follows_ready=True,
)
"""cilium 94b67c8 operator/pkg/nodeipam: the addresses of nodes that have a ready endpoint of the Service, whether
the Node is Ready or not."""


class Cilium(BaseFamily):
    name = "cilium"
    balancers_only = True
    kinds = (CILIUM_L2_ANNOUNCEMENT_POLICY, CILIUM_BGP_ADVERTISEMENT, CILIUM_BGP_CLUSTER_CONFIG, CILIUM_L2_LEASE)
    documented = (
        DocumentedConsumer(
            consumer="Cilium L2 announcements",
            found_by="class `io.cilium/l2-announcer`, LB IPAM's condition or request and a policy",
            nodes="the holder of the Lease; without it one of those that `CiliumL2AnnouncementPolicy` selects",
            health_check="none",
            with_local="as the holder does; without the Lease `Unknown` unless all or none of them have endpoints",
            evidence=Evidence.DOCUMENTED,
            source="cilium 0267401 pkg/l2announcer/l2announcer.go, Documentation/network/l2-announcements.rst; "
            "#46399, #48419, #48550",
        ),
        DocumentedConsumer(
            consumer="Cilium BGP control plane",
            found_by="class `io.cilium/bgp-control-plane`, LB IPAM's condition or request and an advertisement",
            nodes="those with endpoints, as `CiliumBGPClusterConfig` selects them",
            health_check="none",
            with_local="`Covered`; `NoTargets` where no `CiliumBGPAdvertisement` selects the Service",
            evidence=Evidence.DOCUMENTED,
            source="cilium 058641d pkg/bgpv1/manager/reconcilerv2/service.go",
        ),
        DocumentedConsumer(
            consumer="Cilium Node IPAM",
            found_by="class `io.cilium/node`",
            nodes="those with endpoints, Ready or not, without the exclude label",
            health_check="none",
            with_local="`Covered`",
            evidence=Evidence.DOCUMENTED,
            source="cilium 94b67c8 operator/pkg/nodeipam",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        recognition = _recognised(service)
        if recognition is None:
            return
        controller, targets, source = _targets(service, view)
        recognition = recognition._replace(how=f"{recognition.how}{source}")
        if isinstance(targets, PossibleNodes) and targets.present:
            recognition = recognition._replace(evidence=Evidence.OBSERVED)
        balancer = Balancer.of(service, controller, recognition, "node", without_address=_WITHOUT_ADDRESS)
        for consumer in balancer.consumers(targets):
            yield replace(consumer, reads=_leases_of(service)) if controller == L2 else consumer

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        bad = (Outcome.Blackhole, Outcome.Outage, Outcome.NoTargets, Outcome.Unknown)
        if verdict.outcome not in bad or verdict.reason.code == "NoAddress":
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
        written = with_labels(service.annotations.get(_MATCH_NODES, ""), labels, keep=keep)
        return changes.annotated("Service", service.key, {_MATCH_NODES: written})


def _recognised(service: Service) -> Recognition | None:
    """How Cilium is recognised as the one that gave the address; None where it did not."""
    if recognition := by_class(service, L2, BGP, NODE_IPAM):
        return recognition
    if not classless(service) or any(entry.hostname for entry in service.load_balancer_ingress):
        return None
    for condition in (service.status and service.status.conditions) or ():
        if condition.type == _SATISFIED:
            how = Recognition(f"recognised by its condition {_SATISFIED}")
            return how if condition.status == "True" else None
    return by_mark(service, *_REQUESTS)


def _targets(service: Service, view: View) -> tuple[str, Targets, str]:
    """The controller, its targets, and what more to say of how it was recognised."""
    chosen = service.spec.load_balancer_class
    if chosen == NODE_IPAM:
        return NODE_IPAM, _node_ipam(service), ""
    if _of_envoy(service):
        return chosen or "cilium", _by_envoy(service, view), ""
    by_l2 = chosen != BGP and (chosen == L2 or any(_policies(service, view)) or bool(_leases(service, view)))
    by_bgp = chosen != L2 and (chosen == BGP or any(_advertisements(service, view)))
    if by_l2 and by_bgp:
        detail = f"policies announce it by L2 and advertisements by BGP. By L2, {_LEADER}"
        return "cilium", PossibleNodes(EVERY_NODE, Reason("AnnouncingNodesNotKnown", detail)), ""
    if by_l2:
        return L2, *_by_l2(service, view)
    if by_bgp:
        return BGP, _by_bgp(service, view), ""
    detail = "LB IPAM gave the address; no object that was read shows what announces it"
    return "cilium", PossibleNodes(EVERY_NODE, Reason("AnnouncementNotKnown", detail)), ""


def _of_envoy(service: Service) -> bool:
    labels = service.labels
    return not service.spec.selector and (_INGRESS in labels or any(key.startswith(_GATEWAY) for key in labels))


def _node_ipam(service: Service) -> Targets:
    text = service.annotations.get(_MATCH_NODES)
    if text is None:
        return NodeTargets(NODE_IPAM_NODES, UNCHECKED)
    selected = label_selector(text)
    if selected is None:
        detail = f"the annotation {_MATCH_NODES} is not a label selector: {text[:100]!r}"
        return UnknownOutcome(Reason("SelectorNotUnderstood", detail), NODE_IPAM_NODES, UNCHECKED)
    requirements = (*NODE_IPAM_NODES.requirements, *selected)
    return NodeTargets(replace(NODE_IPAM_NODES, requirements=requirements), UNCHECKED)


def _by_envoy(service: Service, view: View) -> Targets:
    """Every node serves it. What announces its address by L2 under Local depends on the release."""
    release = _release(view)
    by_l2 = service.spec.load_balancer_class != BGP and any(_policies(service, view))
    if release is None or not by_l2:
        return UnknownOutcome(_OF_ENVOY, EVERY_NODE, UNCHECKED)
    rules = {_selected_nodes(policy) for policy in _policies(service, view)}
    if release < _ENDPOINTS_LEAD:
        reason = Reason("AnnouncingNodesNotKnown", "several policies with different nodes announce it")
        return PossibleNodes(rules.pop() if len(rules) == 1 else EVERY_NODE, reason)
    detail = (
        f"{_OF_ENVOY.detail}. From 1.20.2 on, only nodes with an endpoint may announce it by L2, and a "
        "placeholder has no node: no node announces it until cilium/cilium#48799 is solved"
    )
    return UnknownOutcome(Reason(_OF_ENVOY.code, detail), EVERY_NODE, UNCHECKED)


def _release(view: View) -> tuple[int, int, int] | None:
    """The oldest release of Cilium on the nodes; None if that is not known."""
    if view.planes is None or view.planes.otherwise:
        return None
    releases = [group.plane.release for group in view.planes.groups if group.plane.name is DataPlane.CILIUM]
    known = [release for release in releases if release is not None]
    return min(known) if known and len(known) == len(releases) else None


def _leases_of(service: Service) -> frozenset[Key]:
    return frozenset({l2_lease_key(l2_lease(service.key))})


def _leases(service: Service, view: View) -> list[L2Lease]:
    """Those of the Service that a node holds: one, unless Cilium has moved to another namespace."""
    found = view.referring(CILIUM_L2_LEASE, l2_lease_key(l2_lease(service.key)))
    return [lease for lease in found if lease.holder]


def _by_l2(service: Service, view: View) -> tuple[Targets, str]:
    """From the holder of the Lease. While it is not known: from the nodes that the policies select, and from any
    node where the policies are not known either."""
    targets, source = _by_policies(service, view)
    rule = targets.rule
    leases = _leases(service, view)
    holders = sorted({lease.holder for lease in leases})
    if len(holders) > 1:
        detail = f"several Leases {l2_lease(service.key)} name different nodes: {', '.join(holders[:3])[:500]}"
        return PossibleNodes(rule, Reason("AnnouncingNodesNotKnown", detail)), source
    if holders:
        where = f"Lease {leases[0].key} names node {holders[0][:253]}"
        if any(key in service.annotations for key in _SHARING):
            return PossibleNodes(rule, Reason("LeaderNotKnown", f"{where}, {_SHARED}")), source
        reason = Reason("LeaderNotKnown", f"{where}, {_NOT_LONG}")
        release = _release(view)
        moves_on = release is None or release >= _ENDPOINTS_LEAD
        held = replace(rule, names=frozenset(holders), follows_endpoints=moves_on)
        present = NodeTargets(held, UNCHECKED, keeps_targets=reason)
        return PossibleNodes(rule, reason, sends_to_one=True, present=present), f"{source}; {where}"
    if why := view.unseen(CILIUM_L2_LEASE):
        reason = Reason(targets.reason.code, f"{targets.reason.detail} ({why})")
        return replace(targets, reason=reason), source
    if service.uid and _release(view) is not None:  # Cilium runs in the namespace whose Leases are read
        detail = (
            f"no node holds the Lease {l2_lease(service.key)}: no node announces the address unless one has taken "
            "the Lease since, and all is lost"
        )
        return replace(targets, reason=Reason("LeaderNotKnown", detail), fewest=NO_NODE), source
    return targets, source


def _by_policies(service: Service, view: View) -> tuple[PossibleNodes, str]:
    """From the nodes that the policies select; from any node where the policies are not known."""
    if why := view.unread(CILIUM_L2_ANNOUNCEMENT_POLICY):
        reason = Reason("PolicyNotReadable", f"cannot read {CILIUM_L2_ANNOUNCEMENT_POLICY}: {why}")
        return PossibleNodes(EVERY_NODE, reason), ""
    policies = list(_policies(service, view))
    rules = {_selected_nodes(policy) for policy in policies}
    if len(rules) != 1:
        some = "several policies with different nodes announce it"
        if not rules:
            some = "no policy that was read announces it"
        return PossibleNodes(EVERY_NODE, Reason("AnnouncingNodesNotKnown", some)), f": {_LEADER}"
    names = ", ".join(sorted(policy.metadata.name for policy in policies))
    lease = l2_lease(service.key)
    release, rule = _release(view), rules.pop()
    leader = _LEADER if release is None else _BEFORE
    if release is not None and release >= _ENDPOINTS_LEAD:
        leader, rule = _ONLY_ENDPOINTS, replace(rule, follows_endpoints=True)
    reason = Reason("LeaderNotKnown", f"{leader}. The holder of the Lease {lease} is the leader")
    targets = PossibleNodes(rule, reason, sends_to_one=True)
    return targets, f"; by CiliumL2AnnouncementPolicy {names[:500]}"


def _by_bgp(service: Service, view: View) -> Targets:
    for kind in (CILIUM_BGP_ADVERTISEMENT, CILIUM_BGP_CLUSTER_CONFIG):
        if why := view.unread(kind):
            return UnknownOutcome(
                Reason("AdvertisementsNotReadable", f"cannot read {kind}: {why}"), BGP_NODES, UNCHECKED
            )
    if not view.has(CILIUM_BGP_ADVERTISEMENT):
        why = view.unseen(CILIUM_BGP_ADVERTISEMENT)
        detail = (
            f"no CiliumBGPAdvertisement was read{f' ({why})' if why else ''}: if an older CiliumBGPPeeringPolicy "
            "or another object selects the Service, nodes with an endpoint advertise the address; if none does, "
            "no node does"
        )
        reason = Reason("AdvertisementsNotSeen", detail)
        return UnknownOutcome(reason, BGP_NODES, UNCHECKED) if why else PossibleNodes(BGP_NODES, reason)
    if not any(_advertisements(service, view)):
        detail = "no CiliumBGPAdvertisement of type Service with the address LoadBalancerIP has a selector for it"
        return NodeTargets(NO_NODE, UNCHECKED, no_target=Reason("NotAdvertised", detail))
    if not view.has(CILIUM_BGP_CLUSTER_CONFIG):
        detail = (
            "no CiliumBGPClusterConfig was read: without one, no node has a session that advertises the address"
        )
        return UnknownOutcome(Reason("SessionsNotSeen", detail), BGP_NODES, UNCHECKED)
    selectors = [
        config.spec.node_selector.requirements if config.spec.node_selector else ()
        for config in view.all(CILIUM_BGP_CLUSTER_CONFIG)
        if config.spec and not config.deleting
    ]
    rule = BGP_NODES if () in selectors else replace(BGP_NODES, any_of=tuple(dict.fromkeys(selectors)))
    return NodeTargets(rule, UNCHECKED)


def _policies(service: Service, view: View) -> Iterator[CiliumL2AnnouncementPolicy]:
    """The policies that announce its address by L2; an absent selector selects every Service."""
    for policy in view.all(CILIUM_L2_ANNOUNCEMENT_POLICY):
        spec = policy.spec
        if spec is None or not spec.load_balancer_ips or policy.deleting:
            continue
        if spec.service_selector is None or spec.service_selector.admits(_labels(service)):
            yield policy


def _advertisements(service: Service, view: View) -> Iterator[BGPAdvertisement]:
    """The advertisements of its address by BGP; an absent selector selects no Service."""
    for made in view.all(CILIUM_BGP_ADVERTISEMENT):
        if made.deleting:
            continue
        for each in (made.spec and made.spec.advertisements) or ():
            addresses = (each.service and each.service.addresses) or ()
            if each.advertisement_type != "Service" or "LoadBalancerIP" not in addresses or each.selector is None:
                continue
            if each.selector.admits(_labels(service)):
                yield each


def _labels(service: Service) -> dict[str, str]:
    return {**service.labels, _NAME: service.key.name, _NAMESPACE: service.key.namespace}


def _selected_nodes(policy: CiliumL2AnnouncementPolicy) -> NodeRule:
    selector = policy.spec.node_selector if policy.spec else None
    return NodeRule(requirements=selector.requirements if selector else (), taints=(), readiness=Readiness.TRUE)
