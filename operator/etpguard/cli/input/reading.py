"""What a command read, from wherever: the picture, and what is missing from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from etpguard.cluster import Picture
from etpguard.objects import NAMESPACE, NODE, SERVICE, AnyKind, Key, Record, Reject

SHOWN = 20
"""Warnings of one sort that are shown each; the rest is counted."""


@dataclass
class Reading:
    """`warnings` are complete lines. `malformed` counts objects that could not be read, each with a warning.
    `live` tells a cluster from files; `where` names it."""

    picture: Picture
    live: bool
    where: str
    warnings: list[str] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    not_read: list[str] = field(default_factory=list)

    def take(self, kind: AnyKind, entries: Iterable[Record | Reject]) -> None:
        """Put objects into the picture; of two with one key the last stays. Nodes in the order of their names:
        their bits are dealt in it, so that names need no sorting later."""
        ordered = sorted(entries, key=lambda entry: entry.key) if kind == NODE else entries
        self.picture.absorb(self.picture.store(kind).replace(ordered))

    def reject(self, kind: AnyKind, reject: Reject, where: str = "") -> None:
        self.malformed.append(f"{where}{reject.message}")
        if reject.key.name:
            self.take(kind, [reject])

    def lacks(self, namespace: str) -> str:
        """What there is to say of a namespace that has no Service; "" for one that has."""
        picture = self.picture
        if any(key.namespace == namespace for key in picture.store(SERVICE).keys()):  # noqa: SIM118
            return ""
        all_told = self.live and NAMESPACE in picture.kinds and NAMESPACE not in picture.unread
        if all_told and not picture.get(NAMESPACE, Key("", namespace)):
            return f"there is no namespace {namespace}"
        return f"there is no Service of namespace {namespace}" + ("" if self.live else " in the input")

    def all_warnings(self) -> list[str]:
        lines = [*self.warnings, *(f"skipped {line}" for line in self.malformed[:SHOWN])]
        if len(self.malformed) > SHOWN:
            lines.append(f"skipped {len(self.malformed) - SHOWN} more objects that could not be read")
        return lines
