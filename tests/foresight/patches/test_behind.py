"""Which workload is behind a Service, and why that is not known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from etpguard.foresight.patches.behind import Behind, behind
from etpguard.objects import SERVICE
from tests.foresight.clusters import WEB, Json, deployment, endpoints, picture_of, pod, service, workload

PODS = [pod("p1", "a"), pod("p2", "b")]
AUTOSCALER: Json = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 3},
}


def found(*objects: Json, unread: Sequence[str] = ()) -> str:
    picture, _ = picture_of(objects, unread=unread)
    made = picture.get(SERVICE, WEB)
    assert made is not None
    result = behind(made, picture)
    if isinstance(result, Behind):
        scaled = " with an autoscaler" if result.autoscaler else ""
        return f"{result.workload}{scaled}" + "".join(f"; {note}" for note in result.notes)
    return result


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([service(), *deployment(2)], "Deployment shop/web", id="a Deployment"),
        pytest.param(
            [service(), *deployment(2), AUTOSCALER], "Deployment shop/web with an autoscaler", id="an autoscaler"
        ),
        pytest.param([service(), workload("DaemonSet")], "DaemonSet shop/web", id="a DaemonSet"),
        pytest.param([service(), workload("StatefulSet", replicas=2)], "StatefulSet shop/web", id="a StatefulSet"),
        pytest.param(
            [service(), *deployment(2), workload("Deployment", "old", 0)],
            "Deployment shop/web",
            id="a workload that is scaled to 0 does not count",
        ),
        pytest.param(
            [service(selector=None), *deployment(2)], "Service shop/web has no selector", id="no selector"
        ),
        pytest.param(
            [service()], "no workload has pods that the selector of Service shop/web selects", id="no workload"
        ),
        pytest.param(
            [service(), *deployment(2), workload("Deployment", "canary", 1)],
            "the selector of Service shop/web selects the pods of several workloads: Deployment shop/canary, "
            "Deployment shop/web",
            id="a canary",
        ),
        pytest.param(
            [service(), workload("ReplicaSet", "web-1", 2)],
            "ReplicaSet shop/web-1 is behind it, and a changed template of it reaches no running pod",
            id="a ReplicaSet alone",
        ),
        pytest.param(
            [service(), workload("ReplicaSet", "web-1", 2, owner="Rollout/web")],
            "Rollout shop/web makes ReplicaSet shop/web-1, and etpguard does not know how it takes changes",
            id="an owner of another project",
        ),
        pytest.param(
            [service(), *deployment(2), *PODS, pod("bare", "c", owner=""), endpoints([*PODS, pod("bare", "c")])],
            "pod shop/bare of no controller is behind Service shop/web beside Deployment shop/web",
            id="a bare pod beside it",
        ),
        pytest.param(
            [service(), *deployment(2), pod("j", "c", owner="Job/j"), endpoints([pod("j", "c")])],
            "pod shop/j of Job j is behind Service shop/web beside Deployment shop/web",
            id="a pod of a Job beside it",
        ),
        pytest.param(
            [service(), *deployment(2), *PODS, endpoints(PODS)], "Deployment shop/web", id="its own pods"
        ),
    ],
)
def test_the_workload(objects: list[Json], expected: str) -> None:
    assert found(*objects) == expected


def test_workloads_that_cannot_be_read() -> None:
    assert found(service(), unread=["daemonsets"]) == "daemonsets were not read (forbidden)"
    assert found(service(), *deployment(2), unread=["daemonsets", "pods"]) == (
        "Deployment shop/web; daemonsets were not read (forbidden), so another workload may be behind it too"
    )
