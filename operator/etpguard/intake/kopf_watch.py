"""One run of Kopf: `on.event` handlers that turn watch events into messages, and nothing else.

The only module that knows Kopf. It runs in a thread and a loop of its own, since one kind's 403 or one
ERROR event of a watch ends it, and since its exit cancels whatever else lives in its loop.

`on.event` with a handler that returns None is the one kind of handler with which Kopf adds nothing to an object:
no annotation, no status, no finalizer. It still takes its own finalizer off whatever bears it
(kopf 1.45.2, _core/reactor/processing.py), whose default name is that of every operator made with Kopf; hence
NO_FINALIZER. That is all it could write: else a patch holds results of handlers, or the progress of handlers of
other kinds; these alone can ask for a delay, after which it touches the object; nothing is patched after DELETED;
and it neither posts Events nor takes part in peering, as `_settings` and `standalone` have it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

import aiohttp
import kopf

from etpguard.intake.inbox import Live, Message, Relisted
from etpguard.intake.small_events import Parked, SmallEvents
from etpguard.intake.versions_only import LIMIT, VersionsOnly
from etpguard.kube.connection import Connection
from etpguard.kube.credentials import Credentials
from etpguard.kube.exchange import OnRequest
from etpguard.kube.threads import in_thread
from etpguard.objects import AnyKind

NO_FINALIZER = "etpguard.dev/none, and no object can bear this"
"""The API server takes qualified names only."""
BEAT_SECONDS = 5.0
LEAVE_SECONDS = 1.0
"""How long Kopf has for its own end; it takes some 0.03 s where nothing is wrong."""


class KopfError(Exception):
    """Kopf ended by a failure that only its log tells."""


class _NoDiffBase(kopf.DiffBaseStorage):
    """Kopf would copy every object five times over to tell what changed, which no handler here asks."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        return


class _NoProgress(kopf.ProgressStorage):
    """There is no progress to keep, and none may be written."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        return None

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        return

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        return

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        return

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.persistence.finalizer = NO_FINALIZER
    settings.watching.chunk_size = LIMIT
    # KopfRun._bound_silence is in its place. Kopf's own (1.45.2, _cogs/clients/watching.py) cancels the watcher's
    # task: where an event came right before the end, that task is not in the watch but passing the event on, ends
    # for good, and nothing tells of it.
    settings.watching.inactivity_timeout = math.inf
    settings.queueing.idle_timeout = 0.1
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    # Else ten minutes after a failure it kills the process, by SIGKILL, if its loop still runs.
    settings.process.ultimate_exiting_timeout = None
    return settings


class KopfRun:
    """Started on construction; `ended` is set on the loop that made it, with `error` telling why.

    `inactivity` is how many seconds a watch may be silent before it is dialled anew: an API server sends
    bookmarks once a minute. `on_request` is told of each list and watch, in the run's thread.
    """

    def __init__(
        self,
        kinds: Iterable[AnyKind],
        connection: Connection,
        put: Callable[[Message], None],
        inactivity: float = 70.0,
        on_request: OnRequest = lambda verb, resource, status: None,
    ) -> None:
        self.kinds = frozenset(kinds)
        self.ended = asyncio.Event()
        self.error: BaseException | None = None
        self.denied: set[AnyKind] = set()
        """Kinds whose last try to watch them was answered 403."""
        self.beat = time.monotonic()
        """When its loop last had a turn, by time.monotonic()."""
        self._connection = connection
        self._put = put
        self._inactivity = inactivity
        self._on_request = on_request
        self._abandoned = False
        self._relisting: set[AnyKind] = set()
        self._sessions: list[aiohttp.ClientSession] = []
        self._parked = Parked()
        self._streaming: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        self._home = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._stop: asyncio.Future[None] = self._loop.create_future()
        threading.Thread(target=self._run, name="kopf", daemon=True).start()

    def stop(self) -> None:
        """Have it end; does not wait."""

        def halt() -> None:
            if not self._stop.done():
                self._stop.set_result(None)

        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended
            self._loop.call_soon_threadsafe(halt)

    def _run(self) -> None:
        try:
            asyncio.set_event_loop(self._loop)
            self._loop.call_soon(self._tick)
            # A future of that loop, not a threading.Event: the thread that Kopf waits for one in would keep
            # a run that fails from ever ending.
            kopf.run(
                loop=self._loop,
                registry=self._registry(),
                settings=_settings(),
                stop_flag=self._stop,
                standalone=True,
                clusterwide=True,
                # Else Kopf looks up the user's name, which a container's user has not.
                identity=cast(Any, "etpguard"),
            )
        except BaseException as error:  # whatever it was, the supervisor starts another run
            self.error = KopfError("a watch failed; Kopf's own lines above say why") if self._abandoned else error
        finally:
            self._loop.set_exception_handler(lambda loop, context: None)  # of what it leaves behind
            with contextlib.suppress(Exception):
                self._loop.run_until_complete(self._clean_up())
            self._loop.close()
            with contextlib.suppress(RuntimeError):  # the process ends
                self._home.call_soon_threadsafe(self.ended.set)

    async def _leave(self, **_: object) -> None:
        """Called when Kopf begins to end. After a failure it waits for the watches of the other kinds, one of
        which may have swallowed its only cancellation and so never ends: then the loop ends with them."""

        def abandon() -> None:
            self._abandoned = True
            self._loop.stop()

        self._loop.call_later(LEAVE_SECONDS, abandon)

    async def _clean_up(self) -> None:
        for session in self._sessions:
            await session.close()
        for _ in range(3):  # a task may swallow a cancellation, but hardly all
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=0.2)
        await self._loop.shutdown_asyncgens()
        # Those of ended watches wait for the other side's farewell of TLS, which may take its time.
        for transport in self._streaming:
            transport.abort()
        # Transports are closed by callbacks of the loop.
        await asyncio.sleep(0.05)

    def _tick(self) -> None:
        self.beat = time.monotonic()
        self._loop.call_later(BEAT_SECONDS, self._tick)

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login)
        kopf.on.cleanup(registry=registry)(self._leave)
        for kind in self.kinds:
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=kind.plural)(
                self._handler(kind)
            )
        return registry

    def _handler(self, kind: AnyKind) -> Callable[..., Awaitable[None]]:
        put, take = self._put, self._parked.take

        async def received(event: Mapping[str, Any], **_: object) -> None:
            put(Live(kind, take(kind, event["object"]), event["type"] == "DELETED", time.monotonic()))

        return received

    async def _login(self, **_: object) -> kopf.AiohttpSession:
        """Called at the start, and again when the API server has answered 401."""
        if self._sessions:
            self._connection.forget()
        now = await in_thread(self._connection.credentials, "credentials")
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=_ssl_context(now)),
            proxy=now.proxy or None,
            middlewares=(self._around,),
        )
        self._sessions.append(session)
        return kopf.AiohttpSession(server=now.server, aiohttp_session=session)

    async def _around(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Each request with credentials of its own time; of lists the version alone, and events made small; and
        what Kopf does not tell: that it has listed a kind anew, and that a kind may not be watched."""
        now = await in_thread(self._connection.credentials, "credentials")
        request.server_hostname = now.tls_server_name or None
        if now.token:
            request.headers["Authorization"] = f"Bearer {now.token}"
        elif now.username:
            request.headers["Authorization"] = aiohttp.encode_basic_auth(now.username, now.password)
        kind = next((k for k in self.kinds if request.url.path.endswith(k.path)), None)
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
                small = SmallEvents(content, kind, self._parked) if watching else VersionsOnly(content)
                response.content = cast(aiohttp.StreamReader, small)
        return response

    def _bound_silence(self, response: aiohttp.ClientResponse) -> None:
        """Whoever reads from it gets a TimeoutError, of which Kopf makes another watch from where this one was."""
        connection = response.connection
        if connection is None:
            return
        if connection.transport is not None:
            self._streaming.add(connection.transport)
        if connection.protocol is not None:
            connection.protocol.read_timeout = self._inactivity
            connection.protocol.start_timeout()

    def _note(self, kind: AnyKind, watching: bool, status: int) -> None:
        if watching and status == 403:
            self.denied.add(kind)
        elif not watching and status == 200:
            self._relisting.add(kind)
        elif watching and status == 200:
            self.denied.discard(kind)
            if kind in self._relisting:
                self._relisting.discard(kind)
                self._put(Relisted(kind))


def _ssl_context(now: Credentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=now.ca_file or None)
    if now.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if now.certificate_file:
        context.load_cert_chain(now.certificate_file, now.key_file or None)
    # As Go: an authority without the key usage extension, which strict checks refuse, will do.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context
