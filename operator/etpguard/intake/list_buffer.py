"""From the pages of one list to messages."""

from __future__ import annotations

import asyncio
from typing import Any

from etpguard.cluster.store import Store
from etpguard.intake.inbox import Entry, Inbox, ListBegins, ListEnds, ListItems
from etpguard.objects import Key, Page

ITEMS_A_MESSAGE = 500


class ListBuffer:
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
