"""Whether an operator may compete for its Lease, by what the API server answers to its look at other Leases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from etpguard.app.leading import Looks, lead
from etpguard.app.other_installation import OtherInstallation
from etpguard.kube.errors import ApiError
from etpguard.kube.lease import Elector, Timing
from etpguard.kube.writes import Writer
from etpguard.objects import Key
from tests.kube.fake_api import Answer, Call, FakeApi, ok
from tests.kube.lease_server import LeaseServer


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        pytest.param(ApiError(0, "Timeout", "no answer within 10 s"), True, id="no answer"),
        pytest.param(ApiError(429, "TooManyRequests", "later"), True, id="throttled"),
        pytest.param(ApiError(503, "ServiceUnavailable", "later"), True, id="a fault of the server"),
        pytest.param(ApiError(403, "Forbidden", "no permission"), False, id="no permission"),
    ],
)
def test_it_waits_only_while_another_look_may_succeed(error: ApiError, waits: bool) -> None:
    async def read_page(*args: Any, **options: Any) -> Any:
        raise error

    other = OtherInstallation(cast(Any, SimpleNamespace(read_page=read_page)), Key("etpguard-system", "etpguard"))
    assert asyncio.run(other.leads()) is waits
    assert ("cannot look for another etpguard installation" in other.problem) is waits


class Leases:
    """The Leases of all namespaces, each with optimistic locking. `cut` are the namespaces whose operators do not
    reach the API server."""

    def __init__(self) -> None:
        self.by_namespace: dict[str, LeaseServer] = {}
        self.cut: set[str] = set()

    def api(self, own: str) -> FakeApi:
        return FakeApi(lambda call: self._answer(own, call))

    def _answer(self, own: str, call: Call) -> Answer:
        if own in self.cut:
            raise ConnectionResetError("cut off")
        _, found, rest = call.path.partition("/namespaces/")
        if found:
            server = self.by_namespace.setdefault(rest.split("/")[0], LeaseServer())
            return server.answer(call)
        leases = [
            {**server.lease, "metadata": {**server.lease["metadata"], "uid": namespace}}
            for namespace, server in self.by_namespace.items()
            if server.lease
        ]
        return ok({"kind": "LeaseList", "metadata": {"resourceVersion": "1"}, "items": leases})


class Installation:
    """One operator of an installation in `namespace`."""

    def __init__(self, leases: Leases, namespace: str, replica: str = "a") -> None:
        self.changes: list[bool] = []
        api, own = leases.api(namespace), Key(namespace, "etpguard")
        self.elector = Elector(
            api, own, f"{namespace}-{replica}", timing=Timing.of(3), on_change=self.changes.append
        )
        self.other = OtherInstallation(Writer(api), own)

    async def run(self, stop: asyncio.Event) -> None:
        async def quiet(seconds: float) -> bool:
            return True

        await lead(self.elector, self.other, stop, quiet, Looks(waiting=0.1, first=0.5, later=0.5))


def play(scene: Callable[[], Awaitable[None]], *installations: Installation) -> None:
    """`scene` beside installations that start in the same tick."""

    async def run() -> None:
        stop = asyncio.Event()
        running = [asyncio.create_task(each.run(stop)) for each in installations]
        try:
            async with asyncio.timeout(60):
                await scene()
        finally:
            stop.set()
            await asyncio.gather(*running)

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  polls what other tasks change
        await asyncio.sleep(0.02)


def foreign(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "etpguard", "namespace": "team-a", "uid": "l", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"holderIdentity": "x", **spec}}


def alone(lease: dict[str, Any]) -> tuple[bool, float, str, str]:
    """Whether another installation is found to lead beside this static Lease, after how many seconds, and what the
    problem was meanwhile and afterwards."""
    now, problems = 0.0, []
    api = FakeApi(lambda call: ok({"metadata": {"resourceVersion": "9"}, "items": [lease]}))

    async def sleep(seconds: float) -> None:
        nonlocal now
        problems.append(other.problem)
        now += seconds
        assert now < 90

    other = OtherInstallation(Writer(api), Key("etpguard-system", "etpguard"), clock=lambda: now, sleep=sleep)
    found = asyncio.run(other.leads())
    return found, now, problems[0], other.problem


def test_a_lease_that_nobody_renews_counts_for_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    found, took, meanwhile, afterwards = alone(foreign(leaseDurationSeconds=2**31 - 1))
    assert (found, afterwards) == (False, "")
    assert 60 < took < 70
    assert "x holds Lease team-a/etpguard" in meanwhile
    assert meanwhile in caplog.text


def test_the_holder_of_a_foreign_lease_is_one_short_word() -> None:
    meanwhile = alone(foreign(holderIdentity="x\n\u202e" + "y" * 50_000))[2]
    assert meanwhile.startswith("x\\n\\u202eyyy")
    assert meanwhile.isprintable()
    assert len(meanwhile) < 300


def test_of_two_that_start_at_the_same_time_one_leads_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    leases = Leases()
    first, second = Installation(leases, "a"), Installation(leases, "b")

    async def scene() -> None:
        await until(lambda: first.elector.leading and second.elector.leading)
        await until(lambda: not second.elector.leading)
        await asyncio.sleep(2.0)
        assert (first.changes, second.changes) == ([True], [True, False])
        assert "b-a renews Lease b/etpguard" not in first.other.problem
        assert "another etpguard installation leads: a-a renews Lease a/etpguard" in second.other.problem
        advice = second.other.problem
        assert advice.index("without a common entry") < advice.index("--second-installation allow")
        assert leases.by_namespace["b"].spec["holderIdentity"] == "", "its Lease was released"
        assert "No longer leading: another installation leads" in caplog.text

    play(scene, second, first)


def test_no_replica_of_the_one_that_gives_way_takes_over() -> None:
    leases = Leases()
    first, second, standby = (Installation(leases, *of) for of in (("a",), ("b",), ("b", "standby")))

    async def scene() -> None:
        await until(lambda: first.elector.leading and (second.elector.leading or standby.elector.leading))
        await until(lambda: all("a/etpguard" in each.other.problem for each in (second, standby)))
        await until(lambda: not second.elector.leading and not standby.elector.leading)
        await asyncio.sleep(1.5)
        assert [each.elector.leading for each in (first, second, standby)] == [True, False, False]

    play(scene, second, standby, first)


def test_one_that_was_cut_off_gives_way_or_is_given_way_to() -> None:
    """Meanwhile the other one took over. Both lead once it is back."""
    leases = Leases()
    first, second = Installation(leases, "a"), Installation(leases, "b")

    async def scene() -> None:
        await until(lambda: first.elector.leading and first.changes == [True] and not second.elector.leading)
        leases.cut.add("a")
        await until(lambda: second.elector.leading)
        leases.cut.clear()
        await until(lambda: first.elector.leading and not second.elector.leading)

    play(scene, first, second)


def test_a_look_that_fails_shows_nothing() -> None:
    leases = Leases()
    one = Installation(leases, "b")

    async def scene() -> None:
        await until(lambda: one.elector.leading)
        leases.cut.add("b")
        assert not await one.other.precedes()

    play(scene, one)
