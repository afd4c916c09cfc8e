"""Which nodes a required node affinity admits: each operator."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.foresight.placement.node_filters import affinity_admits
from etpguard.objects import NODE, Node, Reject, decode_item
from etpguard.objects.pods import POD, Pod
from tests.foresight.clusters import Json, node, pod

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def _requirement(operator: str, *values: str, key: str = "cores") -> Json:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("term", "admitted"),
    [
        ({}, False),
        ({"matchExpressions": [_requirement("In", "4", "8")]}, True),
        ({"matchExpressions": [_requirement("NotIn", "4")]}, False),
        ({"matchExpressions": [_requirement("NotIn", "4", key="other")]}, True),
        ({"matchExpressions": [_requirement("Exists")]}, True),
        ({"matchExpressions": [_requirement("DoesNotExist")]}, False),
        ({"matchExpressions": [_requirement("Gt", "3")]}, True),
        ({"matchExpressions": [_requirement("Lt", "3")]}, False),
        ({"matchExpressions": [_requirement("Gt", "many")]}, False),
        ({"matchExpressions": [_requirement("Gt")]}, False),
        ({"matchFields": [_requirement("In", "a", key="metadata.name")]}, True),
        ({"matchFields": [_requirement("In", "b", key="metadata.name")]}, False),
    ],
)
def test_each_operator(term: Json, admitted: bool) -> None:
    affinity: Any = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}
    wanting, found = (
        decode_item(POD, pod("p", "", affinity=affinity)),
        decode_item(NODE, node("a", labels={"cores": "4"})),
    )
    assert isinstance(wanting, Pod)
    assert isinstance(found, Node)
    assert affinity_admits(wanting.spec, found) is admitted


def test_an_operator_that_the_api_does_not_have_is_named_and_decides_nothing() -> None:
    term = {"matchExpressions": [_requirement("Like", "4")]}
    found = decode_item(POD, pod("p", "", affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}))
    assert isinstance(found, Reject)
    assert "operator" in found.message
