"""The corners of each data plane, one case each: data planes read the same objects in different ways."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import DataPlane, KnownDataPlane
from etpguard.assess.data_planes.inputs import Inputs, Nodes
from etpguard.assess.data_planes.mixed import rule_of
from etpguard.assess.node_states import Client, Frontend, PortState, ServiceStates
from etpguard.objects import EndpointSlice
from tests.assess.build import endpoint, endpoint_slice, service
from tests.assess.data_planes.states import (
    ENDING,
    HTTP,
    KUBE_PROXY,
    Json,
    letters,
    no_labels,
    service_states,
    states,
    three_nodes,
)


def plane(name: DataPlane, version: str = "", **settings: str) -> KnownDataPlane:
    known = tuple(sorted((key.replace("_", "-"), value) for key, value in settings.items()))
    return KnownDataPlane(name, version=version, settings=known)


CILIUM = plane(DataPlane.CILIUM, "v1.20.2")
OLD_CILIUM = plane(DataPlane.CILIUM, "v1.17.9")
CILIUM_OF_SOME_VERSION = KnownDataPlane(DataPlane.CILIUM)
CALICO = plane(DataPlane.CALICO_EBPF, "v3.32.1")
OLD_CALICO = plane(DataPlane.CALICO_EBPF, "v3.30.3")
OVN = plane(DataPlane.OVN_KUBERNETES)
OPENSHIFT = plane(DataPlane.OVN_KUBERNETES, openshift="true")
ANTREA = plane(DataPlane.ANTREA)
KUBE_ROUTER = plane(DataPlane.KUBE_ROUTER)
WINKERNEL = plane(DataPlane.WINKERNEL)
OTHER = KnownDataPlane(DataPlane.OTHER)
IPVS = KnownDataPlane(DataPlane.KUBE_PROXY, mode="ipvs")

LINUX_PLANES = (KUBE_PROXY, CILIUM, OLD_CILIUM, CALICO, OVN, ANTREA, KUBE_ROUTER)
READY: Any = {"ready": True, "serving": True, "terminating": False}


def on(name: str | None, address: str = "10.0.0.1", **conditions: Any) -> Json:
    return endpoint(name, address, **(READY | conditions))


@pytest.mark.parametrize("known", LINUX_PLANES, ids=lambda known: f"{known.name.value} {known.version}")
@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        pytest.param([], "JJJ", id="no endpoint"),
        pytest.param([on("n1")], "RDD", id="ready on one node"),
        pytest.param([on("n1"), on("n2", "10.0.0.2")], "RRD", id="ready on two nodes"),
        pytest.param([on("n1", ready=False, serving=False)], "JJJ", id="not ready"),
    ],
)
def test_they_agree_on_plain_endpoints(known: KnownDataPlane, endpoints: list[Json], expected: str) -> None:
    assert states(endpoint_slice(endpoints), plane=known) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(KUBE_PROXY, "DDD", id="kube-proxy: local nowhere"),
        pytest.param(CILIUM, "RRR", id="Cilium: local everywhere"),
        pytest.param(OLD_CILIUM, "RRR", id="Cilium up to 1.17: local everywhere"),
        pytest.param(CALICO, "DDD", id="Calico: local nowhere"),
        pytest.param(OVN, "DDD", id="OVN-Kubernetes: local nowhere"),
        pytest.param(ANTREA, "DDD", id="Antrea: local nowhere"),
        pytest.param(KUBE_ROUTER, "DDD", id="kube-router: local nowhere"),
        pytest.param(WINKERNEL, "DDD", id="winkernel: local nowhere"),
        pytest.param(OTHER, "???", id="another one: not known"),
    ],
)
def test_nil_node_name(known: KnownDataPlane, expected: str) -> None:
    assert states(endpoint_slice([on(None)]), plane=known) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(KUBE_PROXY, "TDD", id="kube-proxy: true"),
        pytest.param(CILIUM, "TDD", id="Cilium from 1.18: true"),
        pytest.param(OLD_CILIUM, "JJJ", id="Cilium up to 1.17: as ready"),
        pytest.param(CILIUM_OF_SOME_VERSION, "???", id="Cilium of a version that is not known"),
        pytest.param(OVN, "JJJ", id="OVN-Kubernetes: as ready"),
        pytest.param(ANTREA, "TDD", id="Antrea: true"),
        pytest.param(KUBE_ROUTER, "JJJ", id="kube-router: not true"),
    ],
)
def test_nil_serving_of_a_terminating_endpoint(known: KnownDataPlane, expected: str) -> None:
    assert states(endpoint_slice([endpoint("n1", ready=False, terminating=True)]), plane=known) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(KUBE_PROXY, "TDD", id="kube-proxy falls back"),
        pytest.param(CILIUM, "TDD", id="Cilium falls back"),
        pytest.param(
            plane(DataPlane.CILIUM, "v1.16.0", enable_k8s_terminating_endpoint="false"),
            "JJJ",
            id="Cilium up to 1.17 without the option",
        ),
        pytest.param(CALICO, "JJJ", id="Calico never does"),
        pytest.param(OVN, "TDD", id="OVN-Kubernetes falls back"),
        pytest.param(ANTREA, "TDD", id="Antrea falls back"),
        pytest.param(KUBE_ROUTER, "TDD", id="kube-router forwards to it at any time"),
        pytest.param(WINKERNEL, "DDD", id="winkernel only at a load balancer's address"),
    ],
)
def test_only_terminating_endpoints(known: KnownDataPlane, expected: str) -> None:
    assert states(endpoint_slice([endpoint("n1", **ENDING)]), plane=known) == expected


def test_a_serving_endpoint_that_is_neither_ready_nor_terminating() -> None:
    slice_ = endpoint_slice([on("n1", ready=False)])
    expected = {KUBE_PROXY: "JJJ", CILIUM: "JJJ", OLD_CILIUM: "RDD", OVN: "JJJ", KUBE_ROUTER: "TDD"}
    assert {known: states(slice_, plane=known) for known in expected} == expected


@pytest.mark.parametrize(
    ("ports", "spec", "expected"),
    [
        pytest.param([{**HTTP, "name": ""}], {}, {KUBE_PROXY: "JJJ", CILIUM: "RDD"}, id="unnamed slice port"),
        pytest.param([{**HTTP, "name": None}], {}, {KUBE_PROXY: "JJJ", CILIUM: "RDD"}, id="no name at all"),
        pytest.param(
            [{**HTTP, "name": "web"}],
            {"ports": [{"port": 80, "nodePort": 30080}]},
            {KUBE_PROXY: "JJJ", CILIUM: "RDD", OLD_CILIUM: "JJJ"},
            id="unnamed Service port",
        ),
        pytest.param(
            [{**HTTP, "name": "", "protocol": "UDP"}], {}, {CILIUM: "JJJ"}, id="unnamed, of another protocol"
        ),
        pytest.param(
            [{**HTTP, "protocol": "UDP"}],
            {},
            {KUBE_PROXY: "JJJ", CILIUM: "JJJ", OVN: "JJJ", KUBE_ROUTER: "RDD", OLD_CILIUM: "RDD"},
            id="another protocol",
        ),
    ],
)
def test_port_names(ports: list[Json], spec: Json, expected: dict[KnownDataPlane, str]) -> None:
    slice_ = endpoint_slice([on("n1")], ports)
    assert {known: states(slice_, plane=known, **spec) for known in expected} == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param(KUBE_PROXY, {"TCP": "RRR", "SCTP": "RRR"}, id="kube-proxy"),
        pytest.param(OVN, {"TCP": "RRR", "SCTP": "RRR"}, id="OVN-Kubernetes"),
        pytest.param(ANTREA, {"TCP": "RRR", "SCTP": "RRR"}, id="Antrea"),
        pytest.param(CILIUM, {"TCP": "RRR", "SCTP": "???"}, id="Cilium"),
        pytest.param(OLD_CILIUM, {"TCP": "RRR", "SCTP": "???"}, id="Cilium up to 1.17"),
        pytest.param(CALICO, {"TCP": "RRR", "SCTP": "???"}, id="Calico"),
        pytest.param(KUBE_ROUTER, {"TCP": "RRR", "SCTP": "???"}, id="kube-router"),
        pytest.param(WINKERNEL, {"TCP": "RRR", "SCTP": "???"}, id="winkernel"),
    ],
)
def test_planes_without_sctp(known: KnownDataPlane, expected: Json) -> None:
    sctp: Json = {"name": "s1ap", "protocol": "SCTP", "port": 36412}
    endpoints = [on("n1", "10.0.0.1"), on("n2", "10.0.0.2"), on("n3", "10.0.0.3")]
    table = three_nodes()
    subject = service(ports=[{**HTTP, "port": 80, "nodePort": 30080}, {**sctp, "nodePort": 30081}])
    inputs = Inputs(subject, [endpoint_slice(endpoints, [HTTP, sctp])], Nodes(table.bit, no_labels))
    rule = rule_of(known)
    for ports in (rule.states(inputs).ports, rule.internal_ports(inputs)):
        assert {port.protocol: letters(port, table) for port in ports} == expected
        assert {each.reason.code for port in ports for each in port.uncertain} <= {"ProtocolNotServed"}


def test_second_addresses_and_copies() -> None:
    """The second address of one endpoint is a copy of the first of another: the last of a slice wins in Cilium."""
    first = {**on("n1", "10.0.0.1"), "addresses": ["10.0.0.1"]}
    second = {**on("n2", "10.0.0.2", ready=False, serving=False), "addresses": ["10.0.0.2", "10.0.0.1"]}
    slice_ = endpoint_slice([first, second])
    assert states(slice_, plane=KUBE_PROXY) == "RDD"
    assert states(slice_, plane=CILIUM) == "JJJ"
    assert states(slice_, plane=OLD_CILIUM) == "RDD"


def test_a_copy_in_another_slice() -> None:
    running = endpoint_slice([on("n1")], name="a")
    ending = endpoint_slice([endpoint("n2", "10.0.0.1", **ENDING)], name="b")
    expected = {KUBE_PROXY: "RDD", CILIUM: "DTD", ANTREA: "RTD", OVN: "RTD"}
    assert {known: states(running, ending, plane=known) for known in expected} == expected


LABELS = {"n1": {"service.cilium.io/node": "edge", "zone": "a"}, "n2": {"zone": "b"}, "n3": {"zone": "a"}}
EVERYWHERE = endpoint_slice([on("n1", "10.0.0.1"), on("n2", "10.0.0.2"), on("n3", "10.0.0.3")])


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, "RRR", id="none"),
        pytest.param({"node": "edge"}, "RDD", id="node, by the value of the label"),
        pytest.param({"node": "other"}, "DDD", id="node, no such value"),
        pytest.param({"node-selector": "zone=a"}, "RDR", id="node-selector"),
        pytest.param({"node-selector": "zone=b", "node": "edge"}, "DRD", id="node-selector comes first"),
        pytest.param({"node-selector": "zone=("}, "RRR", id="a selector that cannot be parsed"),
        pytest.param({"node-selector": "zone=a/b"}, "RRR", id="a value that no label can have"),
        pytest.param({"node-selector": "weight>3"}, "???", id="a selector that compares numbers is not read"),
    ],
)
def test_nodes_that_do_not_install_a_service(annotations: dict[str, str], expected: str) -> None:
    meta = {"annotations": {f"service.cilium.io/{key}": value for key, value in annotations.items()}}
    assert states(EVERYWHERE, plane=CILIUM, labels=LABELS, meta=meta) == expected
    assert states(EVERYWHERE, plane=KUBE_PROXY, labels=LABELS, meta=meta) == "RRR"
    if annotations:
        assert states(EVERYWHERE, plane=OLD_CILIUM, labels=LABELS, meta=meta) == "???"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("delegate-if-local", "??D", id="delegated"),
        pytest.param("Delegate-If-Local", "??D", id="in capitals"),
        pytest.param("none", "RTD", id="not delegated"),
        pytest.param("other", "RTD", id="a value that Cilium ignores"),
    ],
)
def test_a_service_that_a_proxy_on_the_node_serves(value: str, expected: str) -> None:
    """Cilium 1.20.2: a node without a backend refuses all the same."""
    meta = {"annotations": {"service.cilium.io/proxy-delegation": value}}
    slices = (endpoint_slice([on("n1"), on("n2", "10.0.0.9", **ENDING)]),)
    assert states(*slices, plane=CILIUM, meta=meta) == expected
    (found,) = [service_states(service(meta=meta), slices, three_nodes(), CILIUM)]
    assert bool(found.health_not_known) is ("?" in expected)
    assert states(*slices, plane=KUBE_PROXY, meta=meta) == "RTD"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("enabled", "RT?", id="enabled"),
        pytest.param("Enabled", "RT?", id="in capitals"),
        pytest.param("disabled", "RTD", id="disabled"),
    ],
)
def test_a_service_that_the_envoy_of_each_node_balances(value: str, expected: str) -> None:
    """Cilium 1.20.2 Documentation/network/servicemesh/envoy-load-balancing.rst; #29832."""
    meta = {"annotations": {"service.cilium.io/lb-l7": value}}
    slices = (endpoint_slice([on("n1"), on("n2", "10.0.0.9", **ENDING)]),)
    assert states(*slices, plane=CILIUM, meta=meta) == expected
    (found,) = [service_states(service(meta=meta), slices, three_nodes(), CILIUM)]
    assert bool(found.health_not_known) is ("?" in expected)
    assert states(*slices, plane=KUBE_PROXY, meta=meta) == "RTD"
    nowhere = (endpoint_slice([]),)
    assert states(*nowhere, plane=CILIUM, meta=meta) == states(*nowhere, plane=CILIUM)


def port_of(known: KnownDataPlane, *slices: EndpointSlice, **spec: Any) -> PortState:
    (port,) = service_states(service(**spec), slices, three_nodes(), known).ports
    return port


BALANCED: Json = {
    "type": "LoadBalancer",
    "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
}


def test_the_type_annotation_leaves_the_node_port_closed() -> None:
    meta = {"annotations": {"service.cilium.io/type": "LoadBalancer"}}
    port = port_of(CILIUM, EVERYWHERE, meta=meta, **BALANCED)
    assert port.seen_through(Frontend.VIP).forwarding & 0b111 == 0b111
    assert port.seen_through(Frontend.NODE_PORT).forwarding == 0
    assert states(EVERYWHERE, plane=CILIUM, meta=meta) == "not served"


@pytest.mark.parametrize(
    ("weight", "expected"), [("0", "JJJ"), ("1", "RDD"), ("no", "RDD"), (None, "RDD")], ids=str
)
def test_weight(weight: str | None, expected: str) -> None:
    annotations = {} if weight is None else {"service.cilium.io/weight": weight}
    assert states(endpoint_slice([on("n1")], annotations=annotations), plane=CILIUM) == expected


def test_slices_and_services_with_labels() -> None:
    headless = {"service.kubernetes.io/headless": ""}
    mesh = {"endpointslice.kubernetes.io/managed-by": "endpointslice-mesh-controller.cilium.io"}
    named = {"service.kubernetes.io/service-proxy-name": "other"}
    gateways = plane(DataPlane.CILIUM, "v1.20.2", enable_gateway_api="true")
    one = [on("n1")]
    assert states(endpoint_slice(one, labels=headless), plane=CILIUM) == "JJJ"
    assert states(endpoint_slice(one, labels=headless), plane=gateways) == "RDD"
    assert states(endpoint_slice(one, labels=headless), plane=CILIUM_OF_SOME_VERSION) == "???"
    assert states(endpoint_slice(one, labels=mesh), plane=CILIUM) == "JJJ"
    assert states(endpoint_slice(one, labels=named), plane=CILIUM) == "JJJ"
    assert states(endpoint_slice(one, labels=named), plane=CALICO) == "JJJ"
    assert states(endpoint_slice(one, labels=named), plane=KUBE_PROXY) == "RDD"
    for known in (CILIUM, CALICO):
        assert states(endpoint_slice(one), plane=known, meta={"labels": headless}) == "not served"


def test_the_hostname_of_a_deprecated_topology() -> None:
    old = {**on(None), "deprecatedTopology": {"kubernetes.io/hostname": "n2"}}
    assert states(endpoint_slice([old]), plane=CILIUM) == "DRD"
    assert states(endpoint_slice([old]), plane=KUBE_PROXY) == "DDD"


def families(known: KnownDataPlane, **spec: Any) -> list[str]:
    found: ServiceStates = service_states(service(**spec), (), three_nodes(), known)
    return [port.family for port in found.ports]


def test_families() -> None:
    two = {"ipFamilies": None, "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"]}
    assert families(CILIUM, **two) == ["IPv4", "IPv6"]
    assert families(KUBE_PROXY, **two) == ["IPv4"]
    other = {"ipFamilies": ["IPv4"], "externalIPs": ["2001:db8::1"]}
    assert families(CILIUM, **other) == families(OVN, **other) == ["IPv4", "IPv6"]
    assert families(KUBE_PROXY, **other) == ["IPv4"]


def envoy(**meta: Any) -> Any:
    return service(selector=None, meta=meta)


PLACEHOLDER = endpoint_slice([endpoint(None, "192.192.192.192")], [{"name": "", "protocol": "TCP", "port": 9999}])


def test_envoy_serves_an_ingress_or_a_gateway_on_every_node() -> None:
    assert states(PLACEHOLDER, plane=CILIUM, selector=None) == "RRR"
    assert states(PLACEHOLDER, plane=OLD_CILIUM, selector=None) == "RRR"
    assert states(PLACEHOLDER, plane=KUBE_PROXY, selector=None) == "???"
    (port,) = service_states(envoy(), [PLACEHOLDER], three_nodes(), CILIUM).ports
    assert port.usable
    found = service_states(envoy(), [PLACEHOLDER], three_nodes(), CILIUM)
    assert found.healthy["IPv4"] & 0b111 == 0b111
    assert not found.health_not_known
    assert service_states(envoy(), [PLACEHOLDER], three_nodes(), CILIUM_OF_SOME_VERSION).health_not_known


EXTERNAL_IP_ALONE: Any = {
    "type": "ClusterIP",
    "externalIPs": ["198.51.100.1"],
    "ports": [{"name": "http", "port": 80}],
}


def hinted(name: str, address: str, zone: str, node: str | None = None) -> Json:
    hints: Json = {"forZones": [{"name": zone}]}
    return {**on(name, address), "hints": hints | ({"forNodes": [{"name": node}]} if node else {})}


ZONES = {name: {"topology.kubernetes.io/zone": zone} for name, zone in (("n1", "a"), ("n2", "a"), ("n3", "b"))}


def test_hints_come_before_locality_in_calico() -> None:
    """The endpoint of n1 has a hint for zone b, and n1 is in zone a, which another endpoint is for."""
    slice_ = endpoint_slice([hinted("n1", "10.0.0.1", "b"), hinted("n2", "10.0.0.2", "a")])
    assert states(slice_, plane=CALICO, labels=ZONES) == "DRD"
    assert states(slice_, plane=OLD_CALICO, labels=ZONES) == "RRD"
    assert states(slice_, plane=KnownDataPlane(DataPlane.CALICO_EBPF), labels=ZONES) == "?RD"
    for known in (KUBE_PROXY, CILIUM):
        assert states(slice_, plane=known, labels=ZONES) == "RRD"


def test_hints_for_nodes_come_before_those_for_zones() -> None:
    slice_ = endpoint_slice([hinted("n1", "10.0.0.1", "a", "n3"), hinted("n3", "10.0.0.3", "b", "n1")])
    assert states(slice_, plane=CALICO, labels=ZONES) == "DDD"
    auto = {"annotations": {"service.kubernetes.io/topology-mode": "Auto"}}
    assert states(slice_, plane=CALICO, labels=ZONES, meta=auto) == "RDR"


@pytest.mark.parametrize(
    ("known", "anywhere"),
    [
        pytest.param(CALICO, True, id="3.32"),
        pytest.param(KnownDataPlane(DataPlane.CALICO_EBPF), True, id="a version that is not known"),
        pytest.param(OLD_CALICO, False, id="3.30, which has no Maglev"),
    ],
)
def test_calico_with_maglev_ignores_the_policy_at_an_address(known: KnownDataPlane, anywhere: bool) -> None:
    meta = {"annotations": {"lb.projectcalico.org/external-traffic-strategy": "maglev"}}
    port = port_of(known, endpoint_slice([on("n1")]), meta=meta, **BALANCED)
    assert port.seen_through(Frontend.VIP).forwarding & 0b111 == (0b111 if anywhere else 0b001)
    assert port.seen_through(Frontend.NODE_PORT).forwarding & 0b111 == 0b001


@pytest.mark.parametrize(
    ("known", "node_port", "expected"),
    [
        pytest.param(CALICO, {"nodePort": 30080}, "RRR", id="3.32"),
        pytest.param(OLD_CALICO, {"nodePort": 30080}, "RDD", id="3.30"),
        pytest.param(KnownDataPlane(DataPlane.CALICO_EBPF), {"nodePort": 30080}, "R??", id="not known"),
        pytest.param(KnownDataPlane(DataPlane.CALICO_EBPF), {}, "R??", id="not known, without a node port"),
    ],
)
def test_maglev_depends_on_the_release_of_calico(known: KnownDataPlane, node_port: Json, expected: str) -> None:
    meta = {"annotations": {"lb.projectcalico.org/external-traffic-strategy": "maglev"}}
    ports = [{"name": "http", "port": 80, **node_port}]
    port = port_of(known, endpoint_slice([on("n1")]), meta=meta, ports=ports, **BALANCED)
    assert letters(port.seen_through(Frontend.VIP), three_nodes()) == expected
    if node_port:
        assert letters(port.seen_through(Frontend.NODE_PORT), three_nodes()) == "RDD"
    nowhere = port_of(known, endpoint_slice(), meta=meta, ports=ports, **BALANCED)
    assert letters(nowhere.seen_through(Frontend.VIP), three_nodes()) == "JJJ"


def test_calico_ignores_the_policy_for_external_ips() -> None:
    slice_ = endpoint_slice([on("n1")])
    both = port_of(CALICO, slice_, externalIPs=["198.51.100.1"])
    assert both.forwarding == 0b001
    assert both.seen_through(Frontend.EXTERNAL_IP).forwarding & 0b111 == 0b111
    assert states(slice_, plane=CALICO, **EXTERNAL_IP_ALONE) == "RRR"
    excluded = {"annotations": {"projectcalico.org/natExcludeService": "true"}}
    assert states(slice_, plane=CALICO, meta=excluded) == "???"


def test_publish_not_ready_addresses() -> None:
    slice_ = endpoint_slice([on("n1", ready=False, serving=False)])
    assert states(slice_, plane=OVN, publishNotReadyAddresses=True) == "RDD"
    assert states(slice_, plane=KUBE_PROXY, publishNotReadyAddresses=True) == "JJJ"


def test_local_with_fallback_is_for_openshift_alone() -> None:
    meta = {"annotations": {"traffic-policy.network.alpha.openshift.io/local-with-fallback": ""}}
    slice_ = endpoint_slice([on("n1")])
    assert states(slice_, plane=OPENSHIFT, meta=meta) == "RRR"
    assert states(slice_, plane=OVN, meta=meta) == "RDD"
    assert states(slice_, plane=KnownDataPlane(DataPlane.OVN_KUBERNETES), meta=meta) == "R??"
    assert states(slice_, plane=KUBE_PROXY, meta=meta) == "R??"  # only assumed
    assert states(endpoint_slice(), plane=OPENSHIFT, meta=meta) == "JJJ"
    ready = port_of(OPENSHIFT, slice_, meta=meta)
    assert ready.client(0b111) is None


def test_an_idled_service_is_woken_up() -> None:
    meta = {"annotations": {"idling.alpha.openshift.io/idled-at": "2026-01-01T00:00:00Z"}}
    assert port_of(OPENSHIFT, endpoint_slice(), meta=meta).client(0b111) is Client.TIMEOUT
    assert port_of(OVN, endpoint_slice(), meta=meta).client(0b111) is Client.REFUSED


def test_node_ports_that_a_gateway_does_not_serve() -> None:
    closed = plane(DataPlane.OVN_KUBERNETES, node_port_enable="false")
    assert port_of(closed, EVERYWHERE).seen_through(Frontend.NODE_PORT).forwarding == 0


def test_services_that_antrea_leaves_to_another_proxy() -> None:
    skipping = KnownDataPlane(DataPlane.ANTREA, settings=(("skipServices", "default/web, x/y"),))
    named = KnownDataPlane(DataPlane.ANTREA, settings=(("serviceProxyName", "antrea"),))
    slice_ = endpoint_slice([on("n1")])
    labelled = {"labels": {"service.kubernetes.io/service-proxy-name": "antrea"}}
    by_address = KnownDataPlane(DataPlane.ANTREA, settings=(("skipServices", "x/y,10.96.0.1"),))
    assert states(slice_, plane=skipping) == states(slice_, plane=by_address) == "???"
    assert states(slice_, plane=by_address, clusterIP="10.96.0.2") == "RDD"
    assert states(slice_, plane=named) == "???"
    assert states(slice_, plane=named, meta=labelled) == "RDD"
    assert states(slice_, plane=ANTREA, meta=labelled) == "not served"


@pytest.mark.parametrize(
    ("served", "node_port", "expected", "at_address"),
    [
        ("true", {}, "RDD", "RDD"),
        ("false", {}, "???", "???"),
        ("true", {"nodePort": 30080}, "RDD", "RDD"),
        ("false", {"nodePort": 30080}, "RDD", "???"),
    ],
)
def test_addresses_of_load_balancers_that_antrea_does_not_serve(
    served: str, node_port: Json, expected: str, at_address: str
) -> None:
    known = KnownDataPlane(DataPlane.ANTREA, settings=(("proxyLoadBalancerIPs", served),))
    ports = [{"name": "http", "port": 80, **node_port}]
    slice_ = endpoint_slice([on("n1")])
    assert states(slice_, plane=known, ports=ports, **BALANCED) == expected
    port = port_of(known, slice_, ports=ports, **BALANCED)
    assert letters(port.seen_through(Frontend.NODE_PORT), three_nodes()) == expected
    assert letters(port.seen_through(Frontend.VIP), three_nodes()) == at_address


def test_addresses_out_of_the_range_of_kube_router() -> None:
    slice_ = endpoint_slice([on("n1")])
    for ranges, expected in (("198.51.100.0/24", "RDD"), ("203.0.113.0/24,2001:db8::/64", "DDD")):
        known = plane(DataPlane.KUBE_ROUTER, service_external_ip_range=ranges)
        assert states(slice_, plane=known, **EXTERNAL_IP_ALONE) == expected
    known = plane(DataPlane.KUBE_ROUTER, service_external_ip_range="10.0.0.0/8")
    assert states(slice_, plane=known, **{**EXTERNAL_IP_ALONE, "externalIPs": ["010.1.1.1"]}) == "RDD"


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(KnownDataPlane(DataPlane.KUBE_ROUTER), id="its arguments were not read"),
        pytest.param(plane(DataPlane.KUBE_ROUTER, service_external_ip_range="10.0.0.0/8,x"), id="one is no range"),
    ],
)
def test_ranges_of_kube_router_that_are_not_known(known: KnownDataPlane) -> None:
    slice_ = endpoint_slice([on("n1")])
    assert states(slice_, plane=known, **EXTERNAL_IP_ALONE) == "???"
    port = port_of(known, slice_, externalIPs=["198.51.100.1"])
    assert letters(port.seen_through(Frontend.NODE_PORT), three_nodes()) == "RDD"
    assert letters(port.seen_through(Frontend.EXTERNAL_IP), three_nodes()) == "???"


@pytest.mark.parametrize(
    ("conditions", "expected", "balanced"),
    [
        pytest.param({"ready": True, "serving": False}, "DRD", "?RD", id="not serving, but published"),
        pytest.param(
            {"ready": True, "serving": True, "terminating": True}, "RRD", "?RD", id="terminating, but published"
        ),
        pytest.param({"ready": True, "serving": False, "terminating": True}, "DRD", "?RD", id="both"),
        pytest.param({"ready": True, "serving": None}, "RRD", "RRD", id="no condition is one that serves"),
        pytest.param({"ready": False, "serving": False}, "DRD", "DRD", id="not ready"),
    ],
)
def test_windows_asks_whether_an_endpoint_serves(conditions: Json, expected: str, balanced: str) -> None:
    """winkernel/proxier.go L1345: publishNotReadyAddresses makes endpoints ready that do not serve."""
    slice_ = endpoint_slice([endpoint("n1", **conditions), on("n2", "10.0.0.2")])
    assert states(slice_, plane=WINKERNEL) == expected
    assert states(slice_, plane=WINKERNEL, **BALANCED) == balanced
    assert states(slice_, plane=KUBE_PROXY) == ("DRD" if conditions["ready"] is False else "RRD")


def test_windows_sends_to_one_number_of_a_named_port() -> None:
    """winkernel/proxier.go L1354: the number of the endpoint that comes last, for all of them."""
    linux = endpoint_slice([on("n1")], name="a")
    windows = endpoint_slice([on("n2", "10.0.0.2")], [{**HTTP, "port": 80}], name="b")
    assert states(linux, windows, plane=WINKERNEL) == "??D"
    assert states(linux, windows, plane=KUBE_PROXY) == "RRD"
    empty = endpoint_slice([], [{**HTTP, "port": 80}], name="b")
    assert states(linux, empty, plane=WINKERNEL) == "RDD"


def test_terminating_endpoints_behind_a_load_balancer_on_windows() -> None:
    slice_ = endpoint_slice([endpoint("n1", **ENDING), on("n2", "10.0.0.2")])
    assert states(slice_, plane=WINKERNEL) == "DRD"
    assert states(slice_, plane=WINKERNEL, **BALANCED) == "?RD"


@pytest.mark.parametrize(
    ("known", "elsewhere", "nowhere"),
    [
        pytest.param(KUBE_PROXY, Client.TIMEOUT, Client.REFUSED, id="kube-proxy"),
        pytest.param(IPVS, Client.TIMEOUT, Client.REFUSED, id="kube-proxy with ipvs"),
        pytest.param(CILIUM, Client.REFUSED, Client.REFUSED, id="Cilium"),
        pytest.param(
            plane(DataPlane.CILIUM, "v1.20.2", service_no_backend_response="drop"),
            Client.TIMEOUT,
            Client.TIMEOUT,
            id="Cilium that drops",
        ),
        pytest.param(
            plane(DataPlane.CILIUM, "v1.20.2", enable_no_service_endpoints_routable="false"),
            Client.TIMEOUT,
            Client.TIMEOUT,
            id="Cilium without routes",
        ),
        pytest.param(plane(DataPlane.CILIUM, "v1.14.0"), Client.TIMEOUT, Client.TIMEOUT, id="Cilium before 1.15"),
        pytest.param(CALICO, Client.REFUSED, Client.REFUSED, id="Calico"),
        pytest.param(OVN, Client.REFUSED, Client.REFUSED, id="OVN-Kubernetes"),
        pytest.param(ANTREA, Client.REFUSED, Client.REFUSED, id="Antrea"),
        pytest.param(KUBE_ROUTER, Client.REFUSED, Client.REFUSED, id="kube-router"),
        pytest.param(WINKERNEL, Client.NOT_KNOWN, Client.NOT_KNOWN, id="winkernel"),
        pytest.param(OTHER, Client.NOT_KNOWN, Client.NOT_KNOWN, id="another one"),
    ],
)
def test_what_a_client_meets(known: KnownDataPlane, elsewhere: Client, nowhere: Client) -> None:
    somewhere = port_of(known, endpoint_slice([on("n1")]))
    assert (somewhere.client(0b110), somewhere.client(0b001)) == (elsewhere, None)
    assert port_of(known, endpoint_slice()).client(0b111) is nowhere


def health(known: KnownDataPlane, *slices: EndpointSlice, **spec: Any) -> ServiceStates:
    return service_states(service(**spec), slices, three_nodes(), known)


@pytest.mark.parametrize(
    ("known", "healthy", "open_"),
    [
        pytest.param(KUBE_PROXY, 0b001, 0b111, id="kube-proxy"),
        pytest.param(CILIUM, 0b001, 0b111, id="Cilium"),
        pytest.param(
            plane(DataPlane.CILIUM, "v1.20.2", enable_health_check_nodeport="false"), 0, 0, id="Cilium without it"
        ),
        pytest.param(CALICO, 0b001, 0b111, id="Calico"),
        pytest.param(OVN, 0b001, 0b111, id="OVN-Kubernetes"),
        pytest.param(ANTREA, 0b001, 0b111, id="Antrea"),
        pytest.param(
            KnownDataPlane(DataPlane.ANTREA, settings=(("disableServiceHealthCheckServer", "true"),)),
            0b001,
            0,
            id="Antrea without it",
        ),
        pytest.param(KUBE_ROUTER, 0b001, 0b111, id="kube-router"),
        pytest.param(plane(DataPlane.KUBE_ROUTER, "v2.1.0"), 0b001, 0b111, id="kube-router 2.1"),
        pytest.param(plane(DataPlane.KUBE_ROUTER, "v2.0.1"), 0b001, 0, id="kube-router before 2.1 serves none"),
    ],
)
def test_health_check_node_port(known: KnownDataPlane, healthy: int, open_: int) -> None:
    """An endpoint that only terminates does not count."""
    slice_ = endpoint_slice([on("n1"), endpoint("n2", "10.0.0.2", **ENDING)])
    found = health(known, slice_)
    assert (found.healthy["IPv4"] & 0b111, found.health_port_open & 0b111) == (healthy, open_)
    assert bool(found.healthz_only) is (known.name is DataPlane.KUBE_ROUTER)


def test_health_checks_of_both_families() -> None:
    """Cilium and OVN-Kubernetes have one server for both families, kube-proxy one for each."""
    sixth = endpoint_slice([on("n1", "2001:db8::1")], family="IPv6")
    dual: Json = {"ipFamilies": ["IPv4", "IPv6"], "clusterIPs": ["10.96.0.1", "fd00::1"]}
    for known, expected in ((KUBE_PROXY, 0), (CILIUM, 0b001), (OVN, 0b001)):
        assert health(known, sixth, **dual).healthy["IPv4"] == expected


def test_one_port_of_kube_router_decides_the_health_check() -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}, {"name": "x", "port": 81, "nodePort": 30081}]
    found = health(KUBE_ROUTER, endpoint_slice([on("n1")]), ports=ports)
    assert (found.healthy["IPv4"], found.health_not_known) == (0, 0b001)


def test_services_and_slices_of_the_proxy_name_of_cilium() -> None:
    named = plane(DataPlane.CILIUM, "v1.20.2", k8s_service_proxy_name="cilium")
    label = {"service.kubernetes.io/service-proxy-name": "cilium"}
    one = [on("n1")]
    assert states(endpoint_slice(one, labels=label), plane=named, meta={"labels": label}) == "RDD"
    assert states(endpoint_slice(one), plane=named, meta={"labels": label}) == "JJJ"
    assert states(endpoint_slice(one), plane=named) == "not served"
    assert states(endpoint_slice(one, labels=label), plane=CILIUM, meta={"labels": label}) == "not served"
