"""The heap is trimmed while the operator runs."""

from __future__ import annotations

import asyncio
import contextlib

from etpguard.app.memory import return_memory


def test_it_goes_on_after_a_failure_to_start_a_thread() -> None:
    calls: list[int] = []

    def work() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise RuntimeError("can't start new thread")

    async def scene() -> None:
        trimming = asyncio.create_task(return_memory(0.001, work))
        async with asyncio.timeout(60):
            while len(calls) < 3:  # noqa: ASYNC110  polls what a thread changes
                await asyncio.sleep(0.001)
        trimming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await trimming

    asyncio.run(scene())
