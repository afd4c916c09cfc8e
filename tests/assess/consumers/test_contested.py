"""Services with the marks of two load balancers: annotations of a controller in the cluster and of a cloud."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.clouds.signs import SIGNS
from tests.assess.consumers.worlds import Json, endpoints, node, nodes, service, world

ADDRESS: Json = {"ingress": [{"ip": "203.0.113.1"}]}
CLOUDS = [(signs.schemes[0], f"{signs.marks[0]}x") for signs in SIGNS.values() if signs.schemes]
ASKED = "metallb.io/loadBalancerIPs"
POOL: Json = {"kind": "IPAddressPool", "metadata": {"name": "p", "namespace": "metallb-system"}, "spec": {}}
L2: Json = {"kind": "L2Advertisement", "metadata": {"name": "a", "namespace": "metallb-system"}, "spec": {}}


def families(annotations: dict[str, str], cluster: list[Json]) -> set[str]:
    made = world(service(annotations=annotations, **ADDRESS), endpoints("a"), *cluster, POOL, L2)
    return {verdict.consumer.family for verdict in made.assessment.consumers}


@pytest.mark.parametrize(("scheme", "mark"), CLOUDS)
@pytest.mark.parametrize("other", [ASKED, "kube-vip.io/loadbalancerIPs", "purelb.io/service-group"])
def test_a_mark_of_each_cloud_counts_beside_one_of_the_cluster(scheme: str, mark: str, other: str) -> None:
    """Each of them alone would make the Service Covered, or its targets unhealthy."""
    found = world(
        service(annotations={mark: "x", other: "x"}, **ADDRESS), endpoints("a"), *nodes(scheme), POOL, L2
    )
    assert found.assessment.reason.code == "SeveralControllers"
    assert found.assessment.outcome.name == "Unknown"


@pytest.mark.parametrize(
    ("annotations", "cluster", "family"),
    [
        pytest.param(
            {ASKED: "x", "load-balancer.hetzner.cloud/location": "x"},
            nodes("aws"),
            "metallb",
            id="a mark of a cloud that the nodes are not of",
        ),
        pytest.param(
            {"metallb.io/ip-allocated-from-pool": "p", "load-balancer.hetzner.cloud/location": "x"},
            nodes("hcloud"),
            "metallb",
            id="MetalLB wrote that it gave the address",
        ),
        pytest.param(
            {ASKED: "x", "kubernetes.digitalocean.com/load-balancer-id": "x"},
            nodes("digitalocean"),
            "contested",
            id="a cloud wrote its mark, and MetalLB is asked",
        ),
        pytest.param(
            {"kubernetes.digitalocean.com/load-balancer-id": "x"},
            nodes("digitalocean"),
            "digitalocean",
            id="a cloud wrote its mark",
        ),
    ],
)
def test_who_serves_it(annotations: dict[str, str], cluster: list[Json], family: str) -> None:
    assert families(annotations, cluster) == {family}


@pytest.mark.parametrize(
    "annotations", [{}, {"load-balancer.hetzner.cloud/location": "x"}], ids=["", "with a mark"]
)
def test_an_address_of_a_node_is_none_of_a_cloud(annotations: dict[str, str]) -> None:
    """k3s ServiceLB beside a cloud controller manager that manages the nodes alone."""
    members = [node("a", "hcloud://1", addresses=["10.0.0.1"]), node("b", "hcloud://2", addresses=["10.0.0.2"])]
    subject = service(annotations=annotations, ingress=[{"ip": "10.0.0.1"}])
    made = world(subject, endpoints("a"), *members)
    assert "hcloud" not in {verdict.consumer.family for verdict in made.assessment.consumers}
    assert made.assessment.outcome.name == "Unknown"
