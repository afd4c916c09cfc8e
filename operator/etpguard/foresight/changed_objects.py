"""Objects as they will be, in the picture, with what a controller makes of them. Pure.

The AWS Load Balancer Controller writes annotations of Services and Ingresses into its TargetGroupBindings
(aws-load-balancer-controller v3.5.0 pkg/deploy/elbv2/target_group_binding_manager.go). The bindings of a changed
object leave the picture. Its targets are then found from the object itself, as before the first binding exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etpguard.assess.consumers.families.aws_lbc.annotations import ALB, NLB
from etpguard.assess.consumers.families.aws_lbc.bindings import owner_of
from etpguard.cluster import Picture
from etpguard.foresight.changes import Applied
from etpguard.foresight.world import World
from etpguard.objects import AnyKind, Key, Record, Service
from etpguard.objects.aws import TARGET_GROUP_BINDING, TargetGroupBinding
from etpguard.objects.records import AnnotatedRecord


def put(world: World, objects: Sequence[Applied]) -> None:
    """Put the objects into the picture. The caller lets the engine assess again."""
    outdated = [each.key for each in _outdated(world.picture, objects)]
    if outdated:
        world.remove(TARGET_GROUP_BINDING, outdated)
    for each in objects:
        world.put(each.kind, [each.record])


class Trial:
    """A picture with changed objects, which is as before after `undo`."""

    def __init__(self, world: World, objects: Sequence[Applied]) -> None:
        self._world = world
        self._before: list[tuple[AnyKind, Record]] = [
            (TARGET_GROUP_BINDING, each) for each in _outdated(world.picture, objects)
        ]
        self._made: list[tuple[AnyKind, Key]] = []
        for each in objects:
            record = world.picture.get(each.kind, each.record.key)
            if record is None:
                self._made.append((each.kind, each.record.key))
            else:
                self._before.append((each.kind, record))
        put(world, objects)
        world.refresh()

    def undo(self) -> None:
        for kind, key in self._made:
            self._world.remove(kind, [key])
        for kind, record in self._before:
            self._world.put(kind, [record])
        self._world.refresh()


def _outdated(picture: Picture, objects: Sequence[Applied]) -> list[TargetGroupBinding]:
    """The bindings that the controller writes again after the change."""
    if TARGET_GROUP_BINDING not in picture.kinds:
        return []
    found: dict[Key, TargetGroupBinding] = {}
    for each in objects:
        before = picture.get(each.kind, each.record.key)
        if not isinstance(each.record, AnnotatedRecord) or _settings(each.record) == _settings(before):
            continue
        bindings = picture.store(TARGET_GROUP_BINDING)
        found.update((binding.key, binding) for binding in bindings if _made_by(binding, each.record))
    return list(found.values())


def _settings(record: Record | None) -> Mapping[str, str]:
    annotations = record.annotations if isinstance(record, AnnotatedRecord) else {}
    return {key: value for key, value in annotations.items() if key.startswith((ALB, NLB))}


def _made_by(binding: TargetGroupBinding, record: Record) -> bool:
    """Whether the controller makes the binding from this object. One of a group of Ingresses counts for each
    Ingress of the namespace."""
    owner = owner_of(binding)
    if owner is None:
        return False
    if isinstance(record, Service) and binding.key.namespace == record.key.namespace:
        reference = binding.spec.service_ref
        if reference.name == record.key.name and owner.kind != "Gateway":
            return True
    kind = "Service" if isinstance(record, Service) else "Ingress"
    of_group = owner.namespace == "" and binding.key.namespace == record.key.namespace
    return owner.kind == kind and (of_group or Key(owner.namespace, owner.name) == record.key)
