"""Two replicas on a real API server: one writes, and the other goes on where it ended."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from devcluster import Cluster
from etpguard.objects import Key
from tests.publish.stage import Case, play, staged

pytestmark = pytest.mark.controlplane


def test_the_next_leader_repeats_no_write_and_loses_nothing(arena: Cluster, case: Case) -> None:
    lease = Key(case.namespace, "etpguard")

    async def scenario() -> None:
        case.place(1)
        leader = AsyncExitStack()
        a = await leader.enter_async_context(staged(arena, lease=lease, agent="a"))
        async with leader:
            await a.until(case.all_published, "all of it")
            async with staged(arena, lease=lease, agent="b") as b:
                await b.settle(2)
                assert b.writer.closed() == "not the leader"
                since = arena.audit_position()
                await leader.aclose()
                await b.until(lambda: b.writer.closed() is None, "the hand-over")
                await b.settle(2.5)
                assert case.writes(since, "b") == []
                case.place(2)
                case.place(3)
                await b.until(lambda: case.condition()["status"] == "True", "the recovery's condition")
                await b.until(lambda: case.outcome() == "Covered", "the recovery's report")
                await b.until(
                    lambda: "NodesCovered" in {e["reason"] for e in case.events("Ingress")}, "the recovery's Event"
                )
                assert case.writes(since, "b")
                assert case.writes(since, "a") == []

    play(scenario)
