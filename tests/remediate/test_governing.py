"""What several policies say together."""

from __future__ import annotations

from etpguard.remediate.checks import pause
from etpguard.remediate.governing import together
from tests.remediate.given import accepting, policy


def test_of_several_policies_field_by_field_the_more_careful() -> None:
    lax = policy(
        "lax",
        serviceTypes=["NodePort", "LoadBalancer"],
        unhealthyWhen={"forSeconds": 1, "outcomes": ["Blackhole", "TargetsUnhealthy"]},
        remediation=accepting(gitOpsOwned="Patch", networkPolicy="Ignore", onDrift={"maxReverts": 5}),
        rollback={"mode": "WhenCovered", "coveredForSeconds": 1},
    )
    strict = policy("strict", unhealthyWhen={"forSeconds": 60, "outcomes": ["Blackhole", "Outage"]})
    observing = policy("observing", mode="Observe", suspend=True)
    both = together((lax, strict, observing))
    assert both is not None
    assert [p.metadata.name for p in both.policies] == ["lax", "strict"]
    assert both.outcomes == {"Blackhole"}
    assert both.service_types == {"NodePort"}
    assert both.dwell_seconds == 60
    assert both.max_reverts == 1
    assert both.covered_seconds == 1800
    assert not any((both.patches_git_ops_owned, both.ignores_network_policies, both.rolls_back_when_covered))
    assert len(both.budgets) == len(both.breakers) == 2
    assert pause(both) is None
    lower = together((strict, policy("zz-dry", mode="DryRun")))
    assert lower is not None
    assert (lower.mode, lower.deciding.metadata.name) == ("DryRun", "zz-dry")
