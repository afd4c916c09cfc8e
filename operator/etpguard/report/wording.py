"""Whether a status must be written although only its words differ. Pure.

Two releases may describe the same facts in different words, and an upgrade must not write every status. So a
difference of words counts only if it began while this process leads: this process has new words, or another client
overwrote them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable
from typing import Generic, TypeVar

import msgspec

from etpguard.report.statuses import Json

K = TypeVar("K", bound=Hashable)


class Wording(Generic[K]):
    """`whole` returns the part of a status that is compared; `same_facts` says whether a status that was read and
    the wanted one differ in their words alone."""

    def __init__(self, whole: Callable[[Json], Json], same_facts: Callable[[Json, Json], bool]) -> None:
        self._whole = whole
        self._same_facts = same_facts
        self._accepted: dict[K, tuple[int, int]] = {}

    def same(self, key: K, existing: Json | None, wanted: Json) -> bool:
        """Whether `existing` needs no write to become `wanted`."""
        if existing is None:
            return False
        found, meant = self._whole(existing), self._whole(wanted)
        words = (_digest(found), _digest(meant))
        if found == meant:
            self._accepted[key] = words
            return True
        return self._same_facts(existing, wanted) and self._accepted.setdefault(key, words) == words

    def clear(self) -> None:
        """Another process, maybe of another release, may have written since."""
        self._accepted.clear()

    def retain(self, keys: Container[K]) -> None:
        """Forget all other keys."""
        self._accepted = {key: words for key, words in self._accepted.items() if key in keys}

    def __len__(self) -> int:
        return len(self._accepted)


def _digest(part: Json) -> int:
    return hash(msgspec.json.encode(part, order="sorted"))
