"""The record of a Pod.

Only the command line reads it, for `what-if`. It holds what decides on where a pod may run, on how it ends, and on
which pod a controller deletes first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from etpguard.objects.arguments import kept_arguments
from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.node_affinity import NodeAffinity
from etpguard.objects.nodes import Taint
from etpguard.objects.records import (
    AnnotatedRecord,
    Condition,
    FullMeta,
    OwnerReference,
    Selector,
    Shape,
)


class PodTerm(Shape, frozen=True):
    topology_key: str
    label_selector: Selector | None = None
    namespaces: tuple[str, ...] | None = None
    namespace_selector: Selector | None = None
    match_label_keys: tuple[str, ...] | None = None
    mismatch_label_keys: tuple[str, ...] | None = None


class PodAffinity(Shape, frozen=True):
    required: tuple[PodTerm, ...] | None = msgspec.field(
        name="requiredDuringSchedulingIgnoredDuringExecution", default=None
    )


class Affinity(Shape, frozen=True):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class Toleration(Shape, frozen=True):
    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None

    def tolerates(self, taint: Taint) -> bool:
        """k8s.io/api core/v1/toleration.go ToleratesTaint."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator == "Exists":
            return True
        return (
            self.operator in (None, "", "Equal") and bool(self.key) and (self.value or "") == (taint.value or "")
        )


class Resources(Shape, frozen=True):
    requests: dict[str, str | int | float] | None = None


class HostPort(Shape, frozen=True):
    container_port: int = 0
    host_port: int | None = None
    name: str | None = None
    protocol: str | None = None


class Sleep(Shape, frozen=True):
    seconds: int = 0


WAIT_SHUTDOWN = ["/wait-shutdown"]
"""The preStop command of ingress-nginx."""


DRAIN_ARGUMENTS = ("drain-delay", "health-check-failure-delay", "min-drain-duration")
"""Arguments of the shutdown managers of Contour and Envoy Gateway, without their dashes."""


class Command(Shape, frozen=True):
    """Only `WAIT_SHUTDOWN` and the arguments in `DRAIN_ARGUMENTS` are kept."""

    command: list[str] | None = None

    def __post_init__(self) -> None:
        if self.command != WAIT_SHUTDOWN:
            kept = kept_arguments(self.command or (), DRAIN_ARGUMENTS) or None
            msgspec.structs.force_setattr(self, "command", kept)


class Handler(Shape, frozen=True):
    """A preStop hook. Of a request, only that it is one is kept."""

    sleep: Sleep | None = None
    exec: Command | None = None
    http_get: dict[str, Any] | None = msgspec.field(name="httpGet", default=None)

    def __post_init__(self) -> None:
        if self.http_get is not None:
            msgspec.structs.force_setattr(self, "http_get", {})

    @property
    def waits_for_shutdown(self) -> bool:
        return self.exec is not None and self.exec.command == WAIT_SHUTDOWN


class Lifecycle(Shape, frozen=True):
    pre_stop: Handler | None = None


class ReadinessProbe(Shape, frozen=True):
    """The defaults are those of the API: core/v1 Probe."""

    period_seconds: int | None = None
    failure_threshold: int | None = None


SHUTDOWN_ARGUMENTS = ("shutdown-grace-period",)
"""Arguments of a container that decide on how its program ends, without their dashes."""


class PodContainer(Shape, frozen=True):
    """Only the arguments in `SHUTDOWN_ARGUMENTS` are kept, and only the name of the image, without registry and
    tag."""

    name: str = ""
    resources: Resources | None = None
    ports: list[HostPort] | None = None
    restart_policy: str | None = None
    image: str | None = None
    args: list[str] | None = None
    lifecycle: Lifecycle | None = None
    readiness_probe: ReadinessProbe | None = None

    @property
    def program(self) -> str:
        """The name of the image; "" if it has none."""
        return (self.image or "").partition("@")[0]

    def __post_init__(self) -> None:
        put = msgspec.structs.force_setattr
        if self.image:
            *path, name = self.image.partition("@")[0].split("/")
            put(self, "image", "/".join([*path[-1:], name.partition(":")[0]]))
        put(self, "args", kept_arguments(self.args or (), SHUTDOWN_ARGUMENTS) or None)


class EmptyDir(Shape, frozen=True):
    medium: str | None = None


class HostPath(Shape, frozen=True):
    """Only that a volume is one is kept."""


class Volume(Shape, frozen=True):
    name: str = ""
    empty_dir: EmptyDir | None = None
    host_path: HostPath | None = None
    persistent_volume_claim: dict[str, Any] | None = None


class PodSpec(Shape, frozen=True):
    node_name: str | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: list[Toleration] | None = None
    containers: list[PodContainer] | None = None
    init_containers: list[PodContainer] | None = None
    volumes: list[Volume] | None = None
    host_network: bool | None = None
    overhead: dict[str, str | int | float] | None = None
    termination_grace_period_seconds: int | None = None
    topology_spread_constraints: list[dict[str, Any]] | None = None


class StateDetail(Shape, frozen=True):
    """`reason` is a word of the kubelet or of the container runtime, such as CrashLoopBackOff."""

    reason: str | None = None


class ContainerState(Shape, frozen=True):
    waiting: StateDetail | None = None
    terminated: StateDetail | None = None


class ContainerStatus(Shape, frozen=True):
    name: str = ""
    ready: bool | None = None
    state: ContainerState | None = None


class PodStatus(Shape, frozen=True):
    phase: str | None = None
    reason: str | None = None
    conditions: list[Condition] | None = None
    start_time: str | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(AnnotatedRecord, frozen=True):
    metadata: FullMeta
    spec: PodSpec = PodSpec()
    status: PodStatus | None = None

    @property
    def substance(self) -> object:
        return (*self._meta_substance, self.spec, self.status)

    @property
    def phase(self) -> str:
        return (self.status and self.status.phase) or "Pending"

    @property
    def node(self) -> str:
        """The name of its node; "" while the pod is not assigned to one."""
        return self.spec.node_name or ""

    @property
    def finished(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    @property
    def active(self) -> bool:
        """Whether controllers count it: pkg/controller/controller_utils.go IsPodActive."""
        return not self.finished and not self.deleting

    @property
    def ready(self) -> bool:
        found = self.condition("Ready")
        return found is not None and found.status == "True"

    @property
    def ready_since(self) -> str:
        """The time of the Ready condition of a ready pod, RFC 3339; "" if it is not known."""
        found = self.condition("Ready")
        return (found.last_transition_time or "") if found is not None and found.status == "True" else ""

    @property
    def controller(self) -> OwnerReference | None:
        owners = self.metadata.owner_references or ()
        return next((owner for owner in owners if owner.controller), None)

    def condition(self, type_: str) -> Condition | None:
        conditions = (self.status and self.status.conditions) or ()
        return next((each for each in conditions if each.type == type_), None)


POD = Kind("Pod", "pods", "", "v1", Pod, reach=Reach.NOTHING)
