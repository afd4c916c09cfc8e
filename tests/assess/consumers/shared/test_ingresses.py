"""Which controller serves an Ingress: networking/v1 types.go IngressSpec.IngressClassName and the annotation
that came before it."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.unknown_controller import UnknownController
from tests.assess.consumers.worlds import (
    Json,
    Seen,
    endpoints,
    ingress,
    ingress_class,
    nodes,
    port,
    seen,
    service,
    world,
)

NODE_PORT = service(type="NodePort")
ANNOTATION = "kubernetes.io/ingress.class"
CLASSES = [ingress_class("ours", "example.com/ours"), ingress_class("theirs", "example.com/theirs")]
DEFAULT = ingress_class("default", "example.com/default", default=True)


def controller(*objects: Json) -> str:
    made = world(NODE_PORT, endpoints("a"), *nodes(""), *objects, known=[UnknownController()])
    return made.consumer().consumer.controller


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(ingress(class_name="ours"), "example.com/ours", id="by class name"),
        pytest.param(ingress(annotations={ANNOTATION: "ours"}), "example.com/ours", id="by annotation"),
        pytest.param(
            ingress(class_name="ours", annotations={ANNOTATION: "theirs"}),
            "example.com/theirs",
            id="the annotation decides alone",
        ),
        pytest.param(ingress(class_name="gone"), "gone", id="an unknown class is named in its place"),
        pytest.param(ingress(annotations={ANNOTATION: ""}), "(none)", id="an empty annotation is a class too"),
        pytest.param(ingress(), "example.com/default", id="the one default class"),
    ],
)
def test_class(made: Json, expected: str) -> None:
    assert controller(made, *CLASSES, DEFAULT) == expected


def test_without_a_default_class() -> None:
    assert controller(ingress(), *CLASSES) == "(none)"


@pytest.mark.parametrize(
    ("to_port", "expected"),
    [
        pytest.param({"number": 80}, "http", id="by number"),
        pytest.param({"name": "http"}, "http", id="by name"),
        pytest.param({"number": 8080}, "8080", id="never by targetPort"),
        pytest.param({"number": 30080}, "30080", id="never by node port"),
        pytest.param({"name": "web"}, "web", id="a name that is not there"),
    ],
)
def test_port(to_port: Json, expected: str) -> None:
    made = world(NODE_PORT, endpoints("a"), *nodes(""), ingress(class_name="gone", to_port=to_port))
    (verdict,) = made.assessment.consumers
    assert verdict.consumer.port == expected
    if expected != "http":
        assert (verdict.outcome.name, verdict.reason.code) == ("Unknown", "PortNotFound")


def test_each_port_is_a_consumer_once() -> None:
    made = ingress(annotations={ANNOTATION: "gce"})
    paths = made["spec"]["rules"][0]["http"]["paths"]
    paths += [paths[0], {"backend": {"service": {"name": "web", "port": {"name": "admin"}}}}]
    made["spec"]["defaultBackend"] = {"service": {"name": "other", "port": {"number": 1}}}
    subject = service(type="NodePort", ports=[port(), port("admin", 81, 30081)])
    found = world(subject, endpoints("a"), *nodes("gce"), made).assessment.consumers
    assert [v.consumer.port for v in found] == ["http", "admin"]


def test_a_default_backend_counts() -> None:
    made = ingress(annotations={ANNOTATION: "gce"}, to="other")
    made["spec"]["defaultBackend"] = {"service": {"name": "web", "port": {"number": 80}}}
    assert seen(NODE_PORT, endpoints("a"), *nodes("gce"), made).outcome == "TargetsUnhealthy"


def test_an_ingress_being_deleted_sends_no_more() -> None:
    made = ingress(class_name="gone")
    made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert world(NODE_PORT, endpoints("a"), *nodes(""), made).assessment.consumers == ()


def test_an_ingress_of_another_namespace_is_none_of_the_services() -> None:
    made = ingress(annotations={ANNOTATION: "gce"})
    made["metadata"]["namespace"] = "elsewhere"
    assert world(NODE_PORT, endpoints("a"), *nodes("gce"), made).assessment.consumers == ()


def test_a_class_that_comes_later_is_taken_up() -> None:
    made = world(NODE_PORT, endpoints("a"), *nodes(""), ingress(class_name="edge"))
    assert made.consumer().outcome.name == "Unknown"
    made.put(ingress_class("edge", "nginx.org/ingress-controller"))
    assert made.consumer().outcome.name == "NotAffected"


def test_a_resource_backend_is_no_service() -> None:
    made = ingress(annotations={ANNOTATION: "gce"})
    made["spec"]["defaultBackend"] = {"resource": {"kind": "Bucket", "name": "static"}}
    assert seen(NODE_PORT, endpoints("a"), *nodes("gce"), made) == Seen(
        "TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc"
    )
