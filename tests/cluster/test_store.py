"""The merge rule, line by line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etpguard.cluster import Change, Store
from etpguard.objects import NAMESPACE, Key, Namespace, Reject, decode_item

KEY = Key("", "a")


def entry(version: int, uid: str = "u1", name: str = "a", label: str = "") -> Namespace:
    raw = {"name": name, "uid": uid, "resourceVersion": str(version), "labels": {"l": label}}
    made = decode_item(NAMESPACE, {"metadata": raw})
    assert isinstance(made, Namespace)
    return made


def listed(
    store: Store[Namespace], version: int, *entries: Namespace, at_least: int = 0
) -> list[Change[Namespace]]:
    """A whole list; what it changed."""
    store.begin_list(version, at_least)
    changes = [change for each in entries if (change := store.list_item(each)) is not None]
    return changes + store.end_list(version, {each.key for each in entries})


Step = Callable[[Store[Namespace]], object]


def upsert(version: int, uid: str = "u1") -> Step:
    return lambda store: store.upsert(entry(version, uid))


def delete(version: int, name: str = "a") -> Step:
    return lambda store: store.delete(Key("", name), version)


def full_list(version: int, *items: int, uid: str = "u1") -> Step:
    return lambda store: listed(store, version, *(entry(item, uid) for item in items))


def begin(version: int) -> Step:
    return lambda store: store.begin_list(version)


def item(version: int) -> Step:
    return lambda store: store.list_item(entry(version))


def end(version: int, *names: str) -> Step:
    return lambda store: store.end_list(version, {Key("", name) for name in names})


@pytest.mark.parametrize(
    ("steps", "held"),
    [
        pytest.param([upsert(5)], 5, id="upsert: the first of a key is taken"),
        pytest.param([upsert(5), upsert(6)], 6, id="upsert: a later version is taken"),
        pytest.param([upsert(6), upsert(5)], 6, id="upsert: an earlier version is not"),
        pytest.param([upsert(6, "u1"), upsert(5, "u2")], 6, id="upsert: not for another uid either"),
        pytest.param(
            [full_list(10), upsert(9)], None, id="upsert: below the floor, not held, it was gone by then"
        ),
        pytest.param([full_list(10), upsert(10)], None, id="upsert: at the floor likewise"),
        pytest.param([full_list(10), upsert(11)], 11, id="upsert: above the floor it is news"),
        pytest.param([full_list(10, 3), upsert(5)], 5, id="upsert: what is held counts, not the floor"),
        pytest.param([delete(8), upsert(7)], None, id="upsert: before its delete"),
        pytest.param([delete(8), upsert(8)], None, id="upsert: at its delete"),
        pytest.param([delete(8), upsert(9, "u2")], 9, id="upsert: a successor of the deleted"),
        pytest.param([upsert(5), delete(8)], None, id="delete: what is held and older goes"),
        pytest.param([upsert(8), delete(8)], None, id="delete: of that very version"),
        pytest.param([upsert(9, "u2"), delete(8)], 9, id="delete: a successor that came first stays"),
        pytest.param([delete(8), delete(6), upsert(7)], None, id="delete: a late one does not lower gone"),
        pytest.param([upsert(5), delete(8, "b")], 5, id="delete: of another key"),
        pytest.param([full_list(10, 5)], 5, id="list item: an unknown key is taken"),
        pytest.param([upsert(5), begin(10), item(7)], 7, id="list item: a later version is taken"),
        pytest.param([upsert(12), begin(10), item(5)], 12, id="list item: an earlier version is not"),
        pytest.param([delete(12), begin(10), item(5)], None, id="list item: deleted since"),
        pytest.param([delete(8), begin(10), item(9)], 9, id="list item: a successor of the deleted"),
        pytest.param([full_list(10), full_list(20, 5)], 5, id="list item: the floor has no say in a list"),
        pytest.param([upsert(5), full_list(10)], None, id="end: not listed and older is dropped"),
        pytest.param([upsert(10), begin(10), end(10)], None, id="end: not listed and of the list's version too"),
        pytest.param([upsert(11), full_list(10)], 11, id="end: not listed but younger stays"),
        pytest.param([upsert(5), begin(10), end(10, "a")], 5, id="end: listed stays, though not sent again"),
        pytest.param([delete(8), full_list(10), upsert(9)], None, id="end: gone is forgotten, the floor guards"),
        pytest.param([delete(12), full_list(10), upsert(11)], None, id="end: a later delete is remembered"),
        pytest.param([full_list(50, 40), full_list(20, 15)], 15, id="restored: an older version replaces"),
        pytest.param([full_list(50, 40), full_list(20)], None, id="restored: what is not listed goes"),
        pytest.param(
            [full_list(50), upsert(60), full_list(20)], None, id="restored: though younger than the list"
        ),
        pytest.param([full_list(50), delete(60), full_list(20, 15)], 15, id="restored: deletes are forgotten"),
        pytest.param([full_list(50), full_list(20), upsert(21)], 21, id="restored: the floor is the new list's"),
        pytest.param([full_list(50, 40), begin(20), upsert(21), end(20)], 21, id="restored: live during the list"),
        pytest.param([full_list(50, 40), begin(20), item(40), end(20, "a")], 40, id="restored: the same version"),
        pytest.param([upsert(7), begin(10), item(5)], 5, id="restored: a list that should have seen what is held"),
        pytest.param([delete(8), begin(10), item(5)], 5, id="restored: a list that should have seen what is gone"),
        pytest.param([upsert(5), lambda store: store.clear()], None, id="clear: nothing is held"),
        pytest.param([full_list(50), lambda store: store.clear(), upsert(5)], 5, id="clear: nor any floor"),
        pytest.param([delete(50), lambda store: store.clear(), upsert(5)], 5, id="clear: nor any delete"),
    ],
)
def test_merge_rule(steps: list[Step], held: int | None) -> None:
    store = Store(NAMESPACE)
    for step in steps:
        step(store)
    assert store.version(KEY) == held
    record = store.get(KEY)
    assert (record and record.version) == held


def test_a_list_below_what_was_seen_before_its_request_means_a_restore() -> None:
    store = Store(NAMESPACE)
    listed(store, 50, entry(40))
    store.upsert(entry(80))
    newest = store.newest
    assert newest == 80
    # Restored to 60, and grown to 70: above the floor, and yet of another history.
    listed(store, 70, entry(65), at_least=newest)
    assert store.version(KEY) == 65
    assert store.newest == 70


def test_a_restored_object_of_the_same_version_differs_by_its_uid() -> None:
    store = Store(NAMESPACE)
    listed(store, 50, entry(40, "u1"))
    (change,) = listed(store, 60, entry(40, "u2"))
    assert (change.old, change.new) == (entry(40, "u1"), entry(40, "u2"))


def test_a_live_event_that_outruns_a_list_is_no_restore() -> None:
    store = Store(NAMESPACE)
    newest = store.newest
    store.upsert(entry(80))
    listed(store, 70, entry(65), at_least=newest)
    assert store.version(KEY) == 80


def test_changes_carry_the_old_and_the_new_record() -> None:
    store = Store(NAMESPACE)
    first, second = entry(5), entry(6, label="x")
    added, changed, removed = store.upsert(first), store.upsert(second), store.delete(KEY, 7)
    assert added == Change(NAMESPACE, KEY, None, first)
    assert changed == Change(NAMESPACE, KEY, first, second)
    assert removed == Change(NAMESPACE, KEY, second, None)
    assert store.upsert(first) is None
    assert store.delete(KEY, 8) is None


@pytest.mark.parametrize(
    ("old", "new", "matters"),
    [
        pytest.param(None, entry(5), True, id="added"),
        pytest.param(entry(5), None, True, id="removed"),
        pytest.param(entry(5), entry(6), False, id="only the resourceVersion"),
        pytest.param(entry(5), entry(6, label="x"), True, id="a field that rules read"),
        pytest.param(entry(5, "u1"), entry(6, "u2"), True, id="another uid: a remove and an add"),
        pytest.param(entry(5), Reject("Namespace", KEY, "u1", 6, "bad"), True, id="no longer readable"),
    ],
)
def test_change_matters(old: Namespace | None, new: Namespace | Reject | None, matters: bool) -> None:
    assert Change(NAMESPACE, KEY, old, new).matters is matters


def test_a_reject_keeps_its_key_taken() -> None:
    store = Store(NAMESPACE)
    store.upsert(entry(5))
    reject = Reject("Namespace", KEY, "u1", 6, "Namespace a: metadata: bad")
    store.upsert(reject)
    assert store.get(KEY) is None
    assert len(store) == 1
    assert list(store) == []
    assert store.rejects == [reject]
    store.upsert(entry(7))
    assert store.rejects == []
    store.upsert(reject._replace(version=8))
    listed(store, 9)
    assert (store.rejects, len(store)) == ([], 0)


def test_from_files_the_last_of_a_key_wins() -> None:
    store = Store(NAMESPACE)
    store.replace([entry(9, label="first"), entry(3, label="second")])
    record = store.get(KEY)
    assert record is not None
    assert record.labels == {"l": "second"}
