"""What a Node offers to pods. Only the command line reads it, for `what-if`."""

from __future__ import annotations

from etpguard.objects.kinds import Kind, Reach
from etpguard.objects.records import (
    LabelledMeta,
    LabelledRecord,
    Shape,
)


class NodeDetailsSpec(Shape, frozen=True):
    unschedulable: bool | None = None


class NodeDetailsStatus(Shape, frozen=True):
    allocatable: dict[str, str | int | float] | None = None


class NodeDetails(LabelledRecord, frozen=True):
    """What a Node offers to pods. The record `Node` holds the rest: the operator reads that one, and this one only
    the command line."""

    metadata: LabelledMeta
    spec: NodeDetailsSpec | None = None
    status: NodeDetailsStatus | None = None

    @property
    def substance(self) -> object:
        return (self.spec, self.status)

    @property
    def unschedulable(self) -> bool:
        return bool(self.spec and self.spec.unschedulable)

    @property
    def allocatable(self) -> dict[str, str | int | float] | None:
        return self.status.allocatable if self.status else None


NODE_DETAILS = Kind("Node", "nodes", "", "v1", NodeDetails, namespaced=False, reach=Reach.NOTHING)
