"""What several policies say together."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from etpguard.objects.policies import CoveragePolicy
from etpguard.remediate.checks import pause
from etpguard.remediate.governing import Governing, together
from tests.remediate.given import accepting, policy, service


def test_of_several_policies_field_by_field_the_more_careful() -> None:
    lax = policy(
        "lax",
        serviceTypes=["NodePort", "LoadBalancer"],
        unhealthyWhen={"forSeconds": 1, "outcomes": ["Blackhole", "TargetsUnhealthy"]},
        remediation=accepting(
            gitOpsOwned="Patch",
            networkPolicy="Ignore",
            probesFromOtherNamespaces="Ignore",
            onDrift={"maxReverts": 5, "windowSeconds": 3600},
        ),
        rollback={"mode": "WhenCovered", "coveredForSeconds": 1},
    )
    strict = policy(
        "strict", unhealthyWhen={"forSeconds": 60, "outcomes": ["Blackhole", "Outage"]}, remediation={}
    )
    observing = policy("observing", mode="Observe", suspend=True)
    leaving = policy("leaving", suspend=True)
    leaving = replace(leaving, metadata=replace(leaving.metadata, deletion_timestamp="2026-01-01T00:00:00Z"))
    both = together((lax, strict, observing, leaving))
    assert both is not None
    assert [p.metadata.name for p in both.policies] == ["lax", "strict"]
    assert both.outcomes == {"Blackhole"}
    assert both.service_types == {"NodePort"}
    assert both.dwell_seconds == 60
    assert both.max_reverts == 1
    assert both.revert_window_seconds == 86400
    assert both.covered_seconds == 1800
    assert not any(
        (
            both.source_ip_loss_accepted,
            both.patches_git_ops_owned,
            both.ignores_network_policies,
            both.ignores_probes_from_other_namespaces,
            both.rolls_back_when_covered,
        )
    )
    assert len(both.budgets) == len(both.breakers) == 2
    assert pause(both) is None
    lower = together((strict, policy("zz-dry", mode="DryRun")))
    assert lower is not None
    assert (lower.mode, lower.deciding.metadata.name) == ("DryRun", "zz-dry")


def elsewhere(made: CoveragePolicy) -> CoveragePolicy:
    """The policy as one for the whole cluster, which has no namespace."""
    return replace(made, metadata=replace(made.metadata, namespace=None))


@pytest.mark.parametrize(
    ("policies", "asked"),
    [
        pytest.param([policy(rollbackRequests=["web"])], True, id="by name, in its namespace"),
        pytest.param([policy(rollbackRequests=["default/web"])], True, id="by namespace and name"),
        pytest.param([policy(), policy("b", rollbackRequests=["web"])], True, id="by one of several"),
        pytest.param(
            [elsewhere(policy(rollbackRequests=["default/web"]))], True, id="by a policy of the whole cluster"
        ),
        pytest.param(
            [elsewhere(policy(rollbackRequests=["web"]))], False, id="a policy of the whole cluster needs both"
        ),
        pytest.param([policy(rollbackRequests=["other/web"])], False, id="of another namespace"),
        pytest.param([policy()], False, id="by none"),
    ],
)
def test_which_rollbacks_are_requested(policies: list[CoveragePolicy], asked: bool) -> None:
    assert Governing(tuple(policies)).requests_rollback(service()) is asked
