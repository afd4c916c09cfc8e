"""Read what `kubectl get -o json|yaml` printed: Lists, single objects, many documents, many files."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from etpguard.cli.errors import Failure
from etpguard.cli.input.loaded import Loaded
from etpguard.cli.input.object_collector import Document, ObjectCollector, json_document, yaml_document

SUFFIXES = frozenset({".json", ".yaml", ".yml"})
_SEPARATOR = re.compile(rb"^---[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_GZIP = b"\x1f\x8b"


def load(loaded: Loaded, sources: Sequence[str]) -> None:
    """Put the objects of all sources ("-" is stdin) into `loaded`, in their order. Raises Failure for a source
    that cannot be read or parsed."""
    collector = ObjectCollector(loaded)
    if "-" in sources and loaded.stdin is None:
        loaded.stdin = read("-")
    for name, body in _bodies(sources, loaded.stdin):
        for document in _documents(name, body):
            collector.add(document)
    collector.finish()


def documents(sources: Sequence[str]) -> Iterator[Document]:
    """The documents of all sources. Raises Failure for one that cannot be read or parsed."""
    for name, body in _bodies(sources):
        yield from _documents(name, body)


def shown(source: str) -> str:
    """The name of a source in messages."""
    return "stdin" if source == "-" else source


def as_utf8(name: str, body: bytes) -> bytes:
    """The body in UTF-8 without a byte order mark. Windows PowerShell writes UTF-16 with such a mark."""
    if body.startswith(_GZIP):
        raise Failure(f"{name}: the file is compressed; decompress it first: gzip -dc")
    if not body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.removeprefix(codecs.BOM_UTF8)
    try:
        return body.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        raise Failure(f"{name}: begins with the mark of UTF-16, but is not UTF-16: {error}") from None


def read(source: str) -> bytes:
    """The bytes of a file, or of stdin for "-". Raises Failure."""
    if source != "-":
        try:
            return Path(source).read_bytes()
        except OSError as error:
            raise Failure(f"{source}: {error.strerror}") from None
    if sys.stdin is None:
        raise Failure("stdin: closed")
    return sys.stdin.buffer.read()


def _bodies(sources: Sequence[str], stdin: bytes | None = None) -> Iterator[tuple[str, bytes]]:
    for source in sources:
        if source == "-":
            yield shown(source), read(source) if stdin is None else stdin
        elif not source:
            raise Failure("-f '': the name of the file is empty")  # Path would read the working directory
        else:
            for path in map(str, _files(Path(source))):
                yield path, read(path)


def _files(path: Path) -> list[Path]:
    """The file itself, or the files of a directory that have one of the suffixes."""
    if not path.is_dir():
        return [path]
    try:
        inside = sorted(path.iterdir())
        found = [each for each in inside if each.suffix in SUFFIXES and each.is_file()]
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None
    if not found:
        deeper = "; its folders are not read: name each one with -f" if any(map(Path.is_dir, inside)) else ""
        raise Failure(f"{path}: no .json, .yaml or .yml file in this directory{deeper}")
    return found


def folder_with_folders(sources: Sequence[str]) -> str:
    """The first of these sources that is a directory with directories in it, whose files are not read; or ""."""
    for source in sources:
        if source != "-" and Path(source).is_dir() and any(each.is_dir() for each in Path(source).iterdir()):
            return source
    return ""


def _documents(name: str, body: bytes) -> Iterator[Document]:
    body = as_utf8(name, body)
    start = body[:4096].lstrip()[:1]
    if not start and not body.strip():
        raise Failure(f"{name}: empty")
    return _json(name, body) if start in (b"{", b"[") else _yaml(name, body)


def _json(name: str, body: bytes) -> Iterator[Document]:
    try:
        document = json_document(f"{name}: ", body)
    except msgspec.DecodeError as error:
        if "trailing characters" not in str(error):
            raise _failure(f"{name}: ", error) from None
    else:
        yield document
        return
    if _SEPARATOR.search(body):
        for number, part in enumerate(filter(bytes.strip, _SEPARATOR.split(body)), 1):
            yield from _documents(f"{name}: part {number}", part)
        return
    for number, part in enumerate(_split(name, body), 1):
        where = f"{name}: document {number}: "
        try:
            yield json_document(where, part)
        except msgspec.DecodeError as error:
            raise _failure(where, error) from None


def _failure(where: str, error: Exception) -> Failure:
    what = "not a Kubernetes object" if isinstance(error, msgspec.ValidationError) else "not JSON"
    return Failure(f"{where}{what}: {error}")


def _split(name: str, body: bytes) -> Iterator[bytes]:
    """The JSON documents of a body that has several, without a separator."""
    import json

    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{name}: not JSON: {error}") from None
    decode = json.JSONDecoder().raw_decode
    content = re.compile(r"\S")
    number, end = 0, 0
    while found := content.search(text, end):
        number, at = number + 1, found.start()
        try:
            _, end = decode(text, at)
        except (ValueError, RecursionError) as error:
            raise Failure(f"{name}: document {number}: not JSON: {error}") from None
        yield text[at:end].encode()


def _yaml(name: str, body: bytes) -> Iterator[Document]:
    from etpguard.cli.input import yaml_documents  # 30 ms, and JSON does not need it (python -X importtime)

    for number, content in enumerate(yaml_documents.load(name, body), 1):
        if content is None:
            continue
        where = f"{name}: document {number}: "
        try:
            yield yaml_document(where, content)
        except msgspec.ValidationError as error:
            raise _failure(where, error) from None
