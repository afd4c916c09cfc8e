"""A listener that closes at each step of a connection leaves none open."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import warnings

import pytest

from devcluster import ports
from devcluster.listener import Listener
from devcluster.tcp_proxy import TcpProxy

HOST = "127.0.0.1"


async def serve(peer: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=peer)
    try:
        await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("steps", range(8))
def test_no_connection_stays_open(steps: int) -> None:
    async def connected_and_closed() -> bytes:
        port = ports.free(HOST)
        listener = Listener(HOST, port, serve)
        client = socket.create_connection((HOST, port), timeout=10)
        for _ in range(steps):
            await asyncio.sleep(0)
        listener.close()
        await listener.cut()
        await asyncio.sleep(0)
        try:
            return client.recv(1)
        except ConnectionResetError:
            return b""
        finally:
            client.close()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        assert asyncio.run(connected_and_closed()) == b""
        gc.collect()
    assert [str(each.message) for each in caught] == []


def test_a_proxy_that_closes_while_clients_connect() -> None:
    def connect(port: int, clients: list[socket.socket]) -> None:
        for _ in range(50):
            try:
                clients.append(socket.create_connection((HOST, port), timeout=10))
            except OSError:
                return

    with warnings.catch_warnings(record=True) as caught, socket.create_server((HOST, 0)) as server:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(10):
            clients: list[socket.socket] = []
            with TcpProxy(f"http://{HOST}:{server.getsockname()[1]}") as proxy:
                port = int(proxy.server.rpartition(":")[2])
                connecting = threading.Thread(target=connect, args=(port, clients))
                connecting.start()
            connecting.join()
            for client in clients:
                client.close()
        gc.collect()
    assert [str(each.message) for each in caught] == []
