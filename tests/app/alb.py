"""An ALB Ingress on the real control plane, as the operator tests its surroundings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from devcluster import Cluster
from devcluster.objects import node, pod, wait_for
from etpguard.objects import Key
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, TARGET_GROUP_BINDING
from tests.app.harness import Running, node_port_service

CRDS = Path(__file__).parent / "crds"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"


@contextmanager
def definitions(cluster: Cluster) -> Iterator[None]:
    """The kinds of the AWS Load Balancer Controller, served; deleted afterwards, where they still are."""
    names = []
    try:
        for file in sorted(CRDS.glob("*.yaml")):
            names.append(
                cluster.call("POST", DEFINITIONS, yaml.load(file.read_text(), yaml.CSafeLoader))["metadata"][
                    "name"
                ]
            )
        for kind in (TARGET_GROUP_BINDING, INGRESS_CLASS_PARAMS):
            wait_for(lambda path=kind.path: cluster.request("GET", path).ok, what=f"{kind} to be served")  # type: ignore[misc]
        yield
    finally:
        for name in names:
            cluster.request("DELETE", f"{DEFINITIONS}/{name}")
        for name in names:
            gone = f"{DEFINITIONS}/{name}"
            wait_for(lambda path=gone: cluster.request("GET", path).status == 404, 60, f"the end of {name}")  # type: ignore[misc]
        # Another test of this control plane may ask whether the kinds exist; discovery follows some seconds later.
        for group in {name.partition(".")[2] for name in names}:
            absent = f"/apis/{group}"
            wait_for(lambda path=absent: cluster.request("GET", path).status == 404, 60, f"the end of {group}")  # type: ignore[misc]


class Shop:
    """Service web behind Ingress web, in a namespace; three nodes of its own, a pod on the first. The class
    bears the namespace's name and refers to the IngressClassParams of that name."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.nodes = [f"{namespace}-{i}" for i in (1, 2, 3)]
        self._bindings = (
            f"{TARGET_GROUP_BINDING.path.rpartition('/')[0]}/namespaces/{namespace}/targetgroupbindings"
        )

    def pod(self, name: str, number: int) -> dict[str, Any]:
        """On node 1, 2 or 3."""
        address = f"10.7.{number}.{len(name)}"
        return pod(self.cluster, self.namespace, name, self.nodes[number - 1], {"app": "web"}, ip=address)

    def bind(self, **spec: Any) -> None:
        """The binding that the controller makes for the Ingress."""
        owner = "ingress.k8s.aws/stack"
        labels = {f"{owner}-namespace": self.namespace, f"{owner}-name": "web"}
        body = {
            "apiVersion": TARGET_GROUP_BINDING.api_version,
            "kind": "TargetGroupBinding",
            "metadata": {"name": "web", "labels": labels},
            "spec": {"targetGroupARN": "arn", "serviceRef": {"name": "web", "port": "http"}, **spec},
        }
        self.cluster.call("POST", self._bindings, body)

    def unbind(self) -> None:
        self.cluster.call("DELETE", f"{self._bindings}/web")

    def class_params(self, **spec: Any) -> None:
        body = {
            "apiVersion": INGRESS_CLASS_PARAMS.api_version,
            "kind": "IngressClassParams",
            "metadata": {"name": self.namespace},
            "spec": spec,
        }
        self.cluster.call("POST", INGRESS_CLASS_PARAMS.path, body)

    def reported(self, running: Running) -> tuple[str, str, str]:
        """Outcome, target type, and source or reason of the only consumer, as the operator has them now."""

        def look(operator: Any) -> tuple[str, str, str]:
            found = operator.engine.assessments.get(Key(self.namespace, "web"))
            if found is None or len(found.consumers) != 1:
                return "", "", ""
            (verdict,) = found.consumers
            why = f"{verdict.consumer.source} {verdict.reason}"
            return verdict.outcome.name, verdict.consumer.target_type, why

        return running.on_loop(look)

    def wait(self, running: Running, outcome: str, target_type: str, why: str = "") -> None:
        def so() -> bool:
            found = self.reported(running)
            return found[:2] == (outcome, target_type) and why in found[2]

        try:
            wait_for(so, 60)
        except TimeoutError:
            raise AssertionError(f"{self.reported(running)}, not {(outcome, target_type, why)}") from None


@contextmanager
def shop(cluster: Cluster, namespace: str, *, params: bool = False) -> Iterator[Shop]:
    made = Shop(cluster, namespace)
    for number, name in enumerate(made.nodes, 1):
        node(cluster, name, labels={"of": namespace}, provider_id=f"aws:///eu-west-1a/i-0{number}")
    reference = {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": namespace}
    spec = {"controller": "ingress.k8s.aws/alb", **({"parameters": reference} if params else {})}
    cluster.call("POST", CLASSES, {"metadata": {"name": namespace}, "spec": spec})
    try:
        cluster.call("POST", f"/api/v1/namespaces/{namespace}/services", node_port_service("web"))
        made.pod("a", 1)
        annotations = {"alb.ingress.kubernetes.io/target-node-labels": f"of={namespace}"}
        backend = {"service": {"name": "web", "port": {"name": "http"}}}
        cluster.call(
            "POST",
            f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses",
            {
                "metadata": {"name": "web", "annotations": annotations},
                "spec": {"ingressClassName": namespace, "defaultBackend": backend},
            },
        )
        yield made
    finally:
        cluster.request("DELETE", f"{CLASSES}/{namespace}")
        for name in made.nodes:
            cluster.request("DELETE", f"/api/v1/nodes/{name}")
