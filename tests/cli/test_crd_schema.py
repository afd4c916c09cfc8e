"""The message for a value that a schema does not allow."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.cli.crd_schema import violations

NUMBER = {"type": "integer", "minimum": 1, "maximum": 9}
TEXT = {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]*$"}
SET = {"type": "array", "minItems": 1, "maxItems": 2, "x-kubernetes-list-type": "set", "items": NUMBER}
LABELS = {"type": "object", "maxProperties": 1, "additionalProperties": TEXT}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        pytest.param(NUMBER, 9, [], id="a number"),
        pytest.param(NUMBER, 10, ["x: 10 is more than 9"], id="too large"),
        pytest.param(NUMBER, 0, ["x: 0 is less than 1"], id="too small"),
        pytest.param({"type": "integer"}, 2**63 - 1, [], id="the largest number"),
        pytest.param({"type": "integer"}, 2**63, [f"x: expected integer, got {2**63}"], id="larger than that"),
        pytest.param(NUMBER, "5", ["x: expected integer, got '5'"], id="a number in quotes"),
        pytest.param(NUMBER, True, ["x: expected integer, got True"], id="true is no number"),
        pytest.param(NUMBER, None, ["x: expected integer, got null"], id="null"),
        pytest.param({"type": "boolean"}, 1, ["x: expected boolean, got 1"], id="one is not true"),
        pytest.param(TEXT, "abc", [], id="a text"),
        pytest.param(TEXT, "a", ["x: 'a' has 1 characters, fewer than 2"], id="too short"),
        pytest.param(TEXT, "abcde", ["x: 'abcde' has 5 characters, more than 4"], id="too long"),
        pytest.param(TEXT, "ab\n", ["x: 'ab\\n' does not match ^[a-z]*$"], id="another line"),
        pytest.param(
            {"type": "string", "enum": ["A", "B"]}, "C", ["x: 'C' is not one of A, B"], id="none of them"
        ),
        pytest.param({"x-kubernetes-int-or-string": True}, 5, [], id="int or string: a number"),
        pytest.param({"x-kubernetes-int-or-string": True}, "5%", [], id="int or string: a text"),
        pytest.param(
            {"x-kubernetes-int-or-string": True},
            [],
            ["x: expected integer or string, got list"],
            id="int or string: neither",
        ),
        pytest.param(SET, [], ["x has 0 items, fewer than 1"], id="no item"),
        pytest.param(SET, [1, 2, 3], ["x has 3 items, more than 2"], id="too many items"),
        pytest.param(SET, [4, 4], ["x[1]: 4 is a duplicate"], id="twice"),
        pytest.param(SET, [4, 40], ["x[1]: 40 is more than 9"], id="one item"),
        pytest.param(LABELS, {"a": "bc"}, [], id="a label"),
        pytest.param(LABELS, {"a": "b"}, ["x.a: 'b' has 1 characters, fewer than 2"], id="a label's value"),
        pytest.param(LABELS, {"a": "bc", "d": "ef"}, ["x has 2 entries, more than 1"], id="too many labels"),
    ],
)
def test_a_value(schema: dict[str, Any], value: Any, expected: list[str]) -> None:
    assert list(violations(value, schema, "x")) == expected


OBJECT = {
    "type": "object",
    "required": ["must"],
    "properties": {"must": NUMBER, "may": NUMBER},
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"must": 1}, [], id="the least"),
        pytest.param({}, ["x.must: required"], id="what is required"),
        pytest.param({"must": 1, "other": 1}, ["x.other: unknown field"], id="what is unknown"),
        pytest.param({"must": 1, "may": None}, [], id="null where nothing is required"),
        pytest.param({"must": None}, ["x.must: required"], id="null where something is"),
        pytest.param({"may": 10}, ["x.must: required", "x.may: 10 is more than 9"], id="two at once"),
        pytest.param([], ["x: expected object, got list"], id="no object"),
    ],
)
def test_an_object(value: Any, expected: list[str]) -> None:
    assert list(violations(value, OBJECT, "x")) == expected
