"""The operator's page of objects in memory, served by a thread. No control plane takes part."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from etpguard.app.page import LivePage
from etpguard.assess import Engine
from etpguard.assess.advice import Advisor
from etpguard.objects import Record
from etpguard.page import Status
from etpguard.settings import Address
from tests.assess.build import Given, kind_of, picture_with

T = TypeVar("T")


class LiveServer:
    """Served from the start of a `with` block to its end. `problems` are what the operator says of itself."""

    def __init__(self, *objects: Record) -> None:
        self.problems: Sequence[str] = ()
        family = Given()
        self._picture = picture_with(*objects, families=[family])
        self._engine = Engine(self._picture, [family])
        self._engine.refresh_all()
        self._page = LivePage(
            self._picture,
            self._engine,
            self._engine.assessments,
            self._engine.internal,
            Advisor(self._picture, [family]),
            "https://127.0.0.1:6443",
            self._status,
        )
        self._thread = threading.Thread(target=self._run, name="page under test")
        self._port: concurrent.futures.Future[int] = concurrent.futures.Future()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port.result(20)}/"

    def put(self, each: Record) -> None:
        """The object changes, as by an event of a watch."""

        def change() -> None:
            store = self._picture.store(kind_of(each))
            self._engine.refresh(self._picture.absorb(store.replace([each])))

        self._on_loop(change)

    def __enter__(self) -> Self:
        self._thread.start()
        self._port.result(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _status(self, revision: str) -> Status:
        return Status(
            revision, leader="this replica, etpguard-7d9f", fresh=not self.problems, problems=self.problems
        )

    def _on_loop(self, call: Callable[[], T]) -> T:
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                done.set_result(call())
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(20)

    def _run(self) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            serving = asyncio.create_task(self._page.run(Address("127.0.0.1", 0)))
            while self._page.port is None and not serving.done():  # noqa: ASYNC110  nothing says when it listens
                await asyncio.sleep(0.01)
            self._port.set_result(self._page.port or 0)
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()

        asyncio.run(main())  # cancels what still runs
