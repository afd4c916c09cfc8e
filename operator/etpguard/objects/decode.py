"""From the API's JSON, or from a decoded dict, to records. An object that cannot be decoded is named, not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from etpguard.objects.deferred import Deferred
from etpguard.objects.endpoints import SERVICE_LABEL
from etpguard.objects.kinds import Kind
from etpguard.objects.records import Key, Record, Reject, Shape

R = TypeVar("R", bound=Record)


class ListMeta(Shape, frozen=True):
    resource_version: str | None = None
    # The wire name is a Python keyword.
    continue_token: str | None = msgspec.field(name="continue", default=None)


class _Whole(msgspec.Struct, Generic[R], gc=False):
    items: list[R] | None = None
    metadata: ListMeta | None = None


class _Raw(msgspec.Struct, gc=False):
    items: list[msgspec.Raw] | None = None
    metadata: ListMeta | None = None


_raw_page = msgspec.json.Decoder(_Raw)


Held = Callable[[Key, int, str], bool]
"""Whether the caller has the object of this key in this version, with this uid."""


def nothing_held(key: Key, version: int, uid: str) -> bool:
    return False


class Page(NamedTuple, Generic[R]):
    """One page of a list: records, what could not be read, and where the list goes on ("" at its end).

    `held` are the keys of objects that the caller has already, so that nothing was made of them. Only a page in
    protobuf has these or `deferred` objects.
    """

    items: list[R]
    rejects: list[Reject]
    version: int
    continue_token: str
    deferred: Sequence[Deferred[R]] = ()
    held: Sequence[Key] = ()


# msgspec stores what it knows of a type while it is still building it. A second thread would use the unfinished
# part and crash the process, so decoders are built one at a time.
_learning = threading.Lock()


@cache
def _page_decoder(record: type[Any]) -> msgspec.json.Decoder[Any]:
    whole: Any = _Whole
    with _learning:
        return msgspec.json.Decoder(whole[record])


@cache
def _item_decoder(record: type[Any]) -> msgspec.json.Decoder[Any]:
    with _learning:
        return msgspec.json.Decoder(record)


def decode_page(kind: Kind[R], body: bytes) -> Page[R]:
    """Decode one List response of `kind`. The whole page is decoded at once, and item by item only if that fails,
    so that a malformed object affects no other one. Raises msgspec.MsgspecError if the body is no JSON List."""
    rejects: list[Reject] = []
    try:
        page = _page_decoder(kind.record).decode(body)
        items = page.items or []
        for record in items:
            check_version(record.metadata.resource_version)
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        try:
            page = _raw_page.decode(body)
        except RecursionError:
            raise msgspec.DecodeError("nested too deeply") from None
        items = []
        for raw in page.items or ():
            decoded = decode_item(kind, raw)
            if isinstance(decoded, Reject):
                rejects.append(decoded)
            else:
                items.append(decoded)
    meta = page.metadata or ListMeta()
    version = meta.resource_version or "0"
    if not _is_version(version):
        raise msgspec.ValidationError(f"metadata.resourceVersion: expected an integer, got {version[:40]!r}")
    return Page(items, rejects, int(version), meta.continue_token or "")


Source = bytes | msgspec.Raw | dict[str, Any]
"""An object in JSON, or decoded."""


def decode_item(kind: Kind[R], source: Source) -> R | Reject:
    """Decode one object, from JSON or from the dict of a watch event."""
    try:
        decoder = _item_decoder(kind.record)  # made first, for what `convert` would learn by itself
        record: R = msgspec.convert(source, kind.record) if isinstance(source, dict) else decoder.decode(source)
        check_version(record.metadata.resource_version)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _without_nulls(kind, source) or _reject(kind.name, source, str(error))
    except RecursionError:
        return _reject(kind.name, source, "nested too deeply")
    return record


def _without_nulls(kind: Kind[R], source: Source) -> R | None:
    """The record of an object whose only fault is a null where the API's own decoding takes the zero value. That
    is rare enough for a second decoding, instead of a `| None` on each field."""
    try:
        record: R = msgspec.convert(_zeroed(_parsed(source)), kind.record)
        check_version(record.metadata.resource_version)
    except (msgspec.ValidationError, RecursionError):
        return None
    return record


STRING_MAPS = frozenset({"annotations", "labels", "matchLabels", "nodeSelector", "selector"})
"""Fields of objects that map strings to strings."""


def _zeroed(value: Any, in_string_map: bool = False) -> Any:
    if isinstance(value, dict):
        if in_string_map:
            return {key: "" if inner is None else inner for key, inner in value.items()}
        return {key: _zeroed(inner, key in STRING_MAPS) for key, inner in value.items() if inner is not None}
    return [_zeroed(inner) for inner in value] if isinstance(value, list) else value


def check_version(version: str | None) -> None:
    """Raises msgspec.ValidationError for a text that is no resourceVersion. "" and None stand for no version."""
    if version and not _is_version(version):
        raise msgspec.ValidationError(
            f"Expected an integer, got {version[:40]!r} - at `$.metadata.resourceVersion`"
        )


def _is_version(text: str) -> bool:
    """A uint64 in decimal, which is all that a resourceVersion of the API server is (KEP-5504)."""
    return text.isascii() and text.isdecimal() and len(text) <= 20


def _reject(kind: str, source: Source, error: str) -> Reject:
    """The reject of an object that could not be read, with what can be read of its name."""
    raw = _parsed(source)
    meta = raw.get("metadata") if isinstance(raw, dict) else None
    meta = meta if isinstance(meta, dict) else {}
    labels = meta.get("labels")
    service = labels.get(SERVICE_LABEL) if isinstance(labels, dict) else None

    def text(field: str) -> str:
        value = meta.get(field)
        return value if isinstance(value, str) else ""

    return reject(
        kind,
        Key(text("namespace"), text("name")),
        text("uid"),
        text("resourceVersion"),
        error,
        service if isinstance(service, str) else "",
    )


def reject(kind: str, key: Key, uid: str, version: str, error: str, service: str | None) -> Reject:
    """`version` is the resourceVersion, whatever it is, and `service` the name of an EndpointSlice's Service."""
    named = f"{kind} {key if key.name else '(no name)'}: {_plain(error)}"
    return Reject(
        kind=kind,
        key=key,
        uid=uid,
        version=int(version) if _is_version(version) else 0,
        message=" ".join(named.split()),
        service=Key(key.namespace, service) if service else None,
    )


def _parsed(source: Source) -> Any:
    """The decoded JSON; None for a text that is no JSON."""
    if isinstance(source, dict):
        return source
    try:
        return msgspec.json.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _plain(error: str) -> str:
    """The message with the field first. msgspec writes "Expected `int`, got `str` - at `$.spec.ports[0].port`"."""
    what, separator, where = error.partition(" - at `$.")
    if not separator:
        return error
    return f"{where.rstrip('`')}: {what[0].lower()}{what[1:].replace('`', '')}"
