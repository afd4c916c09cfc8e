"""What a way out changes in the workload."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets, PodTargets
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.probe import AnswersEverywhere, HealthCheckNodePort, OwnNodePort, Probe
from etpguard.foresight.detection import NotKnown, Timing
from etpguard.foresight.patches.behind import Behind, behind
from etpguard.foresight.patches.charts import ENVOY_GATEWAY, workload_values
from etpguard.foresight.patches.ways import node_sites
from etpguard.foresight.patches.workload_patch import WorkloadPatch, hand_over, spread, tolerate
from etpguard.foresight.pod_ending.hand_off import Seam, hand_off
from etpguard.foresight.pod_ending.pod_end import serving_window
from etpguard.objects import SERVICE
from tests.foresight.clusters import APP, WEB, Json, deployment, node, picture_of, service, workload

TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
NODES = [node("cp", taints=[TAINT]), node("a"), node("b"), node("c")]
CONSTRAINT = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "DoNotSchedule",
    "nodeTaintsPolicy": "Honor",
    "matchLabelKeys": ["pod-template-hash"],
    "labelSelector": {"matchLabels": APP},
}


def templated(kind: str = "Deployment", replicas: int | None = 1, *, pod: Json | None = None, **spec: Any) -> Json:
    containers = {"containers": [{"name": "c"}], **(pod or {})}
    template = {"metadata": {"labels": spec.pop("labels", APP)}, "spec": containers}
    return workload(kind, "web", replicas, template=template, **spec)


def place(*objects: Json, uncovered: tuple[str, ...] = ("b", "c"), nodes: list[Json] = NODES) -> WorkloadPatch:
    picture, _ = picture_of([service(), *nodes, *objects])
    return spread(_behind(*objects), node_sites(picture), uncovered)


def _behind(*objects: Json) -> Behind:
    picture, _ = picture_of([service(), *objects])
    made = picture.get(SERVICE, WEB)
    assert made is not None
    found = behind(made, picture)
    assert isinstance(found, Behind), found
    return found


def test_a_deployment_gets_a_replica_for_each_node_that_admits_its_pods() -> None:
    patch = place(*deployment(1))
    assert patch.spec("Deployment") == {
        "replicas": 3,
        "template": {"spec": {"topologySpreadConstraints": [CONSTRAINT]}},
    }
    assert patch.effect == (
        "Deployment shop/web has 3 replicas instead of 1, and spreads its pods over the 3 nodes that admit them."
    )
    assert patch.notes == ()


def test_replicas_are_not_reduced() -> None:
    patch = place(*deployment(5))
    assert patch.replicas is None
    assert "instead of" not in patch.effect


def test_a_node_that_admits_no_pod_of_it_stays_uncovered() -> None:
    assert place(*deployment(1), uncovered=("cp", "b")).notes == (
        "node cp admits none of its pods (taints, nodeSelector, affinity) and stays uncovered",
    )
    many = [node(f"t{n}", taints=[TAINT]) for n in range(6)]
    (note,) = place(*deployment(1), uncovered=tuple(f"t{n}" for n in range(6)), nodes=[*many, *NODES]).notes
    assert "nodes t0, t1, t2, t3, t4 and 1 more admit none" in note


def test_no_node_admits_its_pods() -> None:
    patch = place(templated(pod={"nodeSelector": {"disk": "ssd"}}))
    assert (patch.empty, patch.notes) == (True, ("no node admits its pods",))


def test_an_autoscaler_keeps_its_replicas() -> None:
    autoscaler: Json = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "hpa", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    }
    patch = place(*deployment(1), autoscaler)
    assert patch.replicas is None
    assert patch.notes == (
        "HorizontalPodAutoscaler shop/hpa sets the replicas: its minReplicas must be 3 or more",
    )


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param({"hostNetwork": True}, id="host network"),
        pytest.param({"containers": [{"name": "c", "ports": [{"hostPort": 80}]}]}, id="host port"),
    ],
)
def test_a_host_port_leaves_no_room_for_a_surge(pod: Json) -> None:
    spec = place(templated(pod=pod)).spec("Deployment")
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def test_a_stateful_set_has_another_label_of_its_revision() -> None:
    patch = place(templated("StatefulSet"))
    assert patch.constraint is not None
    assert patch.constraint["matchLabelKeys"] == ["controller-revision-hash"]


def test_a_selector_without_labels() -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    patch = place(templated(selector=selector))
    assert patch.notes == ("the selector of Deployment shop/web has no matchLabels",)


def test_a_daemon_set_tolerates_the_taints() -> None:
    tolerations = [{"key": "gone", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]
    patch = place(templated("DaemonSet", None, pod={"tolerations": tolerations}), uncovered=("cp",))
    added = {"key": TAINT["key"], "operator": "Exists", "effect": "NoSchedule"}
    assert patch.spec("DaemonSet") == {"template": {"spec": {"tolerations": [*tolerations, added]}}}
    assert patch.effect.startswith("DaemonSet shop/web tolerates node-role.kubernetes.io/control-plane:NoSchedule")


@pytest.mark.parametrize(
    "uncovered",
    [
        pytest.param(node("b"), id="any node"),
        pytest.param(node("b", unschedulable=True), id="a cordoned node"),
        pytest.param(
            node("b", taints=[{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]),
            id="a taint that its controller tolerates",
        ),
    ],
)
def test_a_daemon_set_that_is_on_all_nodes(uncovered: Json) -> None:
    patch = place(templated("DaemonSet", None), uncovered=("b",), nodes=[node("a"), uncovered])
    assert patch.notes == (
        "DaemonSet shop/web runs a pod on each of these nodes: find out why it is not Ready there",
    )


def test_a_daemon_set_that_does_not_select_the_node() -> None:
    patch = place(templated("DaemonSet", None, pod={"nodeSelector": {"disk": "ssd"}}), uncovered=("b",))
    assert (patch.empty, patch.notes) == (
        True,
        ("the nodeSelector or the affinity of DaemonSet shop/web excludes node b",),
    )


def consumer(probe: Probe, kind: str = "Service") -> Consumer:
    targets = NodeTargets(NodeRule(), HealthCheck(probe))
    return Consumer(kind, "shop", "web", "x", "", "http", targets)


HCNP = HealthCheckNodePort()
SLOW = Timing((5, 10), unanswered=0, starts=10)


def late(found: Behind, *consumers: Consumer) -> Json:
    return hand_over(found, [(each, SLOW) for each in consumers]).spec(found.workload.kind)


NGINX = "registry.k8s.io/ingress-nginx/controller:v1.15.1"


def hooked(hook: Json | None = None, grace: int | None = None, name: str = "c", image: str = NGINX) -> Behind:
    container: Json = {"name": name, "image": image, **({"lifecycle": {"preStop": hook}} if hook else {})}
    pod: Json = {"containers": [container]}
    if grace is not None:
        pod["terminationGracePeriodSeconds"] = grace
    return _behind(templated(pod=pod))


def with_hook(hook: Json, grace: int, name: str = "c") -> Json:
    container = {"name": name, "lifecycle": {"preStop": hook}}
    pod = {"terminationGracePeriodSeconds": grace, "containers": [container]}
    return {"minReadySeconds": 10, "template": {"spec": pod}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(hooked(), with_hook({"sleep": {"seconds": 15}}, 45), id="no hook, the default grace period"),
        pytest.param(
            hooked({"exec": {"command": ["/wait-shutdown"]}}, 300),
            with_hook({"exec": None, "sleep": {"seconds": 15}}, 315),
            id="the command of ingress-nginx gives way",
        ),
        pytest.param(
            hooked({"sleep": {"seconds": 5}}, 30),
            with_hook({"sleep": {"seconds": 15}}, 40),
            id="a short sleep: the drain time stays",
        ),
        pytest.param(
            hooked({"sleep": {"seconds": 20}}), {"minReadySeconds": 10}, id="a sleep that is long enough"
        ),
    ],
)
def test_pods_serve_until_the_load_balancer_has_stopped(found: Behind, expected: Json) -> None:
    assert late(found, consumer(HCNP)) == expected


SHELL = ["/bin/sh", "-c", "sleep 270; /wait-shutdown"]


@pytest.mark.parametrize(
    ("hook", "image"),
    [
        pytest.param({"exec": {"command": ["sh", "-c", "sleep 60"]}}, "shop/web:1", id="a command"),
        pytest.param({"exec": {"command": ["/wait-shutdown"]}}, "shop/web:1", id="that of another program"),
        pytest.param({"exec": {"command": SHELL}}, NGINX, id="another command of ingress-nginx"),
        pytest.param({"httpGet": {"path": "/drain", "port": 80}}, "shop/web:1", id="a request"),
        pytest.param({"httpGet": {"path": "/", "port": 80}}, NGINX, id="a request to ingress-nginx"),
    ],
)
def test_a_hook_whose_effect_is_not_known_is_kept(hook: Json, image: str) -> None:
    """A sleep of 15 s in place of one of 60 s would end the program sooner, and a graceful quit would be gone."""
    patch = hand_over(hooked(hook, image=image), [(consumer(HCNP), SLOW)])
    assert patch.spec("Deployment") == {"minReadySeconds": 10}
    assert patch.notes == (
        "container c has a preStop hook, which is kept, so no delay is set: let the hook last 15 s before the "
        "program ends, within terminationGracePeriodSeconds",
    )


def test_only_containers_with_a_port_get_a_hook() -> None:
    containers = [{"name": "c", "ports": [{"containerPort": 80}]}, {"name": "sidecar"}]
    spec = late(_behind(templated(pod={"containers": containers})), consumer(HCNP))
    assert [each["name"] for each in spec["template"]["spec"]["containers"]] == ["c"]


def test_containers_that_make_the_pod_unready_get_the_hook_too() -> None:
    """And one that serves something else gets none."""
    containers = [
        {"name": "c", "ports": [{"containerPort": 8080}]},
        {"name": "exporter", "ports": [{"containerPort": 9113}]},
        {"name": "probed", "readinessProbe": {"periodSeconds": 5}},
    ]
    found = _behind(templated(pod={"containers": containers}))
    spec = hand_over(found, [(consumer(HCNP), SLOW)], ports={8080}).spec("Deployment")
    assert [each["name"] for each in spec["template"]["spec"]["containers"]] == ["c", "probed"]


@pytest.mark.parametrize(
    "labels",
    [{**APP, "app.kubernetes.io/name": "contour"}, {"app": "envoy"}],
    ids=["of the chart", "of the manifests"],
)
def test_contour_delays_its_shutdown_manager(labels: Json) -> None:
    containers = [{"name": "shutdown-manager"}, {"name": "envoy", "ports": [{"containerPort": 80}]}]
    pod = {"containers": containers, "terminationGracePeriodSeconds": 300}
    daemon_set = templated("DaemonSet", None, pod=pod, labels=labels)
    made = service(selector=labels)
    picture, _ = picture_of([made, daemon_set])
    known = picture.get(SERVICE, WEB)
    assert known is not None
    found = behind(known, picture)
    assert isinstance(found, Behind)
    hook = {"exec": {"command": ["contour", "envoy", "shutdown", "--drain-delay=15s"]}}
    assert late(found, consumer(HCNP)) == with_hook(hook, 315, "shutdown-manager")


def envoy(command: list[str], labels: Json) -> Behind:
    containers = [
        {"name": "shutdown-manager", "lifecycle": {"preStop": {"exec": {"command": command}}}},
        {"name": "envoy", "ports": [{"containerPort": 80}], "lifecycle": {"preStop": {"httpGet": {"path": "/"}}}},
    ]
    deployment = templated(pod={"containers": containers, "terminationGracePeriodSeconds": 300}, labels=labels)
    picture, _ = picture_of([service(selector=labels), deployment])
    known = picture.get(SERVICE, WEB)
    assert known is not None
    found = behind(known, picture)
    assert isinstance(found, Behind)
    return found


def verdict_of(found: Behind) -> Seam:
    template = found.controller.template
    assert template.spec is not None
    window = serving_window(template.spec, template.labels)
    return hand_off(consumer(HCNP), SLOW, window, forwards_to_terminating=True).verdict


def test_the_remedy_of_contour_is_seen() -> None:
    labels = {**APP, "app.kubernetes.io/name": "contour", "app.kubernetes.io/component": "envoy"}
    before = envoy(["contour", "envoy", "shutdown", "--drain-delay=5s"], labels)
    assert verdict_of(before) is not Seam.SEAMLESS
    spec = late(before, consumer(HCNP))["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 310
    (manager,) = spec["containers"]
    after = envoy(manager["lifecycle"]["preStop"]["exec"]["command"], labels)
    assert verdict_of(after) is Seam.SEAMLESS
    assert late(after, consumer(HCNP)) == {"minReadySeconds": 10}, "no second delay"


def test_the_remedy_of_envoy_gateway_is_seen() -> None:
    labels = {**APP, "app.kubernetes.io/managed-by": "envoy-gateway"}
    before = envoy(["envoy-gateway", "envoy", "shutdown"], labels)
    assert verdict_of(before) is not Seam.SEAMLESS
    patch = hand_over(before, [(consumer(HCNP), SLOW)])
    assert patch.notes == ("no value sets minReadySeconds: let a patch in the EnvoyProxy set it to 10",)
    values = workload_values(ENVOY_GATEWAY, patch, [])
    assert values is not None
    assert values["config"]["envoyGateway"]["envoyProxy"] == {
        "shutdown": {"healthCheckFailureDelay": "15s", "minDrainDuration": "15s", "drainTimeout": "75s"}
    }
    flags = ["--health-check-failure-delay=15s", "--drain-timeout=75s", "--min-drain-duration=15s"]
    after = envoy(["envoy-gateway", "envoy", "shutdown", *flags], labels)
    assert verdict_of(after) is Seam.SEAMLESS
    assert hand_over(after, [(consumer(HCNP), SLOW)]).empty


def test_a_shutdown_manager_of_another_project_is_a_container_like_any() -> None:
    containers = [{"name": "shutdown-manager"}]
    spec = late(_behind(templated(pod={"containers": containers})), consumer(HCNP))
    assert spec["template"]["spec"]["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 15}}}


def test_a_check_of_the_traffic_port_gets_no_delay() -> None:
    patch = hand_over(hooked(), [(consumer(OwnNodePort("http"), kind="Ingress"), SLOW)])
    assert patch.spec("Deployment") == {"minReadySeconds": 10}
    assert patch.notes == ("Ingress shop/web checks the traffic port, which a preStop delay does not help",)


def test_a_check_that_passes_until_a_pod_has_ended_gets_no_delay() -> None:
    patch = hand_over(hooked(), [(consumer(HCNP), SLOW)], publishes=True)
    assert patch.spec("Deployment") == {"minReadySeconds": 10}
    assert patch.notes == (
        "no delay is set for Service shop/web: the Service has publishNotReadyAddresses, with which "
        "healthCheckNodePort may pass until a pod has ended",
    )


def test_a_check_that_passes_everywhere_gets_no_delay() -> None:
    patch = hand_over(hooked(), [(consumer(AnswersEverywhere()), SLOW)])
    assert (patch.spec("Deployment"), patch.notes) == ({"minReadySeconds": 10}, ())


def test_what_has_no_known_timing_or_no_node() -> None:
    pods = Consumer("Service", "shop", "web", "x", "ip", "http", PodTargets())
    patch = hand_over(hooked(), [(consumer(HCNP), NotKnown("nobody knows")), (pods, SLOW)])
    assert (patch.empty, patch.effect) == (True, "")
    assert patch.notes == ("no delay is set for Service shop/web: nobody knows",)


def test_a_reset_of_open_connections_is_a_note() -> None:
    timing = Timing((5, 10), unanswered=0, starts=10, cuts="the attribute")
    patch = hand_over(hooked(), [(consumer(HCNP), timing)])
    assert patch.notes == (
        "Service shop/web resets open connections when its health check has failed: set the attribute to false",
    )


def test_a_lag_and_a_start_that_are_not_known() -> None:
    patch = hand_over(hooked(), [(consumer(HCNP), Timing((5, 10), unanswered=0, starts=None, lag_known=False))])
    assert patch.min_ready is None
    assert patch.notes == ("how long Service shop/web sends on after its health check has failed is not known",)


def test_containers_without_a_name() -> None:
    patch = hand_over(hooked(name=""), [(consumer(HCNP), SLOW)])
    assert patch.spec("Deployment") == {"minReadySeconds": 10}
    assert patch.notes == ("the names of its containers are not known, so no preStop delay is set",)


def test_a_workload_that_waits_already() -> None:
    found = _behind(
        templated(
            minReadySeconds=60,
            pod={"containers": [{"name": "c", "lifecycle": {"preStop": {"sleep": {"seconds": 60}}}}]},
        )
    )
    assert hand_over(found, [(consumer(HCNP), SLOW)]).empty


def test_the_strategy_of_a_daemon_set_has_another_name() -> None:
    assert WorkloadPatch(strategy={"type": "OnDelete"}).spec("DaemonSet") == {
        "updateStrategy": {"type": "OnDelete"}
    }


def test_tolerations_are_added_to_those_that_a_daemon_set_has() -> None:
    own = {"key": "own", "operator": "Exists"}
    agent = templated("DaemonSet", None, pod={"tolerations": [own]})
    picture, _ = picture_of([service(), *NODES, agent])
    patch = tolerate(_behind(agent), node_sites(picture), ("cp", "gone"))
    added = {"key": TAINT["key"], "operator": "Exists", "effect": TAINT["effect"]}
    assert patch.spec("DaemonSet") == {"template": {"spec": {"tolerations": [own, added]}}}


def test_no_toleration_helps_a_node_that_already_admits_the_pods() -> None:
    agent = templated("DaemonSet", None)
    picture, _ = picture_of([service(), *NODES, agent])
    patch = tolerate(_behind(agent), node_sites(picture), ("a",))
    assert patch.empty
    assert "find out why it is not Ready there" in patch.notes[0]
