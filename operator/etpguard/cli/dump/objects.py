"""Turns records back into objects of the API, with only the fields that a rule reads. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from etpguard.cluster import Picture
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE_COVERAGE, AnyKind, EndpointSlice, Key, Record
from etpguard.objects.k3s import SVCLB_POD
from etpguard.objects.named import NamedObjects
from etpguard.objects.node_details import NODE_DETAILS
from etpguard.objects.pods import POD

Json = dict[str, Any]


def dumped_objects(
    picture: Picture, reads_annotation: Callable[[str], bool], services: frozenset[Key] | None = None
) -> Iterator[Json]:
    """All objects of the picture, by kind and key. `services`: keep only the EndpointSlices of these Services;
    None for all.

    The records hold only what a rule reads. So the objects have no images and no last-applied configuration, and
    of managedFields only the names of the managers.
    """
    for kind in picture.kinds:
        if kind == NODE_DETAILS:
            continue  # part of the Nodes
        records = sorted(picture.store(kind), key=lambda record: record.key)
        if kind == ENDPOINT_SLICE and services is not None:
            kept = [record for record in records if _service_of(record) in services]
            records = kept or records[:1]  # a picture without any EndpointSlice counts as one that lacks the kind
        for record in records:
            if kind == SVCLB_POD and picture.get(POD, record.key):
                continue  # the record of the Pod has all of it
            made = dumped_object(kind, record, reads_annotation)
            if kind == NODE and (details := picture.get(NODE_DETAILS, record.key)):
                for part in ("spec", "status"):
                    made[part] = made.get(part, {}) | _without_nulls(msgspec.to_builtins(details)).get(part, {})
            yield made


def dumped_named(objects: NamedObjects, reads_annotation: Callable[[str], bool]) -> Iterator[Json]:
    """The objects that show the data plane."""
    for named, record in objects.records():
        yield dumped_object(named.kind, record, reads_annotation)


def dumped_object(kind: AnyKind, record: Record, reads_annotation: Callable[[str], bool]) -> Json:
    content: Json = _without_nulls(msgspec.to_builtins(record))
    metadata = content["metadata"]
    metadata.pop("resourceVersion", None)  # files have no order of versions
    kept = {key: value for key, value in metadata.pop("annotations", {}).items() if reads_annotation(key)}
    if kept:
        metadata["annotations"] = kept
    if kind == SERVICE_COVERAGE:
        # The rest of a report is what `check` computes.
        remediation = content.pop("status", {}).get("remediation")
        if remediation is not None:
            content["status"] = {"remediation": remediation}
    return {"apiVersion": kind.api_version, "kind": kind.name, **content}


def _service_of(record: Record) -> Key | None:
    return record.service if isinstance(record, EndpointSlice) else None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(inner) for inner in value]
    return value
