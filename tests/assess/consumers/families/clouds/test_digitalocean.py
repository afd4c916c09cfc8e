"""DigitalOcean: digitalocean-cloud-controller-manager 70d527e cloud-controller-manager/do/loadbalancers.go."""

from __future__ import annotations

import pytest

from tests.assess.consumers.families.clouds.alike import ADDRESS, NO_NODE_PORT, UNHEALTHY, UNKNOWN, annotated
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

LB = "service.beta.kubernetes.io/do-loadbalancer-"
DISOWN = "service.kubernetes.io/do-loadbalancer-disown"
PUBLIC: Json = {"type": "ExternalIP", "address": "203.0.113.77"}
web = annotated(LB)


def public(*names: str) -> list[Json]:
    """Nodes with an external IPv4 address."""
    members = nodes("digitalocean", *names)
    for each in members:
        each["status"]["addresses"].append(PUBLIC)
    return members


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(web(), UNHEALTHY, id="by default HTTP on the healthCheckNodePort"),
        pytest.param(web(healthcheck_port="nope"), UNHEALTHY, id="without the override the port is not read"),
        pytest.param(web(override_health_check=""), UNHEALTHY, id="the override counts by presence"),
        pytest.param(
            web(override_health_check="false"), UNHEALTHY, id="the override counts with the value false too"
        ),
        pytest.param(
            web(override_health_check="", healthcheck_port="80"), UNHEALTHY, id="1341 the port of the Service"
        ),
        pytest.param(
            web(override_health_check="", healthcheck_port="30080"), UNKNOWN, id="1341 a node port is rejected"
        ),
        pytest.param(web(override_health_check="", healthcheck_port="80,81"), UNKNOWN, id="1341 one port only"),
        pytest.param(
            web(override_health_check="", healthcheck_protocol="icmp"), UNKNOWN, id="1376 an unknown protocol"
        ),
        pytest.param(web(type="NETWORK"), UNKNOWN, id="1737 an unknown type"),
        pytest.param(web(network="internal"), UNKNOWN, id="1751 an unknown network"),
        pytest.param(web(network="INTERNAL"), UNHEALTHY, id="an internal load balancer"),
    ],
)
def test_check(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("digitalocean")) == expected


@pytest.mark.parametrize(
    ("annotations", "port_name", "expected"),
    [
        pytest.param({}, "admin", "Blackhole", id="one check for all ports counts the endpoints of all"),
        pytest.param({"override_health_check": ""}, "admin", "Blackhole", id="the first TCP port is probed"),
        pytest.param(
            {"override_health_check": "", "healthcheck_port": "81"},
            "admin",
            "TargetsUnhealthy",
            id="the named port",
        ),
    ],
)
def test_two_ports(annotations: dict[str, str], port_name: str, expected: str) -> None:
    two = web([port(), port("admin", 81, 30081)], **annotations)
    objects = [two, endpoints("a", "b"), endpoints("a", ports=["admin"]), *nodes("digitalocean")]
    assert seen(*objects, port_name=port_name).outcome == expected


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, UNHEALTHY, id="UDP is served with the check of the healthCheckNodePort"),
        pytest.param({"override_health_check": ""}, UNKNOWN, id="1374 no TCP port to probe"),
    ],
)
def test_udp(annotations: dict[str, str], expected: Seen) -> None:
    subject = web([port("dns", 53, 30053, "UDP")], **annotations)
    ready = endpoints("a", ports=["dns"], protocol="UDP")
    assert seen(subject, ready, *nodes("digitalocean"), port_name="dns") == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param("REGIONAL", NO_NODE_PORT, id="1199 REGIONAL sends to node ports"),
        pytest.param("REGIONAL_NETWORK", UNHEALTHY, id="1177 REGIONAL_NETWORK passes packets to the service port"),
        pytest.param(
            "",
            Seen("Unknown", "LoadBalancerTypeNotKnown", "abc", "bc"),
            id="the default is the controller's option",
        ),
    ],
)
def test_a_port_without_a_node_port(kind: str, expected: Seen) -> None:
    assert seen(web([port(node_port=0)], type=kind), endpoints("a"), *public()) == expected


@pytest.mark.parametrize(
    ("annotations", "reason"),
    [
        pytest.param({}, "TargetsUnhealthy", id="the healthCheckNodePort"),
        pytest.param({"override_health_check": ""}, "HealthCheckNotKnown", id="1366 the check names port 0"),
        pytest.param(
            {"override_health_check": "", "healthcheck_port": "81"}, "TargetsUnhealthy", id="1357 another port"
        ),
    ],
)
def test_the_check_of_a_port_without_a_node_port(annotations: dict[str, str], reason: str) -> None:
    two = web([port(node_port=0), port("admin", 81, 30081)], type="REGIONAL_NETWORK", **annotations)
    slices = [endpoints("a"), endpoints("a", ports=["admin"])]
    assert seen(two, *slices, *public()).reason == reason


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ("true", "Unknown"),
        ("false", "TargetsUnhealthy"),
        ("0", "TargetsUnhealthy"),
        ("yes", "Unknown"),
        ("", "Unknown"),
    ],
)
def test_a_disowned_load_balancer_is_no_longer_updated(value: str, outcome: str) -> None:
    subject = service(annotations={DISOWN: value}, ingress=ADDRESS)
    assert seen(subject, endpoints("a"), *nodes("digitalocean")).outcome == outcome


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        pytest.param("REGIONAL", "already hides it", id="a proxy"),
        pytest.param("REGIONAL_NETWORK", "Pods see the node's address", id="passed through"),
        pytest.param("", "may see the node's address", id="not known which"),
    ],
)
def test_advice_says_what_becomes_of_the_client_address(kind: str, words: str) -> None:
    advice = world(web(type=kind), endpoints("a"), *nodes("digitalocean")).advice()
    assert any(words in text for text in advice)


PUBLIC_IPV6: Json = {"type": "ExternalIP", "address": "2001:db8::7"}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param(
            {"type": "REGIONAL_NETWORK"},
            Seen("Covered", "Covered", "a", ""),
            id="595 external IPv4 only",
        ),
        pytest.param({"type": "REGIONAL"}, UNHEALTHY, id="587 a REGIONAL one takes private nodes"),
        pytest.param({"type": "REGIONAL_NETWORK", "network": "INTERNAL"}, UNHEALTHY, id="606 internal: all nodes"),
        pytest.param({}, Seen("Covered", "Covered", "a", ""), id="the type is not shown, and both deliver"),
    ],
)
def test_nodes_without_an_external_ipv4_address(annotations: dict[str, str], expected: Seen) -> None:
    members = nodes("digitalocean")
    members[0]["status"]["addresses"].append(PUBLIC)
    members[1]["status"]["addresses"].append(PUBLIC_IPV6)
    assert seen(web(None, **annotations), endpoints("a"), *members) == expected


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param(
            {"type": "REGIONAL_NETWORK"},
            Seen("Unknown", "NoMatchingNodes", "", ""),
            id="952 the controller fails, and the targets stay",
        ),
        pytest.param({"type": "REGIONAL_NETWORK", "network": "INTERNAL"}, UNHEALTHY, id="606 internal: all nodes"),
        pytest.param({"type": "REGIONAL"}, UNHEALTHY, id="587 a REGIONAL one takes private nodes"),
        pytest.param({}, UNHEALTHY, id="by default only a REGIONAL one can be made"),
    ],
)
def test_no_node_with_an_external_ipv4_address(annotations: dict[str, str], expected: Seen) -> None:
    assert seen(web(None, **annotations), endpoints("a"), *nodes("digitalocean")) == expected


def test_where_the_type_decides_it_is_not_known() -> None:
    members = nodes("digitalocean")
    members[0]["status"]["addresses"].append(PUBLIC)
    found = seen(web(), endpoints("b"), *members)
    assert found == Seen("Unknown", "LoadBalancerTypeNotKnown", "a", "a")
    assert seen(web(type="REGIONAL_NETWORK"), endpoints("b"), *members) == Seen("Outage", "Outage", "a", "a")


def test_an_sctp_port_fails_the_other_ports_too() -> None:
    two = web([port(), port("sig", 81, 30081, "SCTP")])
    slices = [endpoints("a"), endpoints("a", ports=["sig"], protocol="SCTP")]
    assert seen(two, *slices, *nodes("digitalocean")) == Seen("Unknown", "ProtocolNotServed", "abc", "bc")
    assert seen(two, *slices, *nodes("digitalocean"), port_name="sig").reason == "ProtocolNotServed"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        pytest.param("k3s://b", "RegistrationBlocked", id="droplets.go:181 a foreign providerID fails the sync"),
        pytest.param("digitalocean://", "RegistrationBlocked", id="droplets.go:186 no number"),
        pytest.param("", "NodeNotIdentified", id="752 a droplet of its name, or no target"),
    ],
)
@pytest.mark.parametrize("kind", ["REGIONAL", "REGIONAL_NETWORK"])
def test_a_node_that_is_no_droplet(kind: str, other: str, reason: str) -> None:
    members = [*public("a", "c"), node("b", other)]
    members[2]["status"]["addresses"].append(PUBLIC)
    assert seen(web(type=kind), endpoints("a"), *members)[:2] == ("Unknown", reason)
