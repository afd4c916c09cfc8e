"""An object whose record is made when a rule first reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from etpguard.objects.records import Key, Record

R = TypeVar("R", bound=Record)


class Deferred(msgspec.Struct, Generic[R], frozen=True, gc=False):
    """An object of a list, known to be well-formed and kept as the bytes that the API server sent.

    Only some EndpointSlices are read: those of Services with the policy Local, and those that a health check asks.
    `service` is the Service of an EndpointSlice.
    """

    key: Key
    uid: str
    version: int
    service: Key | None
    source: bytes
    decode: Callable[[bytes], R]

    def record(self) -> R:
        return self.decode(self.source)
