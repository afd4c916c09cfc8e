"""Blocking work off the loop, in threads that never keep the process from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], name: str) -> T:
    """What `work` returns or raises. Where the caller is cancelled the thread runs on, its result unheard:
    it is a daemon, unlike those of concurrent.futures, which a process joins before it may end."""
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
            tell(lambda: done.set_exception(failure))
        else:
            tell(lambda: done.set_result(result))

    def tell(set_outcome: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(settle, set_outcome)
        except RuntimeError:  # the loop is closed: nobody waits
            return

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
