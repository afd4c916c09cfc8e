"""Hetzner Cloud: hcloud-cloud-controller-manager 6485324 internal/hcops/load_balancer.go."""

from __future__ import annotations

import pytest

from etpguard.assess import AllNodes, DataPlane, KnownDataPlane, Options
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

LB = "load-balancer.hetzner.cloud/"
ADDRESS = [{"ip": "203.0.113.7"}]


def web(ports: list[Json] | None = None, **annotations: str) -> Json:
    given = {f"{LB}{key.replace('_', '-')}": value for key, value in annotations.items()}
    return service(annotations=given, ports=ports or [], ingress=ADDRESS)


UNHEALTHY = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
BLACKHOLE = Seen("Blackhole", "Blackhole", "abc", "bc")
NONE_HEALTHY = Seen("Unknown", "NoneHealthyNotKnown", "abc", "bc")
UNKNOWN = Seen("Unknown", "InvalidAnnotation", "abc", "bc")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(web(), UNHEALTHY, id="1240 by default TCP on the node port"),
        pytest.param(web(health_check_protocol="HTTP"), UNHEALTHY, id="HTTP on the node port"),
        pytest.param(web(health_check_protocol="https"), UNHEALTHY, id="HTTPS on the node port"),
        pytest.param(web(health_check_protocol="udp"), UNKNOWN, id="an unknown protocol fails the sync"),
        pytest.param(web(protocol="quic"), UNKNOWN, id="an unknown protocol of the service fails the sync"),
        pytest.param(web(health_check_port="30080"), UNHEALTHY, id="its node port by number"),
        pytest.param(
            web(health_check_port="32000"), BLACKHOLE, id="TCP connects to the healthCheckNodePort anywhere"
        ),
        pytest.param(
            web(health_check_port="32000", health_check_protocol="http"),
            UNHEALTHY,
            id="HTTP on the healthCheckNodePort finds the nodes",
        ),
        pytest.param(
            web(health_check_port="32000", health_check_protocol="http", http_status_codes="2??,5??"),
            BLACKHOLE,
            id="503 accepted: passes on every node",
        ),
        pytest.param(
            web(health_check_port="10256"), BLACKHOLE, id="kube-proxy's own port is open on every ready node"
        ),
        pytest.param(
            web(health_check_port="10256", health_check_protocol="http"), NONE_HEALTHY, id="it answers 404 to /"
        ),
        pytest.param(
            web(health_check_port="10256", health_check_protocol="https", health_check_http_path="/healthz"),
            NONE_HEALTHY,
            id="it does not speak TLS",
        ),
        pytest.param(
            web(health_check_port="10256", health_check_protocol="http", health_check_http_path="/healthz"),
            BLACKHOLE,
            id="it answers 200 to /healthz",
        ),
        pytest.param(
            web(health_check_port="10256", health_check_protocol="http", http_status_codes="2??, 4*"),
            BLACKHOLE,
            id="404 accepted: passes on every ready node",
        ),
        pytest.param(
            web(health_check_port="32000", health_check_protocol="http", http_status_codes="2??,500"),
            UNHEALTHY,
            id="500 accepted, and not 503",
        ),
        pytest.param(web(uses_proxyprotocol="true"), UNHEALTHY, id="PROXY protocol does not change the check"),
        pytest.param(web(uses_proxyprotocol="yes"), UNKNOWN, id="a value that is no bool fails the sync"),
        pytest.param(web(health_check_port="traffic-port"), UNKNOWN, id="a port that is no number"),
        pytest.param(
            web(health_check_port="8080"),
            Seen("Unknown", "HealthCheckPortNotModelled", "abc", "bc"),
            id="a port of which nothing is known",
        ),
        pytest.param(
            web(node_selector="role in (edge"), UNKNOWN, id="a selector that does not parse fails the sync"
        ),
        pytest.param(web(node_selector="role=web/1"), UNKNOWN, id="a value that no label can have fails the sync"),
        pytest.param(web(node_selector="weight>3"), UNKNOWN, id="a comparison of numbers is not read"),
        pytest.param(
            web(node_selector="role=edge"), Seen("NoTargets", "NoNodeSelected", "", ""), id="no node selected"
        ),
    ],
)
def test_check_and_nodes(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("hcloud")) == expected


@pytest.mark.parametrize(
    ("selector", "eligible"),
    [
        pytest.param("role=edge", "a", id="equality"),
        pytest.param("role!=edge", "bc", id="inequality"),
        pytest.param("role in (edge,core)", "ab", id="set"),
        pytest.param("!role", "c", id="absence"),
        pytest.param("", "abc", id="the empty selector selects all"),
    ],
)
def test_node_selector_is_a_full_selector(selector: str, eligible: str) -> None:
    labelled = [
        node("a", "hcloud://1", labels={"role": "edge"}),
        node("b", "hcloud://2", labels={"role": "core"}),
        node("c", "hcloud://3"),
    ]
    made = world(web(node_selector=selector), endpoints("z"), *labelled)
    assert made.names(made.consumer().eligible) == eligible
    assert "as of the last sync" in made.consumer().consumer.source


def test_each_port_has_its_own_check() -> None:
    two = web([port(), port("mqtt", 1883, 31883)])
    objects = [two, endpoints("a", "b"), endpoints("a", ports=["mqtt"]), *nodes("hcloud")]
    assert seen(*objects, port_name="http") == Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "c")
    assert seen(*objects, port_name="mqtt") == UNHEALTHY


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_985_other_protocols_than_tcp_are_not_served(protocol: str) -> None:
    subject = web([port("dns", 53, 30053, protocol)])
    ready = endpoints("a", ports=["dns"], protocol=protocol)
    assert seen(subject, ready, *nodes("hcloud"), port_name="dns") == Seen(
        "NoTargets", "ProtocolNotServed", "", ""
    )


def test_a_port_without_a_node_port_has_no_target() -> None:
    assert seen(web([port(node_port=0)]), endpoints("a"), *nodes("hcloud")) == Seen(
        "NoTargets", "NoNodePort", "", ""
    )


@pytest.mark.parametrize("provider_id", ["hrobot://77", "hcloud://bm-77"])
def test_dedicated_servers_are_targets_only_with_robot_support(provider_id: str) -> None:
    mixed = [*nodes("hcloud", "a", "b"), node("c", provider_id)]
    assert seen(web(), endpoints("a"), *mixed) == Seen("Unknown", "RobotSupportNotKnown", "abc", "bc")
    assert seen(web(), endpoints("a", "b", "c"), *mixed).outcome == "Covered"


@pytest.mark.parametrize(
    ("kind", "outcome"), [("", "Unknown"), ("lb11", "Unknown"), ("lb21", "TargetsUnhealthy"), ("nope", "Unknown")]
)
def test_the_type_limits_the_number_of_targets(kind: str, outcome: str) -> None:
    many = nodes("hcloud", *(f"n{i}" for i in range(30)))
    assert seen(web(None, **({"type": kind} if kind else {})), endpoints("n0"), *many).outcome == outcome


def test_an_annotation_is_a_mark_and_no_assumption() -> None:
    found = world(web(location="nbg1"), endpoints("a"), *nodes("")).consumer().consumer
    assert (found.controller, found.evidence, found.assumptions) == (
        "cloud-provider/hcloud",
        Evidence.DOCUMENTED,
        (),
    )
    assert found.check is not None
    assert found.check.settings == CheckSettings("30080", "TCP")


def test_the_client_address_is_hidden_before_and_after() -> None:
    advice = world(web(), endpoints("a"), *nodes("hcloud")).advice()
    assert any("already hides it" in text for text in advice)


@pytest.mark.parametrize("other", ["", "k3s://a", "aws:///eu-west-1a/i-1"])
def test_680_a_node_of_another_provider_is_left_out(other: str) -> None:
    members = [node("a", other), *nodes("hcloud", "b", "c")]
    assert seen(web(type="lb11"), endpoints("a"), *members) == Seen("Outage", "Outage", "bc", "bc")


def test_without_a_node_of_its_own_the_targets_are_not_known() -> None:
    assert seen(web(type="lb11"), endpoints("a"), *nodes(""))[:2] == ("Unknown", "NoNodeOfProvider")


@pytest.mark.parametrize(
    ("ranges", "annotations", "addresses", "expected"),
    [
        pytest.param("127.0.0.0/8", {}, "10.0.0.1", "NodeAddressNotKnown", id="loopback addresses"),
        pytest.param("localhost", {}, "10.0.0.1", "NodeAddressNotKnown", id="the word localhost"),
        pytest.param("192.168.0.0/16", {}, "10.0.0.1", "NodeAddressNotKnown", id="another network"),
        pytest.param("fd00::/8", {}, "10.0.0.1", "Covered", id="a range of IPv6 leaves IPv4 open"),
        pytest.param("10.0.0.0/8,::/0", {}, "10.0.0.1", "NodeAddressNotKnown", id="not the ExternalIP"),
        pytest.param("10.0.0.0/8", {"use_private_ip": "true"}, "10.0.0.1", "Covered", id="the InternalIP"),
        pytest.param("203.0.113.0/24", {}, "", "Covered", id="the only address"),
        pytest.param("127.0.0.0/8,0.0.0.0/0", {}, "10.0.0.1", "Covered", id="all addresses"),
        pytest.param("10.0.0.0/8,primary", {"use_private_ip": "true"}, "192.0.2.1", "Covered", id="primary"),
    ],
)
def test_the_ranges_of_node_ports(ranges: str, annotations: dict[str, str], addresses: str, expected: str) -> None:
    """kubernetes pkg/proxy/util/nodeport_addresses.go."""
    plane = KnownDataPlane(DataPlane.KUBE_PROXY, settings=(("nodePortAddresses", ranges),))
    members = nodes("hcloud", addresses=[addresses] if addresses else [], external=["203.0.113.1"])
    options = Options(AllNodes(plane))
    assert seen(web(None, **annotations), endpoints("a", "b", "c"), *members, options=options).reason == expected
    lost = seen(web(None, **annotations), endpoints("ghost"), *members, options=options)
    assert lost.outcome == "Outage", "at whatever address"


@pytest.mark.parametrize(
    ("annotations", "outcome"),
    [
        pytest.param({}, "Unknown", id="an option of the controller decides"),
        pytest.param({"use_private_ip": "false"}, "Unknown", id="the public address"),
        pytest.param({"use_private_ip": "true"}, "Covered", id="the private address"),
    ],
)
def test_the_public_address_of_a_node_may_not_be_served(annotations: dict[str, str], outcome: str) -> None:
    """internal/hcops/load_balancer.go usePrivateIP; nftables mode serves the InternalIP by default."""
    planes = AllNodes(KnownDataPlane(DataPlane.KUBE_PROXY, "nftables"))
    members = nodes("hcloud", addresses=["10.0.0.1"], external=["203.0.113.1"])
    found = seen(web(None, **annotations), endpoints("a", "b", "c"), *members, options=Options(planes))
    assert found.outcome == outcome
    assert found.reason == ("NodeAddressNotKnown" if outcome == "Unknown" else "Covered")
