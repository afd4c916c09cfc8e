"""The manifests of `what-if apply`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from etpguard.cli.errors import Failure
from etpguard.cli.input.files import documents
from etpguard.cli.input.object_collector import of_another_version
from etpguard.cluster import Picture
from etpguard.foresight.apply import kinds_by_name
from etpguard.foresight.changes import Apply, Manifest
from etpguard.objects import AnyKind
from etpguard.objects.text import listed

Json = dict[str, Any]

_SHOWN_KINDS = 5


def apply(files: Sequence[str], namespace: str, picture: Picture) -> Apply:
    """The change that applies the files. `namespace` is that of objects that name none. Kinds that no rule reads
    are left out, with a warning. Raises Failure for a file that cannot be read."""
    kinds = kinds_by_name(picture)
    by_group = {(kind.group, kind.name): kind for kind in picture.kinds}
    read: list[Manifest] = []
    left_out: dict[str, None] = {}
    warnings: dict[str, None] = {}
    for where, manifest in _manifests(files):
        version, name = str(manifest.get("apiVersion")), str(manifest.get("kind"))
        kind = kinds.get((version, name))
        if kind is not None:
            read.append(Manifest(kind, _placed(where, manifest, kind, namespace), where))
        elif warning := of_another_version(by_group, version, name):
            warnings[warning] = None
        else:
            left_out[name] = None
    names = ", ".join(files)
    notes = [*warnings]
    if left_out:
        shown = listed([*left_out], _SHOWN_KINDS)
        notes.append(f"{names}: the forecast leaves out kinds that no rule reads: {shown}")
    elif not read and not notes:
        notes.append(f"{names}: no object to apply")
    return Apply(read, names, notes)


def _placed(where: str, manifest: Json, kind: AnyKind, namespace: str) -> Json:
    """The manifest with the namespace that the API server gives it."""
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise Failure(f"{where}no metadata.name")
    place = (metadata.get("namespace") or namespace) if kind.namespaced else ""
    return {**manifest, "metadata": {**metadata, "namespace": place}}


def _manifests(files: Sequence[str]) -> Iterator[tuple[str, Json]]:
    for document in documents(files):
        content = _mapping(document.where, document.source)
        if str(content.get("kind", "")).endswith("List"):
            for number, item in enumerate(content.get("items") or (), 1):
                where = f"{document.where}item {number}: "
                yield where, _mapping(where, item)
        else:
            yield document.where, content


def _mapping(where: str, source: Any) -> Json:
    content = msgspec.json.decode(source) if isinstance(source, bytes | msgspec.Raw) else source
    if not isinstance(content, dict):
        raise Failure(f"{where}not a Kubernetes object")
    return content
