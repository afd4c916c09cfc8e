"""Which findings of a list count as corrections of the watch, and when a watch counts as broken."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from etpguard.intake.corrections import GRACE_SECONDS, Corrections, What
from etpguard.objects import NODE, SERVICE, AnyKind, Key

A, B = Key("default", "a"), Key("default", "b")


@dataclass
class Seen:
    counted: list[tuple[AnyKind, What]] = field(default_factory=list)
    broken: list[AnyKind] = field(default_factory=list)
    corrections: Corrections = field(init=False)

    def __post_init__(self) -> None:
        self.corrections = Corrections(lambda kind, what: self.counted.append((kind, what)), self.broken.append)

    def list_finds(self, what: What, key: Key, version: int, now: float, kind: AnyKind = SERVICE) -> None:
        self.corrections.list_begins(kind, watched=True)
        self.corrections.list_found(kind, key, version, what, now)

    def settle(self, now: float) -> None:
        self.corrections.settle(now)


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_what_the_watch_never_delivers_is_counted_after_the_grace(seen: Seen) -> None:
    seen.list_finds("changed", A, 7, now=100)
    seen.settle(100 + GRACE_SECONDS - 0.1)
    assert seen.counted == []
    seen.settle(100 + GRACE_SECONDS)
    assert seen.counted == [(SERVICE, "changed")]
    seen.settle(1000)
    assert len(seen.counted) == 1


@pytest.mark.parametrize(
    ("what", "version", "deleted", "counted"),
    [
        pytest.param("changed", 7, False, 0, id="that very version"),
        pytest.param("added", 9, False, 0, id="a later one"),
        pytest.param("added", 9, True, 0, id="its deletion, later"),
        pytest.param("changed", 6, False, 1, id="only an earlier version"),
        pytest.param("removed", 5, True, 0, id="the deletion, older than the list"),
        pytest.param("removed", 9, False, 1, id="a successor, but never the deletion"),
    ],
)
def test_delivered_within_the_grace(seen: Seen, what: What, version: int, deleted: bool, counted: int) -> None:
    seen.list_finds(what, A, 7, now=0)
    seen.corrections.watch_delivered(SERVICE, B, version, deleted)
    seen.corrections.watch_delivered(NODE, A, version, deleted)
    seen.settle(5)
    seen.corrections.watch_delivered(SERVICE, A, version, deleted)
    seen.settle(GRACE_SECONDS)
    assert len(seen.counted) == counted


def test_too_late_is_not_delivered(seen: Seen) -> None:
    seen.list_finds("changed", A, 7, now=0)
    seen.settle(GRACE_SECONDS)
    seen.corrections.watch_delivered(SERVICE, A, 7, deleted=False)
    assert seen.counted == [(SERVICE, "changed")]


def test_a_list_without_a_watch_before_it_corrects_nothing(seen: Seen) -> None:
    seen.corrections.list_begins(SERVICE, watched=False)
    seen.corrections.list_found(SERVICE, A, 7, "added", 0)
    seen.settle(GRACE_SECONDS)
    assert seen.counted == []


def test_two_lists_running_with_corrections_are_a_deaf_watch(seen: Seen) -> None:
    seen.list_finds("changed", A, 7, now=0)
    seen.settle(20)
    assert seen.broken == []
    seen.list_finds("changed", A, 8, now=600)
    seen.corrections.list_found(SERVICE, B, 9, "added", 600)
    seen.settle(620)
    assert seen.broken == [SERVICE]
    assert len(seen.counted) == 3


def test_after_a_deaf_watch_it_takes_two_lists_again(seen: Seen) -> None:
    for number in range(1, 4):
        seen.list_finds("changed", A, number, now=600 * number)
        seen.settle(600 * number + 20)
    assert seen.broken == [SERVICE]
    seen.list_finds("changed", A, 9, now=2400)
    seen.settle(2420)
    assert seen.broken == [SERVICE, SERVICE]


def test_a_list_without_corrections_between_clears_the_watch(seen: Seen) -> None:
    seen.list_finds("changed", A, 7, now=0)
    seen.settle(20)
    seen.corrections.list_begins(SERVICE, watched=True)
    seen.settle(620)
    seen.list_finds("changed", A, 8, now=1200)
    seen.settle(1220)
    assert seen.broken == []


def test_kinds_are_apart(seen: Seen) -> None:
    seen.list_finds("changed", A, 7, now=0)
    seen.list_finds("changed", A, 7, now=0, kind=NODE)
    seen.settle(20)
    assert seen.broken == []
    assert sorted(kind.name for kind, _ in seen.counted) == ["Node", "Service"]


def test_changes_missed_while_the_watch_restarted_are_counted_and_do_not_make_it_deaf(seen: Seen) -> None:
    for number in range(1, 4):
        seen.corrections.watch_relisted(SERVICE)
        seen.list_finds("changed", A, number, now=600 * number)
        seen.settle(600 * number + 20)
    assert len(seen.counted) == 3
    assert seen.broken == []
    seen.corrections.watch_relisted(NODE)  # another's
    for number in (4, 5):
        seen.list_finds("changed", A, number, now=600 * number)
        seen.settle(600 * number + 20)
    assert seen.broken == [SERVICE]
