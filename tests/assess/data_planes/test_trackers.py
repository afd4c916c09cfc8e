"""The endpoints of a Service as the trackers of kube-proxy hold them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from etpguard.assess.data_planes.trackers import endpoints_by_node, sources, track
from etpguard.assess.node_states import HEADLESS, PortState
from tests.assess.build import endpoint, endpoint_slice

BITS = {"n1": 1, "n2": 2}
HTTP = PortState("http", 80, "TCP", "IPv4", 30080, 0, 0, usable=True)


def bit(name: str) -> int:
    return BITS.get(name, 0)


def test_endpoints_are_listed_by_node_and_those_without_one_apart() -> None:
    first = endpoint_slice([endpoint("n1"), endpoint(None)], name="web-a")
    second = endpoint_slice([endpoint("n2", ready=False)], name="web-b")
    found = endpoints_by_node([second, first], HTTP)
    assert found is not None
    assert {node: len(here) for node, here in found.items()} == {"n1": 1, "": 1, "n2": 1}


def test_a_port_that_no_slice_has_is_none() -> None:
    assert endpoints_by_node([endpoint_slice([endpoint("n1")])], replace(HTTP, port="https")) is None
    assert endpoints_by_node([], HTTP) is None


@pytest.mark.parametrize(
    "slice_",
    [
        pytest.param(endpoint_slice([endpoint("n1")], family="IPv6"), id="another family"),
        pytest.param(endpoint_slice([endpoint("n1")], family="FQDN"), id="host names"),
        pytest.param(endpoint_slice([endpoint("n1")], labels={HEADLESS: ""}), id="headless"),
        pytest.param(
            endpoint_slice([endpoint("n1")], ports=[{"name": "http", "protocol": "TCP"}]), id="no number"
        ),
        pytest.param(endpoint_slice([endpoint("n1")], ports=()), id="no port"),
    ],
)
def test_slices_that_do_not_count(slice_: object) -> None:
    assert sources([slice_], ("IPv4",)) == {}  # type: ignore[list-item]


def test_an_endpoint_without_an_address_does_not_count() -> None:
    empty = {"addresses": [], "nodeName": "n1"}
    found = track([endpoint_slice([empty, endpoint("n2")])], ("IPv4",), bit)
    assert (found.by_port["IPv4", "http", "TCP"].ready, found.addressed) == (2, 2)


def test_a_terminating_copy_never_replaces_another_one() -> None:
    ready = endpoint("n1", "10.0.0.1")
    ending = endpoint("n2", "10.0.0.1", ready=False, serving=True, terminating=True)
    slices = [endpoint_slice([ready], name="web-a"), endpoint_slice([ending], name="web-b")]
    assert track(slices, ("IPv4",), bit).by_port["IPv4", "http", "TCP"].ready == 1


def test_nodes_with_several_endpoints_are_counted() -> None:
    ready = [endpoint("n1", f"10.0.0.{number}") for number in range(3)]
    ending = [
        endpoint("n2", f"10.0.1.{number}", ready=False, serving=True, terminating=True) for number in range(2)
    ]
    found = track([endpoint_slice([*ready, *ending])], ("IPv4",), bit).by_port["IPv4", "http", "TCP"]
    assert (found.ready, found.terminating, found.crowded) == (1, 2, (3, 1))


def test_ports_with_the_same_endpoints_share_their_node_sets() -> None:
    ports = [{"name": name, "protocol": "TCP", "port": number} for name, number in (("a", 1), ("b", 2))]
    by_port = track([endpoint_slice([endpoint("n1")], ports)], ("IPv4",), bit).by_port
    assert by_port["IPv4", "a", "TCP"] is by_port["IPv4", "b", "TCP"]
