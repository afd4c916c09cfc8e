"""Lists that begin before the operator exists, and what the resync makes of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from etpguard.intake.early_lists import EarlyLists
from etpguard.intake.freshness import Access
from etpguard.kube.errors import Overloaded
from etpguard.kube.on_request import OnRequest
from etpguard.objects import ENDPOINT_SLICE, INGRESS, NODE, AnyKind, Held, Page
from tests.intake.fakes import node, page
from tests.intake.rig import EMPTY, ONE, Rig, until


class Reader:
    """Gives pages, or raises; counts a request for each."""

    def __init__(self, *answers: Page[Any] | Exception) -> None:
        self.on_request: OnRequest = lambda verb, resource, status: None
        self._answers = answers

    def list(self, kind: AnyKind, on_page: Callable[[Page[Any]], None], held: Held) -> None:
        for answer in self._answers:
            if isinstance(answer, Exception):
                self.on_request("list", kind.resource, 503)
                raise answer
            self.on_request("list", kind.resource, 200)
            on_page(answer)


FIRST, SECOND = page(10, node("n1", 5)), page(10, node("n2", 6))


def test_what_a_list_brings_waits_in_its_order() -> None:
    parts: list[Any] = []
    early = EarlyLists(lambda kind: Reader(FIRST, SECOND), [NODE])
    found = early.take(NODE)
    assert found is not None
    assert found.began <= time.monotonic()
    found.pass_on(parts.append, lambda *request: parts.append(request))
    assert parts == [("list", "nodes", 200), FIRST, ("list", "nodes", 200), SECOND]


def test_each_list_is_given_once_and_no_other_kind_has_one() -> None:
    early = EarlyLists(lambda kind: Reader(FIRST), [NODE])
    assert early.take(INGRESS) is None
    assert early.take(NODE) is not None
    assert early.take(NODE) is None


def test_the_failure_of_a_list_is_raised_where_its_pages_are_taken() -> None:
    parts: list[Any] = []
    found = EarlyLists(lambda kind: Reader(FIRST, Overloaded("too much")), [NODE]).take(NODE)
    assert found is not None
    with pytest.raises(Overloaded, match="too much"):
        found.pass_on(parts.append, lambda *request: None)
    assert parts == [FIRST]


def test_the_first_list_of_a_kind_is_the_one_that_has_begun() -> None:
    async def scene() -> None:
        requests: list[tuple[str, str, int]] = []
        began = asyncio.get_running_loop().time()
        early = EarlyLists(lambda kind: Reader(FIRST, SECOND), [NODE])
        rig = Rig([ONE], [EMPTY], early=early, on_request=lambda *request: requests.append(request))
        consuming = asyncio.create_task(rig.consume())
        await asyncio.sleep(0.1)
        now = asyncio.get_running_loop().time()
        await rig.resync.first()
        assert rig.lists(NODE) == 0
        assert rig.lists(INGRESS) == 1
        assert requests == [("list", "nodes", 200)] * 2
        assert sorted(each.metadata.name for each in rig.picture.store(NODE)) == ["n1", "n2"]
        listed = rig.freshness.kinds[NODE].began
        assert listed is not None
        assert began <= listed < now
        consuming.cancel()

    asyncio.run(scene())


def test_after_an_early_list_that_failed_the_kind_is_listed_as_always() -> None:
    async def scene() -> None:
        early = EarlyLists(lambda kind: Reader(FIRST, Overloaded("too much")), [NODE])
        rig = Rig([ONE], [EMPTY], early=early)
        consuming = asyncio.create_task(rig.consume())
        await rig.resync.first()
        assert rig.lists(NODE) == 1
        assert rig.freshness.kinds[NODE].access is Access.READ
        consuming.cancel()

    asyncio.run(scene())


def test_other_kinds_do_not_wait_for_lists_that_have_begun() -> None:
    async def scene() -> None:
        going_on = threading.Event()

        class Slow(Reader):
            def list(self, kind: AnyKind, on_page: Callable[[Page[Any]], None], held: Held) -> None:
                assert going_on.wait(60)
                super().list(kind, on_page, held)

        early = EarlyLists(lambda kind: Slow(FIRST), [NODE])
        rig = Rig([ONE], [EMPTY], early=early)
        consuming = asyncio.create_task(rig.consume())
        first = asyncio.create_task(rig.resync.first())
        await until(lambda: rig.freshness.kinds[INGRESS].access is Access.READ)
        assert not first.done()
        going_on.set()
        await first
        consuming.cancel()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("served", "lists", "access"),
    [
        pytest.param(frozenset({"apps/v1"}), 0, Access.ABSENT, id="not served"),
        pytest.param(frozenset({"networking.k8s.io/v1"}), 1, Access.READ, id="served"),
        pytest.param(None, 1, Access.READ, id="not known"),
    ],
)
def test_the_first_list_of_a_kind_that_is_not_served_is_left_out(
    served: frozenset[str] | None, lists: int, access: Access
) -> None:
    """A required kind is listed whatever discovery shows: an API server that starts does not show all at once."""

    async def scene() -> None:
        rig = Rig([ONE], [EMPTY], served=lambda: served, others={ENDPOINT_SLICE: [EMPTY]})
        consuming = asyncio.create_task(rig.consume())
        await rig.resync.first()
        assert rig.lists(NODE) == rig.lists(ENDPOINT_SLICE) == 1
        assert rig.lists(INGRESS) == lists
        assert rig.freshness.kinds[INGRESS].access is access
        consuming.cancel()

    asyncio.run(scene())
