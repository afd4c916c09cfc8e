"""What to do about one Service, why, and when to look again: a function of plain facts and of the given time.
Pure.

The order of the rules is the order in which a careful person would ask. Is the picture complete? May anyone touch
this object? Does a policy want it? Would it do harm? Has the outcome lasted? Is something bigger going on? Has
etpguard done enough for now?
"""

from __future__ import annotations

import math
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from etpguard.assess import Reason
from etpguard.objects import PolicyRef, Remediation
from etpguard.objects.policies import Budget
from etpguard.objects.times import rfc3339
from etpguard.remediate import breakers, checks, reasons
from etpguard.remediate.breakers import Cooling, Open
from etpguard.remediate.budgets import seconds_left
from etpguard.remediate.facts import Case, Ledger, Share, everywhere, reference
from etpguard.remediate.governing import Governing, requests_rollback

COVERED_AGAIN = reasons.COVERED.because("the Service would be covered under Local")
POLICY_GONE = reasons.POLICY_DELETED.because("onDelete is Revert")
UNASKED = (COVERED_AGAIN, POLICY_GONE)
"""Reasons of automatic rollbacks. A fresh read must confirm them, and limits apply."""


class Action(Enum):
    NONE = "none"
    APPLY = "apply"
    DRY_RUN = "dry-run"
    ROLL_BACK = "roll back"
    NOTE_USER_ROLLBACK = "record that a person restored Local"
    NOTE_REVERT = "record that Local was restored"
    NOTE_POLICY = "record another policy"
    FORGET = "discard the intent"
    WITHDRAW = "withdraw the rollback"


class Decision(NamedTuple):
    """`again`: after how many seconds the answer may change without an event; None if it cannot."""

    action: Action
    reason: Reason
    again: float | None = None
    policy: PolicyRef | None = None


def decide(case: Case, ledger: Ledger, now: float) -> Decision:
    """The decision about one Service at `now` (seconds since the epoch)."""
    if ledger.blind is not None:
        return Decision(Action.NONE, ledger.blind)
    if case.behind:
        return Decision(Action.NONE, reasons.BEHIND.because())
    if case.record_unreadable:
        return Decision(Action.NONE, reasons.RECORD_UNREADABLE.because())
    record = case.remediation
    if record is not None and record.in_force_for(case.service.uid):
        return _remediated(case, record, ledger, now)
    governing = case.governing
    if governing is None:
        return Decision(Action.NONE, reasons.NO_POLICY.because())
    policy = reference(governing.deciding)
    refused = checks.first_failure(checks.Facts(case, governing, now))
    if refused is not None:
        return Decision(Action.NONE, refused, policy=policy)
    waits = _waits(case, governing, ledger, now)
    if waits is not None:
        reason, again = waits
        return Decision(Action.NONE, reason, again, policy)
    if governing.mode == "DryRun":
        if case.dry_run_done:
            return Decision(Action.NONE, reasons.DRY_RUN_DONE.because(), policy=policy)
        return Decision(Action.DRY_RUN, reasons.DRY_RUN.because(), policy=policy)
    return Decision(Action.APPLY, reasons.DUE.because(_need(case)), policy=policy)


def _remediated(case: Case, record: Remediation, ledger: Ledger, now: float) -> Decision:
    """What to do about a Service that is, or may be, remediated."""

    def made(action: Action, reason: Reason, again: float | None = None) -> Decision:
        return Decision(action, reason, again, record.policy)

    service = case.service
    if service.deleting:
        return made(Action.NONE, reasons.DELETING.because())
    if service.policy == "Local":
        if record.phase == "RollingBack" and not case.local_set_by:
            return made(Action.ROLL_BACK, reasons.ROLLING_BACK.because("the rollback has yet to be recorded"))
        if record.phase == "Applying" and not case.local_set_by:
            return made(Action.FORGET, reasons.NOT_APPLIED.because())
        if case.local_set_by is None:
            return made(Action.NOTE_REVERT, reasons.CHANGED.because("Local was set; the next read shows by whom"))
        # An unknown manager counts as a tool: to stop is the careful reading.
        who = case.local_set_by or "an unknown manager"
        if case.by_person:
            return made(Action.NOTE_USER_ROLLBACK, reasons.ROLLED_BACK_BY_USER.because(f"{who} set Local"))
        return made(Action.NOTE_REVERT, reasons.REVERTED.because(f"{who} set Local"))
    if asked_by_a_person(record):
        return made(Action.ROLL_BACK, reasons.ROLLING_BACK.because("a rollback began"))
    begun = record.phase == "RollingBack"
    if record.phase == "Applying":
        return made(Action.APPLY, reasons.APPLYING.because("the Service is patched; its record is next"))
    if not service.spec.external_traffic_policy:
        why = f"type {service.type} has no externalTrafficPolicy, so only the record ends"
        return made(Action.ROLL_BACK, reasons.NOT_LOCAL.because(why))
    # An automatic rollback that began, and was not sent, needs its reason again: coverage may have ended.
    stay = Action.WITHDRAW if begun else Action.NONE
    governing, recorded = case.governing, case.recorded_policy
    asked = recorded is not None and requests_rollback(recorded, service)
    if asked or (governing is not None and governing.requests_rollback(service)):
        return made(Action.ROLL_BACK, reasons.ROLLBACK_REQUESTED.because("rollbackRequests names the Service"))
    if recorded is None and not begun and (keeper := case.keeper) is not None:
        # Record the keeper now. While the record names a deleted policy, a later change of the keeper's mode would
        # look like that deletion and cause a rollback.
        why = f"its policy was deleted; {keeper.kind} {keeper.key} keeps Cluster"
        return Decision(Action.NOTE_POLICY, reasons.APPLIED.because(why), policy=reference(keeper))
    if governing is not None and (paused := checks.pause(governing)) is not None:
        return made(Action.NONE, paused)
    if case.orphaned and record.on_delete == "Revert":
        if not begun and now < case.orphaned_until:
            due = f"a rollback is due from {_time(case.orphaned_until)}"
            why = f"its policy was deleted; {due} unless a policy that keeps Cluster appears"
            return made(Action.NONE, reasons.APPLIED.because(why), case.orphaned_until - now)
        wait = None if begun else _rollback_waits(ledger, now)
        return made(Action.NONE, *wait) if wait else made(Action.ROLL_BACK, POLICY_GONE)
    if governing is None:
        why = "no policy governs the Service now" if recorded else "the policy was deleted, and onDelete was Keep"
        return made(stay, reasons.KEPT.because(why))
    if governing.mode != "Enforce" or governing.invalid:
        why = governing.invalid or "mode DryRun neither remediates nor rolls back"
        return made(stay, reasons.APPLIED.because(why))
    if not governing.rolls_back_when_covered or case.covered_since is None:
        return made(stay, reasons.APPLIED.because("Cluster until a rollback"))
    left = case.covered_since + governing.covered_seconds - now
    if left > 0:
        return made(Action.NONE, reasons.APPLIED.because("covered under Local, but not for long enough"), left)
    wait = None if begun else _rollback_waits(ledger, now)
    return made(Action.NONE, *wait) if wait else made(Action.ROLL_BACK, COVERED_AGAIN)


def asked_by_a_person(record: Remediation) -> bool:
    """Whether `rollbackRequests` asked for the rollback that began."""
    return record.rollback_cause == reasons.ROLLBACK_REQUESTED.code


def unasked_rollback(case: Case, now: float) -> bool:
    """Whether an automatic rollback is due, before any limit. Includes rollbacks that become due once NOTE_POLICY
    has renewed the record. Records are renewed one per round, so otherwise the breaker would see few at a time."""
    return decide(noted(case), Ledger(), now).reason in UNASKED


def noted(case: Case) -> Case:
    """The case after NOTE_POLICY, where its record names a policy that is gone and another one keeps Cluster."""
    if case.recorded_policy is not None or case.keeper is None:
        return case
    return replace(case, recorded_policy=case.keeper)


def _rollback_waits(ledger: Ledger, now: float) -> tuple[Reason, float] | None:
    """What delays an automatic rollback, and for how many seconds."""
    share, breaker = ledger.rollback_share, ledger.rollback_breaker
    until = breakers.cools_until(breaker, share)
    if share.in_need > breakers.most(breaker, share.of) and until > now:
        many = (
            f"rollbacks are due for {share.in_need} of {share.of} remediated Services; wait until {_time(until)}"
        )
        return reasons.TOO_MANY_ROLLBACKS.because(many), until - now
    left = seconds_left(ledger.rollback_budget, ledger.rollbacks, share.of, now)
    if left <= 0:
        return None
    return reasons.ROLLBACKS_LIMITED.because(f"the next rollback may begin at {_time(now + left)}"), left


def _waits(case: Case, governing: Governing, ledger: Ledger, now: float) -> tuple[Reason, float | None] | None:
    """What holds the remediation back for now, and for how many seconds at least."""
    since = now if case.in_need_since is None else case.in_need_since
    left = since + governing.dwell_seconds - now
    if left > 0:
        waits = f"the outcome must last for {governing.dwell_seconds} s, until {_time(now + left)}"
        return reasons.DWELL_TIME.because(waits), left
    namespace = case.service.key.namespace
    asked = (governing.versions, namespace, now)
    if asked not in ledger.shared_waits:
        ledger.shared_waits[asked] = _shared_wait(governing, namespace, ledger, now)
    return ledger.shared_waits[asked]


def _shared_wait(
    governing: Governing, namespace: str, ledger: Ledger, now: float
) -> tuple[Reason, float | None] | None:
    """The part of `_waits` that is the same for all Services of a namespace under the same policies."""
    for policy, breaker in [*governing.breakers, (None, ledger.breaker)]:
        uid, name = (policy.uid, f"{policy.kind} {policy.key}") if policy else ("", "the operator")
        share = ledger.shares.get(uid, Share(0, 0)) if uid else everywhere(ledger, namespace)
        match breakers.state(breaker, share, now):
            case Open(most):
                limit = breaker.uncovered_services_less_than_or_equal_to
                many = (
                    f"{services_in_need(share)} of {name} {'needs' if share.in_need == 1 else 'need'} remediation"
                )
                allowed = f"{most} ({limit})" if str(limit) != str(most) else str(most)
                return reasons.TOO_MANY_AFFECTED.because(f"{many}; the limit is {allowed}"), None
            case Cooling(until):
                why = f"the circuit breaker of {name} was open shortly before; wait until {_time(until)}"
                return reasons.STORM_COOLDOWN.because(why), until - now
    for policy, number, budget in [*governing.budgets, (None, 0, ledger.budget)]:
        left = _budget_wait(ledger, policy.uid if policy else "", number, budget, now)
        if left > 0:
            operators = "the operator's --max-remediations"
            whose = f"{policy.kind} {policy.key} budgets[{number}]" if policy else operators
            spent = (
                f"{whose}: {budget.services} in {budget.per_seconds} s; the next slot is at {_time(now + left)}"
            )
            return reasons.BUDGET_EXHAUSTED.because(spent), left
    return None


def _budget_wait(ledger: Ledger, uid: str, number: int, budget: Budget, now: float) -> float:
    """Seconds until the budget allows one more. The result is kept for the moment at which the first Service of a
    round asked."""
    asked = (uid, number, now)
    if asked not in ledger.waits:
        applied, whole = ledger.applied.get(uid, ()), ledger.shares.get(uid, Share(0, 0)).of
        ledger.waits[asked] = seconds_left(budget, applied, whole, now)
    return ledger.waits[asked]


def services_in_need(share: Share) -> str:
    """ "2 of 3 Services" """
    return f"{share.in_need} of {share.of} Service{'s' if share.of != 1 else ''}"


def _time(seconds: float) -> str:
    """In whole seconds, rounded up, so that the wait is over at this time."""
    return rfc3339(math.ceil(seconds))


def _need(case: Case) -> str:
    assert case.assessment is not None
    eligible, uncovered = case.assessment.eligible.bit_count(), case.assessment.uncovered.bit_count()
    return f"{case.assessment.outcome.name}, {uncovered} of {eligible} eligible nodes uncovered"
