"""Whether a rollout is in progress: a named case for each kind and status."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.foresight.changes import Workload
from etpguard.foresight.no_endpoint.rollout_state import rollout_of
from etpguard.objects import decode_item
from etpguard.objects.pod_controllers import CONTROLLER_KINDS, PodController
from tests.foresight.clusters import WEB, workload

DS, DEPLOY, STS = "DaemonSet", "Deployment", "StatefulSet"


def state(kind: str, status: Any, replicas: int | None = None, generation: int = 1, **spec: Any) -> str | None:
    raw = workload(kind, replicas=replicas, **spec)
    raw["metadata"]["generation"] = generation
    if status is not None:
        raw["status"] = {"observedGeneration": 1, **status}
    (of,) = [each for each in CONTROLLER_KINDS if each.name == kind]
    record = decode_item(of, raw)
    assert isinstance(record, PodController)
    return rollout_of(Workload(kind, WEB), record)


PARTITION: Any = {"updateStrategy": {"rollingUpdate": {"partition": 1}}}
REVISIONS: Any = {"currentRevision": "web-1", "updateRevision": "web-2"}


@pytest.mark.parametrize(
    ("found", "progress"),
    [
        pytest.param(state(DS, None), None, id="a manifest"),
        pytest.param(state(DS, {}), None, id="no node"),
        pytest.param(state(DS, {}, generation=2), "begins", id="not seen yet"),
        pytest.param(
            state(DS, {"desiredNumberScheduled": 3, "updatedNumberScheduled": 1}),
            "is in progress: 1 of 3 pods is updated",
            id="DaemonSet",
        ),
        pytest.param(
            state(DS, {"desiredNumberScheduled": 3}), "is in progress: 0 of 3 pods are updated", id="none yet"
        ),
        pytest.param(
            state(DS, {"desiredNumberScheduled": 3}, updateStrategy={"type": "OnDelete"}), None, id="OnDelete"
        ),
        pytest.param(
            state(DEPLOY, {"replicas": 2, "updatedReplicas": 2}, 2), None, id="a Deployment that is done"
        ),
        pytest.param(
            state(DEPLOY, {"replicas": 3, "updatedReplicas": 2}, 2),
            "is in progress: 2 of 3 pods are updated",
            id="a Deployment with an old pod",
        ),
        pytest.param(
            state(DEPLOY, {"replicas": 2, "updatedReplicas": 1}, 2, paused=True), None, id="a paused Deployment"
        ),
        pytest.param(state("ReplicaSet", {"replicas": 1}, 3), None, id="ReplicaSet"),
        pytest.param(state(STS, {"replicas": 1}, 3), None, id="a StatefulSet without revisions"),
        pytest.param(
            state(STS, {**REVISIONS, "updatedReplicas": 1}, 3),
            "is in progress: 1 of 3 pods is updated",
            id="StatefulSet",
        ),
        pytest.param(
            state(STS, {**REVISIONS, "updatedReplicas": 2}, 3, **PARTITION), None, id="up to its partition"
        ),
    ],
)
def test_rollout(found: str | None, progress: str | None) -> None:
    assert (found is not None) == (progress is not None)
    if found is not None and progress is not None:
        assert found.startswith("a rollout of ")
        assert found.endswith(progress)
