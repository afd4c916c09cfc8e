"""An asyncio event loop in a separate thread, driven from ordinary code, and a server that runs in one."""

from __future__ import annotations

import abc
import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 60) -> T:
        """Runs it in the loop; gives its result, or raises its error or ``TimeoutError``."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def call(self, function: Callable[[], T]) -> T:
        """Calls it in the loop, between two steps of any task there; gives its result, or raises its error."""

        async def step() -> T:
            return function()

        return self.run(step())

    def close(self) -> None:
        """Cancels what still runs, waits for it, and ends the thread."""
        self.run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class LoopServer(abc.ABC):
    """Serves from its construction on, until ``close()`` or the end of a ``with`` block."""

    def __init__(self, thread: str) -> None:
        """Called once all is set that ``_start`` needs."""
        self._loop = LoopThread(thread)
        try:
            self._loop.run(self._start())
        except BaseException:
            self._loop.close()
            raise

    @abc.abstractmethod
    async def _start(self) -> None:
        """In the loop: begins to serve."""

    @abc.abstractmethod
    async def _stop(self) -> None:
        """In the loop: ends all connections."""

    def close(self) -> None:
        self._loop.run(self._stop())
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
