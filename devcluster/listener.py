"""A listening socket in an event loop that can be closed at any moment.

``asyncio.Server`` cannot: a connection that it has accepted and not yet served when it closes stays open until the
garbage collector finds it, with a warning (CPython 109564), and so does one whose task never made a step.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

Serve = Callable[[socket.socket], Coroutine[Any, Any, None]]

_BACKLOG = 100


class Listener:
    """Serves each connection in a task, which closes it. Used in the loop only."""

    def __init__(self, host: str, port: int, serve: Serve) -> None:
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket = socket.create_server((host, port), backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Refuses new connections. Those that it has accepted go on."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    async def cut(self) -> None:
        """Cancels what serves the connections accepted so far, and waits for it."""
        tasks = list(self._tasks)
        # A task that is cancelled before its first step closes nothing, nor does a transport of TLS that is closed
        # before it is connected.
        for _ in range(3):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self) -> None:
        try:
            peer, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # gone again
        peer.setblocking(False)
        task = self._loop.create_task(self._serve(peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
