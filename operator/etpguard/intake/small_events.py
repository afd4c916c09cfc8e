"""A watch's lines on their way to Kopf: decoded once, to the record, and made small.

Kopf would decode each line with the standard library, which costs more than the record, and give each object a
worker of its own, with two tasks and a time-out for each event. What it gets in place of the object names the kind
as its uid, so that one worker takes the events of a kind in their order, and a number under which the handler
finds the record. It bears no finalizer either, which is all that Kopf could remove.

A line that is not an event of a readable object passes as it is, and all do where Kopf reads in another way than
kopf 1.45.2 (_cogs/clients/api.py iter_jsonlines): the handler then decodes what it is given.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec

from etpguard.intake.inbox import Entry
from etpguard.objects import AnyKind, Reject, decode_item

_MARK = "#"
"""What no name of an object begins with."""


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


_EVENT = msgspec.json.Decoder(_Event)
_OF_OBJECTS = frozenset({"ADDED", "MODIFIED", "DELETED"})


class Parked:
    """Records that wait for the handler of their event."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._numbers = itertools.count()

    def small(self, kind: AnyKind, line: bytes) -> bytes:
        """The line as Kopf is to have it."""
        try:
            event = _EVENT.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return line
        if event.type not in _OF_OBJECTS:
            return line
        entry = decode_item(kind, bytes(event.object))
        if isinstance(entry, Reject):
            return line
        name = f"{_MARK}{next(self._numbers)}"
        self._entries[name] = entry
        meta = {"uid": kind.resource, "name": name, "resourceVersion": entry.metadata.resource_version}
        return msgspec.json.encode({"type": event.type, "object": {"kind": kind.name, "metadata": meta}})

    def take(self, kind: AnyKind, given: Mapping[str, Any]) -> Entry:
        """The record of the object that Kopf was given."""
        name = given["metadata"].get("name")
        if isinstance(name, str) and name.startswith(_MARK):
            return self._entries.pop(name)
        return decode_item(kind, dict(given))


class SmallEvents:
    """The content of a watch's answer, read in chunks. It stands where a StreamReader does."""

    def __init__(self, content: aiohttp.StreamReader, kind: AnyKind, parked: Parked) -> None:
        self._content = content
        self._kind = kind
        self._parked = parked

    async def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        rest = b""
        async for data in self._content.iter_chunked(n):
            *lines, rest = (rest + data).split(b"\n")
            if lines:
                yield b"".join(self._parked.small(self._kind, line) + b"\n" for line in lines)
        if rest:
            yield rest

    def __getattr__(self, name: str) -> object:
        return getattr(self._content, name)
