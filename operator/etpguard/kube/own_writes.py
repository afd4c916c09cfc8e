"""What stands in the API for a Service, our own last writes included before the watch has told of them."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

from etpguard.cluster import Picture
from etpguard.kube.verbs import Json
from etpguard.objects import Key, Kind, Record, decode_item

R = TypeVar("R", bound=Record)

_LIFE = 60.0
"""Seconds after which the picture alone counts: what it still does not show has gone another way."""


class _Written(NamedTuple, Generic[R]):
    record: R | None
    gone_uid: str
    at: float


class OwnWrites:
    """The picture with our own writes over it, each until the picture has caught up."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._written: dict[tuple[Kind[Any], Key], _Written[Any]] = {}

    def get(self, kind: Kind[R], key: Key, now: float) -> R | None:
        seen = self._picture.get(kind, key)
        written: _Written[R] | None = self._written.get((kind, key))
        if written is None:
            return seen
        if now >= written.at + _LIFE or self._caught_up(seen, written):
            del self._written[kind, key]
            return seen
        return written.record

    def wrote(self, kind: Kind[R], answer: Json, now: float) -> None:
        record = decode_item(kind, answer)
        if isinstance(record, kind.record):
            self._written[kind, record.key] = _Written(record, "", now)

    def deleted(self, kind: Kind[R], key: Key, uid: str, now: float) -> None:
        self._written[kind, key] = _Written(None, uid, now)

    def clear(self) -> None:
        self._written.clear()

    def forget(self, kind: Kind[Any], key: Key) -> None:
        self._written.pop((kind, key), None)

    @staticmethod
    def _caught_up(seen: R | None, written: _Written[R]) -> bool:
        if written.record is None:
            return seen is None or seen.uid != written.gone_uid
        return seen is not None and seen.version >= written.record.version
