"""Keeps a watch running: when a run ends, for any reason, another one starts for the kinds that can be read
then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Protocol

from etpguard.intake.resync import Resync
from etpguard.intake.timing import WatchTiming
from etpguard.kube.failures import Failures
from etpguard.objects import AnyKind
from etpguard.objects.log_fields import action_fields, request_fields
from etpguard.objects.text import describe

logger = logging.getLogger(__name__)


class Run(Protocol):
    """One run of the watch; see `kopf_watch.KopfRun`."""

    @property
    def kinds(self) -> frozenset[AnyKind]: ...

    @property
    def ended(self) -> asyncio.Event: ...

    @property
    def outdated(self) -> bool: ...

    @property
    def error(self) -> BaseException | None: ...

    @property
    def forbidden(self) -> set[AnyKind]: ...

    @property
    def last_turn(self) -> float: ...

    def stop(self) -> None: ...


class WatchSupervisor:
    """`start` starts a run for some kinds. `restarted` is called for each restart whose reason is not that the
    set of kinds changed."""

    def __init__(
        self,
        *,
        resync: Resync,
        start: Callable[[frozenset[AnyKind]], Run],
        restarted: Callable[[], None],
        timing: WatchTiming | None = None,
        failures: Failures | None = None,
    ) -> None:
        self._resync = resync
        self._start = start
        self._restarted = restarted
        self._timing = timing or WatchTiming()
        self._failures = failures or Failures()
        self._restart = asyncio.Event()
        self._restart_reason = ""
        self._run: Run | None = None
        self._not_ended: list[tuple[Run, float]] = []
        """Runs that did not end in time, each with the time of the request."""
        self._forbidden: dict[AnyKind, float] = {}
        self._restarts_for_not_started = 0
        self._next_restart_for_not_started = float("-inf")

    def etcd_restored(self) -> None:
        """List and watch all kinds again. No watch reports a restore, and a watch from a later version than the
        present one waits without an event."""
        for kind in self._resync.readable():
            self._resync.note_gap(kind)
        self._ask_restart("etcd was restored")

    def watch_misses_events(self, kind: AnyKind) -> None:
        self._ask_restart(f"two consecutive lists of {kind} found changes that the watch had not delivered")

    def watching(self) -> frozenset[AnyKind]:
        """The kinds that the present run watches by now."""
        running = self._run is not None and not self._run.ended.is_set()
        return self._run.kinds & self._resync.watched() if self._run and running else frozenset()

    def hung(self) -> str:
        """The reason why the process must restart; "" if it need not."""
        now, dead = time.monotonic(), self._timing.dead
        if any(now - asked > dead for run, asked in self._not_ended if not run.ended.is_set()):
            return f"a watch that was asked to end {dead:.0f} s ago still runs"
        if self._run and now - self._run.last_turn > dead:
            return f"the event loop of the watch has been blocked for {dead:.0f} s"
        return ""

    def missing(self) -> list[str]:
        """What the watch does not cover, one line each."""
        missing = [f"{kind}: may be listed but not watched" for kind in self._forbidden]
        if self._run is None or self._run.ended.is_set():
            return [*missing, "the watch is not running"]
        not_started = (
            f"{kind}: its watch has not started; its changes are seen late" for kind in self._resync.not_started()
        )
        return missing + sorted(not_started)

    async def run(self) -> None:
        failures = 0
        try:
            while True:
                self._resync.changed.clear()
                kinds = self._wanted()
                if not kinds:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._timing.look):
                            await self._resync.changed.wait()
                    continue
                began = time.monotonic()
                if failed := await self._run_once(kinds):
                    self._restarted()
                    logger.warning("the watch restarts: %s", failed, extra=action_fields("watch"))
                    failures = 1 if time.monotonic() - began > self._timing.steady else failures + 1
                    await asyncio.sleep(self._timing.backoff.pause(failures))
        finally:
            if self._run is not None:
                await self._end(self._run)

    async def _run_once(self, kinds: frozenset[AnyKind]) -> str:
        """Start a run and return once it has ended. Returns the reason if that is a failure, else ""."""
        self._restart.clear()
        self._restart_reason = ""
        try:
            self._run = self._start(kinds)
        except Exception as error:  # no file descriptor or thread is left, for example
            self._failures.note("watch", "Kopf", error)
            return describe(error)
        self._failures.settled("watch", "Kopf")
        self._resync.watch_begins(kinds)
        logger.info("watching %s", ", ".join(sorted(map(str, kinds))), extra=action_fields("watch"))
        failed = await self._attend(self._run)
        await self._end(self._run)
        self._resync.watch_ended()
        return failed

    def _wanted(self) -> frozenset[AnyKind]:
        now, readable = time.monotonic(), self._resync.readable()
        # A kind that cannot be listed either is tried again as soon as it can: both permissions were taken away.
        until = self._forbidden.items()
        self._forbidden = {kind: end for kind, end in until if end > now and kind in readable}
        watchable = {kind for kind in readable if kind.subset is None}
        return frozenset(watchable - self._forbidden.keys())

    async def _attend(self, run: Run) -> str:
        """Return when another run is needed. Returns the reason if that is a failure, else ""."""
        while True:
            waiting = {
                asyncio.create_task(event.wait()) for event in (run.ended, self._restart, self._resync.changed)
            }
            try:
                await asyncio.wait(waiting, timeout=self._timing.look, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()
            if run.ended.is_set():
                return self._explain(run)
            if self._restart.is_set():
                return self._restart_reason
            if self.watching() == run.kinds:
                self._restarts_for_not_started = 0
            if reason := self._not_started():
                return reason
            self._resync.changed.clear()
            if self._wanted() != run.kinds:
                await asyncio.sleep(self._timing.settle)
                if self._wanted() != run.kinds:
                    return ""

    def _not_started(self) -> str:
        """The reason to restart because the watch of some kind has not started; "" for none. Kopf discovers kinds
        only when it starts, and one API server may serve a new kind later than another."""
        kinds, now = self._resync.not_started(), time.monotonic()
        if not kinds or now < self._next_restart_for_not_started:
            return ""
        self._restarts_for_not_started += 1
        self._next_restart_for_not_started = now + self._timing.not_started.pause(self._restarts_for_not_started)
        return f"the watch of {', '.join(sorted(map(str, kinds)))} has not started"

    def _explain(self, run: Run) -> str:
        if run.outdated:
            logger.info(
                "the watch restarts: the files of its TLS credentials have changed", extra=action_fields("watch")
            )
            return ""
        for kind in run.forbidden:
            logger.warning(
                "%s: may be listed but not watched; its changes are seen late",
                kind,
                extra=request_fields("watch", str(kind), ""),
            )
            self._forbidden[kind] = time.monotonic() + self._timing.forbidden
        return describe(run.error) if run.error else "it ended without an error"

    def _ask_restart(self, reason: str) -> None:
        self._restart_reason = reason
        self._restart.set()

    async def _end(self, run: Run) -> None:
        run.stop()
        try:
            async with asyncio.timeout(self._timing.stop):
                await run.ended.wait()
        except TimeoutError:
            self._not_ended = [(r, asked) for r, asked in self._not_ended if not r.ended.is_set()]
            self._not_ended.append((run, time.monotonic()))
            logger.error("the watch did not end within %g s", self._timing.stop, extra=action_fields("watch"))
