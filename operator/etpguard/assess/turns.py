"""Work that may be long, as generators that yield now and then, so that the caller can let others run. Pure."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

CONSUMERS_A_TURN = 64
"""Consumers of one Service between two yields: 2 to 3 ms of work."""


class Steps(Generic[T]):
    """Iterates over such work. When the iteration has ended, `result` is what the work returned."""

    result: T

    def __init__(self, work: Generator[None, None, T]) -> None:
        self._work = work

    def __iter__(self) -> Iterator[None]:
        self.result = yield from self._work


def in_full(work: Generator[None, None, T]) -> T:
    """What the work returns, without a pause."""
    steps = Steps(work)
    for _ in steps:
        pass
    return steps.result
