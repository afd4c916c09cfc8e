"""What to do about one Service, why, and when to look again: a function of plain facts and of the time given.

The order of the rules is the order in which a careful person would ask: is what I see whole, may this object
be touched at all, does anyone want it, would it do harm, has it lasted, is there something bigger going on,
have I done enough for now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from etpguard.assess import Assessment, Outcome, Reason
from etpguard.objects import PolicyRef, Remediation, Service
from etpguard.objects.policies import Budget, CoveragePolicy, TriggerIf
from etpguard.remediate.budgets import seconds_left
from etpguard.remediate.policy import Governing, amount, requests_rollback

SKIP_ANNOTATION = "etpguard.dev/skip-remediation"
NEVER = frozenset({Outcome.NoEndpoints, Outcome.NoTargets, Outcome.Unknown, Outcome.NotAffected, Outcome.Covered})


COVERED_AGAIN = Reason("Covered", "it would be covered under Local")
"""Why a Service is rolled back that was not asked for: to be seen again in what is read afresh."""


class Action(Enum):
    NONE = "none"
    APPLY = "apply"
    DRY_RUN = "dry-run"
    ROLL_BACK = "roll back"
    NOTE_USER_ROLLBACK = "note that a person put Local back"
    NOTE_REVERT = "note that a tool put Local back"
    FORGET = "forget the intent"


class Decision(NamedTuple):
    """`again` is in how many seconds time alone may change the answer; None if it cannot."""

    action: Action
    reason: Reason
    again: float | None = None
    policy: PolicyRef | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """The facts about one Service. Times are seconds since the epoch.

    `assessment` is what stands, or, for a Service that is changed already, the one whose `if_local` tells
    what would be. `in_need_since`: since when it is, without interruption, in an outcome that the governing
    policies name. `covered_since`: likewise that it would be covered under Local.
    """

    service: Service
    assessment: Assessment | None
    governing: Governing | None
    remediation: Remediation | None = None
    recorded_policy: CoveragePolicy | None = None
    """The policy that the standing remediation names, if it still exists under that uid."""
    in_need_since: float | None = None
    covered_since: float | None = None
    dry_run_done: bool = False
    namespace_terminating: bool = False
    namespace_unread: bool = False
    """Whether it cannot be told if the namespace is terminating."""
    behind: bool = False
    """Whether the picture's Service is older than what was read or written of it already."""
    owner: str = ""
    """The tool that owns the object ("Helm release web"), "" if none is known."""
    probed_by: str = ""
    """Whose health check, of another Service with Local, asks a port of this one, "" if none does."""
    network_policy: str = ""
    """Why a change of source address might be refused by the pods' network, "" if it would not."""
    local_set_by: str = ""
    """For a Service that is Local although a change stands: the field manager that set it since the intent. Only
    a fresh read tells; the picture's cases leave it empty."""
    by_person: bool = False
    reverts: tuple[float, ...] = ()
    reverted_by: str = ""
    """The manager of the last of them."""
    held_off: bool = False
    """Whether a person put Local back since the governing policies last changed."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some Services are in need, and when that was last too many for its breaker."""

    in_need: int
    of: int
    tripped_at: float | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What concerns more than one Service. Keys are policy uids; "" is the operator as a whole."""

    blind: Reason | None = None
    """Why nothing may be decided: the picture is not whole or not fresh."""
    term: int = 0
    """The leadership in which it was made: after another leader's it tells too little of what was spent."""
    shares: Mapping[str, Share] = field(default_factory=dict)
    applied: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Times at which intents were written."""
    budget: Budget = field(default=Budget())
    """Operator-wide, beside every policy's: --max-remediations."""
    breaker: TriggerIf = field(default=TriggerIf())


def decide(case: Case, ledger: Ledger, now: float) -> Decision:
    """The decision about one Service at `now` (seconds since the epoch)."""
    if ledger.blind is not None:
        return Decision(Action.NONE, ledger.blind)
    if case.behind:
        return Decision(Action.NONE, Reason("Behind", "the watch has not caught up with what was written"))
    standing = case.remediation
    if standing is not None and standing.stands_for(case.service.uid):
        return _standing(case, standing, now)
    governing = case.governing
    if governing is None:
        return Decision(Action.NONE, Reason("NoPolicy", "no policy selects it"))
    policy = reference(governing.deciding)
    refused = _refused(case, governing, now)
    if refused is not None:
        return Decision(Action.NONE, refused, policy=policy)
    waits = _waits(case, governing, ledger, now)
    if waits is not None:
        reason, again = waits
        return Decision(Action.NONE, reason, again, policy)
    if governing.mode == "DryRun":
        if case.dry_run_done:
            return Decision(
                Action.NONE, Reason("DryRunDone", "the patch was tried and not applied"), policy=policy
            )
        return Decision(Action.DRY_RUN, Reason("DryRun", "the patch is sent with dryRun=All"), policy=policy)
    return Decision(Action.APPLY, Reason("Due", _why(case)), policy=policy)


def reference(policy: CoveragePolicy) -> PolicyRef:
    return PolicyRef(policy.kind, policy.metadata.name, policy.uid, policy.metadata.namespace or "")


def in_need(assessment: Assessment | None, governing: Governing | None) -> bool:
    """Whether the Service is, just now, in a state that its policies name."""
    if assessment is None or governing is None or assessment.outcome in NEVER:
        return False
    eligible, uncovered = assessment.eligible.bit_count(), assessment.uncovered.bit_count()
    return assessment.outcome.name in governing.outcomes and governing.enough_uncovered(uncovered, eligible)


def _standing(case: Case, standing: Remediation, now: float) -> Decision:
    """What to do about a Service that is, or may be, changed."""
    service, policy = case.service, standing.policy
    if service.deleting:
        return Decision(Action.NONE, Reason("Deleting", "the Service is being deleted"), policy=policy)
    if service.policy == "Local":
        if standing.phase == "RollingBack":
            return Decision(
                Action.ROLL_BACK, Reason("RollingBack", "the rollback is to be recorded"), policy=policy
            )
        if standing.phase == "Applying" and not case.local_set_by:
            return Decision(Action.FORGET, Reason("NotApplied", "the intent was not carried out"), policy=policy)
        # A tool where it is not known: to stop fighting is the careful reading.
        who = case.local_set_by or "an unknown manager"
        if case.by_person:
            return Decision(
                Action.NOTE_USER_ROLLBACK, Reason("RolledBackByUser", f"{who} set it to Local"), policy=policy
            )
        return Decision(Action.NOTE_REVERT, Reason("Reverted", f"{who} set it to Local"), policy=policy)
    if standing.phase == "RollingBack":
        return Decision(Action.ROLL_BACK, Reason("RollingBack", "a rollback was begun"), policy=policy)
    if standing.phase == "Applying":
        return Decision(Action.APPLY, Reason("Applying", "the change is made, and to be recorded"), policy=policy)
    governing, recorded = case.governing, case.recorded_policy
    if recorded is None and standing.on_delete == "Revert":
        return Decision(Action.ROLL_BACK, Reason("PolicyDeleted", "onDelete is Revert"), policy=policy)
    asked = [p for p in (recorded, *(governing.policies if governing else ())) if p is not None]
    if any(requests_rollback(p, service) for p in asked):
        return Decision(Action.ROLL_BACK, Reason("RollbackRequested", "in rollbackRequests"), policy=policy)
    if governing is None:
        why = "no policy governs it now" if recorded else "its policy is gone, and onDelete was Keep"
        return Decision(Action.NONE, Reason("Kept", why), policy=policy)
    if governing.paused_by:
        return Decision(Action.NONE, Reason("Suspended", governing.paused_by), policy=policy)
    if governing.mode != "Enforce" or governing.invalid:
        why = governing.invalid or "mode DryRun changes nothing, and takes nothing back"
        return Decision(Action.NONE, Reason("Applied", why), policy=policy)
    if not governing.rolls_back_when_covered or case.covered_since is None:
        return Decision(Action.NONE, Reason("Applied", "Cluster until rolled back"), policy=policy)
    left = case.covered_since + governing.covered_seconds - now
    if left > 0:
        return Decision(Action.NONE, Reason("Applied", "covered under Local, not yet long enough"), left, policy)
    return Decision(Action.ROLL_BACK, COVERED_AGAIN, policy=policy)


def _refused(case: Case, governing: Governing, now: float) -> Reason | None:
    """What time alone will not change. The first group no policy can lift."""
    service, assessment = case.service, case.assessment
    if service.deleting:
        return Reason("Deleting", "the Service is being deleted")
    if case.namespace_terminating:
        return Reason("NamespaceTerminating", f"namespace {service.key.namespace} is being deleted")
    if case.namespace_unread:
        return Reason("NamespaceUnreadable", "it cannot be told whether the namespace is being deleted")
    controller = next((o for o in service.metadata.owner_references or () if o.controller), None)
    if controller is not None:
        return Reason("Controlled", f"{controller.kind} {controller.name} controls it and would set it back")
    if assessment is None:
        return Reason("NotLocal", "externalTrafficPolicy is not Local")
    if assessment.uid != service.uid or assessment.policy != service.policy:
        return Reason("Changed", "the Service changed since it was assessed")
    if assessment.outcome in (Outcome.NoEndpoints, Outcome.NoTargets, Outcome.Unknown):
        why = f" ({assessment.reason.code})" if assessment.reason.code != assessment.outcome.name else ""
        return Reason("OutcomeNeverRemediated", f"{assessment.outcome.name}{why}")
    if any(v.consumer.pins_health_check_node_port for v in assessment.consumers):
        return Reason("HealthCheckPinned", "a health check is pinned to the healthCheckNodePort, which would go")
    if case.probed_by:
        return Reason("ProbedByOthers", f"{case.probed_by}, and would take every node for healthy, or none")
    if service.annotations.get(SKIP_ANNOTATION) not in (None, "false"):
        return Reason("SkipAnnotation", f"annotation {SKIP_ANNOTATION}")
    if any(requests_rollback(policy, service) for policy in governing.policies):
        return Reason("RollbackRequested", "in rollbackRequests, where it holds the Service at Local")
    if governing.invalid:
        return Reason("PolicyInvalid", governing.invalid)
    if governing.paused_by:
        return Reason("Suspended", governing.paused_by)
    if service.type not in governing.service_types:
        return Reason("TypeNotSelected", f"serviceTypes does not name {service.type}")
    if assessment.outcome.name not in governing.outcomes:
        return Reason("OutcomeNotSelected", f"unhealthyWhen.outcomes does not name {assessment.outcome.name}")
    if not in_need(assessment, governing):
        return Reason("TooFewUncovered", "unhealthyWhen.uncoveredNodes is not reached")
    if not governing.source_ip_loss_accepted and governing.mode == "Enforce":
        return Reason("SourceIPLossRefused", "remediation.sourceIPLoss is Refuse")
    if case.owner and not governing.patches_git_ops_owned:
        return Reason("GitOpsOwned", f"{case.owner} owns it, and gitOpsOwned is Skip")
    if case.network_policy and not governing.ignores_network_policies:
        return Reason("NetworkPolicy", case.network_policy)
    if case.held_off:
        return Reason("RolledBackByUser", "a person put Local back; the policy has not changed since")
    recent = [t for t in case.reverts if t > now - governing.revert_window_seconds]
    if len(recent) >= governing.max_reverts:
        return Reason("Drift", f"put back to Local {len(recent)} times by {case.reverted_by or 'a tool'}")
    return None


def _waits(case: Case, governing: Governing, ledger: Ledger, now: float) -> tuple[Reason, float | None] | None:
    """What holds it back for now, and for how long at least."""
    since = now if case.in_need_since is None else case.in_need_since
    left = since + governing.dwell_seconds - now
    if left > 0:
        return Reason("DwellTime", f"in need for {int(now - since)} of {governing.dwell_seconds} s"), left
    for uid, named, breaker in [
        *((p.uid, f"{p.kind} {p.key}", trigger) for p, trigger in governing.breakers),
        ("", "the operator", ledger.breaker),
    ]:
        share = ledger.shares.get(uid, Share(0, 0))
        most = amount(breaker.uncovered_services_less_than_or_equal_to, share.of)
        if share.in_need > most:
            return Reason("TooManyAffected", f"{share.in_need} of {share.of} Services of {named}"), None
        if share.tripped_at is not None:
            left = share.tripped_at + breaker.storm_cooldown_seconds - now
            if left > 0:
                return Reason("StormCooldown", f"{named} had too many Services in need"), left
    for uid, whose, budget in [
        *((p.uid, f"{p.kind} {p.key} budgets[{number}]", b) for p, number, b in governing.budgets),
        ("", "the operator's --max-remediations", ledger.budget),
    ]:
        left = seconds_left(budget, ledger.applied.get(uid, ()), ledger.shares.get(uid, Share(0, 0)).of, now)
        if left > 0:
            return Reason("BudgetExhausted", f"{whose}: {budget.services} in {budget.per_seconds} s"), left
    return None


def _why(case: Case) -> str:
    assert case.assessment is not None
    eligible, uncovered = case.assessment.eligible.bit_count(), case.assessment.uncovered.bit_count()
    return f"{case.assessment.outcome.name}, {uncovered} of {eligible} eligible nodes uncovered"
