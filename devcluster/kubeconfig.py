"""Kubeconfig files."""

from __future__ import annotations

import base64
import json
from pathlib import Path


def write(path: Path, *, server: str, authority: Path, token: str, tls_server_name: str | None = None) -> Path:
    """A kubeconfig with one cluster and one user, CA and token embedded, so that the file can be moved.

    Written as JSON, which is YAML.
    """
    cluster: dict[str, str] = {
        "server": server,
        "certificate-authority-data": base64.b64encode(authority.read_bytes()).decode(),
    }
    if tls_server_name is not None:
        cluster["tls-server-name"] = tls_server_name
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "devcluster",
        "clusters": [{"name": "devcluster", "cluster": cluster}],
        "users": [{"name": "devcluster", "user": {"token": token}}],
        "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": "devcluster"}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))
    return path
