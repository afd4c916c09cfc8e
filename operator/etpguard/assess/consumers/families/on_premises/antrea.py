"""Antrea ServiceExternalIP: one node of a pool holds the address."""

from __future__ import annotations

from etpguard.assess.consumers.families.on_premises.announcer import Announcer, named_node
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.shared.load_balancers import served_families
from etpguard.assess.consumers.shared.recognition import Recognition, by_mark
from etpguard.assess.consumers.shared.strict_arp import answered_everywhere
from etpguard.assess.consumers.targets import PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.outcome import Reason
from etpguard.objects import Service

POOL = "service.antrea.io/external-ip-pool"

_NOT_NAMED = Reason(
    "AnnouncerNotKnown",
    "Antrea assigns the address to one node of its pool with a serving endpoint. The status of the Service has no "
    "hostname that names this node. If it has an endpoint, nothing is lost. If it has none, all is lost",
)


class Antrea(Announcer):
    """antrea fc70f2b pkg/agent/controller/serviceexternalip/controller.go: the agent on the chosen node writes the
    name of the node to the hostname in the status."""

    name = "antrea"
    without_address = "the ExternalIPPool is exhausted or absent; no node of it has a serving endpoint"
    documented = (
        DocumentedConsumer(
            consumer="Antrea ServiceExternalIP",
            found_by="annotation `service.antrea.io/external-ip-pool`",
            nodes="the node that the status names as hostname",
            health_check="none",
            with_local=(
                "`Covered` if that node has an endpoint, else `Outage`; `Unknown` without a hostname, and where "
                "all nodes answer ARP"
            ),
            evidence=Evidence.OBSERVED,
            source="antrea fc70f2b pkg/agent/controller/serviceexternalip/controller.go",
        ),
    )

    def recognise(self, service: Service) -> Recognition | None:
        return by_mark(service, POOL) if service.type == "LoadBalancer" else None

    def targets(self, service: Service, view: View) -> tuple[Targets, bool]:
        if everywhere := answered_everywhere(view, *served_families(service)):
            return everywhere, False
        names = {entry.hostname for entry in service.load_balancer_ingress if entry.hostname}
        if len(names) != 1:
            return PossibleNodes(EVERY_NODE, _NOT_NAMED), False
        return named_node(names.pop(), "the hostname in the status of the Service"), True
