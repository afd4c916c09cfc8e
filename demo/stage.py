"""The cluster of the demo: an embedded control plane, with a real kube-proxy per node if possible."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

from devcluster import Cluster, dataplane, objects
from devcluster.dataplane import lab as labs
from devcluster.dataplane.probe import Probe, Prober
from devcluster.dataplane.servers import Listen

NODES = ("node1", "node2", "node3")
NAMESPACE = "default"
LABELS = {"app.kubernetes.io/name": "nginx-ingress"}
HTTP_NODE_PORT = 30851


class Stage(Protocol):
    """Nodes node1 to node3, and nginx pods on them. `why_no_packets` is "" if packets flow."""

    why_no_packets: str

    def start_pod(self, name: str, node: str) -> None: ...

    def end_pod(self, name: str) -> None: ...

    def outside(self) -> dict[str, str]:
        """The result of an external connection to the http node port of each node; empty without packets."""
        ...

    def on_the_node(self, node: str) -> str:
        """The result of the same connection from the node itself; "" without packets."""
        ...


@contextlib.contextmanager
def open_stage(cluster: Cluster) -> Iterator[Stage]:
    reason = dataplane.lacking()
    if reason:
        yield _Objects(cluster, reason)
        return
    with labs.start(cluster, "iptables", NODES) as lab:
        yield _Packets(lab)


class _Objects:
    """Only the API, without packets."""

    def __init__(self, cluster: Cluster, reason: str) -> None:
        self.why_no_packets = reason
        self._cluster = cluster
        self._pods: dict[str, objects.Object] = {}
        for number, node in enumerate(NODES, 1):
            # The AWS controller registers only nodes with such a providerID.
            instance = f"aws:///eu-central-1a/i-{number:017x}"
            objects.node(cluster, node, internal_ip=f"198.51.100.{10 + number}", provider_id=instance)

    def start_pod(self, name: str, node: str) -> None:
        ip = f"203.0.113.{10 + len(self._pods)}"
        ports = {"http": 8080, "https": 8443}
        self._pods[name] = objects.pod(self._cluster, NAMESPACE, name, node, LABELS, ip=ip, ports=ports)

    def end_pod(self, name: str) -> None:
        objects.delete(self._cluster, self._pods[name])

    def outside(self) -> dict[str, str]:
        return {}

    def on_the_node(self, node: str) -> str:
        return ""


class _Packets:
    def __init__(self, lab: labs.Lab) -> None:
        self.why_no_packets = ""
        self._lab = lab

    def start_pod(self, name: str, node: str) -> None:
        ports = {"http": Listen("http", 8080), "https": Listen("http", 8443)}
        self._lab.pods.start(NAMESPACE, name, self._lab.nodes.running[node], LABELS, ports=ports)
        self._lab.settle()

    def end_pod(self, name: str) -> None:
        self._lab.pods.end(self._lab.pods.existing[NAMESPACE, name])
        self._lab.settle()

    def outside(self) -> dict[str, str]:
        seen = self._lab.client.probe([self._probe(node) for node in NODES], timeout=1.5)
        return dict(zip(NODES, map(str, seen), strict=True))

    def on_the_node(self, node: str) -> str:
        prober = Prober(self._lab.nodes.running[node].namespace)
        try:
            (seen,) = prober.probe([Probe("http", "127.0.0.1", HTTP_NODE_PORT)], timeout=1.5)
        finally:
            prober.close()
        return str(seen)

    def _probe(self, node: str) -> Probe:
        return Probe("http", self._lab.nodes.running[node].addresses.ipv4, HTTP_NODE_PORT)
