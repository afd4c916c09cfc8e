"""How old each intent and each rollback is, by a clock that nobody sets. Pure; the caller gives both times.

A record has the wall time of the leader that wrote it. Within a term the age of an intent grows with the monotonic
clock, so a step of the wall clock empties no budget. At a change of leader the two wall clocks may differ: an
intent from before the term counts as younger than its record says, by the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

TOLERANCE_SECONDS = 4 * 3600.0
"""By how much the wall clocks of two leaders may differ."""


class _Seen(NamedTuple):
    age: float
    """In seconds, when it was first seen in this term."""
    at: float
    """Monotonic."""


class IntentAges:
    def __init__(self, tolerance: float = TOLERANCE_SECONDS) -> None:
        self._tolerance = tolerance
        self._seen: dict[tuple[str, float], _Seen] = {}
        self._term: int | None = None
        self._began = float("-inf")

    def begin(self, term: int, wall: float) -> None:
        """Start a round in `term`; `wall` is in seconds since the epoch."""
        if term != self._term:
            self._term, self._began = term, wall
            self._seen.clear()

    def times(
        self, service: str, recorded: Iterable[float], monotonic: float, wall: float
    ) -> dict[tuple[str, float], float]:
        """When the intents or rollbacks of a Service (its uid) count for budgets, by uid and recorded time: the
        same one may be known from several records."""
        found = {}
        for time in recorded:
            seen = self._seen.get((service, time))
            if seen is None:
                # An intent of this term was written since the last round.
                age = 0.0 if time >= self._began - 1 else max(0.0, wall - time - self._tolerance)
                seen = self._seen[service, time] = _Seen(age, monotonic)
            found[service, time] = wall - seen.age - (monotonic - seen.at)
        return found

    def forget(self, services: Iterable[str]) -> None:
        """Keep the intents of these Services only."""
        kept = set(services)
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] in kept}
