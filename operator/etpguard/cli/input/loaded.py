"""What a command loaded, from files or from a cluster: the picture, and what is missing from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field

from etpguard.cluster import Picture
from etpguard.objects import NAMESPACE, NODE, SERVICE, AnyKind, Deferred, Key, Record, Reject
from etpguard.objects.named import NamedObjects

SHOWN_MALFORMED = 20
"""Malformed objects that have a warning each; the rest is counted."""


class Loaded(Struct):
    """`live`: from a cluster, not from files. `where` names the server or the files. `dumped`: the files say which
    kinds they looked for, as `etpguard dump` does."""

    picture: Picture
    live: bool
    where: str
    dumped: bool = False
    anonymized: bool = False
    """Whether names and addresses in the files are not those of the cluster."""
    namespace: str = ""
    """The only namespace whose Services can be assessed; "" for all."""
    of_context: str = "default"
    """The namespace of the context, or default."""
    warnings: list[str] = field(default_factory=list)
    others: bool = False
    """Whether the files have objects of kinds or versions that are not read."""
    malformed: list[str] = field(default_factory=list)
    """A line for each object that could not be read."""
    not_read: list[str] = field(default_factory=list)
    """Resources that could not be read or are not in the files, for the report."""
    not_served: list[AnyKind] = field(default_factory=list)
    """Kinds that the API server does not serve: there are no such objects."""
    named: NamedObjects = field(default_factory=lambda: NamedObjects.none_read("it is not in the input"))
    """The objects that show the data plane."""
    narrowed: list[AnyKind] = field(default_factory=list)
    """Kinds that could be read in only one namespace."""
    rejects: list[tuple[AnyKind, Reject]] = field(default_factory=list)
    stdin: bytes | None = None
    """What was read from stdin, which can be read only once."""

    @property
    def default_namespace(self) -> str:
        """The namespace of names and objects that have none."""
        return self.namespace or self.of_context

    @property
    def complete(self) -> bool:
        """Whether an absent object is known to be absent, as in a live cluster."""
        return self.live or self.dumped

    def put(self, kind: AnyKind, entries: Iterable[Record | Deferred[Any] | Reject]) -> None:
        """Put objects into the picture; of two with one key the last stays.

        Nodes are put in the order of their names: the picture numbers them in this order, so that lists of names
        need no sorting.
        """
        ordered = sorted(entries, key=lambda entry: entry.key) if kind == NODE else entries
        self.picture.absorb(self.picture.store(kind).replace(ordered))

    def reject(self, kind: AnyKind, reject: Reject) -> None:
        self.malformed.append(reject.message)
        self.rejects.append((kind, reject))
        if reject.key.name:
            self.put(kind, [reject])

    def note_unread(self, kind: AnyKind, why: str) -> None:
        self.picture.unread[kind] = why
        self.not_read.append(kind.resource)

    def note_narrowed(self, kinds: Iterable[AnyKind], namespaces: int = 1) -> None:
        """These kinds were read in some namespaces only. What was read of them counts, and where the objects of
        other namespaces may decide, the kind is unread too."""
        self.narrowed += sorted(kinds, key=lambda kind: kind.resource)
        if self.narrowed:
            names = ", ".join(kind.resource for kind in self.narrowed)
            where = "one namespace" if namespaces == 1 else f"{namespaces} namespaces"
            self.warnings.append(f"read in {where} only, because RBAC does not allow more: {names}")
            for kind in self.narrowed:
                if kind.beyond_namespace and kind not in self.picture.unread:
                    self.note_unread(kind, f"may list {kind.resource} in {where} only")

    def no_service_in(self, namespace: str) -> str:
        """A sentence for a namespace that has no Service; "" for one that has."""
        picture = self.picture
        if any(key.namespace == namespace for key in picture.store(SERVICE).keys()):  # noqa: SIM118
            return ""
        namespaces_known = self.complete and NAMESPACE in picture.kinds and NAMESPACE not in picture.unread
        if namespaces_known and not picture.get(NAMESPACE, Key("", namespace)):
            return f"there is no namespace {namespace}"
        return f"there is no Service of namespace {namespace}" + ("" if self.live else " in the input")

    def all_warnings(self) -> list[str]:
        lines = [*self.warnings, *(f"skipped {line}" for line in self.malformed[:SHOWN_MALFORMED])]
        if len(self.malformed) > SHOWN_MALFORMED:
            lines.append(f"skipped {len(self.malformed) - SHOWN_MALFORMED} more objects that could not be read")
        return lines
