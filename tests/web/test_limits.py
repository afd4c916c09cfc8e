"""Clients that come in numbers, send half a request, or do not read: none keeps the others out."""

from __future__ import annotations

import asyncio
import gzip
import resource
import threading
import time
from typing import Any

import aiohttp
import pytest

from tests.web.serving import Scene, serve_during

pytestmark = pytest.mark.timing

BODY = b"".join(b'etpguard_x{n="%d"} 1\n' % n for n in range(20_000))


class Renderer:
    """Renders BODY in a tenth of a second; counts how often, and how often at once."""

    def __init__(self, seconds: float = 0.1) -> None:
        self.seconds = seconds
        self.renderings = self.at_once = self._now = 0
        self._lock = threading.Lock()

    def __call__(self) -> bytes:
        with self._lock:
            self.renderings += 1
            self._now += 1
            self.at_once = max(self.at_once, self._now)
        time.sleep(self.seconds)
        with self._lock:
            self._now -= 1
        return BODY


def play(scene: Scene, renderer: Renderer | None = None, **limits: Any) -> None:
    serve_during(scene, renderer or Renderer(), **limits)


async def get(port: int, path: str = "/metrics", encoding: str = "identity") -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.get(f"http://127.0.0.1:{port}{path}", headers={"Accept-Encoding": encoding}) as answer,
    ):
        return answer.status, await answer.read()


async def half_a_request(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
    return reader, writer


async def livez_within(port: int, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        assert await get(port, "/livez") == (200, b"alive\n")


def test_clients_at_once_share_one_rendering_and_so_do_those_that_follow_soon() -> None:
    renderer = Renderer()

    async def scene(port: int) -> None:
        assert await asyncio.gather(*(get(port) for _ in range(50))) == [(200, BODY)] * 50
        assert await get(port) == (200, BODY)
        assert renderer.renderings == 1
        await asyncio.sleep(1.5)
        await get(port)
        assert renderer.renderings == 2

    play(scene, renderer)
    assert renderer.at_once == 1


def test_a_body_that_is_quick_to_render_is_never_old() -> None:
    renderer = Renderer(0.0)

    async def scene(port: int) -> None:
        for _ in range(3):
            await get(port)
            await asyncio.sleep(0.5)
        assert renderer.renderings == 3

    play(scene, renderer)


@pytest.mark.parametrize(
    ("encoding", "compressed"),
    [
        pytest.param("gzip", True, id="gzip"),
        pytest.param("deflate, gzip;q=0.5", True, id="gzip among others"),
        pytest.param("identity", False, id="plain"),
        pytest.param("gzip;q=0", False, id="anything but gzip"),
    ],
)
def test_the_body_is_compressed_on_request(encoding: str, compressed: bool) -> None:
    async def scene(port: int) -> None:
        status, body = await get(port, encoding=encoding)
        assert status == 200
        assert (body != BODY) is compressed
        assert (gzip.decompress(body) if compressed else body) == BODY

    play(scene)


def test_a_scrape_beyond_the_limit_is_503_at_once() -> None:
    async def scene(port: int) -> None:
        answers = await asyncio.gather(*(get(port) for _ in range(10)))
        assert sorted(status for status, _ in answers) == [200] * 4 + [503] * 6

    play(scene, scrapes=4)


def test_a_request_that_is_not_complete_in_time_is_closed() -> None:
    async def scene(port: int) -> None:
        reader, writer = await half_a_request(port)
        async with asyncio.timeout(2):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()

    play(scene, header_seconds=0.2)


def test_half_sent_requests_keep_no_probe_out() -> None:
    """1,000 of them at a limit of 128 connections, and more come all the while."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))

    async def scene(port: int) -> None:
        held = []
        for _ in range(10):
            held += await asyncio.gather(*(half_a_request(port) for _ in range(100)))
            await livez_within(port, 1.0)
        for _, writer in held:
            writer.close()

    try:
        play(scene)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_clients_that_do_not_read_keep_no_probe_out_and_are_closed() -> None:
    async def scene(port: int) -> None:
        writers = []
        for _ in range(100):
            _, writer = await half_a_request(port)
            writer.write(b"\r\n")
            writers.append(writer)
        await livez_within(port, 1.0)
        await asyncio.sleep(1.0)
        assert (await get(port))[0] == 200, "the places of the others are free again"
        for writer in writers:
            writer.close()

    play(scene, request_seconds=0.8)


def test_nonsense_is_answered_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(port: int) -> None:
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
            await reader.read()
            writer.close()
        assert (await get(port, "/no-such-page"))[0] == 404

    play(scene)
    assert caplog.records == []


def test_a_failed_rendering_is_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Renderer):
        def __call__(self) -> bytes:
            raise ZeroDivisionError

    async def scene(port: int) -> None:
        assert (await get(port))[0] == 500
        await livez_within(port, 1.0)

    play(scene, Broken())
    assert "/metrics failed" in caplog.text
