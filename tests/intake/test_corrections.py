"""Which findings of a list count as corrections of the watch, and when a watch counts as deaf."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from etpguard.intake.corrections import GRACE_SECONDS, Corrections, What
from etpguard.objects import NODE, SERVICE, AnyKind, Key

A, B = Key("default", "a"), Key("default", "b")


@dataclass
class Told:
    counted: list[tuple[AnyKind, What]] = field(default_factory=list)
    deaf: list[AnyKind] = field(default_factory=list)
    corrections: Corrections = field(init=False)

    def __post_init__(self) -> None:
        self.corrections = Corrections(lambda kind, what: self.counted.append((kind, what)), self.deaf.append)

    def list_finds(self, what: What, key: Key, version: int, now: float, kind: AnyKind = SERVICE) -> None:
        self.corrections.list_begins(kind, judged=True)
        self.corrections.found(kind, key, version, what, now)

    def settle(self, now: float) -> None:
        self.corrections.settle(now)


@pytest.fixture
def told() -> Told:
    return Told()


def test_what_the_watch_never_delivers_is_counted_after_the_grace(told: Told) -> None:
    told.list_finds("changed", A, 7, now=100)
    told.settle(100 + GRACE_SECONDS - 0.1)
    assert told.counted == []
    told.settle(100 + GRACE_SECONDS)
    assert told.counted == [(SERVICE, "changed")]
    told.settle(1000)
    assert len(told.counted) == 1


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
def test_delivered_within_the_grace(told: Told, what: What, version: int, deleted: bool, counted: int) -> None:
    told.list_finds(what, A, 7, now=0)
    told.corrections.delivered(SERVICE, B, version, deleted)
    told.corrections.delivered(NODE, A, version, deleted)
    told.settle(5)
    told.corrections.delivered(SERVICE, A, version, deleted)
    told.settle(GRACE_SECONDS)
    assert len(told.counted) == counted


def test_too_late_is_not_delivered(told: Told) -> None:
    told.list_finds("changed", A, 7, now=0)
    told.settle(GRACE_SECONDS)
    told.corrections.delivered(SERVICE, A, 7, deleted=False)
    assert told.counted == [(SERVICE, "changed")]


def test_a_list_without_a_watch_before_it_corrects_nothing(told: Told) -> None:
    told.corrections.list_begins(SERVICE, judged=False)
    told.corrections.found(SERVICE, A, 7, "added", 0)
    told.settle(GRACE_SECONDS)
    assert told.counted == []


def test_two_lists_running_with_corrections_are_a_deaf_watch(told: Told) -> None:
    told.list_finds("changed", A, 7, now=0)
    told.settle(20)
    assert told.deaf == []
    told.list_finds("changed", A, 8, now=600)
    told.corrections.found(SERVICE, B, 9, "added", 600)
    told.settle(620)
    assert told.deaf == [SERVICE]
    assert len(told.counted) == 3


def test_after_a_deaf_watch_it_takes_two_lists_again(told: Told) -> None:
    for number in range(1, 4):
        told.list_finds("changed", A, number, now=600 * number)
        told.settle(600 * number + 20)
    assert told.deaf == [SERVICE]
    told.list_finds("changed", A, 9, now=2400)
    told.settle(2420)
    assert told.deaf == [SERVICE, SERVICE]


def test_a_list_without_corrections_between_clears_the_watch(told: Told) -> None:
    told.list_finds("changed", A, 7, now=0)
    told.settle(20)
    told.corrections.list_begins(SERVICE, judged=True)
    told.settle(620)
    told.list_finds("changed", A, 8, now=1200)
    told.settle(1220)
    assert told.deaf == []


def test_kinds_are_apart(told: Told) -> None:
    told.list_finds("changed", A, 7, now=0)
    told.list_finds("changed", A, 7, now=0, kind=NODE)
    told.settle(20)
    assert told.deaf == []
    assert sorted(kind.name for kind, _ in told.counted) == ["Node", "Service"]


def test_what_was_missed_while_the_watch_began_anew_is_counted_and_does_not_make_it_deaf(told: Told) -> None:
    for number in range(1, 4):
        told.corrections.begun_anew(SERVICE)
        told.list_finds("changed", A, number, now=600 * number)
        told.settle(600 * number + 20)
    assert len(told.counted) == 3
    assert told.deaf == []
    told.corrections.begun_anew(NODE)  # another's
    for number in (4, 5):
        told.list_finds("changed", A, number, now=600 * number)
        told.settle(600 * number + 20)
    assert told.deaf == [SERVICE]
