"""Ingress controllers that run as pods send to endpoints, past the policy."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.in_cluster_proxies import CONTROLLERS, NODE_PORT_LB
from tests.assess.consumers.worlds import (
    Json,
    Seen,
    endpoints,
    ingress,
    ingress_class,
    nodes,
    seen,
    service,
    world,
)

BACKEND = service(type="NodePort")


@pytest.mark.parametrize(
    "controller",
    [
        "k8s.io/ingress-nginx",
        "k8s.io/internal-ingress-nginx",
        "k8s.io/ingress-nginx-internal",
        "nginx.org/ingress-controller",
        "traefik.io/ingress-controller",
        "haproxy-ingress.github.io/controller",
        "haproxy.org/ingress-controller/haproxy",
        "projectcontour.io/ingress-controller",
        "istio.io/ingress-controller",
        "ingress-controllers.konghq.com/kong",
        "cilium.io/ingress-controller",
        "openshift.io/ingress-to-route",
        "apisix.apache.org/apisix-ingress",
    ],
)
def test_its_backends_are_pods(controller: str) -> None:
    objects = [BACKEND, endpoints("a"), ingress(class_name="inside"), ingress_class("inside", controller)]
    assert seen(*objects, *nodes("")) == Seen("NotAffected", "TargetsPods", "", "")


@pytest.mark.parametrize("controller", ["example.com/ingress-nginx", "k8s.io/nginx", "k8s.io/ingress-gce"])
def test_the_name_of_ingress_nginx_counts_under_its_own_domain_alone(controller: str) -> None:
    objects = [BACKEND, endpoints("a"), ingress(class_name="inside"), ingress_class("inside", controller)]
    assert seen(*objects, *nodes("")).reason == "ControllerNotModelled"


def test_it_does_not_show_who_uses_the_node_port() -> None:
    made = world(BACKEND, endpoints("a"), ingress(class_name="nginx"), *nodes(""))
    assert made.consumer().consumer.incidental
    assert (made.assessment.outcome.name, made.assessment.reason.code) == ("Uncovered", "NoKnownConsumer")


@pytest.mark.parametrize("name", ["nginx", "traefik", "haproxy", "contour", "istio", "kong", "apisix", "cilium"])
def test_an_absent_class_is_known_by_its_usual_name(name: str) -> None:
    found = world(BACKEND, endpoints("a"), ingress(class_name=name), *nodes("")).consumer()
    assert found.outcome.name == "NotAffected"
    assert f"there is no IngressClass {name}" in found.consumer.source


def test_a_port_that_the_service_lacks_is_the_proxys_own_trouble() -> None:
    lacking = ingress(class_name="nginx", to_port={"number": 9999})
    made = world(BACKEND, endpoints("a"), lacking, *nodes(""))
    assert made.assessment.consumers[0].outcome.name == "NotAffected"


@pytest.mark.parametrize(
    ("subject", "class_name", "expected"),
    [
        pytest.param(
            service(type="NodePort", annotations={NODE_PORT_LB: "true"}),
            "traefik",
            Seen("Blackhole", "Blackhole", "abc", "bc"),
            id="sends to the node port of every node, unchecked",
        ),
        pytest.param(
            service(annotations={NODE_PORT_LB: "true"}, loadBalancerClass="none"),
            "traefik",
            Seen("NotAffected", "TargetsPods", "", ""),
            id="only for a NodePort",
        ),
        pytest.param(
            service(type="NodePort", annotations={NODE_PORT_LB: "false"}),
            "traefik",
            Seen("NotAffected", "TargetsPods", "", ""),
            id="refused",
        ),
        pytest.param(
            service(type="NodePort", annotations={NODE_PORT_LB: "1"}),
            "traefik",
            Seen("Blackhole", "Blackhole", "abc", "bc"),
            id="any value that ParseBool takes as true",
        ),
        pytest.param(
            service(type="NodePort", annotations={"traefik.ingress.kubernetes.io/service.nodePortLB": "true"}),
            "traefik",
            Seen("Blackhole", "Blackhole", "abc", "bc"),
            id="the name in any case",
        ),
        pytest.param(
            service(type="NodePort", annotations={"Traefik.ingress.kubernetes.io/service.nodeportlb": "true"}),
            "traefik",
            Seen("NotAffected", "TargetsPods", "", ""),
            id="annotations.go: the prefix as it is",
        ),
        pytest.param(
            service(type="NodePort", annotations={NODE_PORT_LB: "tRUE"}),
            "traefik",
            Seen("NotAffected", "TargetsPods", "", ""),
            id="no boolean",
        ),
        pytest.param(
            service(type="NodePort", annotations={NODE_PORT_LB: "true"}),
            "nginx",
            Seen("NotAffected", "TargetsPods", "", ""),
            id="no other controller's annotation",
        ),
    ],
)
def test_traefik_node_port_lb(subject: Json, class_name: str, expected: Seen) -> None:
    made = world(subject, endpoints("a"), ingress(class_name=class_name), *nodes(""))
    (verdict,) = [v for v in made.assessment.consumers if v.consumer.kind == "Ingress"]
    found = Seen(
        verdict.outcome.name, verdict.reason.code, made.names(verdict.eligible), made.names(verdict.uncovered)
    )
    assert found == expected


@pytest.mark.parametrize("key", [NODE_PORT_LB, "traefik.ingress.kubernetes.io/service.nodePortLB"])
def test_advice_takes_traefiks_annotation_away(key: str) -> None:
    subject = service(type="NodePort", annotations={key: "true"})
    advice = world(subject, endpoints("a"), ingress(class_name="traefik"), *nodes("")).advice()
    assert advice[0].endswith(f"kubectl -n shop annotate service web {key}-")


def test_the_controllers_are_sorted_and_distinct() -> None:
    assert list(CONTROLLERS) == sorted(set(CONTROLLERS))
