"""`what-if apply`: objects as they will be, and what becomes of their Services."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.foresight.apply import kinds_by_name, merged
from etpguard.foresight.changes import Apply, Change, Drain, Manifest, Policy, Refused, Scale, Workload
from etpguard.foresight.stored_services import as_stored
from etpguard.objects import SERVICE, AnyKind, Key, Reject, Service, decode_item
from etpguard.objects.pod_controllers import WORKLOAD_KINDS, PodController
from tests.foresight.clusters import (
    APP,
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
    seen,
    service,
    workload,
)

KINDS: dict[str, AnyKind] = {kind.name: kind for kind in (SERVICE, *WORKLOAD_KINDS)}
NODES = [node("a"), node("b"), node("c")]
NEW_TEMPLATE = {"metadata": {"labels": {**APP, "version": "2"}}}
TWO = (pod("p1", "a"), pod("p2", "b"))


def cluster(*objects: Json, pods: tuple[Json, ...] = TWO) -> list[Json]:
    return [*NODES, service(), endpoints(pods), *pods, *alb(), *(objects or deployment(len(pods)))]


def apply(*manifests: Json) -> Apply:
    return Apply([Manifest(KINDS[each["kind"]], each) for each in manifests], "file.yaml")


def decoded(manifest: Json) -> Service:
    record = decode_item(SERVICE, manifest)
    assert isinstance(record, Service)
    return record


def of_image(image: str) -> Json:
    return {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "c", "image": image}]}}


def known(kind_name: str, manifest: Json) -> PodController:
    record = decode_item(KINDS[kind_name], manifest)
    assert isinstance(record, PodController)
    return record


def test_a_manifest_leaves_what_it_does_not_name() -> None:
    before = decode_item(SERVICE, service())
    assert isinstance(before, Service)
    ports = [{"port": 443, "nodePort": 30443}, {"port": 80, "protocol": "TCP"}]
    manifest = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": ports}}
    after = merged(SERVICE, manifest, before)
    assert isinstance(after, Service)
    assert after.type == "NodePort"
    assert after.spec.selector == APP
    assert [(port.port, port.node_port, port.name) for port in after.spec.ports or ()] == [
        (443, 30443, None),
        (80, 30080, "http"),
    ], "port 80 keeps the fields that the manifest leaves out, and port 443 is new"


def test_a_manifest_of_a_new_object_is_the_object() -> None:
    after = merged(SERVICE, service(name="new"), None)
    assert isinstance(after, Service)
    assert after.key.name == "new"


def test_a_container_is_merged_by_its_name() -> None:
    kind = KINDS["Deployment"]
    before = known("Deployment", deployment(1)[0])
    template = {"spec": {"containers": [{"name": "c", "image": "web:2"}, {"name": "sidecar"}], "nodeName": None}}
    manifest = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"template": template}}
    after = merged(kind, manifest, before)
    assert isinstance(after, PodController)
    assert after.replicas == 1
    assert [each.name for each in (after.template.spec and after.template.spec.containers) or ()] == [
        "c",
        "sidecar",
    ]
    assert after.template.labels == APP


def test_a_port_of_a_container_is_merged_by_its_number() -> None:
    ports = [{"name": "http", "containerPort": 80}, {"name": "tls", "containerPort": 443, "hostPort": 443}]
    template = {"metadata": {"labels": APP}, "spec": {"containers": [{"name": "c", "ports": ports}]}}
    manifest = workload("Deployment", "web", 1, template=template)
    before = known("Deployment", manifest)
    assert merged(KINDS["Deployment"], manifest, before) == before, "nothing changes"


def test_a_malformed_manifest_is_a_reject() -> None:
    assert isinstance(merged(SERVICE, {"metadata": {"name": "web"}, "spec": {"ports": "none"}}, None), Reject)


@pytest.mark.parametrize(
    ("objects", "manifests", "expected"),
    [
        pytest.param(
            cluster(),
            [service("Cluster")],
            "TargetsUnhealthy | NotAffected .. NotAffected | NotAffected .. NotAffected",
            id="a Service that turns to Cluster",
        ),
        pytest.param(
            cluster(),
            [service(selector={"app": "other"})],
            "TargetsUnhealthy | NoEndpoints .. NoEndpoints | NoEndpoints .. NoEndpoints",
            id="a Service whose selector selects no pod",
        ),
        pytest.param(
            cluster(pods=(*TWO, pod("p3", "c", phase="Succeeded"), pod("p4", "c", ready=False))),
            [service(selector={**APP, "tier": "web"})],
            "TargetsUnhealthy | NoEndpoints .. NoEndpoints | NoEndpoints .. NoEndpoints",
            id="a Service that demands one more label",
        ),
        pytest.param(
            [*NODES, service(selector={"app": "old"}), *TWO, pod("p3", "c", ready=False), *alb(), *deployment(2)],
            [service()],
            "Unknown | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy",
            id="a Service that now selects the pods, and has no EndpointSlice yet",
        ),
        pytest.param(cluster(), [service(selector=None)], "unchanged", id="a Service without a selector"),
        pytest.param(
            cluster(),
            [workload("Deployment", replicas=0)],
            "TargetsUnhealthy | NoEndpoints .. NoEndpoints | NoEndpoints .. NoEndpoints",
            id="a Deployment with fewer replicas",
        ),
        pytest.param(
            cluster(),
            [workload("Deployment", "more", 1)],
            "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. Covered",
            id="a new Deployment behind the Service",
        ),
        pytest.param(
            cluster(),
            [workload("DaemonSet", "more")],
            "TargetsUnhealthy | TargetsUnhealthy .. TargetsUnhealthy | TargetsUnhealthy .. Covered",
            id="a new DaemonSet",
        ),
        pytest.param(
            cluster(*deployment(2, strategy={"type": "Recreate"})),
            [workload("Deployment", replicas=2, template=NEW_TEMPLATE, strategy={"type": "Recreate"})],
            "TargetsUnhealthy | NoEndpoints .. TargetsUnhealthy | NoEndpoints .. TargetsUnhealthy",
            id="a new template is a rollout",
        ),
        pytest.param(
            cluster(*deployment(2, template=of_image("web:1"), strategy={"type": "Recreate"})),
            [workload("Deployment", replicas=2, template=of_image("web:2"), strategy={"type": "Recreate"})],
            "TargetsUnhealthy | NoEndpoints .. TargetsUnhealthy | NoEndpoints .. TargetsUnhealthy",
            id="a new image is a rollout",
        ),
    ],
)
def test_phases(objects: list[Json], manifests: list[Json], expected: str) -> None:
    assert seen(forecast(objects, apply(*manifests))) == expected


def autoscaler(least: int, kind: str = "Deployment", name: str = "web") -> Json:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"minReplicas": least, "maxReplicas": 5, "scaleTargetRef": {"kind": kind, "name": name}},
    }


@pytest.mark.parametrize(
    ("manifests", "expected", "warning"),
    [
        pytest.param([autoscaler(3)], "TargetsUnhealthy .. Covered", "at 3 replicas, not 2", id="more than now"),
        pytest.param([autoscaler(1)], "", "", id="the present number is within the limits"),
        pytest.param(
            [workload("Deployment", replicas=1), autoscaler(3)],
            "TargetsUnhealthy .. Covered",
            "at 3 replicas, not 1",
            id="more than the manifest of the Deployment",
        ),
        pytest.param(
            [workload("Deployment", "more"), autoscaler(2, name="more")],
            "TargetsUnhealthy .. Covered",
            "at 2 replicas, not 1",
            id="of a new Deployment",
        ),
        pytest.param([autoscaler(3, name="gone")], "", "there is no Deployment shop/gone", id="of no workload"),
        pytest.param([autoscaler(3, "Rollout")], "", "etpguard does not read this kind", id="of a kind"),
    ],
)
def test_an_autoscaler_scales_its_workload(manifests: list[Json], expected: str, warning: str) -> None:
    found = forecast(cluster(), apply(*manifests))
    assert seen(found).endswith(expected or "unchanged")
    assert [warning in each for each in found.warnings] == [True] * bool(warning)


def test_an_applied_budget_may_let_all_pods_go_at_once() -> None:
    everything = budget(2, spec={"maxUnavailable": "100%"})
    del everything["status"]
    phases = phases_of(forecast(cluster(), apply(everything), Drain(("a", "b"))))
    assert phases is not None
    assert phases.during.worst.outcome is Outcome.NoEndpoints
    assert phases.during.best.outcome is Outcome.TargetsUnhealthy


def test_a_new_workload_is_not_larger_than_a_cluster() -> None:
    with pytest.raises(Refused, match="no cluster has 2000000000 pods"):
        forecast(cluster(), apply(workload("Deployment", "more", 2_000_000_000)))


def test_a_workload_that_no_rollout_reaches_is_a_warning() -> None:
    objects = cluster(*deployment(2, paused=True))
    changed = workload("Deployment", replicas=2, paused=True, template=NEW_TEMPLATE)
    found = forecast(objects, apply(changed))
    assert found.warnings == ["Deployment shop/web is paused: no rollout runs"]
    assert phases_of(found) is None


def test_without_pods_the_endpoints_of_a_new_selector_are_not_known() -> None:
    found = forecast(cluster(), apply(service(selector={"app": "other"})), unread=("pods",))
    assert found.warnings == ["Pods cannot be read, so the endpoints of Service shop/web are not known"]


def test_a_service_that_is_new() -> None:
    found = forecast(cluster(), apply(service(name="second", externalIPs=["192.0.2.1"])))
    assert phases_of(found) is None, "nothing changes for the first one"
    assert found.changes == ["apply file.yaml"]
    assert all(each.service != WEB for each in found.services)


CHART: Json = {"ports": [{"name": "http", "port": 8080}], "clusterIP": None, "clusterIPs": None}
"""What a chart leaves to the API server."""


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"type": "NodePort"}, "Uncovered", id="a node port"),
        pytest.param({"type": "LoadBalancer"}, "TargetsUnhealthy", id="a node port and a healthCheckNodePort"),
        pytest.param(
            {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}, None, id="no node port is wanted"
        ),
        pytest.param({"type": "ClusterIP"}, None, id="a type without node ports"),
    ],
)
def test_a_new_service_gets_its_ports_from_the_api_server(spec: Json, expected: str | None) -> None:
    new = service(name="new", **CHART, **spec)
    del new["metadata"]["uid"]
    found = phases_of(forecast(cluster(), apply(new)), Key("shop", "new"))
    assert (found and found.settled.worst.outcome.name) == expected


def test_a_manifest_with_an_empty_cluster_ip_keeps_the_one_that_was_allocated() -> None:
    """storage.go patchAllocatedValues."""
    live = service()
    live["spec"] |= {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"]}
    manifest = service("Cluster")
    manifest["spec"]["clusterIP"] = ""
    picture, _ = picture_of([*NODES, live])
    after = merged(SERVICE, manifest, picture.get(SERVICE, Key("shop", "web")))
    assert isinstance(after, Service)
    (stored,) = as_stored([after], picture)
    assert stored.spec.cluster_ip == "10.96.0.1"
    objects = [*NODES, live, endpoints(TWO), *TWO, *alb(), *deployment(2)]
    expected = "TargetsUnhealthy | NotAffected .. NotAffected | NotAffected .. NotAffected"
    assert seen(forecast(objects, apply(manifest))) == expected


def test_each_new_port_gets_its_own_number() -> None:
    ports = [{"name": "http", "port": 8080}, {"name": "https", "port": 8443}]
    made = [service(type="LoadBalancer", ports=ports), service(name="new", type="LoadBalancer", ports=ports)]
    picture, _ = picture_of(cluster())
    stored = as_stored([decoded(each) for each in made], picture)
    numbers = [number for each in stored for number in (each.spec.health_check_node_port, *(
        port.node_port for port in each.ports))]  # fmt: skip
    assert len(set(numbers)) == 6, "all differ"
    assert not {None, 30080} & set(numbers), "30080 is the node port of a Service that exists"


def test_a_health_check_node_port_goes_with_the_policy() -> None:
    picture, _ = picture_of([])
    given = decoded(service("Cluster", type="LoadBalancer", healthCheckNodePort=31000))
    (stored,) = as_stored([given], picture)
    assert stored.spec.health_check_node_port is None


def test_a_new_service_gets_the_pods_of_its_new_workload() -> None:
    labels = {"app": "second"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c"}]}}
    made = [
        service(name="second", selector=labels, externalIPs=["192.0.2.1"]),
        workload("Deployment", "second", 3, selector={"matchLabels": labels}, template=template),
    ]
    assert seen(forecast(cluster(), apply(*made)), Key("shop", "second")).endswith("NoEndpoints .. Covered")


def test_an_apply_leaves_what_the_changes_before_it_did() -> None:
    """The manifest says nothing about the policy and the selector, so they stay as they are by then."""
    annotated: Json = {
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {"a": "b"}},
    }
    found = forecast(cluster(), Policy(WEB, "Cluster"), apply(annotated))
    assert seen(found).endswith("NotAffected .. NotAffected")
    other = apply(service(selector={"app": "other"}))
    assert seen(forecast(cluster(), other, apply(annotated))).endswith("NoEndpoints .. NoEndpoints")


@pytest.mark.parametrize(
    "first", [apply(workload("Deployment", replicas=0)), Scale(Workload("Deployment", WEB), 0)]
)
def test_an_apply_after_a_scale(first: Change) -> None:
    """A manifest without replicas keeps the present number, and one with the former number scales back."""
    again = workload("Deployment", template=of_image("web:2"))
    assert seen(forecast(cluster(), first, apply(again))).endswith("NoEndpoints .. NoEndpoints")
    back = apply(workload("Deployment", replicas=2))
    assert seen(forecast(cluster(), first, back)).endswith("NoEndpoints .. TargetsUnhealthy")


def test_a_manifest_that_cannot_be_decoded() -> None:
    wrong = service(ports="none")
    with pytest.raises(Refused, match="ports"):
        forecast(cluster(), apply(wrong))


def test_a_service_that_begins_to_publish_pods_that_are_not_ready() -> None:
    pods = (pod("p1", "a"), pod("p2", "b", ready=False), pod("p3", "c", deleting=True))
    found = forecast(cluster(pods=pods), apply(service(publishNotReadyAddresses=True)))
    assert seen(found).endswith("| Covered .. Covered")


V1, V2 = {**APP, "version": "1"}, {**APP, "version": "2"}
BOTH = (pod("p1", "a", labels=V1), pod("p2", "b", labels=V2), pod("p3", "c", labels=V2, owner="ReplicaSet/web-2"))
OF_V1 = [*NODES, service(selector=V1), endpoints(BOTH[:1]), *BOTH, *alb(), *deployment(1)]


def test_a_later_change_sees_the_pods_of_the_new_selector() -> None:
    """The Service turns from the pod on node a to those on nodes b and c."""
    found = forecast(OF_V1, apply(service(selector=V2)), Drain(("a",)))
    phases = phases_of(found)
    assert phases is not None
    assert phases.because == ["apply file.yaml"], "the pod on node a serves it no more"
    assert phases.settled.worst.assessment is not None
    assert phases.settled.worst.assessment.uncovered == 0b001
    found = forecast(OF_V1, apply(service(selector=V2)), Drain(("b", "c")))
    phases = phases_of(found)
    assert phases is not None
    assert phases.during.worst.outcome is Outcome.NoEndpoints
    assert "pod shop/p2 is evicted from node b" in phases.because


def test_a_selector_that_is_removed_gets_no_new_pod() -> None:
    """Without a selector its endpoints stay as they are."""
    found = forecast(cluster(), apply(service(selector=None)), Scale(Workload("Deployment", WEB), 3))
    assert phases_of(found) is None


@pytest.mark.parametrize("families", [["IPv6"], ["IPv4", "IPv6"]])
def test_a_new_selector_gives_endpoints_of_each_family(families: list[str]) -> None:
    addresses = ["10.96.0.1" if each == "IPv4" else "2001:db8::1" for each in families]
    given: Json = {"ipFamilies": families, "clusterIP": addresses[0], "clusterIPs": addresses}
    before = []
    for each in families:
        slice_ = endpoints(BOTH[:1])
        slice_["addressType"] = each
        slice_["metadata"]["name"] = f"web-{each.lower()}"
        if each == "IPv6":
            slice_["endpoints"][0]["addresses"] = ["2001:db8::11"]
        before.append(slice_)
    objects = [*NODES, service(selector=V1, **given), *before, *BOTH, *deployment(1)]
    phases = phases_of(forecast(objects, apply(service(selector=V2, **given))))
    assert phases is not None
    assert (phases.now.outcome, phases.settled.worst.outcome) == (Outcome.Uncovered, Outcome.Uncovered)
    assert phases.settled.worst.assessment is not None
    assert phases.settled.worst.assessment.uncovered == 0b001, "nodes b and c have pods"
    ready = {port.family: port.ready for port in phases.settled.worst.assessment.ports}
    assert ready == dict.fromkeys(families, 0b110)


@pytest.mark.parametrize("cluster_ips", [["10.96.0.1"], ["10.96.0.1", "fd00::1"]])
def test_a_second_family_gives_every_port_and_endpoint_in_it(cluster_ips: list[str]) -> None:
    """alloc.go, "CASE C: upgraded": the API server allocates the second cluster IP, if the manifest names none."""
    live = service(ipFamilies=["IPv4"], clusterIP="10.96.0.1", clusterIPs=["10.96.0.1"])
    more: Json = {"clusterIPs": cluster_ips} if len(cluster_ips) > 1 else {}
    manifest = service(ipFamilies=["IPv4", "IPv6"], **more)
    by_hand = endpoints((*TWO, pod("p3", "c")))
    found = forecast([*NODES, live, by_hand, *TWO, *deployment(2)], apply(manifest))
    assert seen(found) == "Covered | Uncovered .. Uncovered | Uncovered .. Uncovered", "no pod on c, over IPv6"
    phases = phases_of(found)
    assert phases is not None
    assert phases.settled.worst.assessment is not None
    ready = {port.family: port.ready for port in phases.settled.worst.assessment.ports}
    assert ready == {"IPv4": 0b111, "IPv6": 0b011}
    assert found.warnings == ["the pods of Service shop/web are taken to have an IPv6 address"]


def test_a_version_with_the_same_fields_is_the_same_kind() -> None:
    kinds = kinds_by_name(picture_for(consumer_families()))
    configuration = kinds["gateway.k8s.aws/v1beta1", "LoadBalancerConfiguration"]
    assert kinds["gateway.k8s.aws/v1", "LoadBalancerConfiguration"] is configuration
