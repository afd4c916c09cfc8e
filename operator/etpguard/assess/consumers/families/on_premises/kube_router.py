"""kube-router: nodes with an endpoint advertise the addresses of a Service by BGP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.on_premises.announcer import HOSTING, Announcer
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.remedies import annotate
from etpguard.assess.consumers.shared.announced_addresses import (
    ADDRESSES,
    AnnouncedBy,
    announced,
    external_consumers,
    shared_address,
)
from etpguard.assess.consumers.shared.load_balancers import NO_NODE, UNCHECKED
from etpguard.assess.consumers.shared.other_announcers import KUBE_ROUTER_ADVERTISES as ADVERTISE
from etpguard.assess.consumers.shared.other_announcers import KUBE_ROUTER_SKIPS as SKIP
from etpguard.assess.consumers.shared.other_announcers import asked_of_kube_router
from etpguard.assess.consumers.shared.recognition import Recognition, by_class, by_mark, classless
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.data_planes.interface import KubeRouterAdvertises
from etpguard.assess.evidence import Evidence
from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.node_rule import Hosts
from etpguard.assess.outcome import Reason
from etpguard.objects import IPFamily, Node, Service

CLASS = "kube-router"
ADVERTISE_EXTERNAL = "kube-router.io/service.advertise.externalip"

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
_NO_ROUTER = Reason(
    "NotAdvertised",
    "the DaemonSet kube-system/kube-router has --run-router=false or wants no pod, so no node advertises the "
    "address",
)
_OFF = Reason("NotAdvertised", f"by the annotation {SKIP} or {ADVERTISE}, no node advertises the address")

NODES = replace(HOSTING, hosts=Hosts.ANY)
"""nodeHasEndpointsForService: the nodes with an endpoint in any condition."""


class KubeRouter(Announcer):
    """kube-router 7c2c277 pkg/controllers/routing/ecmp_vip.go shouldAdvertiseService: under Local, only nodes with
    an endpoint advertise. The annotations have precedence over the flag. kube-router does not read the exclude
    label."""

    name = "kube-router"
    balancers_only = False
    refers = ADDRESSES
    without_address = (
        "the controller of load balancer addresses is off (--run-loadbalancer); its range is exhausted"
    )
    documented = (
        DocumentedConsumer(
            consumer="kube-router",
            found_by=f"class `kube-router`; without a class, the annotation `{ADVERTISE}`, if kube-router "
            "advertises the address by it. If not, another load balancer may serve the Service",
            nodes="those with an endpoint, if the address is advertised",
            health_check="none",
            with_local=(
                f"`Covered`. With the class: `NoTargets` where `{ADVERTISE}` or `{SKIP}` turns advertisement off, "
                "or there is no annotation and the DaemonSet does not have `--advertise-loadbalancer-ip`, and "
                "where the DaemonSet has `--run-router=false`; `Unknown` where it was not read"
            ),
            evidence=Evidence.DOCUMENTED,
            source="kube-router 7c2c277 pkg/controllers/routing/ecmp_vip.go",
        ),
        DocumentedConsumer(
            consumer="External IPs that kube-router advertises",
            found_by=(
                "`spec.externalIPs`, and the annotation `kube-router.io/service.advertise.externalip` or "
                "`--advertise-external-ip` in the DaemonSet of kube-router"
            ),
            nodes="those with an endpoint",
            health_check="none",
            with_local="`Covered`; `Unknown` where Services share the address",
            evidence=Evidence.DOCUMENTED,
            source="kube-router 7c2c277 pkg/controllers/routing/ecmp_vip.go getExternalIPs",
        ),
    )

    def recognise(self, service: Service) -> Recognition | None:
        """The other annotations of kube-router say how its proxy serves an address, whoever gave it."""
        return by_mark(service, ADVERTISE) if classless(service) else by_class(service, CLASS)

    def targets(self, service: Service, view: View) -> tuple[Targets, bool]:
        asked = asked_of_kube_router(service)
        if asked is False:
            return NodeTargets(NO_NODE, UNCHECKED, no_target=_OFF), False
        router = _router(view)
        if router and not router.routes:
            return NodeTargets(NO_NODE, UNCHECKED, no_target=_NO_ROUTER), False
        if asked is None:
            if router is None:
                return PossibleNodes(NODES, _FLAG, fewest=NO_NODE), False
            if not router.load_balancer_ips:
                return NodeTargets(NO_NODE, UNCHECKED, no_target=_FLAG_OFF), False
        return NodeTargets(NODES, UNCHECKED), False

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        """Without a class, a Service whose addresses kube-router does not advertise has another load balancer, or
        none."""
        router = _router(view)
        silent = asked_of_kube_router(service) is False or (router and not router.routes)
        if not (silent and classless(service)):
            yield from super().find(service, view)
        if service.spec.external_ips:
            yield from external_consumers(service, view, partial(self._announcer, service, view))

    def _announcer(self, service: Service, view: View, address: str, _: IPFamily) -> AnnouncedBy | None:
        """Of an external IP: nodes with an endpoint, if the annotation or the flag says so."""
        written = service.annotations.get(ADVERTISE_EXTERNAL)
        router = _router(view)
        if router and not router.routes:
            return None
        by_flag = router is not None and router.external_ips
        if not (by_flag if written is None else BOOLEANS.get(written)):
            return None
        source = "--advertise-external-ip in the DaemonSet kube-router"
        if written is not None:
            source = f"its annotation {ADVERTISE_EXTERNAL}"
        shared = shared_address(service, view, [announced(address)], "advertise the address")
        return AnnouncedBy(self.name, shared or NodeTargets(NODES, UNCHECKED), f"recognised by {source}")

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.reason == _FLAG_OFF:
            effect = "kube-router then advertises the address from the nodes with an endpoint."
            yield annotate(service, ADVERTISE, "true", effect)
        elif verdict.reason != _NO_ROUTER:
            yield from super().advise(service, verdict, nodes)


def _router(view: View) -> KubeRouterAdvertises | None:
    return view.planes.kube_router if view.planes else None
