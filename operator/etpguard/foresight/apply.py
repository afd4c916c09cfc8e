"""Objects as they would be after an apply: a manifest over the object that exists. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from etpguard.cluster import Picture
from etpguard.foresight.changes import Applied, Manifest, Refused
from etpguard.foresight.pods import Pods, selects
from etpguard.foresight.worlds.changed_slices import slices_with
from etpguard.objects import (
    ENDPOINT_SLICE,
    AnyKind,
    Endpoint,
    EndpointSlice,
    Key,
    Record,
    Reject,
    Service,
    decode_item,
)
from etpguard.objects.endpoints import EndpointConditions, EndpointPort, TargetRef

Json = dict[str, Any]

_KEYED = {
    "containers": ("name",),
    "env": ("name",),
    "initContainers": ("name",),
    "ports": ("port", "containerPort", "protocol"),
    "topologySpreadConstraints": ("topologyKey",),
    "volumes": ("name",),
}
"""The lists that an apply merges by a key: struct tags patchMergeKey of k8s.io/api. Those of a Service's ports and
of a container's ports are in one entry: each has only one of the two numbers."""
_KEPT = frozenset({"containers", "env", "initContainers", "topologySpreadConstraints", "volumes"})
"""Lists that keep an item that the manifest leaves out: the manifest may be a patch."""


def merged(kind: AnyKind, manifest: Json, existing: Record | None) -> Record | Reject:
    """The object after the apply, or after a patch with these fields. Fields that the manifest leaves out keep
    their value, because it cannot be seen which of them a former apply has set. Fields that are null are
    removed."""
    if existing is None:
        return decode_item(kind, manifest)
    before: Json = msgspec.to_builtins(existing)
    return decode_item(kind, _over(before, manifest))


def _over(before: Any, after: Any, name: str = "") -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        made = dict(before)
        for key, value in after.items():
            if value is None:
                made.pop(key, None)
            else:
                made[key] = _over(before.get(key), value, key)
        return made
    if isinstance(after, dict):
        return {key: _over(None, value, key) for key, value in after.items() if value is not None}
    keys = _KEYED.get(name)
    if keys and isinstance(before, list) and isinstance(after, list):
        known = {_key(each, keys): each for each in before if isinstance(each, dict)}
        merged_items = [
            _over(known.pop(_key(each, keys), None), each) if isinstance(each, dict) else each for each in after
        ]
        return [*merged_items, *(known.values() if name in _KEPT else ())]
    return after


def _key(item: Json, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(name) or ("TCP" if name == "protocol" else None) for name in names)


def kinds_by_name(picture: Picture) -> dict[tuple[str, str], AnyKind]:
    """The kinds of the picture by apiVersion and kind, in each version with the same fields; the first of two
    records of one kind."""
    kinds: dict[tuple[str, str], AnyKind] = {}
    for each in picture.kinds:
        for version in (each.api_version, *each.equal_versions):
            kinds.setdefault((version, each.name), each)
    return kinds


def applied_documents(documents: Iterable[Json], picture: Picture) -> list[Applied]:
    """The objects of patches after all of them. Raises Refused for one that cannot be decoded. Kinds that no rule
    reads are left out."""
    return applied(manifests_of(documents, picture), picture)


def manifests_of(documents: Iterable[Json], picture: Picture) -> list[Manifest]:
    """The documents of the kinds that a rule reads."""
    kinds = kinds_by_name(picture)
    named = ((kinds.get((each["apiVersion"], each["kind"])), each) for each in documents)
    return [Manifest(kind, each) for kind, each in named if kind is not None]


def applied(manifests: Iterable[Manifest], picture: Picture) -> list[Applied]:
    """The objects after all of these manifests. Raises Refused for one that cannot be decoded."""
    made: dict[tuple[AnyKind, Key], Record] = {}
    for each in manifests:
        kind, meta = each.kind, each.content["metadata"]
        key = Key(meta.get("namespace", ""), meta["name"])
        record = merged(kind, each.content, made.get((kind, key)) or picture.get(kind, key))
        if isinstance(record, Reject):
            raise Refused(f"{each.where}{record.message}")
        made[kind, key] = record
    return [Applied(kind, record) for (kind, _), record in made.items()]


def slices_of(service: Service, pods: Pods) -> list[EndpointSlice]:
    """The EndpointSlices that the controller makes of the pods that the selector of the Service picks."""
    endpoints: list[Endpoint] = []
    for each in pods.in_namespace(service.key.namespace):
        pod = each.pod
        if pod is None or not pod.node or pod.finished:
            continue
        if selects(service, pod.key.namespace, pod.labels):
            ready = service.spec.publish_not_ready_addresses or (pod.ready and not pod.deleting)
            conditions = EndpointConditions(ready, pod.ready, pod.deleting)
            endpoints.append(Endpoint([], conditions, pod.node, TargetRef("Pod", pod.key.name)))
    ports = [EndpointPort(port.label, port.transport, port.port) for port in service.ports]
    return slices_with(service, f"what-if-of-{service.key.name}", 1, endpoints, ports)


def replaced_slices(picture: Picture, service: Key) -> list[Key]:
    """The EndpointSlices that those of `slices_of` replace."""
    return [slice_.key for slice_ in picture.referring(ENDPOINT_SLICE, service)]
