"""The answers of the API server to the writes of this process, until the picture shows them. The watch shows a
write some time later. Until then a comparison with the older object would send the same write again."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

from etpguard.cluster import Picture
from etpguard.kube.verbs import Json
from etpguard.objects import Key, Kind, Record, decode_item

R = TypeVar("R", bound=Record)

LIFE = 60.0
"""Seconds after which only the picture counts."""


class _Written(NamedTuple, Generic[R]):
    """`record` is None for an object that this process deleted; `uid` is its uid."""

    record: R | None
    uid: str
    at: float


class OwnWrites:
    """The picture, overlaid with the writes of this process. Times are seconds of a monotonic clock.

    A write counts until the picture has reached its version: through the object itself, or through a later delete
    or list. So a write that is not shown yet is never taken for a deleted object.
    """

    def __init__(self, picture: Picture, life: float = LIFE) -> None:
        self._picture = picture
        self._life = life
        self._written: dict[tuple[Kind[Any], Key], _Written[Any]] = {}

    def get(self, kind: Kind[R], key: Key, now: float) -> R | None:
        """The object as it was last seen or last written, whichever is later; None if it does not exist."""
        written: _Written[R] | None = self._written.get((kind, key))
        if written is not None and not self._outdated(kind, key, written, now):
            return written.record
        self._written.pop((kind, key), None)
        return self._picture.get(kind, key)

    def wrote(self, kind: Kind[R], answer: Json, now: float) -> None:
        """Record the object that the API server answered with."""
        record = decode_item(kind, answer)
        if isinstance(record, kind.record):
            self._written[kind, record.key] = _Written(record, record.uid, now)

    def deleted(self, kind: Kind[R], key: Key, uid: str, now: float) -> None:
        """The object of that uid does not exist any more."""
        self._written[kind, key] = _Written(None, uid, now)

    def clear(self) -> None:
        self._written.clear()

    def expire(self, now: float) -> set[Key]:
        """Forget the writes that the picture has reached, and those that are too old. Returns their keys: these
        objects may need another look, although no event shows a change."""
        outdated = [at for at, written in self._written.items() if self._outdated(*at, written, now)]
        for at in outdated:
            del self._written[at]
        return {key for _, key in outdated}

    def __len__(self) -> int:
        return len(self._written)

    def _outdated(self, kind: Kind[R], key: Key, written: _Written[R], now: float) -> bool:
        if now >= written.at + self._life:
            return True
        if written.record is not None:
            return kind in self._picture.kinds and self._picture.store(kind).reached(key, written.record.version)
        seen = self._picture.get(kind, key)
        return seen is None or seen.uid != written.uid
