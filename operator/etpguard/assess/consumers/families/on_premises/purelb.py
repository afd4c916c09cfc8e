"""PureLB: it sets the traffic policy of Services that have a local address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.on_premises.announcer import HOSTING, Announcer
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.shared.announced_addresses import shared_address
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED
from etpguard.assess.consumers.shared.recognition import Recognition, by_mark, classless, of_class
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.outcome import Reason
from etpguard.cluster.picture import Referrer
from etpguard.objects import SERVICE, Key, Kind, Service
from etpguard.objects.records import index_key

MARK = "purelb.io/"
CLASSES = ("purelb.io/purelbv2", "purelb.io/purelb")
"""internal/allocator/service.go:122: it ignores a Service of another class. The last one is that of PureLB v1."""
POOL_TYPE = "purelb.io/pool-type"
ALLOW_LOCAL = "purelb.io/allow-local"
NODE_AFFINITY = "purelb.io/node-affinity"
"""With the value service-endpoints, a node with an endpoint wins the election, if one of them has a network of the
address: internal/local/announcer_local.go buildPreferredNodes, internal/election/election.go:411."""

_RESETS = Reason(
    "PolicyIsReset",
    "PureLB changes the policy of a Service with a local address to Cluster, unless the Service has the "
    f"annotation {ALLOW_LOCAL}. After this change, nothing is lost. Until then, a node without an endpoint may "
    "announce the address",
)
_ANY_NODE = Reason(
    "AnnouncerNotKnown",
    f"with {ALLOW_LOCAL}, PureLB elects the node that announces a local address, and this node may have no "
    "endpoint. If it has one, nothing is lost. If it has none, all is lost. The annotation "
    f"{NODE_AFFINITY}: service-endpoints lets nodes with an endpoint win before others",
)
_POOL_NOT_KNOWN = Reason(
    "PoolNotKnown",
    f"the Service has no annotation {POOL_TYPE}. If its address is local, any node may announce it. If it is "
    "remote, only nodes with an endpoint announce it",
)


def _recognised(service: Service) -> Recognition | None:
    return by_mark(service, MARK) if classless(service) or of_class(service, *CLASSES) else None


def _addresses(service: Service) -> Iterable[Key]:
    """The index keys of its addresses. By them the picture finds the other Services of PureLB that share one."""
    if _recognised(service) is None:
        return ()
    return {index_key("PureLBAddress", entry.ip) for entry in service.load_balancer_ingress if entry.ip}


class PureLB(Announcer):
    """purelb 08b4e19 internal/local/announcer_local.go: one elected node announces a local address (announceLocal,
    line 474); nodes with an endpoint announce a remote one (announceRemote, line 587), and keep it while they
    announce it for another Service (deleteAddress, otherAnnouncerOf). announceLocal sets Cluster
    in its copy of the Service, and internal/k8s/k8s.go:677 maybeUpdateService writes that copy to the API
    server."""

    name = "purelb"
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType({SERVICE: (_addresses,)})
    without_address = (
        "the ServiceGroup is exhausted or absent; another Service holds the address and does not share it"
    )
    documented = (
        DocumentedConsumer(
            consumer="PureLB",
            found_by="annotation `purelb.io/`, without a class or with PureLB's own",
            nodes="remote address: those with an endpoint; local address: any",
            health_check="none",
            with_local=(
                "remote: `Covered`, or `Unknown` where Services share the address; local: `Unknown`, and PureLB "
                "sets the policy to Cluster, unless the Service has the annotation `purelb.io/allow-local`"
            ),
            evidence=Evidence.DOCUMENTED,
            source="purelb 08b4e19 internal/local/announcer_local.go",
        ),
    )

    def recognise(self, service: Service) -> Recognition | None:
        return _recognised(service)

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        reads = frozenset(_addresses(service))
        for consumer in super().find(service, view):
            yield replace(consumer, reads=reads)

    def targets(self, service: Service, view: View) -> tuple[Targets, bool]:
        match service.annotations.get(POOL_TYPE, "").lower():
            case "remote":
                return _of_remote_address(service, view), False
            case "local" if ALLOW_LOCAL in service.annotations:
                return PossibleNodes(EVERY_NODE, _ANY_NODE), False
            case "local":
                return UnknownOutcome(_RESETS, EVERY_NODE, UNCHECKED), False
            case _:
                return PossibleNodes(EVERY_NODE, _POOL_NOT_KNOWN), False


def _of_remote_address(service: Service, view: View) -> Targets:
    they = "announce the address, or all nodes if one of them has the policy Cluster"
    return shared_address(service, view, _addresses(service), they) or NodeTargets(HOSTING, UNCHECKED)
