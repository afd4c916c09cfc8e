"""Services of a Gateway or an Ingress, which Cilium redirects to the Envoy of each node."""

from __future__ import annotations

from etpguard.assess.consumers.families.cilium.l2 import ENDPOINTS_LEAD, release_of_nodes, selected_nodes
from etpguard.assess.consumers.families.cilium.services import BGP
from etpguard.assess.consumers.shared.cilium_objects import policies_for
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED
from etpguard.assess.consumers.targets import PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.outcome import Reason
from etpguard.objects import Service

_GATEWAY = "io.cilium.gateway/"
_INGRESS = "cilium.io/ingress"

_ON_EACH_NODE = Reason(
    "EnvoyOnEachNode",
    "Cilium redirects this Service of a Gateway or an Ingress to the Envoy of the node, and its endpoint is a "
    "placeholder. Which nodes announce the address under Local depends on the release of Cilium. If a node "
    "announces it, nothing is lost. If none does, all is lost",
)


def served_by_envoy(service: Service) -> bool:
    labels = service.labels
    return not service.spec.selector and (_INGRESS in labels or any(key.startswith(_GATEWAY) for key in labels))


def targets_by_envoy(service: Service, view: View) -> Targets:
    """Every node serves it. What announces its address by L2 under Local depends on the release."""
    release = release_of_nodes(view)
    by_l2 = service.spec.load_balancer_class != BGP and any(policies_for(service, view))
    if release is None or not by_l2:
        return UnknownOutcome(_ON_EACH_NODE, EVERY_NODE, UNCHECKED)
    rules = {selected_nodes(policy) for policy in policies_for(service, view)}
    if release < ENDPOINTS_LEAD:
        reason = Reason("AnnouncingNodesNotKnown", "several policies with different nodes announce it")
        return PossibleNodes(rules.pop() if len(rules) == 1 else EVERY_NODE, reason)
    detail = (
        f"{_ON_EACH_NODE.detail}. From 1.20.2 on, only nodes with an endpoint may announce it by L2, and a "
        "placeholder has no node. So no node announces it until cilium/cilium#48799 is solved"
    )
    return UnknownOutcome(Reason(_ON_EACH_NODE.code, detail), EVERY_NODE, UNCHECKED)
