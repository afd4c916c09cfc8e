"""Ingress controllers that run as pods and send to endpoints directly: the policy is not on their path to a
Service. What sends to *them* is a consumer of their own Service."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.ingresses import backends
from etpguard.assess.consumers.interface import BaseFamily, Consumer, ConsumerVerdict, View
from etpguard.assess.consumers.load_balancers import EVERY_NODE
from etpguard.assess.consumers.remedies import drop_annotation
from etpguard.assess.probe import NoHealthCheck
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
"""ingress-nginx docs/user-guide/multiple-ingress.md: a second one is told apart by a name of its own, for example
k8s.io/internal-ingress-nginx."""

NODE_PORT_LB = "traefik.ingress.kubernetes.io/service.nodeportlb"


class InClusterProxies(BaseFamily):
    name = "in-cluster-proxies"

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        for served, consumer in backends(service, view, lambda _, by: _is_proxy(by.controller)):
            if served.controller.startswith("traefik.io/") and _node_port_lb(service):
                yield replace(
                    consumer,
                    nodes=EVERY_NODE,
                    probe=NoHealthCheck(),
                    source=f"told by the annotation {NODE_PORT_LB}",
                )
            else:
                # A port that the Service lacks is the proxy's own trouble, and none of the policy's.
                yield replace(consumer, target_type="ip", incidental=True, unknown=None)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        if verdict.consumer.nodes is not None and verdict.uncovered:
            yield drop_annotation(service, NODE_PORT_LB, "Traefik then sends to pods, past the policy")


def _is_proxy(controller: str) -> bool:
    return controller.startswith(CONTROLLERS) or bool(_INGRESS_NGINX.match(controller))


def _node_port_lb(service: Service) -> bool:
    """Traefik 3 docs/content/reference/routing-configuration/kubernetes/ingress.md: sends to the node port on
    the internal address of every node, unchecked, for a Service of type NodePort."""
    return service.type == "NodePort" and service.annotations.get(NODE_PORT_LB, "").lower() == "true"
