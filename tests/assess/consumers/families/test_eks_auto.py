"""EKS Auto Mode is an implementation of its own, which nobody can read."""

from __future__ import annotations

import pytest

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

AUTO = {"eks.amazonaws.com/compute-type": "auto"}
NLB_TYPE = "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type"
ALB_TYPE = "alb.ingress.kubernetes.io/target-type"
EXTERNAL = {"service.beta.kubernetes.io/aws-load-balancer-type": "external", NLB_TYPE: "instance"}
PODS = Seen("NotAffected", "TargetsPods", "", "")
AUTO_INSTANCES = service(loadBalancerClass="eks.amazonaws.com/nlb", annotations={NLB_TYPE: "instance"})
CLASS_WITH_PARAMETERS = ingress_class("auto", "eks.amazonaws.com/alb")
CLASS_WITH_PARAMETERS["spec"]["parameters"] = {
    "apiGroup": "eks.amazonaws.com",
    "kind": "IngressClassParams",
    "name": "auto",
}
UNKNOWN = Seen("Unknown", "ControllerNotModelled", "abc", "bc")


@pytest.mark.parametrize(
    ("objects", "labels", "expected"),
    [
        pytest.param(
            [
                service(type="NodePort"),
                ingress(class_name="auto", annotations={ALB_TYPE: "instance"}),
                ingress_class("auto", "eks.amazonaws.com/alb"),
            ],
            {},
            UNKNOWN,
            id="controller eks.amazonaws.com/alb",
        ),
        pytest.param(
            [service(type="NodePort"), ingress(class_name="auto"), CLASS_WITH_PARAMETERS],
            {},
            UNKNOWN,
            id="IngressClassParams may set the target type",
        ),
        pytest.param([AUTO_INSTANCES], {}, UNKNOWN, id="class eks.amazonaws.com/nlb"),
        pytest.param([service()], AUTO, UNKNOWN, id="no class, on nodes of Auto Mode"),
    ],
)
def test_unknown_unless_covered(objects: list[Json], labels: dict[str, str], expected: Seen) -> None:
    members = nodes("aws", labels=labels)
    assert seen(*objects, endpoints("a"), *members) == expected
    assert seen(*objects, endpoints("a", "b", "c"), *members).outcome == "Covered"


def test_no_class_and_no_auto_mode_is_the_cloud_providers() -> None:
    assert world(service(), endpoints("a"), *nodes("aws")).consumer().consumer.family == "aws-cloud-provider"


def test_an_annotation_for_the_load_balancer_controller_is_not_auto_modes() -> None:
    marked = service(annotations=EXTERNAL, in_cluster=True)
    made = world(marked, endpoints("a"), *nodes("aws", labels=AUTO))
    assert not any(v.consumer.family == "eks-auto" for v in made.assessment.consumers)


def test_auto_mode_sets_its_class_on_a_new_service_whatever_its_annotations_are() -> None:
    """EKS User Guide, auto-configure-nlb: "automatically set as the cluster default"."""
    members = nodes("aws", labels=AUTO)
    manifest = service(annotations=EXTERNAL)
    assert seen(manifest, endpoints("a"), *members) == UNKNOWN
    assert seen(manifest, endpoints("a"), *nodes("aws")).outcome == "TargetsUnhealthy"
    live = service(annotations=EXTERNAL, ingress=[{"hostname": "k8s-a-1.elb.eu-west-1.amazonaws.com"}])
    assert seen(live, endpoints("a"), *members).outcome == "TargetsUnhealthy"


@pytest.mark.parametrize(
    ("hostname", "family"),
    [
        ("a1b2-123.eu-west-1.elb.amazonaws.com", "aws-cloud-provider"),
        ("a1b2-123.cn-north-1.elb.amazonaws.com.cn", "aws-cloud-provider"),
        ("k8s-a-1.elb.eu-west-1.amazonaws.com", "eks-auto"),
    ],
)
def test_a_classic_load_balancer_is_never_auto_modes(hostname: str, family: str) -> None:
    """Of a Service that is older than Auto Mode, or that became a load balancer by an edit:
    aws-load-balancer-controller #4468."""
    objects = [service(ingress=[{"hostname": hostname}]), endpoints("a"), *nodes("aws", labels=AUTO)]
    assert world(*objects).consumer().consumer.family == family
    expected = "TargetsUnhealthy" if family == "aws-cloud-provider" else "Unknown"
    assert seen(*objects).outcome == expected


def test_advice_moves_to_pods() -> None:
    advice = world(AUTO_INSTANCES, endpoints("a"), *nodes("aws")).advice()
    assert "aws-load-balancer-nlb-target-type=ip" in advice[0]
    assert "requests may be lost until their targets are registered and healthy" in advice[0]


@pytest.mark.parametrize(
    ("written", "expected"),
    [pytest.param("ip", PODS, id="pods"), pytest.param("instance", UNKNOWN, id="instance is not modelled")],
)
def test_a_target_type_that_is_written_down(written: str, expected: Seen) -> None:
    """EKS User Guide, Auto Mode."""
    load_balancer = service(loadBalancerClass="eks.amazonaws.com/nlb", annotations={NLB_TYPE: written})
    assert seen(load_balancer, endpoints("a"), *nodes("aws")) == expected
    classed = ingress_class("auto", "eks.amazonaws.com/alb")
    by_ingress = ingress(class_name="auto", annotations={ALB_TYPE: written})
    assert seen(service(type="NodePort"), by_ingress, classed, endpoints("a"), *nodes("aws")) == expected


def test_the_services_target_type_goes_before_the_ingresss() -> None:
    subject = service(type="NodePort", annotations={ALB_TYPE: "instance"})
    behind = [
        ingress(class_name="auto", annotations={ALB_TYPE: "ip"}),
        ingress_class("auto", "eks.amazonaws.com/alb"),
    ]
    assert seen(subject, *behind, endpoints("a"), *nodes("aws")) == UNKNOWN


def test_pods_are_the_targets_by_default() -> None:
    """EKS User Guide, latest/ug/automode/auto-networking.adoc, auto-lb-consider."""
    said = "pods are the default targets of EKS Auto Mode (EKS User Guide)"
    of_class = [service(loadBalancerClass="eks.amazonaws.com/nlb"), endpoints("a"), *nodes("aws")]
    assert seen(*of_class) == PODS
    consumer = world(*of_class).consumer().consumer
    assert (consumer.target_type, consumer.evidence.value) == ("ip", "documented")
    assert consumer.source.endswith(f"; {said}")
    behind = [
        service(type="NodePort"),
        ingress(class_name="auto"),
        ingress_class("auto", "eks.amazonaws.com/alb"),
        endpoints("a"),
        *nodes("aws"),
    ]
    assert seen(*behind) == PODS
    assert world(*behind).consumer().consumer.source == said


def test_by_its_nodes_alone_it_is_assumed() -> None:
    consumer = world(service(), endpoints("a"), *nodes("aws", labels=AUTO)).consumer().consumer
    assert consumer.evidence.value == "assumed"
    assert "EKS Auto Mode" in consumer.assumptions[0]
