"""How a lane works through its keys; what it does with each is a script."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from etpguard.kube.backoff import Backoff
from etpguard.kube.errors import ApiError
from etpguard.kube.token_bucket import TokenBucket
from etpguard.objects import Key
from etpguard.publish import worker
from etpguard.publish.worker import Step, Worker

Scene = Callable[[Worker], Awaitable[None]]


def play(step: Step, scene: Scene, *, rate: float = 1e6, open_: Callable[[], bool] = lambda: True) -> None:
    """`scene` beside a lane that runs; it is closed, and has ended, afterwards."""

    async def run() -> None:
        lane = Worker("lane", step, lambda key: None, TokenBucket(rate, rate), open_, time.monotonic)
        running = asyncio.create_task(lane.run())
        async with asyncio.timeout(10):
            await scene(lane)
            lane.close()
            await running

    asyncio.run(run())


def keys(number: int) -> list[Key]:
    return [Key("ns", f"web-{i}") for i in range(number)]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  polls what the code under test changes
        await asyncio.sleep(0.005)


def test_each_key_is_looked_at_once_and_four_at_once() -> None:
    looked: list[Key] = []
    at_once = [0, 0]
    """Now, and at most."""

    async def step(key: Key, *_: object) -> None:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0.01)
        at_once[0] -= 1
        looked.append(key)

    async def scene(lane: Worker) -> None:
        for key in keys(20):
            lane.poke(key)
            lane.poke(key)
        await until(lambda: len(looked) == 20)
        await asyncio.sleep(0.05)

    play(step, scene)
    assert sorted(looked) == sorted(keys(20))
    assert at_once == [0, 4]


def test_a_slow_key_holds_up_no_other() -> None:
    slow, *others = keys(10)
    looked: list[Key] = []

    async def step(key: Key, *_: object) -> None:
        await asyncio.sleep(0.3 if key == slow else 0)
        looked.append(key)

    async def scene(lane: Worker) -> None:
        lane.poke(slow)
        for key in others:
            lane.poke(key)
        await until(lambda: len(looked) == 9)
        assert slow not in looked

    play(step, scene)
    assert looked[-1] == slow, "what was under way when it was closed is not lost"


def test_a_poke_is_one_look_at_the_gate() -> None:
    """Of thousands of Services, each of which changes for itself."""
    asked = 0

    def open_() -> bool:
        nonlocal asked
        asked += 1
        return True

    async def step(*_: object) -> None:
        return

    async def scene(lane: Worker) -> None:
        await asyncio.sleep(0.05)
        before = asked
        for key in keys(10):
            lane.poke(key)
            await asyncio.sleep(0.005)
        assert asked - before <= 3 * 10

    play(step, scene, open_=open_)


def test_a_key_is_looked_at_again_when_it_says() -> None:
    (key,) = keys(1)
    looked: list[float] = []

    async def step(*_: object) -> float | None:
        looked.append(time.monotonic())
        return looked[0] + 0.2 if len(looked) == 1 else None

    async def scene(lane: Worker) -> None:
        lane.poke(key, time.monotonic() + 0.1)
        await asyncio.sleep(0.05)
        assert looked == []
        await until(lambda: len(looked) == 2)

    play(step, scene)
    assert looked[1] - looked[0] == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize("error", [ApiError(409, "Conflict", "x"), ZeroDivisionError()], ids=["the API's", "ours"])
def test_one_that_fails_comes_again_later_and_others_go_on(error: Exception) -> None:
    failing, other = keys(2)
    looked: list[Key] = []

    async def step(key: Key, *_: object) -> None:
        looked.append(key)
        if looked.count(failing) == 1 and key == failing:
            raise error

    async def scene(lane: Worker) -> None:
        lane.poke(failing)
        lane.poke(other)
        await until(lambda: other in looked)
        assert looked.count(failing) == 1
        await until(lambda: looked.count(failing) == 2)

    play(step, scene)


def test_while_the_gate_is_closed_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_IDLE", 0.02)
    gate = {"open": False}
    looked: list[Key] = []

    async def step(key: Key, *_: object) -> None:
        looked.append(key)

    async def scene(lane: Worker) -> None:
        lane.poke(keys(1)[0])
        await asyncio.sleep(0.1)
        assert looked == []
        gate["open"] = True
        await until(lambda: bool(looked))

    play(step, scene, open_=lambda: gate["open"])


def test_a_lane_that_is_cancelled_in_the_midst_forgets_no_key() -> None:
    (key,) = keys(1)
    begun = 0

    async def step(*_: object) -> None:
        nonlocal begun
        begun += 1
        await asyncio.sleep(60 if begun == 1 else 0)

    async def run() -> None:
        lane = Worker("lane", step, lambda key: None, TokenBucket(9, 9), lambda: True, time.monotonic)
        running = asyncio.create_task(lane.run())
        lane.poke(key)
        async with asyncio.timeout(10):
            await until(lambda: begun == 1)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            again = asyncio.create_task(lane.run())
            await until(lambda: begun == 2)
            lane.close()
            await again

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "failures", "told"),
    [
        pytest.param(400, 1, True, id="what the server decides is told at once"),
        pytest.param(500, 3, False, id="its own fault may pass"),
        pytest.param(500, 4, True, id="or last"),
        pytest.param(409, 9, False, id="a conflict is none"),
    ],
)
def test_what_fails_is_told_once(
    status: int, failures: int, told: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_BACK_OFF", Backoff(0.001, 0.001))
    tries = 0

    async def step(*_: object) -> None:
        nonlocal tries
        tries += 1
        if tries <= failures:
            raise ApiError(status, "Reason", "the schema knows no such field")

    async def scene(lane: Worker) -> None:
        lane.poke(keys(1)[0])
        await until(lambda: tries > failures)

    play(step, scene)
    assert len([r for r in caplog.records if "no such field" in r.message]) == int(told)
