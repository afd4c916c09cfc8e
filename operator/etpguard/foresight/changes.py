"""The changes that `what-if` knows, as data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from etpguard.objects import AnyKind, Key, Record
from etpguard.objects.text import listed_nodes


class By(Enum):
    """Who drains the node. It decides when load balancers stop to send to it, and which pods block."""

    KUBECTL = "kubectl"
    KARPENTER = "karpenter"
    CLUSTER_AUTOSCALER = "cluster-autoscaler"


@dataclass(frozen=True)
class Lose:
    """Nodes fail: the Nodes and the endpoints on them are gone."""

    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"lose {listed_nodes(self.nodes)}"


@dataclass(frozen=True)
class Drain:
    """The pods of nodes are evicted. Karpenter and the cluster autoscaler always delete the nodes afterwards."""

    nodes: tuple[str, ...]
    by: By = By.KUBECTL
    then_delete: bool = False
    force: bool = False
    """Whether pods without a controller are evicted: `kubectl drain --force`."""
    delete_emptydir_data: bool = False
    """Whether pods with an emptyDir are evicted: `kubectl drain --delete-emptydir-data`."""

    @property
    def deletes(self) -> bool:
        return self.then_delete or self.by is not By.KUBECTL

    def __str__(self) -> str:
        by = "" if self.by is By.KUBECTL else f" by {self.by.value}"
        return f"drain {listed_nodes(self.nodes)}{by}{' and delete it' if self.then_delete else ''}"


@dataclass(frozen=True)
class Workload:
    """`kind` is Deployment, ReplicaSet, StatefulSet or DaemonSet."""

    kind: str
    key: Key

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


@dataclass(frozen=True)
class Scale:
    workload: Workload
    replicas: int

    def __str__(self) -> str:
        return f"scale {self.workload} to {self.replicas}"


@dataclass(frozen=True)
class Rollout:
    workload: Workload

    def __str__(self) -> str:
        return f"roll out {self.workload}"


@dataclass(frozen=True)
class Policy:
    """Set externalTrafficPolicy."""

    service: Key
    policy: str

    def __str__(self) -> str:
        return f"set externalTrafficPolicy of Service {self.service} to {self.policy}"


@dataclass(frozen=True)
class TargetNodes:
    """Have the load balancers of a Service target only the nodes with these labels, `k=v` joined by commas."""

    service: Key
    selector: str

    def __str__(self) -> str:
        return f"target only nodes with {self.selector} for Service {self.service}"


@dataclass(frozen=True)
class Applied:
    """One object as it would be after an apply."""

    kind: AnyKind
    record: Record


@dataclass(frozen=True)
class Manifest:
    """An object to apply over the one that exists then. `where` begins a message about it."""

    kind: AnyKind
    content: dict[str, Any]
    where: str = ""


@dataclass(frozen=True)
class Apply:
    manifests: Sequence[Manifest]
    where: str
    warnings: Sequence[str] = ()
    """What of the manifests has no effect on the forecast."""

    def __str__(self) -> str:
        return f"apply {self.where}"


Change = Lose | Drain | Scale | Rollout | Policy | TargetNodes | Apply


class Refused(Exception):  # noqa: N818  it is no error of etpguard
    """The change names something that is not there, or that cannot be changed so. The text is one line."""
