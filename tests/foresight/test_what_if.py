"""Each change of `what-if` as named cases: what stays, what goes, and the bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.assess.node_rule import EXCLUDE_LABEL
from etpguard.foresight.changes import (
    By,
    Change,
    Drain,
    Lose,
    Policy,
    Refused,
    Rollout,
    Scale,
    TargetNodes,
    Workload,
)
from etpguard.objects import Key
from tests.foresight.clusters import (
    APP,
    HOSTNAME,
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

NODES = [node("a", zone="x"), node("b", zone="y"), node("c", zone="z")]
DEPLOYMENT = Workload("Deployment", WEB)


def cluster(*pods: Json, objects: Sequence[Json] = (), replicas: int | None = None) -> list[Json]:
    return [
        *NODES,
        service(),
        endpoints(pods),
        *pods,
        *alb(),
        *deployment(len(pods) if replicas is None else replicas),
        *objects,
    ]


TWO = (pod("p1", "a"), pod("p2", "b"))
ONE = (pod("p1", "a"),)
NO_OTHER_NODE: Json = {"nodeSelector": {HOSTNAME: "a"}}
APART: Json = {
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": APP}}
            ]
        }
    }
}


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param(cluster(*ONE, objects=[budget(0)]), id="a budget that allows nothing"),
        pytest.param(
            cluster(pod("p1", "a", annotations={"karpenter.sh/do-not-disrupt": "true"})), id="do-not-disrupt"
        ),
    ],
)
def test_karpenter_leaves_a_node_that_it_cannot_empty_or_is_forced_to_mark_it(objects: list[Json]) -> None:
    found = forecast(objects, Drain(("a",), by=By.KARPENTER))
    assert seen(found) == "TargetsUnhealthy | Outage .. TargetsUnhealthy | Outage .. TargetsUnhealthy"
    (warning,) = found.warnings
    assert "The bounds have both cases" in warning


def test_karpenter_evicts_the_other_pods_where_it_is_forced() -> None:
    held = pod("p0", "a", owner="DaemonSet/other", labels={}, annotations={"karpenter.sh/do-not-disrupt": "true"})
    found = forecast(cluster(*TWO, objects=[held]), Drain(("a",), by=By.KARPENTER))
    phases = phases_of(found)
    assert phases is not None
    assert phases.because == ["pod shop/p1 may be evicted from node a"]
    cases = [case.assessment for case in (phases.during.worst, phases.during.best)]
    assert sorted(each.eligible.bit_count() for each in cases if each) == [2, 3], "marked, or as before"


def test_a_cloud_may_keep_the_node_that_the_cluster_autoscaler_taints() -> None:
    """controller.go shouldSyncUpdatedNode does not look at the taint, so the node stays a target until the Node is
    deleted, or until something else makes the controller look."""
    pods = [pod("p1", "a"), pod("p2", "b"), pod("p3", "c")]
    balanced = service(type="LoadBalancer", healthCheckNodePort=31000)
    balanced["metadata"]["annotations"] = {"loadbalancer.openstack.org/enable-health-monitor": "false"}
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
    nodes = [{**each, "spec": {"providerID": f"openstack:///{each['metadata']['name']}"}} for each in NODES]
    objects = [*nodes, balanced, endpoints(pods), *pods, *deployment(3)]
    found = forecast(objects, Drain(("a",), by=By.CLUSTER_AUTOSCALER))
    assert seen(found) == "Covered | Blackhole .. Unknown | Covered .. Covered"
    by_karpenter = forecast(objects, Drain(("a",), by=By.KARPENTER))
    assert seen(by_karpenter) == "Covered | Covered .. Covered | Covered .. Covered"


@pytest.mark.parametrize(
    ("objects", "change", "expected"),
    [
        pytest.param(
            cluster(*TWO),
            Lose(("a",)),
            "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. Covered",
            id="lose: the replacement may cover the last node",
        ),
        pytest.param(
            cluster(*ONE),
            Lose(("a",)),
            "TargetsUnhealthy | NoEndpoints .. NoEndpoints | NoEndpoints .. TargetsUnhealthy",
            id="lose: the replacement may stay pending",
        ),
        pytest.param(
            cluster(pod("p1", "a", **NO_OTHER_NODE)),
            Lose(("a",)),
            "TargetsUnhealthy | NoEndpoints .. NoEndpoints | NoEndpoints .. NoEndpoints",
            id="lose: no other node admits the replacement",
        ),
        pytest.param(
            cluster(*TWO),
            Drain(("a",)),
            "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy",
            id="drain: the drained node stays a target",
        ),
        pytest.param(
            cluster(*TWO),
            Drain(("a",), by=By.KARPENTER),
            "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. Covered",
            id="drain by Karpenter: the node is excluded first and deleted at last",
        ),
        pytest.param(
            cluster(*ONE, objects=[budget(0)]), Drain(("a",)), "unchanged", id="drain: the budget allows nothing"
        ),
        pytest.param(
            cluster(pod("p1", "a", owner="DaemonSet/web"), pod("p2", "b", owner="DaemonSet/web")),
            Drain(("a",)),
            "unchanged",
            id="drain: the pods of DaemonSets stay",
        ),
        pytest.param(
            cluster(pod("p1", "a", owner="DaemonSet/web"), pod("p2", "b", owner="DaemonSet/web")),
            Drain(("a",), then_delete=True),
            "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy",
            id="drain and delete: they go with the node",
        ),
        pytest.param(
            cluster(*TWO),
            Scale(DEPLOYMENT, 0),
            "TargetsUnhealthy | NoEndpoints .. NoEndpoints | NoEndpoints .. NoEndpoints",
            id="scale to nothing",
        ),
        pytest.param(
            cluster(pod("p1", "a"), pod("p2", "a"), pod("p3", "b")),
            Scale(DEPLOYMENT, 2),
            "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy",
            id="scale in: one of the pods that share a node",
        ),
        pytest.param(
            cluster(*TWO),
            Scale(DEPLOYMENT, 3),
            "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. Covered",
            id="scale out",
        ),
        pytest.param(
            cluster(*ONE),
            Rollout(DEPLOYMENT),
            "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy",
            id="rollout: with a surge, no pod is missing, but the pod may move to another node",
        ),
        pytest.param(
            [*NODES, service(), endpoints(ONE), *ONE, *alb(), *deployment(1, strategy={"type": "Recreate"})],
            Rollout(DEPLOYMENT),
            "TargetsUnhealthy | NoEndpoints .. TargetsUnhealthy | NoEndpoints .. TargetsUnhealthy",
            id="rollout: Recreate removes all pods first",
        ),
        pytest.param(
            [
                *NODES,
                service(),
                *(three := [pod(f"d{n}", n, owner="DaemonSet/web") for n in "abc"]),
                endpoints(three),
                *alb(),
                workload("DaemonSet"),
            ],
            Rollout(Workload("DaemonSet", WEB)),
            "Covered | TargetsUnhealthy .. TargetsUnhealthy | Covered .. Covered",
            id="rollout of a DaemonSet: one node at a time",
        ),
        pytest.param(
            cluster(*TWO),
            Policy(WEB, "Cluster"),
            "TargetsUnhealthy | NotAffected .. NotAffected | NotAffected .. NotAffected",
            id="policy Cluster",
        ),
        pytest.param(
            [*NODES, service("Cluster"), endpoints(TWO), *TWO, *alb(), *deployment(2)],
            Policy(WEB, "Local"),
            "NotAffected | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy",
            id="policy Local",
        ),
        pytest.param(
            cluster(*TWO),
            TargetNodes(WEB, f"{HOSTNAME}=a"),
            "TargetsUnhealthy | Covered .. Covered | Covered .. Covered",
            id="target only the node of a pod",
        ),
        pytest.param(
            cluster(*TWO),
            TargetNodes(WEB, f"{HOSTNAME}=c"),
            "TargetsUnhealthy | Outage .. Outage | Outage .. Outage",
            id="target only a node without a pod",
        ),
    ],
)
def test_phases(objects: list[Json], change: Change, expected: str) -> None:
    assert seen(forecast(objects, change)) == expected


@pytest.mark.parametrize("replicas", [1, 2])
def test_without_a_load_balancer_no_endpoint_is_worse_than_few(replicas: int) -> None:
    """While Recreate has removed all pods, no request is served. With one new pod, some are."""
    pods = TWO[:replicas]
    objects = [*NODES, service(), endpoints(pods), *pods, *deployment(replicas, strategy={"type": "Recreate"})]
    found = forecast(objects, Rollout(DEPLOYMENT))
    assert seen(found).startswith("Uncovered | NoEndpoints .. Uncovered | ")
    phases = phases_of(found)
    assert phases is not None
    assert phases.reaches(Outcome.Outage), "the loss of all traffic counts as every outcome"


def test_what_was_empty_before_still_reaches_what_is_worse() -> None:
    """Nothing serves now. The first pod may run on a node without traffic: then the others drop."""
    nodes = [node("a"), node("z", labels={EXCLUDE_LABEL: ""})]
    objects = [*nodes, service(), endpoints(()), *alb(health_check="10256"), *deployment(0)]
    phases = phases_of(forecast(objects, Scale(DEPLOYMENT, 1)))
    assert phases is not None
    assert phases.now.outcome is Outcome.NoEndpoints
    assert phases.settled.worst.outcome is Outcome.Outage
    assert phases.reaches(Outcome.Outage)
    phases = phases_of(forecast([node("b"), *objects[:1], *objects[2:]], Scale(DEPLOYMENT, 1)))
    assert phases is not None
    assert phases.settled.worst.outcome is Outcome.NoEndpoints, "it may stay pending, as now"
    assert phases.reaches(Outcome.Blackhole), "on one node it makes the other one drop"
    assert not phases.reaches(Outcome.NoTargets)


def test_a_budget_lets_pods_go_one_after_the_other() -> None:
    found = forecast(cluster(pod("p1", "a"), pod("p2", "a"), objects=[budget(1)]), Drain(("a",)))
    phases = phases_of(found)
    assert phases is not None
    assert phases.settled.best.assessment is not None
    assert phases.settled.best.assessment.uncovered.bit_count() == 1, "two replacements on two other nodes"
    assert phases.settled.worst.assessment is not None
    assert phases.settled.worst.assessment.uncovered.bit_count() == 2, "both on one, or one still where it was"
    assert any("1 of 2 pods go at a time" in text for text in found.assumptions)


def test_a_drain_that_waits_for_a_replacement_deletes_no_node_meanwhile() -> None:
    """If the replacement is never ready, the node stays with its last pod, and the other node has none."""
    pods = [pod("p1", "a"), pod("p2", "a")]
    objects = [node("a"), node("b"), service(), endpoints(pods), *pods, *alb(), *deployment(2)]
    drain = Drain(("a",), then_delete=True)
    found = phases_of(forecast([*objects, budget(1)], drain))
    assert found is not None
    assert found.settled.outcomes == {Outcome.TargetsUnhealthy, Outcome.Covered}
    found = phases_of(forecast([*objects, budget(2)], drain))
    assert found is not None
    assert found.settled.outcomes == {Outcome.NoEndpoints, Outcome.Covered}, "both go at once"


def test_anti_affinity_bounds_the_best_case() -> None:
    """Two replacements, and one node that has no such pod yet."""
    pods = [pod("p1", "a", **APART), pod("p2", "b", **APART), pod("p3", "c", **APART)]
    objects = [*NODES, node("d"), service(), endpoints(pods), *pods, *alb(), *deployment(3)]
    phases = phases_of(forecast(objects, Lose(("a", "b"))))
    assert phases is not None
    assert phases.settled.best.outcome.name == "Covered"
    phases = phases_of(forecast([each for each in objects if each != node("d")], Lose(("a", "b"))))
    assert phases is None or phases.settled.best.outcome.name == "Covered"


def test_a_budget_holds_pods_whose_replacements_find_no_node() -> None:
    """Each node can run one pod. The second eviction gets status 429 until the first pod is replaced: that is for
    ever, where no node admits its replacement."""
    pods = [pod("p1", "a", **APART), pod("p2", "b", **APART)]
    nodes = [node("a"), node("b")]
    objects = [*nodes, service(), endpoints(pods), *pods, *alb(), *deployment(2), budget(1)]
    for by in (By.KUBECTL, By.KARPENTER):
        found = forecast(objects, Drain(("a", "b"), by=by))
        phases = phases_of(found)
        assert phases is not None
        assert Outcome.NoEndpoints not in phases.during.outcomes | phases.settled.outcomes
        (text,) = [text for text in found.assumptions if "shop/web lets only 1 of 2 pods go" in text]
        assert text.endswith("so the drain does not end unless an autoscaler adds a node")
        assert found.warnings == (
            ["the drain is blocked, so the nodes are not deleted"] if by.value != "kubectl" else []
        )
    found = forecast([*objects, node("c")], Drain(("a", "b")))
    phases = phases_of(found)
    assert phases is not None
    assert any("lets 1 of 2 pods go at a time" in text for text in found.assumptions)
    assert Outcome.NoEndpoints not in phases.during.outcomes | phases.settled.outcomes
    settled = phases.settled
    assert settled.worst.assessment is not None
    assert settled.worst.assessment.uncovered.bit_count() == 2, "one pod on node c, and the other one is pending"


def test_the_cluster_autoscaler_leaves_a_node_whose_pods_find_no_place() -> None:
    """It simulates the removal before it taints the node: kubernetes/autoscaler cluster-autoscaler/FAQ.md "What
    types of pods can prevent CA from removing a node?"."""
    pods = [pod("p1", "a", **NO_OTHER_NODE), pod("p2", "a", **NO_OTHER_NODE)]
    found = forecast(cluster(*pods, objects=[budget(1)]), Drain(("a",), by=By.CLUSTER_AUTOSCALER))
    assert seen(found) == "unchanged", "a pod stays on the node in each case"
    assert found.warnings == ["the cluster autoscaler does not drain node a, so nothing happens there"]
    pods = [pod("p1", "a", **APART), pod("p2", "b", **APART)]
    objects = [node("a"), node("b"), service(), endpoints(pods), *pods, *alb(), *deployment(2), budget(1)]
    found = forecast(objects, Drain(("a", "b"), by=By.CLUSTER_AUTOSCALER))
    assert seen(found) == "unchanged", "the pod of each node keeps the other one away"
    objects += [node("c")]
    found = forecast(objects, Drain(("a", "b"), by=By.CLUSTER_AUTOSCALER))
    assert found.warnings == ["the cluster autoscaler does not drain node b, so nothing happens there"]
    assert any(
        text.startswith("no other node has a place for 1 of the pods of node b") for text in found.assumptions
    )
    assert seen(found).endswith("| TargetsUnhealthy .. Covered"), "node c takes the pod of node a"


@pytest.mark.parametrize(
    ("free", "drained"),
    [
        pytest.param("1", False, id="one after the other, and the second finds no room"),
        pytest.param("3", True, id="all fit"),
    ],
)
def test_the_cluster_autoscaler_places_the_pods_of_a_node_together(free: str, drained: bool) -> None:
    """cluster-autoscaler/simulator/cluster.go SimulateNodeRemoval: each pod that it places takes room."""
    sized: Json = {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}
    pods = [pod(f"p{number}", "a", **sized) for number in range(3)]
    other = node("b")
    other["status"]["allocatable"]["cpu"] = free
    objects = [node("a"), other, service(), endpoints(pods), *pods, *alb(), *deployment(3)]
    found = forecast(objects, Drain(("a",), by=By.CLUSTER_AUTOSCALER))
    warning = "the cluster autoscaler does not drain node a, so nothing happens there"
    assert found.warnings == ([] if drained else [warning])
    assert (seen(found) != "unchanged") is drained
    text = "no other node has a place for 2 of the pods of node a, so the cluster autoscaler does not drain it"
    assert (text in found.assumptions) is not drained


def test_a_budget_waits_for_the_replacements_of_its_own_pods() -> None:
    """Two budgets: each keeps one of its two pods, and only those of `web` find a node."""
    web = [pod("p1", "a"), pod("p2", "a")]
    tier = {**APP, "tier": "other"}
    other = [pod(f"q{number}", "a", owner="ReplicaSet/other-1", labels=tier, **NO_OTHER_NODE) for number in (1, 2)]
    pods = [*web, *other]
    budgets = [
        budget(1, "web", spec={"selector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}}),
        budget(1, "other", labels={"tier": "other"}),
    ]
    objects = [*NODES, service(), endpoints(pods), *pods, *alb(), *deployment(4), *budgets]
    found = forecast(objects, Drain(("a",)))
    phases = phases_of(found)
    assert phases is not None
    assert any("shop/web lets 1 of 2 pods go at a time" in text for text in found.assumptions)
    assert any("shop/other lets only 1 of 2 pods go" in text for text in found.assumptions)
    assert phases.settled.best.outcome.name == "Covered", "one of `other` stays, and those of `web` are on b and c"


PORT: Json = {"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]}
ONE_MISSING: Json = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}


def one_pod_a_node(spec: Json, *, more: Sequence[Json] = (), **workload_spec: Any) -> list[Json]:
    """A pod on each of three nodes, which can run no second one."""
    pods = [pod(f"p-{name}", name, **spec) for name in "abc"]
    template = {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "c"}], **spec}}
    workloads = deployment(3, template=template, **workload_spec)
    return [*NODES, *more, service(), endpoints(pods), *pods, *alb(), *workloads]


@pytest.mark.parametrize("spec", [APART, PORT])
def test_a_rollout_that_waits_for_new_pods_misses_as_many_as_it_may(spec: Json) -> None:
    """While the old pods are there, no node admits a new one. They are there one by one, though, not all three."""
    found = forecast(one_pod_a_node(spec, **ONE_MISSING), Rollout(DEPLOYMENT))
    assert seen(found) == "Covered | TargetsUnhealthy .. Covered | TargetsUnhealthy .. Covered"
    phases = phases_of(found)
    assert phases is not None
    for case in (phases.during.worst, phases.settled.worst):
        assert case.assessment is not None
        assert case.assessment.uncovered.bit_count() == 1


@pytest.mark.parametrize("spec", [APART, PORT])
def test_a_rollout_does_not_begin_where_no_node_admits_a_pod_more(spec: Json) -> None:
    found = forecast(one_pod_a_node(spec), Rollout(DEPLOYMENT))
    assert seen(found) == "unchanged"
    assert any("does not begin" in text for text in found.assumptions)
    found = forecast(one_pod_a_node(spec, more=[node("d")]), Rollout(DEPLOYMENT))
    assert not any("does not begin" in text for text in found.assumptions)
    assert seen(found).startswith("TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | "), "three of four"


def test_a_rollout_that_does_not_begin_may_begin_on_a_node_that_is_added() -> None:
    """Each node is full by requests: what a node autoscaler would do for the pending pod is not known."""
    full: Json = {"containers": [{"name": "c", "resources": {"requests": {"cpu": "3"}}}]}
    found = forecast(one_pod_a_node(full), Rollout(DEPLOYMENT))
    assert seen(found) == "unchanged"
    (text,) = [text for text in found.assumptions if "does not begin" in text]
    assert text.endswith("does not begin unless an autoscaler adds a node")


def test_a_rollout_begins_where_pods_are_apart_from_those_of_their_revision_only() -> None:
    """The API server adds the hash of the new pod to its term, which then selects no old pod."""
    revision = "pod-template-hash"
    term = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": APP}, "matchLabelKeys": [revision]}
    apart: Json = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}
    pods = [pod(f"p-{name}", name, labels={**APP, revision: "1"}, **apart) for name in "abc"]
    template = {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "c"}], **apart}}
    objects = [*NODES, service(), endpoints(pods), *pods, *alb(), *deployment(3, template=template)]
    found = forecast(objects, Rollout(DEPLOYMENT))
    assert not any("does not begin" in text for text in found.assumptions)
    phases = phases_of(found)
    assert phases is not None
    assert phases.settled.best.outcome is Outcome.Covered, "a new pod on each node"
    assert phases.hand_off is not None
    assert phases.hand_off.worst.found.verdict.value == "Unknown", "it may start beside the old pod"


def test_a_rollout_stops_where_its_new_pods_find_no_more_nodes() -> None:
    """The new template runs on node a alone: a second new pod stays pending, and one old pod more is missing."""
    objects = one_pod_a_node(APART, **ONE_MISSING)
    for each in objects:
        if each["kind"] == "Deployment":
            each["spec"]["template"]["spec"]["nodeSelector"] = {HOSTNAME: "a"}
    phases = phases_of(forecast(objects, Rollout(DEPLOYMENT)))
    assert phases is not None
    assert phases.during.worst.assessment is not None
    assert phases.during.worst.outcome.name == "TargetsUnhealthy"
    assert phases.during.worst.assessment.uncovered.bit_count() <= 2


def test_statefulsets_lose_the_highest_ordinals() -> None:
    pods = [pod(f"web-{number}", name, owner="StatefulSet/web") for number, name in enumerate("abc")]
    objects = [*NODES, service(), endpoints(pods), *pods, *alb(), workload("StatefulSet", replicas=3)]
    phases = phases_of(forecast(objects, Scale(Workload("StatefulSet", WEB), 2)))
    assert phases is not None
    for case in (phases.settled.worst, phases.settled.best):
        assert case.assessment is not None
        assert case.assessment.uncovered == 0b100, "web-2 was on node c"


def test_a_statefulset_without_one_of_its_pods_loses_and_creates_by_ordinal() -> None:
    """web-1 is missing: a scale from 3 to 2 deletes web-2 all the same, and web-1 is created."""
    pods = [pod(f"web-{n}", name, owner="StatefulSet/web") for n, name in ((0, "a"), (2, "c"))]
    objects = [*NODES, service(), endpoints(pods), *pods, *alb(), workload("StatefulSet", replicas=3)]
    scale = Scale(Workload("StatefulSet", WEB), 2)
    phases = phases_of(forecast(objects, scale))
    assert phases is not None
    cases = (phases.during.worst, phases.settled.worst, phases.settled.best)
    uncovered = [case.assessment.uncovered for case in cases if case.assessment]
    assert uncovered == [0b110, 0b110, 0b100], "web-1 may run on node b, which is worth as much as node c"
    phases = phases_of(forecast(objects, Lose(("c",)), scale))
    assert phases is not None
    assert phases.settled.worst.assessment is not None
    assert phases.settled.worst.assessment.eligible == 0b011, "the replacement of web-2 is not created"
    assert phases.settled.best.outcome.name == "Covered"
    phases = phases_of(forecast(objects, Lose(("a",)), scale))
    assert phases is not None
    assert phases.settled.best.outcome.name == "Covered", "web-0 and web-1 on two nodes"


def test_an_autoscaler_keeps_its_minimum() -> None:
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 5},
    }
    found = forecast(cluster(*TWO, objects=[autoscaler]), Scale(DEPLOYMENT, 1))
    assert seen(found) == "unchanged"
    assert found.warnings == ["HorizontalPodAutoscaler shop/web keeps Deployment shop/web at 2 replicas, not 1"]


def test_changes_follow_one_another() -> None:
    objects = cluster(*TWO)
    assert seen(forecast(objects, Drain(("a",)), Lose(("b",)))) == (
        "TargetsUnhealthy | NoEndpoints .. TargetsUnhealthy | NoEndpoints .. TargetsUnhealthy"
    )
    found = forecast(objects, Policy(WEB, "Cluster"), Lose(("a",)))
    assert seen(found) == "TargetsUnhealthy | NotAffected .. NotAffected | NotAffected .. NotAffected"
    assert found.changes == [
        "set externalTrafficPolicy of Service shop/web to Cluster",
        "lose node a",
    ]


def test_without_pods_the_bounds_are_wider() -> None:
    """The endpoint on the drained node may be a DaemonSet's, or have a replacement anywhere."""
    found = forecast(cluster(*TWO), Drain(("a",)), unread=("pods",))
    phases = phases_of(found)
    assert phases is not None
    uncovered = [
        c.assessment.uncovered.bit_count() for c in (phases.settled.worst, phases.settled.best) if c.assessment
    ]
    assert uncovered == [2, 0]
    assert any("Pods cannot be read" in text for text in found.assumptions)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Lose(("gone",)), "there is no Node gone$"),
        (Lose(("ip-10-0-1-11",)), "no Node ip-10-0-1-11; did you mean ip-10-0-1-11.example.internal\\?"),
        (Scale(Workload("Deployment", Key("shop", "wep")), 1), "no Deployment shop/wep; did you mean shop/web"),
        (Policy(Key("shop", "wep"), "Local"), "no Service shop/wep; did you mean shop/web"),
        (Scale(Workload("DaemonSet", WEB), 1), "has no replicas"),
        (Scale(Workload("Deployment", Key("shop", "gone")), 1), "there is no Deployment shop/gone"),
        (Scale(Workload("ReplicaSet", Key("shop", "web-1")), 3), "scale the Deployment"),
        (Scale(Workload("Deployment", WEB), 10**20), "no cluster has 1"),
        (Rollout(Workload("ReplicaSet", Key("shop", "web-1"))), "roll out its Deployment"),
        (Policy(Key("shop", "gone"), "Local"), "there is no Service shop/gone"),
        (TargetNodes(Key("shop", "gone"), "a=b"), "there is no Service shop/gone"),
    ],
)
def test_what_is_not_there_is_refused(change: Change, words: str) -> None:
    with pytest.raises(Refused, match=words):
        forecast([*cluster(*TWO), node("ip-10-0-1-11.example.internal")], change)
