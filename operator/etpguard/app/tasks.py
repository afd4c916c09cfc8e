"""Tasks that run side by side and end together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any


async def finished_before(stop: asyncio.Event, task: asyncio.Task[Any]) -> bool:
    """Wait for `task` and raise what it raises. If `stop` comes first, cancel it and return False."""
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


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
