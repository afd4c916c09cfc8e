"""The records of the controllers of pods: Deployment, ReplicaSet, StatefulSet, DaemonSet, HorizontalPodAutoscaler.

Only the command line reads them, for `what-if`.
"""

from __future__ import annotations

import msgspec

from etpguard.objects.disruption_budgets import POD_DISRUPTION_BUDGET
from etpguard.objects.kinds import AnyKind, Kind, Reach
from etpguard.objects.node_details import NODE_DETAILS
from etpguard.objects.pod_templates import PodTemplate
from etpguard.objects.pods import POD
from etpguard.objects.records import FullMeta, LabelledRecord, OwnerReference, Selector, Shape

IntOrPercent = int | str | None
"""A number, or text such as "25%"."""


class RollingUpdate(Shape, frozen=True):
    max_surge: IntOrPercent = None
    max_unavailable: IntOrPercent = None
    partition: int | None = None


class Strategy(Shape, frozen=True):
    type: str | None = None
    rolling_update: RollingUpdate | None = None


class Ordinals(Shape, frozen=True):
    start: int | None = None


class ControllerSpec(Shape, frozen=True):
    """The union of the fields of all kinds."""

    selector: Selector | None = None
    template: PodTemplate | None = None
    replicas: int | None = None
    strategy: Strategy | None = None
    update_strategy: Strategy | None = None
    min_ready_seconds: int | None = None
    paused: bool | None = None
    ordinals: Ordinals | None = None
    pod_management_policy: str | None = None


class ControllerStatus(Shape, frozen=True):
    """The union of the fields of all kinds. The API server leaves out a number that is 0."""

    observed_generation: int | None = None
    desired_number_scheduled: int | None = None
    updated_number_scheduled: int | None = None
    replicas: int | None = None
    updated_replicas: int | None = None
    current_revision: str | None = None
    update_revision: str | None = None


class PodController(LabelledRecord, frozen=True):
    """A Deployment, ReplicaSet, StatefulSet or DaemonSet."""

    metadata: FullMeta
    spec: ControllerSpec = ControllerSpec()
    status: ControllerStatus | None = None

    @property
    def substance(self) -> object:
        return (self.metadata.uid, self.metadata.labels, self.metadata.generation, self.spec, self.status)

    @property
    def replicas(self) -> int:
        return 1 if self.spec.replicas is None else self.spec.replicas

    @property
    def template(self) -> PodTemplate:
        return self.spec.template or PodTemplate()

    @property
    def owner(self) -> OwnerReference | None:
        return next((each for each in self.metadata.owner_references or () if each.controller), None)

    def selects(self, namespace: str, labels: dict[str, str]) -> bool:
        selector = self.spec.selector
        return namespace == self.key.namespace and selector is not None and selector.admits(labels)


class ScaleTarget(Shape, frozen=True):
    kind: str = ""
    name: str = ""


class AutoscalerSpec(Shape, frozen=True):
    scale_target_ref: ScaleTarget = ScaleTarget()
    min_replicas: int | None = None
    max_replicas: int | None = None


class HorizontalPodAutoscaler(LabelledRecord, frozen=True):
    metadata: FullMeta
    spec: AutoscalerSpec = msgspec.field(default_factory=AutoscalerSpec)

    @property
    def substance(self) -> object:
        return self.spec


def _of_apps(name: str, plural: str) -> Kind[PodController]:
    return Kind(name, plural, "apps", "v1", PodController, reach=Reach.NOTHING)


DEPLOYMENT = _of_apps("Deployment", "deployments")
REPLICA_SET = _of_apps("ReplicaSet", "replicasets")
STATEFUL_SET = _of_apps("StatefulSet", "statefulsets")
DAEMON_SET = _of_apps("DaemonSet", "daemonsets")
AUTOSCALER = Kind(
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
    "autoscaling",
    "v2",
    HorizontalPodAutoscaler,
    reach=Reach.NOTHING,
)
CONTROLLER_KINDS = (DEPLOYMENT, REPLICA_SET, STATEFUL_SET, DAEMON_SET)
WORKLOAD_KINDS: tuple[AnyKind, ...] = (
    POD,
    *CONTROLLER_KINDS,
    POD_DISRUPTION_BUDGET,
    AUTOSCALER,
    NODE_DETAILS,
)
"""What `what-if` reads beyond the kinds of `check`."""
