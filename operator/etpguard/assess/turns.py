"""Work that may be long, as generators that yield now and then, so that the caller can let others run. Pure."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

CONSUMERS_A_TURN = 64
"""Consumers of one Service between two yields: 2 to 3 ms of work."""


def in_full(steps: Generator[None, None, T]) -> T:
    """What the work gives, without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: T = done.value
            return found
