"""The record of a PodDisruptionBudget, which decides whether a pod may be evicted."""

from __future__ import annotations

from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.pods import Pod
from etpguard.objects.records import (
    FullMeta,
    LabelledRecord,
    Selector,
    Shape,
)


class BudgetSpec(Shape, frozen=True):
    selector: Selector | None = None
    unhealthy_pod_eviction_policy: str | None = None


class BudgetStatus(Shape, frozen=True):
    disruptions_allowed: int | None = None
    current_healthy: int | None = None
    desired_healthy: int | None = None
    observed_generation: int | None = None


class PodDisruptionBudget(LabelledRecord, frozen=True):
    metadata: FullMeta
    spec: BudgetSpec | None = None
    status: BudgetStatus | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.generation, self.spec, self.status)

    def covers(self, pod: Pod) -> bool:
        """A null selector selects nothing, an empty one everything: policy/v1."""
        selector = self.spec.selector if self.spec else None
        same = (self.metadata.namespace or "") == pod.key.namespace
        return same and selector is not None and selector.admits(pod.labels)


POD_DISRUPTION_BUDGET = Kind(
    "PodDisruptionBudget", "poddisruptionbudgets", "policy", "v1", PodDisruptionBudget, reach=Reach.NOTHING
)
