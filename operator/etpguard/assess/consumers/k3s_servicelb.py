"""k3s ServiceLB: a DaemonSet with host ports, and a status that names only nodes with a ready pod."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.interface import (
    Advice,
    BaseFamily,
    Consumer,
    ConsumerVerdict,
    NodeTargets,
    View,
)
from etpguard.assess.consumers.load_balancers import UNCHECKED, Balancer, classless, sole_cloud
from etpguard.assess.consumers.remedies import ClientIP, cluster, kubectl, spread
from etpguard.assess.eligibility import NodeRule
from etpguard.assess.outcome import Outcome
from etpguard.assess.platforms import K3S_LB_LABEL, K3S_LB_LABELLED
from etpguard.objects import NODE, Node, Requirement, Service

_POOL = "svccontroller.k3s.cattle.io/lbpool"


class K3sServiceLB(BaseFamily):
    """pkg/cloudprovider/servicelb.go getStatus, podIPs and newDaemonSet."""

    name = "k3s-servicelb"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if not classless(service) or "k3s" not in view.platforms or sole_cloud(view):
            return
        if not _answers_with_nodes(service, view):
            return
        source = (
            "recognised by the nodes' providerIDs (k3s://); only the addresses in the Service's status count, "
            "which "
            "are those of nodes with a ready pod: clients that address other nodes, through their own DNS records "
            "for example, lose their packets"
        )
        rule = NodeRule(taints=(), requirements=_node_pool(service, view), follows_endpoints=True)
        yield from Balancer(service, "k3s-servicelb", source, "node").consumers(NodeTargets(rule, UNCHECKED))

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome is Outcome.NoTargets and nodes:
            command = kubectl("label", "node", nodes[0].metadata.name, f"{K3S_LB_LABEL}=true")
            yield Advice("Let ServiceLB use a node with pods", "", "", command)
        if verdict.outcome in (Outcome.NoTargets, Outcome.Blackhole, Outcome.Outage):
            yield spread(service, "every node that ServiceLB uses")
            yield cluster(service, ClientIP.LOST)


def _node_pool(service: Service, view: View) -> tuple[Requirement, ...]:
    """Once any node has the label, only those where it is "true", and only then the Service's pool."""
    if K3S_LB_LABELLED not in view.platforms:
        return ()
    pool = service.labels.get(_POOL)
    return (Requirement(K3S_LB_LABEL, "In", ("true",)), *([Requirement(_POOL, "In", (pool,))] if pool else ()))


def _answers_with_nodes(service: Service, view: View) -> bool:
    """Whether the status holds addresses of nodes alone. Another implementation would give other addresses."""
    given = {entry.ip for entry in service.load_balancer_ingress if entry.ip}
    if not given:
        return not service.load_balancer_ingress
    for node in view.all(NODE):
        given -= {address.address for address in (node.status and node.status.addresses) or ()}
    return not given
