"""The time of the next list of one kind: after a gap in its watch, at intervals, and after a failure."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from etpguard.intake.freshness import Access, KindStatus
from etpguard.intake.timing import ListTiming
from etpguard.kube.errors import KubeError, Overloaded


@dataclass(slots=True)
class ListSchedule:
    """Times are seconds of the caller's clock.

    `gap_since` and `last_sign` are the times of the first and the last sign of a gap that no list has closed yet.

    The kind's watch began to start at `watch_began` (None: there is none). It is `established` once it has listed
    the kind, which it does first. The kind is `watched` if its last list came after that.
    """

    status: KindStatus
    timing: ListTiming
    due: float = 0.0
    check_at: float = 0.0
    not_before: float = 0.0
    gap_since: float | None = None
    last_sign: float = 0.0
    watch_began: float | None = None
    established: bool = False
    watched: bool = False
    answers: bool = False
    """Whether the last request for the kind succeeded."""
    failures: int = 0
    failing_since: float | None = None
    forbidden_since: float | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def when(self) -> float:
        """The time at which the next list is due."""
        if self.gap_since is None:
            return max(self.due, self.not_before)
        quiet, longest = self.timing.quiet, self.timing.longest_burst
        return max(min(self.last_sign + quiet, self.gap_since + longest), self.not_before)

    def note_gap(self, now: float) -> None:
        """The watch may have missed something."""
        if self.gap_since is None:
            self.gap_since = now
            self.status.pending = True
        if self.last_sign > now or self.gap_since == now:
            self.wake.set()
        self.last_sign = now

    def watch_begins(self, now: float) -> None:
        self.watch_began, self.established = now, False
        self.gap_since, self.last_sign = now, now + self.timing.watch_start
        self.status.pending = True
        self.wake.set()

    def watch_ended(self, now: float) -> None:
        self.watch_began, self.established, self.watched = None, False, False
        if self.status.access is Access.READ:
            self.note_gap(now)

    def watch_not_started(self, now: float) -> bool:
        """Whether a watch should run but has not begun: its own first list has not come, although `watch_start`
        has passed and a list has ended since."""
        since = self.watch_began if self.status.access is Access.READ and not self.established else None
        return since is not None and not self.status.pending and now - since >= self.timing.watch_start

    def listed(self, began: float, now: float, interval: float, *, closes_gap: bool) -> None:
        """Note that the picture has all objects of a list that began at `began`."""
        self.answers, self.failures = True, 0
        self.failing_since = self.forbidden_since = None
        self.status.began, self.status.problem = began, ""
        if closes_gap and self.gap_since is None:  # a sign that came while the list ran asks for another list
            self.watched, self.status.pending = self.established, False
        self.due = began + jittered(interval)
        self.check_at = now + jittered(self.timing.look_again)

    def lost(self, problem: str, again: float) -> None:
        """Note that no object of the kind is known any more. The next try is at `again`."""
        self.status.began = self.status.listed_at = None
        self.status.problem, self.status.pending = problem, False
        self.gap_since, self.watched, self.failures = None, False, 0
        self.failing_since = self.forbidden_since = None
        self.due = again

    def retry(self, error: KubeError, now: float, *, closes_gap: bool) -> None:
        """Plan another try after a failure, with back-off, and not earlier than the server asked for."""
        self.failures += 1
        pause = self.timing.backoff.pause(self.failures)
        self.not_before = now + self.requested_pause(error)
        self.due = max(now + pause, self.not_before)
        if closes_gap or self.gap_since is not None:
            self.gap_since = self.last_sign = self.due - self.timing.quiet

    def is_forbidden(self, now: float) -> bool:
        """Whether a 403 makes the kind forbidden: at once for a kind that was never read, else after
        `timing.forbidden`."""
        if self.status.access is not Access.READ:
            return True
        if self.forbidden_since is None:
            self.forbidden_since = now
        return now - self.forbidden_since >= self.timing.forbidden

    def is_failing(self, error: KubeError, now: float, *, others_answer: bool) -> bool:
        """Whether an optional kind counts as failing. It does not while required kinds fail too: then the API
        server, or the network path to it, is down."""
        if self.status.access is Access.FAILING:
            return True
        if not others_answer:
            self.failing_since = None
            return False
        if self.failing_since is None:
            self.failing_since = now
        patience = self.timing.start_failing if self._starting else self.timing.failing
        return now + self.requested_pause(error) >= self.failing_since + patience

    def requested_pause(self, error: KubeError) -> float:
        """The pause that the server asked for, in seconds, within bounds; 0 for none."""
        longest = self.timing.start_failing if self._starting else self.timing.longest_retry_after
        return min(error.retry_after or 0.0, longest) if isinstance(error, Overloaded) else 0.0

    @property
    def _starting(self) -> bool:
        return self.status.access is Access.UNTRIED


def jittered(seconds: float) -> float:
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311  not a secret
