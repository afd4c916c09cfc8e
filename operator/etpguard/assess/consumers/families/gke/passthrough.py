"""Passthrough load balancers of Google Cloud, for Services of type LoadBalancer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.gke.nodes import INSTANCE_GROUP_NODES, SUBSET_NODES
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import health_checked
from etpguard.assess.consumers.shared.load_balancers import CLOUD_NODES, Balancer, no_target, standard_check
from etpguard.assess.consumers.shared.recognition import (
    Recognition,
    by_class,
    by_mark,
    by_nodes,
    classless,
    of_class,
    sole_cloud,
)
from etpguard.assess.consumers.targets import (
    NodeTargets,
    NoneHealthy,
    Otherwise,
    Targets,
    UnknownOutcome,
    not_modelled,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.outcome import Reason
from etpguard.objects import Node, Service, ServicePort

_CLASS = "networking.gke.io/"

_STANDALONE = f"{_CLASS}standalone-passthrough-lb-neg"
"""The controller only makes the group; a person makes the load balancer."""
_FINALIZER = "gke.networking.io/"
_INTERNAL = ("networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type")

_BACKEND_SERVICE = "service.kubernetes.io/backend-service"
"""Written by the controller of backend services, which is ingress-gce."""
RBS = "cloud.google.com/l4-rbs"

_DRAINED_TOO = Otherwise(
    replace(SUBSET_NODES, requirements=INSTANCE_GROUP_NODES.requirements),
    Reason(
        "DrainingNodesNotKnown",
        "a flag of the controller, which no API object shows, decides whether nodes that GKE drains stay in the "
        "group",
    ),
)
"""ingress-gce PR #3128."""

_BY_FINALIZER = {
    f"{_FINALIZER}l4-ilb-v2": SUBSET_NODES,
    f"{_FINALIZER}l4-netlb-v3": SUBSET_NODES,
    f"{_FINALIZER}l4-netlb-v2": INSTANCE_GROUP_NODES,
    f"{_FINALIZER}l4-ilb-v1": INSTANCE_GROUP_NODES,
    f"{_FINALIZER}l4-netlb-v1": CLOUD_NODES,
}
"""pkg/utils/common/finalizer.go:38: the controller and the backend that it made. The newest first, since a
migration leaves the others for a while."""

_BY_CLASS = {
    f"{_CLASS}l4-regional-external": SUBSET_NODES,
    f"{_CLASS}l4-regional-internal": SUBSET_NODES,
    f"{_CLASS}l4-regional-external-legacy": CLOUD_NODES,
    f"{_CLASS}l4-regional-internal-legacy": INSTANCE_GROUP_NODES,
}
"""pkg/l4/annotations/gce_annotations.go:44-62."""
L4_CLASSES = (*_BY_CLASS, _STANDALONE)

_ALL_TERMINATE = Reason(
    "NoReadyEndpoint",
    "the group lists the nodes of endpoints that do not terminate, and none of these is ready on a node that may "
    "be in it",
)

_BACKEND_NOT_KNOWN = Reason(
    "BackendNotKnown",
    "without a finalizer gke.networking.io/l4-… it is not known whether the targets are all nodes or those with "
    "endpoints",
)


class GkeLoadBalancer(BaseFamily):
    """ingress-gce acbcf5d. An HTTP check of the healthCheckNodePort (pkg/l4/healthchecks/healthchecksl4.go:44-51,
    122-136). Groups of endpoints under Local list only nodes with a pod (pkg/neg/types/types.go:381). Without a
    healthy target, a passthrough load balancer sends to all (Google Cloud documentation; failover policy
    dropTrafficIfUnhealthy is off). Its packets keep their destination."""

    name = "gke-l4"
    balancers_only = True
    documented = (
        DocumentedConsumer(
            consumer="GKE passthrough load balancer",
            found_by="finalizer `gke.networking.io/l4-…`, class `networking.gke.io/…`, providerID `gce://`",
            nodes="nodes with endpoints (NEG), Ready nodes, or cloud nodes: the finalizer decides, then the class",
            health_check="HTTP `/healthz` on healthCheckNodePort, 2 failures 3 s apart",
            with_local="`Covered` with NEG, else `TargetsUnhealthy`; sends to all nodes while none is healthy; of "
            "several protocols, one may not be served",
            evidence=Evidence.DOCUMENTED,
            source="ingress-gce acbcf5d pkg/utils/common/finalizer.go, pkg/neg/types/types.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        recognition = _recognition(service, view)
        if recognition is None:
            return
        balancer = Balancer.of(service, "gke-l4", recognition, keeps_address=("IPv4", "IPv6"))
        if of_class(service, _STANDALONE):
            detail = f"a person makes the load balancer of class {_STANDALONE}, and no API object shows its check"
            yield from balancer.consumers(not_modelled(SUBSET_NODES, detail))
            return
        rule, otherwise = _backend(service)
        none = _ALL_TERMINATE if rule is SUBSET_NODES else None
        targets = NodeTargets(
            rule,
            standard_check(service),
            _most_targets(service),
            none_healthy=NoneHealthy.SENDS_TO_ALL,
            no_target=none,
            otherwise=otherwise,
        )
        transports = frozenset(port.transport for port in service.ports)
        for port in service.ports:
            yield balancer.consumer(port, _as_served(service, port, transports, targets))

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        yield from health_checked(service, verdict, nodes)


def _recognition(service: Service, view: View) -> Recognition | None:
    if service.type != "LoadBalancer":
        return None
    if found := min((one for one in service.finalizers if one in _BY_FINALIZER), default=""):
        return Recognition(f"recognised by its finalizer {found}")
    if recognised := by_class(service, *L4_CLASSES):
        return recognised
    if not classless(service) or sole_cloud(view) != "gce":
        return None
    return by_mark(service, *_INTERNAL, _BACKEND_SERVICE, RBS) or by_nodes(service, view, "gce", "Google Cloud")


def _backend(service: Service) -> tuple[NodeRule, Otherwise | None]:
    """The finalizer decides, then the class, then what the controller of backend services wrote."""
    for finalizer, rule in _BY_FINALIZER.items():
        if finalizer in service.finalizers:
            return rule, _draining(rule)
    if (by_its_class := _BY_CLASS.get(service.spec.load_balancer_class or "")) is not None:
        return by_its_class, _draining(by_its_class)
    if _BACKEND_SERVICE in service.annotations:
        if _is_internal(service):
            return SUBSET_NODES, _DRAINED_TOO
        return INSTANCE_GROUP_NODES, Otherwise(SUBSET_NODES, _BACKEND_NOT_KNOWN)
    return CLOUD_NODES, Otherwise(SUBSET_NODES, _BACKEND_NOT_KNOWN)


def _is_internal(service: Service) -> bool:
    return any(service.annotations.get(key, "").lower() == "internal" for key in _INTERNAL)


def _most_targets(service: Service) -> int:
    """Google Cloud documentation, "Create an internal load balancer": without subsetting, it sends to 250 nodes at
    most. 0 for no limit."""
    if found := next((one for one in _BY_FINALIZER if one in service.finalizers), ""):
        internal = found.endswith("l4-ilb-v1")
    elif chosen := service.spec.load_balancer_class:
        internal = chosen.endswith("internal-legacy")
    else:
        internal = _is_internal(service) and _BACKEND_SERVICE not in service.annotations
    return 250 if internal else 0


def _by_target_pool(service: Service) -> bool:
    """Whether the legacy controller serves it: k8s.io/cloud-provider-gcp providers/gce."""
    if found := next((one for one in _BY_FINALIZER if one in service.finalizers), ""):
        return found.endswith("-v1")
    return (service.spec.load_balancer_class or "").endswith("-legacy")


def _as_served(service: Service, port: ServicePort, transports: frozenset[str], targets: NodeTargets) -> Targets:
    """The targets of one port. The legacy controller makes no load balancer for several protocols, and serves the
    first port's where one has them later (gce_loadbalancer.go processMixedProtocolCheck, kubernetes issue 118107).
    The others serve several only with a flag, and write each rule to an annotation: pkg/l4/annotations/service.go,
    pkg/l4/forwardingrules/protocol.go. None of them has rules for SCTP."""
    if port.transport not in ("TCP", "UDP"):
        return _not_served(port, f"the load balancer has no rules for {port.transport}")
    if len(transports) == 1:
        return targets
    if _by_target_pool(service):
        first = service.ports[0].transport
        if port.transport == first:
            return targets
        return _not_served(port, f"the load balancer serves the protocol of the first port alone, {first}")
    made = {rule: _has_forwarding_rule(service, rule) for rule in ("l3", "tcp", "udp")}
    if made["l3"] or made[port.transport.lower()]:
        return targets
    if any(made.values()):
        return _not_served(port, f"no annotation of its controller names a forwarding rule for {port.transport}")
    detail = (
        "the Service has ports of several protocols, and only newer clusters of GKE serve them all. Others serve "
        "one of the protocols. Look at the forwarding rules of the load balancer and at the events of the Service"
    )
    return UnknownOutcome(Reason("ProtocolNotServed", detail), targets.rule, targets.check)


def _not_served(port: ServicePort, why: str) -> NodeTargets:
    detail = f"{why}, so nothing arrives on port {port.label or port.port} through it"
    return no_target(Reason("ProtocolNotServed", detail))


def _has_forwarding_rule(service: Service, rule: str) -> bool:
    name = f"service.kubernetes.io/{rule}-forwarding-rule"
    return name in service.annotations or f"{name}-ipv6" in service.annotations


def _draining(rule: NodeRule) -> Otherwise | None:
    return _DRAINED_TOO if rule is SUBSET_NODES else None
