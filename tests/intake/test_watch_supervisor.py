"""What ends a run of the watch, and what follows; runs are made up, their supervisor is real."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

import pytest

from etpguard.intake.resync import Resync
from etpguard.intake.timing import WatchTiming
from etpguard.intake.watch_supervisor import WatchSupervisor
from etpguard.kube.backoff import Backoff
from etpguard.objects import INGRESS, NODE, SERVICE, AnyKind, Subset

QUICK = WatchTiming(backoff=Backoff(0.02, 0.02), settle=0.02, stop=0.1)


POLLED = dataclasses.replace(NODE, subset=Subset("kube-system", 1.0, NODE))


class MadeUpRun:
    def __init__(self, kinds: frozenset[AnyKind], *, obeys: bool = True) -> None:
        self.kinds = kinds
        self.ended = asyncio.Event()
        self.outdated = False
        self.error: BaseException | None = None
        self.forbidden: set[AnyKind] = set()
        self.last_turn = time.monotonic()
        self._obeys = obeys

    def stop(self) -> None:
        if self._obeys:
            self.ended.set()

    def fail(self, error: BaseException | None = None) -> None:
        self.error = error
        self.ended.set()


class MadeUpResync:
    """As much of a Resync as its supervisor uses."""

    def __init__(self, kinds: Iterable[AnyKind]) -> None:
        self.kinds = set(kinds)
        self.changed = asyncio.Event()
        self.silent: set[AnyKind] = set()
        self.began: list[frozenset[AnyKind]] = []
        self.ends = 0

    def readable(self) -> frozenset[AnyKind]:
        return frozenset(self.kinds)

    def watched(self) -> frozenset[AnyKind]:
        return frozenset(self.kinds - self.silent)

    def not_started(self) -> frozenset[AnyKind]:
        return frozenset(self.silent)

    def watch_begins(self, kinds: Iterable[AnyKind]) -> None:
        self.began.append(frozenset(kinds))

    def watch_ended(self) -> None:
        self.ends += 1

    def now_readable(self, *kinds: AnyKind) -> None:
        self.kinds = set(kinds)
        self.changed.set()


class Rig:
    def __init__(self, *kinds: AnyKind, obeys: bool = True, timing: WatchTiming = QUICK) -> None:
        self.resync = MadeUpResync(kinds)
        self.runs: list[MadeUpRun] = []
        self.restarts = 0
        self.supervisor = WatchSupervisor(
            resync=cast(Resync, self.resync),
            start=lambda kinds: self._start(kinds, obeys),
            restarted=self._restarted,
            timing=timing,
        )

    def _start(self, kinds: frozenset[AnyKind], obeys: bool) -> MadeUpRun:
        self.runs.append(MadeUpRun(kinds, obeys=obeys))
        return self.runs[-1]

    def _restarted(self) -> None:
        self.restarts += 1

    async def runs_made(self, number: int) -> MadeUpRun:
        while len(self.runs) < number:  # noqa: ASYNC110  made by the code under test
            await asyncio.sleep(0.005)
        return self.runs[-1]


def play(rig: Callable[[], Rig], scene: Callable[[Rig], Coroutine[Any, Any, None]]) -> Rig:
    async def run() -> Rig:
        made = rig()
        task = asyncio.create_task(made.supervisor.run())
        try:
            async with asyncio.timeout(60):
                await scene(made)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return made

    return asyncio.run(run())


def test_a_failed_run_is_followed_by_another(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(rig: Rig) -> None:
        (await rig.runs_made(1)).fail(ValueError("broken"))
        run = await rig.runs_made(2)
        assert run.kinds == {SERVICE}
        assert rig.supervisor.watching() == {SERVICE}
        assert rig.resync.ends == 1
        assert len(rig.resync.began) == 2

    rig = play(lambda: Rig(SERVICE), scene)
    assert rig.restarts == 1
    assert "the watch restarts: ValueError: broken" in caplog.text
    assert rig.runs[-1].ended.is_set(), "the last run was not ended"


def test_a_run_that_cannot_be_started_is_tried_again() -> None:
    """No file descriptor is left for its loop, for example."""

    class Exhausted(Rig):
        def _start(self, kinds: frozenset[AnyKind], obeys: bool) -> MadeUpRun:
            if not self.restarts:
                raise OSError(24, "Too many open files")
            return super()._start(kinds, obeys)

    async def scene(rig: Rig) -> None:
        await rig.runs_made(1)

    assert play(lambda: Exhausted(SERVICE), scene).restarts == 1


def test_changed_tls_files_are_another_run_and_no_failure() -> None:
    async def scene(rig: Rig) -> None:
        run = await rig.runs_made(1)
        run.outdated = True
        run.stop()
        await rig.runs_made(2)

    assert play(lambda: Rig(SERVICE), scene).restarts == 0


def test_one_that_ends_without_an_error_too() -> None:
    async def scene(rig: Rig) -> None:
        (await rig.runs_made(1)).fail()
        await rig.runs_made(2)

    assert play(lambda: Rig(SERVICE), scene).restarts == 1


def test_other_kinds_are_another_run_and_no_failure() -> None:
    async def scene(rig: Rig) -> None:
        await rig.runs_made(1)
        rig.resync.now_readable(SERVICE, NODE)
        assert (await rig.runs_made(2)).kinds == {SERVICE, NODE}
        assert rig.runs[0].ended.is_set()

    assert play(lambda: Rig(SERVICE), scene).restarts == 0


def test_kinds_that_change_and_change_back_are_no_reason() -> None:
    async def scene(rig: Rig) -> None:
        await rig.runs_made(1)
        rig.resync.now_readable(SERVICE, NODE)
        await asyncio.sleep(0.005)
        rig.resync.now_readable(SERVICE)
        await asyncio.sleep(0.1)

    assert len(play(lambda: Rig(SERVICE), scene).runs) == 1


def test_a_request_restarts_the_watches() -> None:
    async def scene(rig: Rig) -> None:
        await rig.runs_made(1)
        rig.supervisor.watch_misses_events(SERVICE)
        await rig.runs_made(2)

    assert play(lambda: Rig(SERVICE), scene).restarts == 1


def test_no_run_without_a_kind_and_one_as_soon_as_there_is() -> None:
    async def scene(rig: Rig) -> None:
        await asyncio.sleep(0.05)
        assert rig.runs == []
        assert rig.supervisor.missing() == ["the watch is not running"]
        rig.resync.now_readable(SERVICE)
        await rig.runs_made(1)
        assert rig.supervisor.missing() == []

    play(lambda: Rig(), scene)


def test_a_kind_that_may_not_be_watched_is_left_out_and_reported() -> None:
    async def scene(rig: Rig) -> None:
        run = await rig.runs_made(1)
        run.forbidden.add(INGRESS)
        run.fail(PermissionError("403"))
        assert (await rig.runs_made(2)).kinds == {SERVICE}
        assert rig.supervisor.missing() == ["ingresses.networking.k8s.io: may be listed but not watched"]

    play(lambda: Rig(SERVICE, INGRESS), scene)


def test_a_kind_that_could_not_be_listed_meanwhile_is_watched_as_soon_as_it_can_be() -> None:
    """Both permissions were taken away, and both come back."""

    async def scene(rig: Rig) -> None:
        run = await rig.runs_made(1)
        run.forbidden.add(INGRESS)
        run.fail(PermissionError("403"))
        await rig.runs_made(2)
        rig.resync.now_readable(SERVICE)
        await asyncio.sleep(0.05)
        assert rig.supervisor.missing() == [], "it cannot be listed"
        rig.resync.now_readable(SERVICE, INGRESS)
        assert (await rig.runs_made(3)).kinds == {SERVICE, INGRESS}

    play(lambda: Rig(SERVICE, INGRESS), scene)


def test_it_is_tried_again_though_nothing_else_may_be_watched() -> None:
    async def scene(rig: Rig) -> None:
        run = await rig.runs_made(1)
        run.forbidden.add(SERVICE)
        run.fail(PermissionError("403"))
        assert (await rig.runs_made(2)).kinds == {SERVICE}

    timing = dataclasses.replace(QUICK, forbidden=0.1, look=0.05)
    play(lambda: Rig(SERVICE, timing=timing), scene)


def test_a_kind_whose_watch_does_not_start_is_reported_and_the_watch_restarts() -> None:
    async def scene(rig: Rig) -> None:
        await rig.runs_made(1)
        rig.resync.silent = {INGRESS}
        await rig.runs_made(2)
        problem = "ingresses.networking.k8s.io: its watch has not started; its changes are seen late"
        assert rig.supervisor.missing() == [problem]
        await asyncio.sleep(0.15)
        assert len(rig.runs) == 2, "each start lists all kinds"
        await rig.runs_made(3)
        await asyncio.sleep(0.45)
        assert len(rig.runs) == 3, "the pause doubles"
        rig.resync.silent = set()
        assert rig.supervisor.missing() == []
        await asyncio.sleep(0.35)
        assert len(rig.runs) == 3, "nothing is missing"
        rig.resync.silent = {INGRESS}
        await rig.runs_made(4)
        await asyncio.sleep(0.15)
        assert len(rig.runs) == 4
        await asyncio.sleep(0.35)
        assert len(rig.runs) == 5, "the first pause again, once all were watched"

    timing = dataclasses.replace(QUICK, not_started=Backoff(0.3, 3.0, jitter=0.0), look=0.02)
    assert play(lambda: Rig(SERVICE, INGRESS, timing=timing), scene).restarts == 4


def test_a_run_that_does_not_end_needs_a_restart_of_the_process() -> None:
    async def scene(rig: Rig) -> None:
        await rig.runs_made(1)
        rig.supervisor.watch_misses_events(SERVICE)
        (await rig.runs_made(2)).last_turn += 3600
        assert rig.supervisor.hung() == "", "it may yet end"
        await asyncio.sleep(0.3)
        assert rig.supervisor.hung() == "a watch that was asked to end 0 s ago still runs"
        rig.runs[0].ended.set()
        assert rig.supervisor.hung() == ""

    timing = dataclasses.replace(QUICK, dead=0.2)
    play(lambda: Rig(SERVICE, obeys=False, timing=timing), scene)


def test_so_does_a_loop_that_is_blocked_for_minutes() -> None:
    async def scene(rig: Rig) -> None:
        run = await rig.runs_made(1)
        run.last_turn -= QUICK.dead + 1
        assert rig.supervisor.hung() == "the event loop of the watch has been blocked for 300 s"

    play(lambda: Rig(SERVICE), scene)


def test_a_kind_of_which_a_part_is_read_is_not_watched() -> None:
    async def scene(rig: Rig) -> None:
        assert (await rig.runs_made(1)).kinds == {SERVICE}

    play(lambda: Rig(SERVICE, POLLED), scene)
