"""Each way out as documents, and the outcome that they promise."""

from __future__ import annotations

import pytest

from etpguard.assess import Engine, Outcome
from etpguard.assess.consumers.changes import Change, annotated, create
from etpguard.assess.consumers.consumer import Advice
from etpguard.foresight.patches.ways import ways
from etpguard.foresight.world import World
from etpguard.objects import SERVICE, Key
from tests.foresight.clusters import (
    WEB,
    Json,
    alb,
    deployment,
    endpoints,
    picture_of,
    service,
    workload,
)
from tests.foresight.given_ways import after, way, ways_of
from tests.foresight.patch_cases import ALB, BASE, CASES, NODES, POD, load_balancer


@pytest.mark.parametrize(("objects", "title", "promised"), CASES)
def test_the_documents_lead_to_the_promised_outcome(objects: list[Json], title: str, promised: Outcome) -> None:
    found = way(objects, title)
    assert found.documents
    assert after(objects, [each.content for each in found.documents]) is promised


def test_a_patch_names_its_object_and_its_command() -> None:
    (document,) = way(ALB, "Let every node forward").documents
    assert document.content == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"externalTrafficPolicy": "Cluster"},
    }
    assert document.command == "kubectl -n shop patch service web --patch-file=FILE"


def test_a_workload_that_is_not_known_gives_no_document() -> None:
    without = [each for each in ALB if each["kind"] not in ("Deployment", "ReplicaSet")]
    found = way(without, "Run a ready pod")
    assert found.documents == ()
    assert found.notes == ("no workload has pods that the selector of Service shop/web selects",)


def test_workloads_that_were_not_read_leave_a_note() -> None:
    found = [w for w in ways_of(ALB, unread=["statefulsets"]) if w.advice.title.startswith("Run a ready pod")]
    assert found[0].documents
    assert found[0].notes == ("statefulsets were not read (forbidden), so another workload may be behind it too",)


def test_a_workload_that_has_the_settings() -> None:
    hook = {"lifecycle": {"preStop": {"sleep": {"seconds": 100}}}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", **hook}]}}
    made = [*NODES, service(), endpoints([POD]), POD, *alb()]
    ready = workload("Deployment", "web", 1, template=template, minReadySeconds=60)
    found = way([*made, ready, deployment(1)[1]], "Leave it as it is")
    assert found.documents == ()
    assert "Ingress shop/web checks the traffic port, which a preStop delay does not help" in found.notes
    for value, note in (("false", "has these settings already"), ("true", "resets open connections")):
        cuts = f"target_health_state.unhealthy.connection_termination.enabled={value}"
        attributes = {"service.beta.kubernetes.io/aws-load-balancer-target-group-attributes": cuts}
        nlb = [each for each in load_balancer(attributes) if each["kind"] != "Deployment"]
        (only,) = way([*nlb, ready], "Leave it as it is").notes
        assert note in only


def test_labels_that_people_must_set_first_are_no_patch() -> None:
    found = way(ALB, "Or target only the nodes of the pods")
    assert found.documents == ()
    assert found.notes == ("it is no patch of one object; `etpguard explain` shows its commands",)


def test_advice_to_look_is_no_change() -> None:
    found = way(BASE, "Find out who sends traffic")
    assert found.notes == ("it is no change of an object; `etpguard explain` says what to look at",)


HELM = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "edge"}
NGINX = {**HELM, "helm.sh/chart": "ingress-nginx-4.15.1", "app.kubernetes.io/component": "controller"}


def managed(
    labels: Json, objects: list[Json] = ALB, kinds: tuple[str, ...] = ("Service", "Deployment")
) -> list[Json]:
    return [
        {**each, "metadata": {**each["metadata"], "labels": labels}} if each["kind"] in kinds else each
        for each in objects
    ]


def test_helm_values_for_a_known_chart() -> None:
    found = way(managed(NGINX), "Run a ready pod")
    (document,) = found.documents
    assert document.values
    assert document.command.startswith("helm -n shop upgrade edge ingress-nginx ")
    assert document.content["controller"]["replicaCount"] == 3
    (policy,) = way(managed(NGINX), "Let every node forward").documents
    assert policy.content == {"controller": {"service": {"externalTrafficPolicy": "Cluster"}}}


def test_the_constraints_of_other_keys_stay_in_helm_values() -> None:
    zones = {"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
    spec = {
        "containers": [{"name": "c"}],
        "topologySpreadConstraints": [zones, {"topologyKey": "kubernetes.io/hostname"}],
    }
    made = workload("Deployment", "web", 1, template={"metadata": {"labels": {"app": "web"}}, "spec": spec})
    objects = managed(NGINX, [*NODES, service(), endpoints([POD]), POD, made, deployment(1)[1], *alb()])
    (document,) = way(objects, "Run a ready pod").documents
    constraints = document.content["controller"]["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in constraints] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]


@pytest.mark.parametrize("title", ["Run a ready pod", "Let every node forward"])
def test_an_unknown_chart_gets_the_plain_patch(title: str) -> None:
    found = way(managed({**HELM, "helm.sh/chart": "web-1.0.0"}), title)
    (document,) = found.documents
    assert not document.values
    (note,) = found.notes
    assert "(chart web-1.0.0): its next upgrade may undo the patch" in note


def test_an_internal_service_of_a_chart_has_other_values() -> None:
    objects = managed(NGINX, ALB, ("Service",))
    renamed = [
        {**each, "metadata": {**each["metadata"], "name": "web-internal"}} if each["kind"] == "Service" else each
        for each in objects
    ]
    slice_ = endpoints([POD], "web-internal")
    made = [*(each for each in renamed if each["kind"] != "EndpointSlice"), slice_]
    found = ways_of(made, Key("shop", "web-internal"))
    assert not any(document.values for each in found for document in each.documents)


def test_a_release_without_a_name() -> None:
    labels = {k: v for k, v in NGINX.items() if k != "app.kubernetes.io/instance"}
    assert way(managed(labels), "Run a ready pod").notes == (
        "the name of its Helm release is not known: put it in place of RELEASE",
    )


def test_proxies_of_envoy_gateway_show_it_by_their_pods() -> None:
    labels = {"app": "web", "app.kubernetes.io/managed-by": "envoy-gateway"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "envoy"}]}}
    made = workload("Deployment", "web", 1, template=template)
    found = way([*NODES, service(), endpoints([POD]), POD, made, deployment(1)[1], *alb()], "Run a ready pod")
    (document,) = found.documents
    assert document.content["config"]["envoyGateway"]["envoyProxy"]["provider"]["kubernetes"]["envoyDeployment"]
    assert any("EnvoyProxy" in note for note in found.notes)


def commands(change: Change, *objects: Json) -> list[str]:
    """The commands of a way with this change."""
    picture, families = picture_of([*ALB, *objects])
    engine = Engine(picture, families)
    engine.refresh_all()
    found = picture.get(SERVICE, WEB)
    assert found is not None
    (made,) = ways(found, engine.assessments[WEB], [Advice("Do it", change=change)], World(picture, engine))
    return [document.command for document in made.documents]


def test_a_service_that_was_not_read_gets_the_plain_patch() -> None:
    change = annotated("Service", Key("shop", "other"), {"a": "b"}).change
    assert commands(change) == ["kubectl -n shop patch service other --patch-file=FILE"]


def test_an_object_that_exists_is_patched_and_a_new_one_applied() -> None:
    configuration: Json = {
        "apiVersion": "gateway.k8s.aws/v1beta1",
        "kind": "TargetGroupConfiguration",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"targetReference": {"name": "web"}, "defaultConfiguration": {"targetType": "ip"}},
    }
    change = create(configuration).change
    assert commands(change) == ["kubectl apply -f FILE"]
    patch = "kubectl -n shop patch targetgroupconfiguration web --type=merge --patch-file=FILE"
    assert commands(change, configuration) == [patch]
    thing = {**configuration, "apiVersion": "example.com/v1"}
    assert commands(create(thing).change) == ["kubectl apply -f FILE"]
