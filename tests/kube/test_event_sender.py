"""Creating an Event, or bumping the one that exists; the API server is a script."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from etpguard.kube.errors import ApiError
from etpguard.kube.event_sender import EventSender
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, Key
from etpguard.objects.events import Event, EventRecord, ObjectRef
from tests.kube.fake_api import Call, FakeApi, failure, ok

EVENT = Event(
    regarding=ObjectRef(SERVICE, Key("ns", "web"), "uid"), reason="RemediationSkipped", warning=False, note="x"
)


class Events:
    """An API server that keeps Events by name."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.refuse: tuple[int, str] | None = None
        self.api = FakeApi(self._answer)
        writer = Writer(self.api, sleep=lambda seconds: asyncio.sleep(0))
        self.sender = EventSender(writer, "pod-1", lambda: 1000.0)

    @property
    def sent(self) -> list[str]:
        return [call.method for call in self.api.calls]

    def _answer(self, call: Call) -> Any:
        if self.refuse:
            return failure(*self.refuse)
        name = call.path.rpartition("/")[2]
        match call.method:
            case "POST" if call.body["metadata"]["name"] in self.stored:
                return failure(409, "AlreadyExists")
            case "POST":
                name = call.body["metadata"]["name"]
                self.stored[name] = call.body
            case _ if name not in self.stored:
                return failure(404, "NotFound")
            case "PATCH":
                self.stored[name] = {**self.stored[name], **call.body}
        return ok(self.stored[name])


def test_an_event_is_created_and_one_that_exists_is_read() -> None:
    events = Events()
    created = asyncio.run(events.sender.create(EVENT))
    existing = asyncio.run(events.sender.create(EVENT))
    assert isinstance(created, EventRecord)
    assert created == existing
    assert events.sent == ["POST", "POST", "GET"]
    assert events.stored[EVENT.key.name]["reportingInstance"] == "pod-1"


def test_a_bump_sets_the_count_and_none_is_one_that_expired() -> None:
    events = Events()
    assert asyncio.run(events.sender.bump(EVENT.key, 2)) is None
    asyncio.run(events.sender.create(EVENT))
    bumped = asyncio.run(events.sender.bump(EVENT.key, 2))
    assert bumped is not None
    assert bumped.series is not None
    assert (bumped.series.count, bumped.series.last_observed_time) == (2, "1970-01-01T00:16:40.000000Z")


@pytest.mark.parametrize(
    ("once", "count"), [pytest.param(False, 3, id="counted"), pytest.param(True, None, id="said once")]
)
def test_what_is_announced_again(once: bool, count: int | None) -> None:
    """By the same leader, or by each of three."""
    events = Events()
    for _ in range(3):
        asyncio.run(events.sender.announce(EVENT, once=once))
    series = events.stored[EVENT.key.name].get("series")
    assert (series and series["count"]) == count


def test_an_event_that_cannot_be_sent_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    events = Events()
    events.refuse = (403, "Forbidden")
    asyncio.run(events.sender.announce(EVENT))
    assert "cannot send Event RemediationSkipped" in caplog.text
    with pytest.raises(ApiError):
        asyncio.run(events.sender.create(EVENT))
    with pytest.raises(ApiError):
        asyncio.run(events.sender.bump(EVENT.key, 2))


@pytest.mark.parametrize(
    ("refuse", "again"),
    [
        pytest.param((503, "ServiceUnavailable"), True, id="a fault that may pass"),
        pytest.param((403, "Forbidden"), False, id="a refusal"),
        pytest.param(None, False, id="sent"),
    ],
)
def test_what_is_said_once_is_tried_once_and_the_caller_learns_whether_to_try_again(
    refuse: tuple[int, str] | None, again: bool
) -> None:
    events = Events()
    events.refuse = refuse
    assert asyncio.run(events.sender.announce(EVENT, once=True)) is not again
    assert events.sent == ["POST"]


def test_a_closed_gate_is_a_reason_to_try_again() -> None:
    sender = EventSender(Writer(FakeApi(lambda call: ok()), stale=lambda: "old"), "pod", lambda: 0.0)
    assert not asyncio.run(sender.announce(EVENT, once=True))


def test_an_answer_that_is_no_event() -> None:
    sender = EventSender(Writer(FakeApi(lambda call: ok({"kind": "Surprise"}))), "pod", lambda: 0.0)
    assert asyncio.run(sender.create(EVENT)) is None
