"""Annotations that look like one that the controller of a cloud reads."""

from __future__ import annotations

import pytest

from tests.assess.consumers.worlds import Json, endpoints, ingress, ingress_class, nodes, service, world

DO = "service.beta.kubernetes.io/do-loadbalancer-"


@pytest.mark.parametrize(
    ("cloud", "given", "meant"),
    [
        (
            "hcloud",
            "load-balancer.hetzner.cloud/healthcheck-port",
            "load-balancer.hetzner.cloud/health-check-port",
        ),
        ("hcloud", "load-balancer.hetzner.cloud/node-selectors", "load-balancer.hetzner.cloud/node-selector"),
        ("digitalocean", f"{DO}health-check-port", f"{DO}healthcheck-port"),
        (
            "scaleway",
            "service.beta.kubernetes.io/scw-loadbalancer-healthcheck-type",
            "service.beta.kubernetes.io/scw-loadbalancer-health-check-type",
        ),
        (
            "exoscale",
            "service.beta.kubernetes.io/exoscale-loadbalancer-service-health-check-mode",
            "service.beta.kubernetes.io/exoscale-loadbalancer-service-healthcheck-mode",
        ),
        (
            "cloudscale",
            "k8s.cloudscale.ch/loadbalancer-node-selecter",
            "k8s.cloudscale.ch/loadbalancer-node-selector",
        ),
    ],
)
def test_advice_names_the_annotation_that_is_meant(cloud: str, given: str, meant: str) -> None:
    advice = world(service(annotations={given: "x"}), endpoints("a"), *nodes(cloud)).advice()
    assert any(given in text and meant in text for text in advice)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("load-balancer.hetzner.cloud/location", id="a known one"),
        pytest.param("load-balancer.hetzner.cloud/zebra", id="one that resembles none"),
        pytest.param("example.com/node-selectors", id="one of somebody else"),
        pytest.param(f"load-balancer.hetzner.cloud/{'x' * 100_000}", id="a long one"),
    ],
)
def test_no_advice_about_others(given: str) -> None:
    advice = world(service(annotations={given: "x"}), endpoints("a"), *nodes("hcloud")).advice()
    assert not any("spelling" in text for text in advice)


def test_digitalocean_reads_settings_of_the_check_only_with_the_override() -> None:
    without = world(service(annotations={f"{DO}healthcheck-port": "80"}), endpoints("a"), *nodes("digitalocean"))
    assert "has no effect" in without.advice()[0]
    overridden = service(annotations={f"{DO}healthcheck-port": "80", f"{DO}override-health-check": ""})
    assert not any(
        "no effect" in text for text in world(overridden, endpoints("a"), *nodes("digitalocean")).advice()
    )


AWS, ALB = "service.beta.kubernetes.io/aws-load-balancer-", "alb.ingress.kubernetes.io/"
CLASS = ingress_class("alb", "ingress.k8s.aws/alb")
AZURE = "service.beta.kubernetes.io/azure-"


@pytest.mark.parametrize(
    ("subject", "cloud", "given", "meant"),
    [
        pytest.param(
            service(annotations={f"{AWS}type": "nlb", f"{AWS}health-check-port": "80"}),
            "aws",
            f"{AWS}health-check-port",
            f"{AWS}healthcheck-port",
            id="AWS cloud provider",
        ),
        pytest.param(
            service(loadBalancerClass="service.k8s.aws/nlb", annotations={f"{AWS}nlb-targettype": "ip"}),
            "aws",
            f"{AWS}nlb-targettype",
            f"{AWS}nlb-target-type",
            id="AWS Load Balancer Controller, NLB",
        ),
        pytest.param(
            service(annotations={f"{AZURE}load-balancer-health-probe-path": "/"}),
            "azure",
            f"{AZURE}load-balancer-health-probe-path",
            f"{AZURE}load-balancer-health-probe-request-path",
            id="Azure",
        ),
    ],
)
def test_large_clouds_too(subject: Json, cloud: str, given: str, meant: str) -> None:
    advice = world(subject, endpoints("a"), *nodes(cloud)).advice()
    assert any(f"spelling of the annotation {given}" in text and meant in text for text in advice)


def test_an_annotation_that_ends_in_a_port_number_is_known() -> None:
    subject = service(
        loadBalancerClass="service.k8s.aws/nlb",
        annotations={f"{AWS}target-group-attributes.80": "deregistration_delay.timeout_seconds=30"},
    )
    assert not any("spelling" in text for text in world(subject, endpoints("a"), *nodes("aws")).advice())


def test_annotations_of_the_service_behind_an_alb() -> None:
    subject = service(type="NodePort", annotations={f"{ALB}healthcheck-ports": "80", f"{ALB}conditions.x": "[]"})
    advice = world(subject, endpoints("a"), *nodes("aws"), CLASS, ingress(class_name="alb")).advice()
    assert [text for text in advice if "spelling" in text and f"{ALB}healthcheck-port," in text]
    assert not [text for text in advice if "conditions" in text]


def test_annotations_of_the_ingress_are_named_where_it_was_found() -> None:
    asked = {f"{ALB}targettype": "ip", f"{ALB}actions.x": "{}"}
    made = world(
        service(type="NodePort"),
        endpoints("a"),
        *nodes("aws"),
        CLASS,
        ingress(class_name="alb", annotations=asked),
    )
    source = made.consumer().consumer.source
    assert f"{ALB}targettype of Ingress shop/shop has no effect; the controller reads {ALB}target-type" in source
    assert "actions" not in source
