"""Paged lists of each kind: at the start, after a gap in its watch, and at intervals."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from etpguard.cluster import Picture
from etpguard.cluster.store import Store
from etpguard.intake.freshness import Access, Freshness, KindStatus
from etpguard.intake.inbox import Entry, Inbox, ListBegins, ListEnds, ListItems, Lost
from etpguard.intake.threads import in_thread
from etpguard.kube.errors import Forbidden, KubeError, NotServed
from etpguard.objects import AnyKind, Key, Page

logger = logging.getLogger(__name__)

QUIET_SECONDS = 2.0
"""How long after the last sign of a gap the list follows."""
LONGEST_BURST_SECONDS = 60.0
"""After which it follows even if the signs go on."""
LOOK_AGAIN_SECONDS = 60.0
"""How often a kind is tried that is not served or forbidden, and asked for if it is read: whether it still may be,
and whether etcd was restored."""
DOUBT_SECONDS = 30.0
"""How long a kind that was read must be forbidden to count as such: API servers say 403 while they start."""
BACK_OFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
CONCURRENT_LISTS = 3
ITEMS_A_MESSAGE = 500


class Reader(Protocol):
    """Blocking reads; both raise what `kube.errors` has."""

    def list(self, kind: AnyKind, on_page: Callable[[Page[Any]], None]) -> object:
        """The whole list. `on_page` is called in the calling thread; where the list starts over at another
        resourceVersion, so do the pages."""

    def ask(self, kind: AnyKind) -> int:
        """The resourceVersion that a list of the kind has now."""


@dataclass(slots=True)
class _Plan:
    """When a kind is listed next. `gap` is when the first and `last_sign` when the last sign of a gap came
    that no list has answered yet; `watched` tells that a watch has run since before the last list."""

    status: KindStatus
    due: float = 0.0
    ask_at: float = 0.0
    gap: float | None = None
    last_sign: float = 0.0
    watched: bool = False
    failures: int = 0
    forbidden_since: float | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def when(self) -> float:
        if self.gap is None:
            return self.due
        return min(self.last_sign + QUIET_SECONDS, self.gap + LONGEST_BURST_SECONDS)


class Resync:
    """Lists every kind of the picture, and knows which can be read; `changed` is set when that set changes."""

    def __init__(
        self,
        *,
        picture: Picture,
        reader: Reader,
        inbox: Inbox,
        freshness: Freshness,
        interval: float,
        clock: Callable[[], float],
        on_listed: Callable[[AnyKind], None],
    ) -> None:
        self._picture = picture
        self._reader = reader
        self._inbox = inbox
        self._interval = interval
        self._clock = clock
        self._on_listed = on_listed
        self._plans = {kind: _Plan(status) for kind, status in freshness.kinds.items()}
        self._slots = asyncio.Semaphore(CONCURRENT_LISTS)
        self.changed = asyncio.Event()

    def readable(self) -> frozenset[AnyKind]:
        """The kinds that exist and may be listed."""
        return frozenset(k for k, plan in self._plans.items() if plan.status.access is Access.READ)

    def gap(self, kind: AnyKind) -> None:
        """Something may have been missed: a list follows once no such sign has come for two seconds."""
        plan = self._plans[kind]
        now = self._clock()
        if plan.gap is None:
            plan.gap = now
            plan.status.pending = True
        if plan.last_sign > now or plan.gap == now:
            plan.wake.set()
        plan.last_sign = now

    def watch_begins(self, kinds: Iterable[AnyKind]) -> None:
        """A watch is being set up. Until it is, which shows by its own list of the kind, there is a gap."""
        now = self._clock()
        for kind in kinds:
            plan = self._plans[kind]
            plan.gap, plan.last_sign = now, now + LONGEST_BURST_SECONDS
            plan.status.pending = True
            plan.wake.set()

    def watched(self) -> frozenset[AnyKind]:
        """The kinds that a watch has covered since before their last list."""
        return frozenset(kind for kind, plan in self._plans.items() if plan.watched)

    def watch_ended(self) -> None:
        """No watch runs any more: whatever happens until it has begun anew is missed."""
        for kind, plan in self._plans.items():
            plan.watched = False
            if plan.status.access is Access.READ:
                self.gap(kind)

    async def first(self) -> None:
        """List all kinds once, merging the pages as they come. Returns when each is read, or known to be
        absent or, unless required, forbidden."""
        await asyncio.gather(*(self._first(kind, plan) for kind, plan in self._plans.items()))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for kind, plan in self._plans.items():
                group.create_task(self._follow(kind, plan), name=f"resync of {kind}")

    async def _first(self, kind: AnyKind, plan: _Plan) -> None:
        while True:
            await self._list(kind, plan, stream=True)
            settled = (Access.READ,) if kind.required else (Access.READ, Access.ABSENT, Access.FORBIDDEN)
            if plan.status.access in settled:
                return
            await asyncio.sleep(max(0.0, plan.due - self._clock()))

    async def _follow(self, kind: AnyKind, plan: _Plan) -> None:
        while True:
            wait = plan.when() - self._clock()
            if wait <= 0:
                await self._list(kind, plan, stream=False)
                continue
            if plan.status.access is Access.READ:
                if plan.ask_at <= self._clock():
                    await self._ask(kind, plan)
                    continue
                wait = min(wait, plan.ask_at - self._clock())
            plan.wake.clear()
            try:
                async with asyncio.timeout(max(wait, 0.01)):
                    await plan.wake.wait()
            except TimeoutError:
                continue

    async def _list(self, kind: AnyKind, plan: _Plan, stream: bool) -> None:
        async with self._slots:
            began = self._clock()
            answers_gap = plan.gap is not None and plan.when() <= began
            if answers_gap:
                plan.gap = None  # a sign that comes while the list runs asks for another
            gathered = _Pages(self._picture.store(kind), self._inbox, plan.watched, stream)
            try:
                await in_thread(partial(self._reader.list, kind, gathered.add), f"list of {kind}")
            except KubeError as error:
                self._failed(kind, plan, error, answers_gap)
                return
        absorbed = asyncio.Event()
        gathered.end(absorbed)
        await absorbed.wait()
        self._succeeded(kind, plan, began, answers_gap)

    async def _ask(self, kind: AnyKind, plan: _Plan) -> None:
        plan.ask_at = self._clock() + _jittered(LOOK_AGAIN_SECONDS)
        at_least = self._picture.store(kind).newest
        try:
            async with self._slots:
                version = await in_thread(partial(self._reader.ask, kind), f"look at {kind}")
        except (Forbidden, NotServed) as error:
            self._failed(kind, plan, error, answers_gap=False)
        except KubeError:
            return  # the next list tells
        else:
            plan.forbidden_since = None
            if version < at_least:
                # etcd was restored, and a watch that waits for versions yet to come tells nothing until then.
                self.gap(kind)

    def _succeeded(self, kind: AnyKind, plan: _Plan, began: float, answers_gap: bool) -> None:
        status = plan.status
        if status.problem:
            logger.info("%s: can be read again", kind)
        status.began, status.problem = began, ""
        plan.failures, plan.forbidden_since = 0, None
        if answers_gap:
            plan.watched = True
            status.pending = plan.gap is not None
        plan.due = began + _jittered(self._interval)
        plan.ask_at = self._clock() + _jittered(LOOK_AGAIN_SECONDS)
        self._on_listed(kind)
        self._settle(status, Access.READ)

    def _failed(self, kind: AnyKind, plan: _Plan, error: KubeError, answers_gap: bool) -> None:
        status, now = plan.status, self._clock()
        match error:
            case NotServed() if not kind.required:
                self._lose(plan, Access.ABSENT, "", now)
            case Forbidden() if self._believed(plan, now):
                self._say(kind, status, str(error))
                if kind.required:
                    plan.due = now + self._back_off(plan)
                    self._settle(status, Access.FORBIDDEN)
                else:
                    self._lose(plan, Access.FORBIDDEN, str(error), now)
            case _:
                self._say(kind, status, str(error))
                plan.due = now + self._back_off(plan)
                if answers_gap or plan.gap is not None:
                    plan.gap = plan.last_sign = plan.due - QUIET_SECONDS

    def _believed(self, plan: _Plan, now: float) -> bool:
        if plan.status.access is not Access.READ:
            return True
        if plan.forbidden_since is None:
            plan.forbidden_since = now
        return now - plan.forbidden_since >= DOUBT_SECONDS

    def _lose(self, plan: _Plan, access: Access, problem: str, now: float) -> None:
        status = plan.status
        status.began, status.problem, status.pending = None, problem, False
        plan.gap, plan.watched, plan.failures = None, False, 0
        plan.due = now + _jittered(LOOK_AGAIN_SECONDS)
        if status.access is not access:
            self._inbox.put(Lost(status.kind, problem or None))
        self._settle(status, access)

    def _settle(self, status: KindStatus, access: Access) -> None:
        if status.access is not access:
            logger.info("%s: %s", status.kind, access.value)
            status.access = access
            self.changed.set()

    def _say(self, kind: AnyKind, status: KindStatus, problem: str) -> None:
        if status.problem != problem:
            logger.warning("%s: %s", kind, problem)
            status.problem = problem

    def _back_off(self, plan: _Plan) -> float:
        plan.failures += 1
        return _jittered(BACK_OFF_SECONDS[min(plan.failures, len(BACK_OFF_SECONDS)) - 1])


class _Pages:
    """Gathers the pages of one list in its thread. To `stream` is to merge each as it comes, which only
    the very first list may: a later one that starts over midway must leave no trace."""

    def __init__(self, store: Store[Any], inbox: Inbox, judged: bool, stream: bool) -> None:
        self._kind = store.kind
        self._store = store
        self._at_least = store.newest
        self._inbox = inbox
        self._judged = judged
        self._stream = stream
        self._version = -1
        self._listed: set[Key] = set()
        self._news: list[Entry] = []

    def add(self, page: Page[Any]) -> None:
        if page.version != self._version:
            self._version = page.version
            self._listed.clear()
            self._news.clear()
            if self._stream:
                self._inbox.put(self._begins())
        entries = [*page.items, *page.rejects]
        self._listed.update(entry.key for entry in entries)
        if self._stream:
            self._inbox.put(ListItems(self._kind, entries))
        else:
            # Nearly all are held already: no need to keep them until the last page, nor to merge them.
            self._news += (entry for entry in entries if not self._store.holds(entry))

    def end(self, absorbed: asyncio.Event) -> None:
        if not self._stream:
            self._inbox.put(self._begins())
            for start in range(0, len(self._news), ITEMS_A_MESSAGE):
                self._inbox.put(ListItems(self._kind, self._news[start : start + ITEMS_A_MESSAGE]))
        self._inbox.put(ListEnds(self._kind, self._version, self._listed, absorbed))

    def _begins(self) -> ListBegins:
        return ListBegins(self._kind, self._version, self._at_least, self._judged)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311
