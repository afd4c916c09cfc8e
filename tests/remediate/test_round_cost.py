"""The work of a round grows with policies and Services, and not with their product squared. Counted, not timed."""

from __future__ import annotations

import sys
from typing import Any

from msgspec.structs import replace

from etpguard.assess import Outcome, picture_for
from etpguard.objects import SERVICE, Key, decode_item
from etpguard.objects.policies import COVERAGE_POLICY
from etpguard.remediate.decide import decide
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.gather import Gatherer
from etpguard.remediate.kinds import REMEDIATION_KINDS
from etpguard.remediate.ledger import OperatorLimits
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.status import policy_status
from tests.remediate.given import NOW, assessment

SPEC: dict[str, Any] = {
    "mode": "Enforce",
    "serviceSelector": {"matchLabels": {"app": "web"}},
    "unhealthyWhen": {"forSeconds": 0},
    "remediation": {
        "sourceIPLoss": "Accept",
        "triggerIf": {"uncoveredServicesLessThanOrEqualTo": "100%", "stormCooldownSeconds": 0},
        "budgets": [{"services": "100%", "schedule": "0 0 29 2 1", "durationSeconds": 60}] * 16,
    },
}


def calls(policies: int, services: int, *, own_label: bool = False) -> int:
    """Function calls of a round in which every policy selects every Service, or each the Services with a label of
    its own."""
    picture = picture_for((), REMEDIATION_KINDS)
    assessments = {}
    for n in range(services):
        meta: dict[str, Any] = {"name": f"s{n}", "namespace": "default", "uid": f"s{n}"}
        meta |= {"labels": {"app": "web", "team": f"t{n % policies}"}}
        body = {"metadata": meta, "spec": {"type": "NodePort", "externalTrafficPolicy": "Local"}}
        picture.absorb(picture.store(SERVICE).replace([decode_item(SERVICE, body)]))
        key = Key("default", f"s{n}")
        assessments[key] = replace(assessment(Outcome.Blackhole), key=key, uid=f"s{n}")
    for n in range(policies):
        meta = {"name": f"p{n}", "namespace": "default", "uid": f"p{n}"}
        store = picture.store(COVERAGE_POLICY)
        spec = {**SPEC, "serviceSelector": {"matchLabels": {"app": "web", "team": f"t{n}"}}} if own_label else SPEC
        picture.absorb(store.replace([decode_item(COVERAGE_POLICY, {"metadata": meta, "spec": spec})]))
    memory = RemediationMemory(picture, lambda: 0.0, lambda: NOW)
    gatherer = Gatherer(picture, assessments, DwellHistory(), memory, OperatorLimits())
    counted = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal counted
        counted += 1

    sys.setprofile(count)
    try:
        round_ = gatherer.gather(None, 0.0, NOW)
        decisions = {key: decide(case, round_.ledger, NOW) for key, case in round_.cases.items()}
        for policy in round_.policies:
            policy_status(policy, round_, decisions, NOW)
    finally:
        sys.setprofile(None)
    assert len(decisions) == services
    return counted


def test_ten_times_the_policies_are_at_most_twelve_times_the_work() -> None:
    calls(2, 2)
    assert calls(60, 20) <= 12 * calls(6, 20)


def test_ten_times_the_services_are_at_most_twelve_times_the_work() -> None:
    calls(2, 2)
    assert calls(20, 60) <= 12 * calls(20, 6)


def test_ten_times_both_are_at_most_twelve_times_the_work_where_each_policy_selects_its_own_services() -> None:
    calls(2, 2, own_label=True)
    assert calls(300, 600, own_label=True) <= 12 * calls(30, 60, own_label=True)
