"""The token bucket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etpguard.kube.token_bucket import Buckets, TokenBucket


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


def test_each_key_has_its_own() -> None:
    buckets: Buckets[str] = Buckets(rate=0.5, burst=1)
    for key in ("a", "b"):
        assert buckets.wait(key, 10) == 0
        buckets.take(key, 10)
    assert [buckets.wait(key, 11) for key in ("a", "b", "c")] == [1, 1, 0]
    buckets.drop_full(11, {"a", "c"})
    assert [buckets.wait(key, 11) for key in ("a", "b", "c")] == [1, 0, 0]
    buckets.drop_full(11.5)
    assert len(buckets) == 1
    assert buckets.wait("a", 11.5) == 0.5
    buckets.drop_full(12)
    assert len(buckets) == 0
