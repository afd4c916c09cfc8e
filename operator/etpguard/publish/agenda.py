"""Which keys to look at, and when: a heap with one entry a key, and none worked on twice at once. Pure."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Agenda(Generic[K]):
    """`poke` asks for a look, `pop` hands out what is due, `done` gives it back."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._busy: dict[K, float | None] = {}

    def poke(self, key: K, at: float) -> None:
        """Look at `key` at that time, or sooner if that was asked for. One that is being worked on waits."""
        if key in self._busy:
            asked = self._busy[key]
            self._busy[key] = at if asked is None else min(asked, at)
        elif at < self._due.get(key, float("inf")):
            self._due[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))

    def pop(self, now: float) -> K | None:
        """The key that is most overdue, which counts as being worked on until `done`; None if none is due."""
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                self._busy[key] = None
                return key
        return None

    def done(self, key: K, again: float | None) -> None:
        """Work on `key` ended; look again at `again`, unless it is None and nobody asked meanwhile."""
        asked = self._busy.pop(key)
        for at in (asked, again):
            if at is not None:
                self.poke(key, at)

    def next_due(self) -> float | None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def waiting(self, now: float) -> int:
        """How many keys are due or being worked on."""
        return sum(at <= now for at in self._due.values()) + len(self._busy)
