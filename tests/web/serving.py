"""The HTTP server on a free port of loopback, while a scene is played."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from etpguard.settings import Address
from etpguard.web import Certificate, Health, serve
from etpguard.web.listener import Limits

Scene = Callable[[int], Coroutine[Any, Any, None]]
"""What clients do; it gets the port."""


def serve_during(
    scene: Scene, render: Callable[[], bytes], certificate: Certificate | None = None, **limits: Any
) -> None:
    """`render` gives the metrics; `limits` are fields of `Limits`."""

    async def run() -> None:
        async with (
            asyncio.timeout(60),
            serve(
                Address("127.0.0.1", 0),
                health=Health,
                snapshot=lambda: render,
                content_type="text/plain",
                certificate=certificate,
                limits=Limits(**limits),
            ) as port,
        ):
            await scene(port)

    asyncio.run(run())
