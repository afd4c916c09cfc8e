"""kube-router: nodes with an endpoint advertise the addresses of a Service by BGP."""

from __future__ import annotations

from etpguard.assess.consumers.interface import (
    DocumentedConsumer,
    Evidence,
    NodeTargets,
    PossibleNodes,
    Targets,
    View,
)
from etpguard.assess.consumers.load_balancers import NO_NODE, UNCHECKED, Recognition, by_class, by_mark
from etpguard.assess.consumers.on_premises.announcer import HOSTING, Announcer
from etpguard.assess.outcome import Reason
from etpguard.objects import Service

CLASS = "kube-router"
MARK = "kube-router.io/service."
ADVERTISE = "kube-router.io/service.advertise.loadbalancerip"

_FLAG = Reason(
    "AdvertisementNotKnown",
    "with --advertise-loadbalancer-ip, kube-router advertises the address from the nodes with an endpoint; "
    "without, "
    f"no node does. No API object shows the flag; look at the DaemonSet kube-router, or set {ADVERTISE}",
)
_OFF = Reason("NotAdvertised", f"the annotation {ADVERTISE} is false, so no node advertises the address")


class KubeRouter(Announcer):
    """kube-router 7c2c277 pkg/controllers/routing/ecmp_vip.go: under Local only nodes with an endpoint advertise;
    the exclude label is not read."""

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
            with_local="`Covered`; `NoTargets` where the annotation turns advertisement off",
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
        match service.annotations.get(ADVERTISE):
            case "true":
                return NodeTargets(HOSTING, UNCHECKED), False
            case "false":
                return NodeTargets(NO_NODE, UNCHECKED, no_target=_OFF), False
            case _:
                return PossibleNodes(HOSTING, _FLAG), False
