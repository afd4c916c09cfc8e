"""A Node that cannot be read may be eligible: every outcome that this could change is Unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from etpguard.assess import Engine, Outcome, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE, AnyKind, Key, decode_item

KEY = Key("default", "web")
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def node(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec, "status": READY}


def unreadable(name: str) -> dict[str, Any]:
    return node(name, taints="none")


def outcome(nodes: Sequence[dict[str, Any]], pods_on: Sequence[str]) -> tuple[Outcome, str]:
    service = {
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {
            "type": "NodePort",
            "clusterIP": "10.96.0.1",
            "externalTrafficPolicy": "Local",
            "ports": [{"name": "http", "port": 80, "nodePort": 30080}],
        },
    }
    slice_ = {
        "metadata": {"namespace": "default", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
        "endpoints": [{"addresses": [f"203.0.113.{n}"], "nodeName": on} for n, on in enumerate(pods_on, 1)],
    }
    picture = picture_for(consumer_families())
    engine = Engine(picture, consumer_families())
    objects: list[tuple[AnyKind, dict[str, Any]]] = [
        (SERVICE, service),
        (ENDPOINT_SLICE, slice_),
        *((NODE, raw) for raw in nodes),
    ]
    for kind, raw in objects:
        engine.refresh(picture.absorb(picture.store(kind).replace([decode_item(kind, raw)])))
    assessment = engine.assessments[KEY]
    return assessment.outcome, assessment.reason.code


UNKNOWN = (Outcome.Unknown, "UnreadableNode")
CASES = {
    "it may be uncovered": ([node("a"), unreadable("b")], ["a"], UNKNOWN),
    "it is covered": ([node("a"), unreadable("b")], ["a", "b"], (Outcome.Covered, "NoKnownConsumer")),
    "another is uncovered anyway": (
        [node("a"), node("b"), unreadable("c")],
        ["a"],
        (Outcome.Uncovered, "NoKnownConsumer"),
    ),
    "it may be the only target": ([unreadable("a")], ["a"], UNKNOWN),
    "another one, without a name, is none": (
        [{"metadata": {}}, {**node("a"), "status": {}}],
        ["a"],
        (Outcome.NoTargets, "NoKnownConsumer"),
    ),
    "no endpoint": ([node("a"), unreadable("b")], [], (Outcome.NoEndpoints, "NoKnownConsumer")),
}


@pytest.mark.parametrize(("nodes", "pods_on", "expected"), CASES.values(), ids=CASES.keys())
def test_a_node_that_cannot_be_read(
    nodes: Sequence[dict[str, Any]], pods_on: Sequence[str], expected: tuple[Outcome, str]
) -> None:
    assert outcome(nodes, pods_on) == expected


def test_the_outcome_is_known_again_once_the_node_can_be_read() -> None:
    assert outcome([node("a"), unreadable("b"), node("b")], ["a"])[0] is Outcome.Uncovered
