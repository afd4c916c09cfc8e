"""Every service port on every node: what was predicted, what a client outside got, and where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from devcluster.dataplane.addresses import Family, family_of
from devcluster.dataplane.lab import Lab
from devcluster.dataplane.probe import Observation, Probe
from devcluster.dataplane.servers import Kind

State = Literal["ready", "terminating", "dropped", "rejected"]
STATES: tuple[State, ...] = ("ready", "terminating", "dropped", "rejected")

_RESULT = {"ready": "answered", "terminating": "answered", "dropped": "timed out", "rejected": "refused"}

# A time-out where something else was predicted may be this machine's slowness: such a probe is sent once more,
# with this many seconds. Never the other way round.
_PATIENCE = 3.0


class PortKey(NamedTuple):
    namespace: str
    service: str
    port: str
    protocol: str
    family: Family

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port or '-'} {self.protocol} {self.family}"


Prediction = Mapping[PortKey, Mapping[str, State]]
"""The state of each node, for each service port of each Service with Local."""


class Cell(NamedTuple):
    """One service port on one node, by its node port or by a VIP or external IP that is routed to that node."""

    key: PortKey
    node: str
    address: str
    number: int


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One cell that contradicts the prediction, or a port that only one side knows (`cell` is None)."""

    key: PortKey
    predicted: str
    observed: str
    cell: Cell | None = None

    def __str__(self) -> str:
        where = f"{self.cell.node} at {self.cell.address} port {self.cell.number}" if self.cell else "every node"
        return f"{self.key} on {where}: predicted {self.predicted}, observed {self.observed}"


@dataclass(frozen=True, slots=True)
class Matrix:
    """What was observed, and which service ports have the policy Local."""

    observed: Mapping[Cell, Observation]
    local: frozenset[PortKey]
    pod_nodes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Node of each pod, by namespace and name, at the time."""


def observe(lab: Lab, namespaces: Iterable[str], timeout: float = 0.8) -> Matrix:
    """Probes every externally served port of the namespaces' Services on every running node, all at once.

    TCP is spoken as HTTP, except where the Service port is called `tcp…`: there the server speaks first.
    """
    cells: dict[Cell, Probe] = {}
    local: set[PortKey] = set()
    for namespace in namespaces:
        for service in lab.cluster.call("GET", f"/api/v1/namespaces/{namespace}/services")["items"]:
            for key, number, addresses in served(service):
                if service["spec"].get("externalTrafficPolicy") == "Local":
                    local.add(key)
                cells.update(_cells(lab, key, number, addresses))
    seen = lab.client.probe(list(cells.values()), timeout)
    pods = {pod.key: pod.node for pod in lab.pods.existing.values()}
    return Matrix(dict(zip(cells, seen, strict=True)), frozenset(local), pods)


def again(lab: Lab, cells: Iterable[Cell]) -> dict[Cell, Observation]:
    """Probes some cells once more, patiently."""
    probes = {cell: _probe(lab, cell) for cell in cells}
    return dict(zip(probes, lab.client.probe(list(probes.values()), _PATIENCE), strict=True))


def compare(predicted: Prediction, matrix: Matrix) -> list[Mismatch]:
    """Where the packets contradict the prediction. A pod elsewhere that answers for a node contradicts it too.

    There is no prediction for Cluster: all nodes must do the same, and none may drop.
    """
    found = [
        Mismatch(key, "nothing", "a port served under Local") for key in sorted(matrix.local - predicted.keys())
    ]
    served = {cell.key for cell in matrix.observed}
    found += [
        Mismatch(key, str(dict(predicted[key])), "no such port") for key in sorted(predicted.keys() - served)
    ]
    uniform: dict[PortKey, str] = {}
    for cell, seen in matrix.observed.items():
        states = predicted.get(cell.key)
        if states is not None:
            state = states.get(cell.node)
            if state is None:
                found.append(Mismatch(cell.key, "nothing for this node", str(seen), cell))
            elif _RESULT[state] != seen.result or not _local(cell, seen, matrix):
                found.append(Mismatch(cell.key, state, str(seen), cell))
        elif cell.key not in matrix.local:
            first = uniform.setdefault(cell.key, seen.result)
            if seen.result != first or seen.result not in ("answered", "refused"):
                found.append(Mismatch(cell.key, f"Cluster, {first} elsewhere", str(seen), cell))
    return found


def check(lab: Lab, predicted: Prediction, matrix: Matrix) -> list[Mismatch]:
    """`compare`, after cells that only timed out have had a second and longer chance."""
    found = compare(predicted, matrix)
    slow = [m.cell for m in found if m.cell and m.predicted != "dropped" and m.observed == "timed out"]
    if not slow:
        return found
    return compare(predicted, Matrix({**matrix.observed, **again(lab, slow)}, matrix.local, matrix.pod_nodes))


def _local(cell: Cell, seen: Observation, matrix: Matrix) -> bool:
    return seen.result != "answered" or matrix.pod_nodes.get((cell.key.namespace, seen.pod)) == cell.node


def served(service: Mapping[str, Any]) -> Iterable[tuple[PortKey, int, list[str]]]:
    """(port, number, VIPs) of what is reachable from outside: the node port, then the service port on each VIP."""
    spec, meta = service["spec"], service["metadata"]
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress", ())
    vips = [i["ip"] for i in ingress if i.get("ip") and i.get("ipMode", "VIP") == "VIP"] + spec.get(
        "externalIPs", []
    )
    for family in spec.get("ipFamilies", ()):
        own = [vip for vip in vips if family_of(vip) == family]
        for port in spec.get("ports", ()):
            key = PortKey(meta["namespace"], meta["name"], port.get("name", ""), port["protocol"], family)
            if port.get("nodePort"):
                yield key, port["nodePort"], []
            if own:
                yield key, port["port"], own


def _cells(lab: Lab, key: PortKey, number: int, vips: list[str]) -> dict[Cell, Probe]:
    cells = [
        Cell(key, node.name, address, number)
        for node in lab.nodes.running.values()
        for address in vips or [node.addresses.of(key.family)]
    ]
    return {cell: _probe(lab, cell) for cell in cells}


def _probe(lab: Lab, cell: Cell) -> Probe:
    kind: Kind = "http"
    if cell.key.protocol == "UDP":
        kind = "udp"
    elif cell.key.port.startswith("tcp"):
        kind = "tcp"
    # A node's own address needs no mark; with one it takes the same way.
    return Probe(kind, cell.address, cell.number, mark=lab.nodes.running[cell.node].index)
