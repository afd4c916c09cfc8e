"""Lets the rest of the event loop run during long work, and measures how long the work itself takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import TypeVar

from etpguard.assess.turns import Steps

T = TypeVar("T")


class Turns:
    """`longest`: seconds that the work may hold the event loop. `clock` is monotonic. `busy`: seconds of work so
    far."""

    def __init__(self, longest: float, clock: Callable[[], float]) -> None:
        self._longest = longest
        self._clock = clock
        self._began = clock()
        self.busy = 0.0

    async def pause(self) -> None:
        """Call this after each piece of work. Lets others run if the turn has lasted long enough."""
        held = self._clock() - self._began
        if held >= self._longest:
            self.busy += held
            await asyncio.sleep(0)
            self._began = self._clock()

    async def run(self, steps: Generator[None, None, T]) -> T:
        """The result of work that yields after each piece."""
        work = Steps(steps)
        for _ in work:
            await self.pause()
        return work.result

    def total(self) -> float:
        """Seconds of work, the present turn included."""
        return self.busy + self._clock() - self._began
