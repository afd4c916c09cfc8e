"""Which Event is next, and how it looks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etpguard.assess import Outcome
from etpguard.objects import Key, Reject, decode_item
from etpguard.publish import desired, events
from etpguard.publish.desired import Notice
from etpguard.publish.events import EVENT, EventRecord, Next, Pace, SentEvents, Standing
from tests.publish.given import assessment, table, verdict

WARNING = Notice("NodesUncovered", True, "2 of 3")
OTHER = Notice("NodesUncovered", True, "1 of 3")
NORMAL = Notice("NodesUncovered", False, "2 of 3")
RECOVERY = Notice("NodesCovered", False, "0 of 3", recovery=True)
PACE = Pace(interval=60, repeat=1800)


def stood(notice: Notice, last: float, count: int = 1) -> Standing:
    return Standing(Key("ns", notice.note), "uid", "", notice.reason, notice.warning, notice.note, count, last)


@pytest.mark.parametrize(
    ("wanted", "standing", "expected"),
    [
        pytest.param(None, [stood(WARNING, 0)], None, id="nothing to say"),
        pytest.param(WARNING, [], Next(float("-inf"), None, True), id="the first"),
        pytest.param(
            WARNING, [stood(WARNING, 100)], Next(1900, stood(WARNING, 100), False), id="a Warning that lasts"
        ),
        pytest.param(NORMAL, [stood(NORMAL, 100)], None, id="a Normal one that lasts"),
        pytest.param(OTHER, [stood(WARNING, 100)], Next(160, None, True), id="another set of nodes"),
        pytest.param(
            WARNING,
            [stood(WARNING, 100), stood(OTHER, 200)],
            Next(260, stood(WARNING, 100), True),
            id="an earlier set again",
        ),
        pytest.param(
            NORMAL, [stood(WARNING, 100)], Next(160, None, True), id="the same words as a Warning before"
        ),
        pytest.param(RECOVERY, [], None, id="covered from the start"),
        pytest.param(RECOVERY, [stood(NORMAL, 100)], None, id="covered after what was Normal"),
        pytest.param(RECOVERY, [stood(WARNING, 100)], Next(160, None, True), id="covered after a Warning"),
        pytest.param(
            RECOVERY,
            [stood(WARNING, 100), stood(NORMAL, 150)],
            Next(210, None, True),
            id="covered after a Warning that turned Normal",
        ),
        pytest.param(RECOVERY, [stood(WARNING, 100), stood(RECOVERY, 200)], None, id="already told"),
        pytest.param(
            RECOVERY,
            [stood(RECOVERY, 100), stood(WARNING, 200)],
            Next(260, stood(RECOVERY, 100), True),
            id="covered once more",
        ),
    ],
)
def test_next(wanted: Notice | None, standing: list[Standing], expected: Next | None) -> None:
    spoken = max((s.last for s in standing), default=float("-inf"))
    assert events.next_event(wanted, standing, PACE, spoken=spoken) == expected


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        pytest.param([], True, id="the Warning expired"),
        pytest.param([stood(RECOVERY, 100)], False, id="it was told already"),
    ],
)
def test_a_hint_counts_where_no_event_stands(standing: list[Standing], told: bool) -> None:
    assert (events.next_event(RECOVERY, standing, PACE, hinted=True) is not None) is told


def test_an_event_that_was_written_is_known_again_from_a_list() -> None:
    service, ingress = desired.subjects(
        assessment(Outcome.Outage, verdict(Outcome.Outage)), lambda key: "uid-ingress"
    )
    notice = desired.notice(ingress, table())
    assert notice is not None
    body = events.event(ingress, service, notice, 1000.5, "pod-1")
    record = decode_item(EVENT, body)
    assert isinstance(record, EventRecord)
    memory = SentEvents([record])
    [found] = memory.of("uid-ingress", "uid-web", 3000)
    assert found.says(notice)
    assert (found.last, found.count, found.warning) == (1000.5, 1, True)
    assert memory.of("uid-ingress", "uid-other", 3000) == []
    assert memory.spoken("uid-ingress") == 1000.5
    bumped = decode_item(EVENT, {**body, **events.series(found, 2000.25)})
    assert isinstance(bumped, EventRecord)
    memory.add(bumped)
    [again] = memory.of("uid-ingress", "uid-web", 3000)
    assert (again.last, again.count) == (2000.25, 2)
    memory.expire(3000)
    assert memory.of("uid-ingress", "uid-web", 3000) == []


def test_what_is_dated_in_the_future_counts_as_said_just_now_in_its_order() -> None:
    """The clock of another leader was ahead, or ours has been set back."""

    def record(name: str, time: float) -> EventRecord:
        raw = {
            "metadata": {"name": name, "namespace": "ns"},
            "reportingController": events.CONTROLLER,
            "regarding": {"uid": "u"},
            "eventTime": events.micro_time(time),
        }
        made = decode_item(EVENT, raw)
        assert isinstance(made, EventRecord)
        return made

    memory = SentEvents(
        [record("past", 900), record("second", 8000), record("first", 7000), record("third", 9000)]
    )
    found = sorted(memory.of("u", "", 1000), key=lambda event: event.last)
    assert [event.key.name for event in found] == ["past", "first", "second", "third"]
    assert [event.last for event in found] == pytest.approx([900, 1000, 1000, 1000], abs=0.01)
    assert memory.spoken("u") == 1000
    assert memory.of("u", "", 2000) == memory.of("u", "", 1000), "it was said then, and stays so"
    memory.expire(1001)
    assert memory.of("u", "", 1001) == []


def test_the_name_is_the_identity() -> None:
    service, ingress = desired.subjects(
        assessment(Outcome.Outage, verdict(Outcome.Outage)), lambda key: "uid-ingress"
    )

    def name(subject: desired.Subject, related: desired.Subject | None, notice: Notice, now: float) -> str:
        return str(events.event(subject, related, notice, now, f"pod-{now}")["metadata"]["name"])

    base = name(ingress, service, WARNING, 1)
    assert base == name(ingress, service, WARNING, 2)
    others = {
        name(ingress, service, OTHER, 1),
        name(ingress, service, NORMAL, 1),
        name(ingress, replace(service, uid="uid-2"), WARNING, 1),
        name(replace(ingress, uid="uid-2"), service, WARNING, 1),
    }
    assert base not in others
    assert len(others) == 4


def test_a_note_is_cut_at_1024_bytes_and_not_in_the_middle_of_a_character() -> None:
    cut = events.cut("é" * 600)
    assert cut == "é" * 512
    assert Standing(Key("", ""), "", "", "R", True, cut, 1, 0).says(Notice("R", True, "é" * 600))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({"reportingController": "kubelet", "regarding": {"uid": "u"}}, id="another's"),
        pytest.param({"reportingController": events.CONTROLLER}, id="about nothing"),
        pytest.param({"reportingController": events.CONTROLLER, "regarding": {"name": "x"}}, id="without a uid"),
    ],
)
def test_events_that_are_not_ours_are_passed_over(raw: dict[str, object]) -> None:
    record = decode_item(EVENT, {"metadata": {"name": "e", "namespace": "ns"}, **raw})
    assert not isinstance(record, Reject)
    assert events.standing(record) is None


def test_an_unreadable_time_is_long_ago() -> None:
    raw = {
        "metadata": {"name": "e", "namespace": "ns"},
        "reportingController": events.CONTROLLER,
        "regarding": {"uid": "u"},
        "eventTime": "yesterday",
    }
    record = decode_item(EVENT, raw)
    assert not isinstance(record, Reject)
    found = events.standing(record)
    assert found is not None
    assert found.last == 0
