"""Events, read back from a real API server and shown by kubectl."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from devcluster import Cluster
from devcluster.objects import wait_for
from etpguard.objects.scope import NamespaceScope
from tests.publish.stage import FAST, Case, play, staged

pytestmark = pytest.mark.controlplane


def test_a_warning_on_service_and_ingress_then_a_recovery(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(lambda: case.events("Service") and case.events("Ingress"), "the warnings")
            [on_service], [on_ingress] = case.events("Service"), case.events("Ingress")
            uid = case.service()["metadata"]["uid"]
            assert (on_service["type"], on_service["reason"]) == ("Warning", "NodesUncovered")
            assert on_service["regarding"]["uid"] == uid
            assert "related" not in on_service
            assert on_ingress["related"] == on_service["regarding"]
            for event in (on_service, on_ingress):
                for part in ("2 of 3", "http", *case.nodes[1:]):
                    assert part in event["note"]
            described = arena.kubectl("describe", "ingress", "web", "-n", case.namespace)
            assert "NodesUncovered" in described
            assert "Service web" in described
            for number in (2, 3):
                case.place(number)
            await stage.until(
                lambda: all(
                    "NodesCovered" in {e["reason"] for e in case.events(kind)} for kind in ("Service", "Ingress")
                ),
                "the recovery",
            )
            recovery = next(e for e in case.events("Service") if e["reason"] == "NodesCovered")
            assert recovery["type"] == "Normal"

    play(scenario)


@pytest.mark.parametrize("how", ["only", "skipped"])
def test_nothing_is_written_in_namespaces_out_of_scope(arena: Cluster, case: Case, other: Case, how: str) -> None:
    """Neither at start nor in a new term, although the Service there is assessed."""
    scope = (
        NamespaceScope(only=frozenset({case.namespace}))
        if how == "only"
        else NamespaceScope(skipped=frozenset({other.namespace}))
    )

    async def scenario() -> None:
        case.place(1)
        other.place(1)
        for _ in range(2):
            async with staged(arena, replace(FAST, scope=scope)) as stage:
                await stage.until(
                    lambda: case.condition() and case.outcome() and case.events("Service"), "all of it"
                )
                await stage.settle()
                assert stage.engine.assessments[other.key].outcome.name == "TargetsUnhealthy"
        assert other.writes(0) == []
        assert other.events("Service") == []

    play(scenario)


def test_covered_from_the_start_says_nothing(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        for number in (1, 2, 3):
            case.place(number)
        wait_for(lambda: case.endpoints() == 3, what="the endpoints of all three pods")
        async with staged(arena) as stage:
            await stage.until(lambda: case.outcome() == "Covered" and case.condition(), "Covered")
            await stage.settle()
            assert case.events("Service") == []

    play(scenario)


def test_a_lasting_warning_is_bumped_and_shows_so_in_kubectl(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena, replace(FAST, event_repeat=1.0)) as stage:
            await stage.until(
                lambda: any(e.get("series", {}).get("count", 0) >= 2 for e in case.events("Service")), "a bump"
            )
        [event] = case.events("Service")
        count = event["series"]["count"]
        described = arena.kubectl("describe", "service", "web", "-n", case.namespace)
        assert re.search(rf"\(x{count} over ", described)
        # A restart goes on counting, and makes no second Event.
        async with staged(arena, replace(FAST, event_repeat=1.0)) as stage:
            await stage.until(lambda: case.events("Service")[0]["series"]["count"] > count, "another bump")
            assert len(case.events("Service")) == 1

    play(scenario)


def test_another_set_of_nodes_is_another_event_and_an_old_one_coming_back_is_bumped(
    arena: Cluster, case: Case
) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(lambda: case.events("Service"), "the first")
            case.place(2)
            await stage.until(lambda: len(case.events("Service")) == 2, "the second")
            case.remove(2)
            await stage.until(lambda: any("series" in e for e in case.events("Service")), "the first again")
            assert len(case.events("Service")) == 2

    play(scenario)


def test_an_event_that_expired_meanwhile_is_created_again(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena, replace(FAST, event_repeat=1.5)) as stage:
            [first] = await stage.until(lambda: case.events("Service"), "the warning")
            name = first["metadata"]["name"]
            arena.call("DELETE", f"/apis/events.k8s.io/v1/namespaces/{case.namespace}/events/{name}")
            [second] = await stage.until(lambda: case.events("Service"), "the warning again")
            assert second["metadata"]["uid"] != first["metadata"]["uid"]
            assert "series" not in second

    play(scenario)


def test_a_rolling_update_adds_one_pair_at_most(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        for number in (1, 2, 3):
            case.place(number)
        async with staged(arena, replace(FAST, hold=2.0)) as stage:
            await stage.until(lambda: case.outcome() == "Covered", "Covered")
            for _ in range(2):
                for number in (1, 2, 3):
                    case.remove(number)
                    await stage.settle(0.6)
                    case.place(number)
                    await stage.settle(0.1)
            await stage.settle(3)
            assert len(case.events("Service")) <= 2
            assert case.outcome() == "Covered"

    play(scenario)
