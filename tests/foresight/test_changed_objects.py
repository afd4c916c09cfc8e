"""A changed annotation of the AWS controller takes its bindings out of the picture, and an undone trial leaves no
trace."""

from __future__ import annotations

import pytest

from etpguard.assess import Engine, Outcome
from etpguard.foresight.apply import applied_documents
from etpguard.foresight.changed_objects import Trial
from etpguard.foresight.changes import TargetNodes
from etpguard.foresight.world import World
from etpguard.objects.aws import TARGET_GROUP_BINDING
from tests.foresight.clusters import (
    APP,
    WEB,
    Json,
    alb,
    deployment,
    endpoints,
    forecast,
    node,
    picture_of,
    pod,
    seen,
    service,
    workload,
)
from tests.foresight.given_ways import after, ways_of

EDGE = {"pool": "edge"}
NODES = [node("a", labels=EDGE), node("b", labels=EDGE), node("c")]
PODS = [pod("p1", "a"), pod("p2", "b")]
OF_INGRESS = {"ingress.k8s.aws/stack-namespace": "shop", "ingress.k8s.aws/stack-name": "web"}
OF_GROUP = {"ingress.k8s.aws/stack": "team"}
OF_ANOTHER = {"ingress.k8s.aws/stack-namespace": "shop", "ingress.k8s.aws/stack-name": "other"}
OF_NLB = {"service.k8s.aws/stack-namespace": "shop", "service.k8s.aws/stack-name": "web"}
OF_GATEWAY = {"gateway.k8s.aws.alb/stack-namespace": "shop", "gateway.k8s.aws.alb/stack-name": "gw"}
KEY = "alb.ingress.kubernetes.io/target-node-labels"


def binding(labels: Json | None, service_name: str = "web") -> Json:
    return {
        "apiVersion": "elbv2.k8s.aws/v1beta1",
        "kind": "TargetGroupBinding",
        "metadata": {"name": "tgb", "namespace": "shop", "labels": labels},
        "spec": {
            "serviceRef": {"name": service_name, "port": "http"},
            "targetGroupARN": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/x/1",
            "targetType": "instance",
        },
    }


def cluster(bound: Json) -> list[Json]:
    spec = {"containers": [{"name": "c"}], "nodeSelector": EDGE}
    made = workload("Deployment", "web", 2, template={"metadata": {"labels": APP}, "spec": spec})
    return [*NODES, service(), endpoints(PODS), *PODS, made, deployment(2)[1], *alb(), bound]


def changed(kind: str, annotations: Json) -> Json:
    version = "v1" if kind == "Service" else "networking.k8s.io/v1"
    metadata = {"name": "web", "namespace": "shop", "annotations": annotations}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


@pytest.mark.parametrize(
    ("bound", "document", "stays"),
    [
        pytest.param(binding(OF_INGRESS), changed("Service", {KEY: "a=b"}), False, id="the Service"),
        pytest.param(binding(OF_INGRESS), changed("Ingress", {KEY: "a=b"}), False, id="the Ingress"),
        pytest.param(binding(OF_GROUP), changed("Ingress", {KEY: "a=b"}), False, id="a group of Ingresses"),
        pytest.param(binding(OF_ANOTHER, "x"), changed("Ingress", {KEY: "a=b"}), True, id="another Ingress"),
        pytest.param(
            binding(OF_NLB, "x"), changed("Service", {KEY: "a=b"}), False, id="an NLB with a weighted Service"
        ),
        pytest.param(binding(OF_GATEWAY), changed("Service", {KEY: "a=b"}), True, id="a Gateway"),
        pytest.param(binding(None), changed("Service", {KEY: "a=b"}), True, id="a person"),
        pytest.param(binding(OF_INGRESS), changed("Service", {"team": "x"}), True, id="another annotation"),
    ],
)
def test_the_bindings_that_the_controller_writes_again(bound: Json, document: Json, stays: bool) -> None:
    picture, families = picture_of(cluster(bound))
    engine = Engine(picture, families)
    engine.refresh_all()
    before = engine.assessments[WEB]
    trial = Trial(World(picture, engine), applied_documents([document], picture))
    assert bool(len(picture.store(TARGET_GROUP_BINDING))) is stays
    trial.undo()
    assert len(picture.store(TARGET_GROUP_BINDING)) == 1
    now = engine.assessments[WEB]
    assert (now.outcome, now.eligible, now.uncovered) == (before.outcome, before.eligible, before.uncovered)


def test_an_object_that_a_trial_makes_is_gone_afterwards() -> None:
    picture, families = picture_of([*NODES, service(), endpoints(PODS), *alb()])
    engine = Engine(picture, families)
    engine.refresh_all()
    trial = Trial(World(picture, engine), applied_documents([binding(None)], picture))
    assert len(picture.store(TARGET_GROUP_BINDING)) == 1
    trial.undo()
    assert len(picture.store(TARGET_GROUP_BINDING)) == 0


def test_a_picture_without_the_kind() -> None:
    from etpguard.assess.consumers.families.k3s_servicelb import K3sServiceLB

    picture, families = picture_of([*NODES, service(), endpoints(PODS)], families=[K3sServiceLB()])
    engine = Engine(picture, families)
    engine.refresh_all()
    trial = Trial(World(picture, engine), applied_documents([changed("Service", {KEY: "a=b"})], picture))
    trial.undo()


def test_a_label_and_pod_targets_count_where_bindings_exist() -> None:
    objects = cluster(binding(OF_INGRESS))
    assert seen(forecast(objects, TargetNodes(WEB, "pool=edge"))).endswith(
        "Covered .. Covered | Covered .. Covered"
    )
    ways = {way.advice.title: way for way in ways_of(objects)}
    label = ways["Target only the nodes with the label pool=edge"]
    assert after(objects, [each.content for each in label.documents]) is Outcome.Covered
    pods = ways["Target the pods"]
    assert after(objects, [each.content for each in pods.documents]) is Outcome.NotAffected
