"""The one way into the picture: a FIFO that any thread may fill and one consumer on the main loop empties.

That pages, ends of lists and live events keep their order here is what the merge rule rests on (a delete
that was seen before the end of a list must be absorbed before it).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from etpguard.objects import AnyKind, Key, Record, Reject

Entry = Record | Reject


class Live(NamedTuple):
    """A watch event. `arrived` is the time.monotonic() at which it came into the inbox."""

    kind: AnyKind
    entry: Entry
    deleted: bool
    arrived: float


class Relisted(NamedTuple):
    """Kopf has listed the kind anew, and watches from there."""

    kind: AnyKind


class ListBegins(NamedTuple):
    """A list of the kind at that resourceVersion follows. What it finds is a correction of the watch only
    if `judged`: there was one by then that should have delivered it. `at_least` is the newest version that
    was known when the list was asked for: one below it means that etcd was restored."""

    kind: AnyKind
    version: int
    at_least: int
    judged: bool


class ListItems(NamedTuple):
    """A part of it."""

    kind: AnyKind
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class ListEnds:
    """The list is complete and named these keys; `absorbed` is set once the picture says the same."""

    kind: AnyKind
    version: int
    listed: set[Key]
    absorbed: asyncio.Event


class Lost(NamedTuple):
    """Nothing is known of the kind's objects: they may not be read, for that reason, or (None) it is not
    served, so that there are none."""

    kind: AnyKind
    unread: str | None


class Begin(NamedTuple):
    """All first lists are in: assess everything, and from now on what each message touches."""

    assessed: asyncio.Event


AboutKind = Live | Relisted | ListBegins | ListItems | ListEnds | Lost
Message = Begin | AboutKind


class Inbox:
    """Made on the loop of its consumer. `put` may be called from any thread, `get` by the consumer alone."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._signalled = False

    def put(self, message: Message) -> None:
        self._messages.append(message)
        # Only who waits is woken: one for each message would have the two threads take turns at the interpreter.
        if not self._signalled:
            self._signalled = True
            try:
                self._loop.call_soon_threadsafe(self._arrived.set)
            except RuntimeError:  # the loop is closed: the process ends
                return

    def __len__(self) -> int:
        return len(self._messages)

    async def wait(self, seconds: float) -> None:
        """Return once there is something to take, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not self._messages:
                    self._arrived.clear()
                    self._signalled = False
                    # What came since, before the flag was down, has woken nobody.
                    if not self._messages:
                        await self._arrived.wait()
        except TimeoutError:
            return

    def take(self) -> Message | None:
        """The oldest message, None when there is none."""
        return self._messages.popleft() if self._messages else None
