"""EKS Auto Mode: load balancers by a controller whose source is not public, so nothing is assumed of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.ingresses import backends
from etpguard.assess.consumers.interface import BaseFamily, Consumer, ConsumerVerdict, View
from etpguard.assess.consumers.load_balancers import (
    EVERY_NODE,
    Balancer,
    addressed_by_ip,
    classless,
    of_class,
    sole_cloud,
)
from etpguard.assess.consumers.remedies import ClientIP, annotate, cluster
from etpguard.assess.outcome import Outcome, Reason
from etpguard.assess.platforms import EKS_AUTO
from etpguard.objects import Node, Service

INGRESS_CONTROLLER = "eks.amazonaws.com/alb"
SERVICE_CLASS = "eks.amazonaws.com/nlb"
_LBC_TYPES = ("external", "nlb-ip")
_TYPE = "service.beta.kubernetes.io/aws-load-balancer-type"
_TARGET_TYPE = {
    "Ingress": "alb.ingress.kubernetes.io/target-type",
    "Service": "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type",
}


class EksAuto(BaseFamily):
    name = "eks-auto"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for _, consumer in backends(service, view, lambda _, by: by.controller == INGRESS_CONTROLLER):
            yield _unknown(consumer, INGRESS_CONTROLLER)
        if of_class(service, SERVICE_CLASS):
            for _, consumer in Balancer(
                service, SERVICE_CLASS, f"told by its loadBalancerClass {SERVICE_CLASS}"
            ).ports():
                yield _unknown(consumer, SERVICE_CLASS)
        elif _maybe(service, view):
            told = "nodes labelled eks.amazonaws.com/compute-type=auto tell that EKS Auto Mode may serve it"
            for _, consumer in Balancer(service, SERVICE_CLASS, told).ports():
                yield _unknown(consumer, SERVICE_CLASS)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        if verdict.outcome is not Outcome.Unknown:
            return
        key = _TARGET_TYPE[verdict.consumer.kind]
        yield annotate(service, key, "ip", "pods are then the targets, and the policy is not on the path")
        http = verdict.consumer.kind == "Ingress"
        yield cluster(service, ClientIP.FORWARDED if http else ClientIP.VARIES)


def _maybe(service: Service, view: View) -> bool:
    if not classless(service) or EKS_AUTO not in view.platforms or sole_cloud(view) != "aws":
        return False
    return not addressed_by_ip(service) and service.annotations.get(_TYPE) not in _LBC_TYPES


def _unknown(consumer: Consumer, controller: str) -> Consumer:
    why = Reason(
        "ControllerNotModelled", f"how {controller} of EKS Auto Mode picks nodes and checks them is not known"
    )
    return replace(consumer, controller=controller, target_type="", nodes=EVERY_NODE, unless_covered=why)
