"""Paged lists of each kind: at the start, after a gap in its watch, and at intervals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from etpguard.cluster import Picture
from etpguard.intake.freshness import Access, Freshness, KindStatus
from etpguard.intake.inbox import Inbox, Lost
from etpguard.intake.list_buffer import ListBuffer
from etpguard.intake.list_schedule import Plan, jittered
from etpguard.kube.errors import Forbidden, KubeError, NotServed
from etpguard.kube.threads import in_thread
from etpguard.objects import AnyKind, Page

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 60.0
"""How often a kind is tried that is not served, forbidden or failing, and asked for if it is read: whether it
still may be, and whether etcd was restored."""
CONCURRENT_LISTS = 3


class KindReader(Protocol):
    """Blocking reads; both raise what `kube.errors` has."""

    def list(self, kind: AnyKind, on_page: Callable[[Page[Any]], None]) -> object:
        """The whole list. `on_page` is called in the calling thread; where the list starts over at another
        resourceVersion, so do the pages."""

    def ask(self, kind: AnyKind) -> int:
        """The resourceVersion that a list of the kind has now."""


class Resync:
    """Lists every kind of the picture, and knows which can be read; `changed` is set when that set changes."""

    def __init__(
        self,
        *,
        picture: Picture,
        reader: KindReader,
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
        self._plans = {kind: Plan(status) for kind, status in freshness.kinds.items()}
        self._slots = asyncio.Semaphore(CONCURRENT_LISTS)
        self.changed = asyncio.Event()

    def readable(self) -> frozenset[AnyKind]:
        """The kinds that exist and may be listed."""
        return frozenset(k for k, plan in self._plans.items() if plan.status.access is Access.READ)

    def gap(self, kind: AnyKind) -> None:
        """Something may have been missed: a list follows once no such sign has come for two seconds."""
        self._plans[kind].sign(self._clock())

    def relisted(self, kind: AnyKind) -> None:
        """The watch has listed the kind, which is the sign that there is one; between its last watch and that list
        something may have been missed."""
        self._plans[kind].heard = True
        self.gap(kind)

    def watch_begins(self, kinds: Iterable[AnyKind]) -> None:
        """A watch is being set up. Until it is, which shows by its own list of the kind, there is a gap."""
        for kind in kinds:
            self._plans[kind].watch_begins(self._clock())

    def watched(self) -> frozenset[AnyKind]:
        """The kinds that a watch has covered since before their last list."""
        return frozenset(kind for kind, plan in self._plans.items() if plan.watched)

    def unheard(self) -> frozenset[AnyKind]:
        """The kinds that the watch should cover and of which it gave no sign until their list was made without
        one: whoever sets it up has not found them, say."""
        now = self._clock()
        return frozenset(kind for kind, plan in self._plans.items() if plan.unheard(now))

    def watch_ended(self) -> None:
        """No watch runs any more: whatever happens until it has begun anew is missed."""
        for plan in self._plans.values():
            plan.watch_ended(self._clock())

    async def first(self) -> None:
        """List all kinds once, merging the pages as they come. Returns when each is read, or known to be
        absent or, unless required, forbidden or failing for long."""
        await asyncio.gather(*(self._first(kind, plan) for kind, plan in self._plans.items()))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for kind, plan in self._plans.items():
                group.create_task(self._follow(kind, plan), name=f"resync of {kind}")

    async def _first(self, kind: AnyKind, plan: Plan) -> None:
        while True:
            await self._list(kind, plan, stream=True)
            access = plan.status.access
            if access is Access.READ or (access is not Access.UNTRIED and not kind.required):
                return
            await asyncio.sleep(max(0.0, plan.due - self._clock()))

    async def _follow(self, kind: AnyKind, plan: Plan) -> None:
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

    async def _list(self, kind: AnyKind, plan: Plan, stream: bool) -> None:
        async with self._slots:
            began = self._clock()
            answers_gap = plan.gap is not None and plan.when() <= began
            if answers_gap:
                plan.gap = None  # a sign that comes while the list runs asks for another
            gathered = ListBuffer(self._picture.store(kind), self._inbox, plan.watched, stream)
            try:
                await in_thread(partial(self._reader.list, kind, gathered.add), f"list of {kind}")
            except KubeError as error:
                self._failed(kind, plan, error, answers_gap)
                return
        absorbed = asyncio.Event()
        gathered.end(absorbed)
        await absorbed.wait()
        if plan.status.problem:
            logger.info("%s: can be read again", kind)
        plan.read(began, self._clock(), self._interval, LOOK_AGAIN_SECONDS, answers_gap=answers_gap)
        self._on_listed(kind)
        self._settle(plan.status, Access.READ)

    async def _ask(self, kind: AnyKind, plan: Plan) -> None:
        plan.ask_at = self._clock() + jittered(LOOK_AGAIN_SECONDS)
        at_least = self._picture.store(kind).newest
        try:
            async with self._slots:
                version = await in_thread(partial(self._reader.ask, kind), f"look at {kind}")
        except (Forbidden, NotServed) as error:
            self._failed(kind, plan, error, answers_gap=False)
        except KubeError:
            plan.answers = False  # what it means for the kind, its next list tells
        else:
            plan.answers = True
            plan.forbidden_since = None
            if version < at_least:
                # etcd was restored, and a watch that waits for versions yet to come tells nothing until then.
                self.gap(kind)

    def _failed(self, kind: AnyKind, plan: Plan, error: KubeError, answers_gap: bool) -> None:
        now = self._clock()
        plan.answers = False
        match error:
            case NotServed() if not kind.required:
                self._lose(plan, Access.ABSENT, "", now + jittered(LOOK_AGAIN_SECONDS))
            case Forbidden() if plan.forbidden_for_good(now):
                self._say(kind, plan.status, str(error))
                if kind.required:
                    plan.put_off(error, now, answers_gap=answers_gap)
                    self._settle(plan.status, Access.FORBIDDEN)
                else:
                    self._lose(plan, Access.FORBIDDEN, str(error), now + jittered(LOOK_AGAIN_SECONDS))
            case _:
                self._say(kind, plan.status, str(error))
                if not kind.required and plan.given_up(error, now, others_answer=self._required_answer()):
                    again = now + max(jittered(LOOK_AGAIN_SECONDS), plan.asked_pause(error))
                    self._lose(plan, Access.FAILING, str(error), again)
                else:
                    plan.put_off(error, now, answers_gap=answers_gap)

    def _required_answer(self) -> bool:
        return all(plan.answers for kind, plan in self._plans.items() if kind.required)

    def _lose(self, plan: Plan, access: Access, problem: str, again: float) -> None:
        plan.lost(problem, again)
        if plan.status.access is not access:
            self._inbox.put(Lost(plan.status.kind, problem or None))
        self._settle(plan.status, access)

    def _settle(self, status: KindStatus, access: Access) -> None:
        if status.access is not access:
            logger.info("%s: %s", status.kind, access.value)
            status.access = access
            self.changed.set()

    def _say(self, kind: AnyKind, status: KindStatus, problem: str) -> None:
        if status.problem != problem:
            logger.warning("%s: %s", kind, problem)
            status.problem = problem
