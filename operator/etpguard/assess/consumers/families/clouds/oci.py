"""Oracle Cloud Infrastructure (OKE): load balancers and network load balancers.

The rules come from oci-cloud-controller-manager 1100ac3, pkg/cloudprovider/providers/oci/load_balancer_spec.go
unless another file is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.cloud import Cloud, unreadable
from etpguard.assess.consumers.families.clouds.spelling import misspelt
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, drop_annotation, health_checked
from etpguard.assess.consumers.shared.load_balancers import (
    CLOUD_NODES,
    refused,
    refused_affinity,
    standard_check,
)
from etpguard.assess.consumers.targets import NodeTargets, NoneHealthy, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.node_rule import VIRTUAL_NODE_LABEL
from etpguard.assess.node_selection import label_selector
from etpguard.assess.outcome import Reason
from etpguard.assess.platforms import OKE_VIRTUAL
from etpguard.objects import Node, Requirement, Service, ServicePort

TYPE = "oci.oraclecloud.com/load-balancer-type"
LB_SELECTOR = "oci.oraclecloud.com/node-label-selector"
NLB_SELECTOR = "oci-network-load-balancer.oraclecloud.com/node-label-selector"
PRESERVE_SOURCE = "oci-network-load-balancer.oraclecloud.com/is-preserve-source"


_MANAGED = (Requirement(VIRTUAL_NODE_LABEL, "DoesNotExist"),)
_NODES = replace(CLOUD_NODES, requirements=_MANAGED, provider_id="oci://.*|ocid1.*", skips_unidentified=True)
"""784 getBackends, util.go:75: a node with another providerID is left out."""
_ON_VIRTUAL_NODES = Reason(
    "VirtualNodes",
    "pods on virtual nodes are targets themselves, and no API object shows whether they are. If they are, their "
    "traffic arrives. Look at the backends of the load balancer",
)
"""Oracle Cloud documentation, "Comparing Virtual Nodes with Managed Nodes": <pod-ip>:<nodeport>."""


class OracleCloud(Cloud):
    name = "oci"
    node_selectors = (LB_SELECTOR, NLB_SELECTOR)
    reads = (TYPE, LB_SELECTOR, NLB_SELECTOR, PRESERVE_SOURCE)
    without_address = (
        "the quota for load balancers is used up, the subnet or a network security group is missing, an "
        "annotation has a value that the controller rejects"
    )
    documented = (
        DocumentedConsumer(
            consumer="Oracle Cloud load balancer and network load balancer",
            found_by="`oci.oraclecloud.com/`, `oci-network-load-balancer.oraclecloud.com/` annotation, providerID "
            "`ocid1.…` or `oci://`",
            nodes="cloud nodes with a providerID of Oracle that match the `node-label-selector` of its type; no "
            "virtual nodes",
            health_check="HTTP `/healthz` on healthCheckNodePort, for UDP too",
            with_local="`TargetsUnhealthy`; `Unknown` with a sessionAffinity, and where only pods on virtual "
            "nodes may get traffic",
            evidence=Evidence.DOCUMENTED,
            source="oci-cloud-controller-manager 1100ac3 load_balancer_spec.go, load_balancer.go",
        ),
    )

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        """All ports have the same health check, and so the same targets."""
        targets = self.doubtful_without_own_nodes(view.once("oci", service, _targets), view)
        if OKE_VIRTUAL not in view.platforms or not isinstance(targets, NodeTargets):
            return targets
        return replace(targets, other_targets=_ON_VIRTUAL_NODES)

    def client_ip_of(self, service: Service) -> ClientIP:
        """690-728: a network load balancer keeps the client's address under Local, unless is-preserve-source is
        false. A load balancer of type lb is a proxy."""
        written = service.annotations.get(PRESERVE_SOURCE, "")
        kept = service.annotations.get(TYPE) == "nlb" and BOOLEANS.get(written, True)
        return ClientIP.LOST if kept else ClientIP.HIDDEN

    def selector_key(self, service: Service) -> str:
        return _selector_key(service)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if isinstance(verdict.consumer.targets, NodeTargets) and verdict.consumer.targets.no_target:
            return
        if verdict.reason == _ON_VIRTUAL_NODES:
            return
        yield from misspelt(service, self.reads)
        yield from self.widen(service, verdict)
        without_effect = LB_SELECTOR if is_network(service) else NLB_SELECTOR
        if without_effect in service.annotations:
            effect = f"It has no effect on this type of load balancer, which reads {_selector_key(service)}."
            yield drop_annotation(service, without_effect, effect)
        before = self.before_cluster(service, verdict)
        yield from health_checked(service, verdict, nodes, self.client_ip_of(service), before)

    def before_cluster(self, service: Service, verdict: ConsumerVerdict) -> str:
        if not _breaks_with_cluster(service):
            return ""
        return (
            f"First remove {PRESERVE_SOURCE}: the controller rejects it under Cluster, and the load balancer then "
            "keeps a health check whose port is gone."
        )


def is_network(service: Service) -> bool:
    """1536-1544 getLoadBalancerType: the case of letters does not matter. Any other value means type lb."""
    return service.annotations.get(TYPE, "").lower() == "nlb"


def _targets(service: Service) -> Targets:
    """876-925 getHealthChecker. load_balancer.go:497-533: a full label selector. Each type has its own key, and
    the key of the other type has no effect. load_balancer_util.go:727: a UDP port fails the whole Service on a
    load balancer. 1194: so does one of SCTP on a network load balancer; for type lb, the listener would have that
    protocol, which OCI does not know (1095). 684: so does a sessionAffinity. A network load balancer without
    a healthy backend sends nowhere (isFailOpen is false by default, by the OCI documentation)."""
    network = is_network(service)
    key = _selector_key(service)
    written = service.annotations.get(key, "")
    requirements = label_selector(written)
    if requirements is None:
        return unreadable(key, written, CLOUD_NODES)
    rule = replace(_NODES, requirements=(*_MANAGED, *requirements))
    preserve = service.annotations.get(PRESERVE_SOURCE)
    if network and preserve is not None and preserve not in BOOLEANS:
        return unreadable(PRESERVE_SOURCE, preserve, rule)
    if not network and any(port.transport == "UDP" for port in service.ports):
        cause = (
            "the Service has a UDP port, which a load balancer of type lb does not support. With the annotation "
            f"{TYPE}: nlb, the load balancer serves UDP"
        )
        return UnknownOutcome(refused("ProtocolNotServed", cause), rule)
    odd = next((port.transport for port in service.ports if port.transport not in ("TCP", "UDP")), "")
    if odd:
        cause = f"the Service has a port of the protocol {odd}, which no load balancer of Oracle Cloud supports"
        return UnknownOutcome(refused("ProtocolNotServed", cause), rule)
    if affinity := refused_affinity(service, rule):
        return affinity
    check = replace(standard_check(service), pins_health_check_node_port=_breaks_with_cluster(service))
    nothing_healthy = NoneHealthy.SENDS_TO_NONE if network else NoneHealthy.NOT_KNOWN
    return NodeTargets(rule, check, none_healthy=nothing_healthy)


def _selector_key(service: Service) -> str:
    return NLB_SELECTOR if is_network(service) else LB_SELECTOR


def _breaks_with_cluster(service: Service) -> bool:
    """690-702 getPreserveSource: under Cluster, the annotation is an error with any value."""
    return service.annotations.get(TYPE) == "nlb" and PRESERVE_SOURCE in service.annotations
