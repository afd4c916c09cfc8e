"""A worker takes keys from a work queue when they are due and sends what each one lacks: a few keys at once,
within a rate limit."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass

from etpguard.kube.backoff import Backoff
from etpguard.kube.errors import ApiError
from etpguard.kube.failures import Failures
from etpguard.kube.token_bucket import TokenBucket
from etpguard.kube.writes import NotNow
from etpguard.objects import Key
from etpguard.objects.log_fields import service_fields
from etpguard.publish.settings import WorkerSettings
from etpguard.publish.work_queue import WorkQueue

_log = logging.getLogger(__name__)

_PASSING = frozenset({0, 404, 409, 429})
"""HTTP statuses that the worker does not log for each key: the watch is behind, or the writer has logged the cause
already."""


@dataclass(frozen=True, slots=True)
class Write:
    """A write that a key needs. `due`: when to send it, in seconds of the monotonic clock. `send` sends it."""

    due: float
    send: Callable[[], Awaitable[None]]


Look = Callable[[Key, float], Write | None]
"""Compares what a key should have with what it has at the given time of the monotonic clock. Returns the write
that it needs, or None."""


class Worker:
    """Namespaces take turns, so that one with many Services does not delay another.

    Each key has its own back-off: an exception from a look or a write counts as a failure of this key only.
    `is_open` says whether writes may start. While it is False, the worker looks at no key. `outcome` gives the
    name of the outcome of a key for the log, "" for none.
    """

    def __init__(
        self,
        name: str,
        look: Look,
        bucket: TokenBucket,
        is_open: Callable[[], bool],
        clock: Callable[[], float],
        settings: WorkerSettings | None = None,
        outcome: Callable[[Key], str] = lambda key: "",
        failures: Failures | None = None,
    ) -> None:
        self.name = name
        self._look = look
        self._bucket = bucket
        self._is_open = is_open
        self._clock = clock
        self._outcome = outcome
        self._unforeseen = failures or Failures()
        self._settings = settings = settings or WorkerSettings()
        self._backoff = Backoff(1.0, settings.longest_backoff, jitter=0.2)
        self._queue: WorkQueue[Key] = WorkQueue(lambda key: key.namespace)
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()
        self._closing = False

    def add(self, key: Key, at: float | None = None) -> None:
        """Look at `key` at that time of the clock; None for now."""
        self._queue.add(key, self._clock() if at is None else at)
        self._wake.set()

    def retain(self, keys: Container[Key]) -> None:
        """Forget all other keys."""
        self._queue.retain(keys)
        self._failures = {key: count for key, count in self._failures.items() if key in keys}

    def close(self) -> None:
        """End `run` when the writes that are under way have ended."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Work until closed or cancelled. May be called again after it ended."""
        self._closing = False
        async with asyncio.TaskGroup() as group:
            while not self._closing:
                wait = self._bucket.wait(self._clock()) if self._is_open() else self._settings.idle
                if wait > 0:
                    await asyncio.sleep(wait)
                elif self._has_room() and (key := self._queue.pop(self._clock())) is not None:
                    group.create_task(self._work(key))
                    # Thousands of keys may be due: let other tasks run in between.
                    await asyncio.sleep(0)
                else:
                    await self._until_due()

    async def _work(self, key: Key) -> None:
        again: float | None = self._clock()  # the result if the task is cancelled
        try:
            again = await self._reconcile(key)
        finally:
            self._queue.done(key, again)
            self._wake.set()

    def _has_room(self) -> bool:
        return self._queue.busy < self._settings.concurrency

    async def _reconcile(self, key: Key) -> float | None:
        """Send what `key` lacks, if it is due; when to look again, None for never."""
        try:
            now = self._clock()
            write = self._look(key, now)
            if write is not None:
                if write.due > now:
                    return write.due
                if wait := self._bucket.take(now):
                    return now + wait
                await write.send()
        except NotNow as closed:
            return self._clock() + closed.retry_in * random.uniform(1.0, 1.2)  # noqa: S311  not a secret
        except ApiError as error:
            return self._clock() + self._pause(key, error)
        except Exception as error:
            self._unforeseen.note("publish", f"{self.name} {key}", error, self._fields(key))
            return self._clock() + self._pause(key, None)
        if self._failures.pop(key, None):
            self._unforeseen.settled("publish", f"{self.name} {key}")
        return None if write is None else self._clock()

    def _fields(self, key: Key) -> dict[str, str]:
        outcome = self._outcome(key)
        return service_fields(key, action=f"write {self.name}", **({"outcome": outcome} if outcome else {}))

    def _pause(self, key: Key, error: ApiError | None) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        # A fault of the server (5xx) may pass, so it is logged later. Any other error is logged at once.
        logged_at = self._settings.server_errors_logged_after if error is not None and error.status >= 500 else 1
        if error is not None and failures == logged_at and error.status not in _PASSING:
            _log.warning("%s %s: %s", self.name, key, error, extra=self._fields(key))
        return self._backoff.pause(failures)

    async def _until_due(self) -> None:
        self._wake.clear()
        due = self._queue.next_due() if self._has_room() else None
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                await self._wake.wait()
        except TimeoutError:
            pass
