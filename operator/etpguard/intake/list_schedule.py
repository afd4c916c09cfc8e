"""When one kind is listed next: after gaps of its watch, at intervals, and after failures."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from etpguard.intake.freshness import Access, KindStatus
from etpguard.kube.backoff import Backoff
from etpguard.kube.errors import KubeError, Overloaded

QUIET_SECONDS = 2.0
"""How long after the last sign of a gap the list follows."""
LONGEST_BURST_SECONDS = 60.0
"""After which it follows even if the signs go on."""
DOUBT_SECONDS = 30.0
"""How long a kind that was read must be forbidden to count as such: API servers say 403 while they start."""
START_FAILING_SECONDS = 30.0
"""How long the start waits for a kind that fails, is not required, and was never tried with success."""
FAILING_SECONDS = 300.0
"""How long it must fail later on to count as one that cannot be read. Outcomes that it could change are Unknown
then, which is told on each Service: too much to do for the time in which its conversion webhook is replaced."""
BACK_OFF = Backoff(1.0, 30.0, jitter=0.2)
LONGEST_RETRY_AFTER_SECONDS = 300.0
"""What is made of a Retry-After beyond it; of one at the start, START_FAILING_SECONDS."""


@dataclass(slots=True)
class Plan:
    """Times are seconds of the caller's clock. `gap` is when the first and `last_sign` when the last sign of a
    gap came that no list has answered yet.

    A watch was set up at `begun` (None: there is none). It is `heard` once it has listed the kind, which it does
    as it starts, and the kind is `watched` if the last list came after that.
    """

    status: KindStatus
    due: float = 0.0
    ask_at: float = 0.0
    not_before: float = 0.0
    gap: float | None = None
    last_sign: float = 0.0
    begun: float | None = None
    heard: bool = False
    watched: bool = False
    answers: bool = False
    """Whether the last request for it succeeded."""
    failures: int = 0
    failing_since: float | None = None
    forbidden_since: float | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def when(self) -> float:
        if self.gap is None:
            return max(self.due, self.not_before)
        return max(min(self.last_sign + QUIET_SECONDS, self.gap + LONGEST_BURST_SECONDS), self.not_before)

    def sign(self, now: float) -> None:
        """Something may have been missed."""
        if self.gap is None:
            self.gap = now
            self.status.pending = True
        if self.last_sign > now or self.gap == now:
            self.wake.set()
        self.last_sign = now

    def watch_begins(self, now: float) -> None:
        self.begun, self.heard = now, False
        self.gap, self.last_sign = now, now + LONGEST_BURST_SECONDS
        self.status.pending = True
        self.wake.set()

    def watch_ended(self, now: float) -> None:
        self.begun, self.heard, self.watched = None, False, False
        if self.status.access is Access.READ:
            self.sign(now)

    def unheard(self, now: float) -> bool:
        """Whether a watch is said to run, and the list that follows after a minute was made without its sign."""
        since = self.begun if self.status.access is Access.READ and not self.heard else None
        return since is not None and not self.status.pending and now - since >= LONGEST_BURST_SECONDS

    def read(self, began: float, now: float, interval: float, look_again: float, *, answers_gap: bool) -> None:
        """A list that began at `began` is absorbed."""
        self.answers, self.failures = True, 0
        self.failing_since = self.forbidden_since = None
        self.status.began, self.status.problem = began, ""
        if answers_gap and self.gap is None:  # else a sign came while it ran, and asks for another
            self.watched, self.status.pending = self.heard, False
        self.due = began + jittered(interval)
        self.ask_at = now + jittered(look_again)

    def lost(self, problem: str, again: float) -> None:
        """Nothing is known of the kind; it is tried at `again`."""
        self.status.began, self.status.problem, self.status.pending = None, problem, False
        self.gap, self.watched, self.failures = None, False, 0
        self.failing_since = self.forbidden_since = None
        self.due = again

    def put_off(self, error: KubeError, now: float, *, answers_gap: bool) -> None:
        """Try again after a failure, with growing pauses and no sooner than the server asked."""
        self.failures += 1
        pause = BACK_OFF.pause(self.failures)
        self.not_before = now + self.asked_pause(error)
        self.due = max(now + pause, self.not_before)
        if answers_gap or self.gap is not None:
            self.gap = self.last_sign = self.due - QUIET_SECONDS

    def forbidden_for_good(self, now: float) -> bool:
        if self.status.access is not Access.READ:
            return True
        if self.forbidden_since is None:
            self.forbidden_since = now
        return now - self.forbidden_since >= DOUBT_SECONDS

    def given_up(self, error: KubeError, now: float, *, others_answer: bool) -> bool:
        """Whether a kind that is not required fails for good. While the required ones do not answer either, it is
        the API server that is away, or the way to it."""
        if self.status.access is Access.FAILING:
            return True
        if not others_answer:
            self.failing_since = None
            return False
        if self.failing_since is None:
            self.failing_since = now
        patience = START_FAILING_SECONDS if self._starting else FAILING_SECONDS
        return now + self.asked_pause(error) >= self.failing_since + patience

    def asked_pause(self, error: KubeError) -> float:
        """The one that the server asked for, in seconds; 0 for none."""
        longest = START_FAILING_SECONDS if self._starting else LONGEST_RETRY_AFTER_SECONDS
        return min(error.retry_after or 0.0, longest) if isinstance(error, Overloaded) else 0.0

    @property
    def _starting(self) -> bool:
        return self.status.access is Access.UNTRIED


def jittered(seconds: float) -> float:
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311
