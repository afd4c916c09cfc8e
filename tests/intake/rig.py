"""A resync beside a consumer of its messages; the API server is a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from etpguard.cluster import Picture
from etpguard.intake.early_lists import EarlyLists
from etpguard.intake.freshness import Access, Freshness
from etpguard.intake.inbox import Inbox, ListBegins, ListEnds, ListItems, Message
from etpguard.intake.resync import Resync
from etpguard.intake.timing import ListTiming
from etpguard.kube.backoff import Backoff
from etpguard.kube.on_request import OnRequest
from etpguard.objects import INGRESS, NODE, AnyKind
from tests.intake.fakes import ScriptedReader, node, page

QUICK = ListTiming(
    quiet=0.1,
    longest_burst=0.6,
    watch_start=0.6,
    forbidden=0.1,
    start_failing=0.3,
    failing=0.6,
    backoff=Backoff(0.05, 0.05),
    look_again=0.2,
)
"""Tenths of a second for minutes."""
EMPTY = [page(10)]
ONE = [page(10, node("n1", 5))]


class Rig:
    """A resync of Nodes (required), Ingresses and `others`, and a consumer that merges what it sends."""

    def __init__(
        self,
        nodes: list[Any],
        ingresses: list[Any],
        interval: float = 600.0,
        timing: ListTiming | None = None,
        others: Mapping[AnyKind, list[Any]] | None = None,
        early: EarlyLists | None = None,
        on_request: OnRequest = lambda verb, resource, status: None,
        served: Callable[[], frozenset[str] | None] = lambda: None,
    ) -> None:
        answers: dict[AnyKind, list[Any]] = {NODE: nodes, INGRESS: ingresses, **(others or {})}
        self.picture = Picture(answers)
        self.reader = ScriptedReader(answers)
        self.inbox = Inbox()
        self.messages: list[Message] = []
        loop = asyncio.get_running_loop()
        self.ahead = 0.0
        """Seconds that the clock of the resync is ahead of the loop's."""

        def clock() -> float:
            return loop.time() + self.ahead

        self.freshness = Freshness(self.picture.kinds, interval, clock)
        self.resync = Resync(
            picture=self.picture,
            reader=self.reader,
            inbox=self.inbox,
            freshness=self.freshness,
            interval=interval,
            clock=clock,
            timing=timing,
            early=early,
            on_request=on_request,
            served=served,
        )

    async def consume(self) -> None:
        while True:
            await self.inbox.wait(1)
            while (message := self.inbox.take()) is not None:
                self.messages.append(message)
                match message:
                    case ListBegins(kind, version, at_least):
                        self.picture.store(kind).begin_list(version, at_least)
                    case ListItems(kind, entries):
                        for entry in entries:
                            self.picture.store(kind).list_item(entry)
                    case ListEnds(kind, version, listed, absorbed):
                        self.picture.store(kind).end_list(version, listed)
                        absorbed.set()

    def access(self, kind: AnyKind) -> Access:
        return self.freshness.kinds[kind].access

    def lists(self, kind: AnyKind) -> int:
        return self.reader.listed.count(kind.name)


Scene = Callable[[Rig], Coroutine[Any, Any, None]]


def play(
    scene: Scene,
    *,
    nodes: list[Any],
    ingresses: list[Any],
    interval: float = 600.0,
    timing: ListTiming | None = QUICK,
    others: Mapping[AnyKind, list[Any]] | None = None,
) -> None:
    async def run() -> None:
        rig = Rig(nodes, ingresses, interval, timing, others)
        consumer = asyncio.create_task(rig.consume())
        try:
            async with asyncio.timeout(60):
                await scene(rig)
        finally:
            consumer.cancel()
            await asyncio.gather(consumer, return_exceptions=True)

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  polls what threads change
        await asyncio.sleep(0.01)
