"""What the tests of the data plane do over and over: pods and Services in one namespace, and the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from devcluster import objects
from devcluster.dataplane import evidence, matrix
from devcluster.dataplane.addresses import FAMILIES, Family
from devcluster.dataplane.lab import Lab
from devcluster.dataplane.matrix import Matrix, Mismatch, PortKey, State
from devcluster.dataplane.pods import DEFAULT_PORTS, Pod
from devcluster.dataplane.probe import Probe
from devcluster.dataplane.servers import Listen
from tests.dataplane.prediction import Etpguard, Predictor

PORTS: tuple[dict[str, Any], ...] = (
    {"name": "http", "port": 80, "targetPort": "http"},
    {"name": "tcp", "port": 81, "targetPort": "tcp"},
    {"name": "udp", "port": 82, "targetPort": "udp", "protocol": "UDP"},
)
DUAL_STACK: dict[str, Any] = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}

Predicted = Mapping[PortKey, Mapping[str, State]]


class Scene:
    """One namespace of a lab."""

    def __init__(self, lab: Lab, namespace: str) -> None:
        self.lab = lab
        self.namespace = namespace

    def service(self, name: str = "web", **spec: Any) -> dict[str, Any]:
        """NodePort, Local, dual stack, the three ports, selecting app=<name>; None leaves a field out."""
        given = {"type": "NodePort", "externalTrafficPolicy": "Local", "selector": {"app": name}, "ports": PORTS}
        wanted = {key: value for key, value in {**given, **DUAL_STACK, **spec}.items() if value is not None}
        return self.lab.service(self.namespace, name, **wanted)

    def pod(
        self,
        name: str,
        node: str,
        *,
        app: str = "web",
        ready: bool = True,
        ports: Mapping[str, Listen] = DEFAULT_PORTS,
        host_network: bool = False,
        families: Sequence[Family] = FAMILIES,
        grace: int | None = None,
        pre_stop_sleep: int = 0,
    ) -> Pod:
        return self.lab.pods.start(
            self.namespace,
            name,
            self.lab.nodes.running[node],
            {"app": app},
            ready=ready,
            ports=ports,
            host_network=host_network,
            families=families,
            grace=grace,
            pre_stop_sleep=pre_stop_sleep,
        )

    def slice(
        self,
        service: str,
        name: str,
        pods: list[tuple[Pod, dict[str, Any]]],
        *,
        family: Family = "IPv4",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """A slice written by hand with an endpoint for each pod; the dict adds nodeName and conditions."""
        body = {
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service, **(labels or {})}},
            "addressType": family,
            "ports": [
                {"name": port, "port": listen.port, "protocol": "UDP" if listen.kind == "udp" else "TCP"}
                for port, listen in DEFAULT_PORTS.items()
            ],
            "endpoints": [{"addresses": [pod.addresses.of(family)], **more} for pod, more in pods],
        }
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        self.lab.cluster.call("POST", path, body)

    def patch_service(self, name: str, patch: Mapping[str, Any], *, status: bool = False) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/services/{name}" + ("/status" if status else "")
        self.lab.cluster.call("PATCH", path, patch)

    def compared(self) -> tuple[Predicted, Matrix]:
        """Settles, and fails unless the packets do what etpguard says; gives both."""
        predicted, seen = self._both(Etpguard())
        mismatches = matrix.check(self.lab, predicted, seen)
        if mismatches:
            pytest.fail(evidence.describe(self.lab, mismatches), pytrace=False)
        return predicted, seen

    def mismatches(self, predictor: Predictor) -> list[Mismatch]:
        """Settles, and compares the packets with what another says."""
        predicted, seen = self._both(predictor)
        return matrix.check(self.lab, predicted, seen)

    def predicted(self) -> Predicted:
        """What etpguard says now."""
        return Etpguard().states(self.lab.cluster, [self.namespace])

    def answers(self, name: str = "web") -> dict[str, list[str]]:
        """By node, what each port in each family got from outside: a result, or the pod that answered."""
        self.lab.settle()
        seen = matrix.observe(self.lab, [self.namespace]).observed
        return {
            node: [o.pod or o.result for cell, o in seen.items() if cell.node == node and cell.key.service == name]
            for node in sorted(self.lab.nodes.running)
        }

    def health(self, service: Mapping[str, Any], family: Family = "IPv4") -> dict[str, int]:
        """By node, the HTTP status at healthCheckNodePort; compared with what etpguard says of it."""
        number, name = service["spec"]["healthCheckNodePort"], service["metadata"]["name"]
        nodes = self.lab.nodes.running
        probes = [Probe("http", node.addresses.of(family), number) for node in nodes.values()]

        def agrees() -> bool:  # kube-proxy updates these servers right after the rules
            seen = [one.status == 200 for one in self.lab.client.probe(probes)]
            healthy = Etpguard().healthy(self.lab.cluster, self.namespace, name, family)
            return seen == [node in healthy for node in nodes]

        self.lab.settle()
        objects.wait_for(agrees, timeout=60, what="healthCheckNodePort to say what etpguard says")
        return dict(zip(nodes, (one.status for one in self.lab.client.probe(probes)), strict=True))

    def _both(self, predictor: Predictor) -> tuple[Predicted, Matrix]:
        """Settles; then what etpguard says and what is observed, at the same time."""
        self.lab.settle()
        with ThreadPoolExecutor(1) as beside:
            predicted = beside.submit(predictor.states, self.lab.cluster, [self.namespace])
            seen = matrix.observe(self.lab, [self.namespace])
            return predicted.result(), seen

    def states(self) -> dict[tuple[str, str, Family], dict[str, State]]:
        """As `compared`; gives by Service, port name and family the state of each node, which is as observed."""
        predicted, _ = self.compared()
        running = self.lab.nodes.running
        return {
            (key.service, key.port, key.family): {node: states[node] for node in sorted(running)}
            for key, states in predicted.items()
        }
