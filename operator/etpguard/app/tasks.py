"""Tasks that run concurrently and end together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from etpguard.kube.backoff import Backoff
from etpguard.kube.failures import Failures, Part
from etpguard.kube.stopping import stopped_within


async def finished_before(stop: asyncio.Event, task: asyncio.Task[Any]) -> bool:
    """Wait for `task`, and return True when it ends. If `stop` is set first, cancel the task and return False.
    Raises what the task raises."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        task.result()
        return True
    finally:
        await _cancel([task, stopping])


async def run_until_one_ends(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Wait until one of the tasks ends and cancel the others. Raises what the ended ones raise."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await _cancel(tasks)


class Keeper:
    """Runs a part again after each unexpected failure, so that no part ends the process.

    The failure is logged and counted. Pauses between runs grow while runs stay shorter than the longest pause.
    """

    def __init__(self, failures: Failures, backoff: Backoff) -> None:
        self._failures = failures
        self._backoff = backoff

    async def keep(
        self, part: Part, subject: str, run: Callable[[], Awaitable[None]], stop: asyncio.Event
    ) -> None:
        """Run until the part ends by itself, or fails once `stop` is set. `subject` names it in the log."""
        in_a_row = 0
        while True:
            began = time.monotonic()
            try:
                return await run()
            except Exception as error:
                self._failures.note(part, subject, error)
            in_a_row = 1 if time.monotonic() - began > self._backoff.longest else in_a_row + 1
            if await stopped_within(stop, self._backoff.pause(in_a_row)):
                return None


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
