"""The operator's page: one document, and a stream of server-sent events that names its newest revision.

It listens on a loopback address. `kubectl port-forward` leads there, so RBAC decides who reads it. A web site that
lets its own name resolve to 127.0.0.1 (DNS rebinding) is refused by the Host header. Nothing can be written.
"""

from __future__ import annotations

import asyncio
import gzip
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from etpguard.kube.threads import in_thread
from etpguard.settings import Address
from etpguard.transports import abort
from etpguard.web.listener import Limits, Listener
from etpguard.web.pages import one_request_per_connection, send, serving, text_answer

EVENTS = "/events"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
LOOK_SECONDS = 0.5
"""Seconds between two looks for a change."""
SHARE_FACTOR = 5.0
"""A page is shown for this many times as long as it took to render: at most a sixth of the time is for rendering,
however many clients follow it and however often something changes."""
HEARTBEAT_SECONDS = 15.0
STALLED_SECONDS = 5.0
"""A client that follows the page and does not receive an event within this time is disconnected."""
KEPT_SECONDS = 60.0
"""After the last client has gone, the page and its data are kept for this long."""
LEVEL = 3
"""Level of gzip, as for /metrics."""


class Source(Protocol):
    """Where the page comes from. Both methods are called on the loop, one call at a time."""

    def changed(self) -> bool:
        """Whether the page would differ from the one that was rendered last."""
        ...

    async def render(self, revision: str) -> str: ...

    def forget(self) -> None:
        """The last client has gone: release what is kept for the next rendering."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    revision: str
    plain: bytes
    compressed: bytes


class Rendering:
    """Renders once for all clients, and only while somebody looks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        # A revision of another process, behind the same forwarded port, must differ.
        self._process = secrets.token_hex(4)
        self._number = 0
        self._page: Page | None = None
        self._look_at = 0.0
        self._looking: asyncio.Task[Page] | None = None
        self._clients = 0
        self._forgetting: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def client(self) -> AsyncIterator[None]:
        """Counts a client for the duration of the block."""
        self._clients += 1
        if self._forgetting:
            self._forgetting.cancel()
        try:
            yield
        finally:
            self._clients -= 1
            if not self._clients:
                self._forgetting = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._forget)

    async def page(self) -> Page:
        """The page. Its age is at most `LOOK_SECONDS`, or a few times as long as it took to render."""
        if self._page is not None and time.monotonic() < self._look_at:
            return self._page
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="render the page")
        # A client that goes away leaves the rendering to the others.
        return await asyncio.shield(self._looking)

    async def _look(self) -> Page:
        try:
            began = time.monotonic()
            pause = LOOK_SECONDS
            if self._page is None or self._source.changed():
                self._number += 1
                revision = f"{self._process}-{self._number}"
                text = await self._source.render(revision)
                self._page = await in_thread(lambda: _page(revision, text), "compress the page")
                pause = max(pause, SHARE_FACTOR * (time.monotonic() - began))
            self._look_at = time.monotonic() + pause
            return self._page
        finally:
            self._looking = None

    def _forget(self) -> None:
        if not self._clients and self._looking is None:
            self._page = None
            self._source.forget()


def _page(revision: str, text: str) -> Page:
    plain = text.encode()
    return Page(revision, plain, gzip.compress(plain, LEVEL, mtime=0))


@asynccontextmanager
async def serve_page(
    address: Address, source: Source, policy: str, limits: Limits | None = None
) -> AsyncIterator[int]:
    """Serve the page until the block ends; yields the port. `policy` is the Content-Security-Policy of a file with
    the page. Raises ListenError."""
    limits = limits or Limits(connections=64)
    listener = Listener(limits, "--page")
    rendering = Rendering(source)
    headers = {
        "Content-Security-Policy": f"{policy}; connect-src 'self'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        hdrs.CACHE_CONTROL: "no-store",
    }
    readers = 0

    async def page(request: web.Request) -> web.StreamResponse:
        nonlocal readers
        if readers >= limits.streams:
            return text_answer(503, "too many readers at once", (), ())
        readers += 1
        try:
            async with rendering.client():
                now = await rendering.page()
                sent = {**headers, hdrs.CONTENT_TYPE: "text/html; charset=utf-8"}
                return await send(request, now.plain, now.compressed, sent)
        finally:
            readers -= 1

    followers = 0

    async def events(request: web.Request) -> web.StreamResponse:
        nonlocal followers
        # Other web sites must not use up the limited number of followers.
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return text_answer(403, "only the page itself may follow its events", (), ())
        if followers >= limits.streams:
            return text_answer(503, "too many followers at once", (), ())
        followers += 1
        try:
            async with rendering.client():
                return await _follow(request, rendering, headers)
        finally:
            followers -= 1

    routes = [web.get("/", page, allow_head=False), web.get(EVENTS, events, allow_head=False)]
    middlewares = [one_request_per_connection(listener, {EVENTS: limits.stream_seconds}), _loopback_only]
    async with serving(address, listener, routes, middlewares) as port:
        yield port


@web.middleware
async def _loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a Host header that is not a name of this machine's loopback interface."""
    name, separator, port = request.headers.get(hdrs.HOST, "").lower().rpartition(":")
    host = name if separator and port.isdigit() else request.headers.get(hdrs.HOST, "").lower()
    if host not in LOOPBACK_NAMES:
        return text_answer(403, "use http://localhost or http://127.0.0.1", (), ())
    return await handler(request)


async def _follow(request: web.Request, rendering: Rendering, headers: dict[str, str]) -> web.StreamResponse:
    """Send the revision now and after each change, until the client goes away or does not read."""
    response = web.StreamResponse(headers={**headers, hdrs.CONTENT_TYPE: "text/event-stream"})
    response.force_close()
    await response.prepare(request)
    shown, heard, text = "", time.monotonic(), b"retry: 1000\n\n"
    while True:
        if text:
            try:
                async with asyncio.timeout(STALLED_SECONDS):
                    await response.write(text)
            except (TimeoutError, ConnectionError):  # it does not read, or it has gone away
                if request.transport is not None:
                    abort(request.transport)
                return response
            heard = time.monotonic()
        now, text = await rendering.page(), b""
        if now.revision != shown:
            shown, text = now.revision, f"event: revision\ndata: {now.revision}\n\n".encode()
            continue
        if time.monotonic() - heard > HEARTBEAT_SECONDS:
            text = b": still here\n\n"
            continue
        await asyncio.sleep(LOOK_SECONDS)
