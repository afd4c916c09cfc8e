"""How long to wait before a failed request or run is tried again. Callers count failures and read clocks."""

from __future__ import annotations

import random

from msgspec import Struct


class Backoff(Struct, frozen=True):
    """Exponential back-off. The pause starts at `first` seconds and doubles up to `longest` seconds.

    `jitter`, from 0 to 1, is the share of each pause that is left to chance, so that replicas and workers do not
    fall into step.
    """

    first: float
    longest: float
    jitter: float = 0.5

    def pause(self, failures: int) -> float:
        """Seconds to wait after this many failures in a row, 1 or more: from (1 - jitter) times the full pause up
        to the full pause."""
        # The exponent has a bound because a float overflows after some 1,000 failures.
        full = min(self.longest, self.first * 2.0 ** min(failures - 1, 100))
        return full * random.uniform(1.0 - self.jitter, 1.0)  # noqa: S311  not a secret
