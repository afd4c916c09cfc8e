"""Connections that end at once."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from devcluster.certificates import Authority
from etpguard.transports import abort


def test_a_tls_connection_that_was_closed_twice_can_be_aborted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(*authority.issue("server", ["127.0.0.1"]))

    async def closed_twice() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving)
        port = server.sockets[0].getsockname()[1]
        trusting = ssl.create_default_context(cafile=authority.certificate)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.close()
        writer.close()
        abort(writer.transport)
        server.close()
        await asyncio.sleep(0.05)

    asyncio.run(closed_twice())
