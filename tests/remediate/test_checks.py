"""Each named check by itself: what makes it fail, with which code, and that it passes for a Service that is
due."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from etpguard.assess import Assessment, Outcome
from etpguard.assess.consumers.targets import NodeTargets
from etpguard.assess.evidence import Evidence
from etpguard.objects import Key, Revert
from etpguard.remediate import checks, reasons
from etpguard.remediate.checks import Check, Facts
from etpguard.remediate.facts import Case
from etpguard.remediate.reasons import RemediationReason
from tests.remediate.given import NOW, POLICY_UID, accepting, assessment, case, policy, record, service

CONTROLLED = service(ownerReferences=[{"kind": "Shop", "name": "one", "uid": "1", "controller": True}])
SKIPPED = service(annotations={checks.SKIP_ANNOTATION: "true"})
NO_VALUES = {"matchExpressions": [{"key": "tier", "operator": "In"}]}


def resting_on(*verdicts: tuple[Outcome, Evidence], incidental: bool = False) -> Assessment:
    """A Blackhole whose consumers have these outcomes and kinds of evidence."""
    whole = assessment()
    (first,) = whole.consumers
    consumers = tuple(
        replace(
            first,
            outcome=outcome,
            consumer=replace(
                first.consumer, evidence=evidence, assumptions=("it is Acme's",), incidental=incidental
            ),
        )
        for outcome, evidence in verdicts
    )
    return replace(whole, consumers=consumers)


ASSUMED = (Outcome.Blackhole, Evidence.ASSUMED)

FAILS: list[tuple[Check, Case, RemediationReason]] = [
    (
        checks.service_is_deleting,
        case(service=service(deletionTimestamp="2026-01-01T00:00:00Z")),
        reasons.DELETING,
    ),
    (checks.namespace_is_terminating, case(namespace_terminating=True), reasons.NAMESPACE_TERMINATING),
    (checks.namespace_is_unreadable, case(namespace_unread=True), reasons.NAMESPACE_UNREADABLE),
    (checks.another_object_controls_it, case(service=CONTROLLED), reasons.CONTROLLED),
    (checks.it_is_not_assessed, case(assessment=None), reasons.NOT_LOCAL),
    (
        checks.an_annotation_makes_it_local,
        case(assessment=replace(assessment(), forced_local="kube-router.io/service.local")),
        reasons.FORCED_LOCAL,
    ),
    (
        checks.it_changed_since_the_assessment,
        case(assessment=replace(assessment(), uid="former")),
        reasons.CHANGED,
    ),
    (
        checks.the_outcome_is_never_remediated,
        case(assessment=assessment(Outcome.NoTargets)),
        reasons.OUTCOME_NEVER_REMEDIATED,
    ),
    (
        checks.the_outcome_rests_on_an_assumed_rule,
        case(assessment=resting_on(ASSUMED, (Outcome.Covered, Evidence.DOCUMENTED))),
        reasons.ASSUMED_RULE,
    ),
    (checks.a_health_check_is_pinned, case(assessment=assessment(pinned=True)), reasons.HEALTH_CHECK_PINNED),
    (
        checks.a_health_check_would_fail,
        case(assessment=assessment(fails="asks / of the pods by HTTP")),
        reasons.HEALTH_CHECK_WOULD_FAIL,
    ),
    (checks.others_probe_it, case(probed_by="another"), reasons.PROBED_BY_OTHERS),
    (
        checks.it_shares_its_address,
        case(shares_address_with=(Key("shop", "dns"),)),
        reasons.SHARED_ADDRESS,
    ),
    (checks.it_is_annotated, case(service=SKIPPED), reasons.SKIP_ANNOTATION),
    (checks.a_rollback_is_requested, case(policy(rollbackRequests=["web"])), reasons.ROLLBACK_REQUESTED),
    (checks.a_policy_is_invalid, case(policy(serviceSelector=NO_VALUES)), reasons.INVALID),
    (checks.a_policy_is_paused, case(policy(suspend=True)), reasons.SUSPENDED),
    (checks.a_policy_is_paused, case(policy(pauseRequests=["move"])), reasons.PAUSED),
    (checks.the_type_is_not_selected, case(policy(serviceTypes=["LoadBalancer"])), reasons.TYPE_NOT_SELECTED),
    (
        checks.the_outcome_is_not_selected,
        case(policy(unhealthyWhen={"outcomes": ["Outage"]})),
        reasons.OUTCOME_NOT_SELECTED,
    ),
    (
        checks.too_few_nodes_are_uncovered,
        case(policy(unhealthyWhen={"uncoveredNodes": 3})),
        reasons.TOO_FEW_UNCOVERED,
    ),
    (checks.source_ip_loss_is_refused, case(policy(remediation={})), reasons.SOURCE_IP_LOSS_REFUSED),
    (checks.a_tool_owns_it, case(owner="Helm release web"), reasons.GIT_OPS_OWNED),
    (checks.a_network_policy_may_refuse, case(network_policy="admits by address"), reasons.NETWORK_POLICY),
    (
        checks.a_person_restored_local,
        case(remediation=record("RolledBackByUser", held_for=f"{POLICY_UID}@1")),
        reasons.ROLLED_BACK_BY_USER,
    ),
    (
        checks.a_tool_keeps_restoring_local,
        case(remediation=record("Reverted", reverts=(Revert("2027-01-15T07:59:00Z", "helm"),))),
        reasons.DRIFT,
    ),
]


def facts(given: Case) -> Facts:
    assert given.governing
    return Facts(given, given.governing, NOW)


@pytest.mark.parametrize(
    ("check", "given", "reason"), [pytest.param(*row, id=f"{row[0].__name__}:{row[2].code}") for row in FAILS]
)
def test_a_check_that_fails(check: Check, given: Case, reason: RemediationReason) -> None:
    found = check(facts(given))
    assert found is not None
    assert found.code == reason.code
    assert checks.first_failure(facts(given)) == found


@pytest.mark.parametrize("check", [pytest.param(check, id=check.__name__) for check in checks.CHECKS])
def test_a_check_that_passes(check: Check) -> None:
    assert check(facts(case())) is None
    assert check in {row[0] for row in FAILS}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(resting_on((Outcome.Blackhole, Evidence.DOCUMENTED)), id="a documented rule"),
        pytest.param(resting_on((Outcome.Blackhole, Evidence.OBSERVED)), id="an observed rule"),
        pytest.param(resting_on(ASSUMED, (Outcome.Blackhole, Evidence.DOCUMENTED)), id="one of two is documented"),
        pytest.param(
            resting_on((Outcome.Covered, Evidence.ASSUMED), (Outcome.Blackhole, Evidence.DOCUMENTED)),
            id="the assumed rule gives a better outcome",
        ),
        pytest.param(resting_on(ASSUMED, incidental=True), id="an incidental consumer"),
        pytest.param(replace(resting_on(), outcome=Outcome.Uncovered), id="no known consumer"),
        pytest.param(
            replace(resting_on((Outcome.Blackhole, Evidence.DOCUMENTED)), assumptions=("the hostname",)),
            id="an assumption that is not about a rule",
        ),
    ],
)
def test_a_certain_rule_bars_nothing(given: Assessment) -> None:
    assert checks.the_outcome_rests_on_an_assumed_rule(facts(case(assessment=given))) is None


def test_an_assumed_rule_need_not_say_what_it_assumes() -> None:
    whole = resting_on(ASSUMED)
    (first,) = whole.consumers
    silent = replace(whole, consumers=(replace(first, consumer=replace(first.consumer, assumptions=())),))
    for given, detail in (
        (whole, "the rule of alb is assumed: it is Acme's"),
        (silent, "the rule of alb is assumed"),
    ):
        found = checks.the_outcome_rests_on_an_assumed_rule(facts(case(assessment=given)))
        assert found is not None
        assert found.detail == detail


@pytest.mark.parametrize(
    ("reverts", "detail"),
    [
        pytest.param(("helm",), "helm restored Local once", id="once"),
        pytest.param(("helm", "argocd"), "argocd restored Local 2 times", id="the last one is named"),
    ],
)
def test_who_keeps_restoring_local(reverts: tuple[str, ...], detail: str) -> None:
    made = tuple(Revert(f"2027-01-15T07:59:0{number}Z", by) for number, by in enumerate(reverts))
    found = checks.a_tool_keeps_restoring_local(facts(case(remediation=record("Reverted", reverts=made))))
    assert found is not None
    assert found.detail == detail


def test_a_shared_address_names_three_others() -> None:
    others = tuple(Key("shop", f"dns-{number}") for number in range(5))
    found = checks.it_shares_its_address(facts(case(shares_address_with=others)))
    assert found is not None
    assert "shares its address with shop/dns-0, shop/dns-1, shop/dns-2 and 2 more" in found.detail


def test_what_no_policy_lifts_comes_first() -> None:
    given = case(policy(suspend=True, rollbackRequests=["web"]), service=SKIPPED, namespace_terminating=True)
    assert checks.first_failure(facts(given)) == checks.namespace_is_terminating(facts(given))


def test_the_source_address_is_not_at_stake_in_a_dry_run() -> None:
    assert checks.source_ip_loss_is_refused(facts(case(policy(mode="DryRun", remediation={})))) is None
    assert checks.source_ip_loss_is_refused(facts(case(policy(remediation=accepting())))) is None


def test_what_makes_a_check_pass_is_that_of_its_load_balancer() -> None:
    whole = assessment(fails="asks / of the pods by HTTP")
    (first,) = whole.consumers
    targets = first.consumer.targets
    assert isinstance(targets, NodeTargets)
    check = replace(targets.check, so_that_it_passes="First set the-type to tcp")
    consumer = replace(first.consumer, targets=replace(targets, check=check))
    given = case(assessment=replace(whole, consumers=(replace(first, consumer=consumer),)))
    found = checks.a_health_check_would_fail(facts(given))
    assert found is not None
    assert found.detail.endswith("so it may fail on every node. First set the-type to tcp")
    advice = reasons.plain_advice(found.code)
    assert "path" not in advice
    assert "connect" not in advice
