"""The status of a policy: counts, conditions, why each matched Service is untouched, and what cannot be
rolled back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etpguard.assess import Outcome
from etpguard.objects import Key
from etpguard.objects.policies import CoveragePolicy, TriggerIf
from etpguard.remediate.budgets import allowed
from etpguard.remediate.decide import Action, Case, Decision, Share
from etpguard.remediate.gather import Round
from etpguard.remediate.policy import amount, mistake

MAX_LISTED = 50

Json = dict[str, Any]

REFUSED = "Refused"
"""Code of the reason for what is due and the API server does not let be done, be it a change or its rollback."""
_PASSING = frozenset({"DwellTime", "TooManyAffected"})
"""Reasons whose words change from second to second: only the code is written."""

_GOOD = (Outcome.Covered, Outcome.NotAffected)


def policy_status(policy: CoveragePolicy, round_: Round, decisions: Mapping[Key, Decision], now: float) -> Json:
    """Without times. `remediations` are the newest 50 that this policy decided; `now` is since the epoch."""
    keys = round_.matched.get(policy.uid, ())
    cases = [round_.cases[key] for key in keys if key in round_.cases]
    uncovered = [c for c in cases if c.assessment and c.assessment.outcome not in _GOOD]
    decided = [c for c in round_.cases.values() if _decided_by(c, policy)]
    standing = [c for c in decided if c.remediation and c.remediation.stands_for(c.service.uid)]
    barred = _barred(policy, round_, now)
    left = 0 if barred else _allowed(policy, round_, len(keys), now)
    return {
        "observedGeneration": policy.metadata.generation or 0,
        "matchedServices": len(keys),
        "uncoveredServices": len(uncovered),
        "remediatedServices": len(standing),
        "remediationsAllowed": left if policy.spec.mode == "Enforce" else 0,
        "conditions": _conditions(policy, barred, left),
        "remediations": _remediations(decided),
        "excluded": _excluded(policy, uncovered, standing, decisions),
    }


def _decided_by(case: Case, policy: CoveragePolicy) -> bool:
    ref = case.remediation.policy if case.remediation else None
    return ref is not None and ref.uid == policy.uid


def _allowed(policy: CoveragePolicy, round_: Round, matched: int, now: float) -> int:
    """How many more the budgets that are in force allow now, the operator's own among them."""
    ledger = round_.ledger
    applied, everywhere = ledger.applied.get(policy.uid, ()), ledger.shares.get("", Share(0, 0))
    left = [allowed(budget, applied, matched, now) for budget in policy.spec.remediation.budgets]
    left.append(allowed(ledger.budget, ledger.applied.get("", ()), everywhere.of, now))
    return min((each for each in left if each is not None), default=matched)


def _conditions(policy: CoveragePolicy, barred: tuple[str, str] | None, left: int) -> list[Json]:
    generation = policy.metadata.generation or 0

    def condition(kind: str, status: bool, reason: str, message: str) -> Json:
        return {
            "type": kind,
            "status": str(status),
            "reason": reason,
            "message": message,
            "observedGeneration": generation,
        }

    wrong = mistake(policy)
    ready = condition("Ready", not wrong, "Invalid" if wrong else "Valid", wrong or "the policy is in force")
    if barred:
        may = condition("RemediationAllowed", False, *barred)
    elif not left:
        spent = "the budgets that are in force, the operator's --max-remediations among them, allow none now"
        may = condition("RemediationAllowed", False, "BudgetExhausted", spent)
    elif policy.spec.mode == "DryRun":
        may = condition("RemediationAllowed", True, "DryRun", "patches are sent with dryRun=All")
    else:
        may = condition("RemediationAllowed", True, "Enforce", "Services in need are changed within the budgets")
    return [ready, may]


def _barred(policy: CoveragePolicy, round_: Round, now: float) -> tuple[str, str] | None:
    """Why no Service whatever is changed now, as reason and message; None if one might be. Budgets apart."""
    spec, ledger = policy.spec, round_.ledger
    if wrong := mistake(policy):
        return "Invalid", wrong
    if spec.mode == "Observe":
        return "Observe", "mode Observe takes no part"
    if spec.suspend:
        return "Suspended", "spec.suspend is set"
    if spec.pause_requests:
        return "Paused", "; ".join(spec.pause_requests[:5])
    if ledger.blind is not None:
        return ledger.blind.code, "the operator's picture of the cluster is not whole and fresh"
    return _tripped(spec.remediation.trigger_if, ledger.shares.get(policy.uid), "its", now) or _tripped(
        ledger.breaker, ledger.shares.get(""), "all", now
    )


def _tripped(breaker: TriggerIf, share: Share | None, whose: str, now: float) -> tuple[str, str] | None:
    limit = breaker.uncovered_services_less_than_or_equal_to
    if share is None:
        return None
    if share.in_need > amount(limit, share.of):
        return "TooManyAffected", f"more than {limit} of {whose} Services are in need"
    if share.tripped_at is not None and now < share.tripped_at + breaker.storm_cooldown_seconds:
        return "StormCooldown", f"more than {limit} of {whose} Services were in need a short while ago"
    return None


def _remediations(cases: list[Case]) -> list[Json]:
    newest = sorted(cases, key=lambda c: c.remediation.since if c.remediation else "", reverse=True)[:MAX_LISTED]
    listed = []
    for case in sorted(newest, key=lambda c: c.service.key):
        remediation = case.remediation
        assert remediation is not None
        entry: Json = {
            "namespace": case.service.key.namespace,
            "name": case.service.key.name,
            "uid": remediation.service_uid,
            "state": remediation.phase,
            "since": remediation.since,
            "reverts": len(remediation.reverts),
        }
        if remediation.reverts:
            entry["revertedBy"] = remediation.reverts[-1].manager
        listed.append(entry)
    return listed


def _excluded(
    policy: CoveragePolicy, uncovered: list[Case], standing: list[Case], decisions: Mapping[Key, Decision]
) -> list[Json]:
    """What stands and cannot be taken back comes first: it is this policy's doing, whatever its mode is now."""
    changed = (case.service.key for case in standing)
    reasons = {key: _entry(decisions[key]) for key in changed if _refused(key, decisions)}
    for key in (case.service.key for case in uncovered):
        if key in reasons:
            continue
        if policy.spec.mode == "Observe":
            reasons[key] = {"reason": "Observe"}
            continue
        decision = decisions.get(key)
        if decision is not None and decision.action not in (Action.APPLY, Action.ROLL_BACK):
            reasons[key] = _entry(decision)
    listed = [{"namespace": key.namespace, "name": key.name, **entry} for key, entry in reasons.items()]
    return listed[:MAX_LISTED]


def _refused(key: Key, decisions: Mapping[Key, Decision]) -> bool:
    return key in decisions and decisions[key].reason.code == REFUSED


def _entry(decision: Decision) -> Json:
    entry: Json = {"reason": decision.reason.code}
    if decision.reason.code not in _PASSING and decision.reason.detail:
        entry["message"] = decision.reason.detail[:256]
    return entry


def differs(standing: Json | None, wanted: Json) -> bool:
    """Whether to write: times are no part of it."""
    return standing is None or _timeless(standing) != _timeless(wanted)


def body(wanted: Json, standing: Json | None, now: str) -> Json:
    """What to apply: each condition with its time, kept where its status is."""
    before = {c.get("type"): c for c in (standing or {}).get("conditions") or ()}

    def timed(made: Json) -> Json:
        old = before.get(made["type"], {})
        kept = old.get("lastTransitionTime") if old.get("status") == made["status"] else None
        return {**made, "lastTransitionTime": kept or now}

    return {"status": {**wanted, "conditions": [timed(c) for c in wanted["conditions"]]}}


def _timeless(status: Json) -> Json:
    conditions = [
        {k: v for k, v in c.items() if k != "lastTransitionTime"} for c in status.get("conditions") or ()
    ]
    return {k: v for k, v in status.items() if v not in ([], None)} | {"conditions": conditions}
