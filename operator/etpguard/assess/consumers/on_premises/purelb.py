"""PureLB: it sets the traffic policy of Services that have a local address."""

from __future__ import annotations

from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.load_balancers import EVERY_NODE, UNCHECKED, Recognition, by_mark
from etpguard.assess.consumers.on_premises.announcer import HOSTING, Announcer
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.outcome import Reason
from etpguard.objects import Service

MARK = "purelb.io/"
POOL_TYPE = "purelb.io/pool-type"
ALLOW_LOCAL = "purelb.io/allow-local"

_RESETS = Reason(
    "PolicyIsReset",
    "PureLB sets the policy of a Service with a local address to Cluster unless it has the annotation "
    f"{ALLOW_LOCAL}. Nothing is lost once PureLB has done so. Until then, any node may announce the address",
)
_ANY_NODE = Reason(
    "AnnouncerNotKnown",
    f"with {ALLOW_LOCAL}, any node may win the election for a local address, with or without an endpoint. If the "
    "winner has one, nothing is lost. If it has none, all is lost",
)
_POOL_NOT_KNOWN = Reason(
    "PoolNotKnown",
    f"no annotation {POOL_TYPE} shows whether the address is local, so that any node may announce it, or remote, "
    "so that nodes with an endpoint do",
)


class PureLB(Announcer):
    """purelb 08b4e19 internal/lbnodeagent/announcer_local.go: one elected node announces a local address; nodes
    with an endpoint announce a remote one."""

    name = "purelb"
    without_address = (
        "the ServiceGroup is exhausted or absent; another Service holds the address and does not share it"
    )
    documented = (
        DocumentedConsumer(
            consumer="PureLB",
            found_by="annotation `purelb.io/`",
            nodes="remote address: those with an endpoint; local address: any",
            health_check="none",
            with_local=(
                "remote: `Covered`; local: `Unknown`, and PureLB sets the policy to Cluster unless "
                "`purelb.io/allow-local` is there"
            ),
            evidence=Evidence.DOCUMENTED,
            source="purelb 08b4e19 internal/lbnodeagent/announcer_local.go",
        ),
    )

    def recognise(self, service: Service) -> Recognition | None:
        return by_mark(service, MARK) if service.type == "LoadBalancer" else None

    def targets(self, service: Service, view: View) -> tuple[Targets, bool]:
        match service.annotations.get(POOL_TYPE, "").lower():
            case "remote":
                return NodeTargets(HOSTING, UNCHECKED), False
            case "local" if ALLOW_LOCAL in service.annotations:
                return PossibleNodes(EVERY_NODE, _ANY_NODE), False
            case "local":
                return UnknownOutcome(_RESETS, EVERY_NODE, UNCHECKED), False
            case _:
                return PossibleNodes(EVERY_NODE, _POOL_NOT_KNOWN), False
