"""The only consumer of the inbox: message -> picture -> assessments -> receivers, in slices that keep the loop
free."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from etpguard.assess import Assessment, Engine
from etpguard.cluster import Change, Picture, Touched
from etpguard.intake.corrections import Corrections, What
from etpguard.intake.inbox import (
    AboutKind,
    AssessAll,
    Inbox,
    KindLost,
    ListBegins,
    ListEnds,
    ListItems,
    WatchEvent,
    WatchRelisted,
)
from etpguard.kube.failures import Failures
from etpguard.objects import SERVICE, AnyKind, Key, Reject
from etpguard.objects.log_fields import request_fields, service_fields
from etpguard.objects.scope import EVERYWHERE, NamespaceScope
from etpguard.objects.text import describe

logger = logging.getLogger(__name__)

SLICE_SECONDS = 0.01
"""The loop is held for this long at a time. One message or one Service may take longer."""
GATHER_SECONDS = 0.005
GATHER_MESSAGES = 64
"""Fewer messages than this wait `GATHER_SECONDS` for more: a turn for each would double their cost."""
OFFERED_AT_ONCE = 2000
"""Most touched Services that receivers get in one call: 7 ms of work."""
SETTLE_SECONDS = 1.0
"""Longest interval between looks at whether the watch has delivered what lists found."""


class Receiver(Protocol):
    """What acts on assessments: the publisher, the remediation controller."""

    def offer(self, changed: Mapping[Key, Assessment | None], touched: Collection[Key]) -> None:
        """`changed`: assessments that differ from before, None for a Service that is no longer assessed.
        `touched`: Services about which something changed, whether or not their assessment did. Both may be
        empty: then some other object changed."""


AnyChange = Change[Any]


class Absorber:
    """Merges messages into the picture and, after `AssessAll`, keeps the assessments up to date.

    Receivers get every change of the Services in `scope`; this is the only place that filters assessments on
    their way out. `observe` gets the seconds from an event's arrival until the assessment made from it.
    `watch_relisted` is called with a kind for each sign that Kopf has listed it again. `etcd_restored` is
    called when a list is the first to show that etcd was restored from a backup.
    """

    def __init__(
        self,
        *,
        picture: Picture,
        engine: Engine,
        inbox: Inbox,
        corrections: Corrections,
        observe: Callable[[float], None],
        watch_relisted: Callable[[AnyKind], None],
        etcd_restored: Callable[[], None],
        receivers: Sequence[Receiver] = (),
        scope: NamespaceScope = EVERYWHERE,
        failures: Failures | None = None,
    ) -> None:
        self._picture = picture
        self._engine = engine
        self._inbox = inbox
        self._corrections = corrections
        self._receivers = list(receivers)
        self._scope = scope
        self._observe = observe
        self._watch_relisted = watch_relisted
        self._etcd_restored = etcd_restored
        self._failures = failures or Failures()
        self._unresolved: frozenset[tuple[AnyKind, Key]] = frozenset()
        self.problem = ""
        """Why the assessments are not those of the picture, "" if they are."""
        self._broken: set[AnyKind] = set()
        """Kinds with a message that could not be merged since their last list began."""
        self._assessing = False
        self._touched = Touched()

    async def add_receivers(self, receivers: Sequence[Receiver]) -> None:
        """They get all assessments now, and what changes from now on. The former receivers get all again."""
        self._receivers += receivers
        keys = list({*self._picture.store(SERVICE).keys(), *self._engine.assessments})
        for start in range(0, len(keys), OFFERED_AT_ONCE):
            some = keys[start : start + OFFERED_AT_ONCE]
            assessments = self._engine.assessments
            self._offer({key: assessments[key] for key in some if key in assessments}, some)
            await asyncio.sleep(0)

    async def run(self) -> None:
        while True:
            await self._inbox.wait(SETTLE_SECONDS)
            if 0 < len(self._inbox) < GATHER_MESSAGES:
                await asyncio.sleep(GATHER_SECONDS)
            try:
                await self.turn()
                self.problem = ""
            except Exception as error:
                # What is assessed again is not known any more: all of it, once this passes.
                self._failures.note("assessment", "all Services", error)
                self.problem = f"etpguard failed to assess the Services: {describe(error)}"
                self._touched.everything = True
                await asyncio.sleep(SETTLE_SECONDS)
            # Other tasks come first, even after a short turn.
            await asyncio.sleep(0)

    async def turn(self) -> None:
        """Absorb messages for one slice of time at most, and assess what they touch."""
        done: list[asyncio.Event] = []
        try:
            await self._turn(done)
        finally:
            for event in done:
                event.set()
        self._corrections.settle(time.monotonic())

    async def _turn(self, done: list[asyncio.Event]) -> None:
        arrivals: list[float] = []
        changed = False
        begun = time.monotonic()
        while (message := self._inbox.take()) is not None:
            if isinstance(message, AssessAll):
                self._assessing = True
                self._touched.everything = True
                done.append(message.assessed)
                break
            changed |= self._absorb(message)
            if not self._assessing and self._touched.nodes:
                # The first assessment would hold the loop for twice as long: 80 ms for 5,000 nodes, not 40 ms.
                self._engine.prepare(self._touched.nodes)
                self._touched.nodes.clear()
            if isinstance(message, WatchEvent):
                arrivals.append(message.arrived)
            elif isinstance(message, ListEnds):
                done.append(message.absorbed)
            if time.monotonic() - begun > SLICE_SECONDS:
                break
        if self._assessing and (self._touched or changed):
            await self._assess()
        now = time.monotonic()
        for arrived in arrivals:
            self._observe(now - arrived)

    def _absorb(self, message: AboutKind) -> bool:
        """Merge one message; whether any object changed. A message that cannot be merged must not end the others:
        its kind counts as unreadable until the next list, which is requested at once."""
        kind = message.kind
        try:
            changes = list(self._merge(message))
            self._touched.add(self._picture.absorb(changes))
        except Exception as error:
            self._failures.note("merge", str(kind), error)
            self._broken.add(kind)
            self._note_read(kind, f"etpguard failed to merge an object: {describe(error)}")
            self._picture.store(kind).start_over()
            self._watch_relisted(kind)
            return True
        if self._picture.unresolved.keys() != self._unresolved:
            for place in self._picture.unresolved.keys() - self._unresolved:
                self._failures.note("merge", f"{place[0].name} {place[1]}", self._picture.unresolved[place])
            self._unresolved = frozenset(self._picture.unresolved)
        return any(change.matters for change in changes)

    async def _assess(self) -> None:
        touched, self._touched = self._touched, Touched()
        # Node sets of different epochs must never stand side by side. A new epoch is rare: no yielding then.
        new_epoch = bool(touched.nodes) and self._picture.nodes.compact()
        touched.everything |= new_epoch
        changed: dict[Key, Assessment | None] = {}
        keys = list(self._engine.invalidate(touched))
        begun = float("-inf") if touched.everything else time.monotonic()
        for key in keys:
            steps = self._engine.reassessment(key)
            while True:
                try:
                    next(steps)
                except StopIteration as done:
                    changed |= done.value
                    break
                if not new_epoch and time.monotonic() - begun > SLICE_SECONDS:
                    await asyncio.sleep(0)
                    begun = time.monotonic()
            if error := self._engine.failures.get(key):
                self._failures.note("assessment", str(key), error, service_fields(key, outcome="Unknown"))
            if not new_epoch and time.monotonic() - begun > SLICE_SECONDS:
                self._offer(changed, ())
                changed = {}
                await asyncio.sleep(0)
                begun = time.monotonic()
        rest = list(touched.services | touched.endpoints)
        self._offer(changed, rest[:OFFERED_AT_ONCE])
        await self._offer_touched(rest[OFFERED_AT_ONCE:])

    async def _offer_touched(self, touched: Sequence[Key]) -> None:
        for start in range(0, len(touched), OFFERED_AT_ONCE):
            await asyncio.sleep(0)
            self._offer({}, touched[start : start + OFFERED_AT_ONCE])

    def _offer(self, changed: Mapping[Key, Assessment | None], touched: Iterable[Key]) -> None:
        includes = self._scope.includes
        changed = {key: assessment for key, assessment in changed.items() if includes(key.namespace)}
        touched = [key for key in touched if includes(key.namespace)]
        for receiver in self._receivers:
            try:
                receiver.offer(changed, touched)
            except Exception as error:
                self._failures.note("publish", type(receiver).__name__, error)

    def _merge(self, message: AboutKind) -> Iterable[AnyChange]:
        store = self._picture.store(message.kind)
        match message:
            case WatchEvent(kind, entry, deleted, _):
                self._corrections.watch_delivered(kind, entry.key, entry.version, deleted)
                change = store.delete(entry.key, entry.version) if deleted else store.upsert(entry)
                return self._made((change,))
            case WatchRelisted(kind):
                self._corrections.watch_relisted(kind)
                self._watch_relisted(kind)
                return ()
            case ListBegins(kind, version, at_least, watched):
                floor = store.floor
                if store.begin_list(version, at_least):
                    logger.warning(
                        "%s: listed at resourceVersion %d after %d: etcd was restored; the list replaces all",
                        kind,
                        version,
                        max(floor, at_least),
                        extra=request_fields("list", str(kind), ""),
                    )
                    self._start_over(kind)
                    self._etcd_restored()
                self._broken.discard(kind)
                self._corrections.list_begins(kind, watched)
                return ()
            case ListItems(kind, entries):
                changes = self._made(store.list_item(entry) for entry in entries)
                if self._corrections.watched(kind):
                    for change in changes:
                        what: What = "changed" if change.old else "added"
                        self._list_found(change, what, store.version(change.key) or 0)
                return changes
            case ListEnds(kind, version, listed):
                if kind not in self._broken:
                    self._note_read(kind, None)
                changes = store.end_list(version, listed)
                for change in changes:
                    self._list_found(change, "removed", version)
                return changes
            case KindLost(kind, unread):
                self._note_read(kind, unread)
                return store.clear()

    def _start_over(self, first: AnyKind) -> None:
        """Every kind was restored together with the `first` whose list showed it."""
        for kind in self._picture.kinds:
            if kind is not first:
                self._picture.store(kind).start_over()

    def _note_read(self, kind: AnyKind, unread: str | None) -> None:
        """Any Service may have an unknown consumer while a kind cannot be read."""
        if (kind in self._picture.unread) != (unread is not None):
            self._touched.everything = True
        if unread is None:
            self._picture.unread.pop(kind, None)
        else:
            self._picture.unread[kind] = unread

    def _list_found(self, change: AnyChange, what: What, version: int) -> None:
        self._corrections.list_found(change.kind, change.key, version, what, time.monotonic())

    def _made(self, changes: Iterable[AnyChange | None]) -> list[AnyChange]:
        """The changes that took effect. Logs each unreadable object once."""
        made = [change for change in changes if change is not None]
        for change in made:
            if isinstance(change.new, Reject) and not (
                isinstance(change.old, Reject) and change.old.message == change.new.message
            ):
                logger.warning(
                    "cannot decode an object: %s",
                    change.new.message,
                    extra=request_fields(
                        "decode", change.kind.resource, change.key.namespace, object=change.key.name
                    ),
                )
        return made
