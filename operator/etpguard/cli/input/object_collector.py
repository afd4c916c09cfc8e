"""Takes the objects out of what was parsed: what they are, those in Lists, and those that came twice."""

from __future__ import annotations

from typing import Any

import msgspec

from etpguard.cli.errors import Failure
from etpguard.cli.input.reading import Reading
from etpguard.objects import AnyKind, Record, Reject, decode_item

DEEPEST = 10
"""Lists within Lists."""
_SHOWN_DUPLICATES = 5


class Head(msgspec.Struct, gc=False):
    """Enough of an object to tell what it is; `items` where it is a list."""

    kind: Any = None
    apiVersion: Any = None  # noqa: N815  the name on the wire
    items: list[msgspec.Raw] | None = None


class _Type(msgspec.Struct, gc=False):
    kind: str | None = None
    apiVersion: str | None = None  # noqa: N815


head = msgspec.json.Decoder(Head)
_type = msgspec.json.Decoder(_Type)


class ObjectCollector:
    """Takes objects one by one and keeps them by kind until the end, where they enter the picture. `where` begins
    every line that is told of one. A document whose `items` are no list is a ValidationError."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._kinds: dict[tuple[Any, Any], AnyKind] = {
            (kind.api_version, kind.name): kind for kind in reading.picture.kinds
        }
        self._groups = {(kind.group, kind.name): kind for kind in reading.picture.kinds}
        self._taken: dict[AnyKind, dict[Any, Record | Reject]] = {kind: {} for kind in reading.picture.kinds}
        self._other_versions: set[str] = set()
        self._duplicates: list[str] = []

    def json_document(self, where: str, document: Head, body: bytes | msgspec.Raw, depth: int = 0) -> None:
        if document.items is None:
            if not _is_list(document.kind):
                self._take(where, document.kind, document.apiVersion, body, depth)
            return
        inherited = self._of_list(document.kind, document.apiVersion)
        for number, raw in enumerate(document.items, 1):
            try:
                item = _type.decode(raw)
            except msgspec.ValidationError:
                self._malformed(
                    f"{where}item {number}: its kind or apiVersion is not a string, or it is no object"
                )
                continue
            kind, version = (item.kind, item.apiVersion) if item.kind else inherited
            self._take(f"{where}item {number}: ", kind, version, raw, depth)

    def yaml_document(self, where: str, document: dict[Any, Any], depth: int = 0) -> None:
        kind, version, items = (document.get(key) for key in ("kind", "apiVersion", "items"))
        if items is None:
            if not _is_list(kind):
                self._take(where, kind, version, document, depth)
            return
        if not isinstance(items, list):
            raise msgspec.ValidationError(f"items is a {type(items).__name__} instead of a list")
        inherited = self._of_list(kind, version)
        for number, item in enumerate(items, 1):
            if not isinstance(item, dict):
                self._malformed(f"{where}item {number}: a {type(item).__name__} instead of an object")
                continue
            own = (item.get("kind"), item.get("apiVersion"))
            self._take(f"{where}item {number}: ", *(own if own[0] else inherited), item, depth)

    def finish(self) -> None:
        for kind, entries in self._taken.items():
            self._reading.take(kind, entries.values())
        warnings = self._reading.warnings
        warnings += sorted(self._other_versions)
        warnings += self._duplicates[:_SHOWN_DUPLICATES]
        if len(self._duplicates) > _SHOWN_DUPLICATES:
            warnings.append(
                f"{len(self._duplicates) - _SHOWN_DUPLICATES} more objects came twice; the last one counts"
            )

    def _of_list(self, kind: Any, version: Any) -> tuple[Any, Any]:
        """The kind that `ServiceList` gives to items that name none, as in the API's own answers."""
        if _is_list(kind) and kind != "List":
            return kind.removesuffix("List"), version
        return None, None

    def _take(self, where: str, kind: Any, version: Any, source: Any, depth: int) -> None:
        named = isinstance(kind, str) and isinstance(version, str)
        known = self._kinds.get((version, kind)) if named else None
        if known is None:
            self._take_other(where, kind, version, source, depth)
            return
        record = decode_item(known, source if isinstance(source, dict) else bytes(source))
        if isinstance(record, Reject):
            self._malformed(f"{where}{record.message}")
            if not record.key.name:
                return
        key = record.key
        taken = self._taken[known]
        if key in taken:
            self._duplicates.append(f"{where}{kind} {key} came before; the last one counts")
        taken[key] = record

    def _take_other(self, where: str, kind: Any, version: Any, source: Any, depth: int) -> None:
        """What is no object of the kinds that are read."""
        if _is_list(kind):
            self._take_list(where, source, depth + 1)
        elif not isinstance(kind, str) or not isinstance(version, str):
            missing = "kind" if not isinstance(kind, str) else "apiVersion"
            self._malformed(
                f"{where}no {missing}" if not kind or not version else f"{where}{missing}: not a string"
            )
        elif (version, kind) == ("v1", "Status"):
            _refuse_failure(where, source)
        else:
            self._note_version(version, kind)

    def _take_list(self, where: str, source: Any, depth: int) -> None:
        """A List that is an item of another, as where several were put together by `jq -s`."""
        if depth > DEEPEST:
            self._malformed(f"{where}a List within more than {DEEPEST} others")
            return
        try:
            if isinstance(source, dict):
                self.yaml_document(where, source, depth)
            else:
                self.json_document(where, head.decode(source), source, depth)
        except msgspec.ValidationError as error:
            self._malformed(f"{where}not a Kubernetes object: {error}")

    def _note_version(self, version: str, kind: str) -> None:
        group = version.rpartition("/")[0]
        known = self._groups.get((group, kind))
        if known is not None:
            self._other_versions.add(f"{kind}s of {version} are not read, only those of {known.api_version}")

    def _malformed(self, line: str) -> None:
        self._reading.malformed.append(line)


def _is_list(kind: Any) -> bool:
    return isinstance(kind, str) and kind.endswith("List")


def _refuse_failure(where: str, source: Any) -> None:
    """Raise Failure where the API server's answer was one, instead of what was asked for."""
    status = source if isinstance(source, dict) else msgspec.json.decode(source)
    if status.get("status") != "Success":
        told = status.get("message") or status.get("reason") or "without a word"
        raise Failure(f"{where}not objects but the API server's refusal: {told}")
