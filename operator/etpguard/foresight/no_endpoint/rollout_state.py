"""Whether a rollout of a workload is in progress, as its status shows it. Pure.

k8s.io/kubectl v0.37.2 pkg/polymorphichelpers/rollout_status.go.
"""

from __future__ import annotations

from etpguard.foresight.changes import Workload
from etpguard.objects.pod_controllers import ControllerStatus, PodController


def rollout_of(workload: Workload, controller: PodController) -> str | None:
    """A clause that says how far the rollout is. None where no rollout is in progress, or where the status, as of
    a manifest, does not show it."""
    status = controller.status
    if status is None or _by_hand(workload, controller):
        return None
    if (status.observed_generation or 0) < (controller.metadata.generation or 0):
        return f"a rollout of {workload} begins"
    updated, total = _progress(workload, controller, status)
    if updated >= total:
        return None
    verb = "is" if updated == 1 else "are"
    return f"a rollout of {workload} is in progress: {updated} of {total} pods {verb} updated"


def _by_hand(workload: Workload, controller: PodController) -> bool:
    """Whether nothing replaces the pods by itself."""
    if workload.kind == "Deployment":
        return bool(controller.spec.paused)
    update = controller.spec.update_strategy
    return workload.kind == "ReplicaSet" or bool(update and update.type == "OnDelete")


def _progress(workload: Workload, controller: PodController, status: ControllerStatus) -> tuple[int, int]:
    """The updated pods, and how many there will be."""
    if workload.kind == "DaemonSet":
        return status.updated_number_scheduled or 0, status.desired_number_scheduled or 0
    updated = status.updated_replicas or 0
    if workload.kind == "Deployment":
        return updated, max(controller.replicas, status.replicas or 0)
    if status.current_revision == status.update_revision:
        return 0, 0
    update = controller.spec.update_strategy
    partition = (update and update.rolling_update and update.rolling_update.partition) or 0
    return updated, max(controller.replicas - partition, 0)
