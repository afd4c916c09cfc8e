"""A TCP proxy with the faults of a network: TLS passes through it unbroken.

``with TcpProxy(cluster.server) as proxy:`` listens on loopback; ``cluster.kubeconfig_for(server=proxy.server)``
sends a client through it. Its methods may be called from any thread, and have taken effect when they return.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlsplit

from devcluster import ports
from devcluster.listener import Listener
from devcluster.loop_thread import LoopServer, LoopThread

Direction = Literal["both", "to_client", "to_server"]

_HOST = "127.0.0.1"
_CHUNK = 65536
_QUEUED_CHUNKS = 64  # then it stops reading, and TCP slows the sender down
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds


class _Wire:
    """One direction of a link that all connections share. `bytes_per_second` is 0 for no limit."""

    def __init__(self) -> None:
        self.bytes_per_second = 0.0
        self._free_at = 0.0

    def sent_at(self, now: float, size: int) -> float:
        """When the last of these bytes is on its way, behind all that was sent before."""
        if not self.bytes_per_second:
            return now
        self._free_at = max(self._free_at, now) + size / self.bytes_per_second
        return self._free_at


class _Pipe:
    """One direction of a connection."""

    def __init__(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float, wire: _Wire
    ) -> None:
        self.delay = delay
        self._wire = wire
        self.open = asyncio.Event()
        self.open.set()
        self.passed = 0
        self._source = source
        self._sink = sink
        self._queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED_CHUNKS)

    async def read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await self._source.read(_CHUNK)
            await self._queue.put((self._wire.sent_at(loop.time(), len(data)) + self.delay, data))
            if not data:
                return

    async def write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self.open.wait()
            if not data:
                self._sink.write_eof()
                return
            self.passed += len(data)  # first, so that a peer that has the data finds it counted
            self._sink.write(data)
            await self._sink.drain()


class Connection:
    """A client's connection through the proxy."""

    def __init__(
        self,
        number: int,
        loop: LoopThread,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        delay: float,
        wires: tuple[_Wire, _Wire],
    ) -> None:
        self.number = number
        """Counts from 1 in the order of opening."""
        self._loop = loop
        self._writers = (client[1], server[1])
        self._to_server = _Pipe(client[0], server[1], delay, wires[0])
        self._to_client = _Pipe(server[0], client[1], delay, wires[1])

    @property
    def bytes_to_client(self) -> int:
        return self._to_client.passed

    @property
    def bytes_to_server(self) -> int:
        return self._to_server.passed

    def cut(self) -> None:
        """Resets both sides."""
        self._loop.call(self.abort)

    def silence(self, direction: Direction = "both") -> None:
        """Keeps both sides open and passes nothing more; what arrives is held back."""
        self._loop.call(lambda: self.set_silent(direction))

    def restore(self) -> None:
        """Passes on what was held back, and all that follows."""
        self._loop.call(lambda: self.set_silent(None))

    # The rest is called in the loop.

    async def run(self) -> None:
        """Until both sides have ended in order, or one is gone."""
        try:
            async with asyncio.TaskGroup() as group:
                for pipe in (self._to_server, self._to_client):
                    group.create_task(pipe.read())
                    group.create_task(pipe.write())
            for writer in self._writers:
                writer.close()
                await writer.wait_closed()
        except* OSError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Resets what is still open."""
        for writer in self._writers:
            _reset(writer)

    def set_silent(self, direction: Direction | None) -> None:
        for pipe, name in ((self._to_client, "to_client"), (self._to_server, "to_server")):
            if direction in (name, "both"):
                pipe.open.clear()
            else:
                pipe.open.set()

    def set_delay(self, seconds: float) -> None:
        self._to_client.delay = self._to_server.delay = seconds


def _reset(writer: asyncio.StreamWriter) -> None:
    """Resets the connection if it is still open."""
    peer = writer.get_extra_info("socket")
    if peer is not None:
        with contextlib.suppress(OSError):  # closed meanwhile
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


class TcpProxy(LoopServer):
    """Forwards a port to a server."""

    def __init__(self, server: str) -> None:
        """``server``: a URL, such as ``cluster.server``."""
        target = urlsplit(server)
        assert target.hostname is not None
        assert target.port is not None
        self._target = (target.hostname, target.port)
        self._port = ports.free(_HOST)
        self.server = f"{target.scheme}://{_HOST}:{self._port}"
        """The proxy's own URL."""
        self._listener: Listener | None = None
        self._open: set[Connection] = set()
        self._numbers = itertools.count(1)
        self._delay = 0.0
        self._handshake = 0.0
        self._wires = (_Wire(), _Wire())
        self._silence: Direction | None = None
        super().__init__("tcp-proxy")

    @property
    def connections(self) -> list[Connection]:
        """The open connections, oldest first."""
        return sorted(self._open, key=lambda connection: connection.number)

    def cut(self) -> None:
        """Resets all connections and refuses new ones."""
        self._loop.run(self._cut(refuse=True))

    def reset(self) -> None:
        """Resets all connections; new ones are served."""
        self._loop.run(self._cut(refuse=False))

    def silence(self, direction: Direction = "both", connections: Iterable[Connection] | None = None) -> None:
        """Keeps connections open and passes nothing in that direction: a network that swallows packets.

        For all connections, those opened later too; or for the given ones only.
        """
        self._loop.call(lambda: self._set_silent(direction, connections))

    def delay(self, seconds: float) -> None:
        """Holds every byte back that long, in each direction, for all connections."""
        self._loop.call(lambda: self._set_delay(seconds))

    def wire(self, bits_per_second: float, round_trip: float) -> None:
        """A slow network, from now on: all connections share this bandwidth, in each direction, and every byte
        takes half of the round trip (seconds). A new connection takes one round trip more, as TCP's handshake
        does. TCP's slow start and losses are not imitated."""

        def set_wire() -> None:
            for wire in self._wires:
                wire.bytes_per_second = bits_per_second / 8
            self._handshake = round_trip
            self._set_delay(round_trip / 2)

        self._loop.call(set_wire)

    def restore(self) -> None:
        """Ends all faults: listens again, passes on what was held back. A slow network stays slow."""
        self._loop.run(self._restore())

    async def _start(self) -> None:
        if self._listener is None:
            self._listener = Listener(_HOST, self._port, self._serve)

    async def _stop(self) -> None:
        await self._cut(refuse=True)

    async def _serve(self, peer: socket.socket) -> None:
        client = await asyncio.open_connection(sock=peer)
        try:
            await asyncio.sleep(self._handshake)
            upstream = await asyncio.open_connection(*self._target)
            connection = Connection(next(self._numbers), self._loop, client, upstream, self._delay, self._wires)
            connection.set_silent(self._silence)
            self._open.add(connection)
            try:
                await connection.run()
            finally:
                self._open.remove(connection)
        except OSError:
            pass  # the server does not listen
        finally:
            _reset(client[1])

    async def _cut(self, refuse: bool) -> None:
        listener = self._listener
        if listener is None:
            return
        if refuse:
            listener.close()
            self._listener = None
        await listener.cut()

    def _set_silent(self, direction: Direction | None, connections: Iterable[Connection] | None) -> None:
        if connections is None:
            self._silence = direction
        for connection in list(self._open if connections is None else connections):
            connection.set_silent(direction)

    def _set_delay(self, seconds: float) -> None:
        self._delay = seconds
        for connection in self._open:
            connection.set_delay(seconds)

    async def _restore(self) -> None:
        self._set_delay(self._handshake / 2)
        self._set_silent(None, None)
        await self._start()
