"""Cilium's ways to serve a LoadBalancer: BGP, L2 announcements and Node IPAM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.interface import (
    Advice,
    BaseFamily,
    Consumer,
    ConsumerVerdict,
    NodeTargets,
    PossibleNodes,
    View,
)
from etpguard.assess.consumers.load_balancers import EVERY_NODE, UNCHECKED, Balancer, classless
from etpguard.assess.consumers.remedies import ClientIP, cluster, named, spread
from etpguard.assess.eligibility import EXCLUDE_LABEL, NodeRule, Readiness, TaintRule
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Node, Requirement, Service
from etpguard.objects.cilium import CILIUM_L2_ANNOUNCEMENT_POLICY, CiliumL2AnnouncementPolicy

L2, BGP, NODE_IPAM = "io.cilium/l2-announcer", "io.cilium/bgp-control-plane", "io.cilium/node"

# The annotations by which people request an address of LB IPAM, and the condition with its answer.
_REQUESTS = ("lbipam.cilium.io/", "io.cilium/lb-ipam-")
_SATISFIED = "cilium.io/IPAMRequestSatisfied"

# Labels that LB IPAM and the policies match in place of the Service's name and namespace.
_NAME, _NAMESPACE = "io.kubernetes.service.name", "io.kubernetes.service.namespace"

_LEADER = (
    "one leader among the selected nodes answers for the address, with or without an endpoint: the Cilium "
    "documentation calls L2 announcements incompatible with Local"
)

BGP_NODES = NodeRule(taints=(), readiness=Readiness.IGNORED, follows_endpoints=True)
"""A node advertises the address while it has an endpoint: cilium/cilium #25477."""

NODE_IPAM_NODES = NodeRule(
    requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),),
    taints=(TaintRule("ToBeDeletedByClusterAutoscaler"),),
    follows_endpoints=True,
)
"""operator/pkg/nodeipam: the addresses of nodes that have a pod of the Service."""

_BY_CLASS = {
    BGP: NodeTargets(BGP_NODES, UNCHECKED),
    NODE_IPAM: NodeTargets(NODE_IPAM_NODES, UNCHECKED),
}


class Cilium(BaseFamily):
    name = "cilium"
    kinds = (CILIUM_L2_ANNOUNCEMENT_POLICY,)

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if service.type != "LoadBalancer":
            return
        chosen = service.spec.load_balancer_class
        source = f"recognised by its loadBalancerClass {chosen}"
        if chosen == L2:
            yield from _announced(service, view, source)
        elif chosen in _BY_CLASS:
            yield from Balancer(service, chosen, source, "node").consumers(_BY_CLASS[chosen])
        elif chosen is None and (how := _assigned(service)):
            yield from _by_policy(service, view, how)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome not in (Outcome.Blackhole, Outcome.Outage, Outcome.Unknown):
            return
        if verdict.consumer.controller == L2:
            names = ", ".join(named(nodes)) or "NODE"
            yield Advice(
                "Let only nodes with endpoints announce the address",
                f"In the CiliumL2AnnouncementPolicy that selects Service {service.key}, set spec.nodeSelector to "
                f"a "
                f"label of the nodes with its pods ({names}), and bind the pods to that label by nodeSelector. "
                "Or announce the address by BGP, which follows endpoints.",
            )
        yield spread(service, "every node that may answer for the address")
        yield cluster(service, ClientIP.LOST)


def _announced(service: Service, view: View, how: str) -> Iterable[Consumer]:
    """By L2: from the nodes that the policies select; from any node where the policies cannot be read."""
    if why := view.unread(CILIUM_L2_ANNOUNCEMENT_POLICY):
        reason = Reason("PolicyNotReadable", f"cannot read {CILIUM_L2_ANNOUNCEMENT_POLICY}: {why}")
        yield from Balancer(service, L2, how, "node").consumers(PossibleNodes(EVERY_NODE, reason))
        return
    policies = [policy for policy in view.all(CILIUM_L2_ANNOUNCEMENT_POLICY) if _announces(policy, service)]
    rules = {_selected_nodes(policy) for policy in policies}
    if len(rules) == 1:
        names = ", ".join(sorted(policy.metadata.name for policy in policies))
        source = f"{how}; by CiliumL2AnnouncementPolicy {names}: {_LEADER}"
        yield from Balancer(service, L2, source, "node").consumers(NodeTargets(rules.pop(), UNCHECKED))
        return
    detail = (
        "several policies with different nodes announce it" if rules else "no policy that was read announces it"
    )
    unclear = PossibleNodes(EVERY_NODE, Reason("AnnouncingNodesNotKnown", detail))
    yield from Balancer(service, L2, f"{how}: {_LEADER}", "node").consumers(unclear)


def _by_policy(service: Service, view: View, how: str) -> Iterable[Consumer]:
    """LB IPAM gave the address, which does not show how it is announced."""
    unread = view.unread(CILIUM_L2_ANNOUNCEMENT_POLICY)
    if unread is None and any(_announces(policy, service) for policy in view.all(CILIUM_L2_ANNOUNCEMENT_POLICY)):
        yield from _announced(service, view, how)
        return
    detail = "LB IPAM gave the address; no object that was read shows what announces it"
    unclear = PossibleNodes(EVERY_NODE, Reason("AnnouncementNotKnown", detail))
    yield from Balancer(service, "cilium", how, "node").consumers(unclear)


def _assigned(service: Service) -> str | None:
    """How LB IPAM is recognised as the one that gave the address; None where it did not."""
    if not classless(service) or any(entry.hostname for entry in service.load_balancer_ingress):
        return None
    for condition in (service.status and service.status.conditions) or ():
        if condition.type == _SATISFIED:
            return f"recognised by its condition {_SATISFIED}" if condition.status == "True" else None
    requests = sorted(key for key in service.annotations if key.startswith(_REQUESTS))
    return f"recognised by its annotation {requests[0]}" if requests else None


def _announces(policy: CiliumL2AnnouncementPolicy, service: Service) -> bool:
    if policy.spec is None or not policy.spec.load_balancer_ips or policy.deleting:
        return False
    if policy.spec.service_selector is None:
        return True
    labels = {**service.labels, _NAME: service.key.name, _NAMESPACE: service.key.namespace}
    return policy.spec.service_selector.admits(labels)


def _selected_nodes(policy: CiliumL2AnnouncementPolicy) -> NodeRule:
    selector = policy.spec.node_selector if policy.spec else None
    return NodeRule(requirements=selector.requirements if selector else (), taints=(), readiness=Readiness.TRUE)
