"""A watch that passes through ``HttpProxy``."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
from aiohttp import web

from devcluster.http_rules import Request
from devcluster.loop_thread import LoopThread


class WatchStream:
    """An open watch: its events can be held back, cut off or added to, from any thread."""

    def __init__(
        self, request: Request, loop: LoopThread, response: web.StreamResponse, incoming: web.BaseRequest
    ) -> None:
        self.request = request
        self._loop = loop
        self._response = response
        self._incoming = incoming
        self._open = asyncio.Event()

    def silence(self) -> None:
        """From now on no event passes, and the connection stays open."""
        self._loop.call(lambda: self.set_silent(True))

    def restore(self) -> None:
        """Passes on what was held back, and all that follows."""
        self._loop.call(lambda: self.set_silent(False))

    def cut(self) -> None:
        """Closes the client's connection."""
        self._loop.call(self.abort)

    def send(self, event: dict[str, Any]) -> None:
        """Adds an event between two others, such as ``{"type": "ERROR", "object": http_rules.failure(410)}``."""
        self._loop.run(self._response.write(json.dumps(event).encode() + b"\n"))

    # The rest is called in the loop.

    def set_silent(self, silent: bool) -> None:
        if silent:
            self._open.clear()
        else:
            self._open.set()

    def abort(self) -> None:
        if self._incoming.transport is not None:
            self._incoming.transport.abort()

    async def run(self, answer: aiohttp.ClientResponse) -> None:
        """Passes events on until either side ends; JSON in whole lines, so that ``send`` fits between."""
        lines = answer.content_type == "application/json"
        held = b""
        async for chunk in answer.content.iter_any():
            await self._open.wait()
            held += chunk
            end = held.rfind(b"\n") + 1 if lines else len(held)
            if end:
                ready, held = held[:end], held[end:]
                await self._response.write(ready)
        await self._open.wait()
        if held:
            await self._response.write(held)
