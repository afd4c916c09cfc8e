"""From the API's JSON to records: what is null, what is malformed, and what each costs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    NODE,
    SERVICE,
    SERVICE_COVERAGE,
    AnyKind,
    Key,
    Page,
    Reject,
    decode_item,
    decode_page,
)
from etpguard.objects.ingresses import ClassParameters
from etpguard.objects.records import Condition

Json = dict[str, Any]

SERVICE_JSON: Json = {
    "metadata": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}},
    "spec": {
        "type": "NodePort",
        "clusterIP": "10.0.0.1",
        "clusterIPs": ["10.0.0.1"],
        "ipFamilies": ["IPv4"],
        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http", "nodePort": 30080}],
        "selector": {"app": "web"},
        "externalIPs": ["198.51.100.1"],
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 31000,
        "loadBalancerClass": "x",
        "loadBalancerIP": "203.0.113.1",
    },
    "status": {
        "loadBalancer": {"ingress": [{"ip": "203.0.113.1", "hostname": "h", "ipMode": "VIP"}]},
        "conditions": [{"type": "T", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "t"}],
    },
}
SLICE_JSON: Json = {
    "metadata": {"name": "web-1", "namespace": "default", "resourceVersion": "8", "labels": {}},
    "addressType": "IPv4",
    "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
    "endpoints": [
        {
            "addresses": ["10.0.0.9"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "n1",
            "targetRef": {"kind": "Pod", "name": "p"},
        }
    ],
}
NODE_JSON: Json = {
    "metadata": {"name": "n1", "resourceVersion": "9", "labels": {"a": "b"}, "deletionTimestamp": "t"},
    "spec": {"providerID": "aws:///a/i-1", "taints": [{"key": "k", "effect": "NoSchedule", "value": "v"}]},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
    },
}
INGRESS_JSON: Json = {
    "metadata": {
        "name": "i",
        "namespace": "default",
        "resourceVersion": "10",
        "annotations": {"a": "b"},
        "ownerReferences": [{"kind": "K", "name": "n", "uid": "u", "controller": True}],
    },
    "spec": {
        "ingressClassName": "alb",
        "defaultBackend": {"service": {"name": "web", "port": {"name": "http", "number": 80}}},
        "rules": [{"host": "h", "http": {"paths": [{"path": "/", "backend": {"resource": {"kind": "B"}}}]}}],
    },
}
OBJECTS: list[tuple[AnyKind, Json]] = [
    (SERVICE, SERVICE_JSON),
    (ENDPOINT_SLICE, SLICE_JSON),
    (NODE, NODE_JSON),
    (INGRESS, INGRESS_JSON),
]

# An object without these cannot be identified.
REQUIRED = {
    SERVICE: {"metadata", "metadata.name", "spec", "spec.ports.0.port", "status.conditions.0.type"},
    ENDPOINT_SLICE: {"metadata", "metadata.name"},
    NODE: {
        "metadata",
        "metadata.name",
        "spec.taints.0.key",
        "status.conditions.0.type",
        "status.addresses.0.type",
        "status.addresses.0.address",
    },
    INGRESS: {"metadata", "metadata.name", "spec.defaultBackend.service.name"},
}


def paths(value: Any, prefix: str = "") -> list[str]:
    """The paths of all members of objects."""
    if isinstance(value, dict):
        return [
            path for key, inner in value.items() for path in (f"{prefix}{key}", *paths(inner, f"{prefix}{key}."))
        ]
    if isinstance(value, list):
        return [path for index, inner in enumerate(value) for path in paths(inner, f"{prefix}{index}.")]
    return []


def with_null(raw: Json, path: str) -> Json:
    copy = msgspec.json.decode(msgspec.json.encode(raw))
    at = copy
    *way, last = path.split(".")
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[last] = None
    found: Json = copy
    return found


CASES = [pytest.param(kind, raw, path, id=f"{kind.name} {path}") for kind, raw in OBJECTS for path in paths(raw)]


@pytest.mark.parametrize(("kind", "raw", "path"), CASES)
def test_null_is_the_zero_value_everywhere(kind: AnyKind, raw: Json, path: str) -> None:
    nulled = with_null(raw, path)
    found = decode_item(kind, msgspec.json.encode(nulled))
    assert decode_item(kind, nulled) == found, "the same from a dict"
    assert isinstance(found, Reject) == (path in REQUIRED[kind])


def test_null_in_a_map_of_strings_is_the_empty_string() -> None:
    found = decode_item(NODE, {"metadata": {"name": "n", "labels": {"a": None}}})
    assert not isinstance(found, Reject)
    assert found.labels == {"a": ""}


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        pytest.param(
            SERVICE,
            {"spec": {"ports": [{"port": "80"}]}},
            "Service default/web: spec.ports[0].port: expected int, got str",
            id="a string where a number belongs",
        ),
        pytest.param(
            SERVICE,
            {"spec": {"ports": 5}},
            "Service default/web: spec.ports: expected array | null, got int",
            id="no list",
        ),
        pytest.param(
            SERVICE, {"spec": "x"}, "Service default/web: spec: expected object, got str", id="no object"
        ),
        pytest.param(
            SERVICE,
            {"metadata": {"name": "web", "namespace": "default", "labels": {"a": 5}}},
            "Service default/web: metadata.labels[...]: expected str, got int",
            id="a number where a label belongs",
        ),
        pytest.param(
            SERVICE,
            {"metadata": {"name": "web", "namespace": "default", "resourceVersion": "x1"}},
            "Service default/web: metadata.resourceVersion: expected an integer, got 'x1'",
            id="resourceVersion is no integer",
        ),
        pytest.param(
            SERVICE,
            {"metadata": {"name": "web", "namespace": "default", "resourceVersion": "²"}},
            "Service default/web: metadata.resourceVersion: expected an integer, got '²'",
            id="resourceVersion of digits that are none",
        ),
        pytest.param(
            SERVICE,
            {"metadata": {"name": "web", "namespace": "default", "resourceVersion": "9" * 5000}},
            f"Service default/web: metadata.resourceVersion: expected an integer, got '{'9' * 40}'",
            id="resourceVersion without end",
        ),
        pytest.param(
            SERVICE,
            {"metadata": {"namespace": "default"}},
            "Service (no name): metadata: object missing required field name",
            id="no name",
        ),
        pytest.param(
            SERVICE, {"metadata": None}, "Service (no name): metadata: expected object, got null", id="no metadata"
        ),
        pytest.param(
            SERVICE,
            {"metadata": []},
            "Service (no name): metadata: expected object, got array",
            id="metadata is a list",
        ),
        pytest.param(
            SERVICE,
            {"metadata": {"name": "we\nb", "labels": 1}},
            "Service we b: metadata.labels: expected object | null, got int",
            id="one line, whatever the name",
        ),
    ],
)
def test_a_malformed_object_is_named_with_its_field(kind: AnyKind, change: Json, message: str) -> None:
    raw = {**SERVICE_JSON, **change}
    for source in (raw, msgspec.json.encode(raw)):
        found = decode_item(kind, source)
        assert isinstance(found, Reject)
        assert found.message == message


def test_a_reject_names_what_can_still_be_read() -> None:
    labels = {"kubernetes.io/service-name": "web"}
    meta = {"name": "web-1", "namespace": "default", "uid": "u", "resourceVersion": "12", "labels": labels}
    found = decode_item(ENDPOINT_SLICE, {"metadata": meta, "endpoints": "x"})
    assert isinstance(found, Reject)
    assert (found.key, found.uid, found.version) == (Key("default", "web-1"), "u", 12)
    assert found.service == Key("default", "web")


def page_of(*items: Json, version: Any = "99", **meta: Any) -> bytes:
    return msgspec.json.encode({"metadata": {"resourceVersion": version, **meta}, "items": list(items)})


def named(number: int) -> Json:
    return {**SERVICE_JSON, "metadata": {**SERVICE_JSON["metadata"], "name": f"s{number}"}}


@pytest.mark.parametrize(
    "malformed",
    [
        pytest.param({**named(250), "spec": {"ports": [{"port": "80"}]}}, id="a string where a number belongs"),
        pytest.param({**named(250), "metadata": {**named(250)["metadata"], "resourceVersion": "x"}}, id="version"),
    ],
)
def test_one_malformed_object_in_a_page_of_500_costs_that_object_alone(malformed: Json) -> None:
    items = [named(number) for number in range(500)]
    items[250] = malformed
    page = decode_page(SERVICE, page_of(*items, **{"continue": "more"}))
    assert [item.key.name for item in page.items] == [f"s{n}" for n in range(500) if n != 250]
    assert [reject.key for reject in page.rejects] == [Key("default", "s250")]
    assert (page.version, page.continue_token) == (99, "more")


@pytest.mark.parametrize("item", [b"null", b"5", b'"x"', b"[]", b"{}"])
def test_an_item_that_is_no_object(item: bytes) -> None:
    page = decode_page(SERVICE, b'{"items": [' + item + b", " + msgspec.json.encode(SERVICE_JSON) + b"]}")
    assert [found.key.name for found in page.items] == ["web"]
    assert [reject.message.startswith("Service (no name): ") for reject in page.rejects] == [True]


def test_a_string_that_is_no_utf8_costs_its_object_alone() -> None:
    bad = b'{"metadata": {"name": "\xff"}}'
    page = decode_page(NODE, b'{"items": [' + bad + b', {"metadata": {"name": "n"}}]}')
    assert [found.key.name for found in page.items] == ["n"]
    assert len(page.rejects) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="no JSON"),
        pytest.param(b'{"items": [', id="cut off"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"items": {}}', id="items are no list"),
        pytest.param(
            b'{"metadata": {"resourceVersion": "x"}, "items": []}', id="the list's version is no integer"
        ),
        pytest.param(b'{"metadata": {"resourceVersion": 5}, "items": []}', id="the list's version is a number"),
    ],
)
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_page(SERVICE, body)


@pytest.mark.parametrize("name", ['"n"', "5"])
def test_an_object_nested_without_end(name: str) -> None:
    depth = 100_000  # how deep is too deep, thousands or some tens of them, is the interpreter's
    nested = "[" * depth + "]" * depth
    item = f'{{"metadata": {{"name": {name}}}, "spec": {{"x": {nested}}}}}'.encode()
    found = decode_item(NODE, item)
    assert isinstance(found, Reject)
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        decode_page(NODE, b'{"items": [' + item + b"]}")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{}", id="no items"),
        pytest.param(b'{"items": null, "metadata": null}', id="null"),
        pytest.param(b'{"items": [], "metadata": {"resourceVersion": ""}}', id="as kubectl prints it"),
    ],
)
def test_an_empty_list(body: bytes) -> None:
    assert decode_page(SERVICE, body) == Page([], [], 0, "")


def test_an_annotation_of_256_kib() -> None:
    last_applied = "kubectl.kubernetes.io/last-applied-configuration"
    annotations = {"big": "x" * (256 * 1024), last_applied: "y" * (256 * 1024)}
    raw = {**INGRESS_JSON, "metadata": {**INGRESS_JSON["metadata"], "annotations": annotations}}
    found = decode_item(INGRESS, raw)
    assert not isinstance(found, Reject)
    assert len(found.annotations["big"]) == 256 * 1024
    assert last_applied not in found.annotations, "a second copy of the object, which no rule reads"
    assert last_applied in annotations, "and the caller's dict is not touched"


def test_fields_that_no_rule_reads_are_ignored() -> None:
    raw = {**SERVICE_JSON, "kind": "Service", "apiVersion": "v1", "unheard": {"of": [1, None]}}
    assert decode_item(SERVICE, raw) == decode_item(SERVICE, SERVICE_JSON)


def test_a_remediation_that_we_could_not_have_written_is_none() -> None:
    meta = {"name": "web", "namespace": "default"}
    found = decode_item(SERVICE_COVERAGE, {"metadata": meta, "status": {"remediation": {"phase": 5}}})
    assert not isinstance(found, Reject)
    assert found.remediation is None


def test_absent_fields_have_their_defaults() -> None:
    assert msgspec.convert({"type": "T"}, Condition).status == "Unknown"
    assert msgspec.convert({}, ClassParameters) == ClassParameters()
