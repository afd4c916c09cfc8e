"""Alibaba Cloud: classic load balancers (CLB) and network load balancers (NLB), by Alibaba's own controller.

The rules come from cloud-provider-alibaba-cloud eeb0ddc under pkg/controller/service; vgroups.go is in clbv1,
backend.go in reconcile/backend, server_groups.go in nlbv2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.cloud import CHANGES_TARGETS, FOLLOWS_PODS, Cloud, unreadable
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.families.clouds.spelling import misspelt
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, admit_nodes, cluster, spread
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED, no_node_port
from etpguard.assess.consumers.shared.recognition import Recognition
from etpguard.assess.consumers.targets import NodeTargets, PodTargets, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import AUTOSCALER_TAINT, EXCLUDE_LABEL, Hosts, NodeRule, TaintRule
from etpguard.assess.node_selection import MAX_LENGTH
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Node, Requirement, Service, ServicePort

_PREFIX, _LEGACY = SIGNS["alibaba"].marks
BACKEND_TYPE = "service.beta.kubernetes.io/backend-type"
OTHER_CLASS = "service.beta.kubernetes.io/class"
NLB_CLASS = "alibabacloud.com/nlb"

_EXCLUDING = (
    "alpha.service-controller.kubernetes.io/exclude-balancer",
    "service.beta.kubernetes.io/exclude-node",
    "service.alibabacloud.com/exclude-node",
)

_NODES = NodeRule(
    requirements=tuple(
        Requirement(key, "DoesNotExist") for key in (EXCLUDE_LABEL, *_EXCLUDING, "node-role.kubernetes.io/master")
    ),
    hosts=Hosts.READY_OF_PORT,
)
"""vgroups.go:810-872 buildLocalBackends: under Local, the nodes of the endpoints. backend.go:175-225
needExcludeFromLB and helper/node_utils.go:282 IsNodeExcludeFromLoadBalancer exclude a node that is not Ready, has
an exclude label with any value, has the role master, or is marked by the autoscaler."""

_CORDONED = TaintRule("node.kubernetes.io/unschedulable")


class AlibabaCloud(Cloud):
    """The health check does not matter: each node of the load balancer has a ready endpoint of the port."""

    name = "alibaba"
    node_selectors = (f"{_PREFIX}backend-label", f"{_LEGACY}backend-label")
    reads = (BACKEND_TYPE, *node_selectors, f"{_PREFIX}remove-unscheduled-backend")
    needs_node_ports = False
    without_address = "the quota is used up, an annotation has a value that the controller rejects"
    documented = (
        DocumentedConsumer(
            consumer="Alibaba Cloud CLB and NLB",
            found_by=f"`{_PREFIX}` annotation, class `{NLB_CLASS}`, providerID `alicloud://` or `REGION.i-…`",
            nodes="Ready nodes with a ready endpoint of the port that match `backend-label`, without an exclude "
            'label or the role master; pods with `backend-type: "eni"`',
            health_check="does not matter",
            with_local="`Covered`; `NotAffected` with `eni`; `NoTargets` where no node with endpoints is left",
            evidence=Evidence.DOCUMENTED,
            source="cloud-provider-alibaba-cloud eeb0ddc pkg/controller/service/clbv1/vgroups.go, "
            "nlbv2/server_groups.go",
        ),
    )

    def recognise(self, service: Service, view: View) -> Recognition | None:
        """helper/service_utils.go NeedCLB: another controller serves a Service that has this annotation."""
        if service.annotations.get(OTHER_CLASS):
            return None
        found = super().recognise(service, view)
        return found and found._replace(how=found.how + FOLLOWS_PODS)

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        found = view.once("alibaba", service, _targets)
        if isinstance(found, NodeTargets) and not port.node_port and service.uid:
            bare = no_node_port(port, self.provider)
            return replace(bare, no_target=None, other_targets=_PODS) if found.other_targets else bare
        return found

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome not in (Outcome.NoTargets, Outcome.Unknown):
            return
        yield from misspelt(service, self.reads)
        yield from self.widen(service, verdict)
        for label in (EXCLUDE_LABEL, *_EXCLUDING):
            yield from admit_nodes(service, nodes, label)
        yield spread(service, "nodes that the load balancer may use")
        yield cluster(service, ClientIP.VARIES, CHANGES_TARGETS)


def _targets(service: Service) -> Targets:
    """helper/service_utils.go IsENIBackendType: without the annotation, the controller's environment or its cloud
    config decides. No API object shows them."""
    rule = _NODES
    if _setting(service, "remove-unscheduled-backend") == "on":
        rule = replace(rule, taints=(TaintRule(AUTOSCALER_TAINT), _CORDONED))
    backend_type = service.annotations.get(BACKEND_TYPE, "")
    if backend_type == "eni":
        return PodTargets()
    written = _setting(service, "backend-label")
    requirements = _requirements(written)
    if requirements is None:
        return unreadable(f"{_PREFIX}backend-label", written, replace(rule, hosts=None))
    rule = replace(rule, requirements=rule.requirements + requirements)
    return NodeTargets(rule, UNCHECKED, other_targets=None if backend_type else _PODS)


_PODS = Reason(
    "BackendTypeNotKnown",
    f"{BACKEND_TYPE} is not set, so the configuration of the controller decides, and no API object shows it. With "
    "eni, the load balancer sends to pods, and nothing is lost. With ecs, it has no node to send to, and all is "
    "lost. Look at the backends of the load balancer in Alibaba Cloud",
)


def _requirements(text: str) -> tuple[Requirement, ...] | None:
    """backend.go:151-173 filterOutByLabel: "k=v,k2=v2", without a trim of spaces. A part without "=" is an error.
    The controller ignores the text after a second "="."""
    if len(text) > MAX_LENGTH:
        return None
    pairs = [item.split("=") for item in text.split(",")] if text else []
    if any(len(pair) < 2 for pair in pairs):
        return None
    return tuple(Requirement(pair[0], "In", (pair[1],)) for pair in pairs)


def _setting(service: Service, key: str) -> str:
    """annotations.go Get: the new prefix has precedence over the old one."""
    return service.annotations.get(_PREFIX + key) or service.annotations.get(_LEGACY + key, "")
