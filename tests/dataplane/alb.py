"""A Service behind an ALB: what both need, and an ALB's own view of its targets."""

from __future__ import annotations

from typing import Any

from devcluster import objects
from devcluster.dataplane.load_balancer import Settings
from devcluster.dataplane.traffic import LoadBalancer
from tests.dataplane.scene import PORTS, Scene

# An ALB's behaviour at a fiftieth of its pace; a request waits for longer than any time-out of the checks.
FAST = Settings(interval=0.3, timeout=0.2, connect_timeout=0.6)

# The AWS controller wants the stacks of Service and load balancer to agree; an ALB is IPv4 by default.
WEB: dict[str, Any] = {"ports": PORTS[:1], "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}


def ingress(scene: Scene, **annotations: str) -> None:
    """An Ingress to web:http; annotations `x_y` stand for `alb.ingress.kubernetes.io/x-y`."""
    named = {f"alb.ingress.kubernetes.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    backend = {"service": {"name": "web", "port": {"name": "http"}}}
    body = {
        "metadata": {"name": "web", "annotations": named},
        "spec": {
            "ingressClassName": "alb",
            "rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
        },
    }
    path = f"/apis/networking.k8s.io/v1/namespaces/{scene.namespace}/ingresses"
    scene.lab.cluster.call("POST", path, body)


def states(balancer: LoadBalancer) -> dict[str, str]:
    return {node: state for node, (state, _) in balancer.targets().items()}


def wait_for_states(balancer: LoadBalancer, wanted: dict[str, str]) -> None:
    objects.wait_for(lambda: states(balancer) == wanted, timeout=60, what=f"targets to become {wanted}")
