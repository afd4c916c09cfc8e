"""The asyncio client for writes: kubernetes.aio's ApiClient, made from a Connection."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Any

from etpguard.kube.connection import Connection
from etpguard.kube.credentials import Credentials
from etpguard.kube.errors import KubeError
from etpguard.kube.threads import in_thread
from etpguard.transports import abort

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient


class LazyClient:
    """An ApiClient that is made at the first request, and again when the CA or the client certificate changes.

    Credentials are looked up for each request. Both happen in a thread: the `kubernetes` package takes its time to
    load, and a credential plugin may take a minute, while the event loop has a Lease to renew. Requests raise
    BadKubeconfig where there are no credentials.
    """

    def __init__(self, connection: Connection, user_agent: str = "") -> None:
        self._connection = connection
        self._user_agent = user_agent
        self._credentials: Credentials | None = None
        self._fingerprint: object = None
        self._made_for: object = None
        self._making: asyncio.Task[ApiClient] | None = None
        self._outdated: list[asyncio.Task[ApiClient]] = []

    async def param_serialize(self, method: str, resource_path: str, **parts: Any) -> Any:
        self._credentials, self._fingerprint = await in_thread(self._look_up, "credentials")
        client = await self._client()
        return await client.param_serialize(method, resource_path, **parts)

    async def call_api(self, *parts: Any, **options: Any) -> Any:
        client = await self._client()
        return await client.call_api(*parts, **options)

    async def close(self) -> None:
        await self._close_outdated()
        if self._making is not None:
            await _close(self._making)

    async def _client(self) -> ApiClient:
        if self._making is not None and self._made_for != self._fingerprint:
            # Requests under way continue. A client from before this one has none left.
            await self._close_outdated()
            self._outdated.append(self._making)
            self._making = None
        if self._making is None:
            self._made_for = self._fingerprint
            self._making = asyncio.create_task(self._make())
        # If this request times out, the other requests still wait for the task.
        return await asyncio.shield(self._making)

    async def _make(self) -> ApiClient:
        try:
            return await in_thread(self._new_client, "client of the API server")
        except BaseException:
            if self._making is asyncio.current_task():
                self._making = None  # the next request tries again
            raise

    async def _close_outdated(self) -> None:
        outdated, self._outdated = self._outdated, []
        for each in outdated:
            await _close(each)

    def _look_up(self) -> tuple[Credentials, object]:
        found = self._connection.credentials()
        return found, found.tls_fingerprint()

    def _new_client(self) -> ApiClient:
        from kubernetes.aio import client  # slow to load, and `check` writes nothing

        now = self._known()
        configuration: Any = client.Configuration(
            host=now.server,
            ssl_ca_cert=now.ca_file or None,
            verify_ssl=not now.insecure,
            cert_file=now.certificate_file or None,
            key_file=now.key_file or None,
            tls_server_name=now.tls_server_name or None,
        )
        # Set afterwards: an absent proxy above would be looked up in the environment.
        configuration.proxy = now.proxy or None
        configuration.disable_strict_ssl_verification = True
        # The client calls the hook for each request with auth_settings=["BearerToken"].
        configuration.refresh_api_key_hook = self._authorize
        self._authorize(configuration)
        made: ApiClient = client.ApiClient(configuration)
        if self._user_agent:
            made.user_agent = self._user_agent
        _discard_on_close(made)
        return made

    def _authorize(self, configuration: Any) -> None:
        now = self._known()
        if now.token:
            configuration.api_key["BearerToken"] = f"Bearer {now.token}"
        elif now.username:
            pair = f"{now.username}:{now.password}".encode()
            configuration.api_key["BearerToken"] = f"Basic {base64.b64encode(pair).decode()}"

    def _known(self) -> Credentials:
        assert self._credentials is not None
        return self._credentials


async def _close(making: asyncio.Task[ApiClient]) -> None:
    with contextlib.suppress(KubeError, OSError):
        await (await making).close()


def _discard_on_close(client: ApiClient) -> None:
    """Reset the connection of a request that timed out or was cancelled, and discard what was not sent yet.

    Without this, aiohttp waits for the peer to end TLS. While the network is cut, the kernel keeps the request and
    sends it again and again, also after its time-out. When the network works again, a former leader would still
    write.

    `_create_connector` is the extension point that the client documents. `_release` is private to aiohttp (3.14):
    no public hook sees the transport of a request that has no answer, and a socket option (TCP_USER_TIMEOUT) does
    not reach data that a proxy has already taken. If it is renamed, the test of a leader that is cut off fails.
    """
    import aiohttp

    class Connector(aiohttp.TCPConnector):
        def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
            if (should_close or protocol.should_close) and protocol.transport is not None:
                abort(protocol.transport)
            super()._release(key, protocol, should_close=should_close)

    def connect(address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol = address[:3]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return made

    rest = client.rest_client
    rest._create_connector = lambda: Connector(limit=rest.maxsize, ssl=rest.ssl_context, socket_factory=connect)
