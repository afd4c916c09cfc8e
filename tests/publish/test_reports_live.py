"""The ServiceCoverage, read back from a real API server."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from devcluster import Cluster
from etpguard.objects import SERVICE_COVERAGE
from etpguard.report import service_coverage
from tests.patience import patient
from tests.publish.stage import FAST, Case, advice, play, staged

pytestmark = pytest.mark.controlplane

REMEDIATION = {
    "phase": "Applied",
    "originalPolicy": "Local",
    "onDelete": "Keep",
    "policy": {"kind": "CoveragePolicy", "name": "p", "uid": "u", "namespace": "n"},
    "since": "2026-01-01T00:00:00Z",
}


def remediate(arena: Cluster, case: Case) -> None:
    """As remediation writes its intent: by an apply with another field manager."""
    uid = case.service()["metadata"]["uid"]
    body = {
        "apiVersion": "etpguard.dev/v1alpha1",
        "kind": "ServiceCoverage",
        "metadata": {"name": "web", "namespace": case.namespace},
        "status": {"remediation": {**REMEDIATION, "serviceUID": uid}},
    }
    arena.call(
        "PATCH",
        f"/apis/etpguard.dev/v1alpha1/namespaces/{case.namespace}/servicecoverages/web/status"
        "?fieldManager=etpguard-remediation&force=true",
        json.dumps(body).encode(),
        content_type="application/apply-patch+yaml",
    )


def test_what_is_read_back_is_what_was_meant(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(lambda: case.outcome() == "TargetsUnhealthy", "the report")
            assessment = stage.engine.assessments[case.key]
            wanted = service_coverage.status(assessment, stage.picture.nodes, advice(assessment))
            standing = case.report()
            assert service_coverage.published_part(standing["status"]) == service_coverage.published_part(wanted)
            [owner] = standing["metadata"]["ownerReferences"]
            assert owner["uid"] == case.service()["metadata"]["uid"]
            assert not owner["blockOwnerDeletion"]
            columns = arena.kubectl("get", "cov", "-n", case.namespace).split()
            assert columns[:6] == ["NAME", "OUTCOME", "ELIGIBLE", "UNCOVERED", "REMEDIATION", "AGE"]
            assert columns[6:9] == ["web", "TargetsUnhealthy", "3"]
            assert "web" in arena.kubectl("get", "etpguard", "-n", case.namespace)
            arena.kubectl("wait", "--for=condition=Delivered", "cov/web", "-n", case.namespace, "--timeout=60s")

    play(scenario)


def test_it_follows_the_nodes_and_keeps_the_time_of_an_unchanged_condition(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(lambda: case.outcome() == "TargetsUnhealthy", "the report")
            before = case.report()["status"]["conditions"]
            await stage.settle(1.2)  # a second: the resolution of a condition's time
            case.place(2)
            await stage.until(lambda: case.report()["status"]["uncoveredNodes"] == 1, "one node less")
            assert case.report()["status"]["conditions"] == before

    play(scenario)


def test_it_is_made_again_when_deleted_by_hand_and_collected_with_its_service(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        path = f"/apis/etpguard.dev/v1alpha1/namespaces/{case.namespace}/servicecoverages/web"
        async with staged(arena) as stage:
            await stage.until(case.outcome, "the report")
            stage.refresh()
            arena.call("DELETE", path)
            await stage.until(case.outcome, "the report again")
            arena.call("DELETE", f"/api/v1/namespaces/{case.namespace}/services/web")
            await stage.until(lambda: not case.report(), "the report's end", timeout=60)
            await stage.settle(1)
            assert not case.report()

    play(scenario)


def test_it_comes_back_at_once_when_deleted_before_the_watch_showed_it(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        path = f"/apis/etpguard.dev/v1alpha1/namespaces/{case.namespace}/servicecoverages/web"
        async with staged(arena) as stage:
            stage.skip = {SERVICE_COVERAGE}
            await stage.until(case.outcome, "the report")
            arena.call("DELETE", path)
            stage.skip = set()
            began = time.monotonic()
            await stage.until(case.outcome, "the report again")
            assert time.monotonic() - began < patient(10)

    play(scenario)


def test_another_writer_of_it_does_not_make_us_write_without_end(arena: Cluster, case: Case) -> None:
    """Another client undoes each write at once: etpguard writes once an interval, beyond a small burst."""

    async def scenario() -> None:
        case.place(1)
        path = f"/apis/etpguard.dev/v1alpha1/namespaces/{case.namespace}/servicecoverages/web/status"
        async with staged(arena, replace(FAST, report_interval=2.0, report_burst=4.0)) as stage:
            await stage.until(lambda: case.outcome() == "TargetsUnhealthy", "the report")
            since, began, undone = arena.audit_position(), time.monotonic(), 0
            while undone < 6:
                if case.outcome() == "TargetsUnhealthy":
                    undone += 1
                    arena.call("PATCH", path, {"status": {"outcome": "Outage", "uncoveredNodes": undone}})
                await stage.settle(0.1)
            written = [w for w in case.writes(since) if w["objectRef"]["resource"] == "servicecoverages"]
            assert 5 <= len(written) <= 4 + (time.monotonic() - began) / 2
            assert time.monotonic() - began > 4, "the budget was spent"
            await stage.until(lambda: case.outcome() == "TargetsUnhealthy", "the last word")

    play(scenario)


def test_one_that_belonged_to_an_earlier_service_is_replaced(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(case.outcome, "the report")
            old = case.report()["metadata"]["uid"]
            arena.call("DELETE", f"/api/v1/namespaces/{case.namespace}/services/web")
            case.create_service()
            uid = case.service()["metadata"]["uid"]

            def replaced() -> bool:
                meta = case.report().get("metadata", {})
                owners = [o["uid"] for o in meta.get("ownerReferences", [])]
                return meta.get("uid") != old and owners == [uid] and bool(case.outcome())

            await stage.until(replaced, "a report of the new Service")

    play(scenario)


def test_remediation_is_carried_over_untouched(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(case.outcome, "the report")
            remediate(arena, case)
            intent = case.report()["status"]["remediation"]
            case.place(2)
            await stage.until(lambda: case.report()["status"]["uncoveredNodes"] == 1, "another report")
            assert case.report()["status"]["remediation"] == intent
            path = f"/api/v1/namespaces/{case.namespace}/services/web"
            arena.call("PATCH", path, {"spec": {"externalTrafficPolicy": "Cluster"}})
            await stage.until(lambda: case.outcome() == "NotAffected", "the report of a remediated Service")
            status = case.report()["status"]
            assert status["remediation"] == intent
            assert status["ifLocal"]["outcome"] == "TargetsUnhealthy"
            assert case.condition()["reason"] in ("NotAffected", "TargetsUnhealthy")
            # Ignored or not, the memory of what was done is kept.
            arena.call("PATCH", path, {"metadata": {"annotations": {"etpguard.dev/ignore": "true"}}})
            await stage.until(lambda: not case.condition(), "the condition's end")
            await stage.settle()
            assert case.report()["status"]["remediation"] == intent

    play(scenario)


def test_an_intent_that_the_picture_does_not_show_yet_survives(arena: Cluster, case: Case) -> None:
    """The Service is seen as Cluster before the report is seen with the intent."""

    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            await stage.until(case.outcome, "the report")
            stage.refresh()
            remediate(arena, case)
            path = f"/api/v1/namespaces/{case.namespace}/services/web"
            arena.call("PATCH", path, {"spec": {"externalTrafficPolicy": "Cluster"}})
            stage.skip = {SERVICE_COVERAGE}
            await stage.settle(1.5)
            assert ("delete", "servicecoverages.etpguard.dev", 409) in stage.requests
            assert case.report()["status"]["remediation"]["phase"] == "Applied"
            stage.skip = set()
            await stage.until(lambda: case.outcome() == "NotAffected", "the report of a remediated Service")

    play(scenario)
