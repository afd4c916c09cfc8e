"""What lists find that the watch did not deliver: counted, and the proof that a watch has gone deaf."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from etpguard.objects import AnyKind, Key

What = Literal["added", "changed", "removed"]

GRACE_SECONDS = 10.0
"""How long the watch has to deliver what a list has found before it counts as a correction."""


@dataclass(frozen=True, slots=True)
class _Found:
    kind: AnyKind
    key: Key
    version: int
    what: What
    list_number: int
    excused: bool
    at: float


class Corrections:
    """Pure but for what it remembers; times are seconds of any one clock.

    `count` is called for each correction, `deaf` for a kind whose last two lists both had some: its watch
    then delivers late or not at all.
    """

    def __init__(self, count: Callable[[AnyKind, What], None], deaf: Callable[[AnyKind], None]) -> None:
        self._count = count
        self._deaf = deaf
        self._found: deque[_Found] = deque()
        self._open: dict[tuple[AnyKind, Key], _Found] = {}
        self._lists: dict[AnyKind, int] = {}
        self._judged: dict[AnyKind, bool] = {}
        self._begun_anew: set[AnyKind] = set()
        self._excused: dict[AnyKind, bool] = {}
        self._corrected: dict[AnyKind, int] = {}

    def begun_anew(self, kind: AnyKind) -> None:
        """The watch has listed the kind and goes on from there, after a 410 say: what the next list finds is
        counted, and no sign of a deaf watch."""
        self._begun_anew.add(kind)

    def list_begins(self, kind: AnyKind, judged: bool) -> None:
        """Another list of the kind. What one finds that is not `judged` (there was no watch before it) is
        no correction."""
        self._lists[kind] = self._lists.get(kind, 0) + 1
        self._judged[kind] = judged
        self._excused[kind] = kind in self._begun_anew
        self._begun_anew.discard(kind)

    def found(self, kind: AnyKind, key: Key, version: int, what: What, now: float) -> None:
        """The list has changed the picture: `version` of an object, or (removed) its absence at `version`."""
        if self._judged.get(kind):
            candidate = _Found(kind, key, version, what, self._lists[kind], self._excused[kind], now)
            self._found.append(candidate)
            self._open[kind, key] = candidate

    def delivered(self, kind: AnyKind, key: Key, version: int, deleted: bool) -> None:
        """The watch has delivered an event: of that version of the object, or a later one.

        Any DELETED settles a removal: a list knows only that the object was gone by its own version, which
        is later than the deletion's."""
        candidate = self._open.get((kind, key))
        if candidate and (deleted if candidate.what == "removed" else version >= candidate.version):
            del self._open[kind, key]

    def settle(self, now: float) -> None:
        """Count what the watch has not delivered in time."""
        while self._found and now - self._found[0].at >= GRACE_SECONDS:
            candidate = self._found.popleft()
            place = (candidate.kind, candidate.key)
            if self._open.get(place) is candidate:
                del self._open[place]
                self._count(candidate.kind, candidate.what)
                if not candidate.excused:
                    self._correct(candidate)

    def _correct(self, candidate: _Found) -> None:
        kind, number = candidate.kind, candidate.list_number
        last = self._corrected.get(kind)
        if last == number:
            return
        self._corrected[kind] = number
        if last == number - 1:
            del self._corrected[kind]
            self._deaf(kind)
