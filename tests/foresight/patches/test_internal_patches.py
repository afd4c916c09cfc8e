"""The ways out for clients in the cluster as documents."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import Engine
from etpguard.assess.internal_advice import InternalAdvisor
from etpguard.foresight.patches.ways import Way, internal_ways
from etpguard.foresight.world import World
from etpguard.objects import SERVICE
from tests.foresight.clusters import APP, WEB, Json, endpoints, node, picture_of, pod, service, workload

TAINT = {"key": "gpu", "effect": "NoSchedule"}
NODES = [node("a"), node("b", taints=[TAINT])]
INTERNAL: Json = {"type": "ClusterIP", "externalTrafficPolicy": None, "internalTrafficPolicy": "Local"}
POD = pod("agent-a", "a", owner="DaemonSet/web")


def agent(labels: Json | None = None, **spec: Any) -> Json:
    template = {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "c"}]}}
    made = workload("DaemonSet", "web", template=template, **spec)
    made["metadata"] |= {"labels": labels or {}}
    return made


def ways(*workloads: Json, first: int = 1) -> list[Way]:
    picture, families = picture_of([*NODES, service(**INTERNAL), endpoints([POD]), POD, *workloads])
    engine = Engine(picture, families)
    engine.refresh_all()
    found = picture.get(SERVICE, WEB)
    assert found is not None
    assessment = engine.internal[WEB]
    return internal_ways(found, assessment, InternalAdvisor(picture)(assessment), World(picture, engine), first)


def test_each_item_of_advice_is_a_patch() -> None:
    prefer, tolerate, surge = ways(agent())
    assert [each.content["kind"] for way in (prefer, tolerate, surge) for each in way.documents] == [
        "Service",
        "DaemonSet",
        "DaemonSet",
    ]
    added = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert tolerate.documents[0].content["spec"] == {"template": {"spec": {"tolerations": [added]}}}
    assert tolerate.effect.startswith("DaemonSet shop/web tolerates gpu:NoSchedule")
    strategy = surge.documents[0].content["spec"]["updateStrategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert surge.cost.startswith("Cost: two pods on a node during a rollout.")


def test_the_numbers_begin_with_first() -> None:
    assert [way.number for way in ways(agent(), first=4)] == [4, 5, 6]


def test_a_patch_of_a_workload_that_helm_manages_names_the_release() -> None:
    found = ways(agent({"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "agent-1.2.3"}))
    assert found[2].notes == (
        "Helm manages DaemonSet shop/web (chart agent-1.2.3): its next upgrade may undo the patch",
    )


@pytest.mark.parametrize("number", [1, 2])
def test_without_one_workload_there_is_a_note_instead(number: int) -> None:
    found = ways()[number]
    assert found.documents == ()
    assert "no workload has pods that the selector of Service shop/web selects" in found.notes[0]
