"""ServiceLB of k3s and RKE2: a DaemonSet with host ports, and a status that names only nodes with a ready pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, cluster, kubectl, may_admit, named, spread
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED, Balancer, no_node_port, served_families
from etpguard.assess.consumers.shared.node_addresses import address_key, addresses_of, holders
from etpguard.assess.consumers.shared.recognition import Recognition, classless, in_cluster_balancers, sole_cloud
from etpguard.assess.consumers.shared.strict_arp import answered_everywhere, strict_arp
from etpguard.assess.consumers.targets import NodeTargets, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.data_planes.interface import DataPlane
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import CONTROL_PLANE_TAINTS, Hosts, NodeRule
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.platforms import CILIUM, SERVICELB_LABELLED, SERVICELB_LABELS, SERVICELB_POOLS
from etpguard.cluster.picture import Referrer
from etpguard.objects import NODE, SERVICE, Key, Kind, Node, Requirement, Service
from etpguard.objects.k3s import SERVICE_NAME, SERVICE_NAMESPACE, SVCLB_POD, SvclbPod

_TOLERATED = CONTROL_PLANE_TAINTS | {"CriticalAddonsOnly"}


def _without_address(program: str) -> str:
    return (
        "another Service or Pod has its port on each node, so that its svclb Pods are Pending; its svclb Pods "
        f"run on no node with a ready endpoint, by taints or by the labels {SERVICELB_LABELS[program]} and "
        f"{SERVICELB_POOLS[program]}; ServiceLB is disabled"
    )


def _program(view: View) -> str:
    """The one distribution with ServiceLB that the nodes' providerIDs name; "" for none or both."""
    found = view.platforms.intersection(SERVICELB_LABELS)
    return next(iter(found)) if len(found) == 1 else ""


def _status_addresses(service: Service) -> Iterable[Key]:
    """The addresses in the status of the Service, for `refers`: the nodes that have these addresses decide whether
    k3s serves it."""
    if not classless(service):
        return ()
    return {address_key(entry.ip) for entry in service.load_balancer_ingress if entry.ip}


class K3sServiceLB(BaseFamily):
    """k3s 0821db5 pkg/cloudprovider/servicelb.go getStatus, podIPs and newDaemonSet; klipper-lb 75a20be: under
    Local an svclb Pod sends to the node port of its own node."""

    name = "k3s-servicelb"
    balancers_only = True
    kinds = (SVCLB_POD,)
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType(
        {NODE: (addresses_of,), SERVICE: (_status_addresses,)}
    )
    documented = (
        DocumentedConsumer(
            consumer="ServiceLB of k3s and RKE2",
            found_by="no class, providerID `k3s://` or `rke2://`, a status with addresses of nodes; in RKE2 only "
            "without Cilium, since Node IPAM of Cilium gives addresses of nodes too",
            nodes="Ready nodes with an endpoint and a Ready svclb Pod; in RKE2, and where etpguard may not read "
            "Pods, Ready nodes with an endpoint and without a taint that these Pods do not tolerate. If one of "
            "them has an ExternalIP, only those with one",
            health_check="none",
            with_local=(
                "`Covered`; `NoTargets` for a port without a node port; `Unknown` if no svclb Pod is Ready, and "
                "with kube-proxy in mode ipvs without strictARP"
            ),
            evidence=Evidence.DOCUMENTED,
            source="k3s 0821db5 pkg/cloudprovider/servicelb.go, klipper-lb 75a20be",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        pods = [pod for pod in view.referring(SVCLB_POD, service.key) if not pod.deleting]
        program = _program(view)
        recognition = _recognised(service, view, pods, program)
        if recognition is None:
            return
        everywhere = answered_everywhere(view, *served_families(service))
        if pods and not everywhere:
            recognition = recognition._replace(evidence=Evidence.OBSERVED, assumptions=())
        targets: Targets = everywhere or (_with_pods(pods) if pods else _without_pods(service, view, program))
        causes = _not_ready(pods) if pods else _without_address(program)
        balancer = Balancer.of(service, "k3s-servicelb", recognition, "node", without_address=causes)
        for port in service.ports:
            if service.uid and not port.node_port:
                yield balancer.consumer(port, no_node_port(port, f"{program} ServiceLB"))
            else:
                yield balancer.consumer(port, targets)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.reason.code == "NoNodePort":
            return
        yield from strict_arp(verdict)
        if verdict.reason.code == "SvclbPodsNotReady":
            yield _look(service)
        if verdict.outcome is Outcome.NoTargets:
            yield from _label(verdict, nodes)
        if verdict.outcome.loses_requests:
            yield spread(service, "every node that ServiceLB uses")
            yield cluster(service, ClientIP.LOST)


def _label(verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
    """Only where nodes are labelled already: the first label in a cluster takes ServiceLB off all other nodes."""
    rule = verdict.consumer.targets.rule
    labels = {r.key: r.values[0] for r in (rule.requirements if rule else ()) if r.values}
    lacking = [n for n in nodes if labels.items() - n.labels.items() and may_admit(n)]
    if not lacking:
        return
    shown = named(lacking)
    others = " Label the other nodes with pods too." if len(lacking) > len(shown) else ""
    pools = {key: value for key, value in labels.items() if key.endswith("/lbpool")}
    moved = any(node.labels.get(key, pool) != pool for node in lacking for key, pool in pools.items())
    yield Advice(
        "Let ServiceLB use the nodes with pods",
        f"Some nodes have the label {next(iter(labels))}, so that ServiceLB uses only those where it is "
        f"true.{others}",
        "Cost: ServiceLB then runs there for other Services too."
        + (" Nodes of another pool leave it." if moved else ""),
        kubectl("label", "node", *shown, "--overwrite", *(f"{key}={value}" for key, value in labels.items())),
    )


def _look(service: Service) -> Advice:
    labels = f"{SERVICE_NAME}={service.key.name},{SERVICE_NAMESPACE}={service.key.namespace}"
    return Advice(
        "Find out why no svclb Pod is ready on a node with pods",
        "The usual causes are another Service or Pod with its ports on the node, a taint, and the labels "
        f"{SERVICELB_LABELS['k3s']} and {SERVICELB_POOLS['k3s']} of the nodes.",
        "",
        kubectl("get", "pods", "-A", "-o", "wide", "-l", labels),
    )


def _with_pods(pods: Sequence[SvclbPod]) -> NodeTargets:
    """The targets by the svclb Pods of the Service. A node serves the Service while its Pod is Ready, and so has
    the host ports."""
    serving = frozenset(pod.node for pod in pods if pod.ready and pod.node)
    rule = NodeRule(names=serving, taints=(), hosts=Hosts.USABLE, external_first=True)
    detail = (
        f"{_not_ready(pods)}. If one gets Ready there, nothing is lost. If none does, all is lost, and k3s "
        "removes the addresses from the status of the Service"
    )
    return NodeTargets(rule, UNCHECKED, keeps_targets=Reason("SvclbPodsNotReady", detail))


def _not_ready(pods: Sequence[SvclbPod]) -> str:
    """What is known where no svclb Pod is Ready on a node with an endpoint."""
    pending = sum(not pod.node for pod in pods)
    ready = sum(pod.ready for pod in pods)
    waiting = (
        f"; {pending} of {len(pods)} have no node: another Service or Pod has their host ports, or a taint keeps "
        "them off"
        if pending
        else ""
    )
    return f"no svclb Pod of the Service is Ready on a node with an endpoint ({ready} on other nodes){waiting}"


def _without_pods(service: Service, view: View, program: str) -> NodeTargets:
    """The targets by the nodes that would run svclb Pods if their ports are free."""
    pool = _node_pool(service, view, program)
    rule = NodeRule(taints=(), tolerated=_TOLERATED, requirements=pool, hosts=Hosts.USABLE, external_first=True)
    return NodeTargets(rule, UNCHECKED)


def _node_pool(service: Service, view: View, program: str) -> tuple[Requirement, ...]:
    """The requirements on nodes. Once any node has the label, only nodes with the value "true" count, and only
    then the pool of the Service counts."""
    if SERVICELB_LABELLED[program] not in view.platforms:
        return ()
    pool = service.labels.get(SERVICELB_POOLS[program])
    enabled = Requirement(SERVICELB_LABELS[program], "In", ("true",))
    return (enabled, *([Requirement(SERVICELB_POOLS[program], "In", (pool,))] if pool else ()))


def _cilium(view: View) -> bool:
    groups = view.planes.groups if view.planes else ()
    return CILIUM in view.platforms or any(group.plane.name is DataPlane.CILIUM for group in groups)


def _recognised(service: Service, view: View, pods: Sequence[SvclbPod], program: str) -> Recognition | None:
    """By the nodes, with a status that holds addresses of nodes alone: another implementation would give other
    addresses. Without a status, in k3s, by its svclb Pods, or by the nodes alone: in RKE2 it is off by default,
    and Node IPAM of Cilium may have given the addresses of nodes."""
    if not classless(service) or not program or sole_cloud(view):
        return None
    if program != "k3s" and not pods and _cilium(view):
        return None
    how = (
        f"recognised by the nodes' providerIDs ({program}://). Only the addresses in the Service's status "
        "count: those of nodes with a ready pod. Clients that address other nodes, for example through their "
        "own DNS records, lose their packets"
    )
    entries = service.load_balancer_ingress
    if entries:
        by_nodes = all(entry.ip and holders(entry.ip, view) for entry in entries)
        return Recognition(how) if by_nodes else None
    if pods:
        return Recognition(how)
    if program != "k3s":
        return None
    if in_cluster_balancers(service, view):
        return None
    taken = "the providerIDs of the nodes (k3s://) suggest that its load balancer is k3s ServiceLB"
    return Recognition(how, Evidence.ASSUMED, (taken,))
