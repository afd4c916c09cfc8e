"""Which controller serves an Ingress, and by which of its backends it reaches a Service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from etpguard.assess.consumers.interface import Consumer, View
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Reason
from etpguard.objects import INGRESS, INGRESS_CLASS, Ingress, IngressClass, Key, Service

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"

GCE_CLASSES = frozenset({"gce", "gce-internal", "gce-regional-external"})
"""Values of the class annotation that ingress-gce takes: pkg/utils/utils.go IsGCEIngress."""

AWS_LBC = "ingress.k8s.aws/alb"

_USUAL = {
    "alb": AWS_LBC,
    "apisix": "apisix.apache.org/apisix-ingress",
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
    """The controller whose class is called so in its own manifests, "" for a name that nobody is known by."""
    return _USUAL.get(class_name, "")


class Handler(NamedTuple):
    """The controller that serves an Ingress, "" where that cannot be told, and how it was known."""

    controller: str
    how: str = ""
    class_name: str = ""


def handler(ingress: Ingress, view: View) -> Handler:
    """The annotation decides alone where it is set, then `ingressClassName`, then the one default class
    (networking/v1 types.go IngressSpec.IngressClassName)."""
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
    """Those that are marked as the default; what several of them mean is for each controller to say."""
    return [c for c in view.all(INGRESS_CLASS) if c.annotations.get(_DEFAULT_CLASS_ANNOTATION) == "true"]


def _of_class(name: str, view: View) -> Handler:
    if found := view.get(INGRESS_CLASS, Key("", name)):
        return Handler(found.controller, class_name=name)
    why = view.unread(INGRESS_CLASS)
    missing = f"IngressClass {name} cannot be read ({why})" if why else f"there is no IngressClass {name}"
    if name in _USUAL:
        return Handler(_USUAL[name], f"{missing}; the controller is told by the usual name of its class", name)
    return Handler("", missing, name)


def backends(
    service: Service, view: View, serves: Callable[[Ingress, Handler], bool]
) -> Iterator[tuple[Handler, Consumer]]:
    """The Ingresses that send to the Service, of those that the controller `serves`: one consumer for each
    port that one names, still without nodes. A port that the Service lacks is one whose outcome cannot be
    told."""
    for ingress in view.referring(INGRESS, service.key):
        if ingress.deleting:
            continue
        served = handler(ingress, view)
        if not serves(ingress, served):
            continue
        seen: set[int | str] = set()
        for backend in ingress.backends:
            if backend.service is None or backend.service.name != service.key.name:
                continue
            reference = _port_reference(backend.service.port)
            if reference not in seen:
                seen.add(reference)
                yield served, _consumer(ingress, served, service, reference)


def _port_reference(port: object) -> int | str:
    name, number = getattr(port, "name", None), getattr(port, "number", None)
    return name or number or ""


def _consumer(ingress: Ingress, served: Handler, service: Service, reference: int | str) -> Consumer:
    port = service.port(reference)
    missing = None
    if port is None:
        missing = Reason("PortNotFound", f"the Ingress names port {reference!r}, which the Service does not have")
    return Consumer(
        kind="Ingress",
        namespace=ingress.key.namespace,
        name=ingress.key.name,
        controller=served.controller or served.class_name or "(none)",
        target_type="instance",
        port=port.label if port else str(reference),
        families=ip_families(service),
        unknown=missing,
        source=served.how,
    )
