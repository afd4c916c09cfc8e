"""Connections to node ports and requests to healthCheckNodePort, bounded in count and time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import aiohttp
import msgspec

from etpguard.objects import IPFamily
from etpguard.verification import Answer, Connection, HealthAnswer

TIMEOUT_S = 3.0
AT_ONCE = 32
_MOST_BYTES = 4096
"""The most bytes of a health answer. That of kube-proxy has about 150."""

_FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect."""

    family: IPFamily
    address: str
    port: int


class _KubeProxyAnswer(msgspec.Struct, rename="camel"):
    """healthcheck/service_health.go:255-275 of kube-proxy. Cilium's has the same names."""

    local_endpoints: int | None = None


async def try_all(
    ports: Iterable[Endpoint], checks: Iterable[Endpoint], progress: Callable[[int], None]
) -> tuple[dict[Endpoint, Connection], dict[Endpoint, HealthAnswer]]:
    """Connect once to each of `ports`, sending nothing, and ask each of `checks` by HTTP. `progress` is called
    with the number of answers so far."""
    connections: dict[Endpoint, Connection] = {}
    answers: dict[Endpoint, HealthAnswer] = {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def one_port(at: Endpoint) -> None:
        async with gate:
            connections[at] = await connect(at)
        progress(len(connections) + len(answers))

    async def one_check(session: aiohttp.ClientSession, at: Endpoint) -> None:
        async with gate:
            answers[at] = await ask(session, at)
        progress(len(connections) + len(answers))

    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session, asyncio.TaskGroup() as group:
        for at in ports:
            group.create_task(one_port(at))
        for at in checks:
            group.create_task(one_check(session, at))
    return connections, answers


async def connect(at: Endpoint) -> Connection:
    """One TCP connection, closed at once."""
    source = source_address(at)
    loop = asyncio.get_running_loop()
    with socket.socket(_FAMILIES[at.family], socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await loop.sock_connect(sock, (at.address, at.port))
        except OSError as error:
            answer, detail = _answer(error)
            return Connection(answer, source, detail)
    return Connection(Answer.CONNECTS, source)


def source_address(at: Endpoint) -> str:
    """The address from which this machine would send to the endpoint; "" without a route. To connect a UDP socket
    sends nothing."""
    with contextlib.suppress(OSError), socket.socket(_FAMILIES[at.family], socket.SOCK_DGRAM) as sock:
        sock.connect((at.address, at.port))
        return str(sock.getsockname()[0])
    return ""


def _answer(error: OSError) -> tuple[Answer, str]:
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return Answer.TIMES_OUT, ""
    if isinstance(error, ConnectionRefusedError | ConnectionResetError):
        return Answer.REFUSED, ""
    return Answer.UNREACHABLE, os.strerror(error.errno) if error.errno else str(error)


async def ask(session: aiohttp.ClientSession, at: Endpoint) -> HealthAnswer:
    """GET /healthz of healthCheckNodePort: OVN-Kubernetes answers only on this path, the others on any."""
    host = f"[{at.address}]" if at.family == "IPv6" else at.address
    try:
        async with session.get(f"http://{host}:{at.port}/healthz", allow_redirects=False) as response:
            body = await response.content.read(_MOST_BYTES)
            return _health(response.status, body)
    except TimeoutError:
        return HealthAnswer(Answer.TIMES_OUT)
    except aiohttp.ClientConnectorError as error:
        return HealthAnswer(_answer(error.os_error)[0])
    except aiohttp.ClientError:
        return HealthAnswer(Answer.UNREACHABLE)


def _health(status: int, body: bytes) -> HealthAnswer:
    try:
        answer = msgspec.json.decode(body, type=_KubeProxyAnswer)
    except msgspec.MsgspecError:
        return HealthAnswer(Answer.CONNECTS, status)
    return HealthAnswer(Answer.CONNECTS, status, answer.local_endpoints)
