"""External IPs that are the address of a node: packets to them arrive only at that node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, cluster, spread
from etpguard.assess.consumers.shared.load_balancers import NO_NODE, UNCHECKED
from etpguard.assess.consumers.shared.node_addresses import address_key, addresses_of, holders
from etpguard.assess.consumers.shared.strict_arp import answered_everywhere, strict_arp
from etpguard.assess.consumers.targets import NodeTargets, Otherwise
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import NodeRule, Readiness
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Outcome, Reason
from etpguard.cluster.picture import Referrer
from etpguard.objects import NODE, SERVICE, Key, Kind, Node, Service
from etpguard.objects.addresses import family_of

_TRANSLATED = Otherwise(
    NO_NODE,
    Reason(
        "NodeAddressNotKnown",
        "the address is the ExternalIP of a node that has an InternalIP too. Where the cloud translates it to the "
        "InternalIP, as AWS and Google Cloud do, no packet arrives with this address, so nothing serves it. Where "
        "an interface of the node has it, it is served. Test a connection, or put the InternalIP into "
        "spec.externalIPs",
    ),
)
"""kubernetes issues 32075 (AWS) and 45426 (Google Cloud)."""


def _external(service: Service) -> Iterable[Key]:
    """The keys of its external IPs. Its consumers depend on the nodes that have these addresses or get them
    later."""
    return {address_key(address) for address in service.spec.external_ips or ()}


class ExternalIPs(BaseFamily):
    """Derived from kube-proxy's rule: the network routes the address of a node to this node, whose kube-proxy then
    applies `Local`."""

    name = "external-ips"
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType(
        {NODE: (addresses_of,), SERVICE: (_external,)}
    )
    documented = (
        DocumentedConsumer(
            consumer="`externalIPs` that are the address of a node",
            found_by="an address in `spec.externalIPs` that a Node has",
            nodes="that node",
            health_check="none",
            with_local=(
                "`Covered` with an endpoint there, else `Outage` for that address; `Unknown` where all nodes "
                "answer ARP, and where the cloud may translate the ExternalIP of a node with a pod"
            ),
            evidence=Evidence.OBSERVED,
            source="derived from kube-proxy's rule",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        external = list(dict.fromkeys(service.spec.external_ips or ()))
        held = {address: nodes for address in external if (nodes := holders(address, view))}
        # Clients may also use the node ports, or addresses that no node has.
        served = service.type == "LoadBalancer" and bool(service.load_balancer_ingress)
        incidental = not served and (service.type != "ClusterIP" or len(held) < len(external))
        for address, nodes in held.items():
            family = family_of(address)
            if family is None or family not in ip_families(service):
                continue
            rule = NodeRule(names=nodes, taints=(), readiness=Readiness.IGNORED)
            translated = any(
                node.is_second_address(address) for node in view.referring(NODE, address_key(address))
            )
            everywhere = answered_everywhere(view, family)
            evidence = Evidence.DOCUMENTED if everywhere else Evidence.OBSERVED
            for port in service.ports:
                yield Consumer(
                    kind="ExternalIP",
                    namespace=service.key.namespace,
                    name=address,
                    controller="kube-proxy",
                    target_type="node",
                    port=port.label,
                    targets=everywhere
                    or NodeTargets(rule, UNCHECKED, otherwise=_TRANSLATED if translated else None),
                    ip_families=(family,),
                    incidental=incidental,
                    source=f"recognised by spec.externalIPs: {address} is the address of a node",
                    evidence=evidence,
                )

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        yield from strict_arp(verdict)
        if verdict.outcome is Outcome.Outage:
            yield spread(service, f"the node with the address {verdict.consumer.name}")
            yield cluster(service, ClientIP.LOST)
