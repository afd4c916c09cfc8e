"""L2 announcements: one node answers for the address, the holder of a Lease."""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.consumers.shared.cilium_objects import held_leases, policies_for
from etpguard.assess.consumers.shared.load_balancers import NO_NODE, UNCHECKED
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.data_planes.interface import DataPlane
from etpguard.assess.node_rule import EVERY_NODE, Hosts, NodeRule, Readiness
from etpguard.assess.outcome import Reason
from etpguard.objects import Service
from etpguard.objects.cilium import (
    CILIUM_L2_ANNOUNCEMENT_POLICY,
    CILIUM_L2_LEASE,
    CiliumL2AnnouncementPolicy,
    l2_lease,
)

_SHARED = (
    "But each Service that shares the address has a Lease, and the holder of each answers for the address. If all "
    "holders are nodes with an endpoint, nothing is lost. If one is not, a share of the traffic or all of it is "
    "lost"
)
"""cilium/cilium#48419, open."""

_NOT_LONG = (
    "which is not Ready, is not a node of the policy, or has no endpoint. Since Cilium 1.20.2, a node with an "
    "endpoint takes the Lease over, and nothing is lost. Before 1.20.2, all is lost while a node without one "
    "holds the Lease"
)
_SHARING = ("lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key")

LEADER = (
    "before Cilium 1.20.2, one leader among the nodes of the policy answers for the address. If the leader has an "
    "endpoint, nothing is lost. If it has none, all is lost. Since 1.20.2, only nodes with an endpoint may lead"
)

ENDPOINTS_LEAD = (1, 20, 2)
"""The first release in which only nodes with an endpoint of the Service compete to announce its address by L2: PR
#46399, #48550. Its placeholder has no node, so no node announces a Service of Envoy: cilium/cilium#48799, open."""

_ONLY_ENDPOINTS = (
    "one leader among the nodes of the policy that have an endpoint, of any port, answers for the address. "
    "If it has one of this port, nothing is lost"
)

_BEFORE = (
    "one leader among the nodes of the policy answers for the address. If the leader has an endpoint, nothing is "
    "lost. If it has none, all is lost"
)


def release_of_nodes(view: View) -> tuple[int, int, int] | None:
    """The oldest release of Cilium on the nodes; None if that is not known."""
    if view.planes is None or view.planes.otherwise:
        return None
    releases = [group.plane.release for group in view.planes.groups if group.plane.name is DataPlane.CILIUM]
    known = [release for release in releases if release is not None]
    return min(known) if known and len(known) == len(releases) else None


def targets_by_l2(service: Service, view: View, *, external: bool = False) -> tuple[Targets, str]:
    """For the addresses of its load balancer, or its external IPs. From the holder of the Lease. While it is not
    known: from the nodes that the policies select, and from any node where the policies are not known either."""
    targets, source = _by_policies(service, view, external=external)
    rule = targets.rule
    leases = held_leases(service, view)
    holders = sorted({lease.holder for lease in leases})
    if len(holders) > 1:
        detail = f"several Leases {l2_lease(service.key)} name different nodes: {', '.join(holders[:3])[:500]}"
        return PossibleNodes(rule, Reason("AnnouncingNodesNotKnown", detail)), source
    if holders:
        where = f"Lease {leases[0].key} names node {holders[0][:253]}"
        if any(key in service.annotations for key in _SHARING):
            return PossibleNodes(rule, Reason("LeaderNotKnown", f"{where}. {_SHARED}")), source
        reason = Reason("LeaderNotKnown", f"{where}, {_NOT_LONG}")
        release = release_of_nodes(view)
        moves_on = release is None or release >= ENDPOINTS_LEAD
        held = replace(rule, names=frozenset(holders), hosts=Hosts.USABLE if moves_on else None)
        present = NodeTargets(held, UNCHECKED, keeps_targets=reason)
        return PossibleNodes(rule, reason, sends_to_one=True, present=present), f"{source}; {where}"
    if why := view.unseen(CILIUM_L2_LEASE):
        reason = Reason(targets.reason.code, f"{targets.reason.detail} ({why})")
        return replace(targets, reason=reason), source
    if service.uid and release_of_nodes(view) is not None:  # Cilium runs in the namespace whose Leases are read
        detail = (
            f"no node held the Lease {l2_lease(service.key)} when it was read, so no node announced the address. "
            "All is lost, unless a node has taken the Lease since"
        )
        return replace(targets, reason=Reason("LeaderNotKnown", detail), fewest=NO_NODE), source
    return targets, source


def _by_policies(service: Service, view: View, *, external: bool) -> tuple[PossibleNodes, str]:
    """From the nodes that the policies select; from any node where the policies are not known."""
    if why := view.unread(CILIUM_L2_ANNOUNCEMENT_POLICY):
        reason = Reason("PolicyNotReadable", f"cannot read {CILIUM_L2_ANNOUNCEMENT_POLICY}: {why}")
        return PossibleNodes(EVERY_NODE, reason), ""
    policies = list(policies_for(service, view, external=external))
    rules = {selected_nodes(policy) for policy in policies}
    if len(rules) != 1:
        some = "several policies with different nodes announce it"
        if not rules:
            some = "no policy that was read announces it"
        return PossibleNodes(EVERY_NODE, Reason("AnnouncingNodesNotKnown", some)), f": {LEADER}"
    names = ", ".join(sorted(policy.metadata.name for policy in policies))
    lease = l2_lease(service.key)
    release, rule = release_of_nodes(view), rules.pop()
    leader = LEADER if release is None else _BEFORE
    if release is not None and release >= ENDPOINTS_LEAD:
        leader, rule = _ONLY_ENDPOINTS, replace(rule, hosts=Hosts.USABLE)
    reason = Reason("LeaderNotKnown", f"{leader}. The holder of the Lease {lease} is the leader")
    targets = PossibleNodes(rule, reason, sends_to_one=True)
    return targets, f"; by CiliumL2AnnouncementPolicy {names[:500]}"


def selected_nodes(policy: CiliumL2AnnouncementPolicy) -> NodeRule:
    selector = policy.spec.node_selector if policy.spec else None
    return NodeRule(requirements=selector.requirements if selector else (), taints=(), readiness=Readiness.TRUE)
