"""k3s ServiceLB: a DaemonSet with host ports, and a status that names only nodes with a ready pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from etpguard.assess.consumers.interface import (
    Advice,
    BaseFamily,
    Consumer,
    ConsumerVerdict,
    DocumentedConsumer,
    Evidence,
    NodeTargets,
    View,
)
from etpguard.assess.consumers.load_balancers import (
    UNCHECKED,
    Balancer,
    Recognition,
    classless,
    in_cluster_balancers,
    no_node_port,
    sole_cloud,
)
from etpguard.assess.consumers.node_addresses import address_key, addresses_of, holders
from etpguard.assess.consumers.remedies import ClientIP, cluster, kubectl, spread
from etpguard.assess.eligibility import CONTROL_PLANE_TAINTS, NodeRule
from etpguard.assess.outcome import Outcome
from etpguard.assess.platforms import K3S_LB_LABEL, K3S_LB_LABELLED
from etpguard.cluster.picture import Referrer
from etpguard.objects import NODE, SERVICE, Key, Kind, Node, Requirement, Service

_POOL = "svccontroller.k3s.cattle.io/lbpool"

_TOLERATED = CONTROL_PLANE_TAINTS | {"CriticalAddonsOnly"}

_WITHOUT_ADDRESS = (
    "another Service or Pod has its port on each node, so that its svclb Pods are Pending; its svclb Pods run on "
    f"no node with a ready endpoint, by taints or by the labels {K3S_LB_LABEL} and {_POOL}; ServiceLB is disabled"
)


def _status_addresses(service: Service) -> Iterable[Key]:
    """Whether it is found depends on the nodes that have these addresses."""
    if not classless(service):
        return ()
    return {address_key(entry.ip) for entry in service.load_balancer_ingress if entry.ip}


class K3sServiceLB(BaseFamily):
    """k3s 0821db5 pkg/cloudprovider/servicelb.go getStatus, podIPs and newDaemonSet; klipper-lb 75a20be: under
    Local an svclb Pod sends to the node port of its own node."""

    name = "k3s-servicelb"
    balancers_only = True
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType(
        {NODE: (addresses_of,), SERVICE: (_status_addresses,)}
    )
    documented = (
        DocumentedConsumer(
            consumer="k3s ServiceLB",
            found_by="no class, providerID `k3s://`, a status with addresses of nodes",
            nodes="Ready, with an endpoint, without a taint that the svclb Pods do not tolerate",
            health_check="none",
            with_local="`Covered`; `NoTargets` for a port without a node port",
            evidence=Evidence.DOCUMENTED,
            source="k3s 0821db5 pkg/cloudprovider/servicelb.go, klipper-lb 75a20be",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        recognition = _recognised(service, view)
        if recognition is None:
            return
        rule = NodeRule(
            taints=(), tolerated=_TOLERATED, requirements=_node_pool(service, view), follows_endpoints=True
        )
        balancer = Balancer.of(service, "k3s-servicelb", recognition, "node", without_address=_WITHOUT_ADDRESS)
        for port in service.ports:
            if service.uid and not port.node_port:
                yield balancer.consumer(port, no_node_port(port, "k3s ServiceLB"))
            else:
                yield balancer.consumer(port, NodeTargets(rule, UNCHECKED))

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


def _recognised(service: Service, view: View) -> Recognition | None:
    """By the nodes, and by a status that holds addresses of nodes alone: another implementation would give other
    addresses. Without a status the nodes alone show it."""
    if not classless(service) or "k3s" not in view.platforms or sole_cloud(view):
        return None
    how = (
        "recognised by the nodes' providerIDs (k3s://); only the addresses in the Service's status count, which "
        "are those of nodes with a ready pod: clients that address other nodes, through their own DNS records for "
        "example, lose their packets"
    )
    entries = service.load_balancer_ingress
    if entries:
        by_nodes = all(entry.ip and holders(entry.ip, view) for entry in entries)
        return Recognition(how) if by_nodes else None
    if in_cluster_balancers(view):
        return None
    taken = "its load balancer is taken to be k3s ServiceLB, from the nodes' providerIDs (k3s://)"
    return Recognition(how, Evidence.ASSUMED, (taken,))
