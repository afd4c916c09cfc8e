"""The merge rule against a model of the API server, Kopf's queues and paged lists.

The model: an API server with one revision for all; a watch whose events wait in one queue for each uid, in any
order against each other; lists that are read at one revision and whose items and end come in among the events.
An etcd that is restored takes the connections with it, so that events on their way and lists in progress are
lost: the one thing the rule cannot do without, for an event of before the restore that comes after the first
list looks like news. From there on the same numbers mean other things.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from etpguard.cluster import Store
from etpguard.objects import NAMESPACE, Key, Namespace, decode_item
from tests.examples import examples

NAMES = ("a", "b", "c")


class Stored(NamedTuple):
    uid: str
    version: int


class Event(NamedTuple):
    name: str
    uid: str
    version: int
    deleted: bool


class Reading(NamedTuple):
    """A list in progress: what it will say, and how much was merged."""

    version: int
    items: tuple[tuple[str, Stored], ...]
    merged: int
    at_least: int
    whole: bool
    """Whether nothing is missing once it is merged: all that the watch lost was before the request."""


def entry(name: str, stored: Stored) -> Namespace:
    meta = {"name": name, "uid": stored.uid, "resourceVersion": str(stored.version)}
    made = decode_item(NAMESPACE, {"metadata": meta})
    assert isinstance(made, Namespace)
    return made


class Merging(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.revision = 1
        self.objects: dict[str, Stored] = {}
        self.history: list[tuple[int, dict[str, Stored]]] = []
        self.uids = 0
        self.queues: dict[str, deque[Event]] = {}
        self.reading: Reading | None = None
        self.store: Store[Namespace] = Store(NAMESPACE)
        # What was deleted, and at which revision: it must never come back with an earlier one.
        self.removed: dict[str, int] = {}
        # The watch saw all since the last complete list (Kopf's own list after a 410 shows no deletion).
        self.sees_all = True
        # Versions of before a restore may be held, until a list is complete.
        self.mixed = False

    def emit(self, event: Event) -> None:
        self.queues.setdefault(event.uid, deque()).append(event)

    def moved(self) -> int:
        self.history.append((self.revision, dict(self.objects)))
        self.revision += 1
        return self.revision

    @rule(name=st.sampled_from(NAMES))
    def write_again(self, name: str) -> None:
        self.write(name)

    @rule(name=st.sampled_from(NAMES))
    def write(self, name: str) -> None:
        """Create or update."""
        version = self.moved()
        if name in self.objects:
            uid = self.objects[name].uid
        else:
            self.uids += 1
            uid = f"u{self.uids}"
        self.objects[name] = Stored(uid, version)
        self.emit(Event(name, uid, version, deleted=False))

    @precondition(lambda self: self.objects)
    @rule(data=st.data(), again=st.booleans())
    def remove(self, data: st.DataObject, again: bool) -> None:
        """Delete, and perhaps recreate under the same name at once."""
        name = data.draw(st.sampled_from(sorted(self.objects)))
        version = self.moved()
        self.emit(Event(name, self.objects.pop(name).uid, version, deleted=True))
        if again:
            self.write(name)

    @precondition(lambda self: any(self.queues.values()))
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(uid for uid, queue in self.queues.items() if queue)))
        self.merge(self.queues[uid].popleft())

    def merge(self, event: Event) -> None:
        if event.deleted:
            self.store.delete(Key("", event.name), event.version)
            self.removed[event.name] = max(self.removed.get(event.name, 0), event.version)
        else:
            self.store.upsert(entry(event.name, Stored(event.uid, event.version)))

    @precondition(lambda self: self.revision % 5 == 0)  # rarely, or no queue ever gets long
    @rule()
    def lose_the_watch(self) -> None:
        """410 Gone: events are lost. Kopf lists again and delivers what exists, one event for each object."""
        self.queues.clear()
        self.sees_all = False
        if self.reading is not None:
            self.reading = self.reading._replace(whole=False)
        for name, stored in self.objects.items():
            self.emit(Event(name, stored.uid, stored.version, deleted=False))

    @precondition(lambda self: self.reading is None)
    @rule()
    def begin_list(self) -> None:
        items = tuple(sorted(self.objects.items()))
        self.reading = Reading(self.revision, items, -1, self.store.newest, whole=True)

    @precondition(lambda self: self.reading is not None)
    @rule()
    def go_on_with_the_list(self) -> None:
        assert self.reading is not None
        version, items, merged, at_least, _ = self.reading
        if merged < 0:
            if self.store.begin_list(version, at_least):
                # The first list that shows a restore: what came live since the request yields to it, deletions
                # too, and another list is due.
                self.removed.clear()
                self.reading = self.reading._replace(whole=False)
        elif merged < len(items):
            self.store.list_item(entry(*items[merged]))
        else:
            self.end_list(self.reading)
            return
        self.reading = self.reading._replace(merged=merged + 1)

    def end_list(self, reading: Reading) -> None:
        listed = {name for name, _ in reading.items}
        for name in NAMES:
            if name not in listed:
                self.removed[name] = max(self.removed.get(name, 0), reading.version)
        self.store.end_list(reading.version, {Key("", name) for name in listed})
        self.sees_all |= reading.whole
        self.mixed = False
        self.reading = None

    @precondition(lambda self: self.reading is None)
    @rule()
    def list_at_once(self) -> None:
        self.begin_list()
        while self.reading is not None:
            self.go_on_with_the_list()

    @precondition(lambda self: self.revision % 7 == 0)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        """etcd from a backup."""
        self.revision, objects = data.draw(st.sampled_from(self.history))
        self.history = [(revision, kept) for revision, kept in self.history if revision < self.revision]
        self.objects = dict(objects)
        self.reading = None
        self.removed.clear()
        self.mixed = True
        self.lose_the_watch()

    @rule()
    def let_all_arrive(self) -> None:
        """Once all is delivered, and a list made up for what the watch has lost, picture = store."""
        while self.reading is not None:
            self.go_on_with_the_list()
        for queue in self.queues.values():
            while queue:
                self.merge(queue.popleft())
        for _ in range(2):  # the first may find that etcd was restored, and then ask for another
            if not self.sees_all:
                self.list_at_once()
        assert self.sees_all
        held = {record.key.name: Stored(record.uid, record.version) for record in self.store}
        assert held == self.objects

    @invariant()
    def what_was_removed_stays_removed(self) -> None:
        for record in self.store:
            assert record.version > self.removed.get(record.key.name, 0)

    @invariant()
    def nothing_is_held_that_never_was(self) -> None:
        for record in self.store:
            assert self.mixed or record.version <= self.revision


def _runs(number: int) -> settings:
    return settings(max_examples=number, stateful_step_count=60, deadline=None)


TestMerging = Merging.TestCase
TestMerging.settings = _runs(examples(200))


class LongMerging(Merging):
    """The same in more runs."""


@pytest.mark.soak
@pytest.mark.timeout(7200)
class TestLongMerging(LongMerging.TestCase):  # type: ignore[valid-type,misc]
    settings = _runs(10_000)
