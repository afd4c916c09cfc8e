"""Blocking reads: which client sends them, and what becomes of the connection between two requests."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from etpguard.kube.connection import Connection
from etpguard.kube.credentials import Credentials
from etpguard.kube.direct_client import DirectClient
from etpguard.kube.errors import Unreachable
from etpguard.kube.pykube_client import PykubeClient
from etpguard.kube.read_client import ReadClient
from tests.kube.list_server import kubeconfig


@dataclass
class Server:
    """Answers each request on its own terms: the bytes of `answers` in their order. Counts connections."""

    url: str
    answers: list[bytes]
    close_after: bool = False
    requests: list[str] = field(default_factory=list)
    connections: int = 0


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def server() -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0))
    made = Server(f"http://127.0.0.1:{listener.getsockname()[1]}/behind/a/path", [])

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            made.connections += 1
            with peer, contextlib.suppress(ConnectionError):  # the client may close it before it has read all
                while made.answers and (request := peer.recv(65536)):
                    made.requests.append(request.decode())
                    peer.sendall(made.answers.pop(0))
                    if made.close_after:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield made
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def client(server: Server, folder: Path, **user: Any) -> ReadClient:
    return ReadClient(Connection(kubeconfig(folder, server.url, **user)), (2, 2))


def test_a_request_and_its_answer(server: Server, tmp_path: Path) -> None:
    server.answers = [answer(b"{}", "Content-Type: Application/JSON; charset=utf-8", "Retry-After: 7")]
    reads = client(server, tmp_path, token="secret")
    found = reads.get("/api/v1/nodes", {"limit": "5", "continue": "a b/c"}, accept="a/b, c/d")
    assert found == (200, b"{}", 7.0, "application/json")
    head = server.requests[0].split("\r\n")
    assert head[0] == "GET /behind/a/path/api/v1/nodes?limit=5&continue=a+b%2Fc HTTP/1.1"
    assert {"Accept: a/b, c/d", "Accept-Encoding: gzip", "Authorization: Bearer secret"} <= set(head)
    reads.close()


def test_a_name_and_a_password(server: Server, tmp_path: Path) -> None:
    server.answers = [answer(b"")]
    reads = client(server, tmp_path, username="u", password="p")
    reads.get("/", {})
    assert "Authorization: Basic dTpw\r\n" in server.requests[0]
    reads.close()


@pytest.mark.parametrize("body", [b"", b"short", b"x" * 300_000])
def test_an_answer_that_is_compressed(server: Server, tmp_path: Path, body: bytes) -> None:
    server.answers = [answer(gzip.compress(body), "content-encoding: GZIP")]
    reads = client(server, tmp_path)
    assert reads.get("/", {}).body == body
    reads.close()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(gzip.compress(b"x" * 1000)[:-9], id="cut off"),
        pytest.param(b"no gzip", id="something else"),
    ],
)
def test_an_answer_that_is_not_compressed_as_it_says(server: Server, tmp_path: Path, body: bytes) -> None:
    server.answers = [answer(body, "Content-Encoding: gzip")]
    with pytest.raises(Unreachable, match="cannot reach"):
        client(server, tmp_path).get("/", {})


def test_one_connection_serves_many_requests(server: Server, tmp_path: Path) -> None:
    server.answers = [answer(b"1"), answer(b"2"), answer(b"3")]
    reads = client(server, tmp_path)
    assert [reads.get("/", {}).body for _ in range(3)] == [b"1", b"2", b"3"]
    assert server.connections == 1
    reads.close()


def test_a_connection_that_the_server_closed_is_opened_again(server: Server, tmp_path: Path) -> None:
    server.answers, server.close_after = [answer(b"1"), answer(b"2")], True
    reads = client(server, tmp_path)
    assert reads.get("/", {}).body == b"1"
    deadline = threading.Event()
    deadline.wait(0.1)  # the end of the connection arrives
    assert reads.get("/", {}).body == b"2"
    assert server.connections == 2
    reads.close()


def test_a_request_that_is_sent_ahead_has_the_next_answer(server: Server, tmp_path: Path) -> None:
    server.answers = [answer(b"1"), answer(b"2"), answer(b"3")]
    reads = client(server, tmp_path)
    reads.get("/", {})
    reads.send_ahead("/", {"continue": "t"}, "a/b")
    assert [reads.get("/", {"continue": "t"}).body, reads.get("/", {}).body] == [b"2", b"3"]
    assert [each.split()[1] for each in server.requests] == [
        f"/behind/a/path/{q}" for q in ("", "?continue=t", "")
    ]
    assert "Accept: a/b\r\n" in server.requests[1]
    assert server.connections == 1
    reads.close()


def test_another_request_than_the_one_sent_ahead_has_its_own_connection(server: Server, tmp_path: Path) -> None:
    server.answers = [answer(b"1"), answer(b"of the request sent ahead"), answer(b"3")]
    reads = client(server, tmp_path)
    reads.get("/", {})
    reads.send_ahead("/", {"continue": "t"}, "a/b")
    while len(server.answers) > 1:
        time.sleep(0.01)
    assert reads.get("/", {}).body == b"3"
    assert server.connections == 2
    reads.close()


def test_a_request_that_could_not_be_sent_ahead_is_sent_by_get(server: Server, tmp_path: Path) -> None:
    server.answers = [answer(b"1", "Connection: close"), answer(b"2")]
    reads = client(server, tmp_path)
    reads.get("/", {})

    def refuse(*_: object) -> None:
        raise ConnectionRefusedError

    reads._client.send = refuse  # type: ignore[union-attr]
    reads.send_ahead("/", {"continue": "t"}, "a/b")
    assert reads.get("/", {"continue": "t"}).body == b"2"
    reads.close()


def test_nothing_is_sent_ahead_without_a_connection(server: Server, tmp_path: Path) -> None:
    reads = client(server, tmp_path)
    reads.send_ahead("/", {}, "a/b")
    assert server.requests == []


def test_a_body_that_ends_early(server: Server, tmp_path: Path) -> None:
    server.answers, server.close_after = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"], True
    with pytest.raises(Unreachable, match="cannot reach"):
        client(server, tmp_path).get("/", {})


@pytest.mark.parametrize("url", ["https://192.0.2.1:port", "https://[::1"])
def test_a_server_that_is_no_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(Unreachable, match="cannot prepare a connection"):
        ReadClient(Connection(kubeconfig(tmp_path, url)), (1, 1)).get("/", {})


def test_pykube_sends_what_it_alone_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[type] = []

    def get(self: object, *_: object) -> tuple[int, bytes, dict[str, str]]:
        made.append(type(self))
        return 200, b"", {}

    for kind in (DirectClient, PykubeClient):
        monkeypatch.setattr(kind, "get", get)
    provider = {"auth-provider": {"name": "oidc", "config": {"id-token": "t"}}}
    ReadClient(Connection(kubeconfig(tmp_path, "https://192.0.2.1")), (1, 1)).get("/", {})
    ReadClient(Connection(kubeconfig(tmp_path, "https://192.0.2.1", **provider)), (1, 1)).get("/", {})
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.9:3128")
    ReadClient(Connection(kubeconfig(tmp_path, "https://192.0.2.1")), (1, 1)).get("/", {})
    assert made == [DirectClient, PykubeClient, PykubeClient]


def test_the_server_name_of_tls_may_differ_from_the_host() -> None:
    direct = DirectClient(Credentials("https://[::1]:6443/k", tls_server_name="kubernetes.default"), (1, 1))
    connection: Any = direct._connection
    assert (connection.host, connection.port, connection._name) == ("::1", 6443, "kubernetes.default")
