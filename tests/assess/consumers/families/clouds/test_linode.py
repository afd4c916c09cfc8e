"""Linode: linode-cloud-controller-manager b9aa901 cloud/linode/loadbalancers.go."""

from __future__ import annotations

import pytest

from tests.assess.consumers.worlds import Json, Seen, endpoints, nodes, port, seen, service, world

LB = "service.beta.kubernetes.io/linode-loadbalancer-"
ADDRESS = [{"ip": "203.0.113.7"}]

UNHEALTHY = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
BLACKHOLE = Seen("Blackhole", "Blackhole", "abc", "bc")
UNKNOWN = Seen("Unknown", "InvalidAnnotation", "abc", "bc")


def web(ports: list[Json] | None = None, **annotations: str) -> Json:
    given = {f"{LB}{key.replace('_', '-')}": value for key, value in annotations.items()}
    return service(annotations=given, ports=ports or [], ingress=ADDRESS)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(web(), UNHEALTHY, id="1278 connection on the node port by default"),
        pytest.param(web(check_type="http"), UNHEALTHY, id="HTTP on the node port"),
        pytest.param(web(check_type="http_body"), UNHEALTHY, id="HTTP with a body"),
        pytest.param(web(check_type="none"), BLACKHOLE, id="no check"),
        pytest.param(
            web(check_type="none", check_passive="true"), BLACKHOLE, id="a passive check counts 5xx only"
        ),
        pytest.param(web(check_type="tcp"), UNKNOWN, id="1287 an unknown type is rejected"),
        pytest.param(web(port_80='{"protocol": "http"}'), UNHEALTHY, id="1292 a port's own settings"),
        pytest.param(web(port_80="{"), UNKNOWN, id="1305 a port's settings are no JSON"),
        pytest.param(web(port_80='{"protocol": "quic"}'), UNKNOWN, id="helpers:33 a port's protocol is rejected"),
        pytest.param(web(default_protocol="quic"), UNKNOWN, id="helpers:33 the default protocol is rejected"),
        pytest.param(web([port(node_port=0)]), Seen("NoTargets", "NoNodePort", "", ""), id="no node port"),
    ],
)
def test_check(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("linode")) == expected


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, BLACKHOLE, id="1281 UDP has no check by default"),
        pytest.param(
            {"check_type": "connection", "udp_check_port": "32000"},
            BLACKHOLE,
            id="connects to healthCheckNodePort",
        ),
        pytest.param(
            {"check_type": "http", "udp_check_port": "32000"}, UNHEALTHY, id="HTTP on healthCheckNodePort"
        ),
        pytest.param(
            {"check_type": "connection"},
            Seen("Unknown", "HealthCheckPortNotModelled", "abc", "bc"),
            id="port 80 of the node by default",
        ),
        pytest.param({"check_type": "http", "udp_check_port": "0"}, UNKNOWN, id="a port out of range is rejected"),
        pytest.param(
            {"check_type": "http", "udp_check_port": "10256", "port_53": '{"udp-check-port": "32000"}'},
            UNHEALTHY,
            id="helpers:109 the port's own setting first",
        ),
        pytest.param(
            {"check_type": "http", "udp_check_port": "32000", "port_53": '{"udp-check-port": ""}'},
            UNHEALTHY,
            id="helpers:109 an empty one does not count",
        ),
        pytest.param(
            {"check_type": "http", "port_53": '{"udp-check-port": "x"}'}, UNKNOWN, id="helpers:110 no number"
        ),
        pytest.param(
            {"check_type": "http", "port_53": '{"udp-check-port": 32000}'}, UNKNOWN, id="115 it must be a text"
        ),
    ],
)
def test_udp(annotations: dict[str, str], expected: Seen) -> None:
    subject = web([port("dns", 53, 30053, "UDP")], **annotations)
    ready = endpoints("a", ports=["dns"], protocol="UDP")
    assert seen(subject, ready, *nodes("linode"), port_name="dns") == expected


def test_each_port_has_its_own_check() -> None:
    two = web([port(), port("admin", 81, 30081)])
    objects = [two, endpoints("a", "b"), endpoints("a", ports=["admin"]), *nodes("linode")]
    assert seen(*objects, port_name="admin") == UNHEALTHY


def test_http_checks_the_root_unless_a_path_is_set() -> None:
    for path, expected in (("", "/"), ("/ok", "/ok")):
        check = (
            world(web(check_type="http", check_path=path), endpoints("a"), *nodes("linode"))
            .consumer()
            .consumer.check
        )
        assert check is not None
        assert check.settings is not None
        assert check.settings.path == expected


def test_an_sctp_port_fails_the_other_ports_too() -> None:
    two = web([port(), port("sig", 81, 30081, "SCTP")])
    slices = [endpoints("a"), endpoints("a", ports=["sig"], protocol="SCTP")]
    assert seen(two, *slices, *nodes("linode")) == Seen("Unknown", "ProtocolNotServed", "abc", "bc")
    assert seen(two, *slices, *nodes("linode"), port_name="sig").reason == "ProtocolNotServed"


def test_the_default_protocol_counts_for_an_sctp_port_too() -> None:
    two = web([port(), port("sig", 81, 30081, "SCTP")], default_protocol="tcp")
    assert seen(two, endpoints("a"), *nodes("linode")) == UNHEALTHY


def test_a_rejected_setting_of_one_port_fails_the_others() -> None:
    two = web([port(), port("admin", 81, 30081)], port_81="{")
    assert seen(two, endpoints("a"), *nodes("linode")).reason == "InvalidAnnotation"
