"""The pauses between tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etpguard.kube.backoff import Backoff


@pytest.mark.parametrize(
    ("failures", "pause"),
    [
        pytest.param(1, 2.0, id="the first"),
        pytest.param(2, 4.0, id="doubled"),
        pytest.param(4, 16.0, id="and again"),
        pytest.param(5, 30.0, id="no longer than the longest"),
        pytest.param(5000, 30.0, id="after any number of failures"),
    ],
)
def test_without_jitter_the_pause_doubles_up_to_the_longest(failures: int, pause: float) -> None:
    assert Backoff(2.0, 30.0, jitter=0.0).pause(failures) == pause


@given(st.floats(0.001, 100), st.floats(0.001, 1000), st.floats(0, 1), st.integers(1, 10_000))
def test_jitter_only_shortens_and_by_its_share_at_most(
    first: float, longest: float, jitter: float, failures: int
) -> None:
    full = Backoff(first, longest, jitter=0.0).pause(failures)
    assert (1 - jitter) * full * 0.999 <= Backoff(first, longest, jitter).pause(failures) <= full * 1.001
