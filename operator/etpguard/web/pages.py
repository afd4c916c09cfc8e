"""Serves /metrics, /readyz and /livez. The main event loop answers, so an answer shows that the loop is not
blocked."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from etpguard.objects.log_fields import action_fields
from etpguard.settings import Address
from etpguard.transports import abort
from etpguard.web.certificate import Certificate
from etpguard.web.listener import Limits, Listener, ListenError
from etpguard.web.scrapes import Busy, Scrapes

logger = logging.getLogger(__name__)

CHUNK_BYTES = 65536
"""A body is sent in pieces of this size. For a client that does not read, at most one piece waits in memory."""

_silent = logging.getLogger(f"{__name__}.aiohttp")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False
"""aiohttp would log a traceback for each malformed request."""


@dataclass(frozen=True, slots=True)
class Health:
    """The lines of /readyz and /livez. `blockers`: why the operator is not ready. `notes`: problems that do not
    make it unready. `failures`: why the process must be restarted."""

    blockers: Sequence[str] = ()
    notes: Sequence[str] = ()
    failures: Sequence[str] = ()


@asynccontextmanager
async def serve(
    address: Address,
    *,
    health: Callable[[], Health],
    snapshot: Callable[[], Callable[[], bytes]],
    content_type: str,
    certificate: Certificate | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port. With a `certificate` over HTTPS only.

    `snapshot` is called on the loop; the function that it returns renders the metrics in a thread. Raises
    ListenError if the address cannot be listened on.
    """
    limits = limits or Limits()
    listener = Listener(limits, certificate=certificate)
    scrapes = Scrapes(snapshot, limits.scrapes)

    async def metrics(request: web.Request) -> web.StreamResponse:
        try:
            async with scrapes.page() as page:
                headers: dict[str, str] = {hdrs.CONTENT_TYPE: content_type, hdrs.VARY: hdrs.ACCEPT_ENCODING}
                return await send(request, page.plain, page.compressed, headers)
        except Busy:
            return text_answer(503, "too many scrapes at once", (), ())

    async def readyz(request: web.Request) -> web.Response:
        now = health()
        if now.blockers:
            return text_answer(503, "not ready", now.blockers, now.notes)
        return text_answer(200, "ready", (), now.notes)

    async def livez(request: web.Request) -> web.Response:
        now = health()
        return (
            text_answer(500, "not alive", now.failures, ()) if now.failures else text_answer(200, "alive", (), ())
        )

    routes = [web.get("/metrics", metrics), web.get("/readyz", readyz), web.get("/livez", livez)]
    async with serving(address, listener, routes, [one_request_per_connection(listener)]) as port:
        yield port


@asynccontextmanager
async def serving(
    address: Address, listener: Listener, routes: Sequence[web.RouteDef], middlewares: Sequence[Middleware]
) -> AsyncIterator[int]:
    """Serve these routes until the block ends; yields the port."""
    app = web.Application(middlewares=middlewares)
    app.add_routes(routes)
    runner = web.AppRunner(
        app, access_log=None, logger=_silent, shutdown_timeout=1.0, lingering_time=0.0, handler_cancellation=True
    )
    await runner.setup()
    try:
        assert runner.server is not None
        async with listener.serving(address, runner.server) as port:
            yield port
    finally:
        await runner.cleanup()


def one_request_per_connection(listener: Listener, streams: Mapping[str, float] | None = None) -> Middleware:
    """A middleware that closes each connection after one request, because the time limits of the listener count
    per connection. `streams`: paths whose answers may take longer, with their time limits in seconds."""
    longer = streams or {}

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection, seconds = request.protocol, longer.get(request.path)
        limit = listener.headers_received(connection, seconds)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = text_answer(error.status, error.reason, (), ())
        except Exception:
            logger.exception("%s failed", request.path, extra=action_fields("serve", path=request.path))
            if request.writer.output_size and request.transport is not None:  # no other answer can follow
                abort(request.transport)
            response = text_answer(500, "internal error, see the log", (), ())
        finally:
            # A longer limit would keep the closed connection in memory. The rest of the answer has the usual one.
            if seconds and limit:
                limit.cancel()
                listener.headers_received(connection)
        response.force_close()
        return response

    return middleware


async def send(
    request: web.Request, plain: bytes, compressed: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send the body, compressed if the client takes gzip. Returns when the last piece is handed over."""
    body, response = plain, web.StreamResponse(headers=headers)
    if accepts_gzip(request):
        body, response.headers[hdrs.CONTENT_ENCODING] = compressed, "gzip"
    response.force_close()
    response.content_length = len(body)
    await response.prepare(request)
    view = memoryview(body if request.method != hdrs.METH_HEAD else b"")
    for start in range(0, len(view), CHUNK_BYTES):
        await response.write(view[start : start + CHUNK_BYTES])
    await response.write_eof()
    return response


def accepts_gzip(request: web.Request) -> bool:
    """RFC 9110 12.5.3. A weight that is no number refuses it."""
    for coding in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return not weight or _WEIGHT.fullmatch(weight) is not None
    return False


_WEIGHT = re.compile(r"\s*q=(1(\.0{0,3})?|0\.(?!0*\s*$)\d{1,3})\s*")
"""More than 0."""


def text_answer(status: int, verdict: str, first: Sequence[str], second: Sequence[str]) -> web.Response:
    lines = [verdict, *(f"- {line}" for line in first), *(f"- {line}" for line in second)]
    return web.Response(status=status, text="\n".join(lines) + "\n")


__all__ = ["Health", "ListenError", "serve"]
