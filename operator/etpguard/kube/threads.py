"""Blocking work outside the event loop, in threads that never keep the process from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], name: str) -> T:
    """Run `work` in a new thread, and return or raise what it does.

    If the caller is cancelled, the thread continues and its result is discarded. The thread is a daemon: a process
    waits for the threads of concurrent.futures before it ends.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(set_outcome: Callable[[], None]) -> None:
        if not done.done():
            set_outcome()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # raised again in the caller
            failure = error
            deliver(lambda: done.set_exception(failure))
        else:
            deliver(lambda: done.set_result(result))

    def deliver(set_outcome: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(settle, set_outcome)
        except RuntimeError:  # the loop is closed: nobody waits
            return

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
