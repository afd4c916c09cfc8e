"""How each controller takes the labels of the nodes that it targets."""

from __future__ import annotations

import pytest

from etpguard.foresight.changes import Refused, TargetNodes
from etpguard.foresight.effects.target_nodes import labels
from tests.foresight.clusters import (
    HOSTNAME,
    WEB,
    Json,
    alb,
    deployment,
    endpoints,
    forecast,
    node,
    pod,
    seen,
    service,
)

NODES = [node("a"), node("b"), node("c")]
TWO = (pod("p1", "a"), pod("p2", "b"))
LBC = "service.k8s.aws/nlb"
COVERED = "Covered .. Covered | Covered .. Covered"


def balanced(nodes: list[Json] = NODES, **meta: object) -> list[Json]:
    """A LoadBalancer Service with an address."""
    made = service(type="LoadBalancer", healthCheckNodePort=32000, loadBalancerClass=meta.pop("of", None))
    made["metadata"].update(meta)
    made["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]}}
    return [*nodes, made, endpoints(TWO), *TWO, *deployment(2)]


def binding(target_type: str) -> Json:
    return {
        "apiVersion": "elbv2.k8s.aws/v1beta1",
        "kind": "TargetGroupBinding",
        "metadata": {"name": "tgb", "namespace": "shop"},
        "spec": {
            "serviceRef": {"name": "web", "port": "http"},
            "targetGroupARN": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/x/1",
            "targetType": target_type,
        },
    }


HCLOUD = [{**each, "spec": {"providerID": f"hcloud://{number}"}} for number, each in enumerate(NODES)]


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([*NODES, service(), endpoints(TWO), *TWO, *alb(), *deployment(2)], id="Ingress of the ALB"),
        pytest.param(balanced(of=LBC), id="Service of the NLB"),
        pytest.param(
            [*NODES, service(), endpoints(TWO), *TWO, *deployment(2), binding("instance")], id="TargetGroupBinding"
        ),
        pytest.param(
            balanced(HCLOUD, annotations={"load-balancer.hetzner.cloud/location": "fsn1"}), id="Hetzner Cloud"
        ),
    ],
)
def test_the_nodes_of_the_pods_become_the_only_targets(objects: list[Json]) -> None:
    nodes_of_pods = [
        {**each, "metadata": {**each["metadata"], "labels": {**each["metadata"]["labels"], "pool": "web"}}}
        if each["kind"] == "Node" and each["metadata"]["name"] in ("a", "b")
        else each
        for each in objects
    ]
    assert seen(forecast(nodes_of_pods, TargetNodes(WEB, "pool=web"))).endswith(COVERED)


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        pytest.param(
            [*NODES, service(), endpoints(TWO), *TWO, *deployment(2)], "knows no node selector", id="no consumer"
        ),
        pytest.param(
            [*NODES, service("Cluster"), endpoints(TWO), *TWO, *alb()], "its policy is not Local", id="Cluster"
        ),
        pytest.param(
            balanced([{**each, "spec": {"providerID": f"azure://{n}"}} for n, each in enumerate(NODES)]),
            r"Service shop/web \(.*\): etpguard knows no node selector of it",
            id="Azure has none",
        ),
        pytest.param(
            [*NODES, service(), endpoints(TWO), *TWO, *alb(**{"alb.ingress.kubernetes.io/target-type": "ip"})],
            "knows no node selector",
            id="pods are the targets",
        ),
    ],
)
def test_what_has_no_node_selector_is_refused(objects: list[Json], words: str) -> None:
    with pytest.raises(Refused, match=words):
        forecast(objects, TargetNodes(WEB, f"{HOSTNAME}=a"))


def test_the_form_of_the_selector() -> None:
    assert labels("a=b, c=") == {"a": "b", "c": ""}
    for bad in ("a", "=b", "a in (b)", ""):
        with pytest.raises(Refused, match="is not LABEL=VALUE"):
            labels(bad)
