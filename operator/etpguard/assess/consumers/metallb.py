"""MetalLB: a node announces an address, by ARP or BGP, only while it has an endpoint itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.interface import (
    Advice,
    BaseFamily,
    Consumer,
    ConsumerVerdict,
    NodeTargets,
    Targets,
    UnknownOutcome,
    View,
)
from etpguard.assess.consumers.load_balancers import UNCHECKED, Balancer, classless
from etpguard.assess.consumers.remedies import ClientIP, admit_nodes, cluster, spread
from etpguard.assess.eligibility import EXCLUDE_LABEL, NodeRule, Readiness
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Node, Requirement, Service
from etpguard.objects.metallb import BGP_ADVERTISEMENT, IP_ADDRESS_POOL, L2_ADVERTISEMENT, AdvertisementSpec

CLASSES = ("metallb", "metallb.io/metallb", "metallb.universe.tf/metallb")
POOL = ("metallb.io/ip-allocated-from-pool", "metallb.universe.tf/ip-allocated-from-pool")
"""The annotations that its controller writes when it gives an address."""
_PREFIXES = ("metallb.io/", "metallb.universe.tf/")

NODES = NodeRule(
    requirements=(Requirement(EXCLUDE_LABEL, "DoesNotExist"),),
    taints=(),
    readiness=Readiness.IGNORED,
    follows_endpoints=True,
)
"""speaker/layer2_controller.go nodesWithEndpoint and speakersForPool, speaker/bgp_controller.go:195: nodes with
a ready or serving endpoint, whatever its port or family, without the exclude label (whatever its value)."""


class MetalLB(BaseFamily):
    name = "metallb"
    kinds = (L2_ADVERTISEMENT, BGP_ADVERTISEMENT, IP_ADDRESS_POOL)

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        how = _recognised(service)
        if how is None:
            return
        announced = _announced(service, view)
        targets: Targets = (
            UnknownOutcome(announced, NODES, UNCHECKED)
            if isinstance(announced, Reason)
            else NodeTargets(replace(NODES, any_of=announced), UNCHECKED)
        )
        yield from Balancer(service, "metallb", how, "node").consumers(targets)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        match verdict.outcome:
            case Outcome.NoTargets:
                yield from admit_nodes(service, nodes, EXCLUDE_LABEL)
                yield cluster(service, ClientIP.LOST)
            case Outcome.Blackhole | Outcome.Outage:
                yield Advice(
                    f"Separate port {verdict.consumer.port or '(unnamed)'} from the other ports",
                    f"MetalLB announces Service {service.key} from a node with an endpoint of any of its ports. "
                    "Give this port its own Service and address, or run the pods of all ports on the same nodes.",
                )
                yield spread(service, "every node that announces it")
                yield cluster(service, ClientIP.LOST)
            case _:
                return


def _announced(service: Service, view: View) -> tuple[tuple[Requirement, ...], ...] | Reason:
    """The selectors of nodes that announce the Service's pool, none for all nodes; or why they are not known.
    Without any advertisement MetalLB announces nothing, so the input is assumed to leave them out."""
    for kind in (L2_ADVERTISEMENT, BGP_ADVERTISEMENT, IP_ADDRESS_POOL):
        if why := view.unread(kind):
            return Reason("AdvertisementsNotReadable", f"cannot read {kind}: {why}")
    every = [a for kind in (L2_ADVERTISEMENT, BGP_ADVERTISEMENT) for a in view.all(kind) if a.spec]
    specs = [a.spec for a in every if a.spec and not a.deleting]
    pool = next((service.annotations[key] for key in POOL if key in service.annotations), None)
    if pool is None:
        if any(spec.node_selectors for spec in specs):
            return Reason("PoolNotKnown", "advertisements differ by pool, and no annotation names the Service's")
        return ()
    labels = [p.labels for p in view.all(IP_ADDRESS_POOL) if p.metadata.name == pool]
    mine = [spec for spec in specs if _advertises(spec, pool, labels[0] if labels else {})]
    if specs and not mine:
        return Reason("NotAdvertised", f"no advertisement is for its pool {pool[:253]}, so nothing is announced")
    if not all(spec.node_selectors for spec in mine):
        return ()
    return tuple(selector.requirements for spec in mine for selector in spec.node_selectors or ())


def _advertises(spec: AdvertisementSpec, pool: str, labels: dict[str, str]) -> bool:
    if not spec.ip_address_pools and not spec.ip_address_pool_selectors:
        return True
    by_label = any(selector.admits(labels) for selector in spec.ip_address_pool_selectors or ())
    return pool in (spec.ip_address_pools or ()) or by_label


def _recognised(service: Service) -> str | None:
    """How MetalLB is recognised as the one that serves the Service; None if it does not."""
    chosen = service.spec.load_balancer_class
    if service.type == "LoadBalancer" and chosen in CLASSES:
        return f"recognised by its loadBalancerClass {chosen}"
    if not classless(service) or any(entry.hostname for entry in service.load_balancer_ingress):
        return None  # MetalLB gives addresses, never a host name
    for annotation in sorted(service.annotations):
        if annotation.startswith(_PREFIXES):
            return f"recognised by its annotation {annotation}"
    return None
