"""Paged lists of each kind: at the start, after a gap in its watch, and at intervals."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol

from etpguard.cluster import Picture
from etpguard.intake.early_lists import EarlyLists
from etpguard.intake.freshness import Access, Freshness, KindStatus
from etpguard.intake.inbox import Inbox, KindLost
from etpguard.intake.list_buffer import ListBuffer
from etpguard.intake.list_schedule import ListSchedule, jittered
from etpguard.intake.timing import ListTiming
from etpguard.kube.errors import Forbidden, KubeError, NotServed, Unreachable
from etpguard.kube.failures import Failures
from etpguard.kube.lists import LARGE, in_served_version
from etpguard.kube.on_request import OnRequest, uncounted
from etpguard.kube.threads import in_thread
from etpguard.objects import AnyKind, Held, Page
from etpguard.objects.log_fields import request_fields
from etpguard.objects.text import describe

logger = logging.getLogger(__name__)

CONCURRENT_LISTS = 3


class KindReader(Protocol):
    """Blocking reads. Both raise the errors of `kube.errors`."""

    def list(self, kind: AnyKind, on_page: Callable[[Page[Any]], None], held: Held) -> object:
        """Read the whole list. Calls `on_page` in the calling thread. If the list starts over at another
        resourceVersion, the first page comes again. A page may have only the keys of objects that are `held`."""

    def ask(self, kind: AnyKind) -> int:
        """The present resourceVersion of a list of the kind."""


class Resync:
    """Lists every kind of the picture, and tracks which kinds can be read. `changed` is set when this set
    changes.

    `early` are lists that have begun: each is the first list of its kind. `on_request` is called for their
    requests; `reader` counts the requests of the other lists. `served` blocks. It returns the API versions that
    the API server serves, as GROUP/VERSION, or None if they are not known. A kind of other versions is not listed
    at the start."""

    def __init__(
        self,
        *,
        picture: Picture,
        reader: KindReader,
        inbox: Inbox,
        freshness: Freshness,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        timing: ListTiming | None = None,
        failures: Failures | None = None,
        early: EarlyLists | None = None,
        on_request: OnRequest = uncounted,
        served: Callable[[], frozenset[str] | None] = lambda: None,
    ) -> None:
        self._picture = picture
        self._reader = reader
        self._early = early
        self._on_request = on_request
        self._served = served
        self._inbox = inbox
        self._interval = interval
        self._clock = clock
        self._wall = wall
        self._timing = timing or ListTiming()
        self._failures = failures or Failures()
        self._schedules = {kind: ListSchedule(status, self._timing) for kind, status in freshness.kinds.items()}
        self._as_served: dict[AnyKind, AnyKind] = {}
        self._slots = asyncio.Semaphore(CONCURRENT_LISTS)
        self._large = asyncio.Lock()
        self.changed = asyncio.Event()

    def readable(self) -> frozenset[AnyKind]:
        """The kinds that exist and may be listed."""
        return frozenset(k for k, schedule in self._schedules.items() if schedule.status.access is Access.READ)

    def note_gap(self, kind: AnyKind) -> None:
        """Note that the watch may have missed events. A list follows once no further sign of a gap has come for
        `ListTiming.quiet`."""
        self._schedules[kind].note_gap(self._clock())

    def watch_relisted(self, kind: AnyKind) -> None:
        """The watch has listed the kind, so it is established. Events before that list may be missing."""
        self._schedules[kind].established = True
        self.note_gap(kind)

    def watch_begins(self, kinds: Iterable[AnyKind]) -> None:
        """A watch starts. Until its own list of a kind shows that it is established, events may be missing."""
        for kind in kinds:
            self._schedules[kind].watch_begins(self._clock())

    def watched(self) -> frozenset[AnyKind]:
        """The kinds that a watch has covered since before their last list."""
        return frozenset(kind for kind, schedule in self._schedules.items() if schedule.watched)

    def not_started(self) -> frozenset[AnyKind]:
        """The kinds whose watch should run but is not established, although a list was made meanwhile. For
        example, discovery did not show them to Kopf."""
        now = self._clock()
        return frozenset(kind for kind, schedule in self._schedules.items() if schedule.watch_not_started(now))

    def watch_ended(self) -> None:
        """No watch runs. Events are missing until the next one is established."""
        for schedule in self._schedules.values():
            schedule.watch_ended(self._clock())

    async def first(self) -> None:
        """List all kinds once and merge each page as it comes. Returns when each kind is read, or known to be
        absent or, if it is optional, forbidden or failing."""
        served = asyncio.create_task(in_thread(self._served, "discovery"))
        # Other kinds show whether a subset is needed.
        for subset in (False, True):
            schedules = [each for each in self._schedules.items() if bool(each[0].subset) is subset]
            await asyncio.gather(*(self._first(kind, schedule, served) for kind, schedule in schedules))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for kind, schedule in self._schedules.items():
                group.create_task(self._follow(kind, schedule), name=f"resync of {kind}")

    async def _first(
        self, kind: AnyKind, schedule: ListSchedule, served: asyncio.Task[frozenset[str] | None]
    ) -> None:
        if kind.group and not kind.required and not kind.subset:
            known = await served
            if not kind.served(known):
                self._lose(schedule, Access.ABSENT, "", self._clock() + jittered(self._timing.look_again))
                return
        while True:
            await self._list(kind, schedule, stream=True)
            access = schedule.status.access
            if access is Access.READ or (access is not Access.UNTRIED and not kind.required):
                return
            await asyncio.sleep(max(0.0, schedule.due - self._clock()))

    async def _follow(self, kind: AnyKind, schedule: ListSchedule) -> None:
        while True:
            try:
                await self._follow_schedule(kind, schedule)
            except Exception as error:
                self._failures.note("list", str(kind), error)
                await asyncio.sleep(self._timing.backoff.longest)

    async def _follow_schedule(self, kind: AnyKind, schedule: ListSchedule) -> None:
        while True:
            wait = schedule.when() - self._clock()
            if wait <= 0:
                await self._list(kind, schedule, stream=False)
                continue
            if schedule.status.access is Access.READ and kind.subset is None:
                if schedule.check_at <= self._clock():
                    await self._check(kind, schedule)
                    continue
                wait = min(wait, schedule.check_at - self._clock())
            schedule.wake.clear()
            try:
                async with asyncio.timeout(max(wait, 0.01)):
                    await schedule.wake.wait()
            except TimeoutError:
                continue

    async def _list(self, kind: AnyKind, schedule: ListSchedule, stream: bool) -> None:
        if kind.subset and not self._picture.needs(kind.subset):
            self._lose(schedule, Access.UNUSED, "", self._clock() + self._pause(kind))
            return
        if kind.subset and kind.subset.needs_permission and schedule.status.access is Access.UNUSED:
            # Until its first list, its objects are not known: that is not the same as none.
            self._inbox.put(KindLost(kind, Access.UNTRIED.value))
            self._set_access(schedule.status, Access.UNTRIED)
        # What the pages of large kinds take while they are decoded, the heap of the C library keeps.
        async with self._large if kind in LARGE and not stream else nullcontext():
            await self._list_now(kind, schedule, stream)

    async def _list_now(self, kind: AnyKind, schedule: ListSchedule, stream: bool) -> None:
        early = self._early.take(kind) if self._early and stream else None
        # The requests of a list that has begun wait for no slot.
        async with nullcontext() if early else self._slots:
            began = early.began if early else self._clock()
            closes_gap = schedule.gap_since is not None and schedule.when() <= began
            if closes_gap:
                schedule.gap_since = None  # a sign that comes while the list runs asks for another list
            buffer = ListBuffer(self._picture.store(kind), self._inbox, schedule.watched, stream)
            read = (
                partial(early.pass_on, buffer.add, self._on_request)
                if early
                else partial(self._read, kind, buffer)
            )
            try:
                await in_thread(read, f"list of {kind}")
            except Exception as error:
                self._failed(kind, schedule, self._known(kind, error), closes_gap)
                return
        self._failures.settled("list", str(kind))
        absorbed = asyncio.Event()
        buffer.end(absorbed)
        await absorbed.wait()
        if schedule.status.problem:
            logger.info("%s: can be read again", kind, extra=request_fields("list", str(kind), ""))
        schedule.listed(began, self._clock(), self._pause(kind), closes_gap=closes_gap)
        schedule.status.listed_at = self._wall()
        self._set_access(schedule.status, Access.READ)

    def _read(self, kind: AnyKind, buffer: ListBuffer) -> None:
        """Read the list, in a thread, in the version of the last one or else in the first that is served."""

        def read(served: AnyKind) -> None:
            self._reader.list(served, buffer.add, buffer.held)
            self._as_served[kind] = served

        last = self.as_served(kind)
        in_served_version([last, *(each for each in kind.served(None) if each is not last)], read)

    def as_served(self, kind: AnyKind) -> AnyKind:
        """The kind in the API version of its last list."""
        return self._as_served.get(kind, kind)

    def _pause(self, kind: AnyKind) -> float:
        """Between two lists, in seconds."""
        return min(kind.subset.interval, self._interval) if kind.subset else self._interval

    async def _check(self, kind: AnyKind, schedule: ListSchedule) -> None:
        """Ask for the kind's present resourceVersion."""
        schedule.check_at = self._clock() + jittered(self._timing.look_again)
        at_least = self._picture.store(kind).newest
        try:
            async with self._slots:
                version = await in_thread(partial(self._reader.ask, self.as_served(kind)), f"check of {kind}")
        except (Forbidden, NotServed) as error:
            self._failed(kind, schedule, error, closes_gap=False)
        except Exception as error:
            self._known(kind, error)
            schedule.answers = False  # the next list shows what that means for the kind
        else:
            schedule.answers = True
            schedule.forbidden_since = None
            if version < at_least:
                # etcd was restored. A watch that waits for later versions delivers nothing until they come.
                self.note_gap(kind)

    def _known(self, kind: AnyKind, error: Exception) -> KubeError:
        """An unexpected failure counts as a failed list of the kind: no file descriptor is left, or a folder for
        temporary files is gone, for example."""
        if isinstance(error, KubeError):
            return error
        self._failures.note("list", str(kind), error)
        return Unreachable(f"cannot list {kind}: {describe(error)}")

    def _failed(self, kind: AnyKind, schedule: ListSchedule, error: KubeError, closes_gap: bool) -> None:
        now = self._clock()
        schedule.answers = False
        look_again = jittered(self._timing.look_again)
        match error:
            case NotServed() if not kind.required:
                self._lose(schedule, Access.ABSENT, "", now + look_again)
            case Forbidden() if kind.subset and not kind.subset.needs_permission:
                self._lose(schedule, Access.UNUSED, "", now + look_again)
            case Forbidden() if schedule.is_forbidden(now):
                self._log_problem(schedule.status, str(error))
                if kind.required:
                    schedule.retry(error, now, closes_gap=closes_gap)
                    self._set_access(schedule.status, Access.FORBIDDEN)
                else:
                    self._lose(schedule, Access.FORBIDDEN, str(error), now + look_again)
            case _:
                self._log_problem(schedule.status, str(error))
                others_answer = self._required_kinds_answer()
                if not kind.required and schedule.is_failing(error, now, others_answer=others_answer):
                    again = now + max(look_again, schedule.requested_pause(error))
                    self._lose(schedule, Access.FAILING, str(error), again)
                else:
                    schedule.retry(error, now, closes_gap=closes_gap)

    def _required_kinds_answer(self) -> bool:
        return all(schedule.answers for kind, schedule in self._schedules.items() if kind.required)

    def _lose(self, schedule: ListSchedule, access: Access, problem: str, again: float) -> None:
        schedule.lost(problem, again)
        if schedule.status.access is not access:
            self._inbox.put(KindLost(schedule.status.kind, problem or None))
        self._set_access(schedule.status, access)

    def _set_access(self, status: KindStatus, access: Access) -> None:
        if status.access is not access:
            logger.info("%s: %s", status.kind, access.value, extra=request_fields("list", str(status.kind), ""))
            status.access = access
            self.changed.set()

    def _log_problem(self, status: KindStatus, problem: str) -> None:
        """Log each problem once."""
        if status.problem != problem:
            logger.warning("%s: %s", status.kind, problem, extra=request_fields("list", str(status.kind), ""))
            status.problem = problem
