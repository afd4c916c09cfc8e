"""Exoscale: exoscale-cloud-controller-manager 32c9584 exoscale/loadbalancer.go."""

from __future__ import annotations

import pytest

from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

LB = "service.beta.kubernetes.io/exoscale-loadbalancer-"
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
ADDRESS = [{"ip": "203.0.113.7"}]

UNHEALTHY = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
BLACKHOLE = Seen("Blackhole", "Blackhole", "abc", "bc")
UNKNOWN = Seen("Unknown", "InvalidAnnotation", "abc", "bc")


def web(ports: list[Json] | None = None, **annotations: str) -> Json:
    given = {f"{LB}service-{key.replace('_', '-')}": value for key, value in annotations.items()}
    return service(annotations=given | {f"{LB}id": "x"}, ports=ports or [], ingress=ADDRESS)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(web(), BLACKHOLE, id="858 TCP on the healthCheckNodePort passes on every node"),
        pytest.param(web(healthcheck_mode="tcp"), BLACKHOLE, id="the same, written down"),
        pytest.param(
            web(healthcheck_mode="http", healthcheck_uri="/healthz"), UNHEALTHY, id="HTTP finds the nodes"
        ),
        pytest.param(
            web(healthcheck_mode="http"),
            Seen("Unknown", "HealthCheckWithoutUri", "abc", "bc"),
            id="HTTP without a URI",
        ),
        pytest.param(
            web(healthcheck_mode="https", healthcheck_uri="/"),
            Seen("Unknown", "HealthCheckPortNotModelled", "abc", "bc"),
            id="the healthCheckNodePort has no TLS",
        ),
        pytest.param(web(healthcheck_mode="udp"), UNKNOWN, id="an unknown mode"),
        pytest.param(web(healthcheck_port="30080"), UNHEALTHY, id="813 the node port by number"),
        pytest.param(web(healthcheck_port="32000"), BLACKHOLE, id="813 the healthCheckNodePort by number"),
        pytest.param(
            web(healthcheck_port="10256", healthcheck_mode="http", healthcheck_uri="/"),
            Seen("Unknown", "NoneHealthyNotKnown", "abc", "bc"),
            id="kube-proxy answers 404 to /",
        ),
        pytest.param(
            web(healthcheck_port="10256", healthcheck_mode="http", healthcheck_uri="/healthz"),
            BLACKHOLE,
            id="kube-proxy answers 200 to /healthz",
        ),
        pytest.param(web(healthcheck_port="http"), UNKNOWN, id="816 a name is rejected"),
        pytest.param(
            web(instancepool_id="p"), Seen("Unknown", "InstancePoolNotKnown", "abc", "bc"), id="a named pool"
        ),
        pytest.param(
            web(sks_nodepool_name="p"),
            Seen("Unknown", "InstancePoolNotKnown", "abc", "bc"),
            id="a named node pool",
        ),
        pytest.param(web([port(node_port=0)]), Seen("NoTargets", "NoNodePort", "", ""), id="no node port"),
    ],
)
def test_check(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("exoscale")) == expected


def test_a_named_pool_is_covered_where_every_node_is() -> None:
    assert seen(web(instancepool_id="p"), endpoints("a", "b", "c"), *nodes("exoscale")).outcome == "Covered"


def test_the_exclude_label_has_no_effect() -> None:
    excluded = node("c", "exoscale://c", labels={EXCLUDE: "true"})
    assert seen(web(), endpoints("a"), *nodes("exoscale", "a", "b"), excluded) == BLACKHOLE


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        pytest.param("UDP", "Blackhole", id="UDP has the same check"),
        pytest.param("SCTP", "NoTargets", id="833 SCTP is rejected"),
    ],
)
def test_protocols(protocol: str, expected: str) -> None:
    subject = web([port("dns", 53, 30053, protocol)])
    ready = endpoints("a", ports=["dns"], protocol=protocol)
    assert seen(subject, ready, *nodes("exoscale"), port_name="dns").outcome == expected


def test_advice_sets_mode_and_uri() -> None:
    advice = world(web(), endpoints("a"), *nodes("exoscale")).advice()
    assert f"{LB}service-healthcheck-mode=http" in advice[0]
    assert f"{LB}service-healthcheck-uri=/healthz" in advice[0]


def of_pool(name: str, pool: str) -> Json:
    return node(name, f"exoscale://{name}", labels={"node.exoscale.net/nodepool-id": pool} if pool else {})


HTTP = {"healthcheck_mode": "http", "healthcheck_uri": "/healthz"}


@pytest.mark.parametrize(
    ("pools", "on", "checked", "expected"),
    [
        pytest.param("xxx", "a", False, BLACKHOLE, id="all nodes are of one node pool: 216 it is the named one"),
        pytest.param("xxx", "a", True, UNHEALTHY, id="and its check finds the nodes"),
        pytest.param(
            "xxy",
            "a",
            True,
            Seen("Unknown", "InstancePoolNotKnown", "ab", "b"),
            id="the other pool has no endpoint",
        ),
        pytest.param(
            "xx ", "a", True, Seen("Unknown", "InstancePoolNotKnown", "c", "c"), id="a node without the label"
        ),
        pytest.param("xxy", "abc", False, Seen("Covered", "Covered", "ab", ""), id="both pools are covered"),
        pytest.param(
            "xyz", "a", False, Seen("Unknown", "InstancePoolNotKnown", "abc", "bc"), id="three node pools"
        ),
    ],
)
def test_the_named_pool(pools: str, on: str, checked: bool, expected: Seen) -> None:
    members = [of_pool(name, pool.strip()) for name, pool in zip("abc", pools, strict=True)]
    subject = web(None, **({"instancepool_id": "p"} | (HTTP if checked else {})))
    assert seen(subject, endpoints(*on), *members) == expected


def test_two_node_pools_that_differ_are_named() -> None:
    made = world(web(instancepool_id="p"), endpoints("a"), of_pool("a", "x"), of_pool("b", "y"))
    detail = made.consumer().reason.detail
    assert "node pool x and of node pool y" in detail
    assert "If the pool has no member with an endpoint, all is lost" in detail


def test_a_node_of_another_pool_is_noticed() -> None:
    made = world(web(instancepool_id="p"), endpoints("a"), of_pool("a", "x"), of_pool("b", "x"))
    assert made.consumer().outcome.name == "Blackhole"
    made.put(of_pool("b", "y"))
    assert made.consumer().outcome.name == "Unknown"


def test_an_sctp_port_fails_the_other_ports_too() -> None:
    two = web([port(), port("sig", 81, 30081, "SCTP")])
    slices = [endpoints("a"), endpoints("a", ports=["sig"], protocol="SCTP")]
    assert seen(two, *slices, *nodes("exoscale")) == Seen("Unknown", "ProtocolNotServed", "abc", "bc")
    assert seen(two, *slices, *nodes("exoscale"), port_name="sig").reason == "ProtocolNotServed"
