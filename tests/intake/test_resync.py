"""Which lists are made, when, and what becomes of their pages; the API server is a script."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from etpguard.intake.freshness import Access
from etpguard.intake.inbox import KindLost, ListBegins, ListEnds, ListItems
from etpguard.kube.errors import Forbidden, NotServed, Unreachable
from etpguard.objects import ENDPOINT_SLICE, INGRESS, NODE, SERVICE, AnyKind, Key
from etpguard.objects.cilium import CILIUM_BGP_ADVERTISEMENT as BGP
from tests.intake.fakes import node, page
from tests.intake.rig import EMPTY, ONE, Rig, play, until


def test_the_first_lists_are_merged_page_by_page() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        assert [type(m) for m in rig.messages if m.kind == NODE] == [ListBegins, ListItems, ListItems, ListEnds]  # type: ignore[union-attr]
        assert rig.picture.store(NODE).keys() == {Key("", "n1"), Key("", "n2")}
        assert rig.resync.readable() == {NODE, INGRESS}

    play(scene, nodes=[[page(10, node("n1", 5)), page(10, node("n2", 6))]], ingresses=[EMPTY])


def test_a_first_list_that_starts_over_leaves_nothing_of_its_first_attempt() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        assert rig.picture.store(NODE).keys() == {Key("", "n2")}

    play(scene, nodes=[[page(10, node("n1", 5)), page(12, node("n2", 11))]], ingresses=[EMPTY])


def test_first_waits_for_a_required_kind_whatever_the_trouble() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        assert rig.lists(NODE) == 4
        assert rig.access(NODE) is Access.READ

    play(scene, nodes=[Unreachable("no"), Forbidden("no"), NotServed("no"), ONE], ingresses=[EMPTY])


@pytest.mark.parametrize(
    ("error", "access", "unread"),
    [
        pytest.param(NotServed("x"), Access.ABSENT, None, id="not served"),
        pytest.param(Forbidden("may not"), Access.FORBIDDEN, "may not", id="forbidden"),
    ],
)
def test_first_does_not_wait_for_another(error: Exception, access: Access, unread: str | None) -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        assert rig.access(INGRESS) is access
        assert KindLost(INGRESS, unread) in rig.messages
        assert rig.freshness.picture_status().fresh

    play(scene, nodes=[ONE], ingresses=[error])


def test_it_is_tried_again_and_found() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        rig.resync.changed.clear()
        running = asyncio.create_task(rig.resync.run())
        await rig.resync.changed.wait()
        assert rig.resync.readable() == {NODE, INGRESS}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE], ingresses=[NotServed("x"), NotServed("x"), EMPTY])


def test_a_burst_of_signs_is_followed_by_one_list_and_is_pending_until_then() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        running = asyncio.create_task(rig.resync.run())
        for _ in range(20):
            rig.resync.watch_relisted(NODE)
            assert not rig.freshness.picture_status().fresh
            await asyncio.sleep(0.02)
            assert rig.lists(NODE) == 1
        await until(lambda: rig.freshness.picture_status().fresh)
        await asyncio.sleep(0.3)
        assert rig.lists(NODE) == 2
        assert rig.lists(INGRESS) == 1
        assert rig.resync.watched() == {NODE}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE], ingresses=[EMPTY])


def test_a_watch_that_gives_no_sign_counts_as_none() -> None:
    """Kopf watches only what it finds in discovery, as it starts."""

    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        running = asyncio.create_task(rig.resync.run())
        rig.resync.watch_begins([NODE, INGRESS])
        rig.resync.watch_relisted(NODE)
        await until(lambda: rig.freshness.picture_status().fresh)
        assert (rig.lists(NODE), rig.lists(INGRESS)) == (2, 2), "a list follows all the same"
        assert rig.resync.watched() == {NODE}
        assert rig.resync.not_started() == {INGRESS}
        rig.resync.watch_relisted(INGRESS)
        assert rig.resync.not_started() == set()
        await until(lambda: rig.resync.watched() == {NODE, INGRESS})
        rig.resync.watch_ended()
        assert not rig.resync.watched()
        assert not rig.resync.not_started()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE], ingresses=[EMPTY])


def test_until_the_longest_wait_for_a_sign_is_over_nothing_is_said_of_it() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        running = asyncio.create_task(rig.resync.run())
        rig.resync.watch_begins([NODE])
        rig.resync.note_gap(NODE)  # by something else than the watch
        await until(lambda: rig.freshness.picture_status().fresh)
        assert not rig.resync.watched()
        assert not rig.resync.not_started()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE], ingresses=[EMPTY])


def test_a_sign_while_the_list_runs_asks_for_another() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        loop = asyncio.get_running_loop()

        def sign(kind: AnyKind) -> None:
            if rig.lists(NODE) == 1:  # the second list is about to be made
                loop.call_soon_threadsafe(rig.resync.note_gap, NODE)

        rig.reader.before = sign
        running = asyncio.create_task(rig.resync.run())
        rig.resync.note_gap(NODE)
        await until(lambda: rig.lists(NODE) == 3)
        await until(lambda: rig.freshness.picture_status().fresh)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE], ingresses=[EMPTY])


def test_after_the_start_one_large_kind_is_listed_at_a_time_and_no_other_kind_waits_for_it() -> None:
    """Pages that are decoded at the same time make the heap grow, and the heap does not shrink again."""
    under_way = [0]
    most = [0]

    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        ingress_listed = threading.Event()

        def count(kind: AnyKind) -> None:
            if kind is INGRESS:
                ingress_listed.set()
                return
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
            ingress_listed.wait(10)
            time.sleep(0.05)  # so that another list, if one may run, begins before this one ends
            under_way[0] -= 1

        rig.reader.before = count
        running = asyncio.create_task(rig.resync.run())
        for kind in (NODE, SERVICE, ENDPOINT_SLICE, INGRESS):
            rig.resync.note_gap(kind)
        await until(lambda: rig.freshness.picture_status().fresh)
        assert [rig.lists(kind) for kind in (NODE, SERVICE, ENDPOINT_SLICE, INGRESS)] == [2, 2, 2, 2]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    others: dict[AnyKind, list[Any]] = {SERVICE: [EMPTY], ENDPOINT_SLICE: [EMPTY]}
    play(scene, nodes=[ONE], ingresses=[EMPTY], others=others)
    assert most == [1]


def test_a_look_that_finds_an_older_version_asks_for_a_list() -> None:
    """etcd was restored, and watches that wait for versions yet to come are silent."""

    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        running = asyncio.create_task(rig.resync.run())
        await until(lambda: rig.reader.asked.count("Ingress") > 2)
        assert (rig.lists(NODE), rig.lists(INGRESS)) == (2, 1)
        assert [record.key.name for record in rig.picture.store(NODE)] == ["n0"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE, [page(7, node("n0", 6))]], ingresses=[EMPTY])


def test_only_news_is_kept_of_a_later_list_and_only_after_its_last_page() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        rig.messages.clear()
        running = asyncio.create_task(rig.resync.run())
        rig.resync.note_gap(NODE)
        await until(lambda: rig.freshness.picture_status().fresh)
        begins, items, ends = rig.messages
        assert isinstance(begins, ListBegins)
        assert isinstance(items, ListItems)
        assert isinstance(ends, ListEnds)
        assert [entry.key.name for entry in items.entries] == ["n2"]
        assert ends.listed == {Key("", "n1"), Key("", "n2")}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    later = [page(19, node("n1", 5)), page(20, node("n1", 5)), page(20, node("n2", 15))]
    play(scene, nodes=[ONE, later], ingresses=[EMPTY])


def test_a_kind_forbidden_for_a_moment_keeps_its_objects() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        running = asyncio.create_task(rig.resync.run())
        rig.resync.note_gap(INGRESS)
        await until(lambda: rig.lists(INGRESS) == 3)
        await until(lambda: rig.freshness.picture_status().fresh)
        assert not [m for m in rig.messages if isinstance(m, KindLost)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE], ingresses=[EMPTY, Forbidden("a moment"), EMPTY])


def test_intervals() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        running = asyncio.create_task(rig.resync.run())
        began = asyncio.get_running_loop().time()
        await until(lambda: rig.lists(NODE) == 4)
        assert 0.8 <= asyncio.get_running_loop().time() - began <= 10
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE], ingresses=[EMPTY], interval=0.4)


OLD = "cilium.io/v2alpha1"


@pytest.mark.parametrize("known", [None, frozenset({OLD})])
def test_a_kind_is_read_in_the_version_that_is_served(known: frozenset[str] | None) -> None:
    """Cilium 1.16 and 1.17 have the kinds of BGP as v2alpha1 alone."""

    async def scene(rig: Rig) -> None:
        rig.reader.not_served.add(BGP.api_version)
        rig.resync._served = lambda: known
        await rig.resync.first()
        assert BGP in rig.resync.readable()
        assert rig.resync.as_served(BGP).path == f"/apis/{OLD}/ciliumbgpadvertisements"
        assert rig.lists(BGP) == 2
        running = asyncio.create_task(rig.resync.run())
        rig.resync.note_gap(BGP)
        await until(lambda: rig.lists(BGP) == 3)  # the version of the last list comes first
        rig.reader.not_served = {OLD}
        rig.resync.note_gap(BGP)
        await until(lambda: rig.resync.as_served(BGP) is BGP)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    play(scene, nodes=[ONE], ingresses=[EMPTY], others={BGP: [EMPTY]})


def test_a_kind_of_no_version_that_is_served_is_absent() -> None:
    async def scene(rig: Rig) -> None:
        rig.resync._served = lambda: frozenset({"cilium.io/v3"})
        await rig.resync.first()
        assert (rig.access(BGP), rig.lists(BGP)) == (Access.ABSENT, 0)

    play(scene, nodes=[ONE], ingresses=[EMPTY], others={BGP: [EMPTY]})
