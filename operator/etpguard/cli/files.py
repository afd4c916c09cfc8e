"""Reading what `kubectl get … -o json|yaml` printed: Lists, single objects, many documents, many files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from etpguard.cli.errors import Failure
from etpguard.cli.reading import Reading
from etpguard.objects import AnyKind, Record, Reject, decode_item

SUFFIXES = frozenset({".json", ".yaml", ".yml"})
_SHOWN_DUPLICATES = 5


class _Head(msgspec.Struct, gc=False):
    """Enough of an object to tell what it is; `items` where it is a list."""

    kind: Any = None
    apiVersion: Any = None  # noqa: N815  the name on the wire
    items: list[msgspec.Raw] | None = None


class _Type(msgspec.Struct, gc=False):
    kind: str | None = None
    apiVersion: str | None = None  # noqa: N815


_head = msgspec.json.Decoder(_Head)
_type = msgspec.json.Decoder(_Type)


def fill(reading: Reading, sources: Sequence[str]) -> None:
    """Put the objects of all sources ("-" is stdin) into `reading`, in their order. Raises Failure for what
    cannot be read or parsed at all."""
    taker = _Taker(reading)
    for name, body in _bodies(sources):
        _document_set(taker, name, body)
    taker.finish()


def shown(source: str) -> str:
    """What messages call it."""
    return "stdin" if source == "-" else source


def _bodies(sources: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for source in sources:
        if source == "-":
            if sys.stdin is None:
                raise Failure(f"{shown(source)}: closed")
            yield shown(source), sys.stdin.buffer.read()
            continue
        path = Path(source)
        if not path.is_dir():
            yield source, _read(path)
            continue
        try:
            found = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())
        except OSError as error:
            raise Failure(f"{source}: {error.strerror}") from None
        if not found:
            raise Failure(f"{source}: no .json, .yaml or .yml file in this directory")
        for file in found:
            yield str(file), _read(file)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None


def _document_set(taker: _Taker, name: str, body: bytes) -> None:
    body = body.removeprefix(b"\xef\xbb\xbf")
    start = body[:4096].lstrip()[:1]
    if not start and not body.strip():
        raise Failure(f"{name}: empty")
    if start in (b"{", b"["):
        _json(taker, name, body)
    else:
        _yaml(taker, name, body)


def _json(taker: _Taker, name: str, body: bytes) -> None:
    try:
        taker.json_document(f"{name}: ", _head.decode(body), body)
    except msgspec.ValidationError as error:
        raise Failure(f"{name}: not a Kubernetes object: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if "trailing characters" not in str(error):
            raise Failure(f"{name}: not JSON: {error}") from None
        for number, part in enumerate(_split(name, body), 1):
            where = f"{name}: document {number}: "
            try:
                taker.json_document(where, _head.decode(part), part)
            except msgspec.ValidationError as bad:
                raise Failure(f"{where}not a Kubernetes object: {bad}") from None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
                raise Failure(f"{where}not JSON: {bad}") from None


def _split(name: str, body: bytes) -> Iterator[bytes]:
    """The JSON documents that stand one after the other in `body`."""
    import json

    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{name}: not JSON: {error}") from None
    scan = json.JSONDecoder().raw_decode
    at, number = 0, 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        number += 1
        try:
            _, end = scan(text, at)
        except (ValueError, RecursionError) as error:
            raise Failure(f"{name}: document {number}: not JSON: {error}") from None
        yield text[at:end].encode()
        at = end


def _yaml(taker: _Taker, name: str, body: bytes) -> None:
    from etpguard.cli import yaml_documents

    for number, document in enumerate(yaml_documents.load(name, body), 1):
        where = f"{name}: document {number}: "
        if document is None:
            continue
        if not isinstance(document, dict):
            raise Failure(f"{where}not a Kubernetes object: a {type(document).__name__} instead of a mapping")
        taker.yaml_document(where, document)


class _Taker:
    """Takes objects one by one and keeps them by kind until the end, where they enter the picture."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._kinds: dict[tuple[str, str], AnyKind] = {
            (kind.api_version, kind.name): kind for kind in reading.picture.kinds
        }
        self._groups = {(kind.group, kind.name): kind for kind in reading.picture.kinds}
        self._taken: dict[AnyKind, dict[Any, Record | Reject]] = {kind: {} for kind in reading.picture.kinds}
        self._other_versions: set[str] = set()
        self._duplicates: list[str] = []

    def json_document(self, where: str, head: _Head, body: bytes) -> None:
        if head.items is None:
            if not _is_list(head.kind):
                self._take(where, head.kind, head.apiVersion, body)
            return
        inherited = self._of_list(head.kind, head.apiVersion)
        for number, raw in enumerate(head.items, 1):
            try:
                item = _type.decode(raw)
            except msgspec.ValidationError:
                self._malformed(
                    f"{where}item {number}: its kind or apiVersion is not a string, or it is no object"
                )
                continue
            kind, version = (item.kind, item.apiVersion) if item.kind else inherited
            self._take(f"{where}item {number}: ", kind, version, raw)

    def yaml_document(self, where: str, document: dict[Any, Any]) -> None:
        kind, version, items = (document.get(key) for key in ("kind", "apiVersion", "items"))
        if items is None:
            if not _is_list(kind):
                self._take(where, kind, version, document)
            return
        if not isinstance(items, list):
            raise Failure(f"{where}not a Kubernetes object: items is a {type(items).__name__} instead of a list")
        inherited = self._of_list(kind, version)
        for number, item in enumerate(items, 1):
            if not isinstance(item, dict):
                self._malformed(f"{where}item {number}: a {type(item).__name__} instead of an object")
                continue
            own = (item.get("kind"), item.get("apiVersion"))
            self._take(f"{where}item {number}: ", *(own if own[0] else inherited), item)

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

    def _take(self, where: str, kind: Any, version: Any, source: Any) -> None:
        if not isinstance(kind, str) or not isinstance(version, str):
            missing = "kind" if not isinstance(kind, str) else "apiVersion"
            self._malformed(
                f"{where}no {missing}" if not kind or not version else f"{where}{missing}: not a string"
            )
            return
        known = self._kinds.get((version, kind))
        if known is None:
            self._note_version(version, kind)
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

    def _note_version(self, version: str, kind: str) -> None:
        group = version.rpartition("/")[0]
        known = self._groups.get((group, kind))
        if known is not None:
            self._other_versions.add(f"{kind}s of {version} are not read, only those of {known.api_version}")

    def _malformed(self, line: str) -> None:
        self._reading.malformed.append(line)


def _is_list(kind: Any) -> bool:
    return isinstance(kind, str) and kind.endswith("List")
