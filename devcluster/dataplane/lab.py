"""A whole data plane beside a control plane: the one entry for tests, the demo and the benches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from devcluster import Cluster, MissingToolError
from devcluster.dataplane import addresses, lacking
from devcluster.dataplane.nodes import Mode, Nodes
from devcluster.dataplane.pods import Pods
from devcluster.dataplane.probe import Prober
from devcluster.dataplane.servers import Servers
from devcluster.dataplane.settle import Settler
from devcluster.dataplane.topology import Topology

_API_PORT = 6443


class Lab:
    """Nodes, pods and a client outside. Made by `start`; not thread-safe."""

    def __init__(
        self, cluster: Cluster, mode: Mode, topology: Topology, servers: Servers, nodes: Nodes, client: Prober
    ) -> None:
        self.cluster = cluster
        self.mode = mode
        self.topology = topology
        self.nodes = nodes
        self.servers = servers
        self.pods = Pods(cluster, topology, servers)
        self.client = client
        """Sends from the namespace outside the cluster."""
        self._settler = Settler(cluster, nodes)

    def settle(self) -> None:
        """Returns when all that was written to the API is in the rules of every node."""
        self._settler.settle()

    def service(self, namespace: str, name: str, **spec: Any) -> dict[str, Any]:
        """Creates a Service with this spec; the API server's defaults for the rest."""
        body = {"metadata": {"name": name}, "spec": spec}
        return self.cluster.call("POST", f"/api/v1/namespaces/{namespace}/services", body)

    def clear(self, namespace: str) -> None:
        """Ends the pods of a namespace and deletes its Services and slices."""
        for pod in [pod for pod in self.pods.existing.values() if pod.namespace == namespace]:
            self.pods.end(pod)
        for service in self.cluster.call("GET", f"/api/v1/namespaces/{namespace}/services")["items"]:
            self.cluster.call("DELETE", f"/api/v1/namespaces/{namespace}/services/{service['metadata']['name']}")
        self.cluster.call("DELETE", f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")

    def close(self) -> None:
        for pod in list(self.pods.existing.values()):
            with contextlib.suppress(OSError):
                self.pods.end(pod)
        with contextlib.suppress(OSError):
            self._settler.close()


@contextlib.contextmanager
def start(
    cluster: Cluster,
    mode: Mode,
    nodes: Sequence[str] = ("node1", "node2", "node3"),
    *,
    min_sync_period: str = "10ms",
) -> Iterator[Lab]:
    """A data plane for the length of a `with` block, its nodes registered and their first rules in place.

    `min_sync_period` is kube-proxy's; its own default is 1s. Leaves the API without the Nodes, Pods and Services
    that it made. Raises MissingToolError where no data plane can run, NetworkError, StartError or NotSettledError
    when something does not come up.
    """
    if reason := lacking():
        raise MissingToolError(f"the data plane {reason}")
    with contextlib.ExitStack() as stack:
        topology = stack.enter_context(Topology())
        servers = Servers()
        stack.callback(servers.close)
        port = int(cluster.server.rpartition(":")[2])
        servers.relay("relay", topology.fabric, addresses.API.ipv4, _API_PORT, port)
        kubeconfig = cluster.kubeconfig_for(
            token=cluster.tokens["kube-proxy"], server=f"https://{addresses.API.ipv4}:{_API_PORT}"
        )
        all_nodes = Nodes(cluster, topology, kubeconfig, mode, min_sync_period)
        stack.callback(all_nodes.close)
        for name in nodes:
            all_nodes.add(name)
        client = Prober(topology.name("client"))
        stack.callback(client.close)
        lab = Lab(cluster, mode, topology, servers, all_nodes, client)
        stack.callback(lab.close)
        lab.settle()
        yield lab
