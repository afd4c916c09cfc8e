"""Which Event is next, and which objects get Events."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from etpguard.objects import INGRESS, SERVICE, Key, Reject, decode_item
from etpguard.objects.events import COVERAGE_CONTROLLER, EVENT, Event, EventRecord, ObjectRef, series_body
from etpguard.objects.times import micro_time
from etpguard.publish import event_plan
from etpguard.publish.event_plan import Next, Pace, SentEvent, SentEvents, next_event, subjects
from etpguard.report.events import coverage_event
from tests.publish.given import KEY, assessment, table, verdict

O = Outcome  # noqa: E741

ABOUT = ObjectRef(SERVICE, Key("ns", "web"), "uid")


def wanted(reason: str, warning: bool, note: str) -> Event:
    return Event(regarding=ABOUT, reason=reason, warning=warning, note=note)


WARNING = wanted("NodesUncovered", True, "2 of 3")
OTHER = wanted("NodesUncovered", True, "1 of 3")
NORMAL = wanted("NodesUncovered", False, "2 of 3")
RECOVERY = wanted("NodesCovered", False, "0 of 3")
PACE = Pace(interval=60, repeat=1800)


def sent(event: Event, last: float, count: int = 1) -> SentEvent:
    return SentEvent(Key("ns", event.note), "uid", "", event.reason, event.warning, event.note, count, last)


@pytest.mark.parametrize(
    ("wanted", "existing", "expected"),
    [
        pytest.param(None, [sent(WARNING, 0)], None, id="nothing to say"),
        pytest.param(WARNING, [], Next(float("-inf"), None, True), id="the first"),
        pytest.param(
            WARNING, [sent(WARNING, 100)], Next(1900, sent(WARNING, 100), False), id="a Warning that lasts"
        ),
        pytest.param(NORMAL, [sent(NORMAL, 100)], None, id="a Normal one that lasts"),
        pytest.param(OTHER, [sent(WARNING, 100)], Next(160, None, True), id="another set of nodes"),
        pytest.param(
            WARNING,
            [sent(WARNING, 100), sent(OTHER, 200)],
            Next(260, sent(WARNING, 100), True),
            id="an earlier set again",
        ),
        pytest.param(NORMAL, [sent(WARNING, 100)], Next(160, None, True), id="the same words as a Warning before"),
        pytest.param(RECOVERY, [], None, id="covered from the start"),
        pytest.param(RECOVERY, [sent(NORMAL, 100)], None, id="covered after what was Normal"),
        pytest.param(RECOVERY, [sent(WARNING, 100)], Next(160, None, True), id="covered after a Warning"),
        pytest.param(
            RECOVERY,
            [sent(WARNING, 100), sent(NORMAL, 150)],
            Next(210, None, True),
            id="covered after a Warning that turned Normal",
        ),
        pytest.param(RECOVERY, [sent(WARNING, 100), sent(RECOVERY, 200)], None, id="already sent"),
        pytest.param(
            RECOVERY,
            [sent(RECOVERY, 100), sent(WARNING, 200)],
            Next(260, sent(RECOVERY, 100), True),
            id="covered once more",
        ),
    ],
)
def test_next(wanted: Event | None, existing: list[SentEvent], expected: Next | None) -> None:
    last = max((s.last for s in existing), default=float("-inf"))
    assert next_event(wanted, existing, PACE, last_sent=last) == expected


@pytest.mark.parametrize(
    ("existing", "due"),
    [
        pytest.param([], True, id="the Warning expired"),
        pytest.param([sent(RECOVERY, 100)], False, id="it was sent already"),
    ],
)
def test_a_condition_that_warned_counts_where_no_event_exists(existing: list[SentEvent], due: bool) -> None:
    assert (next_event(RECOVERY, existing, PACE, warned_before=True) is not None) is due


def test_an_event_that_was_written_is_recognised_in_a_list() -> None:
    _, ingress = subjects(assessment(O.Outage, verdict(O.Outage)), lambda key: "uid-ingress")
    event = coverage_event(ingress, table())
    assert event is not None
    body = event.body(now=1000.5, instance="pod-1")
    record = decode_item(EVENT, body)
    assert isinstance(record, EventRecord)
    memory, about = SentEvents([record]), ingress.regarding
    [found] = memory.of(about, "uid-web", 3000)
    assert found.same_as(event)
    assert (found.last, found.count, found.warning) == (1000.5, 1, True)
    assert memory.of(about, "uid-other", 3000) == []
    assert memory.last_sent(about) == 1000.5
    bumped = decode_item(EVENT, {**body, **series_body(count=2, now=2000.25)})
    assert isinstance(bumped, EventRecord)
    memory.add(bumped)
    [again] = memory.of(about, "uid-web", 3000)
    assert (again.last, again.count) == (2000.25, 2)
    memory.expire(3000)
    assert memory.of(about, "uid-web", 3000) == []


def test_an_event_from_the_future_counts_as_observed_now_in_its_order() -> None:
    """The clock of another leader was ahead, or ours has been set back."""

    def record(name: str, time: float) -> EventRecord:
        raw = {
            "metadata": {"name": name, "namespace": "ns"},
            "reportingController": COVERAGE_CONTROLLER,
            "regarding": {"uid": "u"},
            "eventTime": micro_time(time),
        }
        made = decode_item(EVENT, raw)
        assert isinstance(made, EventRecord)
        return made

    about = ObjectRef(SERVICE, Key("ns", "web"), "u")
    memory = SentEvents(
        [record("past", 900), record("second", 8000), record("first", 7000), record("third", 9000)]
    )
    found = sorted(memory.of(about, "", 1000), key=lambda event: event.last)
    assert [event.key.name for event in found] == ["past", "first", "second", "third"]
    assert [event.last for event in found] == pytest.approx([900, 1000, 1000, 1000], abs=0.01)
    assert memory.last_sent(about) == 1000
    assert memory.of(about, "", 2000) == memory.of(about, "", 1000), "it was observed then, and stays so"
    memory.expire(1001)
    assert memory.of(about, "", 1001) == []


def test_an_event_of_another_namespace_is_not_about_the_object() -> None:
    """Whoever may write Events in a namespace can forge one about any uid."""
    event = event_of_outage()
    body = event.body(now=1000, instance="pod-1")
    forged = {**body, "metadata": {**body["metadata"], "namespace": "other"}}
    for about in (body["regarding"], {**body["regarding"], "namespace": "other"}):
        record = decode_item(EVENT, {**forged, "regarding": about})
        assert isinstance(record, EventRecord)
        memory = SentEvents([record])
        assert memory.of(event.regarding, "", 3000) == []
        assert memory.last_sent(event.regarding) == float("-inf")
        assert not memory.warned(event.regarding, "")


def event_of_outage() -> Event:
    service, *_ = subjects(assessment(O.Outage, verdict(O.Outage)), lambda key: "")
    event = coverage_event(service, table())
    assert event is not None
    return event


def test_a_long_note_is_compared_as_it_is_sent() -> None:
    long = wanted("R", True, "é" * 600)
    assert SentEvent(Key("", ""), "", "", "R", True, "é" * 512, 1, 0).same_as(long)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({"reportingController": "kubelet", "regarding": {"uid": "u"}}, id="another's"),
        pytest.param({"reportingController": COVERAGE_CONTROLLER}, id="about nothing"),
        pytest.param({"reportingController": COVERAGE_CONTROLLER, "regarding": {"name": "x"}}, id="without a uid"),
    ],
)
def test_events_that_are_not_ours_are_passed_over(raw: dict[str, object]) -> None:
    record = decode_item(EVENT, {"metadata": {"name": "e", "namespace": "ns"}, **raw})
    assert not isinstance(record, Reject)
    assert event_plan.sent_event(record) is None


def test_an_unreadable_time_is_long_ago() -> None:
    raw = {
        "metadata": {"name": "e", "namespace": "ns"},
        "reportingController": COVERAGE_CONTROLLER,
        "regarding": {"uid": "u"},
        "eventTime": "yesterday",
    }
    record = decode_item(EVENT, raw)
    assert not isinstance(record, Reject)
    found = event_plan.sent_event(record)
    assert found is not None
    assert found.last == 0


def test_the_worst_ten_ingresses_get_events_each_by_its_own_outcome() -> None:
    consumers = [verdict(O.Covered, name=f"a{i:02}", uncovered=0) for i in range(9)]
    consumers += [verdict(O.TargetsUnhealthy, name=f"b{i}") for i in range(3)]
    consumers += [verdict(O.Blackhole, name="c"), verdict(O.Covered, name="c", uncovered=0)]
    consumers += [
        verdict(O.Outage, name="d", kind="TargetGroupBinding"),
        verdict(O.Outage, name="e", incidental=True),
    ]
    service, *ingresses = subjects(assessment(O.Outage, *consumers), lambda key: f"uid-{key.name}")
    assert (service.regarding.kind, service.regarding.key, service.view.outcome) == (SERVICE, KEY, O.Outage)
    assert len(ingresses) == 10
    assert [(s.regarding.key.name, s.view.outcome.name) for s in ingresses[:5]] == [
        ("c", "Blackhole"),
        ("b0", "TargetsUnhealthy"),
        ("b1", "TargetsUnhealthy"),
        ("b2", "TargetsUnhealthy"),
        ("a00", "Covered"),
    ]
    event = coverage_event(ingresses[0], table())
    assert event is not None
    assert event.note.startswith("Service web: ")
    assert event.related == service.regarding


def test_an_ingress_with_a_warning_that_stands_is_one_more() -> None:
    consumers = [verdict(O.Covered, name=f"a{i:02}", uncovered=0) for i in range(20)]
    found = subjects(assessment(O.Covered, *consumers), lambda key: key.name, lambda of: of.uid in ("a03", "a19"))
    assert [subject.regarding.uid for subject in found[1:]] == [f"a{i:02}" for i in (*range(10), 19)]


def test_an_ingress_that_does_not_exist_gets_no_event() -> None:
    assert len(subjects(assessment(O.Outage, verdict(O.Outage)), lambda key: "")) == 1


def test_an_ingress_that_does_not_exist_takes_the_place_of_no_other() -> None:
    consumers = [verdict(O.Outage, name=f"a{i:02}") for i in range(20)]
    found = subjects(assessment(O.Outage, *consumers), lambda key: key.name if key.name > "a04" else "")
    assert [subject.regarding.uid for subject in found[1:]] == [f"a{i:02}" for i in range(5, 15)]


def test_the_key_of_an_ingress_is_its_own() -> None:
    _, ingress = subjects(assessment(O.Outage, verdict(O.Outage, name="x", namespace="ns")), lambda key: "u")
    assert ingress.regarding == ObjectRef(INGRESS, Key("ns", "x"), "u")
