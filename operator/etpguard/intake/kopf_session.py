"""The HTTP session of one Kopf run: credentials, TLS, bounded silence, and what Kopf does not report."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Mapping
from typing import cast

import aiohttp
import kopf

from etpguard.intake.inbox import Message, WatchRelisted
from etpguard.intake.kopf_wire import ListContent, ParkedRecords, WatchContent
from etpguard.kube.connection import Connection
from etpguard.kube.credentials import Credentials
from etpguard.kube.on_request import OnRequest
from etpguard.kube.threads import in_thread
from etpguard.kube.tls import tls_context
from etpguard.objects import AnyKind
from etpguard.transports import abort


class KopfSession:
    """Every request of Kopf goes through `_middleware`. Used on Kopf's loop only.

    `on_outdated` is called when the files of the CA or of the client's certificate have changed: the TLS
    context of a session stays what it was at the login.
    """

    def __init__(
        self,
        kinds: Mapping[AnyKind, AnyKind],
        connection: Connection,
        put: Callable[[Message], None],
        parked: ParkedRecords,
        inactivity: float,
        on_request: OnRequest,
        on_outdated: Callable[[], None],
    ) -> None:
        self.forbidden: set[AnyKind] = set()
        """Kinds whose last watch request was answered 403."""
        self._kinds = {served.path: kind for kind, served in kinds.items()}
        self._connection = connection
        self._put = put
        self._parked = parked
        self._inactivity = inactivity
        self._on_request = on_request
        self._on_outdated = on_outdated
        self._tls: object = None
        self._relisting: set[AnyKind] = set()
        self._sessions: list[aiohttp.ClientSession] = []
        self._streams: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    async def login(self) -> kopf.AiohttpSession:
        """Kopf calls this at the start and again after a 401."""
        if self._sessions:
            self._connection.forget()
        now = await self._credentials()
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls_context(now)),
            proxy=now.proxy or None,
            middlewares=(self._middleware,),
        )
        self._sessions.append(session)
        return kopf.AiohttpSession(server=now.server, aiohttp_session=session)

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()

    def abort_streams(self) -> None:
        """The transports of ended watches wait for the other side to close TLS, which may take long."""
        for transport in self._streams:
            abort(transport)

    async def _middleware(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request with the credentials of now, count it, note what it shows, and make its answer
        small."""
        await self._authenticate(request)
        kind = next((k for path, k in self._kinds.items() if request.url.path.endswith(path)), None)
        watching = "watch" in request.url.query
        status = 0
        try:
            async with asyncio.timeout(self._inactivity if watching else None):
                response = await handler(request)
            status = response.status
        finally:
            if kind is not None:
                self._on_request("watch" if watching else "list", kind.resource, status)
        if watching:
            self._bound_silence(response)
        if kind is not None:
            self._note(kind, watching, status)
            if status == 200:
                content = response.content
                small = WatchContent(content, kind, self._parked) if watching else ListContent(content)
                response.content = cast(aiohttp.StreamReader, small)
        return response

    async def _authenticate(self, request: aiohttp.ClientRequest) -> None:
        now = await self._credentials()
        request.server_hostname = now.tls_server_name or None
        if now.token:
            request.headers["Authorization"] = f"Bearer {now.token}"
        elif now.username:
            request.headers["Authorization"] = aiohttp.encode_basic_auth(now.username, now.password)

    async def _credentials(self) -> Credentials:
        """The present ones. Notes a change of the TLS files since the login."""

        def look_up() -> tuple[Credentials, object]:
            found = self._connection.credentials()
            return found, found.tls_fingerprint()

        now, tls = await in_thread(look_up, "credentials")
        if self._tls is None:
            self._tls = tls
        elif tls != self._tls:
            self._on_outdated()
        return now

    def _bound_silence(self, response: aiohttp.ClientResponse) -> None:
        """A read that waits longer raises TimeoutError. Kopf then continues the watch from where it was."""
        connection = response.connection
        if connection is None:
            return
        if connection.transport is not None:
            self._streams.add(connection.transport)
        if connection.protocol is not None:
            connection.protocol.read_timeout = self._inactivity
            connection.protocol.start_timeout()

    def _note(self, kind: AnyKind, watching: bool, status: int) -> None:
        if watching and status == 403:
            self.forbidden.add(kind)
        elif not watching and status == 200:
            self._relisting.add(kind)
        elif watching and status == 200:
            self.forbidden.discard(kind)
            if kind in self._relisting:
                self._relisting.discard(kind)
                self._put(WatchRelisted(kind))
