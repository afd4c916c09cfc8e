"""The manifests of `what-if apply`, merged into the objects that exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from etpguard.cli.errors import Failure
from etpguard.cli.input.files import documents
from etpguard.cluster import Picture
from etpguard.foresight.apply import kinds_by_name, merged
from etpguard.foresight.changes import Applied
from etpguard.objects import Key, Reject

Json = dict[str, Any]


def applied(files: Sequence[str], picture: Picture) -> list[Applied]:
    """The objects of the files, each merged into the one that exists. Kinds that no rule reads are left out.
    Raises Failure for a file that cannot be read, and for an object that cannot be decoded."""
    kinds = kinds_by_name(picture)
    made = []
    for where, manifest in _manifests(files):
        kind = kinds.get((str(manifest.get("apiVersion")), str(manifest.get("kind"))))
        if kind is None:
            continue
        metadata = manifest.get("metadata")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
            raise Failure(f"{where}no metadata.name")
        if kind.namespaced:
            metadata.setdefault("namespace", "default")
        key = Key(metadata["namespace"] if kind.namespaced else "", metadata["name"])
        record = merged(kind, manifest, picture.get(kind, key))
        if isinstance(record, Reject):
            raise Failure(f"{where}{record.message}")
        made.append(Applied(kind, record))
    return made


def _manifests(files: Sequence[str]) -> list[tuple[str, Json]]:
    found: list[tuple[str, Json]] = []
    for document in documents(files):
        content = _mapping(document.where, document.source)
        items = content.get("items")
        if isinstance(items, list) and str(content.get("kind", "")).endswith("List"):
            found += [
                (f"{document.where}item {n}: ", _mapping(document.where, item)) for n, item in enumerate(items, 1)
            ]
        else:
            found.append((document.where, content))
    return found


def _mapping(where: str, source: Any) -> Json:
    content = msgspec.json.decode(source) if isinstance(source, bytes | msgspec.Raw) else source
    if not isinstance(content, dict):
        raise Failure(f"{where}not a Kubernetes object")
    return content
