"""What a policy's status says of whether anything may be changed now."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess import Outcome, Reason
from etpguard.assess.consumers.families.clouds import exoscale
from etpguard.objects.policies import Budget, CoveragePolicy
from etpguard.remediate import reasons
from etpguard.remediate.decide import Action, Decision, decide
from etpguard.remediate.facts import Ledger, Round, Share
from etpguard.remediate.status import policy_status
from tests.assess.consumers.worlds import endpoints, nodes, port, world
from tests.assess.consumers.worlds import service as exposed_service
from tests.remediate.given import NOW, POLICY_UID, accepting, assessment, case, ledger, policy

FREEZE = {"services": "0", "perSeconds": 600, "schedule": "* * * * *", "durationSeconds": 3600}
FUTURE = {"services": "0", "perSeconds": 600, "schedule": "0 0 1 1 *", "durationSeconds": 60}


def status(of: CoveragePolicy, given: Ledger) -> dict[str, Any]:
    key = case().service.key
    return policy_status(of, Round({key: case(of)}, given, (of,), {POLICY_UID: (key,)}), {}, NOW)


def test_a_service_without_endpoints_is_not_uncovered() -> None:
    key = case().service.key
    counts = []
    for outcome in (Outcome.Blackhole, Outcome.NoEndpoints):
        found = case(policy())
        assert found.assessment is not None
        found = dataclasses.replace(found, assessment=replace(found.assessment, outcome=outcome))
        made = policy_status(policy(), Round({key: found}, ledger(), (policy(),), {POLICY_UID: (key,)}), {}, NOW)
        counts.append(made["uncoveredServices"])
    assert counts == [1, 0]


@pytest.mark.parametrize(
    ("given", "sums", "allowed", "reason"),
    [
        pytest.param(policy(), ledger(), 1, "Enforce", id="nothing spent"),
        pytest.param(policy(mode="DryRun"), ledger(), 0, "DryRun", id="dry run"),
        pytest.param(policy(mode="Observe"), ledger(), 0, "Observe", id="observe"),
        pytest.param(policy(suspend=True), ledger(), 0, "Suspended", id="suspended"),
        pytest.param(policy(pauseRequests=["move"]), ledger(), 0, "Paused", id="paused"),
        pytest.param(policy(), ledger(blind=Reason("PictureNotFresh")), 0, "PictureNotFresh", id="blind"),
        pytest.param(policy(), ledger(applied={POLICY_UID: (NOW - 5,)}), 0, "BudgetExhausted", id="spent"),
        pytest.param(policy(), ledger(applied={"": (NOW - 5,)}), 0, "BudgetExhausted", id="the operator's spent"),
        pytest.param(policy(), ledger(budget=Budget(services="0")), 0, "BudgetExhausted", id="it allows none"),
        pytest.param(
            policy(remediation=accepting(budgets=[{"services": "5", "perSeconds": 600}])),
            ledger(budget=Budget(services="9"), applied={POLICY_UID: (NOW - 5,), "": (NOW - 5,)}),
            4,
            "Enforce",
            id="one of five spent",
        ),
        pytest.param(
            policy(remediation=accepting(budgets=[{"services": "5"}, FREEZE])),
            ledger(budget=Budget(services="9")),
            0,
            "BudgetExhausted",
            id="a freeze is in force",
        ),
        pytest.param(
            policy(remediation=accepting(budgets=[{"services": "5"}, FUTURE])),
            ledger(budget=Budget(services="9")),
            5,
            "Enforce",
            id="a freeze is not in force",
        ),
        pytest.param(
            policy(), ledger(shares={POLICY_UID: Share(5, 10), "": Share(1, 99)}), 0, "TooManyAffected", id="storm"
        ),
        pytest.param(
            policy(),
            ledger(shares={POLICY_UID: Share(1, 10), "": Share(50, 99)}),
            0,
            "TooManyAffected",
            id="everywhere",
        ),
        pytest.param(
            policy(),
            ledger(shares={POLICY_UID: Share(1, 10, NOW - 9), "": Share(1, 10)}),
            0,
            "StormCooldown",
            id="a storm a short while ago",
        ),
        pytest.param(
            policy(),
            ledger(shares={POLICY_UID: Share(1, 10), "": Share(1, 10, NOW - 9)}),
            0,
            "StormCooldown",
            id="one everywhere",
        ),
        pytest.param(
            policy(),
            ledger(shares={POLICY_UID: Share(1, 10, NOW - 600), "": Share(1, 10)}),
            1,
            "Enforce",
            id="a storm that is over",
        ),
    ],
)
def test_whether_anything_may_be_changed(given: CoveragePolicy, sums: Ledger, allowed: int, reason: str) -> None:
    made = status(given, sums)
    (condition,) = (c for c in made["conditions"] if c["type"] == "RemediationAllowed")
    assert (made["remediationsAllowed"], condition["reason"]) == (allowed, reason)
    assert (condition["status"] == "True") is (reason in ("Enforce", "DryRun"))


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        pytest.param(
            {POLICY_UID: Share(5, 10), "": Share(1, 99)},
            "5 of 10 Services of the policy need remediation, more than 40% (triggerIf)",
            id="the policy's",
        ),
        pytest.param(
            {POLICY_UID: Share(1, 10), "": Share(50, 99)},
            "50 of 99 Services with Local need remediation, more than 40% (--breaker)",
            id="the operator's",
        ),
        pytest.param(
            {POLICY_UID: Share(1, 10), "": Share(1, 10, NOW)},
            "more Services with Local needed remediation recently than 40% (--breaker); wait until ",
            id="a short while ago",
        ),
    ],
)
def test_the_condition_says_which_breaker_is_open_and_of_what_it_is_a_share(
    shares: dict[str, Share], message: str
) -> None:
    made = status(policy(), ledger(shares=shares))
    (condition,) = (c for c in made["conditions"] if c["type"] == "RemediationAllowed")
    assert condition["message"].startswith(message)


def test_an_open_breaker_has_a_message_that_does_not_change() -> None:
    """Its numbers change from second to second, and the page tells a reader to print the message."""
    key = case().service.key
    round_ = Round({key: case(policy())}, ledger(), (policy(),), {POLICY_UID: (key,)})
    messages = []
    for numbers in ("5 of 10", "6 of 10"):
        decided = Decision(Action.NONE, reasons.TOO_MANY_AFFECTED.because(numbers))
        [excluded] = policy_status(policy(), round_, {key: decided}, NOW)["excluded"]
        messages.append(excluded["message"])
    assert len(set(messages)) == 1
    assert messages[0].endswith("; the condition RemediationAllowed has the numbers")


def test_the_longest_step_is_there_to_its_end() -> None:
    annotations = {exoscale.MODE: "http", exoscale.URI: "/" + "a" * 100}
    exposed = exposed_service(annotations=annotations, ports=[port(number=80)], ingress=[{"ip": "203.0.113.7"}])
    consumer = world(exposed, endpoints("a"), *nodes("exoscale")).consumer().consumer
    (verdict,) = assessment().consumers
    seen = replace(assessment(), consumers=(replace(verdict, consumer=consumer),))
    found = case(policy(), assessment=seen)
    key = found.service.key
    round_ = Round({key: found}, ledger(), (policy(),), {POLICY_UID: (key,)})
    made = policy_status(policy(), round_, {key: decide(found, ledger(), NOW)}, NOW)
    [excluded] = made["excluded"]
    assert excluded["reason"] == "HealthCheckWouldFail"
    assert excluded["message"].endswith("passes on every node")
