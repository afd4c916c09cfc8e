"""What releases of Cilium read differently in a slice or a Service, and the nodes that each of them counts."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import DataPlane, KnownDataPlane
from etpguard.assess.data_planes.inputs import Inputs, Nodes
from etpguard.assess.data_planes.mixed import rule_of
from etpguard.objects import EndpointSlice
from tests.assess.build import endpoint, endpoint_slice, service
from tests.assess.data_planes.states import ENDING, Json, no_labels, service_states, states, three_nodes

NEW = KnownDataPlane(DataPlane.CILIUM, version="v1.20.2", settings=())
OLD = KnownDataPlane(DataPlane.CILIUM, version="v1.17.9", settings=())
BEFORE_HEADLESS = KnownDataPlane(DataPlane.CILIUM, version="v1.16.4", settings=())
BEFORE_MESH = KnownDataPlane(DataPlane.CILIUM, version="v1.15.19", settings=())
OF_SOME_RELEASE = KnownDataPlane(DataPlane.CILIUM, settings=())
READY = endpoint_slice([endpoint("n2", "10.0.0.2", ready=True, serving=True, terminating=False)], name="ready")


def first(made: Json, **meta: Any) -> EndpointSlice:
    """A slice with one endpoint on n1."""
    return endpoint_slice([made], name="first", **meta)


@pytest.mark.parametrize("name", ["a", "z"], ids=["before the other slice", "after the other slice"])
@pytest.mark.parametrize(
    ("conditions", "new", "old"),
    [
        pytest.param({"ready": False, "serving": True}, "DRD", "RRD", id="serving, neither ready nor terminating"),
        pytest.param({"ready": False, "terminating": True}, "TRD", "DRD", id="terminating, nil serving"),
    ],
)
def test_an_endpoint_that_releases_read_differently(name: str, conditions: Json, new: str, old: str) -> None:
    odd = endpoint_slice([endpoint("n1", "10.0.0.1", **conditions)], name=name)
    assert states(odd, READY, plane=NEW) == new
    assert states(odd, READY, plane=OLD) == old
    assert states(odd, READY, plane=OF_SOME_RELEASE) == "???"


def test_a_slice_in_maintenance_that_only_old_releases_read() -> None:
    hidden = first(endpoint("n1", "10.0.0.1", ready=True), annotations={"service.cilium.io/weight": "0"})
    assert states(hidden, READY, plane=NEW) == "DRD"
    assert states(hidden, READY, plane=OLD) == "RRD"
    assert states(hidden, READY, plane=OF_SOME_RELEASE) == "???"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(
            {"endpointslice.kubernetes.io/managed-by": "endpointslice-mesh-controller.cilium.io"},
            {BEFORE_MESH: "RRD", BEFORE_HEADLESS: "DRD", OLD: "DRD", NEW: "DRD"},
            id="of the cluster mesh: read before 1.16",
        ),
        pytest.param(
            {"service.kubernetes.io/headless": ""},
            {BEFORE_MESH: "DRD", BEFORE_HEADLESS: "DRD", OLD: "RRD", NEW: "DRD"},
            id="headless: read from 1.16.5 to 1.17",
        ),
    ],
)
def test_a_slice_with_a_label_that_only_some_releases_skip(
    labels: Json, expected: dict[KnownDataPlane, str]
) -> None:
    labelled = first(endpoint("n1", "10.0.0.1", ready=True), labels=labels)
    assert {plane: states(labelled, READY, plane=plane) for plane in expected} == expected
    assert states(labelled, READY, plane=OF_SOME_RELEASE) == "???"


def test_a_slice_of_the_mesh_that_changes_no_node_is_certain() -> None:
    mesh = {"endpointslice.kubernetes.io/managed-by": "endpointslice-mesh-controller.cilium.io"}
    again = first(endpoint("n2", "10.0.0.9", ready=True), labels=mesh)
    assert states(again, READY, plane=OF_SOME_RELEASE) == "DRD"


def test_families_that_only_new_releases_serve() -> None:
    subject = service(ipFamilies=None, clusterIP="10.96.0.1", clusterIPs=["10.96.0.1", "fd00::1"])
    ports = service_states(subject, [READY], three_nodes(), OF_SOME_RELEASE).ports
    assert [port.family for port in ports] == ["IPv4", "IPv6"]
    assert all(port.uncertain for port in ports)


@pytest.mark.parametrize("known", [NEW, OLD], ids=["1.20", "1.17"])
def test_the_nodes_that_endpoints_name(known: KnownDataPlane) -> None:
    ending = first(endpoint("n1", "10.0.0.1", **ENDING))
    found = service_states(service(), [ending, READY], three_nodes(), known)
    assert (found.placed & 0b111, found.addressed & 0b111) == (0b010, 0b011)
    assert (found.hosting & 0b111, found.hosting_ready & 0b111) == (0b011, 0b010)


@pytest.mark.parametrize(
    ("spec", "served"),
    [
        pytest.param({"clusterIP": "10.96.0.1"}, True, id="a cluster IP"),
        pytest.param({"clusterIP": None}, True, id="not allocated yet, as in a manifest"),
        pytest.param({"clusterIP": "", "ipFamilies": None}, True, id="the same, written as an empty text"),
        pytest.param({"clusterIP": "None"}, False, id="headless"),
        pytest.param({"clusterIP": "none"}, False, id="headless, in lower case"),
        pytest.param({"type": "ExternalName", "clusterIP": "10.96.0.1"}, False, id="ExternalName"),
    ],
)
def test_which_services_have_a_cluster_ip(spec: Json, served: bool) -> None:
    subject = service(internalTrafficPolicy="Local", **spec)
    inputs = Inputs(subject, [READY], Nodes(three_nodes().bit, no_labels))
    assert bool(rule_of(NEW).internal_ports(inputs)) is served
