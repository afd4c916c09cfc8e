"""From the API's JSON, or from an already decoded dict, to records; whatever fails is named, not lost."""

from __future__ import annotations

from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

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


class Page(NamedTuple, Generic[R]):
    """One page of a list: records, what could not be read, and where the list goes on ("" at its end)."""

    items: list[R]
    rejects: list[Reject]
    version: int
    continue_token: str


@cache
def _page_decoder(record: type[Any]) -> msgspec.json.Decoder[Any]:
    whole: Any = _Whole
    return msgspec.json.Decoder(whole[record])


@cache
def _item_decoder(record: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(record)


def decode_page(kind: Kind[R], body: bytes) -> Page[R]:
    """Decode one List response of `kind`.

    The whole page at once; only where that fails item by item, so that one malformed object costs that
    object alone. Raises msgspec.MsgspecError when the body is no JSON List at all.
    """
    rejects: list[Reject] = []
    try:
        page = _page_decoder(kind.record).decode(body)
        items = page.items or []
        for record in items:
            record.version  # noqa: B018  raises on a resourceVersion that is no integer
    except (msgspec.ValidationError, ValueError):
        page = msgspec.json.decode(body, type=_Raw)
        items = []
        for raw in page.items or ():
            decoded = decode_item(kind, bytes(raw))
            if isinstance(decoded, Reject):
                rejects.append(decoded)
            else:
                items.append(decoded)
    meta = page.metadata or ListMeta()
    return Page(items, rejects, int(meta.resource_version or 0), meta.continue_token or "")


def decode_item(kind: Kind[R], source: bytes | dict[str, Any]) -> R | Reject:
    """Decode one object, from JSON or from the dict of a watch event."""
    try:
        if isinstance(source, bytes):
            record: R = _item_decoder(kind.record).decode(source)
        else:
            record = msgspec.convert(source, kind.record)
        record.version  # noqa: B018  raises on a resourceVersion that is no integer
    except (msgspec.ValidationError, ValueError) as error:
        return reject(kind.name, source, str(error))
    return record


def reject(kind: str, source: bytes | dict[str, Any], error: str) -> Reject:
    """Name what can still be named of an object that could not be read."""
    raw: Any = msgspec.json.decode(source) if isinstance(source, bytes) else source
    meta = raw.get("metadata") if isinstance(raw, dict) else None
    meta = meta if isinstance(meta, dict) else {}
    labels = meta.get("labels")
    service = labels.get("kubernetes.io/service-name") if isinstance(labels, dict) else None

    def text(field: str) -> str:
        value = meta.get(field)
        return value if isinstance(value, str) else ""

    key = Key(text("namespace"), text("name"))
    version = text("resourceVersion")
    return Reject(
        kind=kind,
        key=key,
        uid=text("uid"),
        version=int(version) if version.isdigit() else 0,
        message=f"{kind} {key if key.name else '(no name)'}: {_plain(error)}",
        service=Key(key.namespace, service) if isinstance(service, str) else None,
    )


def _plain(error: str) -> str:
    """msgspec's "Expected `int`, got `str` - at `$.spec.ports[0].port`" with the field first."""
    what, separator, where = error.partition(" - at `$.")
    if not separator:
        return error
    return f"{where.rstrip('`')}: {what[0].lower()}{what[1:].replace('`', '')}"
