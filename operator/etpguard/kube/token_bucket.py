"""How often something may be done: pure arithmetic over a clock that the caller reads."""

from __future__ import annotations


class TokenBucket:
    """At most `rate` a second in the long run and `burst` at once. Starts full."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until a token is there; 0.0 if one is. Takes none."""
        self._refill(now)
        # The slack swallows rounding: else a caller that slept just so long finds 0.9999999 of a token.
        return 0.0 if self._tokens >= 1 - 1e-6 else (1 - self._tokens) / self.rate

    def take(self, now: float) -> float:
        """Take a token if there is one (0.0); else tell how long to wait before asking again."""
        wait = self.wait(now)
        if not wait:
            self._tokens -= 1
        return wait

    def full(self, now: float) -> bool:
        """Whether it is as if never used, so that it may be forgotten."""
        self._refill(now)
        return self._tokens >= self.burst

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = now
