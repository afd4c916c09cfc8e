"""How a worker works through its keys; what it does with each is a script."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from etpguard.kube.errors import ApiError
from etpguard.kube.token_bucket import TokenBucket
from etpguard.kube.writes import NotNow
from etpguard.objects import Key
from etpguard.publish.settings import WorkerSettings
from etpguard.publish.worker import Look, Worker, Write

Scene = Callable[[Worker], Awaitable[None]]
Send = Callable[[Key], Awaitable[None]]

FAST = WorkerSettings(idle=0.02)


def once(send: Send, due: Callable[[], float] = lambda: 0.0) -> Look:
    """A look that finds one write missing for each key until that succeeded."""
    sent: set[Key] = set()

    def look(key: Key, now: float) -> Write | None:
        if key in sent:
            sent.discard(key)
            return None

        async def write() -> None:
            await send(key)
            sent.add(key)

        return Write(due(), write)

    return look


def worker_of(
    look: Look,
    rate: float = 1e6,
    is_open: Callable[[], bool] = lambda: True,
    settings: WorkerSettings = FAST,
) -> Worker:
    return Worker("condition", look, TokenBucket(rate, max(rate, 1)), is_open, time.monotonic, settings)


def play(
    look: Look,
    scene: Scene,
    *,
    rate: float = 1e6,
    is_open: Callable[[], bool] = lambda: True,
    settings: WorkerSettings = FAST,
) -> None:
    """`scene` beside a worker that runs; it is closed, and has ended, afterwards."""

    async def run() -> None:
        worker = worker_of(look, rate, is_open, settings)
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(60):
            await scene(worker)
            worker.close()
            await running

    asyncio.run(run())


def keys(number: int, namespace: str = "ns") -> list[Key]:
    return [Key(namespace, f"web-{i}") for i in range(number)]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  polls what the code under test changes
        await asyncio.sleep(0.005)


def test_each_key_is_written_once_and_four_at_once() -> None:
    sent: list[Key] = []
    at_once = [0, 0]
    """Now, and at most."""

    async def send(key: Key) -> None:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0.01)
        at_once[0] -= 1
        sent.append(key)

    async def scene(worker: Worker) -> None:
        for key in keys(20):
            worker.add(key)
            worker.add(key)
        await until(lambda: len(sent) == 20)
        await asyncio.sleep(0.05)

    play(once(send), scene)
    assert sorted(sent) == sorted(keys(20))
    assert at_once == [0, 4]


def test_a_slow_key_holds_up_no_other() -> None:
    slow, *others = keys(10)
    sent: list[Key] = []

    async def send(key: Key) -> None:
        await asyncio.sleep(0.3 if key == slow else 0)
        sent.append(key)

    async def scene(worker: Worker) -> None:
        worker.add(slow)
        for key in others:
            worker.add(key)
        await until(lambda: len(sent) == 9)
        assert slow not in sent

    play(once(send), scene)
    assert sent[-1] == slow, "the write that was under way when the worker was closed is not lost"


def test_a_tenant_with_many_services_does_not_starve_another() -> None:
    """500 Services are due; the rate allows 50 writes a second, ten seconds for them all."""
    sent: list[Key] = []
    victim = Key("small", "web")

    async def send(key: Key) -> None:
        sent.append(key)

    async def scene(worker: Worker) -> None:
        for key in keys(500, "big"):
            worker.add(key)
        await until(lambda: len(sent) > 60)
        worker.add(victim)
        before = len(sent)
        await until(lambda: victim in sent)
        assert sent.index(victim) - before <= 8
        worker.retain(())

    play(once(send), scene, rate=50)


def test_an_added_key_is_one_look_at_the_gate() -> None:
    """Of thousands of Services, each of which changes for itself."""
    asked = 0

    def is_open() -> bool:
        nonlocal asked
        asked += 1
        return True

    async def scene(worker: Worker) -> None:
        await asyncio.sleep(0.05)
        before = asked
        for key in keys(10):
            worker.add(key)
            await asyncio.sleep(0.005)
        assert asked - before <= 3 * 10

    play(lambda key, now: None, scene, is_open=is_open)


def test_a_write_is_sent_when_it_is_due() -> None:
    (key,) = keys(1)
    sent: list[float] = []
    due = time.monotonic() + 0.2

    async def send(key: Key) -> None:
        sent.append(time.monotonic())

    async def scene(worker: Worker) -> None:
        worker.add(key)
        await asyncio.sleep(0.05)
        assert sent == []
        await until(lambda: bool(sent))

    play(once(send, lambda: due), scene)
    assert sent[0] == pytest.approx(due, abs=0.1)
    assert sent[0] >= due


@pytest.mark.parametrize(
    ("error", "in_look"),
    [
        pytest.param(ApiError(409, "Conflict", "x"), False, id="the API's"),
        pytest.param(ZeroDivisionError(), False, id="of a write"),
        pytest.param(ZeroDivisionError(), True, id="of a look"),
        pytest.param(RecursionError(), True, id="of the interpreter"),
        pytest.param(asyncio.CancelledError(), False, id="a cancellation that nobody asked for"),
    ],
)
def test_a_key_that_fails_comes_again_later_and_others_go_on(error: BaseException, in_look: bool) -> None:
    failing, other = keys(2)
    looked: list[Key] = []

    async def send(key: Key) -> None:
        if looked.count(failing) == 1 and key == failing:
            raise error

    inner = once(send)

    def look(key: Key, now: float) -> Write | None:
        looked.append(key)
        if in_look and looked.count(failing) == 1 and key == failing:
            raise error
        return inner(key, now)

    async def scene(worker: Worker) -> None:
        worker.add(failing)
        worker.add(other)
        await until(lambda: other in looked)
        await until(lambda: looked.count(failing) >= 2)

    play(look, scene)


def test_a_closed_gate_at_the_writer_is_no_failure() -> None:
    (key,) = keys(1)
    tries = 0

    async def send(key: Key) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise NotNow("not the leader", 0.01)

    async def scene(worker: Worker) -> None:
        worker.add(key)
        await until(lambda: tries == 4)
        assert worker._failures == {}

    play(once(send), scene)


def test_while_the_gate_is_closed_no_key_is_looked_at() -> None:
    gate = {"open": False}
    looked: list[Key] = []

    def look(key: Key, now: float) -> None:
        looked.append(key)

    async def scene(worker: Worker) -> None:
        worker.add(keys(1)[0])
        await asyncio.sleep(0.1)
        assert looked == []
        gate["open"] = True
        await until(lambda: bool(looked))

    play(look, scene, is_open=lambda: gate["open"])


def test_a_worker_that_is_cancelled_forgets_no_key() -> None:
    (key,) = keys(1)
    begun = 0

    async def send(key: Key) -> None:
        nonlocal begun
        begun += 1
        await asyncio.sleep(60 if begun == 1 else 0)

    async def run() -> None:
        worker = worker_of(once(send))
        running = asyncio.create_task(worker.run())
        worker.add(key)
        async with asyncio.timeout(60):
            await until(lambda: begun == 1)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            again = asyncio.create_task(worker.run())
            await until(lambda: begun == 2)
            worker.close()
            await again

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "failures", "logged"),
    [
        pytest.param(400, 1, True, id="what the server decides is logged at once"),
        pytest.param(500, 3, False, id="its own fault may pass"),
        pytest.param(500, 4, True, id="or last"),
        pytest.param(409, 9, False, id="a conflict is none"),
    ],
)
def test_a_failure_is_logged_once(
    status: int, failures: int, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    async def send(key: Key) -> None:
        nonlocal tries
        tries += 1
        if tries <= failures:
            raise ApiError(status, "Reason", "the schema knows no such field")

    async def scene(worker: Worker) -> None:
        worker.add(keys(1)[0])
        await until(lambda: tries > failures)

    play(once(send), scene, settings=WorkerSettings(longest_backoff=0.001))
    assert len([r for r in caplog.records if "no such field" in r.message]) == int(logged)


def test_what_does_not_exist_any_more_leaves_nothing_behind() -> None:
    async def send(key: Key) -> None:
        raise ApiError(422, "Invalid", "x")

    worker = worker_of(once(send))

    async def run() -> None:
        running = asyncio.create_task(worker.run())
        for key in keys(20):
            worker.add(key)
        async with asyncio.timeout(60):
            await until(lambda: len(worker._failures) == 20)
        worker.retain(keys(1))
        assert (len(worker._queue), list(worker._failures)) == (1, keys(1))
        worker.close()
        await running

    asyncio.run(run())
