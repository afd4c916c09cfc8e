"""What etpguard predicts for the node ports of one Service, one row for each node, port and family. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from etpguard.assess import Assessment, PortState
from etpguard.assess.node_states import Client, Frontend, ServiceStates
from etpguard.cluster import NodeTable
from etpguard.objects import IPFamily, Node
from etpguard.objects.addresses import canonical, family_of

State = Literal["ready", "terminating", "dropped", "rejected"]
AddressType = Literal["InternalIP", "ExternalIP"]

MOST_PORTS = 64
"""Ports that are tried on each node, as many as a report has. One object must not make a scan of a network."""

FORWARDING: frozenset[State] = frozenset({"ready", "terminating"})


@dataclass(frozen=True, slots=True)
class Prediction:
    """One connection to try: `node_port` of the node at `address`, and the state that etpguard predicts there."""

    node: str
    address: str
    family: IPFamily
    port: str
    node_port: int
    state: State
    client: Client | None = None
    """What happens to a client if the node does not forward; None if it forwards."""
    doubt: str = ""
    """Why the state is not known; "" if it is."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """`rows` in the order of nodes, ports and families. `health`: for each node and family whether
    healthCheckNodePort is predicted to answer 200. It has no entry if the answer is not predicted. `left_out`:
    eligible nodes above the limit. `notes`: what is not tried, and why."""

    rows: tuple[Prediction, ...]
    health: Mapping[tuple[str, IPFamily], bool]
    left_out: int = 0
    notes: tuple[str, ...] = ()


def is_port(number: int) -> bool:
    return 0 < number < 65536


def eligible_nodes(assessment: Assessment) -> int:
    """The nodes to which a consumer sends. Without a known consumer, the nodes that a client may address. If no
    node is eligible, all nodes."""
    found = 0
    for verdict in assessment.consumers:
        found |= verdict.eligible
    return (found or assessment.eligible) & assessment.nodes or assessment.nodes


def predict(
    assessment: Assessment,
    table: NodeTable,
    chosen: Sequence[str],
    addresses: Mapping[str, Sequence[str]],
    states: ServiceStates,
) -> Predictions:
    """The predictions for the nodes `chosen`. `addresses`: those to try for each node. At most one of each IP
    family is used. `states` are those of the Service, for its healthCheckNodePort."""
    rows: list[Prediction] = []
    notes: dict[str, None] = {}
    ports: list[PortState] = []
    for port in assessment.ports:
        if not port.node_port:
            continue
        if port.protocol != "TCP":
            notes[
                f"port {port.port or port.number}/{port.protocol} is not tried: only TCP says that it connects"
            ] = None
        elif not is_port(port.node_port):
            notes[f"port {port.port or port.number} is not tried: its node port is {port.node_port}"] = None
        else:
            ports.append(port)
    if (more := len(ports) - MOST_PORTS) > 0:
        notes[f"{more} more ports are not tried: on each node the first {MOST_PORTS} are"] = None
    if without := [port for port in assessment.ports if not port.node_port]:
        names = ", ".join(dict.fromkeys(str(port.port or port.number) for port in without))
        notes[f"port {names} has no node port, so nothing on a node can be tried for it"] = None
    for node in chosen:
        own: dict[IPFamily, str] = {}
        for address in addresses.get(node, ()):
            family = family_of(address)
            if family is not None:
                own.setdefault(family, address)
        for port in ports[:MOST_PORTS]:
            if port.family not in own:
                notes[f"node {node} has no {port.family} address of the wanted type"] = None
                continue
            rows.append(
                _prediction(node, own[port.family], port.seen_through(Frontend.NODE_PORT), table.bit(node))
            )
    return Predictions(tuple(rows), _health(states, table, chosen), notes=tuple(notes))


def _prediction(node: str, address: str, port: PortState, bit: int) -> Prediction:
    doubt = port.doubt(bit)
    return Prediction(
        node,
        address,
        port.family,
        port.port,
        port.node_port,
        state_of(port, bit),
        port.client(bit),
        str(doubt) if doubt else "",
    )


def _health(states: ServiceStates, table: NodeTable, chosen: Sequence[str]) -> dict[tuple[str, IPFamily], bool]:
    known = states.health_port_open & ~states.health_not_known
    return {
        (node, family): bool(healthy & table.bit(node))
        for family, healthy in states.healthy.items()
        for node in chosen
        if known & table.bit(node)
    }


def state_of(port: PortState, node: int) -> State:
    """The state of a service port on one node, a set with one member."""
    if port.ready & node:
        return "ready"
    if port.terminating & node:
        return "terminating"
    return "rejected" if port.rejected(node) else "dropped"


def spread_over_states(assessment: Assessment, table: NodeTable, nodes: int, limit: int) -> list[str]:
    """The sorted names of at most `limit` nodes (0: all). The choice takes nodes from each combination of states
    in turn: a sample of 50 nodes out of 5,000 must not miss the only node with an endpoint."""
    names = table.names(nodes)
    if not limit or len(names) <= limit:
        return names
    groups: dict[tuple[State, ...], list[str]] = {}
    for name in names:
        bit = table.bit(name)
        groups.setdefault(tuple(state_of(port, bit) for port in assessment.ports), []).append(name)
    taken: list[str] = []
    queues = [iter(group) for group in sorted(groups.values(), key=len)]
    while queues and len(taken) < limit:
        for queue in tuple(queues):
            name = next(queue, "")
            if not name:
                queues.remove(queue)
            elif len(taken) < limit:
                taken.append(name)
    return sorted(taken)


def node_addresses(nodes: Iterable[Node], type_: AddressType) -> dict[str, list[str]]:
    """The addresses of one type of each node, in the order of its status. They are respelt, because the C library
    reads leading zeros as octal, and a node does not."""
    return {
        node.metadata.name: [
            canonical(a.address)
            for a in (node.status and node.status.addresses) or ()
            if a.type == type_ and family_of(a.address)
        ]
        for node in nodes
    }
