"""The status of a policy: counts, conditions, why etpguard leaves matched Services alone, and which rollbacks the
API server refuses. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from etpguard.assess import Outcome, Reason
from etpguard.objects import Key
from etpguard.objects.policies import CoveragePolicy, TriggerIf
from etpguard.objects.times import rfc3339
from etpguard.remediate import breakers, reasons
from etpguard.remediate.breakers import Cooling, Open
from etpguard.remediate.budgets import allowed
from etpguard.remediate.decide import Action, Decision
from etpguard.remediate.facts import Case, Round, Share, everywhere
from etpguard.remediate.policy_faults import mistake
from etpguard.report.statuses import comparable, with_times

MAX_LISTED = 50
MAX_MESSAGE = 512
"""Characters. The longest step that a reason names must be there to its end."""

Json = dict[str, Any]

_PASSING = {
    reasons.TOO_MANY_AFFECTED.code: (
        f"{reasons.TOO_MANY_AFFECTED.meaning}; the condition RemediationAllowed has the numbers"
    )
}
"""Messages of reasons whose detail changes from second to second."""

_GOOD = (Outcome.Covered, Outcome.NotAffected)


def policy_status(policy: CoveragePolicy, round_: Round, decisions: Mapping[Key, Decision], now: float) -> Json:
    """Without times. `remediations` are the newest 50 that this policy decided; `now` is since the epoch."""
    keys = round_.matched.get(policy.uid, ())
    cases = [round_.cases[key] for key in keys if key in round_.cases]
    uncovered = [c for c in cases if c.assessment and c.assessment.outcome not in _GOOD]
    decided = round_.decided.get(policy.uid, [])
    remediated = [c for c in decided if c.remediation and c.remediation.in_force_for(c.service.uid)]
    barred = _barred(policy, round_, now)
    left = 0 if barred else _allowed(policy, round_, len(keys), now)
    return {
        "observedGeneration": policy.metadata.generation or 0,
        "matchedServices": len(keys),
        "uncoveredServices": sum(not _lacks_endpoints(case) for case in uncovered),
        "remediatedServices": len(remediated),
        "remediationsAllowed": left if policy.spec.mode == "Enforce" else 0,
        "conditions": _conditions(policy, barred, left),
        "remediations": _remediations(decided),
        "excluded": _excluded(policy, uncovered, remediated, decisions),
    }


def _allowed(policy: CoveragePolicy, round_: Round, matched: int, now: float) -> int:
    """How many more the budgets in force allow now, the operator's among them."""
    ledger = round_.ledger
    applied, everywhere = ledger.applied.get(policy.uid, ()), ledger.shares.get("", Share(0, 0))
    left = [allowed(budget, applied, matched, now) for budget in policy.spec.remediation.budgets]
    left.append(allowed(ledger.budget, ledger.applied.get("", ()), everywhere.of, now))
    return min((each for each in left if each is not None), default=matched)


def _conditions(policy: CoveragePolicy, barred: Reason | None, left: int) -> list[Json]:
    generation = policy.metadata.generation or 0

    def condition(kind: str, status: bool, reason: Reason) -> Json:
        return {
            "type": kind,
            "status": str(status),
            "reason": reason.code,
            "message": reason.detail,
            "observedGeneration": generation,
        }

    wrong = mistake(policy)
    ready = condition("Ready", not wrong, reasons.INVALID.because(wrong) if wrong else reasons.VALID.because())
    if barred is not None:
        may = condition("RemediationAllowed", False, barred)
    elif not left:
        spent = "the budgets in force allow no remediation now (the operator's --max-remediations counts too)"
        may = condition("RemediationAllowed", False, reasons.BUDGET_EXHAUSTED.because(spent))
    elif policy.spec.mode == "DryRun":
        may = condition("RemediationAllowed", True, reasons.DRY_RUN.because("patches are sent with dryRun=All"))
    else:
        may = condition("RemediationAllowed", True, reasons.ENFORCE.because())
    return [ready, may]


def _lacks_endpoints(case: Case) -> bool:
    """Whether no endpoint is usable: then the traffic policy is not the cause, and no node is uncovered."""
    return case.assessment is not None and case.assessment.outcome is Outcome.NoEndpoints


def _barred(policy: CoveragePolicy, round_: Round, now: float) -> Reason | None:
    """Why no Service of the policy can be remediated now; None if one might be. Budgets are not considered."""
    spec, ledger = policy.spec, round_.ledger
    if wrong := mistake(policy):
        return reasons.INVALID.because(wrong)
    if spec.mode == "Observe":
        return reasons.OBSERVE.because()
    if spec.suspend:
        return reasons.SUSPENDED.because()
    if spec.pause_requests:
        return reasons.PAUSED.because("; ".join(spec.pause_requests[:5]))
    if ledger.blind is not None:
        # Without its detail, which changes while the picture is stale.
        return Reason(ledger.blind.code, reasons.PICTURE_NOT_FRESH.meaning)
    return _tripped(
        spec.remediation.trigger_if, ledger.shares.get(policy.uid), "of the policy", "triggerIf", now
    ) or _tripped(
        ledger.breaker, everywhere(ledger, policy.metadata.namespace or ""), "with Local", "--breaker", now
    )


def _tripped(breaker: TriggerIf, share: Share | None, which: str, setting: str, now: float) -> Reason | None:
    if share is None:
        return None
    limit = breaker.uncovered_services_less_than_or_equal_to
    match breakers.state(breaker, share, now):
        case Open():
            many = f"{share.in_need} of {share.of} Services {which} need remediation"
            return reasons.TOO_MANY_AFFECTED.because(f"{many}, more than {limit} ({setting})")
        case Cooling(until):
            recently = f"more Services {which} needed remediation recently than {limit} ({setting})"
            return reasons.STORM_COOLDOWN.because(f"{recently}; wait until {rfc3339(math.ceil(until))}")
        case None:
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
    policy: CoveragePolicy, uncovered: list[Case], remediated: list[Case], decisions: Mapping[Key, Decision]
) -> list[Json]:
    """A refused rollback comes first: the policy caused the remediation, whatever its mode is now."""
    changed = (case.service.key for case in remediated)
    found = {key: _entry(decisions[key]) for key in changed if _refused(key, decisions)}
    for key in (case.service.key for case in uncovered):
        if key in found:
            continue
        if policy.spec.mode == "Observe":
            found[key] = {"reason": reasons.OBSERVE.code}
            continue
        decision = decisions.get(key)
        if decision is not None and decision.action not in (Action.APPLY, Action.ROLL_BACK):
            found[key] = _entry(decision)
    listed = [{"namespace": key.namespace, "name": key.name, **entry} for key, entry in found.items()]
    return listed[:MAX_LISTED]


def _refused(key: Key, decisions: Mapping[Key, Decision]) -> bool:
    return key in decisions and decisions[key].reason.code == reasons.REFUSED.code


def _entry(decision: Decision) -> Json:
    entry: Json = {"reason": decision.reason.code}
    if message := _PASSING.get(decision.reason.code, decision.reason.detail):
        entry["message"] = message[:MAX_MESSAGE]
    return entry


def same_facts(existing: Json, wanted: Json) -> bool:
    """Whether the two differ at most in messages."""
    return bool(_without_messages(comparable(existing)) == _without_messages(comparable(wanted)))


def _without_messages(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_messages(inner) for name, inner in value.items() if name != "message"}
    return [_without_messages(inner) for inner in value] if isinstance(value, list) else value


def body(wanted: Json, present: Json | None, now: str) -> Json:
    """The body of the status apply: `wanted` with the times of its conditions."""
    return {"status": with_times(wanted, present, now)}
