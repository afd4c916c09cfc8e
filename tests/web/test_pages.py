"""The HTTP server, asked over a real socket."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest

from etpguard.settings import Address
from etpguard.web import Health, ListenError, serve


def ask(path: str, health: Health = Health()) -> tuple[int, str, str]:  # noqa: B008  frozen
    async def run() -> tuple[int, str, str]:
        async with (
            serve(
                Address("127.0.0.1", 0),
                health=lambda: health,
                snapshot=lambda: lambda: b"x 1\n",
                content_type="text/plain; version=1.0.0; charset=utf-8",
            ) as port,
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            return answer.status, await answer.text(), answer.headers["Content-Type"]

    return asyncio.run(run())


def test_metrics() -> None:
    assert ask("/metrics") == (200, "x 1\n", "text/plain; version=1.0.0; charset=utf-8")


@pytest.mark.parametrize(
    ("health", "status", "text"),
    [
        pytest.param(Health(), 200, "ready\n", id="ready"),
        pytest.param(Health((), ["a note"]), 200, "ready\n- a note\n", id="ready with a note"),
        pytest.param(Health(["a lack"], ["a note"]), 503, "not ready\n- a lack\n- a note\n", id="not ready"),
        pytest.param(Health((), (), ["it hangs"]), 200, "ready\n", id="ready though not alive"),
    ],
)
def test_readyz(health: Health, status: int, text: str) -> None:
    assert ask("/readyz", health)[:2] == (status, text)


@pytest.mark.parametrize(
    ("health", "status", "text"),
    [
        pytest.param(Health(["a lack"]), 200, "alive\n", id="alive though not ready"),
        pytest.param(Health((), (), ["it hangs"]), 500, "not alive\n- it hangs\n", id="not alive"),
    ],
)
def test_livez(health: Health, status: int, text: str) -> None:
    assert ask("/livez", health)[:2] == (status, text)


def test_an_address_that_is_taken_is_one_line() -> None:
    async def run(port: int) -> None:
        address = Address("127.0.0.1", port)
        async with serve(address, health=Health, snapshot=lambda: lambda: b"", content_type="text/plain"):
            raise AssertionError("unreachable")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as error:
            asyncio.run(run(port))
    assert str(error.value).startswith(f"--listen 127.0.0.1:{port}: ")
    assert "\n" not in str(error.value)
