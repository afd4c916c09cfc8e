"""Which key is looked at when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etpguard.objects import Key
from etpguard.publish.work_queue import WorkQueue


def test_the_most_overdue_comes_first_and_each_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 3)
    queue.add("b", 1)
    queue.add("a", 2)
    queue.add("a", 9)
    assert queue.pop(0.5) is None
    assert queue.next_due() == 1
    assert [queue.pop(5), queue.pop(5), queue.pop(5)] == ["b", "a", None]
    assert queue.busy == 2
    queue.done("b", None)
    queue.done("a", 9)
    assert queue.pop(5) is None
    assert queue.pop(9) == "a"


def test_one_that_is_worked_on_is_looked_at_again_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 0)
    assert queue.pop(0) == "a"
    queue.add("a", 1)
    assert queue.pop(1) is None
    queue.done("a", 60)
    assert queue.pop(1) == "a"


def test_what_is_looked_at_again_and_again_before_its_time_leaves_nothing_behind() -> None:
    """A Warning that lasts is bumped in half an hour, however often its Service changes until then."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("quiet", 5000)
    queue.add("busy", 0)
    for now in range(1000):
        queue.add("busy", now)
        assert queue.pop(now) == "busy"
        queue.done("busy", 1800)
    assert len(queue._waiting) + queue._ready_entries < 100
    assert (queue.pop(1800), queue.pop(1800), queue.pop(5000)) == ("busy", None, "quiet")


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.sampled_from("abc"), st.integers(0, 20)),
            st.tuples(st.just("pop"), st.just(""), st.integers(0, 20)),
            st.tuples(st.just("done"), st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 20))),
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_no_look_is_lost_and_no_key_is_worked_on_twice_at_once(
    steps: list[tuple[str, str, int | None]], grouped: bool
) -> None:
    queue: WorkQueue[str] = WorkQueue((lambda key: key) if grouped else (lambda key: None))
    expected: dict[str, float] = {}  # the earliest look that each key still needs
    busy: set[str] = set()
    now = 0
    for step, key, at in steps:
        if step == "add":
            assert at is not None
            queue.add(key, at)
            expected[key] = min(at, expected.get(key, at))
        elif step == "pop":
            assert at is not None
            now = max(now, at)
            found = queue.pop(now)
            free = {k: v for k, v in expected.items() if k not in busy and v <= now}
            assert (found is None) == (not free)
            if found is not None:
                assert grouped or free[found] == min(free.values())
                busy.add(found)
                del expected[found]
        elif key in busy:
            queue.done(key, at)
            busy.discard(key)
            if at is not None:
                expected[key] = min(at, expected.get(key, at))
    waiting = {k: v for k, v in expected.items() if k not in busy}
    assert queue.next_due() == min(waiting.values(), default=None)


def test_namespaces_take_turns() -> None:
    """A tenant with 10,000 Services that are all due delays another tenant's Service by one look."""
    queue: WorkQueue[Key] = WorkQueue(lambda key: key.namespace)
    for number in range(10_000):
        queue.add(Key("big", str(number)), 0)
    victim = Key("small", "web")
    queue.add(victim, 5)
    order = [queue.pop(10) for _ in range(4)]
    assert victim in order[:2]
    assert {key.namespace for key in order[2:] if key} == {"big"}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30)), min_size=1, max_size=80))
def test_no_group_waits_for_another_groups_second_key(added: list[tuple[str, int]]) -> None:
    queue: WorkQueue[tuple[str, int]] = WorkQueue(lambda key: key[0])
    for key in added:
        queue.add(key, key[1])
    order = []
    while (found := queue.pop(30)) is not None:
        order.append(found)
    assert sorted(order) == sorted(set(added))
    groups = {group for group, _ in added}
    for start in range(len(order)):
        waiting = {group for group, _ in order[start:]}
        assert {group for group, _ in order[start : start + len(waiting)]} == waiting
    assert {group for group, _ in order[: len(groups)]} == groups


def test_only_what_is_retained_is_looked_at() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in "abc":
        queue.add(key, 1)
    assert queue.pop(1) == "a"
    queue.retain({"b"})
    assert len(queue) == 1
    queue.done("a", 2)
    assert [queue.pop(5), queue.pop(5), queue.pop(5)] == ["b", "a", None]
