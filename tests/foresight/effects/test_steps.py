"""Corners of the changes: what is under way already, what cannot be read, and too much at once."""

from __future__ import annotations

import pytest

from etpguard.foresight.changes import By, Change, Drain, Lose, Policy, Refused, Rollout, Scale, Workload
from tests.foresight.clusters import (
    WEB,
    Json,
    alb,
    budget,
    deployment,
    endpoints,
    forecast,
    node,
    phases_of,
    pod,
    seen,
    service,
    workload,
)

NODES = [node("a"), node("b"), node("c")]
DEPLOYMENT = Workload("Deployment", WEB)
ONE = (pod("p1", "a"),)
TWO = (pod("p1", "a"), pod("p2", "b"))
EITHER = "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy"


def cluster(*pods: Json, objects: tuple[Json, ...] | list[Json] = ()) -> list[Json]:
    return [*NODES, service(), endpoints(pods), *pods, *alb(), *(objects or deployment(len(pods)))]


def test_a_rollout_under_way_makes_each_pod_a_possible_victim() -> None:
    pods = (pod("p1", "a"), pod("p2", "b", owner="ReplicaSet/web-2"))
    sets = [*deployment(2), workload("ReplicaSet", "web-2", 1, owner="Deployment/web")]
    found = forecast(cluster(*pods, objects=sets), Scale(DEPLOYMENT, 1))
    assert "a rollout of Deployment shop/web is under way: each of its pods may be deleted" in found.assumptions
    assert seen(found) == EITHER


def test_after_a_loss_it_is_not_known_which_pod_a_scale_in_takes() -> None:
    """The replacement of p1 may be pending: the scale-in deletes it, or p2."""
    found = forecast(cluster(*TWO), Lose(("a",)), Scale(DEPLOYMENT, 1))
    phases = phases_of(found)
    assert phases is not None
    assert phases.settled.worst.outcome.name == "NoEndpoints", "p2 goes, and the replacement is not ready"
    assert phases.settled.best.outcome.name in ("TargetsUnhealthy", "Covered")


def test_a_daemonset_on_delete_has_no_rollout() -> None:
    objects = cluster(pod("d", "a", owner="DaemonSet/web"), objects=[_daemonset(type="OnDelete")])
    with pytest.raises(Refused, match="OnDelete"):
        forecast(objects, Rollout(Workload("DaemonSet", WEB)))


def _daemonset(**strategy: object) -> Json:
    made = workload("DaemonSet", updateStrategy=strategy)
    made["status"] = {"desiredNumberScheduled": 1}
    return made


def test_a_daemonset_that_surges_misses_no_pod() -> None:
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    objects = cluster(
        pod("d", "a", owner="DaemonSet/web"), objects=[_daemonset(type="RollingUpdate", rollingUpdate=rolling)]
    )
    assert seen(forecast(objects, Rollout(Workload("DaemonSet", WEB)))) == "unchanged"


@pytest.mark.parametrize(
    ("partition", "expected"),
    [
        pytest.param(0, "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy", id="from the highest ordinal"),
        pytest.param(2, "unchanged", id="a partition above all ordinals"),
    ],
)
def test_the_rollout_of_a_statefulset(partition: int, expected: str) -> None:
    pods = tuple(pod(f"web-{number}", name, owner="StatefulSet/web") for number, name in enumerate("ab"))
    made = workload("StatefulSet", replicas=2, updateStrategy={"rollingUpdate": {"partition": partition}})
    found = seen(forecast(cluster(*pods, objects=[made]), Rollout(Workload("StatefulSet", WEB))))
    assert found.startswith(expected)


@pytest.mark.parametrize(("most", "missing"), [("50%", 1), ("67%", 2), ("1%", 1), (3, 3)])
def test_how_many_pods_of_a_statefulset_may_miss(most: str | int, missing: int) -> None:
    """A share is rounded down, to at least 1."""
    pods = tuple(pod(f"web-{number}", name, owner="StatefulSet/web") for number, name in enumerate("abc"))
    made = workload("StatefulSet", replicas=3, updateStrategy={"rollingUpdate": {"maxUnavailable": most}})
    phases = phases_of(forecast(cluster(*pods, objects=[made]), Rollout(Workload("StatefulSet", WEB))))
    assert phases is not None
    assert (
        f"a rollout of StatefulSet shop/web replaces 3 pods, of which {missing} may be missing" in phases.because
    )


def test_a_replicaset_alone_is_scaled_by_its_own_pods() -> None:
    pods = (pod("p1", "a", owner="ReplicaSet/web"), pod("p2", "b", owner="ReplicaSet/web"))
    objects = cluster(*pods, objects=[workload("ReplicaSet", replicas=2)])
    assert seen(forecast(objects, Scale(Workload("ReplicaSet", WEB), 1))) == EITHER


def test_the_pods_of_a_deployment_without_readable_replicasets() -> None:
    """Its selector then decides which pods are its."""
    found = forecast(cluster(*TWO), Scale(DEPLOYMENT, 0), unread=("replicasets",))
    assert seen(found) == "TargetsUnhealthy | NoEndpoints .. NoEndpoints | NoEndpoints .. NoEndpoints"


def test_a_scale_without_readable_pods_takes_any_endpoint() -> None:
    found = forecast(cluster(*TWO), Scale(DEPLOYMENT, 1), unread=("pods",))
    assert "Pods cannot be read: any endpoint of its Services may be one of the workload" in found.assumptions
    phases = phases_of(found)
    assert phases is not None
    assert phases.settled.worst.outcome.name == "TargetsUnhealthy"


def test_an_unreadable_workload_names_the_cause() -> None:
    with pytest.raises(Refused, match="there is no Deployment shop/web: forbidden"):
        forecast(cluster(*TWO), Scale(DEPLOYMENT, 1), unread=("deployments",))


def test_a_drain_that_a_budget_blocks_deletes_no_node() -> None:
    found = forecast(cluster(*ONE, objects=[*deployment(1), budget(0)]), Drain(("a",), then_delete=True))
    assert found.warnings == ["the drain is blocked, so the nodes are not deleted"]
    assert [each.pod.name for each in found.blocked] == ["p1"]


def test_the_cluster_autoscaler_leaves_a_node_that_it_cannot_empty() -> None:
    drain = Drain(("a",), by=By.CLUSTER_AUTOSCALER)
    other = pod("other", "a", labels={"app": "other"})
    objects = [*deployment(1), budget(0, labels={"app": "other"}), other]
    blocked = forecast(cluster(*ONE, objects=objects), drain)
    assert seen(blocked) == "unchanged", "it evicts none of the pods"
    assert [each.pod.name for each in blocked.blocked] == ["other"]
    assert blocked.warnings == ["the cluster autoscaler does not drain node a, so nothing happens there"]
    assert seen(forecast(cluster(*TWO), drain)).endswith("| TargetsUnhealthy .. Covered"), "the node is deleted"


def test_the_cluster_autoscaler_leaves_a_node_whose_pods_have_no_other_place() -> None:
    only: Json = {"nodeSelector": {"pool": "ingress"}}
    nodes = [node("a", labels={"pool": "ingress"}), *NODES[1:]]
    pods = (pod("p1", "a", **only),)
    objects = [*nodes, service(), endpoints(pods), *pods, *alb(), *deployment(1)]
    found = forecast(objects, Drain(("a",), By.CLUSTER_AUTOSCALER))
    assert seen(found) == "unchanged"
    assert found.assumptions == [
        "no other node has a place for 1 of the pods of node a, so the cluster autoscaler does not drain it"
    ]
    assert seen(forecast(objects, Drain(("a",), By.KARPENTER))) != "unchanged", "it adds a node"
    more = (*pods, pod("p2", "b"))
    objects = [*nodes, service(), endpoints(more), *more, *alb(), *deployment(2)]
    phases = phases_of(forecast(objects, Drain(("a", "b"), By.CLUSTER_AUTOSCALER)))
    assert phases is not None
    assert phases.because == ["pod shop/p2 is evicted from node b"], "node a stays as it is"


def test_without_readable_budgets_each_eviction_may_be_refused() -> None:
    found = forecast(cluster(*TWO), Drain(("a",)), unread=("poddisruptionbudgets",))
    phases = phases_of(found)
    assert phases is not None
    assert phases.settled.worst.outcome.name == "TargetsUnhealthy"


@pytest.mark.parametrize(
    ("made", "change", "words"),
    [
        (service(type="ClusterIP"), Policy(WEB, "Local"), "has the type ClusterIP, which takes no such policy"),
        (service(), Policy(WEB, "Cluster"), ""),
    ],
)
def test_the_policy_of_a_type_without_one(made: Json, change: Change, words: str) -> None:
    objects = [*NODES, made, endpoints(TWO), *TWO, *alb(), *deployment(2)]
    if not words:
        assert seen(forecast(objects, change)).endswith("NotAffected .. NotAffected")
        return
    with pytest.raises(Refused, match=words):
        forecast(objects, change)


def test_the_policy_of_a_service_with_external_addresses() -> None:
    """ExternallyAccessible in k8s.io/kubernetes pkg/api/v1/service/util.go: ClusterIP takes a policy then."""
    reached = service("Cluster", type="ClusterIP", externalIPs=["192.0.2.1"])
    objects = [*NODES, reached, endpoints(TWO), *TWO, *deployment(2)]
    assert seen(forecast(objects, Policy(WEB, "Local"))).startswith("NotAffected | Uncovered")


def test_a_load_balancer_service_that_turns_to_local_gets_a_health_check_port() -> None:
    """The API server takes a free one: 32767 is another Service's."""
    balanced = service("Cluster", type="LoadBalancer")
    balanced["metadata"]["annotations"] = {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}
    balanced["status"] = {"loadBalancer": {"ingress": [{"hostname": "nlb.example"}]}}
    other = service(name="other", type="LoadBalancer", healthCheckNodePort=32767, ports=[])
    objects = [*NODES, balanced, other, endpoints(TWO), *TWO, *deployment(2)]
    assert seen(forecast(objects, Policy(WEB, "Local"))).startswith("NotAffected | TargetsUnhealthy")


def test_too_many_possibilities_are_said_to_be_incomplete() -> None:
    """Each rollout may stop in its first batch or go on, so the possibilities double."""
    strategy = {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    objects: list[Json] = [*NODES, service(), *alb()]
    pods: list[Json] = []
    for number in range(6):
        of = f"w{number}"
        pods.append(pod(f"p{number}", "abc"[number % 3], owner=f"ReplicaSet/{of}-1"))
        objects += [
            workload("Deployment", of, 1, strategy=strategy),
            workload("ReplicaSet", f"{of}-1", 1, owner=f"Deployment/{of}"),
        ]
    objects += [*pods, endpoints(pods)]
    rollouts = [Rollout(Workload("Deployment", type(WEB)("shop", f"w{number}"))) for number in range(6)]
    found = forecast(objects, *rollouts)
    assert "too many changes at once: the bounds after the first ones are not complete" in found.warnings


def test_a_controller_that_is_not_there() -> None:
    with pytest.raises(Refused, match="there is no Node gone"):
        forecast(cluster(*TWO), Drain(("gone",)))
