"""What Kopf reads from the API server, made small before Kopf sees it.

A list of Kopf returns only the resourceVersion to watch from, and no object. Kopf would make an event of each
object, at 0.7 ms of CPU: 18 s for 25,000 objects at each start and each 410, with gaps on the loops and the
highest memory use of the process. Nothing is lost: `Resync` lists each kind for the picture, once before Kopf
starts and once after each sign that Kopf has listed the kind.

Lines of a watch are decoded once, to the record. Kopf would decode each line with the standard library, which
costs more than the record, and give each object a worker, with two tasks and a time-out for each event. Kopf
gets a stand-in for the object instead: its uid is the name of the kind, so that one worker takes the events of
a kind in their order, and its name is a number under which the handler finds the record. A stand-in has no
finalizer, the only thing that Kopf could remove.

A line that is not an event of a readable object passes unchanged. So do all lines if a later version of Kopf reads
its content in another way than 1.45.2 (_cogs/clients/api.py, iter_jsonlines): the handler then decodes the object
itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec

from etpguard.intake.inbox import Entry
from etpguard.objects import AnyKind, Reject, decode_item

LIST_LIMIT = 1
"""Kopf asks for this many objects in a list."""

MOST_PARKED = 64
"""A watch is not read on while so many records wait for Kopf. Meanwhile the events wait in the buffers of the
connection. Without this bound, all events of a break become records at once when the watch continues, and the
memory stays with the process: Python returns an arena only once nothing in it is in use.

Measured with 500 nodes, 1,000 Services and 40 updates a second, after breaks of 25 s: a peak of 1,200 records, and
arenas of 74 MB, of which 58 MB were in use.
"""
LONGEST_PAUSE_SECONDS = 1.0
"""A watch is read on after this time in any case. A record that Kopf never asks for must not end the watch."""

_MARK = "#"
"""Starts the name of a stand-in. No object has such a name."""


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str


class _Listed(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    metadata: _Meta


class _List(_Listed):
    items: tuple[()] = ()


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


_EVENT = msgspec.json.Decoder(_Event)
_OBJECT_EVENTS = frozenset({"ADDED", "MODIFIED", "DELETED"})


def without_objects(body: bytes) -> bytes:
    """The List at the same version, complete and without items; `body` itself if it is no List with a version."""
    try:
        listed = msgspec.json.decode(body, type=_Listed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body
    return msgspec.json.encode(_List(listed.api_version, listed.kind, listed.metadata))


class ParkedRecords:
    """Records that wait for the handler of their event. Used on Kopf's loop only."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._numbers = itertools.count()
        self._fewer = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    async def room(self) -> None:
        """Return once fewer than half of `MOST_PARKED` records wait, if as many as that wait now."""
        if len(self._entries) < MOST_PARKED:
            return
        self._fewer.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_PAUSE_SECONDS):
                await self._fewer.wait()

    def stand_in(self, kind: AnyKind, line: bytes) -> bytes:
        """The line that Kopf gets in place of `line`. Keeps the record for `take`."""
        try:
            event = _EVENT.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return line
        if event.type not in _OBJECT_EVENTS:
            return line
        entry = decode_item(kind, bytes(event.object))
        if isinstance(entry, Reject):
            return line
        name = f"{_MARK}{next(self._numbers)}"
        self._entries[name] = entry
        meta = {"uid": kind.resource, "name": name, "resourceVersion": entry.metadata.resource_version}
        return msgspec.json.encode({"type": event.type, "object": {"kind": kind.name, "metadata": meta}})

    def take(self, kind: AnyKind, given: Mapping[str, Any]) -> Entry:
        """The record of the object that Kopf passed to the handler."""
        name = given["metadata"].get("name")
        if isinstance(name, str) and name.startswith(_MARK):
            entry = self._entries.pop(name)
            if len(self._entries) < MOST_PARKED // 2:
                self._fewer.set()
            return entry
        return decode_item(kind, dict(given))


class WatchContent:
    """The content of a watch's answer, read in chunks. Used in place of aiohttp's StreamReader."""

    def __init__(self, content: aiohttp.StreamReader, kind: AnyKind, parked: ParkedRecords) -> None:
        self._content = content
        self._kind = kind
        self._parked = parked

    async def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        rest = b""
        async for data in self._content.iter_chunked(n):
            *lines, rest = (rest + data).split(b"\n")
            for start in range(0, len(lines), MOST_PARKED):
                await self._parked.room()
                some = lines[start : start + MOST_PARKED]
                yield b"".join(self._parked.stand_in(self._kind, line) + b"\n" for line in some)
        if rest:
            yield rest

    def __getattr__(self, name: str) -> object:
        return getattr(self._content, name)


class ListContent:
    """The content of a list's answer, read whole. Used in place of aiohttp's StreamReader."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    async def read(self, n: int = -1) -> bytes:
        return without_objects(await self._content.read(n))

    def __getattr__(self, name: str) -> object:
        return getattr(self._content, name)
