"""kube-router: nodes with an endpoint advertise the addresses of a Service by BGP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.load_balancers import NO_NODE, UNCHECKED, Recognition, by_class, by_mark
from etpguard.assess.consumers.on_premises.announcer import HOSTING, Announcer
from etpguard.assess.consumers.remedies import annotate
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.node_rule import Hosts
from etpguard.assess.outcome import Reason
from etpguard.objects import Node, Service

CLASS = "kube-router"
MARK = "kube-router.io/service."
ADVERTISE = "kube-router.io/service.advertise.loadbalancerip"
SKIP = "kube-router.io/service.skiplbips"
"""Deprecated. It counts with any value."""

_FLAG = Reason(
    "AdvertisementNotKnown",
    "with --advertise-loadbalancer-ip, kube-router advertises the address from the nodes with an endpoint. "
    "Without this flag, no node does. The DaemonSet kube-system/kube-router was not read. Look for the flag where "
    f"kube-router is started, or set the annotation {ADVERTISE}",
)
_FLAG_OFF = Reason(
    "NotAdvertised",
    "the DaemonSet kube-system/kube-router does not have --advertise-loadbalancer-ip, so no node advertises the "
    "address",
)
_OFF = Reason("NotAdvertised", f"by the annotation {SKIP} or {ADVERTISE}, no node advertises the address")

NODES = replace(HOSTING, follows_endpoints=False, hosts=Hosts.ANY)
"""nodeHasEndpointsForService: the nodes with an endpoint in any condition."""


class KubeRouter(Announcer):
    """kube-router 7c2c277 pkg/controllers/routing/ecmp_vip.go shouldAdvertiseService: under Local, only nodes with
    an endpoint advertise. The annotations have precedence over the flag. kube-router does not read the exclude
    label."""

    name = "kube-router"
    without_address = (
        "the controller of load balancer addresses is off (--run-loadbalancer); its range is exhausted"
    )
    documented = (
        DocumentedConsumer(
            consumer="kube-router",
            found_by="class `kube-router`, annotation `kube-router.io/service.…`",
            nodes="those with an endpoint, if the address is advertised",
            health_check="none",
            with_local=(
                "`Covered`; `NoTargets` where an annotation turns advertisement off, or there is none and the "
                "DaemonSet does not have `--advertise-loadbalancer-ip`; `Unknown` where it was not read"
            ),
            evidence=Evidence.DOCUMENTED,
            source="kube-router 7c2c277 pkg/controllers/routing/ecmp_vip.go",
        ),
    )

    def recognise(self, service: Service) -> Recognition | None:
        if service.type != "LoadBalancer":
            return None
        marked = by_mark(service, MARK) if service.spec.load_balancer_class is None else None
        return by_class(service, CLASS) or marked

    def targets(self, service: Service, view: View) -> tuple[Targets, bool]:
        written = service.annotations.get(ADVERTISE)
        # kube-router treats a value that ParseBool rejects as false.
        if SKIP in service.annotations or (written is not None and not BOOLEANS.get(written)):
            return NodeTargets(NO_NODE, UNCHECKED, no_target=_OFF), False
        if written is None:
            planes = view.planes
            if planes is None or planes.kube_router is None:
                return PossibleNodes(NODES, _FLAG, fewest=NO_NODE), False
            if not planes.kube_router.load_balancer_ips:
                return NodeTargets(NO_NODE, UNCHECKED, no_target=_FLAG_OFF), False
        return NodeTargets(NODES, UNCHECKED), False

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.reason == _FLAG_OFF:
            effect = "kube-router then advertises the address from the nodes with an endpoint."
            yield annotate(service, ADVERTISE, "true", effect)
        else:
            yield from super().advise(service, verdict, nodes)
