"""A rate limit. Pure arithmetic: the caller reads the clock."""

from __future__ import annotations

from collections.abc import Container, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class TokenBucket:
    """At most `rate` a second in the long run and `burst` at once. Starts full."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until a token is available, 0.0 if one is. Takes none."""
        self._refill(now)
        # The tolerance absorbs rounding: a caller that slept for `wait` would find 0.9999999 of a token.
        return 0.0 if self._tokens >= 1 - 1e-6 else (1 - self._tokens) / self.rate

    def take(self, now: float) -> float:
        """Take a token and return 0.0, or return the seconds until one is available."""
        wait = self.wait(now)
        if not wait:
            self._tokens -= 1
        return wait

    def full(self, now: float) -> bool:
        """Whether it is full, so that it can be dropped."""
        self._refill(now)
        return self._tokens >= self.burst

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = now


class Buckets(Generic[K]):
    """A bucket for each key, which exists while it is not full."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._of: dict[K, TokenBucket] = {}

    def __len__(self) -> int:
        return len(self._of)

    def wait(self, key: K, now: float) -> float:
        """Seconds until a token of the key is available, 0.0 if one is. Takes none."""
        bucket = self._of.get(key)
        return bucket.wait(now) if bucket else 0.0

    def take(self, key: K, now: float) -> None:
        """Take a token of the key, if one is available."""
        bucket = self._of.get(key)
        if bucket is None:
            bucket = self._of[key] = TokenBucket(self._rate, self._burst)
        bucket.take(now)

    def drop_full(self, now: float, keys: Container[K] | None = None) -> None:
        """Drop the buckets that are full; with `keys`, those of all other keys too."""
        self._of = {
            key: bucket
            for key, bucket in self._of.items()
            if (keys is None or key in keys) and not bucket.full(now)
        }
