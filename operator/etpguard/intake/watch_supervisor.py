"""Keeps a watch running: whatever ends it, another follows, for the kinds that can be read by then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Protocol

from etpguard.intake.resync import Resync
from etpguard.kube.backoff import Backoff
from etpguard.objects import AnyKind

logger = logging.getLogger(__name__)

BACK_OFF = Backoff(1.0, 60.0)
STEADY_SECONDS = 120.0
"""A run that lasted so long is no part of a series of failures."""
SETTLE_SECONDS = 2.0
"""How long a change of the kinds is left to be joined by others before the watch starts anew for them."""
STOP_SECONDS = 3.0
DEAD_SECONDS = 300.0
"""A run whose loop had no turn for so long hangs, and so does one that is told to stop and does not."""
DENIED_SECONDS = 600.0
"""How long a kind that may be listed but not watched is left out before it is tried again, and how long a run goes
on in which the watch of a kind has not begun: to start anew is to list them all."""
LOOK_SECONDS = 60.0
"""How often is looked at what no event tells: that such a time is over, or that a kind's watch has not begun."""


class Run(Protocol):
    """One run of the watch; see `watch.KopfRun`."""

    kinds: frozenset[AnyKind]
    ended: asyncio.Event
    error: BaseException | None
    denied: set[AnyKind]
    beat: float

    def stop(self) -> None: ...


class WatchSupervisor:
    """`start` begins a run for some kinds; `restarted` is told of each that was not asked for by a change of
    the kinds."""

    def __init__(
        self,
        *,
        resync: Resync,
        start: Callable[[frozenset[AnyKind]], Run],
        restarted: Callable[[], None],
    ) -> None:
        self._resync = resync
        self._start = start
        self._restarted = restarted
        self._again = asyncio.Event()
        self._why = ""
        self._run: Run | None = None
        self._lingering: list[tuple[Run, float]] = []
        """Runs that have not ended in time, and when they were told to."""
        self._denied: dict[AnyKind, float] = {}
        self._unheard_until = float("-inf")

    def restart(self, why: str) -> None:
        """Have the watch start anew, for a reason that it cannot know."""
        self._why = why
        self._again.set()

    def watching(self) -> frozenset[AnyKind]:
        """The kinds that the run under way watches by now."""
        running = self._run is not None and not self._run.ended.is_set()
        return self._run.kinds & self._resync.watched() if self._run and running else frozenset()

    def dead(self) -> str:
        """Why nothing but a new process will help; "" while that is not so."""
        now = time.monotonic()
        if any(now - told > DEAD_SECONDS for run, told in self._lingering if not run.ended.is_set()):
            return f"a watch that was told to end {DEAD_SECONDS:.0f} s ago still runs"
        if self._run and now - self._run.beat > DEAD_SECONDS:
            return f"the watch's loop has had no turn for {DEAD_SECONDS:.0f} s"
        return ""

    def missing(self) -> list[str]:
        """What the watch lacks, in words."""
        lacking = [f"{kind}: may be listed but not watched" for kind in self._denied]
        if self._run is None or self._run.ended.is_set():
            return [*lacking, "the watch is not running"]
        unheard = (
            f"{kind}: its watch has not begun; its changes are seen late" for kind in self._resync.unheard()
        )
        return lacking + sorted(unheard)

    async def run(self) -> None:
        failures = 0
        try:
            while True:
                self._resync.changed.clear()
                kinds = self._wanted()
                if not kinds:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_SECONDS):
                            await self._resync.changed.wait()
                    continue
                began = time.monotonic()
                self._again.clear()
                self._why = ""
                self._resync.watch_begins(kinds)
                self._run = self._start(kinds)
                logger.info("watching %s", ", ".join(sorted(map(str, kinds))))
                failed = await self._attend(self._run)
                await self._end(self._run)
                self._resync.watch_ended()
                if failed:
                    self._restarted()
                    logger.warning("the watch starts anew: %s", failed)
                    failures = 1 if time.monotonic() - began > STEADY_SECONDS else failures + 1
                    await asyncio.sleep(BACK_OFF.pause(failures))
        finally:
            if self._run is not None:
                await self._end(self._run)

    def _wanted(self) -> frozenset[AnyKind]:
        now = time.monotonic()
        self._denied = {kind: until for kind, until in self._denied.items() if until > now}
        return self._resync.readable() - self._denied.keys()

    async def _attend(self, run: Run) -> str:
        """Return when the run has to give way to another; why, where that is a failure, else ""."""
        while True:
            waiting = {
                asyncio.create_task(event.wait()) for event in (run.ended, self._again, self._resync.changed)
            }
            try:
                await asyncio.wait(waiting, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()
            if run.ended.is_set():
                return self._explain(run)
            if self._again.is_set():
                return self._why
            if why := self._not_begun():
                return why
            self._resync.changed.clear()
            if self._wanted() != run.kinds:
                await asyncio.sleep(SETTLE_SECONDS)
                if self._wanted() != run.kinds:
                    return ""

    def _not_begun(self) -> str:
        """Which kinds' watches have not, where that is a reason to start anew: only at its start does Kopf look
        which kinds there are, and one API server may learn of a kind later than another."""
        kinds, now = self._resync.unheard(), time.monotonic()
        if not kinds or now < self._unheard_until:
            return ""
        self._unheard_until = now + DENIED_SECONDS
        return f"no watch of {', '.join(sorted(map(str, kinds)))} has begun"

    def _explain(self, run: Run) -> str:
        for kind in run.denied:
            logger.warning("%s: may be listed but not watched; its changes are seen late", kind)
            self._denied[kind] = time.monotonic() + DENIED_SECONDS
        error = run.error
        return " ".join(f"{type(error).__name__}: {error}"[:500].split()) if error else "it ended by itself"

    async def _end(self, run: Run) -> None:
        run.stop()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await run.ended.wait()
        except TimeoutError:
            self._lingering = [(r, told) for r, told in self._lingering if not r.ended.is_set()]
            self._lingering.append((run, time.monotonic()))
            logger.error("the watch does not end within %g s", STOP_SECONDS)
