"""The family of MetalLB's load balancers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from itertools import accumulate
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.metallb.advertisements import CONFIGURATION, POOL
from etpguard.assess.consumers.families.metallb.announcements import STATUSES, announcement
from etpguard.assess.consumers.families.metallb.sharing import shared_addresses, sharing
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, admit_nodes, cluster, spread
from etpguard.assess.consumers.shared.cilium_objects import lease_keys
from etpguard.assess.consumers.shared.load_balancers import Balancer
from etpguard.assess.consumers.shared.recognition import Recognition, by_class, by_mark, classless
from etpguard.assess.consumers.shared.strict_arp import strict_arp
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EXCLUDE_LABEL
from etpguard.assess.outcome import Outcome
from etpguard.cluster.picture import Referrer
from etpguard.objects import SERVICE, Key, Kind, Node, Service

CLASSES = ("metallb", "metallb.io/metallb", "metallb.universe.tf/metallb")
MARKS = ("metallb.io/", "metallb.universe.tf/")

_WITHOUT_ADDRESS = (
    "no pool has a free address; no pool takes this Service (autoAssign, serviceAllocation); another Service "
    "holds the address. To share it, both need the same key in metallb.io/allow-shared-ip, different ports and, "
    "under Local, the same selector"
)
_MOST_TWINS = 200
"""Characters of the names of Services in one piece of advice."""


class MetalLB(BaseFamily):
    name = "metallb"
    balancers_only = True
    kinds = (*CONFIGURATION, *STATUSES)
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType({SERVICE: (shared_addresses,)})
    documented = (
        DocumentedConsumer(
            consumer="MetalLB",
            found_by=(
                "class `metallb`; without a class a `metallb.io/` or `metallb.universe.tf/` annotation. MetalLB "
                "writes `ip-allocated-from-pool` when it gives an address, so a Service without your own is found "
                "too. With another class (`--lb-class`) that annotation, or a status of its speakers"
            ),
            nodes=(
                "those that `ServiceL2Status` and `ServiceBGPStatus` name. Without these, nodes that have an "
                "endpoint of any port, do not have the condition NetworkUnavailable or the exclude label (any "
                "value), and are selected by an advertisement, for BGP also by a `BGPPeer`"
            ),
            health_check="none",
            with_local=(
                "`Covered` if each announcing node has an endpoint of the port. Where ports have pods on "
                "different nodes, a port is a `Blackhole` if some announcing nodes lack it, an `Outage` if all "
                "do, and `Unknown` by layer 2 without a status, or with kube-proxy in mode ipvs without "
                "strictARP, or if speakers report other Services and not this one. `NoTargets` if not "
                "advertised, or to no `BGPPeer`; `Unknown` where Cilium or kube-router may announce the "
                "address, BGP announces only a prefix of the address, or layer 2 only from some interfaces"
            ),
            evidence=Evidence.DOCUMENTED,
            source="metallb 7938d3f speaker/layer2_controller.go, speaker/bgp_controller.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        recognition = _recognised(service, view)
        if recognition is None:
            return
        announced = announcement(service, view)
        if announced.observed:
            how = f"{recognition.how}; the status objects of its speakers name the announcing nodes"
            recognition = Recognition(how, Evidence.OBSERVED)
        if announced.assumptions:
            recognition = Recognition(recognition.how, Evidence.ASSUMED, announced.assumptions)
        addresses = frozenset(shared_addresses(service))
        sharers = _sharers(service, addresses, view)
        reads = sharers.union(addresses, announced.reads, lease_keys(service))
        balancer = Balancer.of(service, "metallb", recognition, "node", without_address=_WITHOUT_ADDRESS)
        for consumer in balancer.consumers(announced.targets):
            yield replace(consumer, reads=reads, sharing_address=sharers)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        yield from strict_arp(verdict)
        match verdict.outcome:
            case Outcome.NoTargets if verdict.reason.code == "NotAdvertised":
                yield Advice(
                    "Advertise the address",
                    f"Create an L2Advertisement or a BGPAdvertisement for the pool and the labels of Service "
                    f"{service.key}, or change the one that is meant for it.",
                )
            case Outcome.NoTargets:
                admitted = [*admit_nodes(service, nodes, EXCLUDE_LABEL)]
                yield from admitted or (_LET_ANNOUNCE,) * bool(nodes)
                yield _cluster(service, verdict.consumer)
            case Outcome.Blackhole | Outcome.Outage | Outcome.Unknown if verdict.uncovered:
                yield Advice(
                    f"Separate port {verdict.consumer.port or '(unnamed)'} from the other ports",
                    f"MetalLB announces Service {service.key} from a node with an endpoint of any of its ports. "
                    "Give this port its own Service and address, or run the pods of all ports on the same nodes.",
                )
                yield spread(service, "every node that announces it")
                yield _cluster(service, verdict.consumer)
            case _:
                return


_LET_ANNOUNCE = Advice(
    "Let nodes with endpoints announce the address",
    "The reason names what excludes them. If it is a selector, change spec.nodeSelectors of the L2Advertisement "
    "or BGPAdvertisement, or move the pods to nodes that it selects.",
    "",
    "kubectl get l2advertisements,bgpadvertisements -A -o yaml",
)


def _sharers(service: Service, addresses: frozenset[Key], view: View) -> frozenset[Key]:
    """The Services that have these addresses, which the Service may share, itself included: so one set for all of
    them. Empty where no other has them."""
    if not addresses:
        return frozenset()

    def find(_: None) -> frozenset[Key]:
        others = sharing(service, view)
        return frozenset((service.key, *others)) if others else frozenset()

    return view.once(f"MetalLB sharing {sorted(addresses)}", None, find)


def _cluster(service: Service, consumer: Consumer) -> Advice:
    """Change the policy of the Service, and of all those that share its address."""
    alone = cluster(service, ClientIP.LOST)
    twins = consumer.sharing_address - {service.key}
    if not twins:
        return alone
    first = nsmallest(_MOST_TWINS, twins)
    lengths = accumulate(len(str(key)) for key in first)
    named = [key for key, length in zip(first, lengths, strict=True) if key == first[0] or length <= _MOST_TWINS]
    more = f" and {len(twins) - len(named)} more" if len(twins) > len(named) else ""
    effect = (
        f"It shares its address with {', '.join(map(str, named))}{more}. Change all of them. Until the last one "
        "is changed, MetalLB takes the address away from the first, and may give it another address."
    )
    every = (service.key, *named)
    step = changes.in_turn(changes.service_spec(key, "externalTrafficPolicy", "Cluster") for key in every)
    return dataclasses.replace(alone, effect=effect, command=step.command, change=step.change)


def _recognised(service: Service, view: View) -> Recognition | None:
    """How MetalLB is recognised as the one that serves the Service; None if it does not. Its own class is whatever
    --lb-class says, so with another class only what MetalLB itself writes shows it."""
    if recognition := by_class(service, *CLASSES):
        return recognition
    if service.type != "LoadBalancer" or any(entry.hostname for entry in service.load_balancer_ingress):
        return None  # MetalLB gives addresses, never a host name
    if classless(service):
        return by_mark(service, *MARKS)
    if any(view.referring(kind, service.key) for kind in STATUSES):
        return Recognition("recognised by the status objects of its speakers")
    return by_mark(service, *POOL)
