"""Why a node has no usable local endpoint: a named case for each reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from etpguard.cluster import Picture
from etpguard.foresight.no_endpoint.absence import absences, workloads_behind
from etpguard.objects import SERVICE
from etpguard.objects.pods import POD
from tests.foresight.clusters import APP, HOSTNAME, WEB, Json, endpoints, node, picture_of, pod, service, workload

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
GPU = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
READY = pod("agent-a", "a", owner="DaemonSet/web")
OTHERS = {"app": "other"}


def daemon_set(generation: int = 1, status: Json | None = None, update: Json | None = None, **spec: Any) -> Json:
    made = workload("DaemonSet", updateStrategy=update or {})
    made["metadata"]["generation"] = generation
    made["spec"]["template"] = {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "c"}], **spec}}
    return {**made, "status": status} if status is not None else made


def affinity(*terms: Json) -> Json:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}}


def on_b(ready: bool = False, deleting: bool = False, phase: str = "Running", status: Json | None = None) -> Json:
    made = pod("agent-b", "b", owner="DaemonSet/web", ready=ready, deleting=deleting, phase=phase)
    made["status"] |= status or {}
    return made


def waiting(reason: str | None, container: str = "agent", field: str = "containerStatuses") -> Json:
    return {field: [{"name": container, "ready": False, "state": {"waiting": {"reason": reason}}}]}


def pending(message: str | None = "0/2 nodes are available: 2 Insufficient cpu.", name: str = "agent-b") -> Json:
    other = {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["z"]}]}
    names = {"matchFields": [*other["matchFields"], {"key": "metadata.name", "operator": "In", "values": ["b"]}]}
    made = pod(name, "", owner="DaemonSet/web", ready=False, phase="Pending", affinity=affinity(other, names))
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    made["status"]["conditions"] = [scheduled]
    return made


def of_b(*objects: Json, unread: Sequence[str] = (), b: Json | None = None, **of_service: Any) -> list[str]:
    """The reasons for node b, as `Cause: sentence`."""
    slices = [] if any(each["kind"] == "EndpointSlice" for each in objects) else [endpoints([READY])]
    picture, _ = picture_of(
        [node("a"), b or node("b"), service(**of_service), *slices, READY, *objects], unread=unread
    )
    (found,) = absences(picture, picture, _service(picture), ["b"])
    assert found.nodes == ("b",)
    return [f"{reason.cause.value}: {reason.sentence}" for reason in found.reasons]


def _service(picture: Picture) -> Any:
    return picture.get(SERVICE, WEB)


AGENT = "DaemonSet shop/web"
GATES = {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"}
SELECTS_DISK = {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}


@pytest.mark.parametrize(
    ("node_b", "spec", "expected"),
    [
        pytest.param(
            node("b", taints=[GPU]),
            {},
            f"UntoleratedTaint: {AGENT} does not tolerate the taint dedicated=gpu:NoSchedule",
            id="taint",
        ),
        pytest.param(
            node("b", taints=[{"key": "spot", "effect": "NoExecute"}]),
            {"tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}]},
            f"UntoleratedTaint: {AGENT} does not tolerate the taint spot:NoExecute",
            id="toleration of another effect",
        ),
        pytest.param(
            node("b", taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]),
            {},
            f"NoPod: {AGENT} has no pod there yet",
            id="a cordoned node admits the pods of DaemonSets",
        ),
        pytest.param(
            node("b", taints=[{"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}]),
            {},
            f"UntoleratedTaint: {AGENT} does not tolerate the taint "
            "node.kubernetes.io/network-unavailable:NoSchedule",
            id="no network",
        ),
        pytest.param(
            node("b", taints=[{"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}]),
            {"hostNetwork": True},
            f"NoPod: {AGENT} has no pod there yet",
            id="no network, for a pod that needs none",
        ),
        pytest.param(
            node("b"),
            {"nodeSelector": {"disk": "ssd", HOSTNAME: "b"}},
            f"NodeSelector: the node selector of {AGENT} demands disk=ssd",
            id="node selector",
        ),
        pytest.param(
            node("b"),
            {"affinity": affinity(SELECTS_DISK)},
            f"NodeAffinity: the node affinity of {AGENT} excludes it",
            id="node affinity",
        ),
        pytest.param(
            node("b"),
            {"nodeName": "a"},
            f"NodeSelector: the template of {AGENT} names node a",
            id="a template with a node",
        ),
        pytest.param(node("b"), {"nodeName": "b"}, f"NoPod: {AGENT} has no pod there yet", id="with this node"),
        pytest.param(node("b"), {}, f"NoPod: {AGENT} has no pod there yet", id="nothing in the way"),
    ],
)
def test_the_node_and_the_template(node_b: Json, spec: Json, expected: str) -> None:
    assert of_b(daemon_set(**spec), b=node_b) == [expected]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        pytest.param(on_b(), "PodNotReady: its pod there is not ready", id="no more is known"),
        pytest.param(
            on_b(status=waiting("CrashLoopBackOff")),
            "PodNotReady: its pod there is not ready: container agent waits (CrashLoopBackOff)",
            id="crash loop",
        ),
        pytest.param(
            on_b(status=waiting(None)),
            "PodNotReady: its pod there is not ready: container agent waits",
            id="no reason",
        ),
        pytest.param(
            on_b(
                status={
                    "containerStatuses": [
                        {"name": "ok", "ready": True, "state": {}},
                        {"name": "agent", "ready": False, "state": {"terminated": {"reason": "OOMKilled"}}},
                    ]
                }
            ),
            "PodNotReady: its pod there is not ready: container agent has ended (OOMKilled)",
            id="out of memory",
        ),
        pytest.param(
            on_b(status={"containerStatuses": [{"name": "agent", "state": {"terminated": {}}}]}),
            "PodNotReady: its pod there is not ready: container agent has ended (no reason is given)",
            id="ended, without a reason",
        ),
        pytest.param(
            on_b(status={"containerStatuses": [{"name": "c", "ready": False}]}),
            "PodNotReady: its pod there is not ready: container c runs, but its readiness probe has not passed",
            id="readiness probe",
        ),
        pytest.param(
            on_b(status={"conditions": [GATES]}),
            "PodNotReady: its pod there is not ready: ReadinessGatesNotReady",
            id="readiness gates",
        ),
        pytest.param(
            on_b(phase="Pending", status=waiting("PodInitializing", field="initContainerStatuses")),
            "PodStarting: its pod there is not up yet: container agent waits (PodInitializing)",
            id="starting",
        ),
        pytest.param(on_b(deleting=True), "PodDeleted: its pod there is being deleted", id="being deleted"),
        pytest.param(
            on_b(ready=True),
            "NoEndpoint: its pod there is ready, but not an endpoint of every port",
            id="ready, without an endpoint",
        ),
        pytest.param(
            on_b(phase="Failed", status={"reason": "Evicted"}),
            "PodEnded: its pod there has ended: Evicted",
            id="evicted",
        ),
        pytest.param(
            on_b(phase="Succeeded"), "PodEnded: its pod there has ended: Succeeded", id="has ended"
        ),
        pytest.param(
            pending(),
            "PodPending: its pod for this node is pending: 0/2 nodes are available: 2 Insufficient cpu.",
            id="pending: the scheduler says why",
        ),
        pytest.param(
            pending(None), "PodPending: its pod for this node is pending: Unschedulable", id="pending: a reason"
        ),
        pytest.param(
            pending("x" * 200),
            f"PodPending: its pod for this node is pending: {'x' * 160}...",
            id="pending: a long message is cut",
        ),
        pytest.param(
            {**pending(), "status": {"phase": "Pending", "conditions": []}},
            "PodPending: its pod for this node is pending",
            id="pending: nothing is said",
        ),
    ],
)  # fmt: skip
def test_the_pod(there: Json, expected: str) -> None:
    assert of_b(daemon_set(), there) == [expected]


def test_a_pod_that_has_ended_does_not_hide_its_successor() -> None:
    ended = {**on_b(phase="Failed"), "metadata": {**on_b()["metadata"], "name": "agent-old"}}
    assert of_b(daemon_set(), ended, on_b()) == ["PodNotReady: its pod there is not ready"]


UPDATED = {"observedGeneration": 2, "desiredNumberScheduled": 5, "updatedNumberScheduled": 3}


def test_a_rollout_is_named_beside_the_pod_and_without_one() -> None:
    rollout = f"Rollout: a rollout of {AGENT} is in progress: 3 of 5 pods are updated"
    assert of_b(daemon_set(2, UPDATED), on_b(deleting=True)) == [
        "PodDeleted: its pod there is being deleted",
        rollout,
    ]
    assert of_b(daemon_set(2, UPDATED)) == [f"NoPod: {AGENT} has no pod there yet", rollout]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([], "no DaemonSet, Deployment or StatefulSet makes pods that it selects", id="none"),
        pytest.param(
            [pod("x", "a", owner="CloneSet/web")],
            "CloneSet web makes its pods, and etpguard does not read that kind",
            id="another kind",
        ),
        pytest.param([pod("x", "a", owner="")], "no controller makes its pods", id="bare pods"),
    ],
)
def test_no_workload_is_known(objects: list[Json], expected: str) -> None:
    picture, _ = picture_of([node("a"), node("b"), service(), *objects])
    (found,) = absences(picture, picture, _service(picture), ["b"])
    assert [reason.sentence for reason in found.reasons] == [expected]


def test_a_service_without_a_selector() -> None:
    assert of_b(selector=None) == [
        "NoWorkload: the Service has no selector, so something else writes its endpoints"
    ]


@pytest.mark.parametrize(
    ("replicas", "pods", "expected"),
    [
        (0, [], "ReplicasElsewhere: Deployment shop/web has 0 replicas"),
        (1, [], "ReplicasElsewhere: the replica of Deployment shop/web runs on another node"),
        (3, [], "ReplicasElsewhere: the 3 replicas of Deployment shop/web run on other nodes"),
        (
            3,
            [pod("p", "", ready=False, phase="Pending")],
            "PodPending: Deployment shop/web: 1 of its pods has no node yet",
        ),
        (
            4,
            [pod("p", "", ready=False, phase="Pending"), pod("q", "", ready=False, phase="Pending")],
            "PodPending: Deployment shop/web: 2 of its pods have no node yet",
        ),
        (
            1,
            [pod("p", "", ready=False, phase="Failed")],
            "ReplicasElsewhere: the replica of Deployment shop/web runs on another node",
        ),
    ],
)
def test_replicas(replicas: int, pods: list[Json], expected: str) -> None:
    assert of_b(workload("Deployment", replicas=replicas), *pods) == [expected]


def test_a_deployment_does_not_tolerate_what_daemon_sets_do() -> None:
    cordoned = node("b", taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}])
    assert of_b(workload("Deployment", replicas=2), b=cordoned) == [
        "UntoleratedTaint: Deployment shop/web does not tolerate the taint "
        "node.kubernetes.io/unschedulable:NoSchedule"
    ]


def test_what_was_not_read_is_named() -> None:
    assert of_b(daemon_set(), unread=["pods"]) == ["NotRead: Pods were not read: forbidden"]
    assert of_b(unread=["daemonsets", "statefulsets"]) == ["NotRead: DaemonSets and StatefulSets were not read"]
    # A taint that the template does not tolerate is known without the Pods.
    assert of_b(daemon_set(), unread=["pods"], b=node("b", taints=[GPU])) == [
        f"UntoleratedTaint: {AGENT} does not tolerate the taint dedicated=gpu:NoSchedule"
    ]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (on_b(), "PodNotReady: its pod there is not ready"),
        (on_b(deleting=True), "PodDeleted: its pod there is being deleted"),
        (on_b(ready=True), "NoEndpoint: its pod there is ready, but not an endpoint of every port"),
    ],
)
def test_without_pods_an_endpoint_shows_the_pod(there: Json, expected: str) -> None:
    assert of_b(daemon_set(), endpoints([READY, there]), unread=["pods"]) == [expected]


def test_without_pods_an_endpoint_that_is_no_pod_shows_nothing() -> None:
    slice_ = endpoints([READY, on_b()])
    for endpoint in slice_["endpoints"]:
        del endpoint["targetRef"]
    assert of_b(daemon_set(), slice_, unread=["pods"]) == ["NotRead: Pods were not read: forbidden"]


def test_nodes_with_the_same_reasons_are_one_entry_the_most_first() -> None:
    names = ["b", "c", "d"]
    pods = [READY, on_b(), pod("agent-d", "d", owner="DaemonSet/web", ready=False)]
    objects = [node(name) for name in ("a", "b", "d")]
    picture, _ = picture_of(
        [*objects, node("c", taints=[GPU]), service(), endpoints([READY]), *pods, daemon_set()]
    )
    first, second = absences(picture, picture, _service(picture), names)
    assert (first.nodes, [str(key) for key in first.pods]) == (("b", "d"), ["shop/agent-b", "shop/agent-d"])
    assert (second.nodes, second.pods) == (("c",), ())


def test_a_node_that_has_gone_meanwhile() -> None:
    picture, _ = picture_of([node("a"), service(), daemon_set(nodeSelector={"disk": "ssd"})])
    (found,) = absences(picture, picture, _service(picture), ["b"])
    assert [reason.sentence for reason in found.reasons] == [f"{AGENT} has no pod there yet"]


def test_workloads_behind_a_service() -> None:
    owned = workload("ReplicaSet", "web-1", 2, owner="Deployment/web")
    other = workload("StatefulSet", "other", template={"metadata": {"labels": OTHERS}})
    far = workload("StatefulSet", "web")
    far["metadata"]["namespace"] = "elsewhere"
    picture, _ = picture_of([service(), daemon_set(), workload("Deployment", replicas=2), owned, other, far])
    assert [str(each) for each, _ in workloads_behind(picture, _service(picture))] == [
        AGENT,
        "Deployment shop/web",
    ]
    bare, _ = picture_of([service()])
    del bare._stores[POD]
    (found,) = absences(bare, bare, _service(bare), ["b"])
    assert found.reasons[0].sentence == "no DaemonSet, Deployment or StatefulSet makes pods that it selects"
