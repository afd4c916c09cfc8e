"""The token bucket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etpguard.kube.token_bucket import TokenBucket


def test_a_burst_then_the_rate() -> None:
    bucket = TokenBucket(rate=2, burst=3)
    assert [bucket.take(10) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.wait(10.25) == 0.25
    assert bucket.take(10.5) == 0
    assert not bucket.full(10.5)
    assert bucket.full(12.0)


@given(st.lists(st.floats(0, 5), max_size=200), st.floats(0.1, 10), st.integers(1, 10))
def test_never_more_than_the_burst_and_the_rate(steps: list[float], rate: float, burst: int) -> None:
    bucket, now, taken = TokenBucket(rate, burst), 0.0, 0
    for step in steps:
        now += step
        taken += not bucket.take(now)
        assert taken <= burst + now * rate + 1e-3


@given(st.floats(0.1, 10), st.integers(1, 5))
def test_a_caller_that_waits_the_returned_time_gets_a_token(rate: float, burst: int) -> None:
    bucket, now = TokenBucket(rate, burst), 0.0
    for _ in range(20):
        now += bucket.wait(now)
        assert bucket.take(now) == 0
