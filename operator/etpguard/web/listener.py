"""Accepts connections within limits, so that no client can take the process's memory, descriptors or loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from etpguard.objects.log_fields import action_fields
from etpguard.settings import Address
from etpguard.transports import abort
from etpguard.web.certificate import Certificate

logger = logging.getLogger(__name__)

BACKLOG = 128
SHUTDOWN_SECONDS = 1.0
"""How long a client may take to confirm the end of a TLS connection."""


class ListenError(Exception):
    """The address cannot be listened on; one line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`connections`: how many at once. `scrapes`: how many of them may receive /metrics. `streams`: how many may
    follow the page. `header_seconds`: time for the TLS handshake and the request. `request_seconds`: time to
    receive the answer. `stream_seconds`: the same for a client that follows the page."""

    connections: int = 128
    scrapes: int = 64
    streams: int = 16
    stream_seconds: float = 3600.0
    header_seconds: float = 5.0
    request_seconds: float = 15.0
    accept_pause: float = 1.0
    """Pause after a failed accept, for example because no file descriptor is left."""


class Listener:
    """Gives each accepted connection to an aiohttp server.

    When all connections are in use, the one that has waited longest for its request is closed in favour of the new
    one: half-sent requests and half-done TLS handshakes, however many, never keep a probe out.
    """

    def __init__(self, limits: Limits, flag: str = "--listen", certificate: Certificate | None = None) -> None:
        """`flag` is the option that gives the address. With a `certificate` every connection is TLS."""
        self._limits = limits
        self._flag = flag
        self._certificate = certificate
        self._deadlines: OrderedDict[asyncio.BaseProtocol, asyncio.TimerHandle] = OrderedDict()
        """Of connections whose request is not complete yet, oldest first. They begin when a connection is
        accepted, because a request can be complete before the task of the handshake runs again."""
        self._handshakes: dict[asyncio.BaseProtocol, asyncio.Task[None]] = {}
        """Each TLS handshake has its own task, so that a client that says nothing stops no other."""
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
                handshakes = list(self._handshakes.values())
                for handshake in handshakes:
                    handshake.cancel()
                await asyncio.gather(*handshakes, return_exceptions=True)

    def headers_received(
        self, connection: asyncio.BaseProtocol, seconds: float | None = None
    ) -> asyncio.TimerHandle | None:
        """A request is complete. From now on the time limit for the answer applies, or `seconds`. Returns the
        limit, None if the connection is closed."""
        self._forget(connection)
        # aiohttp forgets the transport when it closes it, which may leave an answer that nobody reads.
        if (transport := _transport(connection)) is None:
            return None
        return asyncio.get_running_loop().call_later(seconds or self._limits.request_seconds, abort, transport)

    async def _accept(self, listening: socket.socket, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
                accepted.setblocking(False)
                if self._full(server) and not self._make_room():
                    accepted.close()
                    continue
                await self._connect(server(), accepted)
            except OSError as error:
                self._log_problem(str(error))
                await asyncio.sleep(self._limits.accept_pause)
                continue
            self._log_problem("")

    async def _connect(self, connection: asyncio.Protocol, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._deadlines[connection] = loop.call_later(self._limits.header_seconds, self._close, connection)
        if self._certificate is None:
            await loop.connect_accepted_socket(lambda: connection, accepted)
            return
        handshake = self._handshake(connection, accepted, self._certificate.context())
        self._handshakes[connection] = asyncio.create_task(handshake, name="TLS handshake")
        # Handshakes that have begun go on before the next connection is accepted, however many are waiting.
        await asyncio.sleep(0)

    async def _handshake(
        self, connection: asyncio.Protocol, accepted: socket.socket, context: ssl.SSLContext
    ) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=context,
                ssl_handshake_timeout=self._limits.header_seconds,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
        except OSError:  # The client speaks no TLS, does not trust the certificate, or has gone away.
            self._forget(connection)
        finally:
            self._handshakes.pop(connection, None)

    def _full(self, server: web.Server) -> bool:
        # The server counts a connection from the end of its handshake.
        return len({*server.connections, *self._handshakes}) >= self._limits.connections

    def _make_room(self) -> bool:
        """Close the connection that has waited longest for its request; False if all are being answered."""
        while self._deadlines:
            if self._close(next(iter(self._deadlines))):
                return True
        return False

    def _close(self, connection: asyncio.BaseProtocol) -> bool:
        """Close a connection that waits for its request; False if it was closed already."""
        self._forget(connection)
        if handshake := self._handshakes.pop(connection, None):
            handshake.cancel()
        transport = _transport(connection)
        was_open = handshake is not None or (transport is not None and not transport.is_closing())
        if transport is not None:
            abort(transport)
        return was_open

    def _forget(self, connection: asyncio.BaseProtocol) -> None:
        """Remove its deadline."""
        if deadline := self._deadlines.pop(connection, None):
            deadline.cancel()

    def _log_problem(self, problem: str) -> None:
        """Log each problem once."""
        if problem and problem != self._accept_problem:
            logger.warning("HTTP connections cannot be accepted: %s", problem, extra=action_fields("accept"))
        self._accept_problem = problem


def _transport(connection: asyncio.BaseProtocol) -> asyncio.Transport | None:
    """None before the end of the TLS handshake, and once the connection is closed."""
    transport = getattr(connection, "transport", None)
    return transport if isinstance(transport, asyncio.Transport) else None


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
