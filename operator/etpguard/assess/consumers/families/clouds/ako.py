"""Avi (NSX Advanced Load Balancer) by the Avi Kubernetes Operator (AKO), for Ingresses and Services.

The rules come from load-balancer-and-ingress-services-for-kubernetes ba495be, internal/nodes/
avi_model_l4_translator.go. AKO's setting serviceType decides whether it sends to pods or to nodes. The setting is
in AKO's ConfigMap avi-k8s-config, which etpguard does not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.cloud import CHANGES_TARGETS, FOLLOWS_PODS
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, cluster, spread
from etpguard.assess.consumers.shared.ingresses import AKO, IngressBackend, backends
from etpguard.assess.consumers.shared.load_balancers import Balancer
from etpguard.assess.consumers.shared.recognition import by_class
from etpguard.assess.consumers.targets import (
    HealthCheck,
    NodeTargets,
    PodTargets,
    PossibleNodes,
    Targets,
    UnknownOutcome,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE, Hosts, NodeRule
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.probe import NotModelled
from etpguard.objects import Node, Service

NODE_PORT_LOCAL = "nodeportlocal.antrea.io/enabled"
"""AKO sets it on the Services that it reaches through NodePortLocal of Antrea."""

_READ_MODE = "kubectl -n avi-system get configmap avi-k8s-config -o jsonpath={.data.serviceType}"

_VERSION = (
    "AKO has version 1.14.1 or later, which sends to the nodes with an endpoint. Earlier versions send to all "
    "nodes. The share of the nodes without an endpoint is then lost, unless the health monitor of Avi finds them"
)

_NODES = NodeRule(taints=(), readiness=EVERY_NODE.readiness, hosts=Hosts.ANY)
"""398-500 PopulateServersForNodePort: the nodes with an endpoint in any condition. AKO reads neither Ready nor the
exclude label."""

_MODE = Reason(
    "ServiceTypeNotKnown",
    "AKO's setting serviceType decides, and etpguard does not read it. With ClusterIP or NodePortLocal, AKO sends "
    "to pods, and the traffic policy is not on the path. With NodePort, version 1.14.1 and later send to the "
    "nodes with an endpoint. Earlier versions then send to all nodes, and a share of the requests may be lost. "
    "Look at serviceType in the ConfigMap avi-system/avi-k8s-config",
)

_NOT_SHOWN = Reason(
    "ServiceTypeNotKnown",
    "no node with an endpoint is known. AKO may send to pods instead: its setting serviceType decides. Look at "
    "the ConfigMap avi-system/avi-k8s-config",
)


class Ako(BaseFamily):
    name = "ako"
    documented = (
        DocumentedConsumer(
            consumer="Avi Kubernetes Operator: Ingress to a NodePort Service",
            found_by=f"IngressClass controller `{AKO}`",
            nodes="nodes with an endpoint, ready or not",
            health_check="Avi's own, not known",
            with_local="`Covered`; `Unknown` where an endpoint is not ready",
            evidence=Evidence.ASSUMED,
            source="load-balancer-and-ingress-services-for-kubernetes ba495be avi_model_l4_translator.go",
        ),
        DocumentedConsumer(
            consumer="Avi Kubernetes Operator: Service",
            found_by=f"class `{AKO}`",
            nodes="pods, nodes with an endpoint, or all nodes, by `serviceType` and version",
            health_check="Avi's own, not known",
            with_local=f"`Unknown` unless all nodes are covered; `NotAffected` with `{NODE_PORT_LOCAL}`",
            evidence=Evidence.DOCUMENTED,
            source="load-balancer-and-ingress-services-for-kubernetes ba495be avi_model_l4_translator.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for backend in backends(service, view, lambda _, by: by.controller == AKO):
            yield _of_ingress(service, backend)
        if recognition := by_class(service, AKO):
            pods = _sends_to_pods(service)
            balancer = Balancer.of(service, AKO, recognition, "ip" if pods else "")
            targets: Targets = PodTargets() if pods else PossibleNodes(EVERY_NODE, _MODE)
            yield from balancer.consumers(targets)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome is not Outcome.Unknown:
            return
        effect = (
            "ClusterIP and NodePortLocal mean that AKO sends to pods, and the traffic policy is not on the path."
        )
        yield Advice("Find out how AKO reaches the Service", effect, "", _READ_MODE)
        yield spread(service, "every node that AKO may send to")
        http = verdict.consumer.kind == "Ingress"
        yield cluster(service, ClientIP.FORWARDED if http else ClientIP.VARIES, CHANGES_TARGETS)


def _of_ingress(service: Service, backend: IngressBackend) -> Consumer:
    """217-232: with serviceType NodePortLocal AKO does not accept a NodePort Service, and with ClusterIP it sends
    to pods. So a NodePort Service behind it can lose traffic only through nodes."""
    if backend.missing:
        return backend.consumer(UnknownOutcome(backend.missing), target_type="")
    if _sends_to_pods(service):
        return backend.consumer(PodTargets(), target_type="ip")
    if service.type != "NodePort":
        return backend.consumer(PossibleNodes(EVERY_NODE, _MODE), target_type="")
    check = HealthCheck(NotModelled("how the health monitor of Avi checks the nodes is not known"))
    found = backend.consumer(NodeTargets(_NODES, check, other_targets=_NOT_SHOWN))
    source = found.source + FOLLOWS_PODS if found.source else FOLLOWS_PODS.removeprefix("; ")
    return replace(found, source=source, evidence=Evidence.ASSUMED, assumptions=(_VERSION,))


def _sends_to_pods(service: Service) -> bool:
    return service.annotations.get(NODE_PORT_LOCAL) == "true"
