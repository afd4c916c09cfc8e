"""OpenELB: nodes with an endpoint announce the address, by BGP, or one of them by ARP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.on_premises.announcer import HOSTING, Announcer, named_node
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.shared.announced_addresses import shared_address
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED, served_families
from etpguard.assess.consumers.shared.recognition import Recognition, by_mark
from etpguard.assess.consumers.shared.strict_arp import answered_everywhere
from etpguard.assess.consumers.targets import NodeTargets, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import Hosts
from etpguard.assess.outcome import Reason
from etpguard.cluster.picture import Referrer
from etpguard.objects import SERVICE, Key, Kind, Service
from etpguard.objects.records import index_key

MARK, SERVED = "lb.kubesphere.io/v1alpha1", "openelb"
"""pkg/speaker/lb_controller.go IsOpenELBService: this annotation, with this value alone."""
LAYER2_NODE = "layer2.openelb.kubesphere.io/v1alpha1"

NODES = replace(HOSTING, hosts=Hosts.READY)
"""pkg/speaker/manager.go getServiceNodes: the addresses of v1 Endpoints, which have no terminating endpoint."""

_KEPT = Reason(
    "AnnouncementKept",
    "no node has a ready endpoint. OpenELB then leaves its announcement as it was. If the former node still has a "
    "terminating endpoint, nothing is lost. If it has none, all is lost. Look at the events of the Service and at "
    "the routes to its address",
)
"""manager.go setBalancer: without a node it only writes an event."""


def _recognised(service: Service) -> Recognition | None:
    if service.type != "LoadBalancer" or service.annotations.get(MARK) != SERVED:
        return None
    return by_mark(service, MARK)


def _addresses(service: Service) -> Iterable[Key]:
    """The index keys of its addresses. By them the picture finds the other Services of OpenELB that share one."""
    if _recognised(service) is None:
        return ()
    return {index_key("OpenELBAddress", entry.ip) for entry in service.load_balancer_ingress if entry.ip}


class OpenELB(Announcer):
    """openelb f35d3f1 pkg/speaker/lb_controller.go: nodes with a ready endpoint announce the address. If several
    Services share it, nodes with a ready endpoint of any of them do. The layer 2 speaker writes its node to an
    annotation."""

    name = "openelb"
    without_address = "the Eip is exhausted, disabled or absent"
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType({SERVICE: (_addresses,)})
    documented = (
        DocumentedConsumer(
            consumer="OpenELB",
            found_by="annotation `lb.kubesphere.io/v1alpha1: openelb`",
            nodes="the layer 2 node that its annotation names, else those with a ready endpoint",
            health_check="none",
            with_local="`Covered`; `Unknown` where Services share the address or no endpoint is ready",
            evidence=Evidence.DOCUMENTED,
            source="openelb f35d3f1 pkg/speaker/lb_controller.go, manager.go",
        ),
    )

    def recognise(self, service: Service) -> Recognition | None:
        return _recognised(service)

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        reads = frozenset(_addresses(service))
        for consumer in super().find(service, view):
            yield replace(consumer, reads=reads)

    def targets(self, service: Service, view: View) -> tuple[Targets, bool]:
        if node := service.annotations.get(LAYER2_NODE):
            if everywhere := answered_everywhere(view, *served_families(service)):
                return everywhere, False
            return named_node(node, f"the annotation {LAYER2_NODE}"), True
        if shared := shared_address(service, view, _addresses(service), "announce the address"):
            return shared, False
        return NodeTargets(NODES, UNCHECKED, keeps_targets=_KEPT), False
