"""What answers inside the pods, and the relay to the API server: one child process for a whole topology.

A socket stays in the namespace it was made in, so one process can listen in all of them. The child reads one
JSON command a line on its standard input, answers each with one line, and ends when the input ends: it never
outlives its parent.

What is served, always with the pod's name and the address that the server saw as its client:
- `http`: any path answers 200, `/status/<code>` that code
- `tcp`:  one line at once, then the end
- `udp`:  one datagram for each that comes
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from http.client import responses
from typing import Any, Literal, cast

from devcluster.dataplane import netns
from devcluster.dataplane.child import Child

_MODULE = "devcluster.dataplane.servers"

Kind = Literal["http", "tcp", "udp"]


@dataclass(frozen=True, slots=True)
class Listen:
    """A port served on every address of a namespace, IPv4 and IPv6."""

    kind: Kind
    port: int


class Servers:
    """The parent's side. Not thread-safe."""

    def __init__(self) -> None:
        self._child = Child(_MODULE)

    def serve(self, name: str, namespace: str, pod: str, ports: Iterable[Listen]) -> None:
        """Answers on these ports of a namespace as `pod`, until `stop(name)`."""
        listen = [(port.kind, port.port) for port in ports]
        self._command({"op": "serve", "name": name, "namespace": namespace, "pod": pod, "ports": listen})

    def relay(self, name: str, namespace: str, address: str, port: int, to_port: int) -> None:
        """Passes connections to address:port of a namespace on to to_port of the caller's loopback."""
        self._command(
            {"op": "relay", "name": name, "namespace": namespace, "address": address, "port": port, "to": to_port}
        )

    def stop(self, name: str) -> None:
        """Closes every socket opened under a name, connections as well."""
        self._command({"op": "stop", "name": name})

    def close(self) -> None:
        self._child.close()

    def _command(self, command: dict[str, Any]) -> None:
        answer = self._child.ask(json.dumps(command))
        if answer != "ok":
            raise netns.NetworkError(f"server {command['op']} {command['name']}: {answer}")


# --- the child's side ---


class _Child:
    def __init__(self) -> None:
        self._open: dict[str, list[asyncio.Server | asyncio.DatagramTransport]] = {}
        self._connections: dict[str, set[asyncio.StreamWriter]] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        commands = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        while line := await commands.readline():
            try:
                await self._obey(json.loads(line))
            except (OSError, netns.NetworkError) as error:
                print(f"{type(error).__name__}: {error}", flush=True)
            else:
                print("ok", flush=True)

    async def _obey(self, command: dict[str, Any]) -> None:
        name = command["name"]
        match command["op"]:
            case "stop":
                await self._stop(name)
            case "relay":
                sock = _bound(command["namespace"], socket.SOCK_STREAM, command["port"], command["address"])
                await self._accept(name, sock, lambda reader, writer: _relay(reader, writer, command["to"]))
            case "serve":
                self._open.setdefault(name, [])
                for kind, port in command["ports"]:
                    await self._serve(name, command["namespace"], command["pod"], kind, port)

    async def _serve(self, name: str, namespace: str, pod: str, kind: Kind, port: int) -> None:
        if kind == "udp":
            sock = _bound(namespace, socket.SOCK_DGRAM, port)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(lambda: _Echo(pod), sock=sock)
            self._open[name].append(transport)
        else:
            answer = _answer_http if kind == "http" else _answer_tcp
            sock = _bound(namespace, socket.SOCK_STREAM, port)
            await self._accept(name, sock, lambda reader, writer: answer(pod, reader, writer))

    async def _accept(
        self,
        name: str,
        sock: socket.socket,
        handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]],
    ) -> None:
        connections = self._connections.setdefault(name, set())

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.add(writer)
            try:
                await asyncio.wait_for(handle(reader, writer), timeout=None if name == "relay" else 30)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass  # the client sees what became of its connection; cancelled at the end of all
            finally:
                connections.discard(writer)
                writer.close()

        self._open.setdefault(name, []).append(await asyncio.start_server(on_connection, sock=sock))

    async def _stop(self, name: str) -> None:
        for server in self._open.pop(name, []):
            server.close()
        for writer in self._connections.pop(name, set()):
            writer.transport.abort()
        await asyncio.sleep(0)  # transports close their sockets in the loop's next round


def _bound(namespace: str, kind: socket.SocketKind, port: int, address: str = "::") -> socket.socket:
    with netns.entered(namespace):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def _plain(peer: tuple[Any, ...]) -> str:
    return str(peer[0]).removeprefix("::ffff:")


def _word(pod: str, peer: tuple[Any, ...]) -> bytes:
    return json.dumps({"pod": pod, "client": _plain(peer)}).encode() + b"\n"


async def _answer_http(pod: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    path = head.split(b" ", 2)[1].decode("ascii", "replace")
    code = int(path.removeprefix("/status/")) if path.startswith("/status/") and path[8:].isdigit() else 200
    body = _word(pod, writer.get_extra_info("peername"))
    head_lines = [
        f"HTTP/1.1 {code} {responses.get(code, '-')}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    writer.write("\r\n".join([*head_lines, "", ""]).encode() + body)
    await writer.drain()


async def _answer_tcp(pod: str, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_word(pod, writer.get_extra_info("peername")))
    await writer.drain()


class _Echo(asyncio.DatagramProtocol):
    def __init__(self, pod: str) -> None:
        self._pod = pod

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._transport.sendto(_word(self._pod, addr), addr)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    back_reader, back_writer = await asyncio.open_connection("127.0.0.1", port)

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()

    try:
        await asyncio.gather(pass_on(reader, back_writer), pass_on(back_reader, writer))
    finally:
        back_writer.close()


if __name__ == "__main__":
    asyncio.run(_Child().run())
