"""HTTP: /metrics, /readyz, /livez. Answers come from the main loop, so that one that comes is a sign of life."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from etpguard.settings import Address


class ListenError(Exception):
    """The address cannot be listened on; one line."""


@dataclass(frozen=True, slots=True)
class Health:
    """What /readyz and /livez say, in words. `blockers` keep the operator from being ready, `notes` are what
    it lacks all the same, `ailments` are what only a new process mends."""

    blockers: Sequence[str] = ()
    notes: Sequence[str] = ()
    ailments: Sequence[str] = ()


@asynccontextmanager
async def serve(
    address: Address,
    *,
    health: Callable[[], Health],
    snapshot: Callable[[], Callable[[], bytes]],
    content_type: str,
) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port. `snapshot` is called on the loop, what it returns in a
    thread. Raises ListenError."""

    async def metrics(request: web.Request) -> web.Response:
        render = snapshot()
        body = await asyncio.to_thread(render)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def readyz(request: web.Request) -> web.Response:
        now = health()
        if now.blockers:
            return _text(503, "not ready", now.blockers, now.notes)
        return _text(200, "ready", (), now.notes)

    async def livez(request: web.Request) -> web.Response:
        now = health()
        return _text(500, "not alive", now.ailments, ()) if now.ailments else _text(200, "alive", (), ())

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/readyz", readyz), web.get("/livez", livez)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        yield await _listen(runner, address)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: Address) -> int:
    site = web.TCPSite(runner, address.host or None, address.port)
    try:
        await site.start()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ListenError(f"--listen {address}: {reason}") from None
    server: asyncio.Server = site._server  # type: ignore[assignment]
    sock: socket.socket = server.sockets[0]
    port: int = sock.getsockname()[1]
    return port


def _text(status: int, verdict: str, first: Sequence[str], second: Sequence[str]) -> web.Response:
    lines = [verdict, *(f"- {line}" for line in first), *(f"- {line}" for line in second)]
    return web.Response(status=status, text="\n".join(lines) + "\n")
