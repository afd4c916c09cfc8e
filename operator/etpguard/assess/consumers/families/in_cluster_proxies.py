"""Ingress controllers that run as pods and send to endpoints directly: the policy is not on their path to a
Service. What sends traffic to such a controller is a consumer of the controller's own Service."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer
from etpguard.assess.consumers.remedies import drop_annotation
from etpguard.assess.consumers.shared.ingresses import backends
from etpguard.assess.consumers.shared.load_balancers import UNCHECKED
from etpguard.assess.consumers.targets import NodeTargets, PodTargets
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.assess.go_booleans import BOOLEANS
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.objects import Node, Service

CONTROLLERS = (
    "apisix.apache.org/",
    "caddyserver.com/",
    "cilium.io/ingress-controller",
    "flomesh.io/",
    "getambassador.io/",
    "gloo.solo.io/",
    "haproxy-ingress.github.io/",
    "haproxy.org/ingress-controller",
    "ingress-controllers.konghq.com/",
    "istio.io/ingress-controller",
    "k8s.io/ingress-nginx",
    "k8s.ngrok.com/",
    "nginx.org/ingress-controller",
    "openshift.io/ingress-to-route",
    "pomerium.io/",
    "projectcontour.io/",
    "strrl.dev/cloudflare-tunnel",
    "tailscale.com/",
    "traefik.io/ingress-controller",
    "tyk.io/",
    "voyagermesh.com/",
    "webapprouting.kubernetes.azure.com/",
    "zalando.org/skipper",
)
"""Prefixes of the `spec.controller` that these register."""

_INGRESS_NGINX = re.compile(r"k8s\.io/.*ingress-nginx")
"""ingress-nginx docs/user-guide/multiple-ingress.md: a second controller has a name like
k8s.io/internal-ingress-nginx."""

_TRAEFIK = "traefik.ingress.kubernetes.io/"
NODE_PORT_LB = f"{_TRAEFIK}service.nodeportlb"


class InClusterProxies(BaseFamily):
    name = "in-cluster-proxies"
    documented = (
        DocumentedConsumer(
            consumer="ingress-nginx, NGINX, Traefik, HAProxy, Contour, Istio, Kong and more",
            found_by="IngressClass",
            nodes="pods",
            health_check="does not matter",
            with_local="the Ingress is listed, but it does not show who uses the node port",
            evidence=Evidence.DOCUMENTED,
            source="documentation of each controller",
        ),
        DocumentedConsumer(
            consumer="Traefik with `service.nodeportlb`",
            found_by="annotation of a NodePort Service",
            nodes="all nodes",
            health_check="none",
            with_local="`Blackhole`; `Unknown` as for routes of Traefik",
            evidence=Evidence.DOCUMENTED,
            source="traefik fd5a576 pkg/provider/kubernetes/ingress/kubernetes.go",
        ),
    )

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        node_port_lb = _node_port_lb(service)
        for backend in backends(service, view, lambda _, by: _is_proxy(by.controller)):
            if backend.handler.controller.startswith("traefik.io/") and node_port_lb:
                targets = backend.unless_missing(NodeTargets(EVERY_NODE, UNCHECKED, each_internal=True))
                yield backend.consumer(targets, source=f"by the annotation {node_port_lb}")
            else:
                # A port that the Service lacks is a fault of the Ingress, and the policy does not matter to it.
                yield backend.consumer(PodTargets(), target_type="ip", incidental=True)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        key = _node_port_lb(service)
        if key and verdict.consumer.targets.rule is not None and verdict.uncovered:
            effect = "Traefik then sends to pods, and the traffic policy is not on the path."
            yield drop_annotation(service, key, effect)


def _is_proxy(controller: str) -> bool:
    return controller.startswith(CONTROLLERS) or bool(_INGRESS_NGINX.match(controller))


def _node_port_lb(service: Service) -> str:
    """The annotation by which Traefik sends to node ports; "" if there is none. Traefik 3
    docs/content/reference/routing-configuration/kubernetes/ingress.md: to the node port on the internal address of
    every node, without a health check, for a Service of type NodePort. traefik/paerser v0.2.2
    parser/nodes_metadata.go findTypedField takes the name in any case, and parser/element_fill.go reads the value
    by strconv.ParseBool."""
    if service.type != "NodePort":
        return ""
    named = (key for key in service.annotations if key.startswith(_TRAEFIK) and key.lower() == NODE_PORT_LB)
    return next((key for key in named if BOOLEANS.get(service.annotations[key], False)), "")
