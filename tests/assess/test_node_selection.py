"""k8s.io/apimachinery v0.37.2 pkg/labels/selector.go Parse."""

from __future__ import annotations

import pytest

from etpguard.assess.node_selection import MAX_LENGTH, label_selector, not_read
from etpguard.objects import Requirement

LONG = "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", (), id="the empty one"),
        pytest.param(" \t", (), id="spaces"),
        pytest.param("a", (Requirement("a", "Exists"),), id="a key"),
        pytest.param("! a", (Requirement("a", "DoesNotExist"),), id="no such key"),
        pytest.param("a=b", (Requirement("a", "In", ("b",)),), id="equality"),
        pytest.param("a == b", (Requirement("a", "In", ("b",)),), id="equality with two signs and spaces"),
        pytest.param("a=", (Requirement("a", "In", ("",)),), id="an empty value"),
        pytest.param("a!=b", (Requirement("a", "NotIn", ("b",)),), id="inequality"),
        pytest.param("a in (b, c)", (Requirement("a", "In", ("b", "c")),), id="a set"),
        pytest.param("a notin(b,)", (Requirement("a", "NotIn", ("b", "")),), id="outside a set"),
        pytest.param("a in ()", (Requirement("a", "In", ("",)),), id="an empty set"),
        pytest.param(
            "example.com/a=b,c", (Requirement("example.com/a", "In", ("b",)), Requirement("c", "Exists")), id="two"
        ),
        pytest.param(f"a={LONG[1:]}", (Requirement("a", "In", (LONG[1:],)),), id="the longest value"),
    ],
)
def test_requirements(text: str, expected: tuple[Requirement, ...]) -> None:
    assert label_selector(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a in (b", id="a set without an end"),
        pytest.param("a=b,", id="a comma at the end"),
        pytest.param(",a=b", id="a comma at the start"),
        pytest.param("a=b c", id="two values"),
        pytest.param("a in (b c)", id="two values without a comma"),
        pytest.param("a=b=c", id="two signs"),
        pytest.param("a=web/1", id="a value with a slash"),
        pytest.param("a in (b,web/1)", id="a set with a value with a slash"),
        pytest.param("a=-b", id="a value that begins with a dash"),
        pytest.param(f"a={LONG}", id="a long value"),
        pytest.param("a=\u00a0b", id="a value with a space that is no delimiter"),
        pytest.param("a\x0b=b", id="a key with a vertical tab"),
        pytest.param("_a=b", id="a key that begins with an underscore"),
        pytest.param("a b", id="a key with a space"),
        pytest.param(LONG, id="a long key"),
        pytest.param("/a", id="an empty prefix"),
        pytest.param("A.b/c", id="a prefix with a capital"),
        pytest.param("a..b/c", id="a prefix with two dots"),
        pytest.param("a/b/c", id="two slashes"),
        pytest.param(f"{'a.' * 127}a/b", id="a long prefix"),
    ],
)
def test_rejected(text: str) -> None:
    assert label_selector(text) is None
    assert not not_read(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a>1", id="more than a number"),
        pytest.param("b,a < 3", id="less than a number"),
        pytest.param("a=" + "b" * MAX_LENGTH, id="too long"),
    ],
)
def test_not_read(text: str) -> None:
    """Parse accepts a comparison of numbers."""
    assert label_selector(text) is None
    assert not_read(text)
