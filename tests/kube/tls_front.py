"""A TLS server in front of another server, whose certificate can be replaced."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from types import TracebackType
from typing import Self

from devcluster import ports
from devcluster.listener import Listener
from devcluster.loop_thread import LoopThread
from etpguard.transports import abort

_HOST = "127.0.0.1"


class TlsFront:
    """`backend` is host and port; it speaks TLS if there is an `authority` to verify it by.

    `rotate` replaces the certificate and ends all connections, as a restart does.
    """

    def __init__(
        self, backend: tuple[str, int], certificate: Path, key: Path, *, authority: Path | None = None
    ) -> None:
        self._backend = backend
        self._to_backend = ssl.create_default_context(cafile=authority) if authority else None
        self._loop = LoopThread("TLS front")
        self._open: set[asyncio.StreamWriter] = set()
        self._port = ports.free(_HOST)
        self._loop.run(self._listen(_context(certificate, key)))
        self.server = f"https://{_HOST}:{self._port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.run(self._close())
        self._loop.close()

    def rotate(self, certificate: Path, key: Path) -> None:
        async def replace(context: ssl.SSLContext) -> None:
            await self._close()
            await self._listen(context)

        self._loop.run(replace(_context(certificate, key)))

    async def _listen(self, context: ssl.SSLContext) -> None:
        async def accept(peer: socket.socket) -> None:
            with contextlib.suppress(OSError):  # the client does not trust the certificate, or has gone
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._serve), peer, ssl=context
                )

        self._listener = Listener(_HOST, self._port, accept)

    async def _close(self) -> None:
        self._listener.close()
        await self._listener.cut()
        for writer in self._open:
            abort(writer.transport)
        await asyncio.sleep(0.1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = {writer}
        self._open |= writers
        try:
            back_reader, back_writer = await asyncio.open_connection(*self._backend, ssl=self._to_backend)
            writers.add(back_writer)
            self._open |= writers
            await asyncio.gather(_pump(reader, back_writer), _pump(back_reader, writer))
        finally:
            self._open -= writers
            for each in writers:
                abort(each.transport)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what comes; the end of one side ends the other."""
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.close()


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
