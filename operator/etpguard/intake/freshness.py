"""How far the picture can be trusted: asked by everything that writes, and by /readyz."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from etpguard.objects import AnyKind


class Access(enum.Enum):
    """What the last try to list a kind came to."""

    UNTRIED = "not listed yet"
    READ = "listed"
    ABSENT = "not served"
    FORBIDDEN = "forbidden"
    FAILING = "failing for long"
    """Only a kind that is not required; like one that is forbidden, it is not waited for."""


_UNREAD = (Access.FORBIDDEN, Access.FAILING)


class PictureStatus(NamedTuple):
    """`whole`: every required kind has a completed list. `fresh`: moreover the last completed list of each
    kind that can be read began less than two intervals ago, and none is pending. `missing` says in words
    what is lacking; it may name kinds that cannot be read while the picture is whole and fresh."""

    whole: bool
    fresh: bool
    missing: tuple[str, ...]


@dataclass(slots=True)
class KindStatus:
    """Of one kind. `began` is the clock's time at which its last completed list began; `pending` holds from
    the first sign of a gap until a list that began after it is absorbed; `problem` is why the last try
    failed, "" if it did not."""

    kind: AnyKind
    access: Access = Access.UNTRIED
    began: float | None = None
    pending: bool = False
    problem: str = ""

    @property
    def unread(self) -> str | None:
        """Why the kind cannot be read; None also where there is no such kind."""
        return self.problem if self.access in _UNREAD else None


class Freshness:
    """`interval` is the longest time between two lists of a kind in seconds of `clock`."""

    def __init__(self, kinds: Iterable[AnyKind], interval: float, clock: Callable[[], float]) -> None:
        self.kinds = {kind: KindStatus(kind) for kind in kinds}
        self._interval = interval
        self._clock = clock

    def picture_status(self) -> PictureStatus:
        whole = fresh = True
        missing: list[str] = []
        for status in self.kinds.values():
            lacking = self._lacking(status)
            if lacking:
                missing.append(f"{status.kind}: {lacking}")
                required = status.kind.required
                whole &= not (required and status.began is None)
                fresh &= not required and status.access in _UNREAD
        return PictureStatus(whole, whole and fresh, tuple(missing))

    def not_ready(self) -> tuple[str, ...]:
        """Why nothing could be said of the cluster, or nothing of its present state: a required kind that is
        not served, forbidden, never listed, or last listed two intervals ago; any kind never tried."""
        return tuple(
            f"{status.kind}: {self._lacking(status)}"
            for status in self.kinds.values()
            if (status.access is not Access.READ or self._old(status))
            and (status.kind.required or status.access is Access.UNTRIED)
        )

    def _old(self, status: KindStatus) -> bool:
        return status.began is None or self._clock() - status.began >= 2 * self._interval

    def _lacking(self, status: KindStatus) -> str:
        """In words; "" when nothing is."""
        match status.access:
            case Access.UNTRIED:
                return status.problem or "not listed yet"
            case Access.FORBIDDEN | Access.FAILING:
                return status.problem
            case Access.ABSENT:
                return "the API server does not serve it" if status.kind.required else ""
            case Access.READ if self._old(status):
                ago = self._clock() - (status.began or 0.0)
                return f"last listed {ago:.0f} s ago" + (f": {status.problem}" if status.problem else "")
            case Access.READ:
                return "a list is pending" if status.pending else ""
