"""Annotations that are close to one that decides, and are none."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.clouds import oci
from tests.assess.consumers.worlds import endpoints, nodes, service, world

OPENSTACK = "loadbalancer.openstack.org/"


@pytest.mark.parametrize(
    ("scheme", "key", "meant"),
    [
        ("openstack", f"{OPENSTACK}enable-healthmonitor", f"{OPENSTACK}enable-health-monitor"),
        ("openstack", f"{OPENSTACK}enable_health_monitor", f"{OPENSTACK}enable-health-monitor"),
        ("openstack", f"{OPENSTACK}node-selectors", f"{OPENSTACK}node-selector"),
        ("oci", "oci.oraclecloud.com/node-labels-selector", oci.LB_SELECTOR),
        ("oci", "oci.oraclecloud.com/loadbalancer-type", oci.TYPE),
        (
            "ibm",
            "service.kubernetes.io/ibm-load-balancer-cloud-provider-vpc-node-selectors",
            "service.kubernetes.io/ibm-load-balancer-cloud-provider-vpc-node-selector",
        ),
        (
            "qcloud",
            "service.kubernetes.io/local-svc-only-bind-nodes-with-pod",
            "service.kubernetes.io/local-svc-only-bind-node-with-pod",
        ),
    ],
)
def test_a_near_miss_is_named(scheme: str, key: str, meant: str) -> None:
    advice = world(service(annotations={key: "true"}), endpoints("a"), *nodes(scheme)).advice()
    assert any(f"does not read {key}. If {meant} is meant" in each for each in advice)


@pytest.mark.parametrize(
    ("scheme", "key"),
    [
        *(
            ("openstack", f"{OPENSTACK}{name}")
            for name in (
                "class",
                "enable-health-monitor",
                "health-monitor-delay",
                "health-monitor-timeout",
                "load-balancer-id",
                "network-id",
                "subnet-id",
                "timeout-client-data",
            )
        ),
        ("oci", "oci.oraclecloud.com/loadbalancer-policy"),
        ("oci", "oci-network-load-balancer.oraclecloud.com/internal"),
        ("ibm", "service.kubernetes.io/ibm-load-balancer-cloud-provider-vpc-subnets"),
        ("ibm", "service.kubernetes.io/ibm-load-balancer-cloud-provider-vpc-lb-name"),
        ("", "service.beta.kubernetes.io/osc-load-balancer-healthcheck-timeout"),
        ("", "service.beta.kubernetes.io/osc-load-balancer-healthcheck-interval"),
        ("qcloud", "service.kubernetes.io/qcloud-loadbalancer-internal-subnetid"),
        ("openstack", "example.com/enable-healthmonitor"),
    ],
)
def test_what_the_controller_reads_is_not(scheme: str, key: str) -> None:
    made = world(service(annotations={key: "x"}), endpoints("a"), *nodes(scheme))
    assert not any("spelling" in each for each in made.advice())


def test_thousands_of_annotations_cost_little() -> None:
    many = {f"{OPENSTACK}node-selecto{i}": "x" for i in range(5000)} | {f"{OPENSTACK}{'x' * 9000}": "x"}
    advice = world(service(annotations=many), endpoints("a"), *nodes("openstack")).advice()
    assert 0 < sum("spelling" in each for each in advice) <= 50


def test_the_selector_of_the_other_type_has_no_effect() -> None:
    """oci-cloud-controller-manager 1100ac3 load_balancer.go:502-509."""
    wrong = service(annotations={oci.TYPE: "nlb", oci.LB_SELECTOR: "a=b"})
    advice = world(wrong, endpoints("a"), *nodes("oci")).advice()
    assert f"reads {oci.NLB_SELECTOR}" in advice[0]
