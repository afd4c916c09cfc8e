"""Every rule of the decision, each as a named case."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess import Outcome, Reason
from etpguard.objects import Revert
from etpguard.objects.policies import Budget
from etpguard.remediate.decide import Action, decide
from etpguard.remediate.facts import Case, Ledger, Share
from tests.remediate.given import (
    NOW,
    POLICY_UID,
    accepting,
    assessment,
    case,
    changed,
    ledger,
    policy,
    record,
    service,
    standing,
)


def at(seconds_ago: float) -> str:
    return datetime.fromtimestamp(NOW - seconds_ago, UTC).isoformat().replace("+00:00", "Z")


BEGUN = record("RollingBack", message="Covered: the Service would be covered under Local")
OWNED: dict[str, Any] = {"ownerReferences": [{"kind": "Shop", "name": "one", "uid": "1", "controller": True}]}
LIKED: dict[str, Any] = {"ownerReferences": [{"kind": "Shop", "name": "one", "uid": "1"}]}
SKIPPED: dict[str, Any] = {"annotations": {"etpguard.dev/skip-remediation": "true"}}
NOT_SKIPPED: dict[str, Any] = {"annotations": {"etpguard.dev/skip-remediation": "false"}}
WHEN_COVERED: dict[str, Any] = {"rollback": {"mode": "WhenCovered"}}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(case(governing=None), "NoPolicy", id="no policy"),
        pytest.param(
            case(governing=None, remediation=record("RolledBackByUser", held_for=f"{POLICY_UID}@1")),
            "NoPolicy",
            id="no policy any more, after a person restored Local",
        ),
        pytest.param(case(service=service(deletionTimestamp="2026-01-01T00:00:00Z")), "Deleting", id="deleting"),
        pytest.param(case(namespace_terminating=True), "NamespaceTerminating", id="terminating namespace"),
        pytest.param(case(namespace_unread=True), "NamespaceUnreadable", id="namespaces unread"),
        pytest.param(case(service=service(**OWNED)), "Controlled", id="controlled by another"),
        pytest.param(case(assessment=None), "NotLocal", id="not assessed"),
        pytest.param(case(assessment=replace(assessment(), uid="old")), "Changed", id="another uid"),
        pytest.param(case(service=service("Cluster")), "Changed", id="policy changed since"),
        pytest.param(case(behind=True), "Behind", id="the picture is behind our own write"),
        pytest.param(case(assessment=assessment(Outcome.NoEndpoints)), "OutcomeNeverRemediated", id="NoEndpoints"),
        pytest.param(case(assessment=assessment(Outcome.NoTargets)), "OutcomeNeverRemediated", id="NoTargets"),
        pytest.param(case(assessment=assessment(Outcome.Unknown)), "OutcomeNeverRemediated", id="Unknown"),
        pytest.param(case(assessment=assessment(pinned=True)), "HealthCheckPinned", id="pinned health check"),
        pytest.param(
            case(assessment=assessment(fails="asks / of the pods by HTTP")),
            "HealthCheckWouldFail",
            id="a health check that would fail",
        ),
        pytest.param(case(probed_by="the health check of x asks it"), "ProbedByOthers", id="probed by others"),
        pytest.param(case(service=service(**SKIPPED)), "SkipAnnotation", id="skip annotation"),
        pytest.param(case(policy(rollbackRequests=["web"])), "RollbackRequested", id="rollback requested"),
        pytest.param(
            case(policy(remediation=accepting(budgets=[{"timeZone": "Mars/Olympus", "schedule": "* * * * *"}]))),
            "Invalid",
            id="unknown time zone",
        ),
        pytest.param(case(policy(suspend=True)), "Suspended", id="suspended"),
        pytest.param(case(policy(pauseRequests=["move"])), "Paused", id="pause request"),
        pytest.param(case(policy(serviceTypes=["LoadBalancer"])), "TypeNotSelected", id="type"),
        pytest.param(case(policy(unhealthyWhen={"outcomes": ["Outage"]})), "OutcomeNotSelected", id="outcome"),
        pytest.param(case(policy(unhealthyWhen={"uncoveredNodes": "100%"})), "TooFewUncovered", id="too few"),
        pytest.param(
            case(policy(unhealthyWhen={"uncoveredNodes": "67%"})), "TooFewUncovered", id="two of three are 66.7 %"
        ),
        pytest.param(
            case(policy(serviceSelector={"matchExpressions": [{"key": "tier", "operator": "NotIn"}]})),
            "Invalid",
            id="a selector without values",
        ),
        pytest.param(case(policy(remediation={})), "SourceIPLossRefused", id="source IP loss"),
        pytest.param(case(owner="Helm release web"), "GitOpsOwned", id="owned by a tool"),
        pytest.param(case(network_policy="admits by address"), "NetworkPolicy", id="network policy"),
        pytest.param(
            case(remediation=record("RolledBackByUser", held_for=f"{POLICY_UID}@1")),
            "RolledBackByUser",
            id="held off by a person",
        ),
        pytest.param(
            case(remediation=record("Reverted", reverts=(Revert(at(60), "argocd-controller"),))),
            "Drift",
            id="reverted by a tool within the window",
        ),
        pytest.param(case(in_need_since=NOW - 299), "DwellTime", id="a second short of the dwell"),
        pytest.param(case(in_need_since=None), "DwellTime", id="just in need"),
    ],
)
def test_refused(given: Case, reason: str) -> None:
    decision = decide(given, ledger(), NOW)
    assert (decision.action, decision.reason.code) == (Action.NONE, reason)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(case(), id="in need for long"),
        pytest.param(case(in_need_since=NOW - 300), id="the dwell is over to the second"),
        pytest.param(case(policy(unhealthyWhen={"uncoveredNodes": "66%"})), id="two of three are more than 66 %"),
        pytest.param(case(assessment=assessment(uncovered=0b100)), id="one uncovered node is enough by default"),
        pytest.param(case(service=service(**LIKED)), id="an owner that is no controller"),
        pytest.param(case(service=service(**NOT_SKIPPED)), id="skip annotation says false"),
        pytest.param(
            case(policy(remediation=accepting(gitOpsOwned="Patch")), owner="Helm release web"), id="owned: Patch"
        ),
        pytest.param(
            case(policy(remediation=accepting(networkPolicy="Ignore")), network_policy="x"), id="ipBlock: Ignore"
        ),
        pytest.param(
            case(remediation=record("RolledBackByUser", held_for=f"{POLICY_UID}@0")), id="the policy changed since"
        ),
        pytest.param(
            case(remediation=record("Reverted", reverts=(Revert(at(86401), "helm"),))), id="reverted long ago"
        ),
        pytest.param(
            case(remediation=record("RolledBackByUser", service_uid="old", held_for=f"{POLICY_UID}@1")),
            id="a person overruled it for another Service of that name",
        ),
    ],
)
def test_due(given: Case) -> None:
    decision = decide(given, ledger(), NOW)
    assert decision.action is Action.APPLY, decision
    assert decision.policy is not None
    assert decision.policy.name == "opt-in"


DRY = policy(mode="DryRun")


@pytest.mark.parametrize(
    ("given", "action", "reason"),
    [
        pytest.param(standing(), Action.NONE, "Applied", id="manual rollback: it stays"),
        pytest.param(
            standing(policy(rollbackRequests=["default/web"])),
            Action.ROLL_BACK,
            "RollbackRequested",
            id="asked for",
        ),
        pytest.param(
            standing(policy("other", rollbackRequests=["web"]), policy()),
            Action.ROLL_BACK,
            "RollbackRequested",
            id="asked for in another policy that governs it",
        ),
        pytest.param(
            standing(recorded_policy=None, governing=None, remediation=record(on_delete="Revert")),
            Action.ROLL_BACK,
            "PolicyDeleted",
            id="policy gone: Revert",
        ),
        pytest.param(
            standing(policy("other"), remediation=record(on_delete="Revert")),
            Action.NOTE_POLICY,
            "Applied",
            id="policy gone, and another one keeps Cluster: a new name",
        ),
        pytest.param(
            standing(
                policy("other", remediation=accepting(budgets=[{"timeZone": "Mars/Olympus"}])),
                remediation=record(on_delete="Revert"),
            ),
            Action.NOTE_POLICY,
            "Applied",
            id="policy gone, and the one that keeps Cluster has a mistake",
        ),
        pytest.param(
            standing(policy("dry", mode="DryRun"), policy("other"), remediation=record(on_delete="Revert")),
            Action.NOTE_POLICY,
            "Applied",
            id="policy gone, and of two others one keeps Cluster",
        ),
        pytest.param(
            standing(policy("other"), remediation=record("Applying", on_delete="Revert")),
            Action.APPLY,
            "Applying",
            id="policy gone before the end of the remediation",
        ),
        pytest.param(
            standing(policy("other", mode="DryRun"), remediation=record(on_delete="Revert")),
            Action.ROLL_BACK,
            "PolicyDeleted",
            id="policy gone, and the other one changes nothing",
        ),
        pytest.param(
            standing(policy("other", remediation={}), remediation=record(on_delete="Revert")),
            Action.ROLL_BACK,
            "PolicyDeleted",
            id="policy gone, and the other one refuses Cluster",
        ),
        pytest.param(
            standing(policy("other", serviceTypes=["LoadBalancer"]), remediation=record(on_delete="Revert")),
            Action.ROLL_BACK,
            "PolicyDeleted",
            id="policy gone, and the other one is for another type",
        ),
        pytest.param(
            standing(
                policy("other", rollback={"mode": "WhenCovered"}),
                remediation=record(on_delete="Revert"),
                covered_since=NOW - 1800,
            ),
            Action.NOTE_POLICY,
            "Applied",
            id="policy gone, and covered for long enough by the other one: first its name",
        ),
        pytest.param(
            standing(
                policy("other"), remediation=record("RollingBack", on_delete="Revert", message="PolicyDeleted")
            ),
            Action.WITHDRAW,
            "Applied",
            id="begun for a deleted policy, and another one keeps Cluster",
        ),
        pytest.param(
            standing(
                recorded_policy=None,
                governing=None,
                remediation=record(on_delete="Revert"),
                orphaned_until=NOW + 1,
            ),
            Action.NONE,
            "Applied",
            id="policy gone a moment ago",
        ),
        pytest.param(standing(recorded_policy=None, governing=None), Action.NONE, "Kept", id="policy gone: Keep"),
        pytest.param(standing(governing=None, recorded_policy=policy()), Action.NONE, "Kept", id="ungoverned"),
        pytest.param(standing(policy(suspend=True)), Action.NONE, "Suspended", id="suspended"),
        pytest.param(standing(service=service("")), Action.ROLL_BACK, "NotLocal", id="type without the policy"),
        pytest.param(
            standing(policy(mode="DryRun", **WHEN_COVERED), covered_since=NOW - 1800),
            Action.NONE,
            "Applied",
            id="a dry run takes nothing back",
        ),
        pytest.param(
            standing(
                policy(remediation=accepting(budgets=[{"timeZone": "Mars/Olympus"}]), **WHEN_COVERED),
                covered_since=NOW - 1800,
            ),
            Action.NONE,
            "Applied",
            id="nor does a policy with a mistake",
        ),
        pytest.param(
            standing(policy(rollback={"mode": "WhenCovered"}), covered_since=NOW - 1800),
            Action.ROLL_BACK,
            "Covered",
            id="covered for long enough",
        ),
        pytest.param(
            standing(policy(rollback={"mode": "WhenCovered"}), covered_since=NOW - 1799),
            Action.NONE,
            "Applied",
            id="covered, a second short",
        ),
        pytest.param(
            standing(policy(rollback={"mode": "WhenCovered"}), covered_since=None),
            Action.NONE,
            "Applied",
            id="not covered",
        ),
        pytest.param(
            standing(service=service("Cluster", deletionTimestamp="2026-01-01T00:00:00Z")),
            Action.NONE,
            "Deleting",
            id="deleting",
        ),
        pytest.param(
            standing(remediation=record("Applying"), service=service()),
            Action.FORGET,
            "NotApplied",
            id="an intent, and Local",
        ),
        pytest.param(
            standing(remediation=record("Applying")), Action.APPLY, "Applying", id="an intent, and Cluster"
        ),
        pytest.param(
            standing(remediation=record("RollingBack", message="RollbackRequested: the policy names it")),
            Action.ROLL_BACK,
            "RollingBack",
            id="requested rollback begun",
        ),
        pytest.param(
            standing(remediation=BEGUN, covered_since=NOW - 1800),
            Action.WITHDRAW,
            "Applied",
            id="begun, now Manual",
        ),
        pytest.param(
            standing(policy(rollback={"mode": "WhenCovered"}), remediation=BEGUN, covered_since=NOW - 1800),
            Action.ROLL_BACK,
            "Covered",
            id="begun, and covered",
        ),
        pytest.param(
            standing(policy(rollback={"mode": "WhenCovered"}), remediation=BEGUN),
            Action.WITHDRAW,
            "Applied",
            id="begun, and covered no more",
        ),
        pytest.param(
            standing(policy(rollback={"mode": "WhenCovered"}), remediation=BEGUN, covered_since=NOW - 1),
            Action.NONE,
            "Applied",
            id="begun, and covered for a short time",
        ),
        pytest.param(
            standing(policy(mode="DryRun"), remediation=BEGUN), Action.WITHDRAW, "Applied", id="begun, now DryRun"
        ),
        pytest.param(
            standing(policy(suspend=True), remediation=BEGUN, covered_since=NOW - 1800),
            Action.NONE,
            "Suspended",
            id="begun, and suspended",
        ),
        pytest.param(
            standing(policy("other", suspend=True), remediation=record(on_delete="Revert")),
            Action.NOTE_POLICY,
            "Applied",
            id="policy gone, and the one that keeps Cluster is suspended",
        ),
        pytest.param(
            standing(policy("other", mode="DryRun", suspend=True), remediation=record(on_delete="Revert")),
            Action.NONE,
            "Suspended",
            id="policy gone, and one that does not keep Cluster is suspended",
        ),
        pytest.param(
            standing(remediation=BEGUN, service=service(), local_set_by="kubectl-edit", by_person=True),
            Action.NOTE_USER_ROLLBACK,
            "RolledBackByUser",
            id="begun, and a person restored Local",
        ),
        pytest.param(
            standing(remediation=record("RollingBack"), service=service()),
            Action.ROLL_BACK,
            "RollingBack",
            id="rollback to be recorded",
        ),
        pytest.param(
            standing(service=service(), local_set_by="kubectl-edit", by_person=True),
            Action.NOTE_USER_ROLLBACK,
            "RolledBackByUser",
            id="a person",
        ),
        pytest.param(
            standing(service=service(), local_set_by="argocd-controller"),
            Action.NOTE_REVERT,
            "Reverted",
            id="a tool",
        ),
        pytest.param(
            standing(service=service(), local_set_by=""), Action.NOTE_REVERT, "Reverted", id="nobody known"
        ),
        pytest.param(standing(service=service()), Action.NOTE_REVERT, "Changed", id="not read yet"),
    ],
)
def test_standing(given: Case, action: Action, reason: str) -> None:
    decision = decide(given, ledger(), NOW)
    assert (decision.action, decision.reason.code) == (action, reason)


GONE: dict[str, Any] = {"recorded_policy": None, "governing": None}


@pytest.mark.parametrize(
    ("given", "action"),
    [
        pytest.param(
            standing(**GONE, remediation=record(on_delete="Revert")), Action.NONE, id="the policy is deleted"
        ),
        pytest.param(
            standing(policy(**WHEN_COVERED), covered_since=NOW - 1800), Action.NONE, id="covered for long enough"
        ),
        pytest.param(
            standing(**GONE, remediation=record("RollingBack", on_delete="Revert", message="PolicyDeleted")),
            Action.ROLL_BACK,
            id="begun for a deleted policy",
        ),
        pytest.param(
            standing(policy(**WHEN_COVERED), remediation=BEGUN, covered_since=NOW - 1800),
            Action.ROLL_BACK,
            id="begun for coverage",
        ),
    ],
)
def test_limits_hold_back_only_rollbacks_that_have_not_begun(given: Case, action: Action) -> None:
    spent = ledger(rollback_budget=Budget(services="0"))
    decision = decide(given, spent, NOW)
    assert decision.action is action
    assert action is Action.ROLL_BACK or decision.reason.code == "RollbacksLimited"


def test_nothing_is_decided_blindly() -> None:
    blind = ledger(blind=Reason("PictureNotFresh", "nodes: a list is pending"))
    for given in (case(), standing(policy(rollbackRequests=["web"])), standing(remediation=record("Applying"))):
        decision = decide(given, blind, NOW)
        assert (decision.action, decision.reason.code) == (Action.NONE, "PictureNotFresh")


def test_a_dry_run_is_sent_once() -> None:
    assert decide(case(DRY), ledger(), NOW).action is Action.DRY_RUN
    assert decide(case(DRY, dry_run_done=True), ledger(), NOW).reason.code == "DryRunDone"


@pytest.mark.parametrize(
    ("given", "reason", "again"),
    [
        pytest.param(
            ledger(shares={POLICY_UID: Share(5, 10), "": Share(1, 99)}), "TooManyAffected", None, id="the policy's"
        ),
        pytest.param(
            ledger(shares={POLICY_UID: Share(1, 10), "": Share(5, 10)}),
            "TooManyAffected",
            None,
            id="the operator's",
        ),
        pytest.param(
            ledger(shares={POLICY_UID: Share(1, 10, NOW - 599), "": Share(1, 10)}),
            "StormCooldown",
            1,
            id="cool-down",
        ),
        pytest.param(ledger(applied={POLICY_UID: (NOW - 599,)}), "BudgetExhausted", 1, id="spent"),
        pytest.param(ledger(applied={"": (NOW - 590,)}), "BudgetExhausted", 10, id="the operator's budget"),
        pytest.param(ledger(budget=Budget(services="0")), "BudgetExhausted", 600, id="none at all"),
    ],
)
def test_waits(given: Ledger, reason: str, again: float | None) -> None:
    decision = decide(case(), given, NOW)
    assert (decision.action, decision.reason.code, decision.again) == (Action.NONE, reason, again)


def test_an_exhausted_budget_says_whose_it_is() -> None:
    spent = decide(case(), ledger(applied={POLICY_UID: (NOW - 599,)}), NOW)
    assert (
        spent.reason.detail
        == "CoveragePolicy default/opt-in budgets[0]: 1 in 600 s; the next slot is at 2027-01-15T08:00:01Z"
    )
    spent = decide(case(), ledger(applied={"": (NOW - 599,)}), NOW)
    assert (
        spent.reason.detail
        == "the operator's --max-remediations: 1 in 600 s; the next slot is at 2027-01-15T08:00:01Z"
    )


def test_waits_say_until_when_and_limits_name_their_numbers() -> None:
    dwell = decide(case(in_need_since=NOW - 290), ledger(), NOW)
    assert dwell.reason.detail == "the outcome must last for 300 s, until 2027-01-15T08:00:10Z"
    cooling = decide(case(), ledger(shares={POLICY_UID: Share(1, 10, NOW - 599), "": Share(1, 10)}), NOW)
    assert cooling.reason.detail.endswith("wait until 2027-01-15T08:00:01Z")
    storm = decide(case(), ledger(shares={POLICY_UID: Share(5, 10), "": Share(1, 99)}), NOW)
    assert storm.reason.detail == (
        "5 of 10 Services of CoveragePolicy default/opt-in need remediation; the limit is 4 (40%)"
    )


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(ledger(shares={POLICY_UID: Share(4, 10), "": Share(4, 10)}), id="40 % of ten are four"),
        pytest.param(ledger(shares={POLICY_UID: Share(1, 1), "": Share(1, 1)}), id="the only Service"),
        pytest.param(ledger(shares={POLICY_UID: Share(1, 9, NOW - 600), "": Share(1, 9)}), id="cooled down"),
        pytest.param(ledger(applied={POLICY_UID: (NOW - 600,), "": (NOW - 600,)}), id="the budget is back"),
    ],
)
def test_waits_no_more(given: Ledger) -> None:
    assert decide(case(), given, NOW).action is Action.APPLY


def test_changed_services_are_in_need_no_more() -> None:
    assert decide(case(assessment=changed(), service=service("Cluster")), ledger(), NOW).action is Action.NONE
