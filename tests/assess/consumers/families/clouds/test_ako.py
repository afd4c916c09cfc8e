"""AKO: load-balancer-and-ingress-services-for-kubernetes ba495be internal/nodes/avi_model_l4_translator.go."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.families.clouds.ako import NODE_PORT_LOCAL
from etpguard.assess.consumers.shared.ingresses import AKO
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.worlds import (
    Json,
    endpoints,
    ingress,
    ingress_class,
    node,
    nodes,
    not_ready,
    seen,
    service,
    world,
)

EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


def behind_an_ingress(subject: Json, *more: Json) -> list[Json]:
    members = more or (endpoints("a"),)
    return [subject, ingress(class_name="avi"), ingress_class("avi", AKO), *members, *nodes("vsphere")]


def test_a_node_port_service_is_reached_on_the_nodes_of_its_pods() -> None:
    """462: under Local a node without an endpoint is no pool member."""
    made = world(*behind_an_ingress(service(type="NodePort"))).consumer()
    assert (made.outcome.name, made.consumer.evidence) == ("Covered", Evidence.ASSUMED)
    assert "1.14.1 or later" in made.consumer.assumptions[0]
    assert "follow the pods" in made.consumer.source


def test_a_pod_that_is_not_ready_counts_as_well() -> None:
    """503 checkIfEndpointSliceExistsForNode reads no conditions, and how Avi checks is not known."""
    made = world(*behind_an_ingress(service(type="NodePort"), endpoints("a"), not_ready("b")))
    verdict = made.consumer()
    assert (verdict.outcome.name, made.names(verdict.uncovered)) == ("Unknown", "b")


def test_readiness_and_labels_of_nodes_do_not_count() -> None:
    a = node("a", "vsphere://a", ready="False", labels={EXCLUDE: "true"})
    objects = [service(type="NodePort"), ingress(class_name="avi"), ingress_class("avi", AKO), endpoints("a"), a]
    assert seen(*objects, *nodes("vsphere", "b"))[:3] == ("Covered", "Covered", "a")


def test_no_node_with_an_endpoint_is_not_known_to_be_a_loss() -> None:
    """It may send to pods."""
    objects = behind_an_ingress(service(type="NodePort"), endpoints("z"))
    assert seen(*objects)[:2] == ("Unknown", "ServiceTypeNotKnown")


def test_no_endpoint_at_all() -> None:
    assert seen(*behind_an_ingress(service(type="NodePort"), endpoints())).outcome == "NoEndpoints"


@pytest.mark.parametrize("type_", ["NodePort", "LoadBalancer"])
def test_node_port_local_sends_to_pods(type_: str) -> None:
    subject = service(type=type_, annotations={NODE_PORT_LOCAL: "true"}, loadBalancerClass=None)
    found = [v for v in world(*behind_an_ingress(subject)).assessment.consumers if v.consumer.kind == "Ingress"]
    assert [v.outcome.name for v in found] == ["NotAffected"]


def test_the_class_is_known_by_its_usual_name() -> None:
    objects = [service(type="NodePort"), ingress(class_name="avi-lb"), endpoints("a"), *nodes("vsphere")]
    assert world(*objects).consumer().consumer.controller == AKO


def test_a_port_that_the_service_lacks() -> None:
    objects = [service(type="NodePort"), ingress(class_name="avi-lb", to_port={"number": 99}), endpoints("a")]
    (found,) = world(*objects, *nodes("vsphere")).assessment.consumers
    assert (found.outcome.name, found.reason.code) == ("Unknown", "PortNotFound")


def of_class(**fields: Any) -> Json:
    return service(loadBalancerClass=AKO, **fields)


@pytest.mark.parametrize(
    ("subject", "on", "expected"),
    [
        pytest.param(of_class(), "a", ("Unknown", "ServiceTypeNotKnown"), id="serviceType is not shown"),
        pytest.param(of_class(), "abc", ("Covered", "Covered"), id="all branches agree"),
        pytest.param(
            of_class(annotations={NODE_PORT_LOCAL: "true"}), "a", ("NotAffected", "TargetsPods"), id="annotated"
        ),
    ],
)
def test_a_service_of_its_class(subject: Json, on: str, expected: tuple[str, str]) -> None:
    assert seen(subject, endpoints(*on), *nodes("vsphere"))[:2] == expected


def test_reason_states_all_branches_and_advice_says_where_to_look() -> None:
    made = world(of_class(), endpoints("a"), *nodes("vsphere"))
    assert "With ClusterIP or NodePortLocal, AKO sends to pods" in made.consumer().reason.detail
    assert "Earlier versions then send to all nodes" in made.consumer().reason.detail
    assert "avi-k8s-config" in made.advice()[0]
    assert "all nodes as targets instead of those with pods" in made.advice()[-1]
