"""cloud-provider-osc 64174f3 ccm/cloud/loadbalancer.go (numbers are its lines), ccm/loadbalancer.go."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.clouds.outscale import CHECK_PATH, CHECK_PORT, CHECK_PROTOCOL, NODE_LABELS
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.checks import pins, settings_of
from tests.assess.consumers.worlds import (
    HEALTH_CHECK_NODE_PORT,
    Json,
    Seen,
    endpoints,
    node,
    nodes,
    port,
    seen,
    service,
    world,
)

MARK = {"service.beta.kubernetes.io/osc-load-balancer-name": "web"}
HCNP = str(HEALTH_CHECK_NODE_PORT)
HOST = [{"hostname": "web.lbu.example.com"}]
SAFE = ("TargetsUnhealthy", "TargetsUnhealthy")
LOST = ("Blackhole", "Blackhole")
NONE_HEALTHY = ("Unknown", "NoneHealthyNotKnown")
NOT_UNDERSTOOD = ("Unknown", "InvalidAnnotation")


def around(annotations: dict[str, str]) -> list[Json]:
    return [service(annotations=MARK | annotations, ingress=HOST), endpoints("a"), *nodes("aws")]


@pytest.mark.parametrize(
    ("annotations", "expected", "settings"),
    [
        pytest.param({}, SAFE, (HCNP, "HTTP", "/healthz"), id="295: the healthCheckNodePort"),
        pytest.param({CHECK_PORT: "30080"}, SAFE, ("30080", "TCP", ""), id="293: TCP, here on the node port"),
        pytest.param({CHECK_PORT: "10256"}, LOST, ("10256", "TCP", ""), id="kube-proxy passes on each node"),
        pytest.param(
            {CHECK_PORT: "10256", CHECK_PROTOCOL: "http"},
            NONE_HEALTHY,
            ("10256", "HTTP", ""),
            id="404 on each node",
        ),
        pytest.param(
            {CHECK_PORT: "10256", CHECK_PROTOCOL: "ssl"}, NONE_HEALTHY, ("10256", "SSL", ""), id="no TLS on 10256"
        ),
        pytest.param(
            {CHECK_PORT: "10256", CHECK_PATH: "/healthz"},
            LOST,
            ("10256", "HTTP", "/healthz"),
            id="200 on each node",
        ),
        pytest.param({CHECK_PORT: HCNP}, LOST, (HCNP, "TCP", ""), id="TCP on the healthCheckNodePort passes, too"),
        pytest.param({CHECK_PORT: HCNP, CHECK_PROTOCOL: "http"}, SAFE, (HCNP, "HTTP", ""), id="288: HTTP on it"),
        pytest.param({CHECK_PORT: HCNP, CHECK_PATH: "/x"}, SAFE, (HCNP, "HTTP", "/x"), id="290: a path: HTTP"),
        pytest.param({CHECK_PROTOCOL: "tcp"}, SAFE, (HCNP, "HTTP", "/healthz"), id="298: it has no effect alone"),
        pytest.param({CHECK_PORT: "0"}, SAFE, (HCNP, "HTTP", "/healthz"), id="0 is as unset"),
        pytest.param({CHECK_PORT: "traffic-port"}, NOT_UNDERSTOOD, None, id="82: not a number"),
        pytest.param({CHECK_PORT: "30080", CHECK_PROTOCOL: "grpc"}, NOT_UNDERSTOOD, None, id="no such protocol"),
    ],
)
def test_health_check(
    annotations: dict[str, str], expected: tuple[str, str], settings: tuple[str, str, str] | None
) -> None:
    assert seen(*around(annotations))[:2] == expected
    if settings:
        assert settings_of(world(*around(annotations)).consumer().consumer) == CheckSettings(*settings)


def test_a_value_that_is_not_understood_is_named() -> None:
    assert (
        f"{CHECK_PORT} is 'traffic-port'" in world(*around({CHECK_PORT: "traffic-port"})).consumer().reason.detail
    )


@pytest.mark.parametrize(
    ("written", "eligible"),
    [
        pytest.param("pool=web", "a", id="k=v"),
        pytest.param("pool=web, zone=z", "a", id="spaces around a pair do not count"),
        pytest.param("pool", "c", id="a bare key asks for the empty value"),
        pytest.param("pool=qa", "", id="no match"),
        pytest.param("", "abc", id="empty: all"),
    ],
)
def test_target_node_labels(written: str, eligible: str) -> None:
    labels = {"a": {"pool": "web", "zone": "z"}, "b": {"pool": "db"}, "c": {"pool": ""}}
    members = [node(name, f"aws:///eu-west-2a/i-{name}", labels=each) for name, each in labels.items()]
    subject = service(annotations=MARK | {NODE_LABELS: written}, ingress=HOST)
    found = world(subject, endpoints("a"), *members)
    assert found.names(found.consumer().eligible) == eligible
    assert "as of the last sync" in found.consumer().consumer.source


@pytest.mark.parametrize("written", ["a=b=c", "k=v," * 60000])
def test_labels_that_are_not_understood(written: str) -> None:
    assert seen(*around({NODE_LABELS: written}))[:2] == NOT_UNDERSTOOD


def test_a_udp_port_fails_the_service() -> None:
    """259."""
    both = service(annotations=MARK, ingress=HOST, ports=[port(), port("dns", 53, 30053, "UDP")])
    slices = [endpoints("a"), endpoints("a", ports=["dns"], protocol="UDP")]
    assert seen(both, *slices, *nodes("aws"))[:2] == ("Unknown", "ProtocolNotServed")


def test_a_mark_decides_before_the_provider_id_of_aws() -> None:
    found = world(*around({})).consumer().consumer
    assert (found.controller, found.evidence) == ("cloud-provider/outscale", Evidence.DOCUMENTED)


def test_without_a_mark_it_is_not_outscale() -> None:
    made = world(service(), endpoints("a"), *nodes("aws"))
    assert not any(v.consumer.controller == "cloud-provider/outscale" for v in made.assessment.consumers)


def test_advice_removes_the_port_and_what_pins_it() -> None:
    made = world(*around({CHECK_PORT: HCNP}))
    assert pins(made.consumer().consumer)
    assert f"{CHECK_PORT}-" in made.advice()[0]
    assert f"First remove {CHECK_PORT}" in made.advice()[-1]
    assert "already hides it" in made.advice()[-1]


def test_all_nodes_covered() -> None:
    objects = [service(annotations=MARK, ingress=HOST), endpoints("a", "b", "c"), *nodes("aws")]
    assert seen(*objects) == Seen("Covered", "Covered", "abc", "")


def test_a_session_affinity_fails_the_service() -> None:
    subject = service(annotations=MARK, ingress=HOST, sessionAffinity="ClientIP")
    found = seen(subject, endpoints("a"), *nodes("aws"))
    assert found == Seen("Unknown", "SessionAffinityNotServed", "abc", "bc")


@pytest.mark.parametrize("annotations", [{}, {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}])
def test_its_host_name_is_a_sign(annotations: dict[str, str]) -> None:
    subject = service(annotations=annotations, ingress=[{"hostname": "x.eu-west-2.lbu.outscale.com"}])
    consumer = world(subject, endpoints("a"), *nodes("aws")).consumer().consumer
    assert (consumer.controller, consumer.evidence) == ("cloud-provider/outscale", Evidence.DOCUMENTED)


def test_another_host_name_is_none() -> None:
    subject = service(ingress=[{"hostname": "x.lbu.outscale.com.example.net"}])
    consumer = world(subject, endpoints("a"), *nodes("aws")).consumer().consumer
    assert consumer.controller == "cloud-provider/aws-clb"
