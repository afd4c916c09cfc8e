"""The body of /metrics. It is rendered in a thread, once for all clients that ask at the same time."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from etpguard.kube.threads import in_thread

SHARE_FACTOR = 10.0
SHARE_SECONDS = 2.0
"""A body is shared for `SHARE_FACTOR` times as long as it took to render, and at most this long. So rendering
takes at most a tenth of the time however many clients ask, and a small cluster's metrics are never old."""
LEVEL = 3
"""Of gzip: a tenth of the plain size, like the default level, in a third of its time."""


class Busy(Exception):  # noqa: N818  nothing is wrong with the request
    """Too many clients wait for the page or receive it."""


@dataclass(frozen=True, slots=True)
class Page:
    plain: bytes
    compressed: bytes


class Scrapes:
    """At most `limit` clients hold a page at once."""

    def __init__(self, snapshot: Callable[[], Callable[[], bytes]], limit: int) -> None:
        self._snapshot = snapshot
        self._limit = limit
        self._clients = 0
        self._page: Page | None = None
        self._rendering: asyncio.Task[Page] | None = None

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """The page, for as long as the block sends it. Raises Busy."""
        if self._clients >= self._limit:
            raise Busy
        self._clients += 1
        try:
            yield self._page or await self._rendered()
        finally:
            self._clients -= 1

    async def _rendered(self) -> Page:
        if self._rendering is None:
            self._rendering = asyncio.create_task(self._render(), name="render metrics")
        # A client that goes away leaves the rendering to the others.
        return await asyncio.shield(self._rendering)

    async def _render(self) -> Page:
        try:
            render = self._snapshot()
            began = time.monotonic()

            def make() -> Page:
                plain = render()
                return Page(plain, gzip.compress(plain, LEVEL, mtime=0))

            self._page = page = await in_thread(make, "render metrics")
            share = min(SHARE_FACTOR * (time.monotonic() - began), SHARE_SECONDS)
            asyncio.get_running_loop().call_later(share, self._forget, page)
            return page
        finally:
            self._rendering = None

    def _forget(self, page: Page) -> None:
        if self._page is page:
            self._page = None
