"""Kinds of which a part is read: listed at their own interval while another kind makes them necessary."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from etpguard.cluster.store import Store
from etpguard.intake.freshness import Access
from etpguard.intake.inbox import KindLost
from etpguard.kube.errors import Forbidden, Overloaded
from etpguard.objects import NODE, AnyKind, Kind, Record, Subset, decode_item
from etpguard.objects.cilium import CILIUM_L2_ANNOUNCEMENT_POLICY as POLICY
from etpguard.objects.cilium import CILIUM_L2_LEASE
from tests.intake.fakes import page
from tests.intake.rig import EMPTY, ONE, Rig, play, until


def polled(interval: float = 0.1, *, needs_permission: bool = True) -> Kind[Any]:
    subset = Subset("kube-system", interval, POLICY, prefix="cilium-", needs_permission=needs_permission)
    return dataclasses.replace(CILIUM_L2_LEASE, subset=subset)


def made(kind: AnyKind, name: str, version: int, **spec: str) -> Record:
    raw = {"metadata": {"name": name, "namespace": "x", "resourceVersion": str(version)}, "spec": spec}
    record = decode_item(kind, raw)
    assert isinstance(record, Record)
    return record


LEASE = polled()
NEEDED = [page(10, made(POLICY, "lan", 5))]
ANSWERS: dict[str, Any] = {"nodes": [ONE], "ingresses": [EMPTY]}


def lease(holder: str, version: int) -> Record:
    return made(LEASE, "cilium-a", version, holderIdentity=holder)


def test_a_subset_that_nothing_needs_is_not_listed() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        assert rig.access(LEASE) is Access.UNUSED
        assert rig.lists(LEASE) == 0
        assert KindLost(LEASE, None) in rig.messages
        status = rig.freshness.picture_status()
        assert (status.fresh, status.missing) == (True, ())
        assert not rig.freshness.served(LEASE)

    play(scene, **ANSWERS, others={POLICY: [EMPTY], LEASE: [EMPTY]})


def test_the_first_list_waits_for_the_kind_that_needs_it() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        assert rig.access(LEASE) is Access.READ
        assert [each.holder for each in rig.picture.store(LEASE)] == ["n1"]

    play(scene, **ANSWERS, others={LEASE: [[page(11, lease("n1", 6))]], POLICY: [NEEDED]})


def test_it_is_listed_at_its_own_interval_and_neither_watched_nor_checked() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        following = asyncio.create_task(rig.resync.run())
        await until(lambda: [each.holder for each in rig.picture.store(LEASE)] == ["n2"])
        await until(lambda: rig.lists(LEASE) > 3)
        following.cancel()
        assert rig.lists(NODE) == 1
        assert LEASE.name not in rig.reader.asked
        assert LEASE not in rig.resync.watched()

    answers = [[page(11, lease("n1", 6))], [page(12, lease("n2", 12))]]
    play(scene, **ANSWERS, others={POLICY: [NEEDED], LEASE: answers})


def test_it_is_listed_once_it_becomes_necessary_and_dropped_after_that() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        following = asyncio.create_task(rig.resync.run())
        policies: Store[Any] = rig.picture.store(POLICY)
        policies.replace([made(POLICY, "lan", 20)])
        await until(lambda: len(rig.picture.store(LEASE)) == 1)
        policies.clear()
        await until(lambda: KindLost(LEASE, None) in rig.messages[-1:])
        following.cancel()
        assert rig.access(LEASE) is Access.UNUSED

    play(scene, **ANSWERS, others={POLICY: [EMPTY], LEASE: [[page(11, lease("n1", 6))]]})


def test_until_its_first_list_it_is_not_known_that_no_object_exists() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        following = asyncio.create_task(rig.resync.run())
        policies: Store[Any] = rig.picture.store(POLICY)
        policies.replace([made(POLICY, "lan", 5)])
        await until(lambda: rig.lists(LEASE) > 0)
        await until(lambda: KindLost(LEASE, "not listed yet") in rig.messages)
        assert rig.freshness.not_ready() == ()
        await until(lambda: rig.access(LEASE) is Access.FAILING)
        await until(lambda: rig.messages[-1] == KindLost(LEASE, "503 etcd is slow"))
        following.cancel()

    failing = [Overloaded("503 etcd is slow")]
    play(scene, **ANSWERS, others={POLICY: [EMPTY], LEASE: failing})


def test_a_permission_that_lacks_is_reported() -> None:
    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        assert rig.access(LEASE) is Access.FORBIDDEN
        assert KindLost(LEASE, "may not") in rig.messages

    play(scene, **ANSWERS, others={POLICY: [NEEDED], LEASE: [Forbidden("may not")]})


def test_unless_the_operator_works_without_it() -> None:
    spare = polled(needs_permission=False)

    async def scene(rig: Rig) -> None:
        await rig.resync.first()
        following = asyncio.create_task(rig.resync.run())
        await until(lambda: rig.lists(spare) > 2)
        following.cancel()
        assert rig.access(spare) is Access.UNUSED
        assert [each for each in rig.messages if isinstance(each, KindLost)] == [KindLost(spare, None)]
        assert rig.freshness.picture_status().missing == ()

    play(scene, **ANSWERS, others={POLICY: [NEEDED], spare: [Forbidden("may not")]})
