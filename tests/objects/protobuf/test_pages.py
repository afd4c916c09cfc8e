"""From answers in protobuf to pages: what is malformed, and what each costs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    NODE,
    SERVICE,
    AnyKind,
    Key,
    Record,
    decode_item,
)
from etpguard.objects.network_policies import NETWORK_POLICY
from etpguard.objects.protobuf import kubernetes_pb2 as pb
from etpguard.objects.protobuf.pages import decode_page, decode_status
from tests.objects.protobuf.answers import answer, endpoint_slice, envelope, node

CUT_OFF = b"\x0a\x7f\x0a"
"""The beginning of metadata of 127 bytes."""


def with_bad_text(name: bytes = b"bad") -> bytes:
    """A Node whose label is no UTF-8."""
    label = b"\x0a\x01a\x12\x01\xff"
    meta = b"\x0a" + bytes([len(name)]) + name + b"\x32\x0212" + b"\x5a" + bytes([len(label)]) + label
    return b"\x0a" + bytes([len(meta)]) + meta


def test_a_page_says_where_the_list_goes_on() -> None:
    page = decode_page(NODE, answer(NODE, node("a"), node("b"), version="12", token="more"))
    assert [item.key.name for item in page.items] == ["a", "b"]
    assert (page.version, page.continue_token, page.rejects) == (12, "more", [])


@pytest.mark.parametrize(
    ("malformed", "key", "message"),
    [
        pytest.param(with_bad_text(), "bad", "Node bad: not readable protobuf: ", id="a label that is no UTF-8"),
        pytest.param(with_bad_text(b"b\xff"), "b\ufffd", "Node b\ufffd: not", id="a name that is no UTF-8"),
        pytest.param(CUT_OFF, "", "Node (no name): not readable protobuf: ", id="cut off"),
        pytest.param(node("bad").SerializeToString() + b"\x12\x7f", "bad", "Node bad: not", id="cut off later"),
        pytest.param(
            node("").SerializeToString(),
            "",
            "Node (no name): metadata: object missing required field name",
            id="no name",
        ),
        pytest.param(b"", "", "Node (no name): metadata: object missing required field name", id="empty"),
        pytest.param(
            node("bad", "x1").SerializeToString(),
            "bad",
            "Node bad: metadata.resourceVersion: expected an integer, got 'x1'",
            id="resourceVersion is no integer",
        ),
        pytest.param(
            pb.Node(metadata={"name": "bad", "deletionTimestamp": {"seconds": 1 << 60}}).SerializeToString(),
            "bad",
            "Node bad: 1152921504606846976 seconds since 1970 are no time",
            id="a time beyond all years",
        ),
    ],
)
def test_one_malformed_object_in_a_page_costs_that_object_alone(malformed: bytes, key: str, message: str) -> None:
    items: list[Any] = [node(f"n{number}") for number in range(500)]
    items[250] = malformed
    page = decode_page(NODE, answer(NODE, *items))
    assert [item.key.name for item in page.items] == [f"n{n}" for n in range(500) if n != 250]
    assert [reject.key for reject in page.rejects] == [Key("", key)]
    assert page.rejects[0].message.startswith(message)
    assert "\n" not in page.rejects[0].message
    assert page.version == 99


def test_a_reject_of_a_slice_names_its_service() -> None:
    malformed = endpoint_slice("web-1", "web", "n1").SerializeToString() + b"\x12\x7f"
    page = decode_page(ENDPOINT_SLICE, answer(ENDPOINT_SLICE, malformed, endpoint_slice("web-2", "web", "n1")))
    (reject,) = page.rejects
    assert (reject.key, reject.uid, reject.version) == (Key("default", "web-1"), "u", 8)
    assert reject.service == Key("default", "web")
    assert [item.key.name for item in page.deferred] == ["web-2"]


def test_a_slice_without_a_record_is_a_reject_at_once() -> None:
    beyond = endpoint_slice("web-1", "web", "n1")
    beyond.metadata.deletionTimestamp.seconds = 1 << 60
    page = decode_page(ENDPOINT_SLICE, answer(ENDPOINT_SLICE, beyond))
    assert not page.deferred
    assert [reject.service for reject in page.rejects] == [Key("default", "web")]


def test_an_operator_that_the_api_does_not_have() -> None:
    selector = {"matchExpressions": [{"key": "a", "operator": "Near"}]}
    policy = pb.NetworkPolicy(metadata={"name": "p", "namespace": "default"}, spec={"podSelector": selector})
    page = decode_page(NETWORK_POLICY, answer(NETWORK_POLICY, policy))
    assert page.items == []
    assert [reject.message for reject in page.rejects] == [
        "NetworkPolicy default/p: operator: invalid enum value 'Near'"
    ]


def test_slices_are_deferred() -> None:
    page = decode_page(
        ENDPOINT_SLICE, answer(ENDPOINT_SLICE, endpoint_slice("web-1", "web", "n1"), endpoint_slice("orphan", ""))
    )
    assert page.items == []
    first, second = page.deferred
    assert (first.key, first.uid, first.version) == (Key("default", "web-1"), "u", 8)
    assert first.service == Key("default", "web")
    assert second.service is None
    assert first.record() == decode_item(
        ENDPOINT_SLICE,
        {
            "metadata": {
                "name": "web-1",
                "namespace": "default",
                "uid": "u",
                "resourceVersion": "8",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.9"], "conditions": {}, "nodeName": "n1"}],
            "ports": [{"name": "http"}],
        },
    )


def test_the_labels_of_a_node_in_a_slice_that_was_converted_from_v1beta1() -> None:
    converted = endpoint_slice("web-1", "web", "n1")
    converted.endpoints[0].deprecatedTopology["kubernetes.io/hostname"] = "n1"
    (deferred,) = decode_page(ENDPOINT_SLICE, answer(ENDPOINT_SLICE, converted)).deferred
    endpoints = deferred.record().endpoints
    assert endpoints is not None
    assert endpoints[0].deprecated_topology == {"kubernetes.io/hostname": "n1"}


@pytest.mark.parametrize("kind", [NODE, ENDPOINT_SLICE])
def test_of_objects_that_are_held_only_the_keys_are_given(kind: AnyKind) -> None:
    items = [node("a", "3"), node("b", "4"), node("c", "5")]
    asked: list[tuple[Key, int, str]] = []

    def held(key: Key, version: int, uid: str) -> bool:
        asked.append((key, version, uid))
        return key.name == "b"

    page = decode_page(kind, answer(kind, *items), held)
    assert page.held == [Key("", "b")]
    assert [item.key.name for item in (*page.items, *page.deferred)] == ["a", "c"]
    assert asked == [(Key("", name), version, f"uid-{name}") for name, version in (("a", 3), ("b", 4), ("c", 5))]


def test_fields_that_no_rule_reads_are_ignored() -> None:
    unheard = b"\xfa\x3f\x03abc"  # field 1023
    page = decode_page(NODE, answer(NODE, node("a").SerializeToString() + unheard))
    assert page.items == decode_page(NODE, answer(NODE, node("a"))).items


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "does not begin", id="nothing"),
        pytest.param(b'{"items": []}', "does not begin", id="JSON"),
        pytest.param(answer(NODE, node("a"))[:-3], "", id="cut off"),
        pytest.param(answer(SERVICE), "a ServiceList instead of a NodeList", id="a list of another kind"),
        pytest.param(envelope("Status", pb.Status(reason="Expired")), "a Status instead", id="a Status"),
        pytest.param(b"k8s\0", "a nameless kind instead of a NodeList", id="the envelope alone"),
        pytest.param(answer(NODE, version="x"), "expected an integer", id="the version is no integer"),
    ],
)
def test_what_is_no_list_is_an_error(body: bytes, message: str) -> None:
    with pytest.raises((ValueError, msgspec.MsgspecError), match=f"(?i){message}"):
        decode_page(NODE, body)


def test_an_empty_list() -> None:
    page = decode_page(NODE, answer(NODE, version=""))
    assert (page.items, page.rejects, page.version, page.continue_token) == ([], [], 0, "")


def test_the_second_copy_of_an_object_in_an_annotation_is_dropped() -> None:
    annotations = {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "x" * (256 * 1024)}
    ingress = pb.Ingress(metadata={"name": "i", "namespace": "default", "annotations": annotations})
    (found,) = decode_page(INGRESS, answer(INGRESS, ingress)).items
    assert found.annotations == {"a": "b"}


def test_the_zero_time_is_none() -> None:
    objects = [
        pb.Node(metadata={"name": "a", "deletionTimestamp": time})
        for time in (pb.Time(), pb.Time(seconds=0), pb.Time(seconds=1_700_000_000))
    ]
    found: list[Record] = list(decode_page(NODE, answer(NODE, *objects)).items)
    assert [getattr(node.metadata, "deletion_timestamp", "") for node in found] == [
        None,
        "1970-01-01T00:00:00Z",
        "2023-11-14T22:13:20Z",
    ]


def test_a_status() -> None:
    body = envelope("Status", pb.Status(reason="Forbidden", message="may not"))
    assert decode_status(body) == ("Forbidden", "may not")
    for other in (answer(NODE), b"k8s\0\x0a\x7f"):
        with pytest.raises(ValueError):
            decode_status(other)
