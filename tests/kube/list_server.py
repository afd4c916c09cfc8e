"""A server on loopback whose answers to lists a test gives."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from etpguard.kube.connection import Connection

Json = dict[str, Any]


@dataclass
class Answer:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """Answers each request with what `answer` gives for its parameters and number, from 0."""

    url: str
    answer: Callable[[Json, int], Answer] = lambda parameters, number: Answer({}, 500)
    requests: list[Json] = field(default_factory=list)
    accepted: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else the body waits 40 ms for the client to acknowledge the head

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            parameters: Json = {k: v[0] for k, v in parse_qs(split.query).items()}
            made.requests.append({"path": split.path, "token": self.headers.get("Authorization"), **parameters})
            made.accepted.append(self.headers.get("Accept"))
            answer = made.answer(parameters, len(made.requests) - 1)
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            if "gzip" in (self.headers.get("Accept-Encoding") or ""):
                body = gzip.compress(body)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Server(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def connection(server: Server, tmp_path: Path) -> Connection:
    return Connection(kubeconfig(tmp_path, server.url, token="secret"))


def kubeconfig(folder: Path, url: str, **user: Any) -> Path:
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
    return path


def page(names: range, version: int, token: str = "") -> Answer:
    items = [{"metadata": {"name": f"n{n}", "resourceVersion": str(n + 1)}} for n in names]
    return Answer(
        {"kind": "NodeList", "metadata": {"resourceVersion": str(version), "continue": token}, "items": items}
    )


def refusal(status: int, message: str, **headers: str) -> Answer:
    return Answer({"kind": "Status", "message": message}, status, headers)
