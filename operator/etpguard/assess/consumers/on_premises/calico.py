"""Calico: nodes with an endpoint advertise the address of a Service by BGP."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.load_balancers import EVERY_NODE, UNCHECKED, Balancer, Recognition
from etpguard.assess.consumers.on_premises.announcer import HOSTING, Announcer
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EXCLUDE_LABEL
from etpguard.assess.outcome import Reason
from etpguard.objects import Key, Requirement, Service
from etpguard.objects.calico import BGP_CONFIGURATION
from etpguard.objects.metallb import BGP_ADVERTISEMENT, L2_ADVERTISEMENT

NODES = replace(HOSTING, requirements=(Requirement(EXCLUDE_LABEL, "NotIn", ("true",)),), follows_ready=True)
"""confd/pkg/backends/calico/client.go:434: the exclude label counts only with the value "true". routes.go
advertiseThisService reads the addresses of v1 Endpoints, which have no terminating endpoint."""

_ONLY_BLOCK = Reason(
    "OnlyBlockAdvertised",
    "no node advertises the address by itself: Calico does so from nodes with a ready endpoint, without the label "
    f"{EXCLUDE_LABEL}: true. All nodes without this label advertise the block that contains the address. If a "
    "router sends to a node with a terminating endpoint, nothing is lost. If it sends to another one, all is lost",
)

_Network = IPv4Network | IPv6Network


class Calico(Announcer):
    """calico 87c1590 confd/pkg/backends/calico/routes.go: under Local, a node with a ready endpoint advertises the
    address. Every node advertises the blocks of the BGPConfiguration. MetalLB's controller may assign the address;
    it announces nothing without an L2Advertisement or BGPAdvertisement."""

    name = "calico"
    kinds = (BGP_CONFIGURATION,)
    documented = (
        DocumentedConsumer(
            consumer="Calico BGP",
            found_by="an address in `serviceLoadBalancerIPs` of BGPConfiguration `default`",
            nodes='those with a ready endpoint, except nodes with the exclude label `"true"`',
            health_check="none",
            with_local=(
                "`Covered`; `Unknown` where a block has only the address of the Service, and where no node "
                "advertises the address"
            ),
            evidence=Evidence.DOCUMENTED,
            source="calico 87c1590 confd/pkg/backends/calico/routes.go, client.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        targets = self._advertised(service, view)
        if targets is None:
            return
        how = "recognised by BGPConfiguration default, whose serviceLoadBalancerIPs contain its addresses"
        yield from Balancer.of(service, self.name, Recognition(how), "node").consumers(targets)

    def _advertised(self, service: Service, view: View) -> Targets | None:
        addresses = [entry.ip for entry in service.load_balancer_ingress]
        if service.type != "LoadBalancer" or not addresses or not all(addresses):
            return None
        if view.has(L2_ADVERTISEMENT) or view.has(BGP_ADVERTISEMENT):
            return None
        blocks = _blocks(view)
        holding = [_holding(address or "", blocks) for address in addresses]
        if not blocks or not all(holding):
            return None
        if any(block.num_addresses == 1 for found in holding for block in found):
            detail = (
                "a block of serviceLoadBalancerIPs has only the address of the Service. Every node advertises the "
                "block, and nodes with an endpoint advertise the address. It is not known which get the traffic"
            )
            return PossibleNodes(EVERY_NODE, Reason("BlockIsAddress", detail))
        return NodeTargets(NODES, UNCHECKED, keeps_targets=_ONLY_BLOCK)


def _blocks(view: View) -> list[_Network]:
    configuration = view.get(BGP_CONFIGURATION, Key("", "default"))
    found = []
    for block in (configuration and configuration.spec and configuration.spec.service_load_balancer_ips) or ():
        try:
            found.append(ip_network(block.cidr, strict=False))
        except ValueError:
            continue
    return found


def _holding(address: str, blocks: list[_Network]) -> list[_Network]:
    try:
        parsed = ip_address(address)
    except ValueError:
        return []
    return [block for block in blocks if parsed in block]
