"""Returns freed memory to the kernel while the operator runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from etpguard.kube.heap import trim
from etpguard.kube.threads import in_thread

TRIM_SECONDS = 60.0


async def return_memory(interval: float = TRIM_SECONDS, work: Callable[[], object] = trim) -> None:
    """Trim the heap once per `interval`, in seconds, until cancelled. `work` runs in a thread."""
    while True:
        await asyncio.sleep(interval)
        with contextlib.suppress(RuntimeError):  # no thread can start now
            await in_thread(work, "trim the heap")
