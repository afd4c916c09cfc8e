"""Scaleway: scaleway-cloud-controller-manager bddc17f scaleway/loadbalancers.go, loadbalancers_annotations.go."""

from __future__ import annotations

import pytest

from etpguard.assess.probe import HealthCheckNodePort, OwnNodePort
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

LB = "service.beta.kubernetes.io/scw-loadbalancer-"
ADDRESS = [{"ip": "203.0.113.7"}]

UNHEALTHY = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
UNKNOWN = Seen("Unknown", "InvalidAnnotation", "abc", "bc")


def web(ports: list[Json] | None = None, **annotations: str) -> Json:
    given = {f"{LB}{key.replace('_', '-')}": value for key, value in annotations.items()}
    return service(annotations=given, ports=ports or [], ingress=ADDRESS)


@pytest.mark.parametrize(
    ("annotations", "native"),
    [
        pytest.param({}, False, id="TCP on the node port by default"),
        *(
            pytest.param({"health_check_from_service": text}, True, id=f"isPortInRange {text!r}")
            for text in ("true", "*", "80", "443, 80", "T")
        ),
        *(
            pytest.param({"health_check_from_service": text}, False, id=f"isPortInRange {text!r}")
            for text in ("false", "", "443", "1", "F")
        ),
        *(
            pytest.param({"health_check_type": text}, False, id=f"getHealthCheckType {text!r}")
            for text in ("http", "mysql", "443:http;80:tcp", "80,443:https", "443:nope;tcp")
        ),
        pytest.param(
            {"health_check_from_service": "true", "health_check_type": "nope"}, True, id="1145 overrides the type"
        ),
    ],
)
def test_what_is_probed(annotations: dict[str, str], native: bool) -> None:
    found = world(web(None, **annotations), endpoints("a"), *nodes("scaleway")).consumer()
    assert found.outcome.name == "TargetsUnhealthy"
    assert found.consumer.probe == (HealthCheckNodePort() if native else OwnNodePort("http"))


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param({"health_check_from_service": "yes"}, id="neither a bool nor ports"),
        pytest.param({"health_check_from_service": "0"}, id="a port out of range"),
        pytest.param({"health_check_from_service": "443,http"}, id="a port by name"),
        pytest.param({"health_check_type": "udp"}, id="an unknown type"),
        pytest.param({"health_check_type": "443:http"}, id="no type for this port"),
        pytest.param({"health_check_type": "80:http:x"}, id="too many colons"),
        pytest.param({"health_check_type": ""}, id="an empty type"),
    ],
)
def test_values_that_are_rejected(annotations: dict[str, str]) -> None:
    assert seen(web(None, **annotations), endpoints("a"), *nodes("scaleway")) == UNKNOWN


@pytest.mark.parametrize(
    ("text", "eligible"),
    [
        pytest.param("role=edge", "a", id="a value"),
        pytest.param("role", "ab", id="a key alone admits any value"),
        pytest.param("role=", "ab", id="an empty value admits any"),
        pytest.param("role=edge,zone=1", "", id="all must match"),
        pytest.param("", "abc", id="nothing selects all"),
        pytest.param("role!=edge", "", id="it is no full selector"),
        pytest.param(" role=edge , ", "a", id="blanks around pairs"),
        pytest.param("role = edge", "", id="blanks around the sign are a part of key and value"),
        pytest.param("role=edge=core", "a", id="what follows a second sign is ignored"),
        pytest.param("=edge", "abc", id="a value without a key selects all"),
    ],
)
def test_1097_target_node_labels(text: str, eligible: str) -> None:
    labelled = [
        node("a", "scaleway://1", labels={"role": "edge"}),
        node("b", "scaleway://2", labels={"role": "core"}),
        node("c", "scaleway://3"),
    ]
    made = world(web(target_node_labels=text), endpoints("a", "b", "c"), *labelled)
    assert made.names(made.consumer().eligible) == eligible
    assert (made.consumer().reason.code == "NoNodeSelected") == (not eligible)


def test_1389_udp_is_not_served() -> None:
    subject = web([port("dns", 53, 30053, "UDP")])
    ready = endpoints("a", ports=["dns"], protocol="UDP")
    assert seen(subject, ready, *nodes("scaleway"), port_name="dns").reason == "ProtocolNotServed"


def test_a_class_takes_the_service_away() -> None:
    subject = service(annotations={f"{LB}zone": "fr-par-1"}, loadBalancerClass="example.com/lb")
    made = world(subject, endpoints("a"), *nodes("scaleway"))
    assert not any("scaleway" in each.consumer.controller for each in made.assessment.consumers)
