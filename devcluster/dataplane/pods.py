"""Pods: a namespace with servers in it, and the API object, whose status is all that readiness is.

The servers answer for as long as the pod exists, ready or not, so a client's answer shows the rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devcluster import Cluster, objects
from devcluster.dataplane import addresses
from devcluster.dataplane.addresses import FAMILIES, Addresses, Family
from devcluster.dataplane.nodes import Node
from devcluster.dataplane.servers import Listen, Servers
from devcluster.dataplane.topology import Topology

DEFAULT_PORTS: Mapping[str, Listen] = {
    "http": Listen("http", 8080),
    "tcp": Listen("tcp", 9000),
    "udp": Listen("udp", 5353),
}


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod and what its API object says by now. `ports` are its named container ports."""

    namespace: str
    name: str
    node: str
    labels: Mapping[str, str]
    ports: Mapping[str, Listen]
    addresses: Addresses
    host_network: bool
    ready: bool
    terminating: bool = False

    @property
    def reference(self) -> objects.Object:
        return {"kind": "Pod", "metadata": {"namespace": self.namespace, "name": self.name}}

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


class Pods:
    """The pods of one lab, those that terminate included, by namespace and name."""

    def __init__(self, cluster: Cluster, topology: Topology, servers: Servers) -> None:
        self._cluster = cluster
        self._topology = topology
        self._servers = servers
        self._pods: dict[tuple[str, str], Pod] = {}
        self._slots: dict[tuple[str, str], int] = {}

    @property
    def existing(self) -> Mapping[tuple[str, str], Pod]:
        return self._pods

    def on(self, node: str) -> list[Pod]:
        return [pod for pod in self._pods.values() if pod.node == node]

    def start(
        self,
        namespace: str,
        name: str,
        node: Node,
        labels: Mapping[str, str],
        *,
        ready: bool = True,
        ports: Mapping[str, Listen] = DEFAULT_PORTS,
        host_network: bool = False,
        families: Sequence[Family] = FAMILIES,
        grace: int | None = None,
        pre_stop_sleep: int = 0,
    ) -> Pod:
        """Starts its servers, creates it bound to the node, and gives it the status of a running pod.

        `families` are those that its status shows an address of. `grace` and `pre_stop_sleep`, in seconds, are
        only written in its object: the caller ends the pod.
        """
        key, what = (namespace, name), f"pod-{namespace}-{name}"
        if host_network:
            within, own = node.namespace, node.addresses
        else:
            taken = {self._slots[pod.key] for pod in self.on(node.name) if pod.key in self._slots}
            self._slots[key] = slot = min(set(range(addresses.PODS_PER_NODE)) - taken)
            within, own = (
                self._topology.add_pod(what, node.name, node.index, slot),
                addresses.pod(node.index, slot),
            )
        self._servers.serve(what, within, name, ports.values())
        pod = Pod(namespace, name, node.name, dict(labels), dict(ports), own, host_network, ready)
        self._pods[key] = pod
        objects.pod(
            self._cluster,
            namespace,
            name,
            node.name,
            labels,
            ip=[own.of(family) for family in families],
            ready=ready,
            ports={port: listen.port for port, listen in ports.items() if listen.kind != "udp"},
            udp_ports={port: listen.port for port, listen in ports.items() if listen.kind == "udp"},
            host_network=host_network,
            grace=grace,
            pre_stop_sleep=pre_stop_sleep,
        )
        return pod

    def set_ready(self, pod: Pod, ready: bool) -> Pod:
        objects.set_ready(self._cluster, pod.reference, ready)
        return self._now(pod, ready=ready)

    def terminate(self, pod: Pod) -> Pod:
        """Deletes it with a grace period: it goes on serving, and its readiness stays what it was."""
        objects.terminate(self._cluster, pod.reference)
        return self._now(pod, terminating=True)

    def end(self, pod: Pod) -> None:
        """Gone: the object, the servers, the namespace."""
        objects.delete(self._cluster, pod.reference)
        self.forget(pod)

    def forget(self, pod: Pod) -> None:
        """Ends the servers and removes the namespace; the object is someone else's affair."""
        what = f"pod-{pod.namespace}-{pod.name}"
        self._servers.stop(what)
        if not pod.host_network:
            self._topology.remove(what)
        self._pods.pop(pod.key, None)
        self._slots.pop(pod.key, None)

    def _now(self, pod: Pod, *, ready: bool | None = None, terminating: bool | None = None) -> Pod:
        known = self._pods[pod.key]
        self._pods[pod.key] = dataclasses.replace(
            known,
            ready=known.ready if ready is None else ready,
            terminating=known.terminating if terminating is None else terminating,
        )
        return self._pods[pod.key]
