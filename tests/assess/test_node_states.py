"""kube-proxy's rule case by case; each names its source in Kubernetes 1.37.2 (by default under pkg/proxy)."""

from __future__ import annotations

import pytest

from etpguard.assess.node_states import (
    Client,
    PortState,
    client_of,
    external_ports,
    ip_families,
    policy_applies,
    proxied,
)
from etpguard.cluster import NodeTable
from etpguard.objects import EndpointSlice
from tests.assess.build import endpoint, endpoint_slice, service
from tests.assess.data_planes.states import ENDING, HTTP, Json, service_states, states


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        pytest.param([], "JJJ", id="none at all (iptables/proxier.go:888)"),
        pytest.param([endpoint("n1")], "RDD", id="ready on one node (iptables/proxier.go:905)"),
        pytest.param([endpoint("n1"), endpoint("n2"), endpoint("n3")], "RRR", id="ready on each"),
        pytest.param([endpoint("n1", ready=None)], "RDD", id="nil ready is ready (endpointslicecache.go:211)"),
        pytest.param([endpoint("n1", ready=False)], "JJJ", id="not ready is no endpoint (topology.go:110)"),
        pytest.param([endpoint("n1", **ENDING)], "TDD", id="only serving and terminating (topology.go:115)"),
        pytest.param(
            [endpoint("n1", **ENDING), endpoint("n2")], "TRD", id="falls back on its node, though ready elsewhere"
        ),
        pytest.param(
            [endpoint("n1", "10.0.0.1"), endpoint("n1", "10.0.0.2", **ENDING)], "RDD", id="ready beats terminating"
        ),
        pytest.param(
            [endpoint("n1", ready=False, terminating=True)],
            "TDD",
            id="nil serving is serving (endpointslicecache.go:212)",
        ),
        pytest.param(
            [endpoint("n1", ready=False, serving=False, terminating=True)], "JJJ", id="terminating, not serving"
        ),
        pytest.param([endpoint("n1", ready=False, serving=True)], "JJJ", id="serving, nil terminating is not"),
        pytest.param(
            [endpoint("n1", ready=True, terminating=True)], "RDD", id="ready while terminating counts as ready"
        ),
        pytest.param([endpoint(None)], "DDD", id="nil nodeName is local nowhere (endpointslicecache.go:209)"),
        pytest.param([endpoint("gone")], "DDD", id="on a node without a Node object"),
        pytest.param([endpoint("N1")], "DDD", id="node names are compared exactly (endpointslicecache.go:255)"),
        pytest.param([{"addresses": [], "nodeName": "n1"}], "JJJ", id="no address (endpointslicecache.go:204)"),
        pytest.param(
            [endpoint("n1", "10.0.0.1"), endpoint("n2", "10.0.0.1", **ENDING)],
            "RDD",
            id="a terminating copy replaces nothing (endpointslicecache.go:247)",
        ),
        pytest.param(
            [endpoint("n2", "10.0.0.1", **ENDING), endpoint("n1", "10.0.0.1")],
            "RDD",
            id="a running copy replaces a terminating one",
        ),
        pytest.param(
            [endpoint("n2", "10.0.0.1", **ENDING), endpoint("n1", "10.0.0.1", ready=False)],
            "JJJ",
            id="even one that is not ready",
        ),
        pytest.param(
            [endpoint("n2", "10.0.0.1", **ENDING), endpoint("n1", "10.0.0.01", ready=False)],
            "JJJ",
            id="one IP in two spellings (endpointslicecache.go:231)",
        ),
    ],
)
def test_endpoints(endpoints: list[Json], expected: str) -> None:
    assert states(endpoint_slice(endpoints)) == expected


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        pytest.param([HTTP], "RDD", id="name and protocol agree"),
        pytest.param([{**HTTP, "port": 1}], "RDD", id="numbers are never compared"),
        pytest.param([{**HTTP, "name": "web"}], "JJJ", id="another name"),
        pytest.param([{**HTTP, "protocol": "UDP"}], "JJJ", id="another protocol"),
        pytest.param([{**HTTP, "protocol": None}], "RDD", id="no protocol is TCP"),
        pytest.param([{**HTTP, "port": 0}], "JJJ", id="number 0 (endpointslicecache.go:178)"),
        pytest.param([{**HTTP, "port": None}], "JJJ", id="no number"),
        pytest.param([{**HTTP, "name": None}], "JJJ", id="no name"),
        pytest.param([HTTP, {**HTTP, "port": 9090}], "RDD", id="two targets under one name"),
        pytest.param([], "JJJ", id="the placeholder slice without ports"),
    ],
)
def test_ports(ports: list[Json], expected: str) -> None:
    assert states(endpoint_slice([endpoint("n1")], ports)) == expected


@pytest.mark.parametrize(
    ("slice_", "expected"),
    [
        pytest.param(
            endpoint_slice([endpoint("n1")], labels={"service.kubernetes.io/headless": ""}),
            "JJJ",
            id="headless label (cmd/kube-proxy/app/server.go:592)",
        ),
        pytest.param(
            endpoint_slice([endpoint("n1")], labels={"service.kubernetes.io/service-proxy-name": "x"}),
            "RDD",
            id="service-proxy-name means nothing on a slice",
        ),
        pytest.param(
            endpoint_slice([endpoint("n1")], family="IPv6"),
            "JJJ",
            id="another family (endpointschangetracker.go:82)",
        ),
        pytest.param(endpoint_slice([endpoint("n1")], family="FQDN"), "JJJ", id="FQDN"),
    ],
)
def test_slices(slice_: EndpointSlice, expected: str) -> None:
    assert states(slice_) == expected


@pytest.mark.parametrize("name", [{}, {"name": ""}, {"name": None}])
def test_in_a_file_the_name_of_a_port_is_optional(name: Json) -> None:
    """pkg/apis/discovery/v1/defaults.go SetDefaults_EndpointPort."""
    slice_ = endpoint_slice([endpoint("n1")], [{"port": 8080, **name}])
    assert states(slice_, ports=[{"port": 80, "nodePort": 30080}]) == "RDD"


def test_slices_are_united() -> None:
    one, other = endpoint_slice([endpoint("n1")], name="a"), endpoint_slice([endpoint("n3")], name="b")
    assert states(one, other) == "RDR"


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        pytest.param({"node": "n1"}, "RDD", id="the same"),
        pytest.param({"node": None}, "?DD", id="of no node"),
        pytest.param({"node": "n2"}, "??D", id="of another node"),
        pytest.param({"node": "n1", "ready": False}, "?DD", id="not ready"),
        pytest.param({"node": "n1", **ENDING}, "RDD", id="a terminating copy loses"),
    ],
)
def test_copies_that_differ_are_not_defined(copy: Json, expected: str) -> None:
    """endpointslicecache.go:247: the slices are in a map, whose order differs."""
    one = endpoint_slice([endpoint("n1", "10.0.0.1"), endpoint("n4", "10.0.0.4")], name="a")
    conditions = {name: value for name, value in copy.items() if name != "node"}
    for name in ("b", "0"):
        other = endpoint_slice([endpoint(copy["node"], "10.0.0.1", **conditions)], name=name)
        assert states(one, other) == expected


def test_a_node_with_another_ready_endpoint_is_defined() -> None:
    one = endpoint_slice([endpoint("n1", "10.0.0.1"), endpoint("n1", "10.0.0.2")], name="a")
    other = endpoint_slice([endpoint("n1", "10.0.0.1", ready=False)], name="b")
    assert states(one, other) == "RDD"


def test_two_target_ports_under_one_name_do_not_hide_each_other() -> None:
    old = endpoint_slice([endpoint("n1", "10.0.0.1", ready=False)], [{**HTTP, "port": 8080}], name="a")
    new = endpoint_slice([endpoint("n1", "10.0.0.1")], [{**HTTP, "port": 9090}], name="b")
    assert states(old, new) == states(new, old) == "RDD"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, "http/IPv4", id="NodePort"),
        pytest.param({"type": "ClusterIP"}, "", id="ClusterIP (pkg/api/v1/service/util.go:71)"),
        pytest.param({"type": None, "externalIPs": ["198.51.100.1"]}, "http/IPv4", id="no type is ClusterIP"),
        pytest.param({"type": "ExternalName", "clusterIP": ""}, "", id="ExternalName (util/utils.go:63)"),
        pytest.param({"clusterIP": "None"}, "", id="headless (util/utils.go:58)"),
        pytest.param({"clusterIP": None, "clusterIPs": None}, "http/IPv4", id="a manifest, no cluster IP yet"),
        pytest.param({"clusterIP": "", "clusterIPs": None}, "http/IPv4", id="the same, written as an empty text"),
        pytest.param({"ports": [{"port": 80}]}, "", id="no node port, no VIP (serviceport.go:164)"),
        pytest.param({"ports": [{"port": 80}], "externalIPs": ["198.51.100.1"]}, "/IPv4", id="external IP"),
        pytest.param(
            {"ports": [{"port": 80}], "externalIPs": ["2001:db8::1"]}, "", id="external IP, another family"
        ),
        pytest.param({"ports": [{"port": 80}], "externalIPs": [" "]}, "", id="external IP, none at all"),
        pytest.param(
            {"ports": [{"port": 80}], "externalIPs": ["::ffff:198.51.100.1"]},
            "/IPv4",
            id="external IP, IPv4-mapped",
        ),
        pytest.param({"allocateLoadBalancerNodePorts": False}, "http/IPv4", id="explicit node ports are honoured"),
        pytest.param({"ipFamilies": None}, "http/IPv4", id="family of the cluster IP (util/utils.go:190)"),
        pytest.param({"ipFamilies": None, "clusterIP": "fd00::1"}, "http/IPv6", id="family of an IPv6 cluster IP"),
        pytest.param(
            {"ipFamilies": ["IPv6", "IPv4"], "clusterIPs": ["fd00::1", "10.0.0.1"]},
            "http/IPv4 http/IPv6",
            id="dual stack, no family is primary",
        ),
        pytest.param(
            {"ipFamilies": ["IPv4", "IPv6"]}, "http/IPv4", id="a family without a cluster IP (util/utils.go:207)"
        ),
    ],
)
def test_external_ports(spec: Json, expected: str) -> None:
    base = {"ports": [{"name": "http", "port": 80, "nodePort": 30080}]}
    found = external_ports(service(**{**base, **spec}))
    assert " ".join(f"{port.label}/{family}" for port, family in found) == expected


@pytest.mark.parametrize(
    ("ingress", "served"),
    [
        pytest.param({"ip": "203.0.113.1"}, True, id="no mode is VIP"),
        pytest.param({"ip": "203.0.113.1", "ipMode": "VIP"}, True, id="VIP"),
        pytest.param({"ip": "203.0.113.1", "ipMode": "Proxy"}, False, id="Proxy"),
        pytest.param({"ip": "2001:db8::1"}, False, id="another family"),
        pytest.param({"hostname": "lb.example.com"}, False, id="hostname"),
        pytest.param({"ip": ""}, False, id="empty"),
    ],
)
def test_load_balancer_vips(ingress: Json, served: bool) -> None:
    balanced = service(ports=[{"port": 80}], type="LoadBalancer", status={"loadBalancer": {"ingress": [ingress]}})
    assert bool(external_ports(balanced)) is served


def test_service_proxy_name_hands_a_service_to_another_proxy() -> None:
    labelled = service(meta={"labels": {"service.kubernetes.io/service-proxy-name": ""}})
    assert not proxied(labelled)
    assert external_ports(labelled) == []


def test_a_service_that_is_being_deleted_still_counts() -> None:
    assert external_ports(service(meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})) != []


def test_policy_applies_by_type() -> None:
    assert [
        policy_applies(service(type=t)) for t in ("NodePort", "LoadBalancer", "ClusterIP", "ExternalName")
    ] == [
        True,
        True,
        False,
        False,
    ]


def test_families_without_any_address_are_those_of_ipv4() -> None:
    assert ip_families(service(ipFamilies=None, clusterIP=None, clusterIPs=None)) == ("IPv4",)


def healthy(*slices: EndpointSlice) -> list[str]:
    table = NodeTable()
    return table.names(service_states(service(), slices, table).healthy["IPv4"])


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        pytest.param([endpoint_slice([endpoint("n1")])], ["n1"], id="ready"),
        pytest.param([endpoint_slice([endpoint("n1", **ENDING)])], [], id="terminating is not counted"),
        pytest.param(
            [endpoint_slice([endpoint("n1")], [{**HTTP, "name": "other"}])],
            ["n1"],
            id="of any port in the slices (endpointschangetracker.go:268)",
        ),
        pytest.param(
            [
                endpoint_slice([endpoint("n1", "10.0.0.1")], [HTTP], name="a"),
                endpoint_slice([endpoint("n1", "10.0.0.1", ready=False)], [{**HTTP, "name": "x"}], name="b"),
            ],
            ["n1"],
            id="one port's copies have no say in another's",
        ),
        pytest.param(
            [endpoint_slice([endpoint("n1")], [{**HTTP, "port": None}])], [], id="not of a port without a number"
        ),
        pytest.param([endpoint_slice([endpoint("n1")], family="IPv6")], [], id="not of another family"),
    ],
)
def test_health_check_node_port(slices: list[EndpointSlice], expected: list[str]) -> None:
    assert healthy(*slices) == healthy(*reversed(slices)) == expected


@pytest.mark.parametrize(
    ("one", "placed", "addressed"),
    [
        pytest.param(endpoint("n1"), ["n1"], ["n1"], id="ready"),
        pytest.param(endpoint("n1", ready=False), ["n1"], ["n1"], id="not ready"),
        pytest.param(endpoint("n1", **ENDING), [], ["n1"], id="terminating"),
        pytest.param(endpoint("n1", ready=True, terminating=True), [], ["n1"], id="ready and terminating"),
        pytest.param(endpoint("n1", ready=False, serving=False, terminating=True), [], ["n1"], id="ended"),
        pytest.param(endpoint(None), [], [], id="without a node"),
    ],
)
def test_nodes_of_endpoints_by_condition(one: Json, placed: list[str], addressed: list[str]) -> None:
    """Of any port in the slices, also one that the Service does not have."""
    table = NodeTable()
    for ports in ([HTTP], [{**HTTP, "name": "other"}]):
        found = service_states(service(), [endpoint_slice([one], ports)], table)
        assert (table.names(found.placed), table.names(found.addressed)) == (placed, addressed)


def test_a_port_without_endpoints_does_not_change_what_clients_of_the_others_meet() -> None:
    """They time out on the second node; that the other port is refused there is not the fault of the policy."""
    dropped = PortState("http", 80, "TCP", "IPv4", 30080, ready=0b01, terminating=0, usable=True, silent=-1)
    rejected = PortState("idle", 81, "TCP", "IPv4", 30081, ready=0, terminating=0, usable=False)
    assert client_of([dropped, rejected], 0b10) is Client.TIMEOUT
    assert client_of([rejected], 0b10) is None
