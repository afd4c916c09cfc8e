"""Corrections: changes that a list finds and the watch has not delivered. They are counted, and many of them show
that a watch is broken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from etpguard.objects import AnyKind, Key

What = Literal["added", "changed", "removed"]

GRACE_SECONDS = 10.0
"""The watch has this long to deliver what a list found. After that it counts as a correction."""


@dataclass(frozen=True, slots=True)
class _Finding:
    kind: AnyKind
    key: Key
    version: int
    what: What
    list_number: int
    excused: bool
    at: float


class Corrections:
    """Reads no clock: times are seconds of any one clock.

    `count` is called for each correction. `watch_misses_events` is called for a kind whose last two lists both
    needed corrections: its watch delivers late or not at all.
    """

    def __init__(
        self, count: Callable[[AnyKind, What], None], watch_misses_events: Callable[[AnyKind], None]
    ) -> None:
        self._count = count
        self._watch_misses_events = watch_misses_events
        self._findings: deque[_Finding] = deque()
        self._undelivered: dict[tuple[AnyKind, Key], _Finding] = {}
        self._lists: dict[AnyKind, int] = {}
        self._watched: dict[AnyKind, bool] = {}
        self._relisted: set[AnyKind] = set()
        self._excused: dict[AnyKind, bool] = {}
        self._corrected_list: dict[AnyKind, int] = {}

    def watch_relisted(self, kind: AnyKind) -> None:
        """The watch has listed the kind and goes on from there, after a 410 for example. Corrections by the next
        list are counted, but they do not show that the watch is broken."""
        self._relisted.add(kind)

    def list_begins(self, kind: AnyKind, watched: bool) -> None:
        """Another list of the kind. What it changes is a correction only if a watch ran before it (`watched`)."""
        self._lists[kind] = self._lists.get(kind, 0) + 1
        self._watched[kind] = watched
        self._excused[kind] = kind in self._relisted
        self._relisted.discard(kind)

    def watched(self, kind: AnyKind) -> bool:
        """Whether what the present list of the kind changes is a correction."""
        return self._watched.get(kind, False)

    def list_found(self, kind: AnyKind, key: Key, version: int, what: What, now: float) -> None:
        """The list has changed the picture: `version` of an object, or (removed) its absence at `version`."""
        if self._watched.get(kind):
            finding = _Finding(kind, key, version, what, self._lists[kind], self._excused[kind], now)
            self._findings.append(finding)
            self._undelivered[kind, key] = finding

    def watch_delivered(self, kind: AnyKind, key: Key, version: int, deleted: bool) -> None:
        """The watch has delivered an event at this version of the object.

        Any DELETED event settles a removal: the list shows only that the object was gone at the list's version,
        which is later than the version of the deletion.
        """
        finding = self._undelivered.get((kind, key))
        if finding and (deleted if finding.what == "removed" else version >= finding.version):
            del self._undelivered[kind, key]

    def settle(self, now: float) -> None:
        """Count what the watch has not delivered in time."""
        while self._findings and now - self._findings[0].at >= GRACE_SECONDS:
            finding = self._findings.popleft()
            place = (finding.kind, finding.key)
            if self._undelivered.get(place) is finding:
                del self._undelivered[place]
                self._count(finding.kind, finding.what)
                if not finding.excused:
                    self._note_corrected_list(finding)

    def _note_corrected_list(self, finding: _Finding) -> None:
        kind, number = finding.kind, finding.list_number
        last = self._corrected_list.get(kind)
        if last == number:
            return
        self._corrected_list[kind] = number
        if last == number - 1:
            del self._corrected_list[kind]
            self._watch_misses_events(kind)
