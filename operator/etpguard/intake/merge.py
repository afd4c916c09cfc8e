"""Messages of lists and of the watch -> the picture, by the merge rule of its stores."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from etpguard.cluster import Change, Picture, Touched
from etpguard.intake.corrections import Corrections, What
from etpguard.intake.inbox import (
    AboutKind,
    KindLost,
    ListBegins,
    ListEnds,
    ListItems,
    WatchEvent,
    WatchRelisted,
)
from etpguard.kube.failures import Failures
from etpguard.objects import AnyKind, Key, Reject
from etpguard.objects.log_fields import request_fields
from etpguard.objects.text import describe

logger = logging.getLogger(__name__)

AnyChange = Change[Any]


class Merger:
    """Merges messages into `picture` and collects what they touch.

    `watch_relisted` is called with a kind for each sign that Kopf has listed it again. `etcd_restored` is called
    when a list is the first to show that etcd was restored from a backup.
    """

    def __init__(
        self,
        picture: Picture,
        corrections: Corrections,
        watch_relisted: Callable[[AnyKind], None],
        etcd_restored: Callable[[], None],
        failures: Failures,
    ) -> None:
        self._picture = picture
        self._corrections = corrections
        self._watch_relisted = watch_relisted
        self._etcd_restored = etcd_restored
        self._failures = failures
        self.touched = Touched()
        """What the messages since the last `take_touched` touch."""
        self._unresolved: frozenset[tuple[AnyKind, Key]] = frozenset()
        self._broken: set[AnyKind] = set()
        """Kinds with a message that could not be merged since their last list began."""

    def take_touched(self) -> Touched:
        touched, self.touched = self.touched, Touched()
        return touched

    def merge(self, message: AboutKind) -> bool:
        """Merge one message. Returns whether any object changed. A message that cannot be merged does not end the
        others: its kind counts as unreadable until the next list, which is requested at once."""
        kind = message.kind
        try:
            changes = list(self._changes(message))
            self.touched.add(self._picture.absorb(changes))
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

    def _changes(self, message: AboutKind) -> Iterable[AnyChange]:
        """The changes that took effect."""
        store = self._picture.store(message.kind)
        match message:
            case WatchEvent(kind, entry, deleted, _):
                self._corrections.watch_delivered(kind, entry.key, entry.version, deleted)
                change = store.delete(entry.key, entry.version) if deleted else store.upsert(entry)
                return self._effective((change,))
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
                changes = self._effective(store.list_item(entry) for entry in entries)
                if self._corrections.watched(kind):
                    for change in changes:
                        what: What = "changed" if change.old else "added"
                        self._list_found(change, what, store.version(change.key) or 0)
                return changes
            case ListEnds(kind, version, listed):
                changes = store.end_list(version, listed)
                if kind not in self._broken:
                    if kind in self._picture.unread:
                        self._picture.index_anew(kind)  # a failure may have kept changes from the indices
                    self._note_read(kind, None)
                for change in changes:
                    self._list_found(change, "removed", version)
                return changes
            case KindLost(kind, unread):
                self._note_read(kind, unread)
                return store.clear()

    def _start_over(self, first: AnyKind) -> None:
        """Start over with every kind but `first`, whose list showed that etcd was restored."""
        for kind in self._picture.kinds:
            if kind is not first:
                self._picture.store(kind).start_over()

    def _note_read(self, kind: AnyKind, unread: str | None) -> None:
        """Note why the kind cannot be read, None if it can. While it cannot, any Service may have a consumer that
        is not known, and names the reason, so a difference touches everything."""
        if self._picture.unread.get(kind) != unread:
            self.touched.everything = True
        if unread is None:
            self._picture.unread.pop(kind, None)
        else:
            self._picture.unread[kind] = unread

    def _list_found(self, change: AnyChange, what: What, version: int) -> None:
        self._corrections.list_found(change.kind, change.key, version, what, time.monotonic())

    def _effective(self, changes: Iterable[AnyChange | None]) -> list[AnyChange]:
        """The changes that had an effect; None is no effect. Logs each object that cannot be decoded once."""
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
