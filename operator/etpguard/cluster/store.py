"""The merge rule: one kind's objects, from paged lists and from watch events that come in any order.

Kopf keeps a queue per uid, so that the DELETED of an object and the ADDED of its successor under the same
name come unordered; after a 410 it never reports what vanished; and a list may be older or younger than the
events beside it. What decides is therefore never the order of arrival, only the resourceVersion: an integer
comparable within one kind (KEP-5504).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Generic, NamedTuple, TypeVar

from etpguard.objects import Deferred, Key, Kind, Record, Reject

R = TypeVar("R", bound=Record)


class Change(NamedTuple, Generic[R]):
    """The change of one key. A `Reject` is a version that could not be read."""

    kind: Kind[R]
    key: Key
    old: R | Deferred[R] | Reject | None
    new: R | Deferred[R] | Reject | None

    @property
    def matters(self) -> bool:
        """Whether any rule can see a difference between the two versions."""
        if self.old is None or self.new is None or self.old.uid != self.new.uid:
            return True
        old, new = _made(self.old), _made(self.new)
        if isinstance(old, Record) and isinstance(new, Record):
            return old.substance != new.substance
        return True


def _made(entry: R | Deferred[R] | Reject) -> R | Reject:
    return entry.record() if isinstance(entry, Deferred) else entry


class _Held(NamedTuple, Generic[R]):
    version: int
    entry: R | Deferred[R] | Reject


class Store(Generic[R]):
    """`held[key]`, `gone[key]` and `floor` of one kind; the docstring of the module says why versions decide."""

    def __init__(self, kind: Kind[R]) -> None:
        self.kind = kind
        self.floor = 0
        self._held: dict[Key, _Held[R]] = {}
        self._gone: dict[Key, int] = {}
        self._rejected: set[Key] = set()
        self._newest = 0
        self._listing = -1

    def get(self, key: Key) -> R | None:
        held = self._held.get(key)
        if held is None:
            return None
        entry = held.entry
        if isinstance(entry, Reject):
            return None
        if isinstance(entry, Deferred):
            record = entry.record()
            self._held[key] = _Held(held.version, record)
            return record
        return entry

    def version(self, key: Key) -> int | None:
        held = self._held.get(key)
        return held and held.version

    def reached(self, key: Key, version: int) -> bool:
        """Whether the store shows what became of `key` at `version` or later: held at least so late, or known to
        be gone by a delete or a list that is no earlier. False means "not shown yet"."""
        return max(self.version(key) or 0, self._gone.get(key, 0), self.floor) >= version

    def __iter__(self) -> Iterator[R]:
        return (record for key in self._held if (record := self.get(key)) is not None)

    def __len__(self) -> int:
        return len(self._held)

    def keys(self) -> Set[Key]:
        return self._held.keys()

    def all_as_new(self) -> list[Change[R]]:
        """All that is held, as if nothing had been held before."""
        return [Change(self.kind, key, None, held.entry) for key, held in self._held.items()]

    @property
    def rejects(self) -> list[Reject]:
        if not self._rejected:
            return []
        entries = (self._held[key].entry for key in sorted(self._rejected))
        return [entry for entry in entries if isinstance(entry, Reject)]

    @property
    def newest(self) -> int:
        """The latest version seen, from a list or live: what a list requested from now on must reach."""
        return max(self._newest, self.floor)

    def upsert(self, entry: R | Deferred[R] | Reject) -> Change[R] | None:
        """A live ADDED or MODIFIED."""
        held = self._held.get(entry.key)
        known = held.version if held else self.floor
        return self._take(entry) if entry.version > max(known, self._gone.get(entry.key, 0)) else None

    def delete(self, key: Key, version: int) -> Change[R] | None:
        """A live DELETED; its version is that of the deletion."""
        self._gone[key] = max(self._gone.get(key, 0), version)
        self._newest = max(self._newest, version)
        held = self._held.get(key)
        return self._drop(key) if held and held.version <= version else None

    def begin_list(self, version: int, at_least: int = 0) -> bool:
        """A list at `version` follows. A version below `floor`, or below `at_least` (`newest` at the time of the
        request), means that etcd was restored from a backup. What is held then gives way to the list. Returns
        True in that case: events received since the request give way too, so the caller must list again."""
        self._listing = version
        if version >= max(self.floor, at_least):
            return False
        self.start_over()
        self._newest = version
        return True

    def start_over(self) -> None:
        """Versions known so far mean nothing any more: what is held yields to whatever comes next of it."""
        self._held = {key: _Held(-1, held.entry) for key, held in self._held.items()}
        self._gone.clear()
        self.floor = self._newest = 0

    def holds(self, key: Key, version: int, uid: str) -> bool:
        """Whether the object is held in that very version; the uid distinguishes the histories before and after a
        restore."""
        held = self._held.get(key)
        return held is not None and held.version == version and held.entry.uid == uid

    def list_item(self, entry: R | Deferred[R] | Reject) -> Change[R] | None:
        """Taken if later than all that is known of the key, held or gone. Also taken if nothing later than this
        list is known of the key and this version is not held: etcd was restored, although the list's version did
        not show it."""
        key = entry.key
        held = self._held.get(key)
        if held is None and not self._gone:  # the first list of a kind
            return self._take(entry, key)
        known = max(held.version if held else -1, self._gone.get(key, -1))
        held_already = self.holds(key, entry.version, entry.uid)
        news = entry.version > known or (known <= self._listing and not held_already)
        return self._take(entry) if news else None

    def end_list(self, version: int, listed: set[Key]) -> list[Change[R]]:
        """The list at `version` is complete: what it did not name and is no younger is gone."""
        missing = [k for k, held in self._held.items() if k not in listed and held.version <= version]
        self._gone = {key: gone for key, gone in self._gone.items() if gone > version}
        self.floor = version
        self._listing = -1
        return [self._drop(key) for key in missing]

    def clear(self) -> list[Change[R]]:
        """Forget everything about the kind: it is no longer served or readable."""
        self.floor = self._newest = 0
        self._gone.clear()
        return [self._drop(key) for key in tuple(self._held)]

    def replace(self, entries: Iterable[R | Deferred[R] | Reject]) -> list[Change[R]]:
        """Take entries that have no order, as from files: the last of a key wins."""
        return [self._take(entry) for entry in entries]

    def _take(self, entry: R | Deferred[R] | Reject, key: Key | None = None) -> Change[R]:
        key, version = key or entry.key, entry.version
        old = self._held.get(key)
        self._held[key] = _Held(version, entry)
        if version > self._newest:
            self._newest = version
        if isinstance(entry, Reject):
            self._rejected.add(key)
        elif self._rejected:
            self._rejected.discard(key)
        return Change(self.kind, key, old.entry if old else None, entry)

    def _drop(self, key: Key) -> Change[R]:
        self._rejected.discard(key)
        return Change(self.kind, key, self._held.pop(key).entry, None)
