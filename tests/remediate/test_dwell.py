"""How long, and how many of, the times in the history of a remediation are kept."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from etpguard.assess import Assessment, Outcome
from etpguard.objects.coverage import KEPT
from etpguard.remediate.dwell import LONGEST_COOLDOWN, DwellHistory
from etpguard.remediate.governing import together
from etpguard.report.service_coverage import LONGEST_BUDGET, LONGEST_DRIFT
from tests.remediate.given import assessment, changed, policy, service
from tests.remediate.stage import CRDS

KEY, RULES = service().key, together([policy()])
COVERED = changed(Outcome.Covered)


def test_a_circuit_breaker_is_remembered_for_the_longest_cool_down() -> None:
    """Policies and namespaces come and go, and each has a breaker."""
    history = DwellHistory()
    assert history.note_breaker("policy", True, 10.0) == 10.0
    history.forget((), 10.0 + LONGEST_COOLDOWN - 1)
    assert history.note_breaker("policy", False, 10.0 + LONGEST_COOLDOWN - 1) == 10.0
    history.forget((), 10.0 + LONGEST_COOLDOWN)
    assert history.note_breaker("policy", False, 10.0 + LONGEST_COOLDOWN) is None


@pytest.mark.parametrize(
    ("state", "between", "lasts"),
    [
        pytest.param(assessment(), assessment(Outcome.Outage, uncovered=0b111), True, id="in need all the time"),
        pytest.param(assessment(), assessment(Outcome.Covered, uncovered=0), False, id="covered for a moment"),
        pytest.param(assessment(), replace(assessment(), uid="new"), False, id="another Service for a moment"),
        pytest.param(assessment(), None, False, id="in need, by an assessment that was wrong"),
        pytest.param(COVERED, COVERED, True, id="would be covered all the time"),
        pytest.param(COVERED, changed(), False, id="would not be covered for a moment"),
        pytest.param(COVERED, assessment(), False, id="was not remediated for a moment"),
        pytest.param(COVERED, None, False, id="would be covered, by an assessment that was wrong"),
    ],
)
def test_what_happens_between_two_looks_counts(state: Assessment, between: Assessment | None, lasts: bool) -> None:
    history = DwellHistory()
    history.observe(KEY, state, RULES, 100.0)
    history.interrupt(KEY, between)
    found = history.observe(KEY, state, RULES, 200.0)
    assert (found.covered if state is COVERED else found.in_need) == (100.0 if lasts else 200.0)
    assert (found.in_need if state is COVERED else found.covered) is None


def test_what_ends_and_begins_again_lasts_from_then() -> None:
    history = DwellHistory()
    healthy = assessment(Outcome.Covered, uncovered=0)
    seen = [
        history.observe(KEY, each, RULES, now).in_need
        for each, now in ((assessment(), 10.0), (assessment(), 20.0), (healthy, 30.0), (assessment(), 40.0))
    ]
    assert seen == [10.0, 10.0, None, 40.0]
    seen = [
        history.observe(KEY, each, RULES, now).covered
        for each, now in ((COVERED, 50.0), (COVERED, 60.0), (changed(), 70.0), (COVERED, 80.0))
    ]
    assert seen == [50.0, 50.0, None, 80.0]
    seen = [history.orphaned(KEY, yes, now) for yes, now in ((True, 1.0), (True, 2.0), (False, 3.0), (True, 4.0))]
    assert seen == [1.0, 1.0, None, 4.0]


@pytest.mark.parametrize("crd", ["coveragepolicies", "clustercoveragepolicies"])
@pytest.mark.parametrize(
    ("path", "most"),
    [
        (("triggerIf", "stormCooldownSeconds"), LONGEST_COOLDOWN),
        (("onDrift", "windowSeconds"), LONGEST_DRIFT),
        (("onDrift", "maxReverts"), KEPT),
        (("budgets", "perSeconds"), LONGEST_BUDGET),
    ],
    ids=lambda each: ".".join(each) if isinstance(each, tuple) else None,
)
def test_no_policy_asks_for_more(path: tuple[str, str], most: float, crd: str) -> None:
    part = schema(crd)["spec"]["properties"]["remediation"]["properties"][path[0]]
    assert part.get("items", part)["properties"][path[1]]["maximum"] == most


@pytest.mark.parametrize("field", ["intents", "reverts"])
def test_the_report_takes_as_many_times_as_are_kept(field: str) -> None:
    record = schema("servicecoverages")["status"]["properties"]["remediation"]
    assert record["properties"][field]["maxItems"] == KEPT


def schema(crd: str) -> Any:
    found: Any = yaml.load((CRDS / f"{crd}.yaml").read_text(), yaml.CSafeLoader)
    return found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
