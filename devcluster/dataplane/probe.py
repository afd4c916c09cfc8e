"""What a connection from a namespace got: many at once, each with a short time-out.

The sockets are opened by a child process inside the namespace. It reads one JSON list of probes a line and
answers each with one line; it ends when its input ends, so it never outlives its parent.
"""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import itertools
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from devcluster.dataplane.child import Child
from devcluster.dataplane.servers import Kind

_MODULE = "devcluster.dataplane.probe"

Result = Literal["answered", "timed out", "refused", "failed"]

# Every probe gets another source port, in turn: one used again within conntrack's life time of a flow
# (UDP: 30 s) would be sent where the earlier flow went, whatever the rules say by then.
SOURCE_PORTS = range(10_000, 60_000)


@dataclass(frozen=True, slots=True)
class Probe:
    """One connection. `mark` is the number of the node to route it through, where the address is on no link."""

    kind: Kind
    address: str
    port: int
    path: str = "/"
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of a probe.

    answered   the server's whole answer arrived: `pod` and `client` as it gave them ("" where it is not one of
               ours), `status` and `body` of HTTP
    timed out  no answer at all
    refused    TCP reset or ICMP port unreachable
    failed     anything else, in `detail`
    """

    result: Result
    pod: str = ""
    client: str = ""
    status: int = 0
    body: str = ""
    detail: str = ""

    def __str__(self) -> str:
        if self.result == "answered":
            return f"answered by {self.pod}" if self.pod else f"answered {self.status}"
        return f"{self.result}: {self.detail}" if self.detail else self.result


class Prober:
    """Sends probes from one namespace. Not thread-safe."""

    def __init__(self, namespace: str) -> None:
        self._child = Child(_MODULE, namespace=namespace)

    def probe(self, probes: Sequence[Probe], timeout: float = 0.5) -> list[Observation]:
        """One observation for each probe, in order; all are sent at once and each has `timeout` seconds."""
        if not probes:
            return []
        request = {"timeout": timeout, "probes": [dataclasses.astuple(probe) for probe in probes]}
        return [Observation(*fields) for fields in json.loads(self._child.ask(json.dumps(request)))]

    def close(self) -> None:
        self._child.close()


# --- the child's side ---


async def _answer_requests() -> None:
    ports = itertools.cycle(SOURCE_PORTS)
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        probes = [Probe(*fields) for fields in request["probes"]]
        seen = await asyncio.gather(*(observe(probe, request["timeout"], ports) for probe in probes))
        print(json.dumps([dataclasses.astuple(one) for one in seen]), flush=True)


async def observe(probe: Probe, seconds: float, ports: itertools.cycle[int]) -> Observation:
    """From this very namespace; `ports` are source ports, all of one process from one cycle."""
    try:
        async with asyncio.timeout(seconds):
            with _from_next_port(probe, ports) as sock:
                return await _ask(probe, sock)
    except TimeoutError:
        return Observation("timed out")
    except ConnectionRefusedError:
        return Observation("refused")
    except OSError as error:
        return Observation("failed", detail=errno.errorcode.get(error.errno or 0, str(error)))
    except ValueError as error:
        return Observation("failed", detail=f"unreadable answer: {error}")


def _from_next_port(probe: Probe, ports: itertools.cycle[int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in probe.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM if probe.kind == "udp" else socket.SOCK_STREAM)
    sock.setblocking(False)
    if probe.mark:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, probe.mark)
    for _ in SOURCE_PORTS:
        try:
            sock.bind(("", next(ports)))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                sock.close()
                raise
        else:
            return sock
    sock.close()
    raise OSError(errno.EADDRINUSE, "no source port is free")


async def _ask(probe: Probe, sock: socket.socket) -> Observation:
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (probe.address, probe.port))
    if probe.kind == "udp":
        await loop.sock_sendall(sock, b"?")
        return _from_pod(await loop.sock_recv(sock, 2048))
    if probe.kind == "http":
        host = f"[{probe.address}]" if ":" in probe.address else probe.address
        request = f"GET {probe.path} HTTP/1.1\r\nHost: {host}:{probe.port}\r\nConnection: close\r\n\r\n"
        await loop.sock_sendall(sock, request.encode())
    answer = b""
    while part := await loop.sock_recv(sock, 65536):
        answer += part
    return _from_pod(answer) if probe.kind == "tcp" else _from_http(answer)


def _from_http(answer: bytes) -> Observation:
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        raise ValueError(repr(answer[:80]))
    text, status = body.decode(errors="replace"), int(words[1])
    if b'"pod"' in body:
        return dataclasses.replace(_from_pod(body), status=status, body=text)
    return Observation("answered", status=status, body=text)


def _from_pod(answer: bytes) -> Observation:
    said = json.loads(answer)
    return Observation("answered", pod=said["pod"], client=said["client"])


if __name__ == "__main__":
    asyncio.run(_answer_requests())
