"""Consumers that no other family finds. Their outcome is Unknown, with the reason, unless every node is
covered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, cluster, spread
from etpguard.assess.consumers.shared.ingresses import AWS_LBC, NO_CONTROLLER, Handler, backends
from etpguard.assess.consumers.shared.load_balancers import SOME_NODES, Balancer
from etpguard.assess.consumers.shared.recognition import CLOUDS, in_cluster_balancers
from etpguard.assess.consumers.targets import CONTROLLER_NOT_MODELLED, PossibleNodes
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import INGRESS, Node, Service

_AWS_LBC_CLASS = "service.k8s.aws/nlb"
_NAMELESS = "(unknown)"
"""The controller of a load balancer that no object names."""


class UnknownController(BaseFamily):
    """Last in the registry. It ignores Ingresses and Services of the AWS Load Balancer Controller: that family
    also knows where such an object has no effect."""

    name = "unknown-controller"
    documented = (
        DocumentedConsumer(
            consumer="Any other controller or class",
            found_by="class of an Ingress or of a Service",
            nodes="any",
            health_check="unknown",
            with_local="`Unknown` unless all nodes are covered",
            evidence=Evidence.DOCUMENTED,
            source="–",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for backend in backends(service, view, lambda _, by: by.controller != AWS_LBC):
            targets = PossibleNodes(EVERY_NODE, _of_ingress(backend.handler), fewest=SOME_NODES)
            yield backend.consumer(backend.unless_missing(targets), target_type="")
        if service.type == "LoadBalancer" and (why := _of_balancer(service, view)):
            controller = service.spec.load_balancer_class or _NAMELESS
            targets = PossibleNodes(EVERY_NODE, why, fewest=SOME_NODES)
            yield from Balancer(service, controller, "", "").consumers(targets)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome is not Outcome.Unknown or verdict.reason.code == "NoAddress":
            return
        consumer = verdict.consumer
        nameless = "the controller of the Ingress" if consumer.kind == INGRESS.name else "the load balancer"
        sender = nameless if consumer.controller in (NO_CONTROLLER, _NAMELESS) else consumer.controller
        yield Advice(
            f"Find out to which nodes {sender} sends",
            "Also find out whether its health check uses the node port or the healthCheckNodePort. If it uses "
            "neither, requests that reach the uncovered nodes are lost.",
        )
        yield spread(service)
        yield cluster(service, ClientIP.VARIES)


def _of_ingress(served: Handler) -> Reason:
    if served.controller:
        return Reason(CONTROLLER_NOT_MODELLED, f"how {served.controller} reaches the Service is not known")
    return Reason("ControllerNotKnown", served.how)


def _of_balancer(service: Service, view: View) -> Reason | None:
    """Why the load balancer is not known; None while there is no sign of one."""
    chosen = service.spec.load_balancer_class
    if chosen == _AWS_LBC_CLASS:
        return None
    if chosen is not None:
        return Reason(CONTROLLER_NOT_MODELLED, f"how load balancers of class {chosen} work is not known")
    clouds = sorted(view.platforms & CLOUDS)
    if len(clouds) > 1:
        return Reason("LoadBalancerNotRecognised", f"the nodes belong to several clouds: {', '.join(clouds)}")
    if seen := in_cluster_balancers(service, view):
        able = [*seen]
        able += [f"the cloud {cloud}, which the nodes' providerIDs name," for cloud in clouds]
        if len(able) > 1:
            return Reason("SeveralControllers", f"{' or '.join(able)} may serve it, and no mark shows which")
        return Reason("LoadBalancerNotRecognised", f"{able[0]} may serve it, and no mark shows it")
    if service.load_balancer_ingress:
        return Reason("LoadBalancerNotRecognised", "no API object shows which load balancer serves it")
    return None
