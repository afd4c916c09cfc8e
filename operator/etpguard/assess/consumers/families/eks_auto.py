"""EKS Auto Mode: load balancers by a controller whose source is not public. No behaviour is assumed beyond what
the EKS User Guide says: "The default targeting mode is IP Mode, not Instance Mode" (auto-networking.adoc,
auto-lb-consider)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import ClientIP, annotate, cluster
from etpguard.assess.consumers.shared.aws_target_groups import is_classic
from etpguard.assess.consumers.shared.ingresses import backends
from etpguard.assess.consumers.shared.load_balancers import Balancer
from etpguard.assess.consumers.shared.recognition import (
    Recognition,
    addressed_by_ip,
    by_class,
    classless,
    sole_cloud,
)
from etpguard.assess.consumers.targets import PodTargets, PossibleNodes, Targets, not_modelled
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.outcome import Outcome
from etpguard.assess.platforms import EKS_AUTO
from etpguard.objects import INGRESS_CLASS, Key, Node, Service

INGRESS_CONTROLLER = "eks.amazonaws.com/alb"
SERVICE_CLASS = "eks.amazonaws.com/nlb"
_LBC_TYPES = ("external", "nlb-ip")
_TYPE = "service.beta.kubernetes.io/aws-load-balancer-type"
_BY_DEFAULT = "pods are the default targets of EKS Auto Mode (EKS User Guide)"
_TARGET_TYPE = {
    "Ingress": "alb.ingress.kubernetes.io/target-type",
    "Service": "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type",
}


class EksAuto(BaseFamily):
    name = "eks-auto"
    documented = (
        DocumentedConsumer(
            consumer="EKS Auto Mode",
            found_by=(
                "class `eks.amazonaws.com/nlb`, controller `eks.amazonaws.com/alb`, label of Auto Mode on nodes"
            ),
            nodes="pods with target type `ip`, the default; otherwise not known",
            health_check="not known",
            with_local=(
                "`NotAffected` with target type `ip`. With `instance`, with parameters of the IngressClass or "
                "without a class: `Unknown` unless all nodes are covered"
            ),
            evidence=Evidence.DOCUMENTED,
            source="EKS User Guide, Auto Mode load balancing; the controller's source is not public",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for backend in backends(service, view, lambda _, by: by.controller == INGRESS_CONTROLLER):
            key = _TARGET_TYPE["Ingress"]
            written = service.annotations.get(key, backend.ingress.annotations.get(key))
            by_default = written is None and _has_no_parameters(backend.handler.class_name, view)
            targets: Targets = _pods_or_unknown(written, INGRESS_CONTROLLER, by_default)
            target_type = "ip" if isinstance(targets, PodTargets) else ""
            targets = backend.unless_missing(targets)
            source = "; ".join(filter(None, (backend.handler.how, _BY_DEFAULT if by_default else "")))
            yield backend.consumer(targets, controller=INGRESS_CONTROLLER, target_type=target_type, source=source)
        of_class = by_class(service, SERVICE_CLASS)
        recognition = of_class or _by_its_nodes(service, view)
        if recognition is None:
            return
        written = service.annotations.get(_TARGET_TYPE["Service"])
        by_default = written is None and of_class is not None
        if by_default:
            recognition = recognition._replace(how=f"{recognition.how}; {_BY_DEFAULT}")
        targets = _pods_or_unknown(written, SERVICE_CLASS, by_default)
        target_type = "ip" if isinstance(targets, PodTargets) else ""
        yield from Balancer.of(service, SERVICE_CLASS, recognition, target_type).consumers(targets)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        if verdict.outcome is not Outcome.Unknown:
            return
        key = _TARGET_TYPE[verdict.consumer.kind]
        effect = "Pods are then the targets, and the traffic policy is not on the path."
        cost = (
            "Cost: it makes new target groups, and requests may be lost until their targets are registered and "
            "healthy."
        )
        yield annotate(service, key, "ip", effect, cost)
        http = verdict.consumer.kind == "Ingress"
        yield cluster(service, ClientIP.FORWARDED if http else ClientIP.VARIES)


def _by_its_nodes(service: Service, view: View) -> Recognition | None:
    if not _may_serve(service, view):
        return None
    how = "nodes with the label eks.amazonaws.com/compute-type=auto show that EKS Auto Mode may serve it"
    taken = "the label of EKS Auto Mode on nodes suggests that it serves the Service"
    return Recognition(how, Evidence.ASSUMED, (taken,))


def _may_serve(service: Service, view: View) -> bool:
    """Auto Mode makes Network Load Balancers alone. It sets its class on each new Service of type LoadBalancer
    without one, also with annotations of the AWS Load Balancer Controller (EKS User Guide, auto-configure-nlb). A
    Service that lives without a class is older, or became a load balancer later."""
    if not classless(service) or EKS_AUTO not in view.platforms or sole_cloud(view) != "aws":
        return False
    if addressed_by_ip(service) or is_classic(service):
        return False
    return not service.uid or service.annotations.get(_TYPE) not in _LBC_TYPES


def _has_no_parameters(class_name: str, view: View) -> bool:
    """Whether no IngressClassParams of eks.amazonaws.com, which are not read, can set the target type."""
    found = view.get(INGRESS_CLASS, Key("", class_name))
    return found is not None and found.spec is not None and found.spec.parameters is None


def _pods_or_unknown(written: str | None, controller: str, by_default: bool) -> PodTargets | PossibleNodes:
    if written == "ip" or by_default:
        return PodTargets()
    detail = f"how {controller} of EKS Auto Mode selects nodes and checks them is not known"
    return not_modelled(EVERY_NODE, detail)
