"""What a command loaded, from files or from a cluster: the picture, and what is missing from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from etpguard.cluster import Picture
from etpguard.objects import NAMESPACE, NODE, SERVICE, AnyKind, Key, Record, Reject

SHOWN_MALFORMED = 20
"""Malformed objects that have a warning each; the rest is counted."""


@dataclass
class Loaded:
    """`live`: from a cluster, not from files. `where` names the server or the files."""

    picture: Picture
    live: bool
    where: str
    warnings: list[str] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    """A line for each object that could not be read."""
    not_read: list[str] = field(default_factory=list)
    """Resources that could not be read or are not in the files, for the report."""

    def put(self, kind: AnyKind, entries: Iterable[Record | Reject]) -> None:
        """Put objects into the picture; of two with one key the last stays.

        Nodes are put in the order of their names: the picture numbers them in this order, so that lists of names
        need no sorting.
        """
        ordered = sorted(entries, key=lambda entry: entry.key) if kind == NODE else entries
        self.picture.absorb(self.picture.store(kind).replace(ordered))

    def reject(self, kind: AnyKind, reject: Reject) -> None:
        self.malformed.append(reject.message)
        if reject.key.name:
            self.put(kind, [reject])

    def no_service_in(self, namespace: str) -> str:
        """A sentence for a namespace that has no Service; "" for one that has."""
        picture = self.picture
        if any(key.namespace == namespace for key in picture.store(SERVICE).keys()):  # noqa: SIM118
            return ""
        namespaces_known = self.live and NAMESPACE in picture.kinds and NAMESPACE not in picture.unread
        if namespaces_known and not picture.get(NAMESPACE, Key("", namespace)):
            return f"there is no namespace {namespace}"
        return f"there is no Service of namespace {namespace}" + ("" if self.live else " in the input")

    def all_warnings(self) -> list[str]:
        lines = [*self.warnings, *(f"skipped {line}" for line in self.malformed[:SHOWN_MALFORMED])]
        if len(self.malformed) > SHOWN_MALFORMED:
            lines.append(f"skipped {len(self.malformed) - SHOWN_MALFORMED} more objects that could not be read")
        return lines
