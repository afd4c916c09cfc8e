"""The inbox: a FIFO that any thread may fill, and that one consumer on the main loop empties.

All data of the cluster goes through it, because the merge rule depends on the order of pages, ends of lists and
watch events. For example, a delete that arrived before the end of a list must be absorbed before that end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

from etpguard.objects import AnyKind, Deferred, Key, Record, Reject

Entry = Record | Deferred[Any] | Reject


class WatchEvent(NamedTuple):
    """One object from a watch. `arrived` is its time of arrival in the inbox, by time.monotonic()."""

    kind: AnyKind
    entry: Entry
    deleted: bool
    arrived: float


class WatchRelisted(NamedTuple):
    """Kopf has listed the kind again and watches from that version. Events before it may be missing."""

    kind: AnyKind


class ListBegins(NamedTuple):
    """A list of the kind at resourceVersion `version` follows.

    `at_least` is the newest version that was known when the list was requested. A lower `version` means that etcd
    was restored. `watched`: a watch ran before the list and should have delivered everything in it, so what the
    list changes counts as a correction.
    """

    kind: AnyKind
    version: int
    at_least: int
    watched: bool


class ListItems(NamedTuple):
    """Some objects of that list."""

    kind: AnyKind
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class ListEnds:
    """The list is complete and contains these keys. `absorbed` is set once the picture has the result of the
    list."""

    kind: AnyKind
    version: int
    listed: set[Key]
    absorbed: asyncio.Event


class KindLost(NamedTuple):
    """No object of the kind is known any more. `unread` says why the kind cannot be read. It is None if the kind
    is not served, so it has no objects."""

    kind: AnyKind
    unread: str | None


class AssessAll(NamedTuple):
    """Assess every Service now, and afterwards each Service that a message touches. `assessed` is set once every
    Service is assessed."""

    assessed: asyncio.Event


AboutKind = WatchEvent | WatchRelisted | ListBegins | ListItems | ListEnds | KindLost
Message = AssessAll | AboutKind


class Inbox:
    """Created on the event loop of its consumer. Any thread may call `put`; only the consumer calls other
    methods."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._signalled = False

    def put(self, message: Message) -> None:
        self._messages.append(message)
        # One wake-up for many messages. With one for each, the two threads would compete for the interpreter.
        if not self._signalled:
            self._signalled = True
            try:
                self._loop.call_soon_threadsafe(self._arrived.set)
            except RuntimeError:  # the loop is closed because the process ends
                return

    def __len__(self) -> int:
        return len(self._messages)

    async def wait(self, seconds: float) -> None:
        """Return once there is a message, or after this many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not self._messages:
                    self._arrived.clear()
                    self._signalled = False
                    # A message that came before the flag was cleared has not woken this consumer.
                    if not self._messages:
                        await self._arrived.wait()
        except TimeoutError:
            return

    def take(self) -> Message | None:
        """The oldest message, or None."""
        return self._messages.popleft() if self._messages else None
