"""The hand-off in a forecast: which pods end on which nodes, who replaces them, and the exposure that is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess import Outcome
from etpguard.assess.data_planes.interface import DataPlane, KnownDataPlane, NodePlanes, PlaneGroup
from etpguard.foresight.changes import Apply, By, Change, Drain, Lose, Manifest, Policy, Rollout, Scale, Workload
from etpguard.foresight.forecasts.exposure import exposure
from etpguard.foresight.forecasts.forecast import Forecast, Phases
from etpguard.foresight.hosts import hosts_of
from etpguard.foresight.pod_ending.pod_ends import ServiceHandOff, forwards_to_terminating, ready_until_gone
from etpguard.objects import SERVICE, Key, Service, decode_item
from etpguard.objects.pod_controllers import CONTROLLER_KINDS
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
    picture_of,
    pod,
    service,
    workload,
)

NODES = [node("a"), node("b"), node("c")]
NODES_OF_GCE = [{**each, "spec": {"providerID": f"gce://p/z/{each['metadata']['name']}"}} for each in NODES]
DEPLOYMENT = Workload("Deployment", WEB)
ALB = "alb.ingress.kubernetes.io/"
FINALIZER = "gke.networking.io/l4-netlb-v2"


def sleeps(seconds: int) -> Json:
    """A pod that certainly serves for so long: it sleeps, and then has no time left."""
    hook = {"preStop": {"sleep": {"seconds": seconds}}}
    return {"containers": [{"name": "c", "lifecycle": hook}], "terminationGracePeriodSeconds": seconds}


def behind_gke(pods: list[Json], *more: Json) -> list[Json]:
    """Behind a passthrough load balancer that checks healthCheckNodePort: 3 to 12 s."""
    balanced = service(type="LoadBalancer", healthCheckNodePort=31000)
    balanced["metadata"]["finalizers"] = [FINALIZER]
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
    return [*NODES_OF_GCE, balanced, endpoints(pods), *pods, *more]


def ends(found: Forecast) -> ServiceHandOff:
    phases = phases_of(found)
    assert phases is not None
    assert phases.hand_off is not None
    return phases.hand_off


def summary(found: Forecast) -> tuple[str, tuple[int, int | None] | None, tuple[str, ...]]:
    worst = ends(found).worst
    return worst.found.verdict.value, worst.found.seconds, worst.nodes


def because(found: Forecast) -> str:
    return "; ".join(ends(found).worst.found.because)


TWO_AND_TWO = [pod("p1", "a", **sleeps(14)), pod("p2", "b", **sleeps(14)), pod("p3", "b", **sleeps(14))]


def test_a_drain_of_pods_that_serve_long_enough_is_seamless() -> None:
    found = forecast(behind_gke(TWO_AND_TWO, *deployment(3)), Drain(("a",)))
    assert summary(found) == ("Seamless", None, ("a",))
    phases = phases_of(found)
    assert phases is not None
    assert phases.exposure == (0, 0), "the node drops only when nobody sends to it"


def test_how_a_program_ends_is_not_known_but_the_load_balancer_bounds_the_loss() -> None:
    pods = [pod("p1", "a"), pod("p2", "b")]
    objects = behind_gke(pods, *deployment(2, minReadySeconds=60))
    for change in (Drain(("a",)), Rollout(DEPLOYMENT)):
        found = forecast(objects, change)
        assert summary(found)[:2] == ("Unknown", (0, 14))
        phases = phases_of(found)
        assert phases is not None
        assert phases.exposure == (0, 14)


def test_a_delay_does_not_help_where_pods_stay_ready_until_they_have_ended() -> None:
    objects = behind_gke(TWO_AND_TWO, *deployment(3))
    objects[3]["spec"]["publishNotReadyAddresses"] = True
    assert summary(forecast(objects, Drain(("a",)))) == ("Lossy", (3, 14), ("a",))
    cilium = NodePlanes((PlaneGroup(KnownDataPlane(DataPlane.CILIUM), 0),))
    made = decode_item(SERVICE, objects[3])
    assert isinstance(made, Service)
    assert ready_until_gone(made, cilium) is None


def test_a_drain_of_pods_that_end_too_early_loses_the_difference() -> None:
    pods = [pod("p1", "a", **sleeps(5)), pod("p2", "b", **sleeps(5))]
    found = forecast(behind_gke(pods, *deployment(2)), Drain(("a",)))
    assert summary(found) == ("Lossy", (0, 9), ("a",))
    phases = phases_of(found)
    assert phases is not None
    assert phases.exposure == (0, 9)


def test_a_check_of_the_traffic_port_notices_after_the_end() -> None:
    pods = [pod("p1", "a", **sleeps(60)), pod("p2", "b", **sleeps(60))]
    found = forecast([*NODES, service(), endpoints(pods), *pods, *alb(), *deployment(2)], Drain(("a",)))
    assert summary(found) == ("Lossy", (15, 35), ("a",))
    end = ends(found).worst
    assert (end.change, end.consumer.kind, end.min_ready_seconds) == ("drain node a", "Ingress", None)
    assert end.window is not None
    assert end.window.least == 60


def test_pods_of_which_one_stays_on_the_node_hand_nothing_off() -> None:
    found = forecast(behind_gke(TWO_AND_TWO, workload("StatefulSet", replicas=3)), Scale(DEPLOYMENT_SET, 2))
    phases = phases_of(found)
    assert phases is None or phases.hand_off is None


DEPLOYMENT_SET = Workload("StatefulSet", WEB)


def stateful(*on: str, seconds: int = 14) -> list[Json]:
    return [pod(f"web-{n}", at, owner="StatefulSet/web", **sleeps(seconds)) for n, at in enumerate(on)]


@pytest.mark.parametrize(
    ("on", "replicas", "expected"),
    [
        pytest.param("ab", 1, ("Seamless", None, ("b",)), id="another node takes over"),
        pytest.param("ab", 0, ("Lossy", (0, None), ("a", "b")), id="no pod is left"),
        pytest.param("abb", 2, None, id="a pod is left on the node"),
        pytest.param("aab", 1, ("Seamless", None, ("b",)), id="of two nodes one keeps a pod"),
    ],
)
def test_scale_in(on: str, replicas: int, expected: Any) -> None:
    found = forecast(
        behind_gke(stateful(*on), workload("StatefulSet", replicas=len(on))), Scale(DEPLOYMENT_SET, replicas)
    )
    phases = phases_of(found)
    if expected is None:
        assert phases is None or phases.hand_off is None
    else:
        assert summary(found) == expected


def test_victims_that_are_tied_may_empty_any_of_their_nodes() -> None:
    pods = [pod(f"p{n}", at, **sleeps(20)) for n, at in enumerate("abc")]
    found = forecast(behind_gke(pods, *deployment(3)), Scale(DEPLOYMENT, 2))
    assert summary(found) == ("Seamless", None, ("a", "b", "c"))


def test_a_drain_of_all_pods_depends_on_their_replacements() -> None:
    found = forecast(behind_gke(TWO_AND_TWO, *deployment(3)), Drain(("a", "b")))
    assert summary(found) == ("Unknown", None, ("a", "b"))
    assert "replacements" in because(found)
    pods = [pod("p1", "a", **sleeps(2))]
    assert summary(forecast(behind_gke(pods, *deployment(1)), Drain(("a",))))[:2] == ("Lossy", (1, None))


def test_who_takes_the_node_out_first_decides_as_well() -> None:
    found = forecast(behind_gke(TWO_AND_TWO, *deployment(3)), Drain(("a",), By.KARPENTER))
    assert summary(found) == ("Unknown", None, ("a",))
    assert "karpenter takes the node out of load balancers" in because(found)


def test_the_taint_of_the_cluster_autoscaler_may_take_the_node_out_first() -> None:
    drain = Drain(("a",), By.CLUSTER_AUTOSCALER)
    assert summary(forecast(behind_gke(TWO_AND_TWO, *deployment(3)), drain)) == ("Seamless", None, ("a",))
    pods = [pod("p1", "a", **sleeps(5)), pod("p2", "b", **sleeps(5))]
    heeds = forecast([*NODES, service(), endpoints(pods), *pods, *alb(), *deployment(2)], drain)
    assert summary(heeds) == ("Unknown", (0, 35), ("a",))
    assert "taints the node before it evicts pods" in because(heeds)
    phases = phases_of(heeds)
    assert phases is not None
    assert phases.exposure == (0, 35), "it may stay a target until its check fails"
    with_address = {**NODES[0], "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}}
    alone = service(type="ClusterIP", externalIPs=["192.0.2.1"])
    never = forecast([with_address, *NODES[1:], alone, endpoints(pods), *pods, *deployment(2)], drain)
    assert summary(never) == ("Lossy", (0, None), ("a",)), "no taint takes away the address of a node"


@pytest.mark.parametrize(
    ("spec", "expected", "why"),
    [
        pytest.param({"minReadySeconds": 4}, "Seamless", "", id="it waits for the load balancer"),
        pytest.param(
            {},
            "Unknown",
            "gets traffic up to 4 s after its pod is ready, but minReadySeconds is 0",
            id="it does not",
        ),
        pytest.param({"strategy": {"type": "Recreate"}}, "Lossy", "no other node", id="all pods end first"),
    ],
)
def test_a_rollout(spec: Json, expected: str, why: str) -> None:
    found = forecast(behind_gke(TWO_AND_TWO, *deployment(3, **spec)), Rollout(DEPLOYMENT))
    assert summary(found)[0] == expected
    assert why in because(found)
    assert ends(found).worst.min_ready_seconds == spec.get("minReadySeconds", 0)


def test_a_lossy_rollout_that_outruns_the_load_balancer_has_no_bound() -> None:
    pods = [pod("p1", "a", **sleeps(0)), pod("p2", "b", **sleeps(0))]
    assert summary(rolled(pods, **ELSEWHERE))[:2] == ("Lossy", (15, None))
    assert summary(rolled(pods, min_ready_seconds=35, **ELSEWHERE))[:2] == ("Lossy", (15, 35))
    assert summary(rolled(pods))[:2] == ("Unknown", (0, None)), "new pods may start on the same nodes"
    assert summary(rolled(pods, min_ready_seconds=35))[:2] == ("Unknown", (0, 35))


ELSEWHERE: Json = {"nodeSelector": {HOSTNAME: "c"}}


def rolled(
    pods: list[Json], *, min_ready_seconds: int = 0, consumer: Sequence[Json] = (), **spec: Any
) -> Forecast:
    """The default strategy: a new pod is ready before an old one ends."""
    template = {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "c"}], **spec}}
    workloads = deployment(len(pods), template=template, minReadySeconds=min_ready_seconds)
    objects = [*NODES, service(), endpoints(pods), *pods, *(consumer or alb()), *workloads]
    return forecast(objects, Rollout(DEPLOYMENT))


def test_a_rollout_beside_pods_of_another_workload() -> None:
    """The other pod keeps its node, and the sentence on minReadySeconds stays."""
    other = pod("q", "c", owner="ReplicaSet/other", **sleeps(14))
    pods = [pod("p1", "a", **sleeps(14)), other]
    found = forecast(behind_gke(pods, *deployment(1)), Rollout(DEPLOYMENT))
    assert summary(found) == ("Seamless", None, ("a",))
    assert "minReadySeconds is 0" in because(found)


@pytest.mark.parametrize(
    ("update", "handed_off"),
    [
        pytest.param({"maxUnavailable": 1}, True, id="the old pod ends first"),
        pytest.param({"maxSurge": 1, "maxUnavailable": 0}, False, id="the new pod on the node is ready first"),
    ],
)
def test_a_rollout_of_a_daemonset(update: Json, handed_off: bool) -> None:
    pods = [pod(f"p{n}", at, owner="DaemonSet/web", **sleeps(14)) for n, at in enumerate("abc")]
    controller = workload("DaemonSet", updateStrategy={"rollingUpdate": update}, minReadySeconds=10)
    phases = phases_of(forecast(behind_gke(pods, controller), Rollout(Workload("DaemonSet", WEB))))
    assert (phases is not None and phases.hand_off is not None) is handed_off


def test_a_timing_that_is_not_known_has_no_bound() -> None:
    pods = [pod("p1", "a", **sleeps(600)), pod("p2", "b", **sleeps(600))]
    slow = alb(**{f"{ALB}healthcheck-interval-seconds": "400"})
    assert summary(rolled(pods, consumer=slow, **ELSEWHERE))[:2] == ("Lossy", (0, None))


def test_without_pods_it_is_not_known() -> None:
    found = forecast(behind_gke(TWO_AND_TWO, *deployment(3)), Drain(("a",)), unread=("pods",))
    assert summary(found) == ("Unknown", None, ("a",))
    assert ends(found).worst.window is None
    phases = phases_of(found)
    assert phases is not None
    assert phases.exposure == (0, 14), "the load balancer stops by then"


def test_changes_that_end_no_pod_hand_nothing_off() -> None:
    found = forecast(behind_gke(TWO_AND_TWO, *deployment(3)), Policy(WEB, "Cluster"))
    phases = phases_of(found)
    assert phases is not None
    assert phases.hand_off is None


def exposed(found: Forecast) -> tuple[int, int] | None:
    phases = phases_of(found)
    assert phases is not None
    return phases.exposure


def test_a_lost_node_gets_traffic_until_its_health_check_has_timed_out() -> None:
    found = forecast(behind_gke(TWO_AND_TWO, *deployment(3)), Lose(("a",)))
    assert summary(found) == ("Lossy", (0, 13), ("a",)), "healthCheckNodePort does not answer either"
    assert exposed(found) == (0, 13)
    pods = [pod("p1", "a"), pod("p2", "b")]
    behind_alb = [*NODES, service(), endpoints(pods), *pods, *alb(), *deployment(2)]
    assert exposed(forecast(behind_alb, Lose(("a",)))) == (0, 35)
    slow = alb(**{f"{ALB}healthcheck-interval-seconds": "400"})
    unknown = forecast([*NODES, service(), endpoints(pods), *pods, *slow, *deployment(2)], Lose(("a",)))
    assert summary(unknown) == ("Lossy", (0, None), ("a",))
    assert exposed(unknown) is None


def test_a_lost_node_beside_a_drained_one_counts_as_well() -> None:
    pods = [pod("p1", "a", **sleeps(14)), pod("p2", "b", **sleeps(14)), pod("p3", "c", **sleeps(14))]
    found = forecast(behind_gke(pods, *deployment(3)), Lose(("a",)), Drain(("b",)))
    assert exposed(found) == (0, 13)


@pytest.mark.parametrize(
    ("drain", "verdict", "why"),
    [
        pytest.param(Drain(("a",), By.KARPENTER), "Unknown", "karpenter takes the node out", id="Karpenter"),
        pytest.param(
            Drain(("a",), By.CLUSTER_AUTOSCALER),
            "Unknown",
            "taints the node before it evicts pods",
            id="the cluster autoscaler",
        ),
        pytest.param(Drain(("a",), then_delete=True), "Lossy", "", id="kubectl"),
    ],
)
def test_the_pods_of_daemonsets_end_with_a_node_that_is_deleted(drain: Drain, verdict: str, why: str) -> None:
    """They serve while the autoscaler has marked the node and evicts the others, so the load balancer may have
    stopped before. Karpenter evicts those that do not tolerate its taint."""
    spec: Json = {"owner": "DaemonSet/web", "tolerations": [{"operator": "Exists"}]}
    pods = [pod("p1", "a", **spec), pod("p2", "b", **spec)]
    objects = [*NODES, service(), endpoints(pods), *pods, *alb(), workload("DaemonSet")]
    found = forecast(objects, drain)
    assert summary(found) == (verdict, (0, 35), ("a",))
    assert why in because(found)
    assert exposed(found) == (0, 35)
    everywhere = forecast(objects, Drain(("a", "b"), drain.by, then_delete=drain.then_delete))
    assert summary(everywhere) == ("Lossy", (0, None), ("a", "b")), "no pod is left"
    evicted = [pod("p3", "a", **sleeps(60)), pod("p4", "b", **sleeps(60))]
    objects = [*NODES, service(), endpoints(evicted), *evicted, *alb(), *deployment(2)]
    (end,) = ends(forecast(objects, drain)).ends
    assert not end.with_node, "its pod is gone when the node is deleted"


@pytest.mark.parametrize(
    ("by", "verdict"),
    [
        pytest.param(By.KUBECTL, None, id="kubectl leaves them"),
        pytest.param(By.KARPENTER, "Unknown", id="Karpenter takes the node out before"),
        pytest.param(By.CLUSTER_AUTOSCALER, "Seamless", id="the cluster autoscaler"),
    ],
)
def test_pods_of_daemonsets_that_are_evicted_end_as_others_do(by: By, verdict: str | None) -> None:
    """They are not replaced on the node, and a preStop delay helps."""
    pods = [pod(f"p{name}", name, owner="DaemonSet/web", **sleeps(60)) for name in "ab"]
    other = pod("q", "a", labels={"app": "other"})
    objects = behind_gke(pods, other, workload("DaemonSet"))
    phases = phases_of(forecast(objects, Drain(("a",), by)))
    found = phases and phases.hand_off and phases.hand_off.ends
    assert (found[0].found.verdict.value if found else None) == verdict
    assert [end.with_node for end in found or ()] == [False] * len(found or ())
    if by is By.KARPENTER:
        everywhere = forecast(objects, Drain(("a", "b"), by))
        assert because(everywhere).startswith("no other node that gets traffic has a pod meanwhile")


def test_what_is_gone_already_does_not_end_again() -> None:
    found = forecast(behind_gke(TWO_AND_TWO, *deployment(3)), Drain(("a",)), Drain(("a",)))
    assert [end.change for end in ends(found).ends] == ["drain node a"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([Drain(("a",)), Drain(("b",))], id="drained before"),
        pytest.param([Scale(DEPLOYMENT, 1), Drain(("b",))], id="that may be gone"),
    ],
)
def test_the_last_node_with_a_pod_after_an_earlier_change(changes: list[Change]) -> None:
    """The replacement of the pod on node a may be pending, or node a may have lost its pod to the scale-in."""
    pods = [pod("p1", "a", **sleeps(60)), pod("p2", "b", **sleeps(60))]
    found = forecast([*NODES, service(), endpoints(pods), *pods, *alb(), *deployment(2)], *changes)
    assert summary(found) == ("Lossy", (15, None), ("b",))
    assert because(found).startswith("no other node that gets traffic has a pod")


def test_a_service_that_is_not_local_is_left_out() -> None:
    found = forecast(behind_gke(TWO_AND_TWO, *deployment(3)), Policy(WEB, "Cluster"), Drain(("a",)))
    phases = phases_of(found)
    assert phases is not None
    assert phases.hand_off is None


def test_nodes_without_traffic_and_endpoints_without_a_pod_do_not_count() -> None:
    excluded = "node.kubernetes.io/exclude-from-external-load-balancers"
    objects = behind_gke([*TWO_AND_TWO, pod("p4", "c", **sleeps(1))], *deployment(4))
    objects[2] = {**objects[2], "metadata": {**objects[2]["metadata"], "labels": {excluded: ""}}}
    phases = phases_of(forecast(objects, Drain(("c",))))
    assert phases is None or phases.hand_off is None
    objects = behind_gke(TWO_AND_TWO, *deployment(3))
    objects[4]["endpoints"].append({"addresses": ["10.9.9.9"], "conditions": {"ready": True}, "nodeName": "a"})
    phases = phases_of(forecast(objects, Drain(("a",))))
    assert phases is None or phases.hand_off is None


def test_a_budget_that_lets_one_go_at_a_time_ends_all_of_them() -> None:
    pods = [pod("p1", "a", **sleeps(14)), pod("p2", "a", **sleeps(14)), pod("p3", "b", **sleeps(14))]
    found = forecast(behind_gke(pods, *deployment(3), budget(1)), Drain(("a",)))
    assert summary(found) == ("Seamless", None, ("a",))


def test_a_consumer_that_sends_to_no_node_has_no_hand_off() -> None:
    pods = [pod("p1", "a"), pod("p2", "b")]
    objects = [*NODES, service(), endpoints(pods), *pods, *alb(**{f"{ALB}target-type": "ip"}), *deployment(2)]
    phases = phases_of(forecast(objects, Drain(("a",))))
    assert phases is None or phases.hand_off is None


def test_the_exposure_of_nodes_that_no_pod_left() -> None:
    """A target set that grows makes other nodes uncovered: what counts is how soon the load balancer notices."""
    label = {"alb.ingress.kubernetes.io/target-node-labels": "kubernetes.io/hostname=a"}
    pods = [pod("p1", "a", **sleeps(60)), pod("p2", "b", **sleeps(60))]
    narrow = service()
    narrow["metadata"]["annotations"] = label
    objects = [*NODES, narrow, endpoints(pods), *pods, *alb(), *deployment(2)]
    wide = service()
    wide["metadata"]["annotations"] = dict.fromkeys(label)
    apply = Apply([Manifest(SERVICE, wide)], "f")
    changes: list[Change] = [apply, Drain(("a",))]
    phases = phases_of(forecast(objects, *changes))
    assert isinstance(phases, Phases)
    assert phases.service == Key("shop", "web")
    assert phases.exposure == (0, 35)


KUBE_PROXY, CILIUM = KnownDataPlane(DataPlane.KUBE_PROXY), KnownDataPlane(DataPlane.CILIUM)


@pytest.mark.parametrize(
    ("planes", "expected"),
    [
        pytest.param([KUBE_PROXY], True, id="kube-proxy"),
        pytest.param([KUBE_PROXY, CILIUM], True, id="Cilium, by default"),
        pytest.param(
            [replace(CILIUM, settings=(("enable-k8s-terminating-endpoint", "false"),))],
            False,
            id="Cilium without it",
        ),
        pytest.param(
            [KUBE_PROXY, replace(CILIUM, settings=(("enable-k8s-terminating-endpoint", "false"),))],
            False,
            id="Cilium without it, on some nodes",
        ),
        pytest.param([KUBE_PROXY, KnownDataPlane(DataPlane.ANTREA)], None, id="another data plane"),
    ],
)
def test_which_data_planes_forward_to_terminating_pods(
    planes: list[KnownDataPlane], expected: bool | None
) -> None:
    groups = tuple(PlaneGroup(plane, 1 << number) for number, plane in enumerate(planes))
    assert forwards_to_terminating(NodePlanes(groups)) is expected


def test_a_rollout_that_moves_the_only_pod_is_reported_though_as_many_nodes_are_covered() -> None:
    """The default strategy, one replica: the new pod is ready before the old one ends. It may run on another node,
    where the load balancer does not see it soon enough."""
    pods = [pod("p1", "a", **sleeps(60))]
    found = forecast([*NODES, service(), endpoints(pods), *pods, *alb(), *deployment(1)], Rollout(DEPLOYMENT))
    phases = phases_of(found)
    assert phases is not None
    assert not phases.changes
    assert summary(found) == ("Unknown", (0, None), ("a",))
    assert "a new pod may serve on the node before" in because(found)
    assert "minReadySeconds is 0" in because(found)
    assert phases.exposure is None
    assert not phases.reaches(Outcome.TargetsUnhealthy), "the outcome is that of before"


def test_a_rollout_whose_new_pod_must_start_on_the_same_node_hands_nothing_off() -> None:
    found = rolled([pod("p1", "a", **sleeps(60))], nodeSelector={HOSTNAME: "a"})
    assert phases_of(found) is None
    found = rolled([pod("p1", "a"), pod("p2", "b", **sleeps(60))], nodeSelector={HOSTNAME: "a"})
    assert summary(found) == ("Lossy", (15, 35), ("b",)), "node b loses its pod for sure"


def test_a_rollout_whose_new_pod_cannot_start_beside_the_old_one_loses_requests() -> None:
    port: Json = sleeps(30)
    port["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80}]
    assert summary(rolled([pod("p1", "a", **port)], **port)) == ("Lossy", (15, None), ("a",))
    pods = [pod("p1", "a", **port), pod("p2", "b", **port)]
    assert summary(rolled(pods, **port)) == ("Lossy", (0, None), ("a", "b")), "a second one may, after the end"


def test_a_rollout_whose_new_pods_do_not_serve_the_service_replaces_nothing() -> None:
    """Another Service selects the new version. New pods on node a do not keep it."""
    first = {**APP, "version": "1"}
    pods = [pod("p1", "a", labels=first, **sleeps(30)), pod("p2", "b", labels=first, **sleeps(30))]
    template: Json = {"metadata": {"labels": first}, "spec": {"containers": [{"name": "c"}]}}
    old = service(selector=first)
    objects = [*NODES, old, endpoints(pods), *pods, *alb(), *deployment(2, template=template)]
    for only in ({}, {"nodeSelector": {HOSTNAME: "a"}}):
        next_template = {"metadata": {"labels": {**APP, "version": "2"}}, "spec": {**template["spec"], **only}}
        kinds = {kind.name: kind for kind in CONTROLLER_KINDS}
        manifest = Manifest(kinds["Deployment"], deployment(2, template=next_template)[0])
        found = forecast(objects, Apply([manifest], "f"))
        assert summary(found) == ("Lossy", (15, None), ("a", "b"))
        assert "no other node that gets traffic has a pod meanwhile" in because(found)


def test_a_rollout_over_several_nodes_is_bounded_by_the_health_check() -> None:
    found = rolled([pod("p1", "a"), pod("p2", "b"), pod("p3", "c")], min_ready_seconds=35)
    assert summary(found) == ("Unknown", (0, 35), ("a", "b", "c"))


def test_a_daemonset_that_replaces_its_pods_in_place_may_lose_nothing_for_long() -> None:
    pods = [pod(f"d{name}", name, owner="DaemonSet/web") for name in "ab"]
    objects = [*NODES, service(), endpoints(pods), *pods, *alb(), workload("DaemonSet", minReadySeconds=35)]
    assert summary(forecast(objects, Rollout(Workload("DaemonSet", WEB)))) == ("Lossy", (0, 35), ("a", "b"))


def test_a_rollout_that_moves_the_only_pod_without_a_loss_has_no_exposure() -> None:
    pods = [pod("p1", "a", **sleeps(14))]
    objects = behind_gke(pods, *deployment(1))
    for each in objects:
        if each["kind"] == "Deployment":
            each["spec"]["minReadySeconds"] = 60
    phases = phases_of(forecast(objects, Rollout(DEPLOYMENT)))
    assert phases is not None
    assert (phases.changes, phases.exposure) == (False, (0, 0))


def test_a_service_that_is_removed_has_no_exposure() -> None:
    pods = [pod("p1", "a", **sleeps(60)), pod("p2", "b", **sleeps(60))]
    found = forecast([*NODES, service(), endpoints(pods), *pods, *alb(), *deployment(2)], Drain(("a",)))
    phases = phases_of(found)
    assert phases is not None
    assert exposure(phases, picture_of(NODES)[0]) is None


def test_endpoints_that_get_no_traffic_have_no_host() -> None:
    ready, unready = pod("p1", "a"), pod("p2", "b", ready=False)
    ending = pod("p3", "c", deleting=True)
    slice_ = endpoints([ready, unready, ending])
    slice_["endpoints"] += [
        {"addresses": ["10.9.9.9"], "nodeName": "a", "targetRef": {"kind": "VirtualMachine", "name": "v"}},
        {"addresses": ["10.9.9.8"]},
    ]
    picture, _ = picture_of([*NODES, service(), slice_])
    hosts, fixed = hosts_of(WEB, picture)
    assert hosts == {Key("shop", "p1"): "a", Key("shop", "p3"): "c"}
    assert fixed == {"a"}
