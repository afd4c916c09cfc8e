"""Annotations that look like one that the controller of a cloud reads."""

from __future__ import annotations

import pytest

from tests.assess.consumers.worlds import endpoints, nodes, service, world

HETZNER = "load-balancer.hetzner.cloud/"
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
