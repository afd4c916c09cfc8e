"""Calico: nodes with an endpoint advertise the address of a Service by BGP."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.on_premises.announcer import HOSTING, Announcer
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.shared.announced_addresses import (
    ADDRESSES,
    AnnouncedBy,
    addresses_of_service,
    announced,
    external_consumers,
    shared_address,
)
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED, Balancer
from etpguard.assess.consumers.shared.recognition import Recognition, first_mark
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE, EXCLUDE_LABEL, Hosts
from etpguard.assess.outcome import Reason
from etpguard.objects import IPFamily, Key, Requirement, Service
from etpguard.objects.calico import BGP_CONFIGURATION, BGPConfigurationSpec, ServiceBlock
from etpguard.objects.metallb import BGP_ADVERTISEMENT, L2_ADVERTISEMENT

NODES = replace(HOSTING, requirements=(Requirement(EXCLUDE_LABEL, "NotIn", ("true",)),), hosts=Hosts.READY)
"""confd/pkg/backends/calico/client.go:434: the exclude label counts only with the value "true". routes.go
advertiseThisService reads the addresses of v1 Endpoints, which have no terminating endpoint."""

_ONLY_BLOCK = Reason(
    "OnlyBlockAdvertised",
    "no node advertises the address by itself: Calico does so from nodes with a ready endpoint, without the label "
    f"{EXCLUDE_LABEL}: true. All nodes without this label advertise the block that contains the address. If a "
    "router sends to a node with a terminating endpoint, nothing is lost. If it sends to another one, all is lost",
)

_NOT_ADVERTISED = Reason(
    "NotAdvertised",
    "no node advertises the address: Calico does so from nodes with a ready endpoint, without the label "
    f"{EXCLUDE_LABEL}: true",
)
"""confd/pkg/backends/calico/client.go onLoadBalancerIPsUpdate: a block of one load balancer address is not
advertised by every node (calico #6074), and with serviceLoadBalancerAggregation Disabled no block is."""

_ANSWERS_ARP = Reason(
    "CalicoAnswersARP",
    "FelixConfiguration default has localSubnetL2Reachability for load balancers. If the address is in an IPPool "
    "without encapsulation and in the subnet of an interface of the nodes, one node answers ARP requests for it "
    "there, whether it has an endpoint or not. Its clients in that subnet lose their requests if it has none. If "
    "the address is elsewhere, nothing is lost. Look at the IPPools and the interfaces of the nodes. Calico "
    "supports only externalTrafficPolicy: Cluster with this",
)
"""calico 87c1590 felix/dataplane/linux/proxy_neigh_mgr.go; tigera/docs #2844: the node is chosen by a hash over
all nodes. etpguard does not read IPPools, and no API object shows all interfaces of a node."""

_ADVERTISE = "advertise the address"
_METALLB = ("metallb.io/", "metallb.universe.tf/")

_Network = IPv4Network | IPv6Network


class Calico(Announcer):
    """calico 87c1590 confd/pkg/backends/calico/routes.go: under Local, a node with a ready endpoint advertises the
    address. Every node advertises the blocks of the BGPConfiguration. MetalLB's controller may assign the address;
    it announces nothing without an L2Advertisement or BGPAdvertisement."""

    name = "calico"
    balancers_only = False
    kinds = (BGP_CONFIGURATION,)
    refers = ADDRESSES
    documented = (
        DocumentedConsumer(
            consumer="Calico BGP",
            found_by=(
                "an address in `serviceLoadBalancerIPs`, or an external IP in `serviceExternalIPs`, of "
                "BGPConfiguration `default`"
            ),
            nodes='those with a ready endpoint, except nodes with the exclude label `"true"`',
            health_check="none",
            with_local=(
                "`Covered`; `Unknown` where Services share the address, where Felix may answer ARP for load "
                "balancers, where a block of `serviceExternalIPs` has only this address, and where no node "
                "advertises it except in a block; `NoTargets` where no node advertises it"
            ),
            evidence=Evidence.DOCUMENTED,
            source="calico 87c1590 confd/pkg/backends/calico/routes.go, client.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        configuration = view.get(BGP_CONFIGURATION, Key("", "default"))
        spec = configuration.spec if configuration else None
        if spec is None:
            if service.spec.external_ips and (why := view.hidden(BGP_CONFIGURATION)):
                yield from self._external(service, view, _not_readable(why))
            return
        targets = self._advertised(service, view, spec)
        if targets is not None:
            how = "recognised by BGPConfiguration default, whose serviceLoadBalancerIPs contain its addresses"
            for made in Balancer.of(service, self.name, Recognition(how), "node").consumers(targets):
                yield replace(made, reads=frozenset(addresses_of_service(service)))
        if service.spec.external_ips:
            yield from self._external(service, view, _blocks(spec.service_external_ips))

    def _advertised(self, service: Service, view: View, spec: BGPConfigurationSpec) -> Targets | None:
        addresses = [entry.ip or "" for entry in service.load_balancer_ingress]
        if service.type != "LoadBalancer" or not addresses or not all(addresses):
            return None
        if view.has(L2_ADVERTISEMENT) or view.has(BGP_ADVERTISEMENT):
            return None
        blocks = _blocks(spec.service_load_balancer_ips)
        holding = [_holding(address, blocks) for address in addresses]
        if not blocks or not all(holding):
            return None
        if unseen := _metallb_unseen(service, view):
            return UnknownOutcome(unseen, NODES, UNCHECKED)
        if shared := shared_address(service, view, map(announced, addresses), _ADVERTISE):
            return shared
        if view.planes and view.planes.calico_answers_arp:
            return PossibleNodes(EVERY_NODE, _ANSWERS_ARP)
        aggregated = spec.service_load_balancer_aggregation != "Disabled"
        if aggregated and any(block.num_addresses > 1 for found in holding for block in found):
            return NodeTargets(NODES, UNCHECKED, keeps_targets=_ONLY_BLOCK)
        return NodeTargets(NODES, UNCHECKED, no_target=_NOT_ADVERTISED)

    def _external(self, service: Service, view: View, blocks: list[_Network] | Reason) -> Iterable[Consumer]:
        """The consumers of the external IPs in these blocks. A reason says why the blocks are not known: each may
        then be in one."""

        def announcer(address: str, _: IPFamily) -> AnnouncedBy | None:
            if isinstance(blocks, Reason):
                return AnnouncedBy(self.name, UnknownOutcome(blocks, NODES, UNCHECKED), "")
            found = _holding(address, blocks)
            source = f"recognised by BGPConfiguration default, whose serviceExternalIPs contain {address}"
            return (
                AnnouncedBy(self.name, _external_targets(service, view, address, found), source) if found else None
            )

        return external_consumers(service, view, announcer)


def _not_readable(why: str) -> Reason:
    detail = (
        f"cannot read {BGP_CONFIGURATION}: {why}. If its serviceExternalIPs contain the address, nodes with a "
        "ready endpoint advertise it, and nothing is lost. If not, clients that address an uncovered node lose "
        "their requests"
    )
    return Reason("BGPConfigurationNotReadable", detail)


def _metallb_unseen(service: Service, view: View) -> Reason | None:
    """Why MetalLB may announce the address: an advertisement may exist that was not read. In files without
    advertisements, only where MetalLB gave the address: it writes the pool to an annotation."""
    asked = view.unseen if first_mark(service, *_METALLB) else view.hidden
    found = {kind: why for kind in (L2_ADVERTISEMENT, BGP_ADVERTISEMENT) if (why := asked(kind))}
    if not found:
        return None
    kind, why = next(iter(found.items()))
    detail = (
        f"no {kind.name} was read ({why}). If there is one for the address, MetalLB announces it from the nodes "
        "that it selects. If there is none, Calico advertises the address from the nodes with a ready endpoint"
    )
    return Reason("AdvertisementsNotSeen", detail)


def _external_targets(service: Service, view: View, address: str, blocks: Iterable[_Network]) -> Targets:
    """Of an external IP, which is in these blocks."""
    if any(block.num_addresses == 1 for block in blocks):
        detail = (
            "a block of serviceExternalIPs in BGPConfiguration default has only this address. Every node "
            "advertises the block, and nodes with an endpoint advertise the address. It is not known which get "
            "the traffic"
        )
        return PossibleNodes(EVERY_NODE, Reason("BlockIsAddress", detail))
    shared = shared_address(service, view, [announced(address)], _ADVERTISE)
    return shared or NodeTargets(NODES, UNCHECKED, keeps_targets=_ONLY_BLOCK)


def _blocks(configured: Iterable[ServiceBlock] | None) -> list[_Network]:
    found = []
    for block in configured or ():
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
