"""cloudscale.ch: cloudscale-cloud-controller-manager 4f13bd9 pkg/cloudscale_ccm/{reconcile,loadbalancer}.go."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.targets import CheckSettings
from tests.assess.consumers.families.clouds.alike import NO_NODE_PORT, UNHEALTHY, UNKNOWN, annotated
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, world

LB = "k8s.cloudscale.ch/loadbalancer-"
web = annotated(LB)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(web(), UNHEALTHY, id="HTTP on the healthCheckNodePort"),
        pytest.param(web(health_monitor_type="tcp"), UNHEALTHY, id="Local sets the type to HTTP"),
        pytest.param(web(health_monitor_http='{"url_path": "/x"}'), UNHEALTHY, id="another path"),
        pytest.param(
            web(health_monitor_http='{"expected_codes": ["200", "503"]}'),
            Seen("Blackhole", "Blackhole", "abc", "bc"),
            id="503 is expected too",
        ),
        pytest.param(web(health_monitor_http='{"expected_codes": ["204"]}'), UNKNOWN, id="other codes"),
        pytest.param(web(health_monitor_http="{"), UNKNOWN, id="no JSON"),
        pytest.param(web(health_monitor_http="[" * 100_000), UNKNOWN, id="JSON too deep"),
        pytest.param(web(health_monitor_http='{"expected_codes": 7}'), UNKNOWN, id="codes of a wrong type"),
        pytest.param(web(node_selector="invalid===syntax"), UNKNOWN, id="a bad selector fails the sync"),
        pytest.param(
            web(node_selector="env=prod"), Seen("NoTargets", "NoNodeSelected", "", ""), id="297 an emptied pool"
        ),
        pytest.param(web([port(node_port=0)]), NO_NODE_PORT, id="no node port: error"),
    ],
)
def test_check(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("cloudscale")) == expected


def test_the_path_is_livez() -> None:
    check = world(web(), endpoints("a"), *nodes("cloudscale")).consumer().consumer.check
    assert check is not None
    assert check.settings == CheckSettings("32000", "HTTP", "/livez")


def test_udp_pools_have_the_same_monitor() -> None:
    subject = web([port("dns", 53, 30053, "UDP")])
    ready = endpoints("a", ports=["dns"], protocol="UDP")
    assert seen(subject, ready, *nodes("cloudscale"), port_name="dns") == UNHEALTHY


def test_the_selector_is_a_full_one() -> None:
    labelled = [node("a", "cloudscale://1", labels={"env": "prod"}), node("b", "cloudscale://2")]
    made = world(web(node_selector="env in (prod,test)"), endpoints("a"), *labelled)
    assert (made.consumer().outcome.name, made.names(made.consumer().eligible)) == ("Covered", "a")


def test_an_sctp_port_fails_the_other_ports_too() -> None:
    two = web([port(), port("sig", 81, 30081, "SCTP")])
    slices = [endpoints("a"), endpoints("a", ports=["sig"], protocol="SCTP")]
    assert seen(two, *slices, *nodes("cloudscale")) == Seen("Unknown", "ProtocolNotServed", "abc", "bc")
    assert seen(two, *slices, *nodes("cloudscale"), port_name="sig").reason == "ProtocolNotServed"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        pytest.param("k3s://b", "RegistrationBlocked", id="provider_id.go:35 a foreign providerID fails the sync"),
        pytest.param("", "NodeNotIdentified", id="server_mapper.go:48 a server of its name, or an error"),
    ],
)
def test_a_node_that_is_no_server(other: str, reason: str) -> None:
    members = [*nodes("cloudscale", "a", "c"), node("b", other)]
    assert seen(web(), endpoints("a"), *members)[:2] == ("Unknown", reason)


@pytest.mark.parametrize(
    ("subnets", "on", "expected"),
    [
        pytest.param("", "a", UNHEALTHY, id="empty"),
        pytest.param(" [ ] ", "a", UNHEALTHY, id="all subnets"),
        pytest.param('["s1"]', "a", Seen("Unknown", "SubnetsNotKnown", "abc", "bc"), id="185 some servers"),
        pytest.param('["s1"]', "abc", Seen("Unknown", "SubnetsNotKnown", "abc", ""), id="or none"),
        pytest.param('["s1"]', "z", Seen("Outage", "Outage", "abc", "abc"), id="no node with an endpoint"),
        pytest.param('"s1"', "a", UNKNOWN, id="service_info.go:159 no list: the sync fails"),
        pytest.param("[1]", "a", UNKNOWN, id="a list of numbers"),
        pytest.param("[", "a", UNKNOWN, id="no JSON"),
    ],
)
def test_allowed_subnets(subnets: str, on: str, expected: Seen) -> None:
    assert seen(web(listener_allowed_subnets=subnets), endpoints(*on), *nodes("cloudscale")) == expected
