"""The workloads of the picture: their pods, their template, and how a rollout replaces pods. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from etpguard.cluster import Picture
from etpguard.foresight.changes import Refused, Workload
from etpguard.foresight.placement.scheduling import NewPod
from etpguard.foresight.pods import Pods, Seen
from etpguard.foresight.scale_in import ordinal
from etpguard.objects.pod_controllers import (
    AUTOSCALER,
    CONTROLLER_KINDS,
    REPLICA_SET,
    HorizontalPodAutoscaler,
    IntOrPercent,
    PodController,
)
from etpguard.objects.pods import PodSpec
from etpguard.objects.text import did_you_mean

KINDS = {kind.name: kind for kind in CONTROLLER_KINDS}
REVISION_LABEL = {
    "Deployment": "pod-template-hash",
    "StatefulSet": "controller-revision-hash",
    "DaemonSet": "controller-revision-hash",
}
"""The label of the pods of one revision."""
_SHORT = {
    **{name.lower(): name for name in KINDS},
    **{f"{name.lower()}s": name for name in KINDS},
    "deploy": "Deployment",
    "rs": "ReplicaSet",
    "sts": "StatefulSet",
    "ds": "DaemonSet",
}


def kind_named(text: str) -> str | None:
    """The name of a kind, also in lower case, in the plural and short."""
    return _SHORT.get(text.lower().partition(".")[0])


@dataclass(frozen=True)
class Batch:
    """How a rollout replaces pods: how many of `pods` may be missing at a time."""

    pods: tuple[Seen, ...]
    missing: int
    replaced_in_place: bool = False
    """Whether each new pod runs on the node of its predecessor: a DaemonSet's."""


class Workloads:
    def __init__(self, picture: Picture, pods: Pods) -> None:
        self._picture = picture
        self._pods = pods

    def get(self, workload: Workload) -> PodController:
        """Raises Refused if it is not there or cannot be read."""
        kind = KINDS[workload.kind]
        found = self._picture.get(kind, workload.key)
        if found is not None:
            return found
        why = self._picture.why_unknown(kind)
        near = f": {why}" if why else did_you_mean(str(workload.key), self._picture.store(kind).keys())
        raise Refused(f"there is no {workload}{near}")

    def pods_of(self, workload: Workload, controller: PodController) -> list[Seen]:
        """Its active pods. Where Pods cannot be read: those with an endpoint in a Service that selects the
        template."""
        if not self._pods.known:
            services = self._pods.services_for(new_pod(controller))
            return [each for each in self._pods.seen.values() if self._pods.services_of(each.key) & services]
        sets = {workload.key.name} if workload.kind != "Deployment" else self.replica_sets(controller)
        kind = "ReplicaSet" if workload.kind == "Deployment" else workload.kind
        return [
            each
            for each in self._pods.in_namespace(workload.key.namespace)
            if each.pod is not None
            and each.pod.active
            and (owner := each.pod.controller) is not None
            and owner.kind == kind
            and (
                owner.name in sets if sets is not None else controller.selects(each.key.namespace, each.pod.labels)
            )
        ]

    def replica_sets(self, deployment: PodController) -> set[str] | None:
        """The names of the ReplicaSets of a Deployment; None if they cannot be read."""
        if self._picture.why_unknown(REPLICA_SET):
            return None
        return {
            each.key.name
            for each in self._picture.store(REPLICA_SET)
            if each.key.namespace == deployment.key.namespace
            and (owner := each.owner) is not None
            and owner.kind == "Deployment"
            and owner.name == deployment.key.name
        }

    def autoscaler(self, workload: Workload) -> HorizontalPodAutoscaler | None:
        for each in self._picture.store(AUTOSCALER):
            target = each.spec.scale_target_ref
            at = (each.key.namespace, target.kind, target.name)
            if at == (workload.key.namespace, workload.kind, workload.key.name):
                return each
        return None

    def batch(self, workload: Workload, controller: PodController) -> Batch:
        """Raises Refused for a workload that no rollout reaches."""
        pods = tuple(sorted(self.pods_of(workload, controller), key=lambda each: each.key))
        spec = controller.spec
        update = spec.strategy if workload.kind == "Deployment" else spec.update_strategy
        rolling = update.rolling_update if update else None
        kind = (update and update.type) or "RollingUpdate"
        match workload.kind:
            case "ReplicaSet":
                raise Refused(f"{workload} has no rollout: roll out its Deployment")
            case "Deployment" if spec.paused:
                raise Refused(f"{workload} is paused: no rollout runs")
            case "Deployment" if kind == "Recreate":
                return Batch(pods, len(pods))
            case "Deployment":
                return Batch(pods, deployment_unavailable(controller))
            case _ if kind == "OnDelete":
                raise Refused(f"{workload} has the update strategy OnDelete: a rollout replaces no pod by itself")
            case "StatefulSet":
                partition = (rolling and rolling.partition) or 0
                replaced = tuple(each for each in pods if ordinal(each.key.name) >= partition)
                # pkg/controller/statefulset/stateful_set_utils.go getStatefulSetMaxUnavailable
                most = scaled(rolling.max_unavailable if rolling else None, controller.replicas, 1, up=False)
                return Batch(replaced, max(most, 1))
            case _:
                total = (controller.status and controller.status.desired_number_scheduled) or len(pods)
                surge = surges(controller)
                default = 0 if surge else 1
                missing = scaled(rolling.max_unavailable if rolling else None, total, default, up=True)
                return Batch(pods, missing if surge else max(missing, 1), replaced_in_place=True)


def surges(daemon_set: PodController) -> bool:
    """Whether a rollout starts a new pod on a node before the old one ends."""
    update = daemon_set.spec.update_strategy
    rolling = update.rolling_update if update else None
    return scaled(rolling.max_surge if rolling else None, 100, 0, up=True) > 0


def deployment_unavailable(deployment: PodController) -> int:
    """pkg/controller/deployment/util ResolveFenceposts: 25 % each by default; surge rounds up, unavailable down,
    and both cannot be 0."""
    strategy = deployment.spec.strategy
    rolling = strategy.rolling_update if strategy else None
    replicas = deployment.replicas
    surge = scaled(rolling.max_surge if rolling else None, replicas, "25%", up=True)
    missing = scaled(rolling.max_unavailable if rolling else None, replicas, "25%", up=False)
    return min(missing if surge or missing else 1, replicas)


def scaled(given: IntOrPercent, total: int, default: int | str, *, up: bool) -> int:
    value = default if given is None else given
    if isinstance(value, int):
        return value
    digits = value.strip().removesuffix("%")
    if not digits.isdecimal():
        return 0
    share = int(digits) * total / 100
    return math.ceil(share) if up else math.floor(share)


def new_pod(controller: PodController) -> NewPod:
    template = controller.template
    return NewPod(controller.key.namespace, template.labels, template.spec or PodSpec())


def next_pod(workload: Workload, controller: PodController) -> NewPod:
    """A pod of a rollout. No pod has its revision yet, so a term with it in `matchLabelKeys` selects no old pod:
    k8s.io/kubernetes v1.37.2 pkg/registry/core/pod/strategy.go applyMatchLabelKeysAndMismatchLabelKeys."""
    one = new_pod(controller)
    return replace(one, labels={**one.labels, REVISION_LABEL[workload.kind]: "(next)"})
