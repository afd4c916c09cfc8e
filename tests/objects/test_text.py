"""What becomes of characters that are not printable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etpguard.objects.text import describe, harmless, listed, listed_nodes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Ingress default/web: größer", "Ingress default/web: größer", id="printable"),
        pytest.param("a\nb\r\tc", r"a\nb\r\tc", id="newlines and tabs"),
        pytest.param("a\x1b[31mb\x00\x7f", r"a\x1b[31mb\x00\x7f", id="control characters"),
        pytest.param("a\u202eb\u2066c\u200f", r"a\u202eb\u2066c\u200f", id="bidirectional marks"),
        pytest.param("a\u2028b\u200b", r"a\u2028b\u200b", id="separators without a width or a line"),
        pytest.param("", "", id="empty"),
    ],
)
def test_harmless(text: str, expected: str) -> None:
    assert harmless(text) == expected


@given(st.text())
def test_what_is_harmless_stays_so(text: str) -> None:
    assert harmless(text).isprintable()
    assert harmless(harmless(text)) == harmless(text)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        pytest.param(ValueError("no\nnumber"), "ValueError: no number", id="lines are joined"),
        pytest.param(KeyError(), "KeyError:", id="no message"),
        pytest.param(OSError("x" * 30), "OSError: " + "x" * 11, id="cut"),
    ],
)
def test_an_exception_is_one_line_of_bounded_length(error: Exception, line: str) -> None:
    assert describe(error, 20) == line[:20]


@pytest.mark.parametrize(
    ("names", "most", "total", "expected"),
    [
        pytest.param([], 3, None, "", id="none"),
        pytest.param(["a"], 3, None, "a", id="one"),
        pytest.param(["a", "b", "c"], 3, None, "a, b, c", id="just as many"),
        pytest.param(["a", "b", "c"], 1, None, "a and 2 more", id="more"),
        pytest.param(["a", "b"], 2, 7, "a, b and 5 more", id="only the first are given"),
        pytest.param([1, 2], 5, 2, "1, 2", id="all are given"),
    ],
)
def test_listed(names: list[object], most: int, total: int | None, expected: str) -> None:
    assert listed(names, most, total) == expected


def test_listed_with_another_separator() -> None:
    assert listed(["a", "b", "c"], 2, separator="; ") == "a; b and 1 more"


def test_listed_nodes() -> None:
    assert [listed_nodes(["a"]), listed_nodes(["a", "b"]), listed_nodes(["a", "b", "c"], 1)] == [
        "node a",
        "nodes a, b",
        "nodes a and 2 more",
    ]
