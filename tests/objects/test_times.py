"""Formats of time, and what the one parser takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etpguard.objects.times import micro_time, parse, rfc3339


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("1970-01-01T00:00:01Z", 1, id="metav1.Time"),
        pytest.param("1970-01-01T00:00:01.250000Z", 1.25, id="metav1.MicroTime"),
        pytest.param("1970-01-01T02:00:01+02:00", 1, id="another offset"),
        pytest.param("1970-01-01T00:00:01", None, id="no offset"),
        pytest.param("1970-01-01", None, id="a date"),
        pytest.param("yesterday", None, id="no time"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_parse(text: str | None, seconds: float | None) -> None:
    assert parse(text) == seconds


@given(st.integers(0, 250_000_000_000))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse(micro_time(seconds)) == pytest.approx(seconds, abs=1e-5)
    assert parse(rfc3339(seconds)) == int(seconds)
