"""What keeps the publisher from writing, on a real API server, and that it recovers by itself."""

from __future__ import annotations

from typing import Any

import pytest

import devcluster
from devcluster import Cluster, objects
from devcluster.http_proxy import HttpProxy
from devcluster.http_rules import Answer, Match
from etpguard.kube.writes import WriteLimits
from etpguard.publish.event_plan import SentEvents
from tests.publish.stage import CRD, Case, install_crd, play, staged

pytestmark = pytest.mark.controlplane

QUICK = WriteLimits(refused_for=1.0)


def rules(*, conditions: bool) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {"apiGroups": ["etpguard.dev"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["list", "get", "create", "patch"]},
    ]
    if conditions:
        made.append({"apiGroups": [""], "resources": ["services/status"], "verbs": ["patch"]})
    return made


def grant(arena: Cluster, namespace: str, *, conditions: bool) -> None:
    api = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": namespace},
        "rules": rules(conditions=conditions),
    }
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": namespace},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": namespace},
        "subjects": [{"kind": "ServiceAccount", "name": "etpguard", "namespace": namespace}],
    }
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "etpguard", "namespace": namespace},
    }
    objects.apply(arena, [account, role, binding])


def test_a_forbidden_write_is_reported_and_recovers(arena: Cluster, case: Case) -> None:
    grant(arena, case.namespace, conditions=False)
    kubeconfig = arena.kubeconfig_for(namespace=case.namespace, service_account="etpguard")

    async def scenario() -> None:
        case.place(1)
        async with staged(arena, kubeconfig=kubeconfig, limits=QUICK) as stage:
            await stage.until(lambda: case.outcome() and case.events("Service"), "what is allowed")
            [problem] = await stage.until(stage.writer.problems, "the problem in words")
            assert problem.startswith("may not patch services/status: ")
            await stage.settle(3)
            tries = [w for w in case.writes(0) if w["objectRef"].get("subresource") == "status"]
            refused = [w["responseStatus"]["code"] for w in tries if w["objectRef"]["resource"] == "services"]
            assert 2 <= len(refused) <= 6
            assert set(refused) == {403}
            grant(arena, case.namespace, conditions=True)
            await stage.until(case.condition, "the condition")
            assert stage.writer.problems() == []

    play(scenario)


def test_429_with_retry_after_is_obeyed(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        with HttpProxy(arena) as proxy:
            proxy.on(Answer(429, headers={"Retry-After": "2"}), method="PATCH", times=1)
            kubeconfig = arena.kubeconfig_for(server=proxy.server)
            async with staged(arena, kubeconfig=kubeconfig) as stage:
                await stage.until(lambda: 429 in {code for _, _, code in stage.requests}, "the 429")
                await stage.until(lambda: case.condition() and case.outcome() and case.events("Ingress"), "all")
                first = next(i for i, (_, _, code) in enumerate(stage.requests) if code == 429)
                at_429, paused = stage.answered[first], stage.requests[first][:2]
                later = list(zip(stage.requests, stage.answered, strict=True))[first + 1 :]
                of_that_kind = [at for request, at in later if request[:2] == paused]
                # What was on its way already may still be answered.
                assert [at for at in of_that_kind if at_429 + 1.0 < at < at_429 + 1.9] == []
            status = f"/api/v1/namespaces/{case.namespace}/services/web/status"
            assert 1 <= len(proxy.requests(Match(method="PATCH", path=status))) <= 2

    play(scenario)


def test_a_long_pause_of_one_kind_of_write_leaves_the_others_and_is_reported(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        status = f"/api/v1/namespaces/{case.namespace}/services/web/status"
        with HttpProxy(arena) as proxy:
            proxy.on(Answer(429, headers={"Retry-After": "300"}), method="PATCH", path=status)
            async with staged(arena, kubeconfig=arena.kubeconfig_for(server=proxy.server)) as stage:
                [problem] = await stage.until(stage.writer.problems, "the pause to be reported")
                assert problem.startswith("patch services/status is paused until ")
                await stage.until(lambda: case.outcome() and case.events("Ingress"), "report and Events")
                await stage.settle(2)
                assert len(proxy.requests(Match(method="PATCH", path=status))) == 1
                assert not case.condition()

    play(scenario)


def test_server_errors_are_outlived_and_nothing_is_written_twice(arena: Cluster, case: Case) -> None:
    async def scenario() -> None:
        case.place(1)
        with HttpProxy(arena) as proxy:
            proxy.on(Answer(500), method="PATCH", times=3)
            proxy.on(Answer(503), method="POST", times=2)
            async with staged(arena, kubeconfig=arena.kubeconfig_for(server=proxy.server)) as stage:
                await stage.until(case.all_published, "all of it")
                await stage.settle()
        assert len(case.events("Service")) == len(case.events("Ingress")) == 1

    play(scenario)


def test_an_event_whose_answer_was_lost_is_not_made_twice(arena: Cluster, case: Case) -> None:
    created = ("create", "events.events.k8s.io")

    async def scenario() -> None:
        case.place(1)
        async with staged(arena) as stage:
            # An answer that is still on its way would be remembered in the new record.
            await stage.until(lambda: stage.requests.count((*created, 201)) == 2, "both answers")
            await stage.settle()
            stage.publisher._events._sent = SentEvents()  # as if the answers had never come
            stage.publisher.sweep()
            await stage.until(lambda: stage.requests.count((*created, 409)) == 2, "the second tries")
            await stage.settle()
            assert stage.requests.count((*created, 409)) == 2
            for kind in ("Service", "Ingress"):
                [event] = case.events(kind)
                assert "series" not in event

    play(scenario)


def test_the_crd_may_come_later() -> None:
    with devcluster.start(audit_bodies=True) as arena:
        arena.call("POST", "/api/v1/namespaces", {"metadata": {"name": "late"}})
        case = Case(arena, "late")

        async def scenario() -> None:
            case.place(1)
            async with staged(arena, limits=QUICK) as stage:
                await stage.until(lambda: case.condition() and case.events("Service"), "what can be written")
                [problem] = await stage.until(stage.writer.problems, "the problem in words")
                assert problem.startswith("servicecoverages.etpguard.dev is not served")
                install_crd(arena)
                await stage.until(case.outcome, "the report")
                assert stage.writer.problems() == []
                arena.kubectl("delete", "-f", str(CRD))
                case.place(2)
                await stage.until(stage.writer.problems, "the problem again")

        play(scenario)
