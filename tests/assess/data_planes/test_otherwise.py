"""What signs leave open: a node on which it makes a difference is uncertain, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import DataPlane, KnownDataPlane
from etpguard.assess.data_planes.inputs import Nodes
from etpguard.assess.data_planes.interface import NodePlanes, PlaneGroup
from etpguard.assess.data_planes.mixed import NOT_KNOWN, Rules
from etpguard.assess.data_planes.rule import Leaving
from etpguard.assess.node_states import Client
from etpguard.objects import EndpointSlice
from tests.assess.build import endpoint, endpoint_slice, service
from tests.assess.data_planes.states import ENDING, NODES, letters, no_labels, three_nodes

CILIUM = KnownDataPlane(DataPlane.CILIUM, version="v1.20.2", settings=())
KUBE_PROXY = KnownDataPlane(DataPlane.KUBE_PROXY, how="the DaemonSet")
CALICO = KnownDataPlane(DataPlane.CALICO_EBPF)
ANTREA = KnownDataPlane(DataPlane.ANTREA)
OTHER_CILIUM = KnownDataPlane(
    DataPlane.CILIUM, version="v1.20.2", settings=(("k8s-service-proxy-name", "cilium"),)
)
KUBE_ROUTER = KnownDataPlane(DataPlane.KUBE_ROUTER)
OTHER = KnownDataPlane(DataPlane.OTHER)
N1, N2, N3 = 1, 2, 4
ALL = N1 | N2 | N3


def cluster(*groups: tuple[KnownDataPlane, int], otherwise: tuple[NodePlanes, ...] = ()) -> NodePlanes:
    return NodePlanes(tuple(PlaneGroup(plane, nodes) for plane, nodes in groups), (), otherwise)


def found(planes: NodePlanes, *endpoints: Any, **spec: Any) -> Any:
    table = three_nodes()
    assert [table.bit(name) for name in NODES] == [N1, N2, N3]
    states = Rules(planes).states(service(**spec), [endpoint_slice(endpoints)], Nodes(table.bit, no_labels), {})
    (port,) = states.ports
    return letters(port, table), port, states


@pytest.mark.parametrize(
    ("first", "second", "endpoints", "expected"),
    [
        pytest.param(CILIUM, KUBE_PROXY, [endpoint("n1")], "RDD", id="the same nodes forward"),
        pytest.param(CILIUM, KUBE_PROXY, [endpoint("n1"), endpoint(None)], "R??", id="an endpoint without a node"),
        pytest.param(KUBE_PROXY, CILIUM, [endpoint("n1"), endpoint(None)], "R??", id="the other way round"),
        pytest.param(
            KUBE_PROXY, CALICO, [endpoint("n1"), endpoint("n2", **ENDING)], "R?D", id="a terminating one"
        ),
        pytest.param(KUBE_PROXY, CALICO, [endpoint("n2", **ENDING)], "???", id="and no other one"),
        pytest.param(KUBE_PROXY, KUBE_PROXY, [endpoint("n1"), endpoint(None)], "RDD", id="no difference"),
        pytest.param(KUBE_PROXY, OTHER, [endpoint("n1")], "???", id="one that has no rule"),
    ],
)
def test_what_makes_a_difference_is_uncertain(
    first: KnownDataPlane, second: KnownDataPlane, endpoints: list[Any], expected: str
) -> None:
    planes = cluster((first, ALL), otherwise=(cluster((second, ALL)),))
    assert found(planes, *endpoints)[0] == expected


def test_the_reason_names_what_is_open() -> None:
    planes = cluster((CILIUM, ALL), otherwise=(cluster((KUBE_PROXY, ALL)),))
    _, port, _ = found(planes, endpoint("n1"), endpoint(None))
    reason = port.doubt(N2)
    assert (reason.code, reason.detail) == (NOT_KNOWN, "the DaemonSet. Name the right one by --data-plane")
    assert port.doubt(N1) is None


def test_only_the_nodes_that_are_open_are_uncertain() -> None:
    """n1 and n2 are surely Cilium's; n3 may have kube-proxy."""
    planes = cluster((CILIUM, ALL), otherwise=(cluster((CILIUM, N1 | N2), (KUBE_PROXY, N3)),))
    assert found(planes, endpoint("n1"), endpoint(None))[0] == "RR?"


def test_what_a_client_meets_is_not_known_where_only_that_differs() -> None:
    planes = cluster((CILIUM, ALL), otherwise=(cluster((KUBE_PROXY, ALL)),))
    _, port, _ = found(planes, endpoint("n1"))
    assert port.client(N2 | N3) is Client.NOT_KNOWN
    assert found(cluster((CILIUM, ALL)), endpoint("n1"))[1].client(N2) is Client.REFUSED


def test_health_checks_that_differ_are_not_known() -> None:
    """Cilium counts an endpoint without a node on every node, kube-proxy on none."""
    planes = cluster((CILIUM, ALL), otherwise=(cluster((KUBE_PROXY, ALL)),))
    _, _, states = found(planes, endpoint("n1"), endpoint(None), type="LoadBalancer", healthCheckNodePort=31000)
    assert states.health_not_known & ALL == N2 | N3


ON_N1 = endpoint_slice([endpoint("n1")])
NAMELESS = [{"name": "", "protocol": "TCP", "port": 8080}]


@pytest.mark.parametrize(
    ("for_pods", "given", "expected", "client"),
    [
        pytest.param(None, ON_N1, "RDD", Client.TIMEOUT, id="kube-proxy alone"),
        pytest.param(CILIUM, ON_N1, "RDD", Client.NOT_KNOWN, id="the same nodes"),
        pytest.param(ANTREA, ON_N1, "RDD", Client.NOT_KNOWN, id="Antrea"),
        pytest.param(ANTREA, endpoint_slice([endpoint(None)]), "DDD", Client.NOT_KNOWN, id="nowhere in both"),
        pytest.param(CILIUM, endpoint_slice([endpoint("n1"), endpoint(None)]), "R??", None, id="no nodeName"),
        pytest.param(CILIUM, endpoint_slice([endpoint("n1")], NAMELESS), "???", None, id="a port without a name"),
        pytest.param(OTHER_CILIUM, ON_N1, "RDD", Client.TIMEOUT, id="Cilium of other Services"),
    ],
)
def test_another_data_plane_serves_the_pods_of_the_nodes(
    for_pods: KnownDataPlane | None, given: EndpointSlice, expected: str, client: Client | None
) -> None:
    table = three_nodes()
    rules = Rules(cluster((KnownDataPlane(DataPlane.KUBE_PROXY, for_pods=for_pods), ALL)))
    (port,) = rules.internal_ports(service(), [given], Nodes(table.bit, no_labels))
    assert letters(port, table) == expected
    assert {each.reason.code for each in port.uncertain} <= {"TwoDataPlanes"}
    if client:
        assert port.client(ALL) is client
    (outside,) = rules.states(service(), [given], Nodes(table.bit, no_labels), None).ports
    assert not outside.uncertain


@pytest.mark.parametrize(
    ("endpoints", "codes"),
    [
        pytest.param([endpoint("n1")], ["InternalPolicyNotKnown"], id="the same endpoints"),
        pytest.param([endpoint(None)], ["InternalPolicyNotKnown", "TwoDataPlanes"], id="no nodeName"),
    ],
)
def test_the_doubt_about_the_data_plane_of_the_pods_keeps_its_reason(
    endpoints: list[Any], codes: list[str]
) -> None:
    settings = (("enable-internal-traffic-policy", "false"),)
    old = KnownDataPlane(DataPlane.CILIUM, version="v1.17.4", settings=settings)
    table = three_nodes()
    rules = Rules(cluster((KnownDataPlane(DataPlane.KUBE_PROXY, for_pods=old), ALL)))
    (port,) = rules.internal_ports(service(), [endpoint_slice(endpoints)], Nodes(table.bit, no_labels))
    assert [each.reason.code for each in port.uncertain] == codes
    reason = port.doubt(ALL)
    assert reason is not None
    assert "enable-internal-traffic-policy" in reason.detail


@pytest.mark.parametrize(
    ("first", "second"),
    [(KUBE_PROXY, KUBE_ROUTER), (KUBE_ROUTER, KUBE_PROXY), (KUBE_ROUTER, OTHER)],
    ids=lambda plane: plane.name.value,
)
def test_port_10256_is_not_known(first: KnownDataPlane, second: KnownDataPlane) -> None:
    rules = Rules(cluster((first, ALL), otherwise=(cluster((second, ALL)),)))
    assert any(nodes & N1 for nodes, _ in rules.healthz[Leaving.NO].not_known)
    same = Rules(cluster((KUBE_PROXY, ALL), otherwise=(cluster((KUBE_PROXY, ALL)),)))
    assert not same.healthz[Leaving.NO].not_known
