"""A work queue: which keys are due, and in which order. No two workers get the same key at once. Pure."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Container, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_SLACK = 64
"""Outdated entries that the heaps may hold, in addition to one for each valid entry."""

_Entry = tuple[float, int, K]


class WorkQueue(Generic[K]):
    """`add` enqueues a key for a time, `pop` gives a key that is due, and `done` ends the work on it.

    Due keys of different groups take turns; within a group the most overdue key comes first. With the namespace as
    the group, a tenant with many Services delays another tenant's Service by a few looks at most. Times come from
    a clock that never goes back.
    """

    def __init__(self, group: Callable[[K], Hashable] = lambda key: None) -> None:
        self._group = group
        self._due: dict[K, float] = {}
        self._busy: dict[K, float | None] = {}
        self._order = itertools.count()
        # An entry is outdated unless `_due` has its key with its time.
        self._waiting: list[_Entry[K]] = []
        self._ready: dict[Hashable, list[_Entry[K]]] = {}
        self._ready_entries = 0

    def add(self, key: K, at: float) -> None:
        """Enqueue `key` for that time. An earlier time that is enqueued already stays. A key that a worker has
        waits until the worker is done."""
        if key in self._busy:
            asked = self._busy[key]
            self._busy[key] = at if asked is None else min(asked, at)
        elif at < self._due.get(key, float("inf")):
            self._due[key] = at
            heapq.heappush(self._waiting, (at, next(self._order), key))
            if len(self._waiting) + self._ready_entries > 2 * len(self._due) + _SLACK:
                # A key that is worked on before its time leaves an outdated entry behind, perhaps for hours.
                self._rebuild()

    def pop(self, now: float) -> K | None:
        """A key that is due; None if none is. It counts as being worked on until `done`."""
        while self._waiting and self._waiting[0][0] <= now:
            self._make_ready(heapq.heappop(self._waiting))
        while self._ready:
            group = next(iter(self._ready))
            entries = self._ready.pop(group)
            found = self._first_valid(entries)
            if entries:
                self._ready[group] = entries  # to the end: the other groups come first
            if found is not None:
                _, _, key = found
                del self._due[key]
                self._busy[key] = None
                return key
        return None

    def done(self, key: K, again: float | None) -> None:
        """Work on `key` has ended. It is enqueued for `again`. With None it is enqueued only if `add` was called
        in between."""
        asked = self._busy.pop(key)
        for at in (asked, again):
            if at is not None:
                self.add(key, at)

    def retain(self, keys: Container[K]) -> None:
        """Drop each key that is not among `keys` and is not being worked on."""
        self._due = {key: at for key, at in self._due.items() if key in keys}
        self._rebuild()

    def next_due(self) -> float | None:
        """When the next key is due; None if none is waiting."""
        return min(self._due.values(), default=None) if self._ready else self._next_waiting()

    def __len__(self) -> int:
        """How many keys are enqueued."""
        return len(self._due)

    @property
    def busy(self) -> int:
        """How many keys are being worked on."""
        return len(self._busy)

    def _next_waiting(self) -> float | None:
        while self._waiting and self._due.get(self._waiting[0][2]) != self._waiting[0][0]:
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def _make_ready(self, entry: _Entry[K]) -> None:
        at, _, key = entry
        if self._due.get(key) == at:
            heapq.heappush(self._ready.setdefault(self._group(key), []), entry)
            self._ready_entries += 1

    def _first_valid(self, entries: list[_Entry[K]]) -> _Entry[K] | None:
        while entries:
            found = heapq.heappop(entries)
            self._ready_entries -= 1
            at, _, key = found
            if self._due.get(key) == at:
                return found
        return None

    def _rebuild(self) -> None:
        self._waiting = [(at, next(self._order), key) for key, at in self._due.items()]
        heapq.heapify(self._waiting)
        self._ready.clear()
        self._ready_entries = 0
