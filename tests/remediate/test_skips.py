"""Which Services that etpguard leaves alone get an Event, and when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.objects import Key
from etpguard.objects.events import Event
from etpguard.remediate import reasons
from etpguard.remediate.decide import Action, Decision, decide
from etpguard.remediate.facts import Case, Round
from etpguard.remediate.pacing import Pacing
from etpguard.remediate.skips import Skips
from tests.remediate.given import NOW, assessment, case, ledger, policy, service, standing


class Stand:
    """Rounds over the same cases. Each Event takes `takes` seconds; the gate is open for `open_for` of them."""

    def __init__(self, *cases: Case, takes: float = 0.0, open_for: int = 1000) -> None:
        self.now = 0.0
        self.takes = takes
        self.open_for = open_for
        self.refused: dict[Key, str] = {}
        self.failing: set[str] = set()
        """Names of Services and namespaces whose Events cannot be sent."""
        self.tries: list[str] = []
        self.sent: list[str] = []
        self.counted = 0
        self.round = Round({given.service.key: given for given in cases}, ledger(), (), {})
        self.skips = Skips(self, self._count, 1.0, lambda: self.now, lambda failures: 10.0 * failures)

    def play(self) -> bool:
        decisions = {key: decide(given, ledger(), NOW) for key, given in self.round.cases.items()}
        return self.report(decisions)

    def report(self, decisions: dict[Key, Decision]) -> bool:
        return asyncio.run(self.skips.announce(self.round, decisions, lambda key: self.refused.get(key, ""), NOW))

    def _count(self, action: str, result: str) -> None:
        assert (action, result) == ("apply", "skipped")
        self.counted += 1

    async def announce(self, event: Event, *, once: bool = False) -> bool:
        assert once
        self.now += self.takes
        self.tries.append(event.regarding.key.name)
        if self.open_for <= 0 or {event.regarding.key.name, event.regarding.key.namespace} & self.failing:
            return False
        self.open_for -= 1
        self.sent.append(event.regarding.key.name)
        return True


def owned(name: str, namespace: str = "default", **fields: Any) -> Case:
    uid = f"uid-{name}"
    seen = replace(assessment(), uid=uid)
    made = service(name=name, namespace=namespace, uid=uid)
    return case(service=made, assessment=seen, owner="Helm release web", **fields)


def many(count: int) -> list[Case]:
    return [owned(f"web{n:02}") for n in range(count)]


def test_each_is_said_once() -> None:
    stand = Stand(*many(3))
    for _ in range(3):
        assert not stand.play()
    assert stand.sent == ["web00", "web01", "web02"]
    assert stand.counted == 3


def test_slow_events_leave_time_for_remediation() -> None:
    stand = Stand(*many(50), takes=10.0)
    assert stand.play(), "the rest follows in the next round"
    assert stand.now == 10.0
    for _ in range(49):
        stand.play()
    assert len(set(stand.sent)) == 50
    assert not stand.play()


def test_what_a_closed_gate_kept_back_is_said_later() -> None:
    stand = Stand(*many(3), open_for=1)
    stand.play()
    assert stand.sent == ["web00"]
    stand.open_for = 1000
    stand.now += 10.0
    stand.play()
    assert sorted(stand.sent) == ["web00", "web01", "web02"]
    assert stand.counted == 3


def test_a_namespace_whose_events_cannot_be_sent_keeps_back_no_other() -> None:
    stand = Stand(*(owned(f"a{n:02}", namespace="bad") for n in range(20)), owned("web"), takes=2.0)
    stand.failing = {"bad"}
    assert stand.play()
    assert stand.sent == []
    stand.play()
    assert stand.sent == ["web"]
    for _ in range(100):
        stand.now += 1.0
        stand.play()
    assert len(stand.tries) <= 6, "and it takes less and less time of the rounds"
    stand.failing.clear()
    for _ in range(100):
        stand.now += 1.0
        stand.play()
    assert len(stand.sent) == 21


def test_the_pause_of_a_namespace_grows_where_little_happens() -> None:
    stand = Stand(*(owned(f"a{n:02}", namespace="bad") for n in range(20)), takes=2.0)
    stand.failing = {"bad"}
    for _ in range(60):
        stand.play()
        stand.now += Pacing().look_again
    assert len(stand.tries) <= 20


def test_a_service_whose_event_cannot_be_sent_keeps_back_no_other_of_its_namespace() -> None:
    stand = Stand(*many(3), takes=2.0)
    stand.failing = {"web00"}
    for _ in range(20):
        stand.now += 1.0
        stand.play()
    assert stand.sent == ["web01", "web02"]


@pytest.mark.parametrize(
    ("since", "said"),
    [
        pytest.param(NOW - 300, True, id="for as long as forSeconds"),
        pytest.param(NOW - 299, False, id="for a shorter time: an update of the pods"),
        pytest.param(None, False, id="not at all: no node is uncovered"),
    ],
)
def test_a_service_that_loses_traffic_for_a_moment_is_not_named(since: float | None, said: bool) -> None:
    stand = Stand(owned("web", in_need_since=since))
    stand.play()
    assert stand.sent == (["web"] if said else [])


def test_a_refused_rollback_needs_no_dwell() -> None:
    given = standing(policy(rollbackRequests=["web"]), in_need_since=None)
    stand = Stand(given)
    key = given.service.key
    decision = decide(given, ledger(), NOW)
    assert decision.action is Action.ROLL_BACK
    stand.refused[key] = "a webhook denied it"
    stand.report({key: Decision(Action.NONE, reasons.REFUSED.because("a webhook denied it"))})
    assert stand.sent == ["web"]
