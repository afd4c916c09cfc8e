"""Blocking GET requests to an API server, made from a Connection.

pykube sends the requests of a user with an `auth-provider`, which only pykube knows, and those through a proxy.
"""

from __future__ import annotations

import http.client
import ssl
import zlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol
from urllib.parse import urlencode

from etpguard.kube.connection import Connection
from etpguard.kube.direct_client import DirectClient, Headers
from etpguard.kube.errors import Unreachable


class Response(NamedTuple):
    """`retry_after` is the header in seconds, 0 without one. `media_type` is that of the body, without
    parameters."""

    status: int
    body: bytes
    retry_after: float
    media_type: str


class _Client(Protocol):
    def get(self, target: str, headers: Mapping[str, str]) -> tuple[int, bytes, Headers]: ...

    def close(self) -> None: ...


class ReadClient:
    """At most one TCP connection. It uses the credentials that are valid when it is opened. For one thread.

    `timeout` is how long the server may take to accept a connection, and how long it may be silent, in seconds.
    """

    def __init__(self, connection: Connection, timeout: tuple[float, float]) -> None:
        self._connection = connection
        self._timeout = timeout
        self._client: _Client | None = None
        self._sent: str | None = None
        """The target of a request that was sent ahead."""

    def get(self, path: str, parameters: Mapping[str, str], accept: str = "application/json") -> Response:
        """`accept` are the media types that the answer may have.

        Raises Unreachable without an answer, and BadKubeconfig without credentials.
        """
        server = self._connection.server
        target = _target(path, parameters)
        if self._sent not in (None, target):
            self.close()
        try:
            client = self._client = self._client or self._new_client()
        except (OSError, ValueError) as error:  # no file descriptor, no certificate, no URL
            raise Unreachable(f"cannot prepare a connection to {server}: {cause(error)}") from None
        try:
            if self._sent and isinstance(client, DirectClient):
                self._sent = None
                status, body, answered = client.receive()
            else:
                status, body, answered = client.get(target, _headers(accept))
        except (OSError, http.client.HTTPException, zlib.error) as error:
            self.close()
            raise Unreachable(f"cannot reach {server}: {cause(error)}") from None
        after = answered.get("Retry-After") or ""
        media_type = (answered.get("Content-Type") or "").partition(";")[0].strip().lower()
        return Response(status, body, float(after) if after.isdigit() else 0.0, media_type)

    def send_ahead(self, path: str, parameters: Mapping[str, str], accept: str) -> None:
        """Send the request of the next `get`, so that the server answers it meanwhile. If that fails, or if pykube
        sends the requests, `get` sends it."""
        if not isinstance(self._client, DirectClient):
            return
        target = _target(path, parameters)
        try:
            self._client.send(target, _headers(accept))
        except (OSError, http.client.HTTPException):
            self.close()
        else:
            self._sent = target

    def close(self) -> None:
        """Close the connection. The next request opens another one, with the credentials that are valid then."""
        self._sent = None
        if self._client is not None:
            self._client.close()
            self._client = None

    def _new_client(self) -> _Client:
        credentials = self._connection.credentials()
        if self._connection.chosen.user.auth_provider is None and not credentials.proxy:
            return DirectClient(credentials, self._timeout)
        from etpguard.kube.pykube_client import PykubeClient  # slow to load

        return PykubeClient(self._connection, self._timeout)


def _target(path: str, parameters: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


def _headers(accept: str) -> dict[str, str]:
    return {"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": "etpguard"}


def cause(error: BaseException) -> str:
    """The innermost reason of nested errors, such as those of requests and urllib3, in one line."""
    for _ in range(10):
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate does not verify: {error.verify_message}"
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((a for a in error.args if isinstance(a, BaseException)), None) or error.__cause__
        if inner is None or inner is error:
            break
        error = inner
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error) or type(error).__name__
    return " ".join(text.rpartition("object at 0x")[2].partition(">: ")[2].split() or text.split())
