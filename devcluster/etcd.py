"""What is asked of etcd itself, past the API server."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

from devcluster.client import Client
from devcluster.errors import DevclusterError

# Where the API server notes the last compaction, and watches for those of its peers
# (storage/etcd3/compact.go of k8s.io/apiserver 0.37.2).
_COMPACT_REVISION_KEY = b"compact_rev_key"


class Etcd:
    """etcd's JSON gateway (``/v3/…``), with a client certificate."""

    def __init__(self, server: str, authority: Path, certificate: Path, key: Path) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(certificate, key)
        self._client = Client(server, context)

    def healthy(self) -> bool:
        try:
            return self._client.request("GET", "/health", timeout=1).ok
        except OSError:
            return False

    def compact(self) -> int:
        """Drops all history up to now, as the API server itself does every five minutes; gives the revision."""
        revision = int(self._call("kv/range", key=_COMPACT_REVISION_KEY)["header"]["revision"])
        self._call("kv/put", key=_COMPACT_REVISION_KEY, value=str(revision).encode())
        self._call("kv/compaction", revision=revision, physical=True)
        return revision

    def close(self) -> None:
        self._client.close_idle()

    def _call(self, method: str, **fields: bytes | int) -> dict[str, dict[str, str]]:
        body = {
            name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for name, value in fields.items()
        }
        response = self._client.request("POST", f"/v3/{method}", body)
        if not response.ok:
            raise DevclusterError(f"etcd {method}: {response.status}: {response.body.decode(errors='replace')}")
        answer: dict[str, dict[str, str]] = response.json()
        return answer
