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

from etpguard.web.scrapes import SHARE_FACTOR, SHARE_SECONDS, Scrapes
from tests.web.serving import Scene, serve_during

NEVER = 600.0
"""Seconds. A limit that no test reaches: what is answered is answered although no other client was closed."""
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


async def livez(port: int) -> None:
    async with asyncio.timeout(30):
        assert await get(port, "/livez") == (200, b"alive\n")


async def until_served(port: int) -> None:
    while (await get(port))[0] != 200:  # noqa: ASYNC110  polls what a client sees
        await asyncio.sleep(0.05)


def test_clients_at_once_share_one_rendering_and_so_do_those_that_follow_soon() -> None:
    renderer = Renderer()

    async def scene(port: int) -> None:
        began = time.monotonic()
        assert await asyncio.gather(*(get(port) for _ in range(50))) == [(200, BODY)] * 50
        assert await get(port) == (200, BODY)
        assert renderer.renderings <= 1 + (time.monotonic() - began) / (SHARE_FACTOR * renderer.seconds)
        before = renderer.renderings
        while renderer.renderings == before:
            await get(port)
            await asyncio.sleep(0.05)

    play(scene, renderer)
    assert renderer.at_once == 1


@pytest.mark.parametrize(
    ("seconds", "longest"),
    [
        pytest.param(0.0, NEVER, id="as long as it took to render, ten times"),
        pytest.param(0.25, SHARE_SECONDS, id="two seconds at most"),
    ],
)
def test_how_long_a_body_is_shared(monkeypatch: pytest.MonkeyPatch, seconds: float, longest: float) -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        shared: list[float] = []
        later = loop.call_later

        def call_later(delay: float, *given: Any, **named: Any) -> asyncio.TimerHandle:
            shared.append(delay)
            return later(delay, *given, **named)

        renderer = Renderer(seconds)
        scrapes = Scrapes(lambda: renderer, 1)
        monkeypatch.setattr(loop, "call_later", call_later)
        began = time.monotonic()
        async with scrapes.page() as page:
            assert page.plain == BODY
        assert len(shared) == 1
        assert 0 < shared[0] <= min(SHARE_FACTOR * (time.monotonic() - began), longest)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("encoding", "compressed"),
    [
        pytest.param("gzip", True, id="gzip"),
        pytest.param("deflate, gzip;q=0.5", True, id="gzip among others"),
        pytest.param("identity", False, id="plain"),
        pytest.param("GZIP; q=1.000", True, id="gzip in capitals, with a weight"),
        pytest.param("gzip;q=0.001", True, id="gzip rather than nothing"),
        pytest.param("gzip;q=0", False, id="anything but gzip"),
        pytest.param("br, gzip ; q=0.000", False, id="anything but gzip, in another form"),
        pytest.param("gzip;q=high", False, id="gzip with nonsense"),
    ],
)
def test_the_body_is_compressed_on_request(encoding: str, compressed: bool) -> None:
    async def scene(port: int) -> None:
        status, body = await get(port, encoding=encoding)
        assert status == 200
        assert (body != BODY) is compressed
        assert (gzip.decompress(body) if compressed else body) == BODY

    play(scene)


def test_head_has_the_length_and_no_body() -> None:
    async def scene(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert f"Content-Length: {len(BODY)}".encode() in head
        assert body == b""

    play(scene)


def test_a_scrape_beyond_the_limit_is_503_at_once() -> None:
    refused = threading.Event()

    def render() -> bytes:
        assert refused.wait(60), "a scrape waits in place of a 503"
        return BODY

    async def scene(port: int) -> None:
        statuses: list[int] = []

        async def scrape() -> None:
            statuses.append((await get(port))[0])
            if statuses.count(503) == 6:
                refused.set()

        await asyncio.gather(*(scrape() for _ in range(10)))
        assert statuses == [503] * 6 + [200] * 4

    serve_during(scene, render, scrapes=4)


def test_a_request_that_is_not_complete_in_time_is_closed() -> None:
    async def scene(port: int) -> None:
        reader, writer = await half_a_request(port)
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
            await livez(port)
        for _, writer in held:
            writer.close()

    try:
        play(scene, header_seconds=NEVER)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def clients_that_do_not_read(port: int, count: int) -> list[asyncio.StreamWriter]:
    writers = []
    for _ in range(count):
        _, writer = await half_a_request(port)
        writer.write(b"\r\n")
        writers.append(writer)
    return writers


def test_clients_that_do_not_read_keep_no_probe_out() -> None:
    async def scene(port: int) -> None:
        writers = await clients_that_do_not_read(port, 100)
        await livez(port)
        for writer in writers:
            writer.close()

    play(scene, request_seconds=NEVER)


def test_clients_that_do_not_read_are_closed_and_their_places_are_free_again() -> None:
    async def scene(port: int) -> None:
        writers = await clients_that_do_not_read(port, 100)
        await until_served(port)
        for writer in writers:
            writer.close()

    play(scene, request_seconds=0.3)


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
        await livez(port)

    play(scene, Broken())
    assert "/metrics failed" in caplog.text
