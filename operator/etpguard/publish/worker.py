"""A lane: keys looked at when due, a few at once, within a rate, each key with a back-off of its own."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from etpguard.assess import Assessment
from etpguard.kube.backoff import Backoff
from etpguard.kube.errors import ApiError
from etpguard.kube.token_bucket import TokenBucket
from etpguard.kube.writes import NotNow
from etpguard.objects import Key
from etpguard.objects.log_fields import service_fields
from etpguard.publish.work_queue import WorkQueue

_log = logging.getLogger(__name__)

_AT_ONCE = 4
_BACK_OFF = Backoff(1.0, 600.0)
_IDLE = 0.5
_LASTING = 4
"""Failures in a row, over some ten seconds."""

Step = Callable[[Key, Assessment | None, Callable[[], float]], Awaitable[float | None]]
"""Compare what should stand for a key with what stands, and send what is lacking, one request at most; when to
look again, None for never. The function given takes the token for that request: 0.0, or how many seconds to come
back in. Before that nothing is awaited, so that a token that was there still is."""


class Worker:
    """`assessment(key)` is read at the moment of the look. `open_()`: whether writes may start at all; while not,
    nothing is even looked at."""

    def __init__(
        self,
        name: str,
        step: Step,
        assessment: Callable[[Key], Assessment | None],
        bucket: TokenBucket,
        open_: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self._step = step
        self._assessment = assessment
        self._bucket = bucket
        self._open = open_
        self._clock = clock
        self._agenda: WorkQueue[Key] = WorkQueue()
        self._failures: dict[Key, int] = {}
        self._news = asyncio.Event()
        self._closing = False

    def poke(self, key: Key, at: float | None = None) -> None:
        self._agenda.poke(key, self._clock() if at is None else at)
        self._news.set()

    def close(self) -> None:
        """Let `run` end when what is under way has."""
        self._closing = True
        self._news.set()

    async def run(self) -> None:
        """Work until closed or cancelled."""
        async with asyncio.TaskGroup() as group:
            while not self._closing:
                wait = self._bucket.wait(self._clock()) if self._open() else _IDLE
                if wait > 0:
                    await asyncio.sleep(wait)
                elif self._free() and (key := self._agenda.pop(self._clock())) is not None:
                    group.create_task(self._work(key))
                    # Thousands of keys may be due: let others have their turn.
                    await asyncio.sleep(0)
                else:
                    await self._until_due()

    async def _work(self, key: Key) -> None:
        again: float | None = self._clock()  # what holds if it is cancelled
        try:
            again = await self._look(key)
        finally:
            self._agenda.done(key, again)
            self._news.set()

    def _free(self) -> bool:
        return self._agenda.busy < _AT_ONCE

    async def _look(self, key: Key) -> float | None:
        try:
            again = await self._step(key, self._assessment(key), self._spend)
        except NotNow as closed:
            return self._clock() + closed.retry_in * random.uniform(1.0, 1.2)  # noqa: S311  not a secret
        except ApiError as error:
            return self._clock() + self._after(key, error)
        except Exception:
            # One Service that cannot be told must not silence all others.
            _log.exception("%s of %s", self.name, key, extra=self._fields(key))
            return self._clock() + self._after(key, None)
        self._failures.pop(key, None)
        return again

    def _fields(self, key: Key) -> dict[str, str]:
        assessment = self._assessment(key)
        outcome = {"outcome": assessment.outcome.name} if assessment else {}
        return service_fields(key, action=f"write {self.name}", **outcome)

    def _after(self, key: Key, error: ApiError | None) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        # A conflict is the watch being behind; the writer has told of refusals and silence already. What is the
        # server's own fault may pass.
        told_at = _LASTING if error is not None and error.status >= 500 else 1
        if error is not None and failures == told_at and error.status not in (0, 404, 409, 429):
            _log.warning("%s of %s: %s", self.name, key, error, extra=self._fields(key))
        return _BACK_OFF.pause(failures)

    def _spend(self) -> float:
        return self._bucket.take(self._clock())

    async def _until_due(self) -> None:
        self._news.clear()
        due = self._agenda.next_due() if self._free() else None
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                await self._news.wait()
        except TimeoutError:
            pass
