"""Turns the pages of one list into messages."""

from __future__ import annotations

import asyncio
from typing import Any

from etpguard.cluster.store import Store
from etpguard.intake.inbox import Entry, Inbox, ListBegins, ListEnds, ListItems
from etpguard.objects import Key, Page

ITEMS_PER_MESSAGE = 250
"""The consumer occupies the event loop for a whole message: 3 ms, or several times longer while other threads
decode."""


class ListBuffer:
    """Collects the pages of one list, in the thread that reads them.

    `stream` sends each page on as it comes. Only the first list of a kind may do so: a later list that starts over
    midway must leave no trace.
    """

    def __init__(self, store: Store[Any], inbox: Inbox, watched: bool, stream: bool) -> None:
        self._kind = store.kind
        self._store = store
        self._at_least = store.newest
        self._inbox = inbox
        self._watched = watched
        self._stream = stream
        self._version = -1
        self._listed: set[Key] = set()
        self._new: list[Entry] = []

    def held(self, key: Key, version: int, uid: str) -> bool:
        """Whether the object need not be decoded, because the picture has it at this version."""
        return not self._stream and self._store.holds(key, version, uid)

    def add(self, page: Page[Any]) -> None:
        if page.version != self._version:
            self._version = page.version
            self._listed.clear()
            self._new.clear()
            if self._stream:
                self._inbox.put(self._begins())
        entries = [*page.items, *page.deferred, *page.rejects]
        self._listed.update(entry.key for entry in entries)
        self._listed.update(page.held)
        if self._stream:
            self._put(entries)
        else:
            # The picture has nearly all of them at this version already. Only the others are merged.
            self._new += (e for e in entries if not self._store.holds(e.key, e.version, e.uid))

    def end(self, absorbed: asyncio.Event) -> None:
        if not self._stream:
            self._inbox.put(self._begins())
            self._put(self._new)
        self._inbox.put(ListEnds(self._kind, self._version, self._listed, absorbed))

    def _put(self, entries: list[Entry]) -> None:
        for start in range(0, len(entries), ITEMS_PER_MESSAGE):
            self._inbox.put(ListItems(self._kind, entries[start : start + ITEMS_PER_MESSAGE]))

    def _begins(self) -> ListBegins:
        return ListBegins(self._kind, self._version, self._at_least, self._watched)
