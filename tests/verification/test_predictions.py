"""Which connections are tried, on which nodes, and what is predicted there."""

from __future__ import annotations

import msgspec

from etpguard.assess import Assessment, Outcome, PortState
from etpguard.assess.node_states import ServiceStates
from etpguard.assess.outcome import Reason
from etpguard.cluster import NodeTable
from etpguard.objects import IPFamily, Key, Node
from etpguard.verification.predictions import (
    MOST_PORTS,
    eligible_nodes,
    node_addresses,
    predict,
    spread_over_states,
)

NAMES = [f"node{number:03}" for number in range(100)]


def table() -> NodeTable:
    made = NodeTable()
    for name in NAMES:
        made.add(name)
    return made


def port(
    nodes: NodeTable, *ready: str, protocol: str = "TCP", node_port: int = 30851, usable: bool = True
) -> PortState:
    bits = 0
    for name in ready:
        bits |= nodes.bit(name)
    return PortState("http", 80, protocol, "IPv4", node_port, bits, 0, usable)


def assessment(nodes: NodeTable, *ports: PortState, eligible: int = 0) -> Assessment:
    return Assessment(
        key=Key("default", "web"), uid="u", type="NodePort", policy="Local", outcome=Outcome.Uncovered,
        reason=Reason("Uncovered"), ports=ports, consumers=(), nodes=nodes.present, eligible=eligible,
    )  # fmt: skip


def health(open_: int = -1, **healthy: int) -> ServiceStates:
    by_family: dict[IPFamily, int] = {"IPv4": healthy["IPv4"]} if healthy else {}
    return ServiceStates((), by_family, health_port_open=open_)


def test_a_sample_has_nodes_of_each_state() -> None:
    """One node of a hundred has an endpoint: every sample has it."""
    nodes = table()
    found = assessment(nodes, port(nodes, "node057"))
    sample = spread_over_states(found, nodes, nodes.present, 5)
    assert len(sample) == 5
    assert "node057" in sample
    assert sample == sorted(sample)
    assert spread_over_states(found, nodes, nodes.present, 0) == NAMES
    assert spread_over_states(found, nodes, nodes.bit("node003"), 5) == ["node003"]


def test_what_is_not_tried_is_said() -> None:
    nodes = table()
    udp, vip = port(nodes, protocol="UDP"), port(nodes, node_port=0)
    found = assessment(nodes, port(nodes, "node001"), udp, vip)
    addresses = {"node001": ["2001:db8::1", "192.0.2.1", "192.0.2.2"], "node002": ["2001:db8::2"]}
    made = predict(found, nodes, ["node001", "node002", "node003"], addresses, health(IPv4=nodes.bit("node001")))
    assert [(row.node, row.address, row.state) for row in made.rows] == [("node001", "192.0.2.1", "ready")]
    assert made.health == {("node001", "IPv4"): True, ("node002", "IPv4"): False, ("node003", "IPv4"): False}
    assert any("UDP" in note for note in made.notes)
    assert any("no node port" in note for note in made.notes)
    assert sum("no IPv4 address" in note for note in made.notes) == 2


def test_states() -> None:
    nodes = table()
    addresses = {name: [f"192.0.2.{number}"] for number, name in enumerate(NAMES[:3], 1)}
    found = assessment(nodes, port(nodes, "node000"))
    assert [row.state for row in predict(found, nodes, NAMES[:3], addresses, health()).rows] == [
        "ready",
        *["dropped"] * 2,
    ]
    nothing = assessment(nodes, port(nodes, usable=False))
    assert {row.state for row in predict(nothing, nodes, NAMES[:3], addresses, health()).rows} == {"rejected"}


def test_without_eligible_nodes_all_are_tried() -> None:
    nodes = table()
    assert eligible_nodes(assessment(nodes, eligible=nodes.bit("node001"))) == nodes.bit("node001")
    assert eligible_nodes(assessment(nodes)) == nodes.present


def test_health_check_node_port_is_predicted_only_where_it_is_known() -> None:
    nodes = table()
    made = predict(assessment(nodes), nodes, ["node001", "node002"], {}, health(nodes.bit("node002"), IPv4=0))
    assert made.health == {("node002", "IPv4"): False}


def test_a_number_that_is_no_port_is_not_tried() -> None:
    """In a file. The API server has none."""
    nodes = table()
    ports = [port(nodes, node_port=number) for number in (70000, -1, 65535)]
    made = predict(assessment(nodes, *ports), nodes, NAMES[:1], {NAMES[0]: ["192.0.2.1"]}, health())
    assert [row.node_port for row in made.rows] == [65535]
    assert "port http is not tried: its node port is 70000" in made.notes


def test_one_service_has_no_node_scanned() -> None:
    nodes = table()
    ports = [port(nodes, node_port=number) for number in range(1, 1001)]
    addresses = {name: ["192.0.2.1"] for name in NAMES}
    made = predict(assessment(nodes, *ports), nodes, NAMES[:2], addresses, health())
    assert len(made.rows) == 2 * MOST_PORTS
    assert "936 more ports are not tried: on each node the first 64 are" in made.notes


def test_an_address_is_spelt_as_the_c_library_reads_it() -> None:
    """It reads a leading zero as octal: 010.0.0.12 would be 8.0.0.12."""
    addresses = [{"type": "InternalIP", "address": text} for text in ("010.0.0.12", "::ffff:10.0.0.9")]
    node = msgspec.convert({"metadata": {"name": "a"}, "status": {"addresses": addresses}}, Node)
    assert node_addresses([node], "InternalIP") == {"a": ["10.0.0.12", "10.0.0.9"]}
