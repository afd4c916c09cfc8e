"""Cilium's ways to serve a LoadBalancer: BGP, L2 announcements and Node IPAM."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.interface import BaseFamily, Consumer, ConsumerVerdict, View
from etpguard.assess.consumers.load_balancers import EVERY_NODE, Balancer, classless
from etpguard.assess.consumers.remedies import ClientIP, bounded, cluster, named, spread
from etpguard.assess.eligibility import EXCLUDE_LABEL, NodeRule, Readiness, TaintRule
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.probe import NoHealthCheck
from etpguard.objects import Node, Requirement, Service
from etpguard.objects.cilium import CILIUM_L2_ANNOUNCEMENT_POLICY, CiliumL2AnnouncementPolicy

L2, BGP, NODE_IPAM = "io.cilium/l2-announcer", "io.cilium/bgp-control-plane", "io.cilium/node"

# What LB IPAM is asked with, and the condition by which it answers.
_REQUESTS = ("lbipam.cilium.io/", "io.cilium/lb-ipam-")
_SATISFIED = "cilium.io/IPAMRequestSatisfied"

# The Service's label that LB IPAM and the policies match in place of its name and namespace.
_NAME, _NAMESPACE = "io.kubernetes.service.name", "io.kubernetes.service.namespace"

_LEADER = (
    "one leader among the selected nodes answers for the address, whether it has an endpoint or not: L2 "
    "announcements are documented as incompatible with Local"
)

BGP_NODES = NodeRule(taints=(), readiness=Readiness.IGNORED, follows_endpoints=True)
"""A node advertises the address while it has an endpoint: cilium/cilium #25477."""

NODE_IPAM_NODES = NodeRule(
    requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),),
    taints=(TaintRule("ToBeDeletedByClusterAutoscaler"),),
    follows_endpoints=True,
)
"""operator/pkg/nodeipam: the addresses of nodes that have a pod of the Service."""


class Cilium(BaseFamily):
    name = "cilium"
    kinds = (CILIUM_L2_ANNOUNCEMENT_POLICY,)

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if service.type != "LoadBalancer":
            return
        chosen = service.spec.load_balancer_class
        match chosen:
            case str() if chosen == L2:
                yield from _announced(service, view, f"told by its loadBalancerClass {L2}")
            case str() if chosen == BGP:
                yield from _ports(service, BGP, f"told by its loadBalancerClass {BGP}", BGP_NODES)
            case str() if chosen == NODE_IPAM:
                yield from _ports(
                    service, NODE_IPAM, f"told by its loadBalancerClass {NODE_IPAM}", NODE_IPAM_NODES
                )
            case None if how := _assigned(service):
                yield from _by_policy(service, view, how)
            case _:
                return

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        if verdict.outcome not in (Outcome.Blackhole, Outcome.Outage, Outcome.Unknown):
            return
        if verdict.consumer.controller == L2:
            names = ", ".join(named(nodes)) or "NODE"
            yield bounded(
                "Let only nodes with endpoints lead: in the CiliumL2AnnouncementPolicy that selects Service "
                f"{service.key}, give spec.nodeSelector a label that the nodes with its pods bear ({names}), and "
                "bind the pods to it by nodeSelector; or announce it by BGP, which follows endpoints."
            )
        yield spread(service, "every node that may answer for the address")
        yield cluster(service, ClientIP.LOST)


def _ports(service: Service, controller: str, source: str, rule: NodeRule) -> Iterable[Consumer]:
    for _, consumer in Balancer(service, controller, source, target_type="node").ports():
        yield replace(consumer, nodes=rule, probe=NoHealthCheck())


def _announced(service: Service, view: View, how: str) -> Iterable[Consumer]:
    """By L2: from the nodes that the policies select; from any where they cannot be read."""
    if why := view.unread(CILIUM_L2_ANNOUNCEMENT_POLICY):
        reason = Reason("PolicyNotReadable", f"cannot read {CILIUM_L2_ANNOUNCEMENT_POLICY}: {why}")
        for _, consumer in Balancer(service, L2, how, target_type="node").ports():
            yield replace(consumer, nodes=EVERY_NODE, unless_covered=reason)
        return
    policies = [policy for policy in view.all(CILIUM_L2_ANNOUNCEMENT_POLICY) if _announces(policy, service)]
    rules = {_selected_nodes(policy) for policy in policies}
    if len(rules) == 1:
        names = ", ".join(sorted(policy.metadata.name for policy in policies))
        yield from _ports(service, L2, f"{how}; by CiliumL2AnnouncementPolicy {names}: {_LEADER}", rules.pop())
        return
    detail = (
        "several policies with different nodes announce it" if rules else "no policy that was read announces it"
    )
    for _, consumer in Balancer(service, L2, f"{how}: {_LEADER}", target_type="node").ports():
        yield replace(consumer, nodes=EVERY_NODE, unless_covered=Reason("AnnouncingNodesNotKnown", detail))


def _by_policy(service: Service, view: View, how: str) -> Iterable[Consumer]:
    """LB IPAM gave the address, which says nothing of how it is announced."""
    unread = view.unread(CILIUM_L2_ANNOUNCEMENT_POLICY)
    if unread is None and any(_announces(policy, service) for policy in view.all(CILIUM_L2_ANNOUNCEMENT_POLICY)):
        yield from _announced(service, view, how)
        return
    detail = "LB IPAM gave the address; whether BGP announces it, or something outside, is not in what was read"
    for _, consumer in Balancer(service, "cilium", how, target_type="node").ports():
        yield replace(consumer, nodes=EVERY_NODE, unless_covered=Reason("AnnouncementNotKnown", detail))


def _assigned(service: Service) -> str | None:
    if not classless(service) or any(entry.hostname for entry in service.load_balancer_ingress):
        return None
    for condition in (service.status and service.status.conditions) or ():
        if condition.type == _SATISFIED:
            return f"told by its condition {_SATISFIED}" if condition.status == "True" else None
    asked = sorted(key for key in service.annotations if key.startswith(_REQUESTS))
    return f"told by its annotation {asked[0]}" if asked else None


def _announces(policy: CiliumL2AnnouncementPolicy, service: Service) -> bool:
    if policy.spec is None or not policy.spec.load_balancer_ips or policy.deleting:
        return False
    labels = {**service.labels, _NAME: service.key.name, _NAMESPACE: service.key.namespace}
    return policy.spec.service_selector is None or policy.spec.service_selector.admits(labels)


def _selected_nodes(policy: CiliumL2AnnouncementPolicy) -> NodeRule:
    selector = policy.spec.node_selector if policy.spec else None
    return NodeRule(requirements=selector.requirements if selector else (), taints=(), readiness=Readiness.TRUE)
