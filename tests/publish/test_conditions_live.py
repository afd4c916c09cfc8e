"""The Service's condition, read back from a real API server."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from devcluster import Cluster, objects
from tests.publish.stage import FAST, Case, play, staged

pytestmark = pytest.mark.controlplane


def test_it_turns_with_the_outcome(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(lambda: case.condition().get("reason") == "TargetsUnhealthy", "TargetsUnhealthy")
            first = case.condition()
            assert first["status"] == "False"
            start = f"TargetsUnhealthy: port http through Ingress {case.namespace}/web. "
            assert first["message"].startswith(start)
            case.remove(1)
            await stage.until(lambda: case.condition().get("status") == "Unknown", "NoEndpoints")
            assert case.condition()["reason"] == "NoEndpoints"
            for number in (1, 2, 3):
                case.place(number)
            await stage.until(lambda: case.condition().get("status") == "True", "Covered")
            assert case.condition()["reason"] == "Covered"

    play(scenario)


def test_another_managers_condition_stays_beside_it(arena: Cluster, case: Case) -> None:
    other = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": case.namespace},
        "status": {
            "conditions": [
                {
                    "type": "LoadBalancerPortsError",
                    "status": "False",
                    "reason": "Fine",
                    "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ]
        },
    }

    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(case.condition, "the condition")
            arena.call(
                "PATCH",
                f"/api/v1/namespaces/{case.namespace}/services/web/status?fieldManager=cloud&force=true",
                json.dumps(other).encode(),
                content_type="application/apply-patch+yaml",
            )
            for number in (2, 3):
                case.place(number)
            await stage.until(lambda: case.condition().get("status") == "True", "Covered")
            types = {c["type"] for c in case.service()["status"]["conditions"]}
            assert types == {"LoadBalancerPortsError", "etpguard.dev/Covered"}

    play(scenario)


def test_it_is_set_again_when_someone_removes_it(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(case.condition, "the condition")
            await stage.until(case.report, "the report")
            path = f"/api/v1/namespaces/{case.namespace}/services/web/status"
            arena.call("PATCH", path, {"status": {"conditions": None}})
            assert not case.condition()
            await stage.until(case.condition, "the condition again")

    play(scenario)


@pytest.mark.parametrize("owned_by_another", [False, True], ids=["ours alone", "owned by another too"])
@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"spec": {"externalTrafficPolicy": "Cluster"}}, id="policy Cluster"),
        pytest.param({"metadata": {"annotations": {"etpguard.dev/ignore": "true"}}}, id="ignored"),
    ],
)
def test_it_goes_with_what_it_was_about(
    arena: Cluster, case: Case, patch: dict[str, object], owned_by_another: bool
) -> None:
    async def scenario() -> None:
        case.place(1)
        path = f"/api/v1/namespaces/{case.namespace}/services/web"
        async with staged(arena) as stage:
            await stage.until(case.condition, "the condition")
            await stage.until(case.outcome, "the report")
            if owned_by_another:
                arena.call("PUT", f"{path}/status?fieldManager=other", case.service())
                arena.call(
                    "PATCH",
                    f"{path}/status?fieldManager=other",
                    {"status": {"conditions": [{**case.condition(), "message": "rewritten"}]}},
                )
            arena.call("PATCH", path, patch)
            await stage.until(lambda: not case.condition(), "the condition's end")
            await stage.until(lambda: not case.report(), "the report's end")

    play(scenario)


def test_what_flaps_within_the_hold_is_never_published(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        for number in (1, 2, 3):
            case.place(number)
        async with staged(arena, replace(FAST, hold=2.0)) as stage:
            await stage.until(lambda: case.condition().get("reason") == "Covered", "Covered")
            await stage.until(lambda: case.outcome() == "Covered", "the report")
            since = arena.audit_position()
            for _ in range(3):
                case.remove(3)
                await stage.settle(0.5)
                case.place(3)
                await stage.settle(0.5)
            await stage.settle(2.5)
            writes = case.writes(since)
            assert [w["requestURI"] for w in writes if w["objectRef"]["resource"] != "servicecoverages"] == []
            assert case.outcome() == "Covered"

    play(scenario)


def test_a_second_resync_and_a_restart_add_no_write(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(case.all_published, "all of it")
            await stage.settle()
            assert len(case.writes(0)) >= 4  # or else nothing below would mean anything
            since = arena.audit_position()
            stage.publisher.sweep()
            await stage.settle()
            stage.publisher.sweep()
            await stage.settle()
            assert case.writes(since) == []
        for _ in range(2):
            async with staged(arena) as stage:
                await stage.settle(2.5)
        assert case.writes(since) == []

    play(scenario)


def test_nodes_that_come_and_go_without_a_change_of_outcome_write_to_no_service(
    arena: Cluster, case: Case
) -> None:
    async def scenario() -> None:
        case.place(1)
        names = [f"{case.namespace}-x{i}" for i in range(10)]
        async with staged(arena) as stage:
            await stage.until(lambda: case.condition() and case.outcome(), "all of it")
            since = arena.audit_position()
            try:
                for i, name in enumerate(names):
                    objects.node(arena, name, provider_id=f"aws:///eu-west-1a/i-{i:017x}")
                    stage.refresh()
                await stage.until(lambda: case.report()["status"]["uncoveredNodes"] == 12, "12 uncovered")
            finally:
                for name in names:
                    arena.request("DELETE", f"/api/v1/nodes/{name}")
            await stage.until(lambda: case.report()["status"]["uncoveredNodes"] == 2, "2 uncovered")
            await stage.settle()
            assert [w for w in case.writes(since) if w["objectRef"]["resource"] == "services"] == []

    play(scenario)
