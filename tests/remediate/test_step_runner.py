"""How the loop handles a step that fails: whose fault it is, what it reports, and when it tries the step again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cronsim import CronSimError

from etpguard.kube.errors import ApiError
from etpguard.kube.failures import Failures
from etpguard.kube.verbs import Request
from etpguard.kube.writes import NotNow
from etpguard.objects import Key
from etpguard.objects.events import Event
from etpguard.remediate import controller
from etpguard.remediate.controller import RemediationController
from etpguard.remediate.decide import Decision, decide
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.errors import Changed, Refused
from etpguard.remediate.execute import Disagreement
from etpguard.remediate.facts import Case, Ledger, Round
from etpguard.remediate.other_network_policies import OtherNetworkPolicies
from etpguard.remediate.pacing import Pacing
from etpguard.remediate.round_time import RoundTime
from etpguard.remediate.step_runner import StepRunner
from tests.remediate.given import NOW, POLICY_UID, case, ledger, policy, service, standing

STALE = NotNow("the list of nodes is old", 0.5)
PAUSED = NotNow("patch services is paused", 200.0)
FORBIDDEN = NotNow("may not patch services", 60.0, refusal=True)
DENIED = Refused("a webhook denied the request")
SILENCE = ApiError(0, "Timeout", "no answer within 2 s")
LOCKED = ApiError(423, "Locked", "a webhook denied the way back")
FIRST = Pacing().backoff.first


def _round(found: Round) -> Generator[None, None, Round]:
    yield
    return found


class Loop:
    """The loop over one case; each step ends as the next of `outcomes` says: raised, or "" for done."""

    def __init__(self, given: Case, *outcomes: Exception | str) -> None:
        self.outcomes = list(outcomes)
        self.tries: list[float] = []
        self.events: list[tuple[str, str]] = []
        self.counted: list[tuple[str, str]] = []
        self.statuses: list[dict[str, Any]] = []
        self._now = NOW
        key = given.service.key
        whose = given.recorded_policy or (given.governing and given.governing.deciding)
        assert whose
        round_ = Round({key: given}, ledger(), (whose,), {POLICY_UID: (key,)})
        cases = SimpleNamespace(steps=lambda *args: _round(round_), known=lambda key: True, lost=list)
        history = SimpleNamespace(interrupt=lambda key, to: None)
        self._remediator = RemediationController(
            cast(Any, SimpleNamespace(closed=lambda: None, write=self._write)),
            cast(Any, SimpleNamespace(remember_all=self._none, other_network_policies=self._no_kinds)),
            cast(Any, cases),
            cast(Any, history),
            cast(Any, SimpleNamespace(carry_out=self._carry_out)),
            OtherNetworkPolicies(()),
            stale=lambda: None,
            announcer=self,
            term=lambda: 1,
            count=lambda action, result: self.counted.append((action, result)),
            clock=lambda: self._now,
            wall=RoundTime(lambda: self._now, lambda: self._now),
        )

    def take_for(self, seconds: float) -> None:
        """Each round takes so long to gather its facts."""
        gatherer: Any = self._remediator._gatherer
        plain: Callable[..., Generator[None, None, Round]] = gatherer.steps

        def steps(*args: Any) -> Generator[None, None, Round]:
            self._now += seconds
            return plain(*args)

        gatherer.steps = steps

    def play(self) -> None:
        """Runs rounds, each when the one before asks for it, until every outcome occurred and is reported."""

        async def rounds() -> None:
            while self.outcomes:
                self._now += await self._remediator.round()

        asyncio.run(rounds())

    @property
    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.tries, self.tries[1:], strict=False)]

    @property
    def excluded(self) -> list[dict[str, Any]]:
        """As last written into the policy's status."""
        return cast(list[dict[str, Any]], self.statuses[-1]["excluded"])

    async def _no_kinds(self) -> list[tuple[str, str]]:
        return []

    async def _none(self) -> None:
        """There is no record to remember."""

    async def _write(self, request: Request, *, attempts: int) -> dict[str, Any]:
        self.statuses.append(request.body["status"])
        return {"metadata": {}}

    async def _carry_out(self, *args: Any) -> str:
        self.tries.append(self._now)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def announce(self, event: Event, *, once: bool = False) -> bool:
        self.events.append((event.reason, event.note))
        return True


@pytest.mark.parametrize(
    ("took", "pause"),
    [
        pytest.param(0.01, 1.0, id="a small cluster"),
        pytest.param(0.5, 5.0, id="a large cluster"),
        pytest.param(60.0, 30.0, id="the machine stood still"),
    ],
)
def test_the_pause_after_a_round_leaves_time_for_others_and_is_not_endless(took: float, pause: float) -> None:
    loop = Loop(case(), "")
    loop.take_for(took)
    asyncio.run(loop._remediator.round())
    assert loop._remediator._settle == pytest.approx(pause)


def test_a_standby_looks_after_a_change_and_once_it_leads() -> None:
    """Not all the time: a round over a large cluster takes a while."""
    loop = Loop(case(), "")
    remediator: Any = loop._remediator
    remediator._pacing = Pacing(settle=0.02, look_again=60.0)
    closed: list[str | None] = ["not the leader"]
    remediator._writer.closed = lambda: closed[0]
    rounds = 0
    plain = remediator._gatherer.steps

    def steps(*args: Any) -> Generator[None, None, Round]:
        nonlocal rounds
        rounds += 1
        return cast(Generator[None, None, Round], plain(*args))

    remediator._gatherer.steps = steps

    async def scene() -> None:
        stop = asyncio.Event()
        remediator._settle = 0.02
        running = asyncio.create_task(remediator.run(stop))
        await asyncio.sleep(0.5)
        assert rounds == 1
        remediator.offer({}, [])
        await asyncio.sleep(0.3)
        assert rounds == 2
        assert not loop.tries
        closed[0] = None
        async with asyncio.timeout(30):
            while not loop.tries:  # noqa: ASYNC110  polls what the code under test changes
                await asyncio.sleep(0.02)
        stop.set()
        await running

    asyncio.run(scene())


def test_a_step_that_fails_as_nobody_foresaw_is_postponed_like_any_other_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = Loop(case(), ZeroDivisionError("one"), ZeroDivisionError("one"), "")
    loop.play()
    assert loop.pauses == pytest.approx([FIRST, 2 * FIRST])
    assert [r.exc_info is not None for r in caplog.records if "ZeroDivisionError: one" in r.message] == [True]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(ValueError("year 10000"), "Undecidable", id="a value of a policy"),
        pytest.param(CronSimError("Bad day"), "Undecidable", id="a schedule"),
        pytest.param(KeyError("x"), "DecisionFailed", id="a fault of etpguard"),
    ],
)
def test_who_is_to_blame_where_no_decision_is_made(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> Decision:
        raise error

    monkeypatch.setattr(controller, "decide", fail)
    loop = Loop(case())
    asyncio.run(loop._remediator.round())
    asyncio.run(loop._remediator.round())
    assert not loop.tries
    assert [each["reason"] for each in loop.excluded] == [reason]


def test_a_gate_that_closes_meanwhile_is_not_the_objects_fault() -> None:
    loop = Loop(case(), DENIED, STALE, STALE, DENIED)
    loop.play()
    assert loop.pauses == pytest.approx([FIRST, 1, 1])
    [(_, note)] = loop.events
    assert note.startswith("Refused: could not apply: a webhook denied the request. What to do: ")
    assert loop.counted == [("apply", "skipped")]


def test_a_pause_that_the_api_server_asks_for_is_kept_and_is_no_failure() -> None:
    loop = Loop(case(), PAUSED, PAUSED, DENIED, DENIED)
    loop.play()
    assert loop.pauses == pytest.approx([200, 200, FIRST], abs=31)
    assert loop.pauses[0] >= 200
    [(reason, note)] = loop.events
    assert reason == "RemediationSkipped"
    assert note.startswith("Refused: could not apply: a webhook denied the request. What to do: ")


def test_a_gate_that_closes_is_never_reported() -> None:
    loop = Loop(case(), STALE, STALE, STALE)
    loop.play()
    assert loop.events == []
    assert loop.pauses == pytest.approx([1, 1])


def test_silence_postpones_and_is_not_reported_as_a_refusal() -> None:
    loop = Loop(case(), SILENCE, SILENCE, SILENCE)
    loop.play()
    assert loop.pauses == pytest.approx([FIRST, 2 * FIRST])
    assert loop.events == []


def test_a_known_refusal_postpones_and_is_reported() -> None:
    loop = Loop(case(), FORBIDDEN, FORBIDDEN, FORBIDDEN)
    loop.play()
    assert loop.pauses == pytest.approx([FIRST, 2 * FIRST])
    [(reason, note)] = loop.events
    assert reason == "RemediationSkipped"
    assert note.startswith("Refused: could not apply: may not patch services. What to do: ")


@pytest.mark.parametrize(
    "between", [pytest.param(Changed("the Service"), id="changed"), pytest.param(Disagreement("x"), id="differs")]
)
def test_a_refusal_is_announced_once_whatever_comes_between(between: Exception) -> None:
    loop = Loop(case(), DENIED, DENIED, between, DENIED, between, DENIED)
    loop.play()
    assert len(loop.events) == 1


def test_after_a_success_a_refusal_is_announced_again() -> None:
    loop = Loop(case(), DENIED, DENIED, "applied", DENIED, DENIED)
    loop.play()
    assert len(loop.events) == 2


@pytest.mark.parametrize("mode", ["Enforce", "Observe"])
def test_a_refused_rollback_is_in_the_status_and_in_the_event(mode: str) -> None:
    loop = Loop(standing(policy(mode=mode, rollbackRequests=["web"])), LOCKED, LOCKED)
    loop.play()
    [entry] = loop.excluded
    assert (entry["name"], entry["reason"]) == ("web", "Refused")
    assert entry["message"].startswith("could not roll back: ")
    [(_, note)] = loop.events
    assert note.startswith("Refused: could not roll back: ")
    assert "a webhook denied the way back" in note


def test_the_service_that_has_been_in_need_for_longest_is_remediated_first() -> None:
    tried: list[Key] = []

    async def carry_out(given: Case, decision: Decision, ledger_: Ledger) -> str:
        tried.append(given.service.key)
        return ""

    first, second = Key("a-tenant", "web"), Key("b-tenant", "web")
    cases = {
        first: case(service=service(namespace="a-tenant"), in_need_since=NOW - 400),
        second: case(service=service(namespace="b-tenant"), in_need_since=NOW - 500),
    }
    runner = StepRunner(
        cast(Any, SimpleNamespace(known=lambda key: True)),
        DwellHistory(),
        cast(Any, SimpleNamespace(carry_out=carry_out)),
        Failures(),
        Pacing(),
        lambda: NOW,
    )
    decisions = {key: decide(given, ledger(), NOW) for key, given in cases.items()}
    assert asyncio.run(runner.run_next(Round(cases, ledger(), (), {}), decisions))
    assert tried == [second]
