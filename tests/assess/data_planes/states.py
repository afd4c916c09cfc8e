"""The states of a Service under one data plane, or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from etpguard.assess import DataPlane, KnownDataPlane, PortState
from etpguard.assess.data_planes.inputs import Inputs, Nodes
from etpguard.assess.data_planes.mixed import rule_of
from etpguard.assess.data_planes.rule import Rule
from etpguard.assess.node_states import ServiceStates
from etpguard.cluster import NodeTable
from etpguard.objects import EndpointSlice, Requirement, Service
from tests.assess.build import service

Json = dict[str, Any]
NODES = ("n1", "n2", "n3")
KUBE_PROXY = KnownDataPlane(DataPlane.KUBE_PROXY)

HTTP: Json = {"name": "http", "protocol": "TCP", "port": 8080}
ENDING: Any = {"ready": False, "serving": True, "terminating": True}


def no_labels(requirements: tuple[Requirement, ...]) -> int:
    """The nodes that meet the requirements in a cluster without Node objects."""
    return 0


def labelled(
    table: NodeTable, labels: Mapping[str, Mapping[str, str]]
) -> Callable[[tuple[Requirement, ...]], int]:
    """The nodes that meet the requirements, by their labels."""

    def having(requirements: tuple[Requirement, ...]) -> int:
        found = 0
        for name, own in labels.items():
            if all(requirement.admits(dict(own)) for requirement in requirements):
                found |= table.bit(name)
        return found

    return having


def service_states(
    subject: Service,
    slices: Iterable[EndpointSlice],
    table: NodeTable,
    plane: KnownDataPlane = KUBE_PROXY,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    rule: Rule | None = None,
) -> ServiceStates:
    nodes = Nodes(table.bit, labelled(table, labels or {}))
    return (rule or rule_of(plane)).states(Inputs(subject, slices, nodes))


def letters(port: PortState, table: NodeTable, names: Sequence[str] = NODES) -> str:
    """A letter for each node: Ready, Terminating, Dropped, reJected; ? where the state is not known."""
    sets = {
        "?": port.doubtful,
        "R": port.ready,
        "T": port.terminating,
        "D": port.dropped(table.present),
        "J": port.rejected(table.present),
    }
    return "".join(
        next((letter for letter, nodes in sets.items() if nodes & table.bit(name)), "-") for name in names
    )


def three_nodes() -> NodeTable:
    table = NodeTable()
    for name in NODES:
        table.add(name)
    return table


def states(
    *slices: EndpointSlice,
    plane: KnownDataPlane = KUBE_PROXY,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    **spec: Any,
) -> str:
    """The letters of the only port of a Service."""
    table = three_nodes()
    found = service_states(service(**spec), slices, table, plane, labels)
    if not found.ports:
        return "not served"
    (port,) = found.ports
    return letters(port, table)
