"""What ends a run of the watch, and what follows; runs are made up, their supervisor is real."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

import pytest

from etpguard.intake import watch_supervisor
from etpguard.intake.resync import Resync
from etpguard.intake.watch_supervisor import WatchSupervisor
from etpguard.kube.backoff import Backoff
from etpguard.objects import INGRESS, NODE, SERVICE, AnyKind


class MadeUpRun:
    def __init__(self, kinds: frozenset[AnyKind], *, obeys: bool = True) -> None:
        self.kinds = kinds
        self.ended = asyncio.Event()
        self.error: BaseException | None = None
        self.denied: set[AnyKind] = set()
        self.beat = time.monotonic()
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
        return frozenset(self.kinds)

    def unheard(self) -> frozenset[AnyKind]:
        return frozenset(self.silent)

    def watch_begins(self, kinds: Iterable[AnyKind]) -> None:
        self.began.append(frozenset(kinds))

    def watch_ended(self) -> None:
        self.ends += 1

    def now_readable(self, *kinds: AnyKind) -> None:
        self.kinds = set(kinds)
        self.changed.set()


class Rig:
    def __init__(self, *kinds: AnyKind, obeys: bool = True) -> None:
        self.resync = MadeUpResync(kinds)
        self.runs: list[MadeUpRun] = []
        self.restarts = 0
        self.supervisor = WatchSupervisor(
            resync=cast(Resync, self.resync),
            start=lambda kinds: self._start(kinds, obeys),
            restarted=self._restarted,
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
            async with asyncio.timeout(10):
                await scene(made)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return made

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_supervisor, "BACK_OFF", Backoff(0.01, 0.02))
    monkeypatch.setattr(watch_supervisor, "SETTLE_SECONDS", 0.02)
    monkeypatch.setattr(watch_supervisor, "STOP_SECONDS", 0.1)


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
    assert "the watch starts anew: ValueError: broken" in caplog.text
    assert rig.runs[-1].ended.is_set(), "the last run was not ended"


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


def test_asked_to_start_anew() -> None:
    async def scene(rig: Rig) -> None:
        await rig.runs_made(1)
        rig.supervisor.restart("it is deaf")
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


def test_a_kind_that_may_not_be_watched_is_left_out_and_told() -> None:
    async def scene(rig: Rig) -> None:
        run = await rig.runs_made(1)
        run.denied.add(INGRESS)
        run.fail(PermissionError("403"))
        assert (await rig.runs_made(2)).kinds == {SERVICE}
        assert rig.supervisor.missing() == ["ingresses.networking.k8s.io: may be listed but not watched"]

    play(lambda: Rig(SERVICE, INGRESS), scene)


def test_it_is_tried_again_though_nothing_else_may_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_supervisor, "DENIED_SECONDS", 0.1)
    monkeypatch.setattr(watch_supervisor, "LOOK_SECONDS", 0.05)

    async def scene(rig: Rig) -> None:
        run = await rig.runs_made(1)
        run.denied.add(SERVICE)
        run.fail(PermissionError("403"))
        assert (await rig.runs_made(2)).kinds == {SERVICE}

    play(lambda: Rig(SERVICE), scene)


def test_a_kind_whose_watch_does_not_begin_is_told_and_the_watch_starts_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_supervisor, "DENIED_SECONDS", 0.3)
    monkeypatch.setattr(watch_supervisor, "LOOK_SECONDS", 0.02)

    async def scene(rig: Rig) -> None:
        await rig.runs_made(1)
        rig.resync.silent = {INGRESS}
        await rig.runs_made(2)
        told = "ingresses.networking.k8s.io: its watch has not begun; its changes are seen late"
        assert rig.supervisor.missing() == [told]
        await asyncio.sleep(0.15)
        assert len(rig.runs) == 2, "each start lists all kinds"
        await rig.runs_made(3)
        rig.resync.silent = set()
        assert rig.supervisor.missing() == []

    assert play(lambda: Rig(SERVICE, INGRESS), scene).restarts == 2


def test_a_run_that_does_not_end_is_what_only_a_new_process_mends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_supervisor, "DEAD_SECONDS", 0.2)

    async def scene(rig: Rig) -> None:
        await rig.runs_made(1)
        rig.supervisor.restart("it is deaf")
        (await rig.runs_made(2)).beat += 3600
        assert rig.supervisor.dead() == "", "it may yet end"
        await asyncio.sleep(0.3)
        assert rig.supervisor.dead() == "a watch that was told to end 0 s ago still runs"
        rig.runs[0].ended.set()
        assert rig.supervisor.dead() == ""

    play(lambda: Rig(SERVICE, obeys=False), scene)


def test_a_loop_that_has_had_no_turn_for_minutes_too() -> None:
    async def scene(rig: Rig) -> None:
        run = await rig.runs_made(1)
        run.beat -= watch_supervisor.DEAD_SECONDS + 1
        assert rig.supervisor.dead() == "the watch's loop has had no turn for 300 s"

    play(lambda: Rig(SERVICE), scene)
