"""The pods on some nodes and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.foresight.clients import clients, owner_of
from etpguard.foresight.eviction import MIRROR
from etpguard.objects import SERVICE, decode_item
from etpguard.objects.pods import POD, Pod
from tests.foresight.clusters import WEB, Json, deployment, picture_of, pod, service, workload

OTHER = {"app": "other"}


@pytest.mark.parametrize(
    ("given", "objects", "expected"),
    [
        pytest.param(pod("p", "a", owner=""), [], "Pod shop/p", id="a bare pod"),
        pytest.param(pod("p", "a", owner="DaemonSet/logs"), [], "DaemonSet shop/logs", id="a DaemonSet"),
        pytest.param(
            pod("p", "a", owner="ReplicaSet/web-1"), deployment(2), "Deployment shop/web", id="a Deployment"
        ),
        pytest.param(
            pod("p", "a", owner="ReplicaSet/web-5d4f", labels={"pod-template-hash": "5d4f"}),
            [],
            "Deployment shop/web",
            id="a Deployment, by the hash of the template",
        ),
        pytest.param(
            pod("p", "a", owner="ReplicaSet/web-5d4f", labels={"pod-template-hash": "77"}),
            [],
            "ReplicaSet shop/web-5d4f",
            id="another hash",
        ),
        pytest.param(pod("p", "a", owner="ReplicaSet/web-1"), [], "ReplicaSet shop/web-1", id="without a hash"),
        pytest.param(
            pod("p", "a", owner="ReplicaSet/web-1"),
            [workload("ReplicaSet", "web-1", 2)],
            "ReplicaSet shop/web-1",
            id="a ReplicaSet that nothing owns",
        ),
        pytest.param(pod("proxy-a", "a", owner="Node/a"), [], "Pod shop/proxy", id="a static pod"),
        pytest.param(
            pod("proxy-a", "a", owner="Other/a", annotations={MIRROR: "x"}), [], "Pod shop/proxy", id="a mirror"
        ),
    ],
)
def test_owner(given: Json, objects: list[Json], expected: str) -> None:
    picture, _ = picture_of(objects)
    record = decode_item(POD, given)
    assert isinstance(record, Pod)
    assert str(owner_of(picture, record)) == expected


def test_clients_are_counted_by_owner_and_node() -> None:
    def of(name: str, on: str, owner: str, **more: Any) -> Json:
        return pod(name, on, owner=owner, labels=OTHER, **more)

    pods = [
        of("logs-b", "b", "DaemonSet/logs"),
        of("logs-c", "c", "DaemonSet/logs"),
        of("api-1", "b", "StatefulSet/api"),
        of("api-2", "b", "StatefulSet/api"),
        of("api-3", "b", "StatefulSet/api"),
        of("elsewhere", "a", "StatefulSet/db"),
        of("done", "b", "Job/once", phase="Succeeded"),
        pod("agent-b", "b", owner="DaemonSet/web", ready=False),
    ]
    picture, _ = picture_of([service(), *pods])
    known = picture.get(SERVICE, WEB)
    assert known is not None
    found = clients(picture, known, {"b", "c"})
    assert [(str(each.owner), each.pods, each.nodes) for each in found] == [
        ("StatefulSet shop/api", 3, 1),
        ("DaemonSet shop/logs", 2, 2),
    ]
