"""Whatever no family before it speaks for: said to be unknown, with the reason, instead of guessed at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.ingresses import AWS_LBC, Handler, backends
from etpguard.assess.consumers.interface import BaseFamily, Consumer, ConsumerVerdict, View
from etpguard.assess.consumers.load_balancers import CLOUDS, EVERY_NODE, Balancer
from etpguard.assess.consumers.remedies import ClientIP, cluster, spread
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Node, Service

_AWS_LBC_CLASS = "service.k8s.aws/nlb"


class UnknownController(BaseFamily):
    """Last in the registry. It leaves alone what the AWS Load Balancer Controller's family knows to be
    without effect, since that speaks through other objects too."""

    name = "unknown-controller"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for served, consumer in backends(service, view, lambda _, by: by.controller != AWS_LBC):
            yield replace(consumer, target_type="", nodes=EVERY_NODE, unless_covered=_of_ingress(served))
        if service.type == "LoadBalancer" and (why := _of_balancer(service, view)):
            controller = service.spec.load_balancer_class or "(unknown)"
            for _, consumer in Balancer(service, controller, "", target_type="").ports():
                yield replace(consumer, nodes=EVERY_NODE, unless_covered=why)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        if verdict.outcome is not Outcome.Unknown:
            return
        yield (
            f"Find out to which nodes {verdict.consumer.controller} sends, and whether its health check is on the "
            "node port or the healthCheckNodePort; if on neither, requests that reach these nodes are lost."
        )
        yield spread(service, "every node that is sent to")
        yield cluster(service, ClientIP.VARIES)


def _of_ingress(served: Handler) -> Reason:
    if served.controller:
        return Reason("ControllerNotModelled", f"how {served.controller} reaches the Service is not known")
    return Reason("ControllerNotKnown", served.how)


def _of_balancer(service: Service, view: View) -> Reason | None:
    """Why it cannot be told who sends; None where nobody does, as long as no load balancer has answered."""
    chosen = service.spec.load_balancer_class
    if chosen == _AWS_LBC_CLASS:
        return None
    if chosen is not None:
        return Reason("ControllerNotModelled", f"how load balancers of class {chosen} work is not known")
    clouds = sorted(view.platforms & CLOUDS)
    if len(clouds) > 1:
        return Reason("LoadBalancerNotRecognised", f"the nodes belong to several clouds: {', '.join(clouds)}")
    if service.load_balancer_ingress:
        return Reason("LoadBalancerNotRecognised", "nothing in the API tells which load balancer serves it")
    return None
