"""Traefik's own routes: traefik fd5a576 pkg/provider/kubernetes/crd."""

from __future__ import annotations

from typing import Any

import pytest

from tests.assess.consumers.worlds import Json, Seen, endpoints, ingress, node, nodes, port, seen, service, world

NODE_PORT = service(type="NodePort", in_cluster=True)
LOST = Seen("Blackhole", "Blackhole", "abc", "bc")
PODS = Seen("NotAffected", "TargetsPods", "", "")


def route(of: str = "IngressRoute", **used: Any) -> Json:
    to = {"name": "web", "port": 80, **used}
    spec: Json = {"routes": [{"match": "Host(`a`)", "services": [to]}]}
    return {"kind": of, "metadata": {"name": "edge", "namespace": "shop", "uid": "u"}, "spec": spec}


def traefik_service(spec: Json) -> Json:
    return {"kind": "TraefikService", "metadata": {"name": "edge", "namespace": "shop", "uid": "u"}, "spec": spec}


def entry(**used: Any) -> Json:
    """A route to the TraefikService."""
    made = route(name="edge", kind="TraefikService", **used)
    made["metadata"]["name"] = "entry"
    return made


USED: Json = {"name": "web", "port": 80, "nodePortLB": True}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(route(nodePortLB=True), LOST, id="kubernetes_http.go:569: every node, unchecked"),
        pytest.param(route("IngressRouteTCP", nodePortLB=True), LOST, id="kubernetes_tcp.go: the same"),
        pytest.param(route(nodePortLB=True, port="http"), LOST, id="a port by name"),
        pytest.param(route(nodePortLB=True, namespace="shop"), LOST, id="a namespace that is its own"),
        pytest.param(route(), PODS, id="without nodePortLB to pods"),
        pytest.param(route(nodePortLB=False), PODS, id="nodePortLB off"),
        pytest.param(
            route(nodePortLB=True, nativeLB=True), PODS, id="kubernetes_http.go:550: nativeLB goes first"
        ),
        pytest.param(
            traefik_service({"weighted": {"services": [USED | {"nativeLB": True}]}}), PODS, id="there too"
        ),
        pytest.param(
            route("IngressRouteTCP", nodePortLB=True, nativeLB=True),
            LOST,
            id="kubernetes_tcp.go:214: nodePortLB does",
        ),
        pytest.param(
            route(nodePortLB=True, port=9999), Seen("Unknown", "PortNotFound", "abc", ""), id="no such port"
        ),
        pytest.param(traefik_service({"weighted": {"services": [USED]}}), LOST, id="weighted"),
        pytest.param(traefik_service({"mirroring": USED}), LOST, id="mirroring"),
        pytest.param(traefik_service({"highestRandomWeight": {"services": [USED]}}), LOST, id="by random weight"),
        pytest.param(
            traefik_service({"failover": {"service": USED, "fallback": {"name": "other", "port": 80}}}),
            LOST,
            id="kubernetes_http.go:729 buildFailover: the main Service of a failover",
        ),
        pytest.param(
            traefik_service({"failover": {"service": {"name": "other", "port": 80}, "fallback": USED}}),
            Seen("Unknown", "FallbackOnly", "abc", ""),
            id="the fallback",
        ),
    ],
)
def test_routes(made: Json, expected: Seen) -> None:
    found = world(NODE_PORT, endpoints("a"), made, entry(), *nodes(""))
    (verdict,) = found.assessment.consumers
    eligible, uncovered = found.names(verdict.eligible), found.names(verdict.uncovered)
    if expected.outcome == "Unknown":
        uncovered = expected.uncovered
    assert Seen(verdict.outcome.name, verdict.reason.code, eligible, uncovered) == expected


def test_nodes_that_are_not_ready_get_traffic_too() -> None:
    made = [*nodes("", "a"), *nodes("", "b", ready="False")]
    assert seen(NODE_PORT, endpoints("a"), route(nodePortLB=True), *made).eligible == "ab"


@pytest.mark.parametrize(
    ("node_port", "reason"),
    [
        pytest.param(30080, "Blackhole", id="with the node port of the TCP port, which Traefik takes"),
        pytest.param(30081, "PortNotFound", id="kubernetes.go:711: with another one, to which it does not send"),
    ],
)
def test_a_udp_route_takes_the_first_port_of_that_number(node_port: int, reason: str) -> None:
    subject = service(type="NodePort", ports=[port("tcp"), port("udp", 80, node_port, "UDP")])
    slices = [endpoints("a", "b", "c", ports=["tcp"]), endpoints("a", ports=["udp"], protocol="UDP")]
    made = world(subject, *slices, route("IngressRouteUDP", nodePortLB=True), *nodes(""))
    (verdict,) = made.assessment.consumers
    assert (verdict.consumer.port, verdict.reason.code) == ("udp" if node_port == 30080 else "80", reason)


def test_a_udp_route_to_node_ports_does_not_turn_to_the_cluster_ip() -> None:
    """kubernetes_udp.go:130."""
    subject = service(type="NodePort", ports=[port("http", protocol="UDP")])
    made = route("IngressRouteUDP", nodePortLB=True, nativeLB=True)
    assert seen(subject, endpoints("a", protocol="UDP"), made, *nodes("")) == LOST


@pytest.mark.parametrize(
    ("made", "assumed"),
    [
        (route(nodePortLB=True), True),
        (route(nodePortLB=True, nativeLB=False), False),
        (route(), False),
        (route("IngressRouteTCP", nodePortLB=True), False),
    ],
)
def test_native_lb_by_default_is_assumed_to_be_off(made: Json, assumed: bool) -> None:
    assert (
        any("nativeLBByDefault" in a for a in world(NODE_PORT, made, *nodes("")).consumer().consumer.assumptions)
        is assumed
    )


@pytest.mark.parametrize("used", [{"kind": "TraefikService"}, {"name": "other"}, {"namespace": "elsewhere"}])
def test_routes_to_others_are_not_its_consumers(used: Json) -> None:
    made = world(NODE_PORT, endpoints("a"), route(nodePortLB=True, **used), *nodes(""))
    assert not made.assessment.consumers
    assert made.assessment.outcome.name == "Uncovered"


@pytest.mark.parametrize("on", ["a", "abc"])
@pytest.mark.parametrize("used", [{}, {"port": 9999}])
def test_a_route_of_another_namespace_does_not_decide(used: Json, on: str) -> None:
    """kubernetes.go:1638 isNamespaceAllowed: refused unless allowCrossNamespace is set."""
    made = route(nodePortLB=True, namespace="shop", **used)
    made["metadata"]["namespace"] = "evil"
    found = world(NODE_PORT, endpoints(*on), made, *nodes(""))
    (verdict,) = found.assessment.consumers
    assert (verdict.outcome.name, verdict.reason.code) == ("Unknown", "CrossNamespaceRoute")
    assert (verdict.consumer.namespace, verdict.consumer.incidental) == ("evil", True)
    assert found.assessment.outcome.name == ("Covered" if on == "abc" else "Uncovered")
    assert not found.advice()


@pytest.mark.parametrize("on", ["a", "abc"])
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(route(nodePortLB=True, healthCheck={"path": "/ok"}), id="kubernetes_http.go:531"),
        pytest.param(route(nodePortLB=True, port=None), id="kubernetes.go:707"),
        pytest.param(route("IngressRouteTCP", nodePortLB=True, port=None), id="by TCP too"),
        pytest.param(route(nodePortLB=True, port=""), id="an empty name"),
    ],
)
def test_a_route_that_traefik_refuses(made: Json, on: str) -> None:
    found = world(NODE_PORT, endpoints(*on), made, *nodes(""))
    (verdict,) = found.assessment.consumers
    assert (verdict.outcome.name, verdict.reason.code) == ("Unknown", "RouteRefused")
    assert not found.advice()


def services(*used: Json, of: str = "IngressRoute") -> Json:
    made = route(of)
    made["spec"]["routes"][0]["services"] = list(used)
    return made


OTHER: Json = {"name": "other", "port": 80}
IDLE = USED | {"weight": 0}


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        pytest.param(services(OTHER, IDLE), "WeightZero", id="wrr.go:205: a weight of 0 beside another Service"),
        pytest.param(
            services(OTHER, IDLE, of="IngressRouteTCP"), "WeightZero", id="wrr_load_balancer.go: the same"
        ),
        pytest.param(services(USED | {"weight": -1}, OTHER), "WeightZero", id="a negative weight"),
        pytest.param(
            services(IDLE), "", id="kubernetes_http.go:108: the weight of an only Service does not count"
        ),
        pytest.param(services(OTHER, USED), "", id="without a weight, which is then 1"),
        pytest.param(traefik_service({"weighted": {"services": [IDLE]}}), "WeightZero", id="weighted"),
        pytest.param(
            traefik_service({"highestRandomWeight": {"services": [OTHER, IDLE]}}), "WeightZero", id="hrw.go:166"
        ),
        pytest.param(
            traefik_service({"mirroring": OTHER | {"mirrors": [USED | {"percent": 50}]}}),
            "MirrorOnly",
            id="mirror.go: the answers of a mirror are dropped",
        ),
    ],
)
def test_a_service_that_gets_no_requests_of_clients_is_no_consumer(made: Json, reason: str) -> None:
    found = world(NODE_PORT, endpoints("a"), made, entry(), *nodes(""))
    (verdict,) = found.assessment.consumers
    assert (verdict.reason.code, verdict.consumer.incidental) == (reason or "Blackhole", bool(reason))
    assert found.assessment.outcome.name == ("Uncovered" if reason else "Blackhole")
    assert bool(found.advice()) is not bool(reason)


def test_a_fallback_loses_nothing_where_each_node_has_an_endpoint() -> None:
    made = traefik_service({"failover": {"service": OTHER, "fallback": USED}})
    found = world(NODE_PORT, endpoints("a", "b", "c"), made, entry(), *nodes(""))
    assert found.consumer().outcome.name == "Covered"


def test_of_several_settings_the_first_one_counts() -> None:
    """kubernetes_http.go:244 buildTraefikService."""
    made = traefik_service({"weighted": {"services": [OTHER]}, "mirroring": USED})
    assert not world(NODE_PORT, endpoints("a"), made, entry(), *nodes("")).assessment.consumers


@pytest.mark.parametrize(
    ("naming", "counts"),
    [
        pytest.param(entry(), True, id="a route"),
        pytest.param(entry(namespace="shop"), True, id="a route that names the namespace"),
        pytest.param(
            {
                **traefik_service({"failover": {"fallback": {"name": "edge", "kind": "TraefikService"}}}),
                "metadata": {"name": "outer", "namespace": "shop", "uid": "o"},
            },
            True,
            id="a failover",
        ),
        pytest.param(entry(namespace="infra"), False, id="a route to one of another namespace"),
        pytest.param(route(name="edge"), False, id="a route to a Service of its name"),
        pytest.param(
            services(OTHER, {"name": "edge", "kind": "TraefikService", "weight": 0}), False, id="with weight 0"
        ),
    ],
)
def test_a_traefik_service_counts_from_the_moment_a_route_names_it(naming: Json, counts: bool) -> None:
    made = traefik_service({"weighted": {"services": [USED]}})
    found = world(NODE_PORT, endpoints("a"), made, *nodes(""))
    assert (found.assessment.outcome.name, found.consumer().reason.code) == ("Uncovered", "NoRoute")
    found.put(naming)
    assert found.assessment.outcome.name == ("Blackhole" if counts else "Uncovered")
    found.put(naming | {"spec": {}})
    assert found.consumer().reason.code == "NoRoute"


def test_a_traefik_service_counts_while_its_routes_cannot_be_seen() -> None:
    made = traefik_service({"weighted": {"services": [USED]}})
    found = world(NODE_PORT, endpoints("a"), made, *nodes(""), unread={"IngressRoute": "no"})
    assert found.consumer().outcome.name == "Blackhole"


DUAL = [node(name, addresses=[f"10.0.0.{n}", f"2001:db8::{n}"]) for n, name in enumerate("abc", 1)]
IPV4_ONLY = [node(name, addresses=[f"10.0.0.{n}"]) for n, name in enumerate("abc", 1)]
EVERYWHERE = [endpoints("a", "b", "c"), endpoints("a", "b", "c", family="IPv6")]


@pytest.mark.parametrize(
    ("families", "members", "made", "reason"),
    [
        pytest.param(["IPv4"], DUAL, EVERYWHERE, "NodeAddressNotServed", id="to IPv6 addresses too"),
        pytest.param(["IPv6"], IPV4_ONLY, EVERYWHERE, "NodeAddressNotServed", id="to IPv4 addresses alone"),
        pytest.param(["IPv4", "IPv6"], DUAL, EVERYWHERE, "Covered", id="of both families"),
        pytest.param(["IPv4"], IPV4_ONLY, EVERYWHERE, "Covered", id="of one family"),
        pytest.param(["IPv4"], [*IPV4_ONLY[:2], DUAL[2]], EVERYWHERE, "NodeAddressNotServed", id="of one node"),
        pytest.param(
            ["IPv4"], DUAL, [endpoints("a")], "Blackhole", id="nodes without endpoints lose all the same"
        ),
    ],
)
@pytest.mark.parametrize("by_ingress", [False, True], ids=["route", "Ingress"])
def test_all_internal_addresses_of_a_node_are_servers(
    families: list[str], members: list[Json], made: list[Json], reason: str, by_ingress: bool
) -> None:
    """kubernetes_http.go:589, ingress/kubernetes.go:665: each address of the type InternalIP."""
    key = "traefik.ingress.kubernetes.io/service.nodeportlb"
    subject = service(type="NodePort", in_cluster=True, ipFamilies=families, annotations={key: "true"})
    sender = ingress(class_name="traefik") if by_ingress else route(nodePortLB=True)
    assert seen(subject, *made, sender, *members).reason == reason


def test_a_load_balancer_service_is_reached_by_its_pods() -> None:
    made = world(service(), endpoints("a"), route(nodePortLB=True), *nodes(""))
    assert [v.outcome.name for v in made.assessment.consumers if v.consumer.kind == "IngressRoute"] == [
        "NotAffected"
    ]


def test_advice_names_the_route() -> None:
    advice = world(NODE_PORT, endpoints("a"), route(nodePortLB=True), *nodes("")).advice()
    assert advice[0].startswith("Remove nodePortLB from Service web in IngressRoute shop/edge")
