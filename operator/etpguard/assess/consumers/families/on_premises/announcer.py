"""The base of the families of announcers: nodes announce an address, and no health check excludes any of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import BaseFamily
from etpguard.assess.consumers.remedies import ClientIP, cluster, spread
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED, Balancer
from etpguard.assess.consumers.shared.recognition import Recognition
from etpguard.assess.consumers.shared.strict_arp import strict_arp
from etpguard.assess.consumers.targets import NodeTargets, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import Hosts, NodeRule, Readiness
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Node, Service

HOSTING = NodeRule(taints=(), readiness=Readiness.IGNORED, hosts=Hosts.USABLE)
"""The nodes with an endpoint. No taint, label or condition excludes one."""


def named_node(name: str, where: str) -> NodeTargets:
    """The targets where an API object names the one node that announces. `where` names the object in a message.
    Unknown while there is no such Node."""
    rule = NodeRule(names=frozenset({name}), taints=(), readiness=Readiness.IGNORED)
    missing = f"{where} names node {name[:253]}, and there is no such Node"
    return NodeTargets(rule, UNCHECKED, keeps_targets=Reason("AnnouncerNotFound", missing))


class Announcer(BaseFamily):
    """A controller that is recognised by the class or an annotation of the Service."""

    balancers_only = True
    without_address: ClassVar[str] = ""

    def recognise(self, service: Service) -> Recognition | None:
        raise NotImplementedError

    def targets(self, service: Service, view: View) -> tuple[Targets, bool]:
        """The targets, and whether an API object names these nodes."""
        raise NotImplementedError

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        recognition = self.recognise(service)
        if recognition is None:
            return
        targets, observed = self.targets(service, view)
        if observed:
            recognition = recognition._replace(evidence=Evidence.OBSERVED)
        balancer = Balancer.of(service, self.name, recognition, "node", without_address=self.without_address)
        yield from balancer.consumers(targets)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.reason.code == "NoAddress":
            return
        if verdict.outcome.loses_requests or verdict.outcome is Outcome.Unknown:
            yield from strict_arp(verdict)
            yield spread(service, "every node that may announce the address")
            yield cluster(service, ClientIP.LOST)
