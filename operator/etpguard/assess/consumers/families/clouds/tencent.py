"""Tencent Kubernetes Engine (TKE): cloud load balancers (CLB).

The source of the controller is not public. The rules come from the TKE documentation ("Service annotations",
"Direct access to pods").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.cloud import CHANGES_TARGETS, FOLLOWS_PODS, Cloud, unreadable
from etpguard.assess.consumers.families.clouds.spelling import misspelt
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, annotate, health_checked
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED, no_node_port
from etpguard.assess.consumers.shared.recognition import Recognition
from etpguard.assess.consumers.targets import (
    CheckSettings,
    HealthCheck,
    NodeTargets,
    PodTargets,
    PossibleNodes,
    Targets,
)
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import Hosts, NodeRule
from etpguard.assess.node_selection import label_selector
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.probe import OwnNodePort
from etpguard.objects import Node, Requirement, Service, ServicePort

BACKENDS_LABEL = "service.kubernetes.io/qcloud-loadbalancer-backends-label"
BIND_PODS = "service.kubernetes.io/local-svc-only-bind-node-with-pod"
DIRECT_ACCESS = "service.cloud.tencent.com/direct-access"
CHECK_CONFIG = (
    "service.cloud.tencent.com/tke-service-config",
    "service.cloud.tencent.com/tke-service-config-auto",
)

_NODES = NodeRule(requirements=(Requirement("node-role.kubernetes.io/master", "DoesNotExist"),), taints=())


class TencentCloud(Cloud):
    name = "tencent"
    node_selectors = (BACKENDS_LABEL,)
    reads = (BACKENDS_LABEL, BIND_PODS, DIRECT_ACCESS)
    needs_node_ports = False
    without_address = "the quota is used up, an existing load balancer is used twice, a subnet is missing"
    documented = (
        DocumentedConsumer(
            consumer="Tencent Cloud CLB",
            found_by="`service.kubernetes.io/qcloud-loadbalancer-`, `service.cloud.tencent.com/` annotation, "
            "providerID `qcloud://`",
            nodes="Ready nodes without the role master that match `backends-label`; with "
            f"`{BIND_PODS}`, those with a ready endpoint; with `direct-access`, pods",
            health_check="TCP on the node port",
            with_local=(
                "`TargetsUnhealthy`; `Covered` with the first annotation; `NotAffected` with `direct-access`"
            ),
            evidence=Evidence.DOCUMENTED,
            source="TKE documentation",
        ),
    )

    def recognise(self, service: Service, view: View) -> Recognition | None:
        found = super().recognise(service, view)
        binds = service.annotations.get(BIND_PODS) == "true"
        return found._replace(how=found.how + FOLLOWS_PODS) if found and binds else found

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        found = view.once("tencent", service, _targets)
        if not isinstance(found, NodeTargets):
            return found
        if not port.node_port and service.uid:
            return no_node_port(port, self.provider)
        if found.rule.hosts:
            return found
        if changed := next((key for key in CHECK_CONFIG if key in service.annotations), None):
            detail = f"the TkeServiceConfig that {changed} names may change the health check, and is not read"
            return PossibleNodes(found.rule, Reason("HealthCheckNotKnown", detail))
        if port.transport != "TCP":
            detail = (
                f"how the load balancer checks {port.transport} ports is not known. If the check finds the nodes "
                "without an endpoint, nothing is lost. If it does not, their share of the packets is lost. Look "
                "at the health check in Tencent Cloud"
            )
            return PossibleNodes(found.rule, Reason("UDPCheckNotKnown", detail))
        settings = CheckSettings(str(port.node_port or "node port"), "TCP")
        return replace(found, check=HealthCheck(OwnNodePort(port.label), settings))

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        targets = verdict.consumer.targets
        if isinstance(targets, NodeTargets) and targets.no_target:
            return
        yield from misspelt(service, self.reads)
        yield from self.widen(service, verdict)
        follows = targets.rule is not None and targets.rule.hosts is not None
        if not follows and verdict.outcome in (Outcome.Unknown, Outcome.TargetsUnhealthy, Outcome.Blackhole):
            effect = "The load balancer then has only the nodes with pods of this Service as targets."
            yield annotate(service, BIND_PODS, "true", effect)
        extra = CHANGES_TARGETS if follows else ""
        yield from health_checked(service, verdict, nodes, ClientIP.VARIES, extra)


def _targets(service: Service) -> Targets:
    if service.annotations.get(DIRECT_ACCESS) == "true":
        return PodTargets()
    written = service.annotations.get(BACKENDS_LABEL, "")
    requirements = label_selector(written)
    if requirements is None:
        return unreadable(BACKENDS_LABEL, written, _NODES)
    rule = replace(_NODES, requirements=_NODES.requirements + requirements)
    if service.annotations.get(BIND_PODS) == "true":
        rule = replace(rule, hosts=Hosts.READY_OF_PORT)
    return NodeTargets(rule, UNCHECKED)
