"""How long, and how many of, the times in the history of a remediation are kept."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from etpguard.objects.coverage import KEPT
from etpguard.remediate.dwell import LONGEST_COOLDOWN, DwellHistory
from etpguard.report.service_coverage import LONGEST_BUDGET, LONGEST_DRIFT
from tests.remediate.stage import CRDS


def test_a_circuit_breaker_is_remembered_for_the_longest_cool_down() -> None:
    """Policies and namespaces come and go, and each has a breaker."""
    history = DwellHistory()
    assert history.note_breaker("policy", True, 10.0) == 10.0
    history.forget((), 10.0 + LONGEST_COOLDOWN - 1)
    assert history.note_breaker("policy", False, 10.0 + LONGEST_COOLDOWN - 1) == 10.0
    history.forget((), 10.0 + LONGEST_COOLDOWN)
    assert history.note_breaker("policy", False, 10.0 + LONGEST_COOLDOWN) is None


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
