"""Names and addresses that stand for nodes: clients use the node ports of these nodes, and nothing checks them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, cluster, spread
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED
from etpguard.assess.consumers.targets import NodeTargets, Otherwise, PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE, NodeRule, Readiness
from etpguard.assess.node_selection import MAX_LENGTH
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Node, Requirement, Service

NODE_SELECTOR = "traffic.istio.io/nodeSelector"
HOSTNAMES = ("external-dns.alpha.kubernetes.io/hostname", "external-dns.kubernetes.io/hostname")
_TARGETS = tuple(key.replace("/hostname", "/target") for key in HOSTNAMES)


class IstioGateways(BaseFamily):
    """istio pilot/pkg/serviceregistry/kube/controller/network.go updateServiceNodePortAddresses and
    controller.go onNodeEvent: for a NodePort Service with the annotation, istiod gives the clients in other
    clusters the first ExternalIP of each Node with these labels, Ready or not, with a pod or without."""

    name = "istio-gateways"
    documented = (
        DocumentedConsumer(
            consumer="Istio gateway of type NodePort",
            found_by=f"annotation `{NODE_SELECTOR}`",
            nodes="those with the labels of the annotation and an ExternalIP",
            health_check="none",
            with_local="`Blackhole` unless all of them have endpoints",
            evidence=Evidence.DOCUMENTED,
            source="istio pilot/pkg/serviceregistry/kube/controller/network.go, controller.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        if service.type == "NodePort" and NODE_SELECTOR in service.annotations:
            how = f"recognised by its annotation {NODE_SELECTOR}"
            yield from _of_each_port(service, "istiod", _selected(service.annotations[NODE_SELECTOR]), how)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome.loses_requests or verdict.outcome is Outcome.Unknown:
            yield Advice(
                f"Let {NODE_SELECTOR} select only nodes with a pod of the gateway",
                "Bind the pods to the same labels by nodeSelector, and run one on each of these nodes.",
            )
            yield spread(service, "every node that the annotation selects")
            yield cluster(service, ClientIP.LOST)


class ExternalDns(BaseFamily):
    """external-dns source/service.go extractNodePortTargets: the record of a NodePort Service has the addresses of
    nodes. Under Local they are those with a ready pod (nodesExternalTrafficPolicyTypeLocal); earlier versions take
    all nodes. With targets of its own in an annotation, the record names no node (generateEndpoints)."""

    name = "external-dns"
    documented = (
        DocumentedConsumer(
            consumer="external-dns: NodePort Service",
            found_by=f"annotation `{HOSTNAMES[0]}` of a NodePort Service, and no `{_TARGETS[0]}`",
            nodes="those with a ready pod; all nodes in early versions",
            health_check="none",
            with_local="`Unknown` unless all nodes or none are covered",
            evidence=Evidence.DOCUMENTED,
            source="external-dns source/service.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        key = next((key for key in HOSTNAMES if key in service.annotations), "")
        own_targets = any(service.annotations.get(key) for key in _TARGETS)
        if service.type == "NodePort" and key and not own_targets:
            targets = PossibleNodes(EVERY_NODE, _RECORDS, sends_to_one=True, external=True)
            yield from _of_each_port(service, "external-dns", targets, f"recognised by its annotation {key}")

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome in (Outcome.Unknown, Outcome.Outage):
            host = next((service.annotations[key] for key in HOSTNAMES if key in service.annotations), "")
            yield Advice(
                "Find out which nodes the record names",
                f"Compare the addresses of {host[:253] or 'the name'} with those of the nodes that drop the "
                "traffic. Update external-dns if the record has them.",
            )
            yield spread(service, "every node that the record names")
            yield cluster(service, ClientIP.LOST)


_RECORDS = Reason(
    "RecordNotKnown",
    "no API object shows the record that external-dns publishes. Current versions publish only the nodes with a "
    "ready pod, and nothing is lost. Early versions publish all nodes, and a share of the clients loses its "
    "traffic",
)
_NO_ADDRESS = Reason(
    "NoExternalAddress",
    "Istio publishes the ExternalIP of each selected node, and no selected node has one. Nothing arrives, unless "
    "the mesh networks name other addresses of these nodes",
)


def _selected(written: str) -> Targets:
    """The label requirements of a JSON object of labels; {} selects every node: getNodeSelectorsForService."""
    labels = _labels(written)
    if labels is None:
        detail = f"the annotation {NODE_SELECTOR} is {written[:60]!r}, which is no JSON object of labels"
        return UnknownOutcome(Reason("InvalidAnnotation", detail), EVERY_NODE, UNCHECKED)
    requirements = tuple(Requirement(key, "In", (value,)) for key, value in sorted(labels.items()))
    rule = NodeRule(requirements, taints=(), readiness=Readiness.IGNORED, prefers_external_ipv4=True)
    published = NodeRule(requirements, taints=(), readiness=Readiness.IGNORED, needs_external_ipv4=True)
    return NodeTargets(rule, UNCHECKED, otherwise=Otherwise(published, _NO_ADDRESS), external=True)


def _labels(written: str) -> dict[str, str] | None:
    try:
        labels = json.loads(written) if len(written) <= MAX_LENGTH else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        return None
    return labels


def _of_each_port(service: Service, controller: str, targets: Targets, how: str) -> Iterable[Consumer]:
    for port in service.ports:
        yield Consumer(
            kind="Service",
            namespace=service.key.namespace,
            name=service.key.name,
            controller=controller,
            target_type="instance",
            port=port.label,
            targets=targets,
            ip_families=ip_families(service),
            source=how,
        )
