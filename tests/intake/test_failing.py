"""Kinds that fail for long: which of them are waited for, and how often they are tried."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from etpguard.intake.freshness import Access
from etpguard.intake.inbox import KindLost
from etpguard.kube.errors import Overloaded, Unreachable
from etpguard.objects import INGRESS, NODE
from tests.intake.rig import EMPTY, ONE, QUICK, Rig, play, until

BROKEN = Overloaded("503 its webhook is away")
FAILING = 600.0
"""Seconds, which the test does not wait for: it puts the clock ahead."""


def test_the_start_does_not_wait_for_ever_for_a_kind_that_fails() -> None:
    async def scene(rig: Rig) -> None:
        began = asyncio.get_running_loop().time()
        await rig.resync.first()
        assert asyncio.get_running_loop().time() - began >= 0.3
        assert rig.access(INGRESS) is Access.FAILING
        await until(lambda: rig.messages[-1] == KindLost(INGRESS, "503 its webhook is away"))
        assert rig.freshness.picture_status() == (
            True,
            True,
            ("ingresses.networking.k8s.io: 503 its webhook is away",),
        )
        assert rig.resync.readable() == {NODE}

    play(scene, nodes=[ONE], ingresses=[BROKEN])


def test_it_is_read_once_it_answers() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        running = asyncio.create_task(rig.resync.run())
        tries = rig.lists(INGRESS)
        await until(lambda: rig.lists(INGRESS) == tries + 2)
        assert len([m for m in rig.messages if isinstance(m, KindLost)]) == 1
        rig.reader.answers[INGRESS] = [EMPTY]
        await until(lambda: rig.resync.readable() == {NODE, INGRESS})
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE], ingresses=[BROKEN])


def test_while_required_kinds_fail_too_it_is_the_api_server_that_is_waited_for() -> None:
    async def scene(rig: Rig) -> None:
        starting = asyncio.create_task(rig.resync.first())
        await asyncio.sleep(0.8)
        assert rig.access(INGRESS) is Access.UNTRIED
        rig.reader.answers |= {NODE: [ONE], INGRESS: [EMPTY]}
        await starting
        assert rig.access(INGRESS) is Access.READ

    play(scene, nodes=[Unreachable("no")], ingresses=[Unreachable("no")])


def test_a_kind_that_begins_to_fail_does_not_stop_all_writes_for_ever() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        running = asyncio.create_task(rig.resync.run())
        rig.resync.note_gap(INGRESS)
        await until(lambda: rig.lists(INGRESS) >= 4)
        assert not rig.freshness.picture_status().fresh, "for a moment's failure nothing is unlearned"
        assert rig.access(INGRESS) is Access.READ
        rig.ahead = FAILING
        await until(lambda: rig.freshness.picture_status().fresh)
        assert rig.access(INGRESS) is Access.FAILING
        await until(lambda: rig.messages[-1] == KindLost(INGRESS, "503 its webhook is away"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    timing = replace(QUICK, failing=FAILING)
    play(scene, nodes=[ONE], ingresses=[EMPTY, BROKEN], interval=10 * FAILING, timing=timing)


def test_a_list_is_tried_no_sooner_than_the_server_asks_not_even_for_a_sign() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        running = asyncio.create_task(rig.resync.run())
        rig.resync.note_gap(NODE)
        await until(lambda: rig.lists(NODE) == 2)
        refused = asyncio.get_running_loop().time()
        while rig.lists(NODE) == 2:
            rig.resync.note_gap(NODE)
            await asyncio.sleep(0.02)
        assert asyncio.get_running_loop().time() - refused >= 0.9
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE, Overloaded("429", 1.0), ONE], ingresses=[EMPTY])


@pytest.mark.parametrize("nodes", [[ONE], [Unreachable("a moment"), ONE]], ids=["", "and a required kind fails"])
def test_the_start_waits_for_no_kind_that_asks_for_more_time_than_it_is_given(nodes: list[Any]) -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        assert rig.access(INGRESS) is Access.FAILING

    play(scene, nodes=nodes, ingresses=[Overloaded("503", 3600)])


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), RuntimeError("can't start new thread")])
def test_a_failure_that_nobody_foresaw_is_one_of_that_list_and_is_tried_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        assert rig.access(NODE) is Access.READ

    play(scene, nodes=[error, error, ONE], ingresses=[EMPTY])
    assert caplog.text.count("list of nodes failed") == 1
