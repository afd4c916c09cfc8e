"""When the condition of a Service is written; the API server is a script."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from etpguard.assess import Assessment, Outcome
from etpguard.cluster import Picture
from etpguard.kube.own_writes import OwnWrites
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, Key, decode_item
from etpguard.publish.conditions import ConditionPublisher
from etpguard.publish.debounce import Debounce
from etpguard.publish.worker import Write
from etpguard.report.service_condition import CONDITION, INTERNAL_CONDITION
from tests.kube.fake_api import Call, FakeApi, ok
from tests.publish.given import KEY, assessment, verdict

O = Outcome  # noqa: E741

BLACKHOLE = assessment(O.Blackhole, verdict(O.Blackhole))
COVERED = assessment(O.Covered, verdict(O.Covered, uncovered=0), uncovered=0)


class Given:
    """One Service, with the conditions that were written to it. `shared`: another manager owns them too."""

    def __init__(self, shared: bool = False) -> None:
        self.now = 1000.0
        self.shared = shared
        self.version = 5
        self.policy = "Local"
        self.records_unread = False
        self.conditions: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.recovered: list[tuple[str, str]] = []
        self.picture = Picture([SERVICE])
        self.debounce: Debounce[Key] = Debounce(30, 5)
        self.internal_debounce: Debounce[Key] = Debounce(30, 5)
        clock = lambda: self.now  # noqa: E731
        self.published = ConditionPublisher(
            Writer(FakeApi(self._answer), clock=clock),
            OwnWrites(self.picture),
            {CONDITION: self.debounce, INTERNAL_CONDITION: self.internal_debounce},
            60,
            lambda uid, type_, reason: self.recovered.append((uid, reason)),
            clock,
            clock,
            lambda: self.records_unread,
        )
        self.shown()

    def body(self) -> dict[str, Any]:
        metadata = {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": str(self.version)}
        spec = {"externalTrafficPolicy": self.policy}
        return {"metadata": metadata, "spec": spec, "status": {"conditions": self.conditions}}

    def shown(self, **metadata: str) -> None:
        body = self.body()
        body["metadata"] |= metadata
        self.picture.store(SERVICE).replace([decode_item(SERVICE, body)])

    def look(self, assessed: Assessment | None) -> Write | None:
        self.debounce.observe(KEY, assessed, self.now)
        return self.published.look(KEY, assessed, self.now)

    def send(self, assessed: Assessment | None) -> None:
        write = self.look(assessed)
        assert write is not None
        self.now = max(self.now, write.due)
        again = self.look(assessed)
        assert again is not None
        asyncio.run(again.send())  # type: ignore[arg-type]
        self.shown()

    def _answer(self, call: Call) -> Any:
        self.version += 1
        self.requests.append(call.content_type.removeprefix("application/").partition("+")[0])
        body = json.loads(call.body) if isinstance(call.body, str) else call.body
        if isinstance(body, list):
            self.conditions = []
        elif wanted := body["status"].get("conditions"):
            self.conditions = wanted
        elif not self.shared:
            self.conditions = []
        return ok(self.body())


@pytest.mark.parametrize(
    ("assessed", "seconds"), [pytest.param(COVERED, 30, id="held"), pytest.param(BLACKHOLE, 5, id="urgent")]
)
def test_a_condition_is_due_after_its_hold(assessed: Assessment, seconds: float) -> None:
    write = Given().look(assessed)
    assert write is not None
    assert write.due == 1000 + seconds


def test_what_is_written_is_not_written_again() -> None:
    given = Given()
    given.send(BLACKHOLE)
    assert given.conditions[0]["reason"] == "Blackhole"
    assert given.conditions[0]["lastTransitionTime"] == "1970-01-01T00:16:45Z", "the injected clock"
    assert given.look(BLACKHOLE) is None


def test_writes_to_one_service_are_spaced_and_a_recovery_is_noted() -> None:
    given = Given()
    given.send(BLACKHOLE)
    given.now += 20
    write = given.look(COVERED)
    assert write is not None
    assert write.due == 1005 + 60
    assert given.recovered == []
    given.send(COVERED)
    assert given.recovered == [("u", "Blackhole")]


@pytest.mark.parametrize(
    ("shared", "requests"),
    [
        pytest.param(False, ["apply-patch"], id="ours alone"),
        pytest.param(True, ["apply-patch", "json-patch"], id="another manager's too"),
    ],
)
def test_it_is_removed_whichever_manager_owns_it(shared: bool, requests: list[str]) -> None:
    given = Given(shared)
    given.send(BLACKHOLE)
    given.requests.clear()
    given.send(None)
    assert given.conditions == []
    assert given.requests == requests


@pytest.mark.parametrize(
    ("policy", "unread", "stays"),
    [
        pytest.param("Cluster", True, True, id="it may be remediated: the record is not read"),
        pytest.param("Cluster", False, False, id="there is no record"),
        pytest.param("Local", True, False, id="Local: it is not remediated"),
    ],
)
def test_it_stays_while_the_record_of_a_remediation_is_not_read(policy: str, unread: bool, stays: bool) -> None:
    given = Given()
    given.send(BLACKHOLE)
    given.policy, given.records_unread = policy, unread
    given.version += 1
    given.shown()
    assert (given.look(None) is None) is stays


def test_a_service_that_goes_away_gets_none() -> None:
    given = Given()
    given.send(BLACKHOLE)
    given.version += 1
    given.shown(deletionTimestamp="2026-01-01T00:00:00Z")
    assert given.look(COVERED) is None
    assert given.published._written == {}


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    given = Given()
    given.send(BLACKHOLE)
    given.published.retain(())
    assert given.published._written == {}
