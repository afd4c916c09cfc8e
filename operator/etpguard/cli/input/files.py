"""Reading what `kubectl get … -o json|yaml` printed: Lists, single objects, many documents, many files."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from etpguard.cli.errors import Failure
from etpguard.cli.input.encoding import as_utf8
from etpguard.cli.input.object_collector import ObjectCollector, head
from etpguard.cli.input.reading import Reading

SUFFIXES = frozenset({".json", ".yaml", ".yml"})
_SEPARATOR = re.compile(rb"^---[ \t]*(?:#.*)?\r?$", re.MULTILINE)


def fill(reading: Reading, sources: Sequence[str]) -> None:
    """Put the objects of all sources ("-" is stdin) into `reading`, in their order. Raises Failure for what
    cannot be read or parsed at all."""
    taker = ObjectCollector(reading)
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
        if not source:
            raise Failure("-f '': no file is named")  # `.` for Path
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


def _document_set(taker: ObjectCollector, name: str, body: bytes) -> None:
    body = as_utf8(name, body)
    start = body[:4096].lstrip()[:1]
    if not start and not body.strip():
        raise Failure(f"{name}: empty")
    if start in (b"{", b"["):
        _json(taker, name, body)
    else:
        _yaml(taker, name, body)


def _json(taker: ObjectCollector, name: str, body: bytes) -> None:
    try:
        taker.json_document(f"{name}: ", head.decode(body), body)
    except msgspec.ValidationError as error:
        raise Failure(f"{name}: not a Kubernetes object: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if "trailing characters" not in str(error):
            raise Failure(f"{name}: not JSON: {error}") from None
        if _SEPARATOR.search(body):
            for number, part in enumerate(filter(bytes.strip, _SEPARATOR.split(body)), 1):
                _document_set(taker, f"{name}: part {number}", part)
            return
        for number, part in enumerate(_split(name, body), 1):
            where = f"{name}: document {number}: "
            try:
                taker.json_document(where, head.decode(part), part)
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


def _yaml(taker: ObjectCollector, name: str, body: bytes) -> None:
    from etpguard.cli.input import yaml_documents

    for number, document in enumerate(yaml_documents.load(name, body), 1):
        where = f"{name}: document {number}: "
        if document is None:
            continue
        if not isinstance(document, dict):
            raise Failure(f"{where}not a Kubernetes object: a {type(document).__name__} instead of a mapping")
        try:
            taker.yaml_document(where, document)
        except msgspec.ValidationError as error:
            raise Failure(f"{where}not a Kubernetes object: {error}") from None
