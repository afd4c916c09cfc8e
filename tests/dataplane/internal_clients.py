"""Clients in the cluster: a pod on each node, and the node itself, connect to the cluster IPs of a Service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from devcluster.dataplane.matrix import State
from devcluster.dataplane.probe import Observation, Probe, Prober
from tests.dataplane.prediction import report_in_process
from tests.dataplane.scene import Scene

Cell = tuple[str, str, str]
"""Port name, family, node."""
_TIMEOUT, _PATIENCE = 0.8, 3.0
_MEETS: Mapping[State, str] = {
    "ready": "answered", "terminating": "answered", "dropped": "timed out", "rejected": "refused",
}  # fmt: skip


class InsideClients:
    """Probes of the Service `agent` of a scene."""

    def __init__(self, scene: Scene, from_pods: Mapping[str, Prober], from_nodes: Mapping[str, Prober]) -> None:
        self._scene = scene
        self._from_pods = from_pods
        self._from_nodes = from_nodes

    def compared(self, *, nodes_too: bool = False) -> dict[str, set[str]]:
        """Settle, and compare what the clients of each node meet with the report. `nodes_too`: connect from the
        nodes, too. Returns the nodes by state."""
        self._scene.lab.settle()
        predicted = self.predicted()
        assert self.seen(predicted) == {cell: _MEETS[state] for cell, state in predicted.items()}
        # A node's own connections meet the same; its UDP packets fail at once where they are dropped.
        tcp = {cell: state for cell, state in predicted.items() if nodes_too and cell[0] != "udp"}
        assert self.seen(tcp, self._from_nodes) == {cell: _MEETS[state] for cell, state in tcp.items()}
        found: dict[str, set[str]] = {}
        for (_, _, node), state in predicted.items():
            found.setdefault(state, set()).add(node)
        return found

    def predicted(self) -> dict[Cell, State]:
        """The state of each port, family and node, from the report; empty if the Service is not in it."""
        states: dict[Cell, State] = {}
        for entry in report_in_process(self._scene.lab.cluster)["internal"]:
            if (entry["namespace"], entry["name"]) != (self._scene.namespace, "agent"):
                continue
            for port in entry["ports"]:
                assert not port["unknown"]
                for state in _MEETS:
                    states |= {(port["port"], port["family"], node): state for node in port[state]}
        return states

    def seen(self, cells: Mapping[Cell, object], probers: Mapping[str, Prober] | None = None) -> dict[Cell, str]:
        return {cell: found.result for cell, found in self.observed(cells, probers).items()}

    def observed(
        self, cells: Mapping[Cell, object], probers: Mapping[str, Prober] | None = None
    ) -> dict[Cell, Observation]:
        """What a client on each node gets. A time-out that is not predicted is tried once more, patiently."""
        path = f"/api/v1/namespaces/{self._scene.namespace}/services/agent"
        spec: dict[str, Any] = self._scene.lab.cluster.call("GET", path)["spec"]
        addresses = dict(zip(spec["ipFamilies"], spec["clusterIPs"], strict=True))
        numbers = {port["name"]: port["port"] for port in spec["ports"]}
        made = {cell: _probe(cell, addresses, numbers) for cell in cells}

        def of(node: str, prober: Prober) -> dict[Cell, Observation]:
            own = [cell for cell in made if cell[2] == node]
            found = dict(zip(own, prober.probe([made[cell] for cell in own], _TIMEOUT), strict=True))
            slow = [cell for cell in own if found[cell].result == "timed out" and cells[cell] != "dropped"]
            return found | dict(zip(slow, prober.probe([made[cell] for cell in slow], _PATIENCE), strict=True))

        with ThreadPoolExecutor() as pool:
            by_node = (probers or self._from_pods).items()
            return {
                cell: seen for found in pool.map(of, *zip(*by_node, strict=True)) for cell, seen in found.items()
            }


def _probe(cell: Cell, addresses: Mapping[str, str], numbers: Mapping[str, int]) -> Probe:
    port, family, _ = cell
    return Probe(port, addresses[family], numbers[port])  # type: ignore[arg-type]  # the ports have these names


@contextmanager
def inside_clients(scene: Scene) -> Iterator[InsideClients]:
    """A client pod on each node of the lab."""
    lab = scene.lab
    pods: dict[str, Prober] = {}
    nodes: dict[str, Prober] = {}
    try:
        for name, node in lab.nodes.running.items():
            scene.pod(f"client-{name}", name, app="client", ports={})
            pods[name] = Prober(lab.topology.name(f"pod-{scene.namespace}-client-{name}"))
            nodes[name] = Prober(node.namespace)
        yield InsideClients(scene, pods, nodes)
    finally:
        for prober in (*pods.values(), *nodes.values()):
            prober.close()
