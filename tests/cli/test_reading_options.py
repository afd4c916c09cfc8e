"""How a cluster is read, and how that shows: --as, --as-group, --request-timeout, --color, and progress."""

from __future__ import annotations

import io
import re
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from devcluster import Cluster
from etpguard.cli import progress
from etpguard.kube.connection import Connection, Impersonation
from etpguard.kube.errors import BadKubeconfig
from etpguard.kube.pykube_client import _single
from etpguard.kube.read_client import ReadClient
from tests.cli.program import SEED, etpguard, failed
from tests.cli.terminal import COLOUR, on_terminal


def kubeconfig(folder: Path, server: str) -> Path:
    file = folder / "kubeconfig"
    document = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": server}}],
    }
    file.write_text(yaml.safe_dump(document))
    return file


class Recorder(BaseHTTPRequestHandler):
    seen: list[list[tuple[str, str]]]

    def do_GET(self) -> None:
        self.seen.append([(k, v) for k, v in self.headers.items() if k.startswith(("Impersonate", "Accept-E"))])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[tuple[Path, list[list[tuple[str, str]]]]]:
    """A kubeconfig of a server, and the headers of each request to it that are about impersonation or encoding."""
    seen: list[list[tuple[str, str]]] = []
    handler = type("Handler", (Recorder,), {"seen": seen})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield kubeconfig(tmp_path, f"http://127.0.0.1:{server.server_port}"), seen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("impersonation", "headers"),
    [
        pytest.param(Impersonation(), [], id="nobody"),
        pytest.param(Impersonation("jané"), [("Impersonate-User", "jané")], id="a user"),
        pytest.param(
            Impersonation("jane", ("a,b", "c")),
            [("Impersonate-User", "jane"), ("Impersonate-Group", "a,b"), ("Impersonate-Group", "c")],
            id="groups, one with a comma",
        ),
    ],
)
def test_the_headers(
    recorded: tuple[Path, list[list[tuple[str, str]]]],
    impersonation: Impersonation,
    headers: list[tuple[str, str]],
) -> None:
    path, seen = recorded
    client = ReadClient(Connection(path, impersonate=impersonation), (10.0, 10.0))
    assert client.get("/x", {}).status == 200
    client.close()
    ((encoding, *found),) = seen
    assert encoding == ("Accept-Encoding", "gzip")
    assert [(name, value.encode("latin-1").decode()) for name, value in found] == headers


def test_two_headers_of_one_name_cannot_go_through_requests() -> None:
    assert _single(Impersonation("jane", ("a",)).headers()) == {
        "Impersonate-User": "jane",
        "Impersonate-Group": "a",
    }
    with pytest.raises(BadKubeconfig, match="several --as-group"):
        _single(Impersonation("jane", ("a", "b")).headers())


def test_a_group_needs_a_user() -> None:
    assert failed(etpguard("check", "--as-group", "a")) == "etpguard: --as-group needs --as"
    assert "-f and --as exclude each other" in etpguard("check", "-f", SEED, "--as", "jane").err


def test_a_server_that_stays_silent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = kubeconfig(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
        line = failed(etpguard("check", "--kubeconfig", path, "--request-timeout", "1s"))
    assert "no answer in time" in line


@pytest.mark.parametrize(
    ("color", "no_color", "coloured"),
    [
        ("auto", "", True),
        ("auto", "1", False),
        ("always", "1", True),
        ("never", "", False),
    ],
)
def test_colour_on_a_terminal(color: str, no_color: str, coloured: bool) -> None:
    written = on_terminal(80, "check", "-f", SEED, "--color", color, NO_COLOR=no_color)
    assert bool(COLOUR.search(written)) is coloured


def test_colour_in_a_pipe() -> None:
    plain = etpguard("check", "-f", SEED).out
    assert "\x1b" not in plain
    for output in ("table", "wide"):
        coloured = etpguard("check", "-f", SEED, "-o", output, "--color", "always").out
        assert "\x1b[33mTargetsUnhealthy\x1b[0m " in coloured
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == etpguard("check", "-f", SEED, "-o", output).out
    assert etpguard("check", "-f", SEED, ETPGUARD_COLOR="always").out != plain


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestProgress:
    def test_a_long_read_has_a_line_that_disappears(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stderr", terminal := Terminal())
        monkeypatch.setattr(progress, "FIRST_AFTER", 0.0)
        made = progress.Progress()
        made.expect(3)
        made.page()
        made.done()
        assert "etpguard: reading: 0 of 3 kinds, 1 pages" in terminal.getvalue()
        made.done(2)
        assert terminal.getvalue().endswith("\r\x1b[K")

    def test_a_short_one_has_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stderr", terminal := Terminal())
        made = progress.Progress()
        made.expect(1)
        made.page()
        made.done()
        assert terminal.getvalue() == ""

    @pytest.mark.parametrize("stream", [io.StringIO(), None], ids=["a pipe", "closed"])
    def test_nor_what_is_no_terminal(self, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None) -> None:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "FIRST_AFTER", 0.0)
        made = progress.Progress()
        made.expect(2)
        made.page()
        made.done(2)
        assert stream is None or stream.getvalue() == ""


@pytest.mark.controlplane
@pytest.mark.usefixtures("a_node")
def test_live_as_another(cluster: Cluster) -> None:
    check = ("check", "--kubeconfig", cluster.kubeconfig, "-n", "kube-node-lease")
    assert "nobody-known" in failed(etpguard(*check, "--as", "nobody-known"))
    run = etpguard(*check, "--as", "nobody-known", "--as-group", "x", "--as-group", "system:masters")
    assert run.code == 0, run
