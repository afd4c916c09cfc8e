"""Collect the objects of parsed documents: find the kind of each, open Lists, and keep the last of duplicates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from etpguard.cli.errors import Failure
from etpguard.cli.input import cluster_dump
from etpguard.cli.input.cluster_dump import ClusterDump
from etpguard.cli.input.loaded import Loaded
from etpguard.objects import API_VERSION, AnyKind, Key, Record, Reject, decode_item
from etpguard.objects.named import NAMED_KINDS, NAMED_OBJECTS, Listed, NamedObject, NamedObjects, named_object

DEEPEST = 10
"""Lists within Lists."""
_SHOWN_DUPLICATES = 5

Source = bytes | msgspec.Raw | dict[Any, Any]
"""An object in JSON, or as parsed from YAML."""


class Document(NamedTuple):
    """One object or list. `where` begins each message about it. `items` is None for what has no items."""

    where: str
    kind: Any
    api_version: Any
    items: Sequence[Any] | None
    source: Source


class _Head(msgspec.Struct, gc=False):
    kind: Any = None
    apiVersion: Any = None  # noqa: N815  the name on the wire
    items: list[msgspec.Raw] | None = None


class _Type(msgspec.Struct, gc=False):
    kind: Any = None
    apiVersion: Any = None  # noqa: N815


_head = msgspec.json.Decoder(_Head)
_type = msgspec.json.Decoder(_Type)
_leading = re.compile(rb'\s*\{\s*"apiVersion"\s*:\s*"([\w./-]+)"\s*,\s*"kind"\s*:\s*"(\w+)"')
"""Most programs write these members first. msgspec would pass over the whole item for them."""
# A tagged union of all kinds would need one pass over the list instead of one for its head and one for each item,
# but it knows no apiVersion, and one unknown kind fails the whole list.


def json_document(where: str, body: bytes | msgspec.Raw) -> Document:
    """Raises msgspec.DecodeError, and its ValidationError for JSON that is not an object."""
    try:
        head = _head.decode(body)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None
    return Document(where, head.kind, head.apiVersion, head.items, body)


def yaml_document(where: str, content: Any) -> Document:
    """Raises msgspec.ValidationError for what is not a mapping."""
    if isinstance(content, str):
        raise msgspec.ValidationError("text instead of the output of `kubectl get -o json` or `-o yaml`")
    if not isinstance(content, dict):
        raise msgspec.ValidationError(f"a {type(content).__name__} instead of a mapping")
    items = content.get("items")
    if items is not None and not isinstance(items, list):
        raise msgspec.ValidationError(f"items is a {type(items).__name__} instead of a list")
    return Document(where, content.get("kind"), content.get("apiVersion"), items, content)


class ObjectCollector:
    """Keeps the objects by kind until `finish`, which puts them into the picture."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        kinds = loaded.picture.kinds
        self._kinds: dict[tuple[Any, Any], AnyKind] = {}
        self._further: dict[AnyKind, list[AnyKind]] = {}
        """Further records of the objects of a kind."""
        for each in kinds:
            first = self._kinds.setdefault((each.api_version, each.name), each)
            if first is not each:
                self._further.setdefault(first, []).append(each)
            for version in each.equal_versions:
                self._kinds.setdefault((version, each.name), each)
        self._groups = {(kind.group, kind.name): kind for kind in kinds}
        self._collected: dict[AnyKind, dict[Any, Record | Reject]] = {kind: {} for kind in kinds}
        self._named: dict[NamedObject, Any] = {}
        self._listed: dict[NamedObject, dict[Key, Record | Reject]] = {}
        self._dumps: list[ClusterDump] = []
        self._looked_for: set[AnyKind] = set()
        """Kinds without an object that the input says it looked for."""
        self._other_versions: set[str] = set()
        self._duplicates: list[str] = []

    def add(self, document: Document, depth: int = 0) -> None:
        """Take the object, or each item of the list. Raises Failure for a refusal of the API server."""
        where, kind, version, items, source = document
        if _is_list(kind) and isinstance(version, str):
            self._note_list(kind, version)
        if items is None:
            if not _is_list(kind):
                self._add_object(where, kind, version, source)
            return
        # The API leaves out the kind of the items of a ServiceList.
        inherited = (kind.removesuffix("List"), version) if _is_list(kind) and kind != "List" else (None, None)
        for number, item in enumerate(items, 1):
            self._add_item(f"{where}item {number}: ", item, inherited, depth + 1)

    def finish(self) -> None:
        for kind, entries in self._collected.items():
            self._loaded.put(kind, entries.values())
            if not entries and kind not in self._looked_for:
                why = f"the input has no {kind.name} and does not say that it looked for them"
                self._loaded.picture.unlisted[kind] = why
        self._loaded.named = self._named_objects()
        cluster_dump.apply(self._dumps, self._loaded)
        warnings = self._loaded.warnings
        warnings += sorted(filter(None, self._other_versions))
        warnings += self._duplicates[:_SHOWN_DUPLICATES]
        if len(self._duplicates) > _SHOWN_DUPLICATES:
            more = len(self._duplicates) - _SHOWN_DUPLICATES
            warnings.append(f"{more} more objects came twice; the last one counts")

    def _named_objects(self) -> NamedObjects:
        """Files that are no dump have the configurations of all nodes that have one."""
        found, unread = dict(self._named), {}
        for named in NAMED_OBJECTS:
            entries = self._listed.get(named, {}).values()
            malformed = next((each.message for each in entries if isinstance(each, Reject)), "")
            if entries and not malformed and (listed := Listed.of(entries)):
                found[named] = listed
            elif malformed:
                unread[named] = malformed
            elif named not in found and (self._dumps or not named.is_list):
                unread[named] = "it is not in the input"
        return NamedObjects(found, unread)

    def _add_item(self, where: str, item: Any, inherited: tuple[Any, Any], depth: int) -> None:
        try:
            kind, version = _type_of(item)
            if not kind:
                kind, version = inherited
            if not _is_list(kind):
                self._add_object(where, kind, version, item)
            elif depth > DEEPEST:
                self._malformed(f"{where}a List within more than {DEEPEST} others")
            else:  # several Lists that `jq -s` has put together
                make = yaml_document if isinstance(item, dict) else json_document
                self.add(make(where, item), depth)
        except msgspec.DecodeError as error:
            self._malformed(f"{where}not a Kubernetes object: {error}")

    def _add_object(self, where: str, kind: Any, version: Any, source: Source) -> None:
        if not isinstance(kind, str) or not isinstance(version, str):
            name, value = ("apiVersion", version) if isinstance(kind, str) and kind else ("kind", kind)
            self._malformed(f"{where}no {name}" if not value else f"{where}{name}: not a string")
            return
        known = self._kinds.get((version, kind))
        if known is not None and (named := NAMED_KINDS.get((version, kind))):
            self._add_named(where, named, source)
        if known is None:
            if (version, kind) == ("v1", "Status"):
                _refuse_failure(where, source)
            elif (version, kind) == (API_VERSION, cluster_dump.KIND):
                self._dumps.append(_dump(where, source))
            elif named := NAMED_KINDS.get((version, kind)):
                self._add_named(where, named, source)
            else:
                self._loaded.others = True
                self._other_versions.add(of_another_version(self._groups, version, kind))
            return
        record = decode_item(known, source)
        if isinstance(record, Reject):
            if known.subset:  # nothing shows whether it is one of those that are read
                return
            self._malformed(f"{where}{record.message}")
            if not record.key.name:
                return
        collected = self._collected[known]
        if record.key in collected:
            self._duplicates.append(f"{where}{kind} {record.key} came before; the last one counts")
        self._collect(known, record)
        for further in self._further.get(known, ()):
            self._collect(further, decode_item(further, source))

    def _collect(self, kind: AnyKind, record: Record | Reject) -> None:
        if isinstance(record, Reject) or kind.holds(record):
            self._collected[kind][record.key] = record

    def _add_named(self, where: str, kind: AnyKind, source: Source) -> None:
        """Take an object that shows the data plane. Others of its kind are of no use."""
        record = decode_item(kind, source)
        named = named_object(kind, record.key)
        if named is None:
            return
        if isinstance(record, Reject):
            self._malformed(f"{where}{record.message}")
        elif not named.is_list:
            self._named[named] = record
        if named.is_list:
            self._listed.setdefault(named, {})[record.key] = record

    def _note_list(self, kind: str, version: str) -> None:
        """A list of one kind says that somebody looked for its objects, even if it is empty."""
        known = self._kinds.get((version, kind.removesuffix("List")))
        if known is not None:
            self._looked_for.update((known, *self._further.get(known, ())))

    def _malformed(self, line: str) -> None:
        self._loaded.malformed.append(line)


def of_another_version(known: Mapping[tuple[str, str], AnyKind], version: str, kind: str) -> str:
    """A warning about objects of a version that is not read, "" if no version of the kind is. `known`: the kinds
    by group and name."""
    found = known.get((version.rpartition("/")[0], kind))
    return f"{found.plural} of {version} are not read, only those of {found.api_version}" if found else ""


def _type_of(item: Any) -> tuple[Any, Any]:
    """Kind and apiVersion. Raises msgspec.ValidationError for what is not an object."""
    if isinstance(item, msgspec.Raw):
        if leading := _leading.match(memoryview(item)):
            return leading[2].decode(), leading[1].decode()
        head = _type.decode(item)
        return head.kind, head.apiVersion
    if not isinstance(item, dict):
        raise msgspec.ValidationError(f"a {type(item).__name__} instead of an object")
    return item.get("kind"), item.get("apiVersion")


def _dump(where: str, source: Source) -> ClusterDump:
    """Raises Failure: without it, it is not known which kinds the dump looked for."""
    try:
        if isinstance(source, dict):
            return msgspec.convert(source, ClusterDump)
        return msgspec.json.decode(source, type=ClusterDump)
    except msgspec.ValidationError as error:
        raise Failure(f"{where}{cluster_dump.KIND}: {error}") from None


def _is_list(kind: Any) -> bool:
    return isinstance(kind, str) and kind.endswith("List")


def _refuse_failure(where: str, source: Source) -> None:
    """Raise Failure if the file has the API server's refusal instead of objects."""
    status = source if isinstance(source, dict) else msgspec.json.decode(source)
    if status.get("status") != "Success":
        message = status.get("message") or status.get("reason") or "no message"
        raise Failure(f"{where}the file has a refusal of the API server instead of objects: {message}")
