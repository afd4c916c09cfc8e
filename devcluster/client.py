"""A thin HTTPS client for JSON APIs: keep-alive connections in a pool, so that many threads can load a
cluster.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SECONDS = 60.0
"""For an answer: on a busy machine the API server may take many."""


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Sends requests to one server. Safe to use from any number of threads; each uses its own connection."""

    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        self._server = urlsplit(server)
        self._context = context
        self._idle: list[http.client.HTTPSConnection] = []
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = SECONDS,
    ) -> Response:
        """``body``: bytes as they are, else encoded as JSON. Raises ``OSError`` or
        ``http.client.HTTPException``.

        A GET that meets a kept connection which the server has closed in the meantime is sent once more.
        """
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection, kept = self._take(timeout)
        try:
            return self._send(connection, method, path, data, headers or {})
        except (ConnectionError, ssl.SSLEOFError):  # what a reset is called depends on where it is met
            if not kept or method != "GET":
                raise
        return self._send(self._connect(timeout), method, path, data, headers or {})

    def close_idle(self) -> None:
        """Closes the kept connections; the client stays usable."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self, timeout: float) -> tuple[http.client.HTTPSConnection, bool]:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect(timeout), False
            if connection.sock is not None and not _spoken_on(connection.sock):
                connection.timeout = timeout
                connection.sock.settimeout(timeout)
                return connection, True
            connection.close()

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        assert self._server.hostname is not None
        return http.client.HTTPSConnection(
            self._server.hostname, self._server.port, context=self._context, timeout=timeout
        )

    def _send(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        data: bytes | None,
        headers: Mapping[str, str],
    ) -> Response:
        try:
            connection.request(method, path, data, dict(headers))
            answer = connection.getresponse()
            response = Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        except BaseException:
            connection.close()
            raise
        if answer.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        return response


def _spoken_on(sock: socket.socket) -> bool:
    """Whether a connection that nothing was asked on has something to read: the server has closed it, as it does
    with one that was idle for 90 s, and a write on it would be lost without anyone knowing."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
