"""The one consumer of the inbox: message -> picture -> assessments, in slices that leave the loop its turn."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from etpguard.assess import Assessment, Engine
from etpguard.cluster import Change, Picture, Touched
from etpguard.intake.corrections import Corrections, What
from etpguard.intake.inbox import (
    AboutKind,
    Begin,
    Inbox,
    ListBegins,
    ListEnds,
    ListItems,
    Live,
    Lost,
    Relisted,
)
from etpguard.objects import AnyKind, Key, Reject

logger = logging.getLogger(__name__)

SLICE_SECONDS = 0.02
"""How long the loop is held at a time; a single message or Service may go beyond."""
GATHER_SECONDS = 0.005
FULL_TURN = 64
"""So long are so few messages left to be joined by others: a turn for each would double what they cost."""
SERVICES_A_STEP = 32
SETTLE_SECONDS = 1.0
"""How often at least it is asked whether the watch has delivered what lists found."""


class Offer(Protocol):
    """Takes what differs from before, and the Services that were touched whether or not they differ."""

    def __call__(self, changed: Mapping[Key, Assessment | None], touched: Iterable[Key] = (), /) -> None: ...


AnyChange = Change[Any]


class Absorber:
    """Merges messages into the picture, and from the message `Begin` on keeps the assessments up to date.

    `offer` is told what differs after each step, and which Services a turn has touched at all; `observe` the
    seconds from an event's arrival until the assessment made from it; `gap` of each sign that Kopf has listed
    a kind anew; `restored` when a list is the first to show that etcd was set back; `noticed` which kind's
    objects changed, those included that no assessment reads.
    """

    def __init__(
        self,
        *,
        picture: Picture,
        engine: Engine,
        inbox: Inbox,
        corrections: Corrections,
        offer: Offer,
        observe: Callable[[float], None],
        gap: Callable[[AnyKind], None],
        restored: Callable[[], None],
        noticed: Callable[[AnyKind], None] = lambda kind: None,
    ) -> None:
        self._picture = picture
        self._engine = engine
        self._inbox = inbox
        self._corrections = corrections
        self._offer = offer
        self._observe = observe
        self._gap = gap
        self._restored = restored
        self._noticed = noticed
        self._assessing = False
        self._touched = Touched()

    async def run(self) -> None:
        while True:
            await self._inbox.wait(SETTLE_SECONDS)
            if 0 < len(self._inbox) < FULL_TURN:
                await asyncio.sleep(GATHER_SECONDS)
            await self.turn()
            # Even where all was quick: who else waits for the loop comes first.
            await asyncio.sleep(0)

    async def turn(self) -> None:
        """Absorb what is in the inbox, for one slice of time at most, and assess what it touches."""
        arrivals: list[float] = []
        done: list[asyncio.Event] = []
        begun = time.monotonic()
        while (message := self._inbox.take()) is not None:
            if isinstance(message, Begin):
                self._assessing = True
                self._touched.everything = True
                done.append(message.assessed)
                break
            changes = list(self._merge(message))
            self._touched.add(self._picture.absorb(changes))
            if any(change.matters for change in changes):
                self._noticed(message.kind)
            if isinstance(message, Live):
                arrivals.append(message.arrived)
            elif isinstance(message, ListEnds):
                done.append(message.absorbed)
            if time.monotonic() - begun > SLICE_SECONDS:
                break
        if self._assessing and self._touched:
            await self._assess()
        now = time.monotonic()
        for arrived in arrivals:
            self._observe(now - arrived)
        for event in done:
            event.set()
        self._corrections.settle(now)

    async def _assess(self) -> None:
        touched, self._touched = self._touched, Touched()
        # Node sets of different epochs must never stand side by side: all in one go then, which is rare.
        in_one_go = bool(touched.nodes) and self._picture.nodes.compact()
        touched.everything |= in_one_go
        keys = list(self._engine.invalidate(touched))
        if in_one_go:
            self._offer(self._engine.reassess(keys), touched.services)
            return
        begun = time.monotonic()
        for start in range(0, len(keys), SERVICES_A_STEP):
            if changed := self._engine.reassess(keys[start : start + SERVICES_A_STEP]):
                self._offer(changed)
            if time.monotonic() - begun > SLICE_SECONDS:
                await asyncio.sleep(0)
                begun = time.monotonic()
        self._offer({}, touched.services)

    def _merge(self, message: AboutKind) -> Iterable[AnyChange]:
        store = self._picture.store(message.kind)
        match message:
            case Live(kind, entry, deleted, _):
                self._corrections.delivered(kind, entry.key, entry.version, deleted)
                change = store.delete(entry.key, entry.version) if deleted else store.upsert(entry)
                return self._noted((change,))
            case Relisted(kind):
                self._corrections.begun_anew(kind)
                self._gap(kind)
                return ()
            case ListBegins(kind, version, at_least, judged):
                floor = store.floor
                if store.begin_list(version, at_least):
                    logger.warning(
                        "%s: listed at resourceVersion %d after %d: etcd was restored; the list replaces all",
                        kind,
                        version,
                        max(floor, at_least),
                    )
                    self._start_over(kind)
                    self._restored()
                self._corrections.list_begins(kind, judged)
                return ()
            case ListItems(kind, entries):
                changes = self._noted(store.list_item(entry) for entry in entries)
                for change in changes:
                    self._found(change, "changed" if change.old else "added", store.version(change.key) or 0)
                return changes
            case ListEnds(kind, version, listed):
                self._read(kind, None)
                changes = store.end_list(version, listed)
                for change in changes:
                    self._found(change, "removed", version)
                return changes
            case Lost(kind, unread):
                self._read(kind, unread)
                return store.clear()

    def _start_over(self, noticed: AnyKind) -> None:
        """All kinds were restored with the one whose list told first: theirs are no news then."""
        for kind in self._picture.kinds:
            if kind is not noticed:
                self._picture.store(kind).start_over()

    def _read(self, kind: AnyKind, unread: str | None) -> None:
        """Any Service may have an unknown consumer while a kind cannot be read."""
        if (kind in self._picture.unread) != (unread is not None):
            self._touched.everything = True
        if unread is None:
            self._picture.unread.pop(kind, None)
        else:
            self._picture.unread[kind] = unread

    def _found(self, change: AnyChange, what: What, version: int) -> None:
        self._corrections.found(change.kind, change.key, version, what, time.monotonic())

    def _noted(self, changes: Iterable[AnyChange | None]) -> list[AnyChange]:
        """What did change; unreadable objects are named in the log, each once."""
        made = [change for change in changes if change is not None]
        for change in made:
            if isinstance(change.new, Reject) and not (
                isinstance(change.old, Reject) and change.old.message == change.new.message
            ):
                logger.warning("unreadable: %s", change.new.message)
        return made
