"""The records of the opt-in: CoveragePolicy and ClusterCoveragePolicy, group etpguard.dev/v1alpha1.

Defaults are those of the CRDs (crds/), so a policy from a file means what it would mean in a cluster.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from etpguard.objects.coverage import GROUP, VERSION
from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.records import AnnotatedRecord, Selector, Shape


class UnhealthyWhen(Shape, frozen=True):
    """When a Service needs remediation: an outcome of the set, with at least that many uncovered nodes (a number,
    or a percentage of the eligible ones), for that many seconds."""

    uncovered_nodes: int | str = 1
    for_seconds: int = 300
    outcomes: tuple[str, ...] = ("Blackhole", "Outage")


class TriggerIf(Shape, frozen=True):
    """The circuit breaker: remediate only while at most that share (or number) of the policy's Services needs it,
    and not before the cool-down after it last tripped."""

    uncovered_services_less_than_or_equal_to: int | str = "40%"
    storm_cooldown_seconds: int = 600


class Budget(Shape, frozen=True):
    """At most `services` remediations (a number, or a percentage of the policy's Services) in any `perSeconds`.
    With a schedule (cron) it is in force for `durationSeconds` from each of its times."""

    services: str = "1"
    per_seconds: int = 600
    schedule: str | None = None
    time_zone: str | None = None
    duration_seconds: int | None = None


class OnDrift(Shape, frozen=True):
    """Stop after a tool restored Local `maxReverts` times within the window."""

    max_reverts: int = 1
    window_seconds: int = 86400


class RemediationSpec(Shape, frozen=True):
    action: Literal["SetCluster"] = "SetCluster"
    source_ip_loss: Literal["Refuse", "Accept"] = msgspec.field(name="sourceIPLoss", default="Refuse")
    git_ops_owned: Literal["Skip", "Patch"] = "Skip"
    network_policy: Literal["Refuse", "Ignore"] = "Refuse"
    probes_from_other_namespaces: Literal["Refuse", "Ignore"] = "Refuse"
    trigger_if: TriggerIf = TriggerIf()
    budgets: tuple[Budget, ...] = (Budget(),)
    on_drift: OnDrift = OnDrift()


class Rollback(Shape, frozen=True):
    mode: Literal["Manual", "WhenCovered"] = "Manual"
    covered_for_seconds: int = 1800
    on_delete: Literal["Keep", "Revert"] = "Keep"


class CoveragePolicySpec(Shape, frozen=True):
    mode: Literal["Observe", "DryRun", "Enforce"] = "Observe"
    service_selector: Selector | None = None
    namespace_selector: Selector | None = None
    service_types: tuple[str, ...] = ("NodePort",)
    unhealthy_when: UnhealthyWhen = UnhealthyWhen()
    remediation: RemediationSpec = RemediationSpec()
    rollback: Rollback = Rollback()
    suspend: bool = False
    pause_requests: tuple[str, ...] = ()
    rollback_requests: tuple[str, ...] = ()
    """Services to roll back to Local now, as NAMESPACE/NAME, or NAME in a namespaced policy."""


class CoveragePolicy(AnnotatedRecord, frozen=True):
    """Either kind; a ClusterCoveragePolicy has no namespace."""

    spec: CoveragePolicySpec = CoveragePolicySpec()
    status: dict[str, Any] | None = None

    @property
    def substance(self) -> object:
        return (*self._meta_substance, self.spec, self.status)

    @property
    def kind(self) -> str:
        return "CoveragePolicy" if self.metadata.namespace else "ClusterCoveragePolicy"


COVERAGE_POLICY = Kind("CoveragePolicy", "coveragepolicies", GROUP, VERSION, CoveragePolicy, reach=Reach.NOTHING)
CLUSTER_COVERAGE_POLICY = Kind(
    "ClusterCoveragePolicy",
    "clustercoveragepolicies",
    GROUP,
    VERSION,
    CoveragePolicy,
    namespaced=False,
    reach=Reach.NOTHING,
)
