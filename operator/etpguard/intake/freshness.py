"""Whether the picture is whole and fresh. Every write depends on this, and so does /readyz."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from etpguard.objects import AnyKind


class Access(enum.Enum):
    """The result of the last attempt to list a kind."""

    UNTRIED = "not listed yet"
    READ = "listed"
    ABSENT = "not served"
    UNUSED = "not needed, or not permitted and not necessary"
    """Only for subsets of a resource."""
    FORBIDDEN = "forbidden"
    FAILING = "failing for a long time"
    """Only for optional kinds. As with a forbidden kind, nothing waits for it."""


_UNREAD = (Access.FORBIDDEN, Access.FAILING)


class PictureStatus(NamedTuple):
    """`whole`: every required kind has a completed list. `fresh`: whole, the last completed list of each readable
    kind began less than two intervals ago, and no list is pending. `missing` has a line for
    each kind that is not known; it may name unreadable kinds while the picture is whole and fresh."""

    whole: bool
    fresh: bool
    missing: tuple[str, ...]


@dataclass(slots=True)
class KindStatus:
    """The state of one kind.

    `began`: the clock's time when its last completed list began. `listed_at`: when that list was absorbed, in
    seconds since the epoch. `pending`: True from the first sign of a gap until a list that began
    after it is absorbed. `problem`: why the last attempt failed; "" if it succeeded.
    """

    kind: AnyKind
    access: Access = Access.UNTRIED
    began: float | None = None
    listed_at: float | None = None
    pending: bool = False
    problem: str = ""

    @property
    def unread(self) -> str | None:
        """Why the kind cannot be read; None if it can, or if the API server does not serve it."""
        return self.problem if self.access in _UNREAD else None


class Freshness:
    """The state of all kinds. `interval` is the time between two lists of a kind, in seconds of `clock`."""

    def __init__(self, kinds: Iterable[AnyKind], interval: float, clock: Callable[[], float]) -> None:
        self.kinds = {kind: KindStatus(kind) for kind in kinds}
        self._interval = interval
        self._clock = clock

    def picture_status(self) -> PictureStatus:
        whole = fresh = True
        missing: list[str] = []
        for status in self.kinds.values():
            if problem := self._problem(status):
                missing.append(f"{status.kind}: {problem}")
                required = status.kind.required
                whole &= not (required and status.began is None)
                fresh &= not required and status.access in _UNREAD
        return PictureStatus(whole, whole and fresh, tuple(missing))

    def stale(self) -> str | None:
        """Why nothing may be written from the picture; None if it is fresh."""
        status = self.picture_status()
        return None if status.fresh else "; ".join(status.missing)

    def served(self, kind: AnyKind) -> bool:
        """Whether the kind exists and may be listed. A failing kind counts as served: its reader must fail,
        and must not treat it as a kind without objects."""
        return kind in self.kinds and self.kinds[kind].access in (Access.READ, Access.FAILING)

    def not_ready(self) -> tuple[str, ...]:
        """The reasons why the operator is not ready, a line for each kind: a required kind is not served,
        forbidden, never listed, or last listed two intervals ago; or no list of some kind was tried. A subset may
        become necessary at any time, and that makes no operator unready."""
        return tuple(
            f"{status.kind}: {self._problem(status)}"
            for status in self.kinds.values()
            if (status.access is not Access.READ or self._old(status))
            and (status.kind.required or (status.access is Access.UNTRIED and not status.kind.subset))
        )

    def _old(self, status: KindStatus) -> bool:
        return status.began is None or self._clock() - status.began >= 2 * self._interval

    def _problem(self, status: KindStatus) -> str:
        """Why the present objects of the kind are not known; "" if they are."""
        match status.access:
            case Access.UNTRIED:
                return status.problem or "not listed yet"
            case Access.FORBIDDEN | Access.FAILING:
                return status.problem
            case Access.ABSENT:
                return "the API server does not serve it" if status.kind.required else ""
            case Access.UNUSED:
                return ""
            case Access.READ if self._old(status):
                ago = self._clock() - (status.began or 0.0)
                return f"last listed {ago:.0f} s ago" + (f": {status.problem}" if status.problem else "")
            case Access.READ:
                return "a list is pending" if status.pending else ""
