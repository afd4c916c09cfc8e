"""Which controller serves an Ingress, and by which of its backends it reaches a Service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.targets import Targets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Reason
from etpguard.objects import INGRESS, INGRESS_CLASS, Ingress, IngressClass, Key, Service

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"

GCE_CLASSES = frozenset({"gce", "gce-internal", "gce-regional-external"})
"""Values of the class annotation that ingress-gce takes: pkg/utils/utils.go IsGCEIngress."""

AWS_LBC = "ingress.k8s.aws/alb"

NO_CONTROLLER = "(none)"
"""The controller of an Ingress that names none."""

AKO = "ako.vmware.com/avi-lb"
"""The controller of IngressClasses, and the loadBalancerClass, of the Avi Kubernetes Operator."""

_USUAL = {
    "alb": AWS_LBC,
    "apisix": "apisix.apache.org/apisix-ingress",
    "avi-lb": AKO,
    "azure/application-gateway": "azure/application-gateway",
    "azure-application-gateway": "azure/application-gateway",
    "cilium": "cilium.io/ingress-controller",
    "contour": "projectcontour.io/ingress-controller",
    "haproxy": "haproxy-ingress.github.io/controller",
    "istio": "istio.io/ingress-controller",
    "kong": "ingress-controllers.konghq.com/kong",
    "nginx": "k8s.io/ingress-nginx",
    "openshift-default": "openshift.io/ingress-to-route",
    "traefik": "traefik.io/ingress-controller",
    "webapprouting.kubernetes.azure.com": "webapprouting.kubernetes.azure.com/nginx",
}
"""Names that the controllers' own manifests give to their class."""


def usual_controller(class_name: str) -> str:
    """The controller whose own manifests give its class that name; "" for any other name."""
    return _USUAL.get(class_name, "")


class Handler(NamedTuple):
    """The controller that serves an Ingress, "" where it is not known, and by what it was recognised."""

    controller: str
    how: str = ""
    class_name: str = ""


def handler(ingress: Ingress, view: View) -> Handler:
    """The annotation has priority, then `ingressClassName`, then the one default class (networking/v1 types.go
    IngressSpec.IngressClassName)."""
    annotated = ingress.annotations.get(CLASS_ANNOTATION)
    if annotated is not None:
        if annotated in GCE_CLASSES:
            return Handler("ingress-gce", class_name=annotated)
        return _of_class(annotated, view)
    named = ingress.spec.ingress_class_name if ingress.spec else None
    if named is not None:
        return _of_class(named, view)
    default = default_classes(view)
    if len(default) == 1:
        name = default[0].metadata.name
        return Handler(default[0].controller, f"it names no class; {name} is the default class", name)
    why = view.unread(INGRESS_CLASS)
    missing = f"which is the default one cannot be read ({why})" if why else "there is no single default class"
    return Handler("", f"it names no class, and {missing}")


def default_classes(view: View) -> list[IngressClass]:
    """The classes that are marked as the default. Controllers differ in what they do with several."""
    return [c for c in view.all(INGRESS_CLASS) if c.annotations.get(_DEFAULT_CLASS_ANNOTATION) == "true"]


def _of_class(name: str, view: View) -> Handler:
    if found := view.get(INGRESS_CLASS, Key("", name)):
        return Handler(found.controller, class_name=name)
    why = view.unread(INGRESS_CLASS)
    missing = f"IngressClass {name} cannot be read ({why})" if why else f"there is no IngressClass {name}"
    if name in _USUAL:
        return Handler(
            _USUAL[name], f"{missing}; the controller is recognised by the usual name of its class", name
        )
    return Handler("", missing, name)


class IngressBackend(NamedTuple):
    """A backend of an Ingress that names a port of the Service; `missing` says that the Service lacks the port."""

    ingress: Ingress
    handler: Handler
    service: Service
    port: str
    missing: Reason | None

    def consumer(
        self,
        targets: Targets,
        *,
        controller: str = "",
        target_type: str = "instance",
        source: str | None = None,
        incidental: bool = False,
    ) -> Consumer:
        """The consumer; controller and source are those of the handler unless others are given."""
        return Consumer(
            kind="Ingress",
            namespace=self.ingress.key.namespace,
            name=self.ingress.key.name,
            controller=controller or self.handler.controller or self.handler.class_name or NO_CONTROLLER,
            target_type=target_type,
            port=self.port,
            targets=targets,
            ip_families=ip_families(self.service),
            incidental=incidental,
            source=self.handler.how if source is None else source,
        )

    def unless_missing(self, targets: Targets) -> Targets:
        """`targets`, or an unknown outcome for a port that the Service lacks."""
        return UnknownOutcome(self.missing, EVERY_NODE) if self.missing else targets


def backends(service: Service, view: View, serves: Callable[[Ingress, Handler], bool]) -> Iterator[IngressBackend]:
    """The backends for the Service in the Ingresses that a controller `serves`, each port of an Ingress once."""
    for ingress in view.referring(INGRESS, service.key):
        if ingress.deleting:
            continue
        served = view.once("handler", ingress, lambda one: handler(one, view))
        if not serves(ingress, served):
            continue
        for reference in view.once("port-references", ingress, _port_references).get(service.key.name, ()):
            yield _backend(ingress, served, service, reference)


def _port_references(ingress: Ingress) -> dict[str, list[int | str]]:
    """By the name of each Service, the ports that the Ingress names. Each port is there once."""
    found: dict[str, dict[int | str, None]] = {}
    for backend in ingress.backends:
        if backend.service is not None:
            port = backend.service.port
            reference: int | str = (port.name or port.number or "") if port else ""
            found.setdefault(backend.service.name, {})[reference] = None
    return {name: list(references) for name, references in found.items()}


def _backend(ingress: Ingress, served: Handler, service: Service, reference: int | str) -> IngressBackend:
    port = service.port(reference)
    missing = None
    if port is None:
        missing = Reason("PortNotFound", f"the Ingress names port {reference!r}, which the Service does not have")
    return IngressBackend(ingress, served, service, port.label if port else str(reference), missing)
