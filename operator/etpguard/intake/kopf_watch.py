"""Kopf as the pump of watch events: for each kind, one `on.event` handler turns each event into a message, and
does nothing else.

A run watches the kinds of `assess.picture_for` that the API server serves and that may be listed, but no part of a
resource (`Kind.subset`).

`on.event` with a handler that returns None is the only kind of handler for which Kopf writes nothing to the
object: no annotation, no status, no finalizer. kopf_settings lists what else Kopf is configured not to do.

Kopf has its own thread and its own event loop: a 403 for one kind, or one ERROR event of a watch, ends Kopf, and
its exit cancels all tasks of its loop. `WatchSupervisor` starts the next run.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import kopf

from etpguard.intake.inbox import Message, WatchEvent
from etpguard.intake.kopf_session import KopfSession
from etpguard.intake.kopf_settings import kopf_settings
from etpguard.intake.kopf_wire import ParkedRecords
from etpguard.kube.connection import Connection
from etpguard.kube.on_request import OnRequest, uncounted
from etpguard.objects import AnyKind

TURN_SECONDS = 5.0
"""Interval at which a run notes that its loop is not blocked."""
LEAVE_SECONDS = 1.0
"""Kopf has this long to end. It usually needs 0.03 s."""


def registry(
    kinds: Mapping[AnyKind, AnyKind], put: Callable[[Message], None], parked: ParkedRecords, session: KopfSession
) -> kopf.OperatorRegistry:
    """All handlers: one `on.event` for each kind, and the login. `kinds` has each kind in the version to watch."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: object) -> kopf.AiohttpSession:
        return await session.login()

    def watch(kind: AnyKind, served: AnyKind) -> None:
        @kopf.on.event(served.group, served.version, served.plural, registry=handlers, id=kind.plural)
        async def event_to_inbox(event: Mapping[str, Any], **_: object) -> None:
            entry = parked.take(kind, event["object"])
            put(WatchEvent(kind, entry, event["type"] == "DELETED", time.monotonic()))

    for kind, served in kinds.items():
        watch(kind, served)
    return handlers


class KopfError(Exception):
    """Kopf ended because of a failure that only its log describes."""


class KopfRun:
    """One run of Kopf. It starts on construction; `ended` is set on the loop that created it, and `error` says
    why.

    `inactivity` is how many seconds a watch may be silent before it is reconnected: an API server sends bookmarks
    once a minute. `on_request` is called for each list and watch, in the run's thread. `as_served` returns a kind
    in the API version to watch."""

    def __init__(
        self,
        kinds: Iterable[AnyKind],
        connection: Connection,
        put: Callable[[Message], None],
        inactivity: float = 70.0,
        on_request: OnRequest = uncounted,
        as_served: Callable[[AnyKind], AnyKind] = lambda kind: kind,
    ) -> None:
        self._as_served = {kind: as_served(kind) for kind in kinds}
        self.kinds = frozenset(self._as_served)
        self.ended = asyncio.Event()
        self.error: BaseException | None = None
        self.outdated = False
        """Whether it ended because the files of the CA or of the client's certificate have changed."""
        self.last_turn = time.monotonic()
        """The last time at which its event loop ran, by time.monotonic()."""
        self._put = put
        self._parked = ParkedRecords()
        self._session = KopfSession(
            self._as_served, connection, put, self._parked, inactivity, on_request, self._outdate
        )
        self._abandoned = False
        self._home = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._stop: asyncio.Future[None] = self._loop.create_future()
        threading.Thread(target=self._run, name="kopf", daemon=True).start()

    @property
    def forbidden(self) -> set[AnyKind]:
        """Kinds whose last watch request was answered 403."""
        return self._session.forbidden

    def stop(self) -> None:
        """Ask the run to end; does not wait."""

        def halt() -> None:
            if not self._stop.done():
                self._stop.set_result(None)

        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended
            self._loop.call_soon_threadsafe(halt)

    def _outdate(self) -> None:
        self.outdated = True
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.set_event_loop(self._loop)
            self._loop.call_soon(self._note_turn)
            handlers = registry(self._as_served, self._put, self._parked, self._session)
            kopf.on.cleanup(registry=handlers)(self._leave)
            kopf.run(
                loop=self._loop,
                registry=handlers,
                settings=kopf_settings(),
                # A future of that loop, not a threading.Event: Kopf waits for an Event in a thread, which would
                # keep a failed run from ending.
                stop_flag=self._stop,
                standalone=True,
                clusterwide=True,
                # Otherwise Kopf looks up the user's name, which a container's user does not have.
                identity=cast(Any, "etpguard"),
            )
        except BaseException as error:  # the supervisor starts another run, whatever it was
            self.error = KopfError("a watch failed; see Kopf's log lines above") if self._abandoned else error
        finally:
            self._loop.set_exception_handler(lambda loop, context: None)  # for tasks that Kopf leaves behind
            with contextlib.suppress(Exception):
                self._loop.run_until_complete(self._clean_up())
            self._loop.close()
            with contextlib.suppress(RuntimeError):  # the process ends
                self._home.call_soon_threadsafe(self.ended.set)

    async def _leave(self, **_: object) -> None:
        """Kopf calls this when it begins to end. After a failure it waits for the watches of the other kinds.
        One of them may have swallowed its only cancellation and never end; then the loop is stopped with
        them."""

        def abandon() -> None:
            self._abandoned = True
            self._loop.stop()

        self._loop.call_later(LEAVE_SECONDS, abandon)

    async def _clean_up(self) -> None:
        await self._session.close()
        for _ in range(3):  # a task may swallow a cancellation, but hardly all three
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=0.2)
        await self._loop.shutdown_asyncgens()
        self._session.abort_streams()
        # Callbacks of the loop close the transports.
        await asyncio.sleep(0.05)

    def _note_turn(self) -> None:
        self.last_turn = time.monotonic()
        self._loop.call_later(TURN_SECONDS, self._note_turn)
