"""The HTTP server over TLS: real clients, a certificate that changes, and clients that shake no hands."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devcluster import MissingToolError
from etpguard.web import Certificate, CertificateFiles
from tests.web.secret import MountedSecret, pair
from tests.web.serving import Scene, serve_during

BODY = b"etpguard_x 1\n" * 30_000


def render() -> bytes:
    return BODY


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return pair(tmp_path, "first")


def authority(files: CertificateFiles) -> Path:
    return files.certificate.with_name("ca.crt")


def play(scene: Scene, certificate: Certificate, answer: Callable[[], bytes] = render, **limits: Any) -> None:
    serve_during(scene, answer, certificate, **limits)


async def get(port: int, files: CertificateFiles, path: str = "/metrics") -> tuple[int, bytes]:
    trust = ssl.create_default_context(cafile=authority(files))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://127.0.0.1:{port}{path}", ssl=trust) as answer,
    ):
        return answer.status, await answer.read()


async def alive(port: int, files: CertificateFiles) -> None:
    async with asyncio.timeout(20):
        assert await get(port, files, "/livez") == (200, b"alive\n")


async def serial(port: int) -> bytes:
    """The certificate that the server shows, in DER."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    assert isinstance(shown, bytes)
    return shown


async def run_tool(*command: str) -> tuple[int, str]:
    if shutil.which(command[0]) is None:
        raise MissingToolError(f"{command[0]} is not installed")
    done = await asyncio.to_thread(
        subprocess.run, command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
    )
    return done.returncode, done.stdout + done.stderr


def test_metrics_and_probes_over_tls(files: CertificateFiles) -> None:
    async def scene(port: int) -> None:
        assert await get(port, files) == (200, BODY)
        assert await get(port, files, "/readyz") == (200, b"ready\n")
        assert await get(port, files, "/livez") == (200, b"alive\n")

    play(scene, Certificate(files))


def test_curl_and_openssl(files: CertificateFiles) -> None:
    async def scene(port: int) -> None:
        url, trust = f"https://127.0.0.1:{port}/livez", str(authority(files))
        assert await run_tool("curl", "-sS", "--cacert", trust, url) == (0, "alive\n")
        code, said = await run_tool("curl", "-sS", url)
        assert code == 60, said
        to = ("-connect", f"127.0.0.1:{port}", "-CAfile", trust, "-verify_return_error")
        for version in ("-tls1_2", "-tls1_3"):
            code, said = await run_tool("openssl", "s_client", *to, version)
            assert code == 0, said
            assert "Verify return code: 0 (ok)" in said
        # At security level 0 the client offers TLS 1.1. The server closes the connection; asyncio sends no alert.
        code, said = await run_tool("openssl", "s_client", *to, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        assert code != 0
        assert "no peer certificate available" in said
        assert "unexpected eof" in said

    play(scene, Certificate(files))


def test_a_swap_of_the_secret_is_served_to_the_next_connection(tmp_path: Path) -> None:
    first, second, secret = pair(tmp_path, "first"), pair(tmp_path, "second"), MountedSecret(tmp_path / "mount")
    secret.swap(first)

    async def scene(port: int) -> None:
        await alive(port, first)
        before = await serial(port)
        secret.swap(second)
        await alive(port, second)
        assert await serial(port) != before
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await get(port, first)
        # The key of another pair.
        shutil.copy(first.private_key, secret.files.private_key.resolve())
        await alive(port, second)

    play(scene, Certificate(secret.files, look_seconds=0))


def test_a_connection_that_is_open_ends_with_its_own_certificate(tmp_path: Path) -> None:
    first, second, secret = pair(tmp_path, "first"), pair(tmp_path, "second"), MountedSecret(tmp_path / "mount")
    secret.swap(first)

    async def scene(port: int) -> None:
        trust = ssl.create_default_context(cafile=authority(first))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        secret.swap(second)
        await alive(port, second)
        writer.write(b"GET /livez HTTP/1.0\r\n\r\n")
        assert (await reader.read()).endswith(b"alive\n")
        writer.close()

    play(scene, Certificate(secret.files, look_seconds=0))


async def silent(port: int) -> asyncio.StreamWriter:
    """A connection without a handshake."""
    return (await asyncio.open_connection("127.0.0.1", port))[1]


async def begun(port: int) -> asyncio.StreamWriter:
    """A connection with the first bytes of a handshake."""
    writer = await silent(port)
    writer.write(b"\x16\x03\x01\x02\x00\x01")
    return writer


@pytest.mark.parametrize(
    "connect", [pytest.param(silent, id="no handshake"), pytest.param(begun, id="half a handshake")]
)
def test_200_clients_without_a_handshake_keep_no_probe_out(
    files: CertificateFiles, connect: Callable[[int], Coroutine[Any, Any, asyncio.StreamWriter]]
) -> None:
    """At a limit of 128 connections, and no time limit that would close one of them."""

    async def scene(port: int) -> None:
        held = []
        for _ in range(4):
            held += await asyncio.gather(*(connect(port) for _ in range(50)))
            await alive(port, files)
            assert await get(port, files) == (200, BODY)
        for writer in held:
            writer.close()

    play(scene, Certificate(files), header_seconds=3600.0)


def test_connections_without_a_handshake_count_in_the_limit(files: CertificateFiles) -> None:
    """The oldest is closed for a new one."""

    async def scene(port: int) -> None:
        first = await asyncio.open_connection("127.0.0.1", port)
        others = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        async with asyncio.timeout(20):
            assert await first[0].read() == b""
        assert not any(reader.at_eof() for reader, _ in others)
        for _, writer in (first, *others):
            writer.close()

    play(scene, Certificate(files), connections=4, header_seconds=3600.0)


def test_a_handshake_that_is_not_complete_in_time_is_closed(files: CertificateFiles) -> None:
    async def scene(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01\x02\x00\x01")
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()

    play(scene, Certificate(files), header_seconds=0.2)


def test_a_client_that_completes_the_handshake_and_asks_nothing_is_closed(files: CertificateFiles) -> None:
    async def scene(port: int) -> None:
        trust = ssl.create_default_context(cafile=authority(files))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        async with asyncio.timeout(20):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()

    play(scene, Certificate(files), header_seconds=0.5)


def test_a_slow_answer_outlives_the_time_limit_of_the_request(files: CertificateFiles) -> None:
    """The request is complete at the end of the handshake: its time limit must not count any more."""
    seconds = 0.5

    def slow() -> bytes:
        time.sleep(3 * seconds)
        return BODY

    async def scene(port: int) -> None:
        assert await get(port, files) == (200, BODY)

    play(scene, Certificate(files), slow, header_seconds=seconds)


def test_plain_http_and_nonsense_are_closed_and_not_logged(
    files: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def scene(port: int) -> None:
        for text in (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05nonsense", b"\0" * 100_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(text)
                async with asyncio.timeout(20):
                    assert b"HTTP" not in await reader.read()
            except ConnectionError:
                pass
            writer.close()
        await alive(port, files)

    play(scene, Certificate(files))
    assert caplog.records == []


def test_connections_in_a_handshake_do_not_delay_the_end(files: CertificateFiles) -> None:
    held: list[socket.socket] = []

    async def scene(port: int) -> None:
        held.extend(socket.create_connection(("127.0.0.1", port)) for _ in range(2))
        held[0].sendall(b"\x16\x03\x01\x02\x00\x01")
        await alive(port, files)

    play(scene, Certificate(files), header_seconds=3600.0)
    for connection in held:
        with connection, contextlib.suppress(ConnectionError):
            connection.settimeout(20)
            assert connection.recv(1) == b""
