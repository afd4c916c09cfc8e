"""The namespaces whose Services etpguard reports and remediates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from etpguard.objects.records import Key

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NamespaceScope:
    """`only`: these namespaces, all where it is empty. `skipped`: none of these."""

    only: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()

    def includes(self, namespace: str) -> bool:
        return (not self.only or namespace in self.only) and namespace not in self.skipped

    def select(self, found: Mapping[Key, T]) -> Mapping[Key, T]:
        """A live view of the entries whose namespace is in scope."""
        return _Selected(found, self) if self.only or self.skipped else found


EVERYWHERE = NamespaceScope()


class _Selected(Mapping[Key, T]):
    def __init__(self, found: Mapping[Key, T], scope: NamespaceScope) -> None:
        self._found = found
        self._scope = scope

    def __getitem__(self, key: Key) -> T:
        if not self._scope.includes(key.namespace):
            raise KeyError(key)
        return self._found[key]

    def __iter__(self) -> Iterator[Key]:
        return (key for key in self._found if self._scope.includes(key.namespace))

    def __len__(self) -> int:
        return sum(1 for _ in self)
