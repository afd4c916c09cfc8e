"""Which key is looked at when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etpguard.publish.work_queue import WorkQueue


def test_the_most_overdue_comes_first_and_each_once() -> None:
    agenda: WorkQueue[str] = WorkQueue()
    agenda.poke("a", 3)
    agenda.poke("b", 1)
    agenda.poke("a", 2)
    agenda.poke("a", 9)
    assert agenda.pop(0.5) is None
    assert agenda.next_due() == 1
    assert [agenda.pop(5), agenda.pop(5), agenda.pop(5)] == ["b", "a", None]
    assert agenda.busy == 2
    agenda.done("b", None)
    agenda.done("a", 9)
    assert agenda.pop(5) is None
    assert agenda.pop(9) == "a"


def test_one_that_is_worked_on_is_looked_at_again_afterwards() -> None:
    agenda: WorkQueue[str] = WorkQueue()
    agenda.poke("a", 0)
    assert agenda.pop(0) == "a"
    agenda.poke("a", 1)
    assert agenda.pop(1) is None
    agenda.done("a", 60)
    assert agenda.pop(1) == "a"


def test_what_is_looked_at_again_and_again_before_its_time_leaves_nothing_behind() -> None:
    """A Warning that lasts is bumped in half an hour, however often its Service changes until then."""
    agenda: WorkQueue[str] = WorkQueue()
    agenda.poke("quiet", 5000)
    agenda.poke("busy", 0)
    for now in range(1000):
        agenda.poke("busy", now)
        assert agenda.pop(now) == "busy"
        agenda.done("busy", 1800)
    assert len(agenda._heap) < 100
    assert (agenda.pop(1800), agenda.pop(1800), agenda.pop(5000)) == ("busy", None, "quiet")


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("poke"), st.sampled_from("abc"), st.integers(0, 20)),
            st.tuples(st.just("pop"), st.just(""), st.integers(0, 20)),
            st.tuples(st.just("done"), st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 20))),
        ),
        max_size=60,
    )
)
def test_no_poke_is_lost_and_no_key_is_worked_on_twice_at_once(steps: list[tuple[str, str, int | None]]) -> None:
    agenda: WorkQueue[str] = WorkQueue()
    expected: dict[str, float] = {}  # the earliest look that each key still needs
    busy: set[str] = set()
    for step, key, at in steps:
        if step == "poke":
            assert at is not None
            agenda.poke(key, at)
            expected[key] = min(at, expected.get(key, at))
        elif step == "pop":
            assert at is not None
            found = agenda.pop(at)
            free = {k: v for k, v in expected.items() if k not in busy and v <= at}
            assert (found is None) == (not free)
            if found is not None:
                assert free[found] == min(free.values())
                busy.add(found)
                del expected[found]
        elif key in busy:
            agenda.done(key, at)
            busy.discard(key)
            if at is not None:
                expected[key] = min(at, expected.get(key, at))
    waiting = {k: v for k, v in expected.items() if k not in busy}
    assert agenda.next_due() == min(waiting.values(), default=None)
