"""A server whose certificate is replaced by one of another authority."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.certificates import Authority
from tests.kube.tls_front import TlsFront


class Rotation:
    """Two authorities, and the bundle that the client is given."""

    def __init__(self, folder: Path) -> None:
        self.old, self.new = (Authority(_folder(folder / name)) for name in ("old", "new"))
        self.bundle = folder / "bundle.crt"
        self.trust(self.old)
        self.old_pair = self.old.issue("server", ["127.0.0.1"])
        self.new_pair = self.new.issue("server", ["127.0.0.1"])

    def trust(self, *authorities: Authority) -> None:
        fresh = self.bundle.with_suffix(".new")
        fresh.write_bytes(b"".join(each.certificate.read_bytes() for each in authorities))
        fresh.replace(self.bundle)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def kubeconfig(folder: Path, server: str, bundle: Path, user: dict[str, Any]) -> Path:
    file = folder / "kubeconfig"
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": str(bundle)}}],
        "users": [{"name": "c", "user": user}],
    }
    file.write_text(yaml.safe_dump(document))
    return file


class _NoNodes(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits 40 ms for the client to acknowledge the head

    def do_GET(self) -> None:
        body = json.dumps({"kind": "NodeList", "metadata": {"resourceVersion": "7"}, "items": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def rotation(tmp_path: Path) -> Rotation:
    return Rotation(tmp_path)


@pytest.fixture
def front(rotation: Rotation) -> Iterator[TlsFront]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NoNodes) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with TlsFront(("127.0.0.1", server.server_address[1]), *rotation.old_pair) as front:
            yield front
        server.shutdown()
