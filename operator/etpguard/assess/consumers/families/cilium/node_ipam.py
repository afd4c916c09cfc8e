"""Node IPAM: the addresses of the nodes are those of the load balancer."""

from __future__ import annotations

from msgspec.structs import replace

from etpguard.assess.consumers.shared.load_balancers import (
    UNCHECKED,
)
from etpguard.assess.consumers.targets import NodeTargets, Targets, UnknownOutcome
from etpguard.assess.node_rule import AUTOSCALER_TAINT, EXCLUDE_LABEL, Hosts, NodeRule, Readiness, TaintRule
from etpguard.assess.node_selection import label_selector
from etpguard.assess.outcome import Reason
from etpguard.objects import Requirement, Service

MATCH_NODES = "io.cilium.nodeipam/match-node-labels"

NODE_IPAM_NODES = NodeRule(
    requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),),
    taints=(TaintRule(AUTOSCALER_TAINT),),
    readiness=Readiness.IGNORED,
    skip_deleting=True,
    hosts=Hosts.READY,
    external_first=True,
)
"""cilium 94b67c8 operator/pkg/nodeipam/nodesvclb.go getRelevantNodes: the nodes that have a ready endpoint of the
Service, whether the Node is Ready or not. getNodeLoadBalancerIngresses: their ExternalIPs, and the InternalIPs
only if there is none."""


def targets_by_node_ipam(service: Service) -> Targets:
    text = service.annotations.get(MATCH_NODES)
    if text is None:
        return NodeTargets(NODE_IPAM_NODES, UNCHECKED)
    selected = label_selector(text)
    if selected is None:
        detail = f"the annotation {MATCH_NODES} is not a label selector that etpguard reads: {text[:100]!r}"
        return UnknownOutcome(Reason("SelectorNotUnderstood", detail), NODE_IPAM_NODES, UNCHECKED)
    requirements = (*NODE_IPAM_NODES.requirements, *selected)
    return NodeTargets(replace(NODE_IPAM_NODES, requirements=requirements), UNCHECKED)
