"""How long a write of ours counts although the picture does not show it."""

from __future__ import annotations

import pytest

from etpguard.cluster import Picture
from etpguard.kube.own_writes import OwnWrites
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, ServiceCoverage, decode_item

KEY = Key("ns", "web")


def body(version: int, uid: str = "u") -> dict[str, object]:
    return {"metadata": {"name": "web", "namespace": "ns", "uid": uid, "resourceVersion": str(version)}}


def report(version: int, uid: str = "u") -> ServiceCoverage:
    made = decode_item(SERVICE_COVERAGE, body(version, uid))
    assert isinstance(made, ServiceCoverage)
    return made


class Given:
    def __init__(self) -> None:
        self.picture = Picture([SERVICE_COVERAGE])
        self.own = OwnWrites(self.picture, life=60)
        self.store = self.picture.store(SERVICE_COVERAGE)

    def version(self, now: float = 1) -> int | None:
        found = self.own.get(SERVICE_COVERAGE, KEY, now)
        return found.version if found else None

    def listed(self, version: int, *items: ServiceCoverage) -> None:
        self.store.begin_list(version)
        for item in items:
            self.store.list_item(item)
        self.store.end_list(version, {item.key for item in items})


def test_a_write_counts_until_the_picture_shows_it() -> None:
    given = Given()
    given.listed(3, report(3))
    given.own.wrote(SERVICE_COVERAGE, body(5), 0)
    assert given.version() == 5
    given.store.upsert(report(4))
    assert given.version() == 5, "the picture is still older"
    given.store.upsert(report(7))
    assert given.version() == 7
    assert len(given.own) == 0


@pytest.mark.parametrize("how", ["watch", "list"])
def test_what_was_deleted_right_after_our_write_is_gone_at_once(how: str) -> None:
    """The picture never showed the object: only the delete, or a later list without it, shows that it is gone."""
    given = Given()
    given.listed(3)
    given.own.wrote(SERVICE_COVERAGE, body(5), 0)
    assert given.version() == 5
    if how == "watch":
        given.store.delete(KEY, 6)
    else:
        given.listed(6)
    assert given.version() is None


def test_an_older_delete_or_list_does_not_end_a_write() -> None:
    """The object was deleted and made again by us; the watch shows the delete first."""
    given = Given()
    given.listed(3, report(3))
    given.own.wrote(SERVICE_COVERAGE, body(5, "new"), 0)
    given.store.delete(KEY, 4)
    assert given.version() == 5
    given.listed(4)
    assert given.version() == 5


def test_what_we_deleted_is_gone_although_the_picture_still_shows_it() -> None:
    given = Given()
    given.listed(3, report(3))
    given.own.deleted(SERVICE_COVERAGE, KEY, "u", 0)
    assert given.version() is None
    given.store.upsert(report(6, "another"))
    assert given.version() == 6


def test_after_its_life_the_picture_alone_counts() -> None:
    given = Given()
    given.own.wrote(SERVICE_COVERAGE, body(5), 0)
    assert given.version(59) == 5
    assert given.version(60) is None


def test_what_nobody_asks_for_expires_too() -> None:
    given = Given()
    for number in range(100):
        raw = {"metadata": {"name": f"web-{number}", "namespace": "ns", "uid": "u", "resourceVersion": "5"}}
        given.own.wrote(SERVICE_COVERAGE, raw, 0)
    assert given.own.expire(59) == set()
    assert len(given.own) == 100
    assert len(given.own.expire(60)) == 100
    assert len(given.own) == 0


def test_a_write_that_the_picture_has_reached_asks_for_another_look() -> None:
    """The object was deleted before the picture showed it: nothing that the picture shows changes."""
    given = Given()
    given.listed(3)
    given.own.wrote(SERVICE_COVERAGE, body(5), 0)
    assert given.own.expire(1) == set()
    assert given.store.delete(KEY, 6) is None
    assert given.own.expire(1) == {KEY}
    assert given.own.expire(1) == set()


def test_a_kind_that_the_picture_does_not_hold() -> None:
    given = Given()
    given.own.wrote(SERVICE, {**body(5), "spec": {}}, 0)
    found = given.own.get(SERVICE, KEY, 1)
    assert found is not None
    assert found.version == 5
