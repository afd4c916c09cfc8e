"""Order and wake-ups of the inbox, filled by real threads."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict

from etpguard.intake.inbox import Inbox, WatchEvent, WatchRelisted
from etpguard.objects import NODE, SERVICE, Key, Reject


def event(producer: int, number: int) -> WatchEvent:
    entry = Reject("Service", Key(str(producer), str(number)), "", number, "")
    return WatchEvent(SERVICE, entry, deleted=False, arrived=0.0)


def test_each_thread_s_order_is_kept_and_nothing_is_lost_or_missed() -> None:
    threads, each = 8, 2000
    seen: dict[str, list[int]] = defaultdict(list)

    async def consume() -> None:
        inbox = Inbox()

        def produce(producer: int) -> None:
            for number in range(each):
                inbox.put(event(producer, number))

        workers = [threading.Thread(target=produce, args=(i,)) for i in range(threads)]
        for worker in workers:
            worker.start()
        left = threads * each
        async with asyncio.timeout(60):
            while left:
                await inbox.wait(5)
                while (message := inbox.take()) is not None:
                    assert isinstance(message, WatchEvent)
                    seen[message.entry.key.namespace].append(message.entry.version)
                    left -= 1
        for worker in workers:
            worker.join()
        assert inbox.take() is None

    asyncio.run(consume())
    assert seen == {str(i): list(range(each)) for i in range(threads)}


def test_a_sleeping_consumer_is_woken_from_another_thread_each_time() -> None:
    async def consume() -> list[object]:
        inbox = Inbox()
        got: list[object] = []
        async with asyncio.timeout(60):
            for kind in (SERVICE, NODE, SERVICE):
                threading.Timer(0.02, inbox.put, (WatchRelisted(kind),)).start()
                await inbox.wait(5)
                got.append(inbox.take())
        return got

    assert asyncio.run(consume()) == [WatchRelisted(SERVICE), WatchRelisted(NODE), WatchRelisted(SERVICE)]


def test_waiting_has_an_end() -> None:
    async def wait() -> None:
        async with asyncio.timeout(60):
            await Inbox().wait(0.01)

    asyncio.run(wait())


def test_putting_after_the_loop_has_closed_is_no_error() -> None:
    async def make() -> Inbox:
        return Inbox()

    inbox = asyncio.run(make())
    inbox.put(WatchRelisted(SERVICE))
    inbox.put(WatchRelisted(SERVICE))
    assert len(inbox) == 2
