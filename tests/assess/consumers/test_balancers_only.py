"""Families that find only load balancers of a Service are not asked about Services of other types."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.consumers.interface import ConsumerFamily
from etpguard.assess.consumers.registry import consumer_families
from etpguard.assess.consumers.view import View
from etpguard.objects import SERVICE, Service, decode_item
from tests.assess.consumers.worlds import nodes, service, world

MARKS = {
    "io.cilium/lb-ipam-ips": "192.0.2.1",
    "kube-vip.io/vipHost": "a",
    "lb.kubesphere.io/v1alpha1": "openelb",
    "metallb.io/ip-allocated-from-pool": "pool",
    "purelb.io/allocated-by": "PureLB",
    "service.antrea.io/external-ip-pool": "pool",
    "service.beta.kubernetes.io/aws-load-balancer-type": "nlb",
    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
    "networking.gke.io/load-balancer-type": "Internal",
    "kube-router.io/service.advertise.loadbalancerip": "true",
    **{f"{mark}x": "x" for signs in SIGNS.values() for mark in signs.marks},
}
"""Annotations of every provider."""

BALANCERS_ONLY = [family for family in consumer_families() if family.balancers_only]
SCHEMES = ("", "aws", "azure", "gce", "k3s", "ionos", *(s for signs in SIGNS.values() for s in signs.schemes[:1]))


@pytest.mark.no_cover
@pytest.mark.parametrize("family", BALANCERS_ONLY, ids=lambda family: family.name)
@pytest.mark.parametrize("service_type", ["NodePort", "ClusterIP"])
def test_such_a_family_finds_nothing_for_another_type(family: ConsumerFamily, service_type: str) -> None:
    marked = decode_item(SERVICE, service(type=service_type, annotations=MARKS, externalIPs=["192.0.2.1"]))
    assert isinstance(marked, Service)
    for scheme in SCHEMES:
        platforms = frozenset({scheme} - {""})
        view = View(world(*nodes(scheme)).picture, (), lambda: platforms)  # noqa: B023
        assert not list(family.find(marked, view)), scheme


def test_most_families_are_such() -> None:
    assert len(BALANCERS_ONLY) > len(consumer_families()) / 2
