"""Records from protobuf against those from JSON, of objects that were never in an API server.

`test_records_live` has the API server write both. Here the messages are made of the JSON, as the API server would.
"""

from __future__ import annotations

import json
import random
from datetime import datetime
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import ParseDict

from etpguard.objects import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NAMESPACE,
    NODE,
    AnyKind,
    Record,
    decode_page,
)
from etpguard.objects.network_policies import NETWORK_POLICY
from etpguard.objects.protobuf import kubernetes_pb2 as pb
from etpguard.objects.protobuf import pages
from tests.objects.protobuf.answers import answer
from tests.objects.protobuf.random_objects import Maker

MESSAGES = {
    NODE: pb.Node,
    NAMESPACE: pb.Namespace,
    INGRESS_CLASS: pb.IngressClass,
    ENDPOINT_SLICE: pb.EndpointSlice,
    INGRESS: pb.Ingress,
    NETWORK_POLICY: pb.NetworkPolicy,
}
PARTS: dict[AnyKind, dict[str, Any]] = {NODE: {"spec": {}, "status": {}}}
"""The parts that Go writes of an object that does not have them."""
KEPT = {
    ("", "spec"),
    ("", "status"),
    ("ports", "name"),
    ("conditions", "status"),
    ("conditions", "message"),
    ("endpoints", "conditions"),
    ("endpoints", "hints"),
    ("endpoints", "targetRef"),
    ("spec", "podSelector"),
    ("resource", "apiGroup"),
}
"""Fields whose empty value the JSON of Go writes, each with the field that it is a part of."""
ALWAYS: dict[str, dict[str, Any]] = {
    "endpoints": {"conditions": {}},
    "resource": {"apiGroup": None},
}
"""The parts that it always writes, by the field that they are part of."""


@pytest.mark.parametrize("kind", MESSAGES, ids=str)
def test_records_from_protobuf_are_those_from_json(kind: AnyKind) -> None:
    make = Maker(random.Random(kind.name))
    for number in range(150):
        made = make.object(kind, f"x-{number}")
        made["metadata"] |= {"namespace": "default", "uid": "u", "resourceVersion": "7"}
        if "finalizers" in made["metadata"]:
            made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        made = written(PARTS.get(kind, {}) | made)
        message = ParseDict(as_message(made), MESSAGES[kind](), ignore_unknown_fields=True)
        from_json = decode_page(kind, json.dumps({"items": [made], "metadata": {"resourceVersion": "9"}}).encode())
        from_protobuf = pages.decode_page(kind, answer(kind, message))
        assert from_json.rejects == from_protobuf.rejects == []
        found: list[Record] = [*from_protobuf.items, *(each.record() for each in from_protobuf.deferred)]
        assert msgspec.to_builtins(found) == msgspec.to_builtins(from_json.items)
        assert found == from_json.items


def written(value: Any, name: str = "") -> Any:
    """The object as Go writes it: what is empty is left out, except for pointers and parts."""
    if isinstance(value, list):
        return [written(each, name) for each in value]
    if not isinstance(value, dict) or name in ("labels", "annotations", "selector", "matchLabels"):
        return value
    made = {**ALWAYS.get(name, {}), **{key: written(each, key) for key, each in value.items()}}
    return {n: each for n, each in made.items() if each not in ("", [], {}) or (name, n) in KEPT}


def as_message(value: Any, name: str = "") -> Any:
    """The JSON form that the messages take: a time is an object, and so are the parts that Go embeds."""
    if isinstance(value, list):
        return [as_message(each, name) for each in value]
    if isinstance(value, dict):
        made = {key: as_message(each, key) for key, each in value.items()}
        if name == "rules" and "http" in made:
            made["ingressRuleValue"] = {"http": made.pop("http")}
        if name == "parameters" and "apiGroup" in made:
            made["aPIGroup"] = made.pop("apiGroup")
        return made
    if name.endswith(("Timestamp", "TransitionTime")):
        return {"seconds": int(datetime.fromisoformat(value).timestamp())}
    return value
