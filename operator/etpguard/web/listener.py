"""Accepts connections within limits, so that no client can take the process's memory, descriptors or loop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from etpguard.objects.log_fields import action_fields
from etpguard.settings import Address

logger = logging.getLogger(__name__)

BACKLOG = 128


class ListenError(Exception):
    """The address cannot be listened on; one line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`connections` at once; `scrapes`: how many of them may receive /metrics; `streams`: how many may follow the
    page. `header_seconds`: a client has this long to send its request; `request_seconds`: and this long to receive
    the answer; `stream_seconds`: the same for one that follows the page."""

    connections: int = 128
    scrapes: int = 64
    streams: int = 16
    stream_seconds: float = 3600.0
    header_seconds: float = 5.0
    request_seconds: float = 15.0
    accept_pause: float = 1.0
    """After a failed accept (no file descriptor is left), the next is tried this much later."""


class Listener:
    """Gives each accepted connection to an aiohttp server.

    When all connections are in use, the one that has waited longest for its request is closed in favour of the new
    one: half-sent requests, however many, never keep a probe out.
    """

    def __init__(self, limits: Limits, flag: str = "--listen") -> None:
        """`flag` is the option that gives the address."""
        self._limits = limits
        self._flag = flag
        self._deadlines: OrderedDict[asyncio.BaseTransport, asyncio.TimerHandle] = OrderedDict()
        """Of connections whose request is not complete yet, oldest first."""
        self._accept_problem = ""

    @asynccontextmanager
    async def serving(self, address: Address, server: web.Server) -> AsyncIterator[int]:
        """Listen until the block ends; yields the port. Raises ListenError."""
        with _listening(address, self._flag) as listening:
            accepting = asyncio.create_task(self._accept(listening, server), name="accept HTTP connections")
            try:
                yield listening.getsockname()[1]
            finally:
                accepting.cancel()
                await asyncio.gather(accepting, return_exceptions=True)
                for deadline in self._deadlines.values():
                    deadline.cancel()

    def headers_received(self, transport: asyncio.BaseTransport, seconds: float | None = None) -> None:
        """A request is complete; from now on the time limit is that of the answer, or `seconds`."""
        if deadline := self._deadlines.pop(transport, None):
            deadline.cancel()
        asyncio.get_running_loop().call_later(seconds or self._limits.request_seconds, _abort, transport)

    async def _accept(self, listening: socket.socket, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
                accepted.setblocking(False)
                if len(server.connections) >= self._limits.connections and not self._make_room():
                    accepted.close()
                    continue
                transport, _ = await loop.connect_accepted_socket(server, accepted)
            except OSError as error:
                self._log_problem(str(error))
                await asyncio.sleep(self._limits.accept_pause)
                continue
            self._log_problem("")
            self._deadlines[transport] = loop.call_later(self._limits.header_seconds, self._expire, transport)

    def _make_room(self) -> bool:
        """Close the connection that has waited longest for its request; False if all are being answered."""
        while self._deadlines:
            transport, deadline = self._deadlines.popitem(last=False)
            deadline.cancel()
            if not transport.is_closing():
                _abort(transport)
                return True
        return False

    def _expire(self, transport: asyncio.BaseTransport) -> None:
        self._deadlines.pop(transport, None)
        _abort(transport)

    def _log_problem(self, problem: str) -> None:
        """Log each problem once."""
        if problem and problem != self._accept_problem:
            logger.warning("HTTP connections cannot be accepted: %s", problem, extra=action_fields("accept"))
        self._accept_problem = problem


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def _listening(address: Address, flag: str) -> socket.socket:
    """A socket for one address, or for all addresses of both IP families."""
    dual = not address.host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual or ":" in address.host else socket.AF_INET
    try:
        listening = socket.create_server(
            (address.host, address.port), family=family, backlog=BACKLOG, dualstack_ipv6=dual
        )
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ListenError(f"{flag} {address}: {reason}") from None
    listening.setblocking(False)
    return listening
