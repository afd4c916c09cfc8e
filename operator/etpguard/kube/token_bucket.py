"""A rate limit. Pure arithmetic: the caller reads the clock."""

from __future__ import annotations


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
