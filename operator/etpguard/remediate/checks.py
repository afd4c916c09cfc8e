"""Why a Service that a policy selects is not remediated: named checks. The first that fails counts. Pure.

No result changes only because time passes. No policy can lift the checks in `NEVER_LIFTED`, except the one of
health checks from other namespaces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from etpguard.assess import Reason
from etpguard.assess.evidence import Evidence
from etpguard.objects.text import listed
from etpguard.remediate import reasons
from etpguard.remediate.facts import NOT_BY_POLICY, Case, in_need
from etpguard.remediate.governing import Governing

SKIP_ANNOTATION = "etpguard.dev/skip-remediation"


class Facts(NamedTuple):
    """What a check reads; `now` is in seconds since the epoch."""

    case: Case
    governing: Governing
    now: float


Check = Callable[[Facts], Reason | None]
"""Why not to remediate the Service; None if this check finds nothing."""


def first_failure(facts: Facts) -> Reason | None:
    """The result of the first check that fails; None if all pass."""
    return next((reason for check in CHECKS if (reason := check(facts)) is not None), None)


def service_is_deleting(facts: Facts) -> Reason | None:
    return reasons.DELETING.because() if facts.case.service.deleting else None


def namespace_is_terminating(facts: Facts) -> Reason | None:
    if not facts.case.namespace_terminating:
        return None
    return reasons.NAMESPACE_TERMINATING.because(f"namespace {facts.case.service.key.namespace} is being deleted")


def namespace_is_unreadable(facts: Facts) -> Reason | None:
    return reasons.NAMESPACE_UNREADABLE.because() if facts.case.namespace_unread else None


def another_object_controls_it(facts: Facts) -> Reason | None:
    owners = facts.case.service.metadata.owner_references or ()
    controller = next((owner for owner in owners if owner.controller), None)
    if controller is None:
        return None
    return reasons.CONTROLLED.because(
        f"{controller.kind} {controller.name} controls the Service and would restore Local"
    )


def it_is_not_assessed(facts: Facts) -> Reason | None:
    return reasons.NOT_LOCAL.because() if facts.case.assessment is None else None


def it_changed_since_the_assessment(facts: Facts) -> Reason | None:
    service, assessment = facts.case.service, facts.case.assessment
    if assessment is None or (assessment.uid, assessment.policy) == (service.uid, service.policy):
        return None
    return reasons.CHANGED.because("the Service changed since the assessment")


def the_outcome_is_never_remediated(facts: Facts) -> Reason | None:
    assessment = facts.case.assessment
    if assessment is None or assessment.outcome not in NOT_BY_POLICY:
        return None
    outcome, code = assessment.outcome.name, assessment.reason.code
    return reasons.OUTCOME_NEVER_REMEDIATED.because(outcome if code == outcome else f"{outcome} ({code})")


def the_outcome_rests_on_an_assumed_rule(facts: Facts) -> Reason | None:
    """Whether every consumer with the outcome of the Service has an assumed rule. An assumed data plane does not
    matter: Cluster is right for each of them."""
    assessment = facts.case.assessment
    if assessment is None:
        return None
    deciding = [verdict.consumer for verdict in assessment.deciding]
    if not deciding or any(consumer.evidence is not Evidence.ASSUMED for consumer in deciding):
        return None
    first = deciding[0]
    why = f": {first.assumptions[0]}" if first.assumptions else ""
    return reasons.ASSUMED_RULE.because(f"the rule of {first.controller} is assumed{why}")


def an_annotation_makes_it_local(facts: Facts) -> Reason | None:
    annotation = facts.case.assessment.forced_local if facts.case.assessment else ""
    return reasons.FORCED_LOCAL.because(f"annotation {annotation}") if annotation else None


def a_health_check_is_pinned(facts: Facts) -> Reason | None:
    verdicts = facts.case.assessment.consumers if facts.case.assessment else ()
    pinned = any(v.consumer.check and v.consumer.check.pins_health_check_node_port for v in verdicts)
    return reasons.HEALTH_CHECK_PINNED.because() if pinned else None


def a_health_check_would_fail(facts: Facts) -> Reason | None:
    for verdict in facts.case.assessment.consumers if facts.case.assessment else ():
        check = verdict.consumer.check
        if check is not None and check.fails_under_cluster:
            controller = verdict.consumer.controller
            return reasons.HEALTH_CHECK_WOULD_FAIL.because(
                f"under Cluster, the health check of {controller} {check.fails_under_cluster}, so it may fail on "
                f"every node. {check.so_that_it_passes}".rstrip(" .")
            )
    return None


def others_probe_it(facts: Facts) -> Reason | None:
    probed_by = facts.case.probed_by
    if not probed_by and not facts.governing.ignores_probes_from_other_namespaces:
        probed_by = facts.case.probed_from_elsewhere
    if not probed_by:
        return None
    return reasons.PROBED_BY_OTHERS.because(f"{probed_by}; Cluster would change the answer")


def it_shares_its_address(facts: Facts) -> Reason | None:
    """MetalLB 7938d3f internal/allocator/allocator.go checkSharing."""
    others = facts.case.shares_address_with
    if not others:
        return None
    named = listed(others, 3)
    return reasons.SHARED_ADDRESS.because(
        f"it shares its address with {named}, and MetalLB takes the address away if only one has Cluster"
    )


def it_is_annotated(facts: Facts) -> Reason | None:
    if facts.case.service.annotations.get(SKIP_ANNOTATION) in (None, "false"):
        return None
    return reasons.SKIP_ANNOTATION.because(f"annotation {SKIP_ANNOTATION}")


def a_rollback_is_requested(facts: Facts) -> Reason | None:
    asked = facts.governing.requests_rollback(facts.case.service)
    return reasons.ROLLBACK_REQUESTED.because() if asked else None


def a_policy_is_invalid(facts: Facts) -> Reason | None:
    return reasons.INVALID.because(facts.governing.invalid) if facts.governing.invalid else None


def a_policy_is_paused(facts: Facts) -> Reason | None:
    return pause(facts.governing)


def the_type_is_not_selected(facts: Facts) -> Reason | None:
    if facts.case.service.type in facts.governing.service_types:
        return None
    return reasons.TYPE_NOT_SELECTED.because(f"serviceTypes does not name {facts.case.service.type}")


def the_outcome_is_not_selected(facts: Facts) -> Reason | None:
    assessment = facts.case.assessment
    if assessment is None or assessment.outcome.name in facts.governing.outcomes:
        return None
    return reasons.OUTCOME_NOT_SELECTED.because(f"unhealthyWhen.outcomes does not name {assessment.outcome.name}")


def too_few_nodes_are_uncovered(facts: Facts) -> Reason | None:
    return None if in_need(facts.case.assessment, facts.governing) else reasons.TOO_FEW_UNCOVERED.because()


def source_ip_loss_is_refused(facts: Facts) -> Reason | None:
    if facts.governing.source_ip_loss_accepted or facts.governing.mode != "Enforce":
        return None
    return reasons.SOURCE_IP_LOSS_REFUSED.because()


def a_tool_owns_it(facts: Facts) -> Reason | None:
    if not facts.case.owner or facts.governing.patches_git_ops_owned:
        return None
    return reasons.GIT_OPS_OWNED.because(f"{facts.case.owner} owns the Service, and gitOpsOwned is Skip")


def a_network_policy_may_refuse(facts: Facts) -> Reason | None:
    if not facts.case.network_policy or facts.governing.ignores_network_policies:
        return None
    return reasons.NETWORK_POLICY.because(facts.case.network_policy)


def a_person_restored_local(facts: Facts) -> Reason | None:
    return reasons.ROLLED_BACK_BY_USER.because() if facts.case.held_off else None


def a_tool_keeps_restoring_local(facts: Facts) -> Reason | None:
    since = facts.now - facts.governing.revert_window_seconds
    recent = sum(time > since for time in facts.case.reverts)
    if recent < facts.governing.max_reverts:
        return None
    times = "once" if recent == 1 else f"{recent} times"
    return reasons.DRIFT.because(f"{facts.case.reverted_by or 'a tool'} restored Local {times}")


def pause(governing: Governing) -> Reason | None:
    """The first policy that is suspended or has a pause request."""
    policy = governing.paused
    if policy is None:
        return None
    if policy.spec.suspend:
        return reasons.SUSPENDED.because(f"{policy.kind} {policy.key} is suspended")
    return reasons.PAUSED.because(f"{policy.kind} {policy.key}: {policy.spec.pause_requests[0]}")


NEVER_LIFTED: tuple[Check, ...] = (
    service_is_deleting,
    namespace_is_terminating,
    namespace_is_unreadable,
    another_object_controls_it,
    it_is_not_assessed,
    an_annotation_makes_it_local,
    it_changed_since_the_assessment,
    the_outcome_is_never_remediated,
    the_outcome_rests_on_an_assumed_rule,
    a_health_check_is_pinned,
    a_health_check_would_fail,
    others_probe_it,
    it_shares_its_address,
    it_is_annotated,
)

BY_POLICY: tuple[Check, ...] = (
    a_rollback_is_requested,
    a_policy_is_invalid,
    a_policy_is_paused,
    the_type_is_not_selected,
    the_outcome_is_not_selected,
    too_few_nodes_are_uncovered,
    source_ip_loss_is_refused,
    a_tool_owns_it,
    a_network_policy_may_refuse,
    a_person_restored_local,
    a_tool_keeps_restoring_local,
)

CHECKS = (*NEVER_LIFTED, *BY_POLICY)
