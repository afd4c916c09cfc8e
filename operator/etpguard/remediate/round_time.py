"""The time of a round: wall time that no step of the machine's clock changes within the round. Pure."""

from __future__ import annotations

from collections.abc import Callable


class RoundTime:
    """Seconds since the epoch. `clock` is monotonic, `wall` gives seconds since the epoch.

    A round computes how long a state has lasted, and what a budget has spent, and then decides and acts. If the
    clock stepped forward in between, every dwell would be over and every budget full again.
    """

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self.begin()

    def begin(self) -> None:
        """Start a round: take over the time of the wall clock."""
        self._ahead = self._wall() - self._clock()

    def __call__(self) -> float:
        return self._ahead + self._clock()
