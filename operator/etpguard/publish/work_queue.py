"""Which keys to look at, and when; none is worked on twice at once. Pure."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_SLACK = 64
"""Entries of the heap that may be out of date, beside as many as are not."""


class WorkQueue(Generic[K]):
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
            if len(self._heap) > 2 * len(self._due) + _SLACK:
                # Each look at a key before its time leaves an entry, which may be due in hours only.
                self._heap = [(due, next(self._order), waiting) for waiting, due in self._due.items()]
                heapq.heapify(self._heap)

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

    @property
    def busy(self) -> int:
        """How many keys are being worked on."""
        return len(self._busy)
