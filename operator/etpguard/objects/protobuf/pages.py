"""From an answer in protobuf to a page of records; whatever fails is named, not lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from google.protobuf.message import DecodeError

from etpguard.objects.decode import Held, Page, check_version, nothing_held, reject
from etpguard.objects.deferred import Deferred
from etpguard.objects.endpoints import SERVICE_LABEL, EndpointSlice
from etpguard.objects.kinds import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_CLASS,
    NAMESPACE,
    NODE,
    AnyKind,
    Kind,
)
from etpguard.objects.network_policies import NETWORK_POLICY
from etpguard.objects.protobuf import build
from etpguard.objects.protobuf import kubernetes_pb2 as pb
from etpguard.objects.records import Key, Record, Reject

R = TypeVar("R", bound=Record)

MAGIC = b"k8s\0"
"""An answer begins with these bytes."""


OnToken = Callable[[str], None]


def ignore_token(token: str) -> None:
    return


class _Form(NamedTuple, Generic[R]):
    """How a kind comes: the message of an answer with a list, the message of one object, and its record."""

    answer: Any
    item: Any
    build: Callable[[Any], R]


_FORMS: dict[AnyKind, _Form[Any]] = {
    ENDPOINT_SLICE: _Form(pb.EndpointSliceAnswer, pb.EndpointSlice, build.endpoint_slice),
    INGRESS: _Form(pb.IngressAnswer, pb.Ingress, build.ingress),
    INGRESS_CLASS: _Form(pb.IngressClassAnswer, pb.IngressClass, build.ingress_class),
    NAMESPACE: _Form(pb.NamespaceAnswer, pb.Namespace, build.namespace),
    NETWORK_POLICY: _Form(pb.NetworkPolicyAnswer, pb.NetworkPolicy, build.network_policy),
    NODE: _Form(pb.NodeAnswer, pb.Node, build.node),
}

_Item = tuple[Any, bytes]
"""The message of an object, and the bytes that it was made of where they are needed."""


def decode_page(
    kind: Kind[R], body: bytes, held: Held = nothing_held, on_token: OnToken = ignore_token
) -> Page[R]:
    """Decode one List answer of `kind`, one with `Kind.protobuf`. EndpointSlices are deferred.

    `on_token` is called with the continue token, "" at the end of the list. Records are made after that, which
    takes most of the time.

    The whole page at once; only where that fails item by item, so that one malformed object costs that object
    alone.
    Raises ValueError or msgspec.MsgspecError when the body is no list of the kind.
    """
    if not body.startswith(MAGIC):
        raise ValueError("the answer does not begin as Kubernetes protobuf does")
    content = body[len(MAGIC) :]
    form = _FORMS[kind]
    rejects: list[Reject] = []
    pairs: Iterable[_Item]
    try:
        answer = form.answer.FromString(content)
    except DecodeError:
        answer = _objects(content)
        pairs = _well_formed(kind, answer.raw.items, rejects)
    else:
        sources = _objects(content).raw.items if kind is ENDPOINT_SLICE else repeat(b"")
        pairs = zip(answer.raw.items, sources, strict=False)
    version, token = _list_meta(kind, answer)
    on_token(token)
    items: list[R] = []
    deferred: list[Any] = []
    kept: list[Key] = []
    for message, source in pairs:
        meta = message.metadata
        key = Key(meta.namespace, meta.name)
        try:
            number = _identified(meta)
            if held(key, number, meta.uid):
                kept.append(key)
            elif kind is ENDPOINT_SLICE:
                deferred.append(_deferred(meta, key, number, source))
            else:
                items.append(form.build(message))
        except (msgspec.MsgspecError, ValueError) as error:
            rejects.append(_reject(kind, key, meta, error))
    return Page(items, rejects, version, token, deferred, kept)


def decode_status(body: bytes) -> tuple[str, str]:
    """Reason and message of a Status. Raises ValueError when the body is none."""
    try:
        answer = pb.StatusAnswer.FromString(body[len(MAGIC) :])
    except DecodeError as error:
        raise ValueError(str(error)) from None
    if answer.typeMeta.kind != "Status":
        raise ValueError(f"a {answer.typeMeta.kind} instead of a Status")
    return answer.raw.reason, answer.raw.message


def _objects(content: bytes) -> pb.ObjectListAnswer:
    try:
        return pb.ObjectListAnswer.FromString(content)
    except DecodeError as error:
        raise ValueError(str(error)) from None


def _list_meta(kind: AnyKind, answer: Any) -> tuple[int, str]:
    """resourceVersion and continue token. Another kind of object could be read as an empty list of this kind."""
    given = answer.typeMeta.kind
    if given != f"{kind.name}List":
        raise ValueError(f"a {given or 'nameless kind'} instead of a {kind.name}List")
    meta = answer.raw.metadata
    check_version(meta.resourceVersion)
    return int(meta.resourceVersion or 0), getattr(meta, "continue")


def _well_formed(kind: AnyKind, sources: Iterable[bytes], rejects: list[Reject]) -> Iterable[_Item]:
    form = _FORMS[kind]
    for source in sources:
        try:
            yield form.item.FromString(source), source
        except DecodeError as error:
            rejects.append(_malformed(kind, source, error))


def _identified(meta: pb.ObjectMeta) -> int:
    """The resourceVersion; 0 if there is none. Raises msgspec.ValidationError where `decode_item` rejects too."""
    if not meta.name:
        raise msgspec.ValidationError("Object missing required field `name` - at `$.metadata`")
    version = meta.resourceVersion
    check_version(version)
    return int(version or 0)


def _reject(kind: AnyKind, key: Key, meta: pb.ObjectMeta, error: Exception) -> Reject:
    return reject(kind.name, key, meta.uid, meta.resourceVersion, str(error), meta.labels.get(SERVICE_LABEL))


def _deferred(meta: pb.ObjectMeta, key: Key, version: int, source: bytes) -> Deferred[EndpointSlice]:
    """Raises ValueError for the only value of a slice that has no record."""
    if meta.HasField("deletionTimestamp"):
        build.time(meta.deletionTimestamp)
    service = meta.labels.get(SERVICE_LABEL)
    return Deferred(key, meta.uid, version, Key(key.namespace, service) if service else None, source, _slice)


def _slice(source: bytes) -> EndpointSlice:
    return build.endpoint_slice(pb.EndpointSlice.FromString(source))


def _malformed(kind: AnyKind, source: bytes, error: DecodeError) -> Reject:
    """Name what can be read of an object that is no protobuf, or has text that is no UTF-8."""
    found = pb.MalformedObject()
    with contextlib.suppress(DecodeError):  # what comes before the error is taken
        found.MergeFromString(source)
    meta = found.metadata

    def text(value: bytes) -> str:
        return value.decode(errors="replace")

    labels = {text(label.key): text(label.value) for label in meta.labels}
    return reject(
        kind.name,
        Key(text(meta.namespace), text(meta.name)),
        text(meta.uid),
        text(meta.resourceVersion),
        f"not readable protobuf: {error}",
        labels.get(SERVICE_LABEL),
    )
