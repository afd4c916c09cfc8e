"""Annotations of a provider on a cluster whose nodes are of others: charts carry those of several clouds."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.clouds.signs import SIGNS
from tests.assess.consumers.worlds import Json, endpoints, node, nodes, service, world

ADDRESS: Json = {"ingress": [{"ip": "203.0.113.1"}]}
MARKED = [(name, signs.marks[0]) for name, signs in SIGNS.items() if signs.schemes and signs.marks]
POOL: Json = {"kind": "IPAddressPool", "metadata": {"name": "p", "namespace": "metallb-system"}, "spec": {}}
DO = "service.beta.kubernetes.io/do-loadbalancer-name"
NLB_IP = {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb-ip"}


@pytest.mark.parametrize(("name", "mark"), MARKED)
@pytest.mark.parametrize("scheme", ["k3s", "kind", "harvester"])
def test_a_mark_shows_nothing_beside_nodes_of_others(name: str, mark: str, scheme: str) -> None:
    subject = service(annotations={f"{mark}x": "x"}, **ADDRESS)
    made = world(subject, endpoints("a"), *nodes(scheme))
    assert made.assessment.outcome.name == "Unknown"
    assert name not in {verdict.consumer.family for verdict in made.assessment.consumers}


@pytest.mark.parametrize(
    ("subject", "cluster", "family"),
    [
        pytest.param(
            service(annotations={DO: "x"}, ingress=[{"hostname": "a-1.eu-west-1.elb.amazonaws.com"}]),
            nodes("aws"),
            "aws-cloud-provider",
            id="a chart with annotations for DigitalOcean on AWS",
        ),
        pytest.param(
            service(annotations={"oci.oraclecloud.com/load-balancer-type": "nlb"}, ingress=[{"ip": "10.0.0.1"}]),
            [node("a", "k3s://a", addresses=["10.0.0.1"])],
            "k3s-servicelb",
            id="a chart with annotations for OCI on k3s",
        ),
        pytest.param(
            service(annotations={DO: "x"}, **ADDRESS),
            [*nodes("digitalocean", "a"), *nodes("", "b")],
            "digitalocean",
            id="one of its nodes is enough",
        ),
        pytest.param(service(annotations={DO: "x"}, **ADDRESS), nodes(""), "digitalocean", id="no providerID"),
        pytest.param(
            service(annotations={DO: "x"}, **ADDRESS),
            [*nodes(""), POOL],
            "unknown-controller",
            id="no providerID, and MetalLB has a pool",
        ),
        pytest.param(
            service(annotations={"yawol.stackit.cloud/x": "x"}, **ADDRESS),
            nodes("openstack"),
            "stackit",
            id="yawol serves nodes of OpenStack",
        ),
        pytest.param(
            service(annotations=NLB_IP, ingress=[{"hostname": "x.example.com"}]),
            nodes("hcloud"),
            "hcloud",
            id="a chart with annotations for the AWS Load Balancer Controller on Hetzner",
        ),
        pytest.param(
            service(annotations=NLB_IP, **ADDRESS),
            nodes(""),
            "unknown-controller",
            id="an NLB has no bare address",
        ),
        pytest.param(
            service(annotations=NLB_IP, ingress=[{"hostname": "x.example.com"}]),
            nodes("aws"),
            "aws-load-balancer-controller",
            id="the AWS Load Balancer Controller on AWS",
        ),
    ],
)
def test_who_serves_it(subject: Json, cluster: list[Json], family: str) -> None:
    made = world(subject, endpoints("a"), *cluster)
    assert {verdict.consumer.family for verdict in made.assessment.consumers} == {family}
