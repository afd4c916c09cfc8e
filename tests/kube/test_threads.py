"""Blocking work off the loop: whatever becomes of it, and of who waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from etpguard.kube.threads import in_thread


class Refusal(BaseException):
    """What a thread must not die of silently."""


def test_the_result_comes_back_from_a_daemon_of_that_name() -> None:
    thread = asyncio.run(in_thread(threading.current_thread, "reads nodes"))
    assert (thread.name, thread.daemon) == ("reads nodes", True)
    assert thread is not threading.main_thread()


@pytest.mark.parametrize("error", [ValueError("bad"), Refusal("worse")], ids=["Exception", "BaseException"])
def test_what_is_raised_is_raised_in_the_caller(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        asyncio.run(in_thread(fail, "fails"))
    assert raised.value is error


def test_the_loop_goes_on_meanwhile() -> None:
    async def both() -> list[str]:
        may_end, order = threading.Event(), list[str]()
        waiting = asyncio.create_task(in_thread(may_end.wait, "waits"))
        await asyncio.sleep(0)
        order.append("the loop")
        may_end.set()
        assert await waiting
        return [*order, "the thread"]

    assert asyncio.run(both()) == ["the loop", "the thread"]


class Slow:
    """Work that ends when stop() is called."""

    def __init__(self, error: Exception | None = None) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()
        self.thread = threading.main_thread()
        self._error = error

    def __call__(self) -> None:
        self.thread = threading.current_thread()
        self.began.set()
        self.may_end.wait()
        if self._error:
            raise self._error


@pytest.mark.parametrize("error", [None, ValueError("too late")], ids=["it returns", "it raises"])
def test_a_cancelled_caller_does_not_wait_and_what_comes_after_all_is_unheard(error: Exception | None) -> None:
    work, contexts = Slow(error), list[dict[str, object]]()

    async def caller() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
        task = asyncio.create_task(in_thread(work, "slow"))
        await asyncio.to_thread(work.began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        work.may_end.set()
        await asyncio.to_thread(work.thread.join)
        await asyncio.sleep(0)

    asyncio.run(caller())
    assert contexts == []


def test_a_loop_that_is_closed_by_then_is_no_trouble() -> None:
    work = Slow()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_thread(work, "slow"), 0.05)

    asyncio.run(give_up())
    assert work.began.wait(5)
    work.may_end.set()
    work.thread.join(5)
    assert not work.thread.is_alive()
