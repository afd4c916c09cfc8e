"""When the next list of one kind is due, and when a kind counts as forbidden or failing."""

from __future__ import annotations

import pytest

from etpguard.intake.freshness import Access, KindStatus
from etpguard.intake.list_schedule import ListSchedule
from etpguard.intake.timing import ListTiming
from etpguard.kube.backoff import Backoff
from etpguard.kube.errors import KubeError, Overloaded, Unreachable
from etpguard.objects import INGRESS

TIMING = ListTiming(backoff=Backoff(1.0, 30.0, jitter=0.0))
SILENT = Unreachable("no route")


def schedule(access: Access = Access.READ) -> ListSchedule:
    """Of a kind that was listed at 1000, and is listed again at 1600."""
    return ListSchedule(KindStatus(INGRESS, access, began=1000.0), TIMING, due=1600.0)


def test_a_list_follows_a_gap_once_it_is_quiet_and_never_later_than_after_the_longest_burst() -> None:
    given = schedule()
    assert given.when() == 1600
    given.note_gap(1100.0)
    assert (given.when(), given.status.pending) == (1102, True)
    for seconds in range(1, 62):
        given.note_gap(1100.0 + seconds)
    assert given.when() == 1160


@pytest.mark.parametrize("access", [Access.READ, Access.UNTRIED, Access.ABSENT, Access.FORBIDDEN, Access.FAILING])
def test_the_end_of_the_watch_is_a_gap_in_what_it_covered(access: Access) -> None:
    given = schedule(access)
    given.watched = given.established = True
    given.watch_ended(1100.0)
    assert not given.watched
    assert given.status.pending is (access is Access.READ)


@pytest.mark.parametrize(
    ("error", "gap", "due"),
    [
        pytest.param(SILENT, False, [1101, 1102, 1104, 1108], id="with growing pauses"),
        pytest.param(SILENT, True, [1101, 1102, 1104, 1108], id="for a gap as well"),
        pytest.param(Overloaded("429", 7.0), False, [1107, 1107, 1107, 1108], id="no sooner than asked"),
        pytest.param(Overloaded("429", 9999.0), True, [1400], id="within a bound"),
    ],
)
def test_a_list_that_failed_is_tried_again(error: KubeError, gap: bool, due: list[float]) -> None:
    given = schedule()
    if gap:
        given.note_gap(1100.0)
    tried = []
    for _ in due:
        given.retry(error, 1100.0, closes_gap=gap)
        tried.append(given.when())
    assert tried == due


def test_a_403_counts_at_once_for_a_kind_that_was_never_read_and_later_after_a_while() -> None:
    assert schedule(Access.UNTRIED).is_forbidden(1000.0)
    given = schedule()
    assert [given.is_forbidden(now) for now in (1100.0, 1129.9, 1130.0)] == [False, False, True]


@pytest.mark.parametrize(
    ("access", "error", "seen", "failing"),
    [
        pytest.param(Access.READ, SILENT, [(0, True), (299, True)], False, id="a second short"),
        pytest.param(Access.READ, SILENT, [(0, True), (300, True)], True, id="for long"),
        pytest.param(
            Access.READ, SILENT, [(0, True), (299, False), (300, True)], False, id="all failed meanwhile"
        ),
        pytest.param(Access.READ, SILENT, [(0, False), (9999, False)], False, id="all fail"),
        pytest.param(Access.UNTRIED, SILENT, [(0, True), (30, True)], True, id="at the start, for a shorter time"),
        pytest.param(Access.FAILING, SILENT, [(0, False)], True, id="it still does"),
        pytest.param(Access.READ, Overloaded("429", 300.0), [(0, True)], True, id="asked to wait for as long"),
        pytest.param(Access.READ, Overloaded("429", 299.0), [(0, True)], False, id="asked to wait for less"),
    ],
)
def test_an_optional_kind_fails_for_long_while_the_required_kinds_answer(
    access: Access, error: KubeError, seen: list[tuple[int, bool]], failing: bool
) -> None:
    """Each look is so many seconds after the first one, and the required kinds answer then, or not."""
    given = schedule(access)
    found = [given.is_failing(error, 1100.0 + after, others_answer=answer) for after, answer in seen]
    assert found[-1] is failing
