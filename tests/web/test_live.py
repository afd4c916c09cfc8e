"""The server of the operator's page, asked over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiohttp
import pytest

from etpguard.settings import Address
from etpguard.transports import abort
from etpguard.web import ListenError, live, serve_page
from etpguard.web.listener import Limits

POLICY = "default-src 'none'"


class Source:
    """A page that names what it shows. Counts how often it was rendered."""

    def __init__(self) -> None:
        self.shows = "first"
        self.rendered: list[str] = []
        self.forgotten = asyncio.Event()
        self.fails = False

    def changed(self) -> bool:
        return self.rendered[-1] != self.shows

    async def render(self, revision: str) -> str:
        if self.fails:
            raise RuntimeError("a defect")
        self.rendered.append(self.shows)
        return f"<p>{self.shows} {revision}"

    def forget(self) -> None:
        self.forgotten.set()


Scene = Callable[[aiohttp.ClientSession], Awaitable[None]]


def play(scene: Scene, source: Source | None = None, **limits: Any) -> None:
    async def run() -> None:
        async with (
            asyncio.timeout(60),
            serve_page(Address("127.0.0.1", 0), source or Source(), POLICY, Limits(**limits)) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            await scene(session)

    asyncio.run(run())


async def event(answer: aiohttp.ClientResponse) -> str:
    """The data of the next event."""
    while True:
        line = (await answer.content.readline()).decode()
        if line.startswith("data: "):
            return line.removeprefix("data: ").strip()
        assert line, "the stream ended"


def test_the_page_is_sent_with_headers_that_allow_nothing_else() -> None:
    async def scene(session: aiohttp.ClientSession) -> None:
        async with session.get("/") as answer:
            assert answer.status == 200
            assert (await answer.text()).startswith("<p>first ")
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            policy = f"{POLICY}; connect-src 'self'; frame-ancestors 'none'"
            assert answer.headers["Content-Security-Policy"] == policy
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Access-Control-Allow-Origin" not in answer.headers
        async with session.get("/", headers={"Accept-Encoding": "identity"}) as answer:
            assert "Content-Encoding" not in answer.headers

    play(scene)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/events"])
def test_there_is_nothing_but_get(method: str, path: str) -> None:
    async def scene(session: aiohttp.ClientSession) -> None:
        async with session.request(method, path) as answer:
            assert answer.status == 405

    play(scene)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("localhost:8081", 200, id="localhost"),
        pytest.param("LOCALHOST", 200, id="without a port"),
        pytest.param("127.0.0.1:1", 200, id="IPv4"),
        pytest.param("[::1]:8081", 200, id="IPv6"),
        pytest.param("[::1]", 200, id="IPv6 without a port"),
        pytest.param("evil.example:8081", 403, id="another name"),
        pytest.param("localhost.evil.example", 403, id="a name that begins so"),
        pytest.param("10.0.0.1:8081", 403, id="another address"),
        pytest.param("", 403, id="none"),
        pytest.param("localhost:x", 403, id="not a port"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_only_names_of_the_loopback_interface(host: str, status: int, path: str) -> None:
    async def scene(session: aiohttp.ClientSession) -> None:
        async with session.get(path, headers={"Host": host}) as answer:
            assert answer.status == (status if status == 403 or path == "/" else 404)

    play(scene)


def test_another_site_cannot_follow_the_events() -> None:
    async def scene(session: aiohttp.ClientSession) -> None:
        async with session.get("/events", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
            assert answer.status == 403

    play(scene)


def long_limits() -> int:
    """Time limits of connections that end after more than ten minutes."""
    loop = asyncio.get_running_loop()
    timers = [each for each in cast(Any, loop)._scheduled if each.when() > loop.time() + 600.0]
    return sum(each._callback is abort for each in timers)


def test_nothing_is_kept_for_an_hour_of_a_stream_that_has_ended_or_was_refused() -> None:
    async def scene(session: aiohttp.ClientSession) -> None:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
            async with session.get("/events", headers=headers) as answer:
                assert answer.status == 403
        assert long_limits() == 0
        async with session.get("/events") as answer:
            await event(answer)
            assert long_limits() == 1
            async with session.get("/events") as refused:
                assert refused.status == 503
            assert long_limits() == 1
        while True:
            if not long_limits():
                break
            await asyncio.sleep(0.01)

    play(scene, streams=1)


def test_a_stream_ends_after_its_own_time() -> None:
    async def scene(session: aiohttp.ClientSession) -> None:
        began = time.monotonic()
        async with session.get("/events") as answer:
            await event(answer)
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()
        assert time.monotonic() - began > 0.9

    play(scene, request_seconds=0.1, stream_seconds=1.0)


def test_followers_hear_of_a_change_and_it_is_rendered_once_for_all() -> None:
    source = Source()

    async def scene(session: aiohttp.ClientSession) -> None:
        answers = [await session.get("/events") for _ in range(5)]
        assert {answer.headers["Content-Type"] for answer in answers} == {"text/event-stream"}
        (first,) = {await event(answer) for answer in answers}
        assert source.rendered == ["first"]
        source.shows = "second"
        (second,) = {await event(answer) for answer in answers}
        assert first != second
        assert source.rendered == ["first", "second"]
        async with session.get("/") as page:
            assert await page.text() == f"<p>second {second}"
        assert source.rendered == ["first", "second"]
        for answer in answers:
            answer.close()

    play(scene, source)


def test_too_many_followers_are_refused_and_the_page_is_served_all_the_same() -> None:
    async def scene(session: aiohttp.ClientSession) -> None:
        first = await session.get("/events")
        await event(first)
        async with session.get("/events") as refused:
            assert refused.status == 503
        async with session.get("/") as page:
            assert page.status == 200
        first.close()
        while True:  # the place is free once the server has noticed
            async with session.get("/events") as answer:
                if answer.status == 200:
                    break
            await asyncio.sleep(0.05)

    play(scene, streams=1)


def test_nothing_is_rendered_while_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEPT_SECONDS", 0.05)
    source = Source()

    async def scene(session: aiohttp.ClientSession) -> None:
        async with session.get("/"):
            pass
        await source.forgotten.wait()
        source.shows = "second"
        await asyncio.sleep(2 * live.LOOK_SECONDS)
        assert source.rendered == ["first"]
        async with session.get("/") as page:
            assert "second" in await page.text()

    play(scene, source)


def test_a_stream_without_changes_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.1)

    async def scene(session: aiohttp.ClientSession) -> None:
        async with session.get("/events") as answer:
            await event(answer)
            while (await answer.content.readline()) != b": still here\n":
                pass

    play(scene)


def test_a_page_that_fails_is_an_error_of_the_server_and_the_next_try_may_succeed() -> None:
    source = Source()
    source.fails = True

    async def scene(session: aiohttp.ClientSession) -> None:
        async with session.get("/") as answer:
            assert answer.status == 500
        source.fails = False
        async with session.get("/") as answer:
            assert answer.status == 200

    play(scene, source)


def test_a_stream_that_fails_ends_without_another_answer_in_it() -> None:
    source = Source()

    async def scene(session: aiohttp.ClientSession) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", session._base_url.port)  # type: ignore[union-attr]
        writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sent = await reader.readuntil(b"data: ")
        source.shows, source.fails = "second", True
        with contextlib.suppress(ConnectionResetError):
            sent += await reader.read()
        writer.close()
        assert sent.count(b"HTTP/1.1 ") == 1

    play(scene, source)


def test_a_follower_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its buffers are filled by revisions of an absurd length."""
    monkeypatch.setattr(live, "STALLED_SECONDS", 0.2)
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr("secrets.token_hex", lambda _: "x" * 1_000_000)

    class Changing(Source):
        def changed(self) -> bool:
            return True

    async def scene(session: aiohttp.ClientSession) -> None:
        assert session._base_url is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", session._base_url.port, limit=1024)
        writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"  # it has the only place
        while True:
            async with session.get("/events") as answer:
                if answer.status == 200:
                    break
            await asyncio.sleep(0.05)
        writer.transport.abort()

    play(scene, Changing(), streams=1)


def test_an_address_that_is_taken_names_the_option() -> None:
    async def run(port: int) -> None:
        async with serve_page(Address("127.0.0.1", port), Source(), POLICY):
            raise AssertionError("unreachable")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"--page 127.0.0.1:{port}: "):
            asyncio.run(run(port))
