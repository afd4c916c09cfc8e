"""The first object of a dump: which kinds `etpguard dump` read, and what it could not read.

It is an object like the others, so tools that know Lists of objects still handle the file. The API server has no
such kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from etpguard.cli.input.loaded import Loaded
from etpguard.objects import API_VERSION, AnyKind, Key, Reject
from etpguard.objects.named import NAMED_OBJECTS, NamedObjects

KIND = "ClusterDump"


class Rejected(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An object that the cluster has and that etpguard could not read."""

    kind: str
    message: str
    namespace: str = ""
    name: str = ""
    uid: str = ""
    service: str = ""
    """The Service of an EndpointSlice, in the same namespace."""

    def as_reject(self, kind: AnyKind) -> Reject:
        service = Key(self.namespace, self.service) if self.service else None
        key = Key(self.namespace, self.name)
        return Reject(kind.name, key, self.uid, version=0, message=self.message, service=service)


class ClusterDump(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Kinds are written as `plural.version.group`, a form that kubectl accepts too."""

    etpguard_version: str = ""
    anonymized: bool = False
    namespace: str = ""
    """The namespace whose Services the dump has; "" for all."""
    read: tuple[str, ...] = ()
    not_served: tuple[str, ...] = ()
    """Kinds that the API server does not serve: the cluster has no such objects."""
    not_read: dict[str, str] = {}
    """Why a kind could not be read."""
    narrowed: tuple[str, ...] = ()
    """Kinds that could be read in only one namespace."""
    rejected: tuple[Rejected, ...] = ()
    named_absent: tuple[str, ...] = ()
    """The objects that show the data plane, as `RESOURCE NAMESPACE/NAME`, that the cluster does not have."""
    named_not_read: dict[str, str] = {}
    """Why one of them could not be read."""

    def as_object(self) -> dict[str, Any]:
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": "cluster"},
            **msgspec.to_builtins(self),
        }


def qualified(kind: AnyKind) -> str:
    """`plural.version.group`, or `plural.version` of the core group, and what selects the objects of a subset."""
    name = ".".join(filter(None, (kind.plural, kind.version, kind.group)))
    return f"{name}/{kind.subset.name}" if kind.subset else name


def describe(loaded: Loaded, version: str, namespace: str = "") -> ClusterDump:
    """What was read from a live cluster. `version` is etpguard's."""
    picture = loaded.picture
    absent = {*picture.unread, *loaded.not_served}
    return ClusterDump(
        etpguard_version=version,
        namespace=namespace,
        read=tuple(dict.fromkeys(qualified(kind) for kind in picture.kinds if kind not in absent)),
        not_served=tuple(map(qualified, loaded.not_served)),
        not_read={qualified(kind): why for kind, why in picture.unread.items()},
        narrowed=tuple(map(qualified, loaded.narrowed)),
        rejected=tuple(_rejected(kind, reject) for kind, reject in loaded.rejects),
        named_absent=tuple(each.address for each in NAMED_OBJECTS if loaded.named.absent(each)),
        named_not_read={each.address: why for each, why in loaded.named.unread.items()},
    )


def apply(dumps: Sequence[ClusterDump], loaded: Loaded) -> None:
    """Note in `loaded`, which has the objects, what the dumps say of the kinds.

    A kind that no dump names counts as one that cannot be read: an older etpguard made the dump.
    """
    if not dumps:
        return
    loaded.dumped = True
    loaded.anonymized = any(dump.anonymized for dump in dumps)
    namespaces = {dump.namespace for dump in dumps}
    loaded.namespace = namespaces.pop() if len(namespaces) == 1 else ""
    picture = loaded.picture
    kinds: dict[str, AnyKind] = {}
    for each in picture.kinds:  # of two records of one resource, the first has its objects
        kinds.setdefault(qualified(each), each)
    for dump in dumps:
        for name in (*dump.read, *dump.not_served, *dump.not_read):
            if kind := kinds.get(name):
                picture.unlisted.pop(kind, None)
        for name, why in dump.not_read.items():
            if (kind := kinds.get(name)) and not len(picture.store(kind)):
                loaded.note_unread(kind, why)
        for rejected in dump.rejected:
            if kind := kinds.get(rejected.kind):
                loaded.reject(kind, rejected.as_reject(kind))
        loaded.note_narrowed(kind for name in dump.narrowed if (kind := kinds.get(name)))
    loaded.named = _named(dumps, loaded.named)
    loaded.not_read += [address for dump in dumps for address in dump.named_not_read]
    for kind in [kind for kind in picture.unlisted if not kind.required]:
        del picture.unlisted[kind]
        loaded.note_unread(kind, f"the dump does not say whether the cluster has a {kind.name}")


def _named(dumps: Sequence[ClusterDump], collected: NamedObjects) -> NamedObjects:
    """The named objects in the files, and what the dumps say of the others."""
    absent = {address for dump in dumps for address in dump.named_absent}
    why = {address: text for dump in dumps for address, text in dump.named_not_read.items()}
    unread = {
        each: why.get(each.address, f"the dump does not say whether the cluster has {each}")
        for each in collected.unread
        if each.address not in absent
    }
    return NamedObjects(collected.found, unread)


def _rejected(kind: AnyKind, reject: Reject) -> Rejected:
    return Rejected(
        kind=qualified(kind),
        message=reject.message,
        namespace=reject.key.namespace,
        name=reject.key.name,
        uid=reject.uid,
        service=reject.service.name if reject.service else "",
    )
