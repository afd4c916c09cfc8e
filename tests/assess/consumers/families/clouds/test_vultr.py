"""Vultr: vultr-cloud-controller-manager d5f3ab0 vultr/loadbalancers.go."""

from __future__ import annotations

import pytest

from tests.assess.consumers.families.clouds.alike import NO_NODE_PORT, UNHEALTHY, UNKNOWN, annotated
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen

LB = "service.beta.kubernetes.io/vultr-loadbalancer-"
web = annotated(LB)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(web(), UNHEALTHY, id="TCP on the first node port by default"),
        pytest.param(web(healthcheck_path="/ok"), UNHEALTHY, id="HTTP with a path"),
        pytest.param(web(healthcheck_protocol="https"), UNKNOWN, id="949 an unknown protocol is rejected"),
        pytest.param(
            web(healthcheck_port="80"),
            Seen("Unknown", "HealthCheckPortNotModelled", "abc", "bc"),
            id="966 the service port's number is probed on the nodes",
        ),
        pytest.param(web(healthcheck_port="30080"), UNKNOWN, id="966 a node port is rejected"),
        pytest.param(web(healthcheck_port="http"), UNKNOWN, id="966 a name is rejected"),
        pytest.param(
            web(healthcheck_protocol="udp"), Seen("Unknown", "UdpNotModelled", "abc", "bc"), id="a UDP check"
        ),
        pytest.param(web([port(node_port=0)]), NO_NODE_PORT, id="no node port"),
    ],
)
def test_check(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("vultr")) == expected


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param("few", "TargetsUnhealthy", id="the port with fewer endpoints is checked"),
        pytest.param("many", "Blackhole", id="the port with more endpoints is checked"),
    ],
)
def test_the_first_port_is_checked_for_all(first: str, expected: str) -> None:
    ports = sorted([port("few"), port("many", 81, 30081)], key=lambda each: each["name"] != first)
    objects = [web(ports), endpoints("a", ports=["few"]), endpoints("a", "b", ports=["many"]), *nodes("vultr")]
    assert seen(*objects, port_name="few").outcome == expected


def test_the_second_port_is_not_accepted_for_the_check() -> None:
    two = web([port(), port("admin", 81, 30081)], healthcheck_port="81")
    assert seen(two, endpoints("a"), *nodes("vultr")) == UNKNOWN


def test_udp_is_never_ok() -> None:
    subject = web([port("dns", 53, 30053, "UDP")])
    ready = endpoints("a", ports=["dns"], protocol="UDP")
    assert seen(subject, ready, *nodes("vultr"), port_name="dns").reason == "UdpNotModelled"


def test_one_node_without_a_provider_id_fails_the_sync() -> None:
    members = [node("a", "vultr://a"), node("b", "vultr://b"), node("c")]
    assert seen(web(label="x"), endpoints("a"), *members)[:2] == ("Unknown", "RegistrationBlocked")


def test_instances_189_a_node_of_another_provider_fails_the_sync() -> None:
    members = [node("a", "vultr://a"), node("b", "x://b")]
    assert seen(web(), endpoints("a"), *members)[:2] == ("Unknown", "RegistrationBlocked")
