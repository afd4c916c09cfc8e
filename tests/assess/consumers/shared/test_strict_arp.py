"""kube-proxy in mode ipvs: without strictARP every node answers ARP requests for the addresses of Services."""

from __future__ import annotations

from functools import partial

import pytest

from etpguard.assess import DataPlane, Options
from tests.assess.build import one_plane
from tests.assess.consumers import worlds
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, seen, world

service = partial(worlds.service, ingress=[{"ip": "203.0.113.1"}])

METALLB = {"metallb.io/ip-allocated-from-pool": "default"}
OPENELB = {"lb.kubesphere.io/v1alpha1": "openelb"}
ANTREA = {"service.antrea.io/external-ip-pool": "lan"}
LAYER2 = "layer2.openelb.kubesphere.io/v1alpha1"


def in_metallb(kind: str, name: str = "x", **spec: object) -> Json:
    return {"kind": kind, "metadata": {"name": name, "namespace": "metallb-system"}, "spec": spec}


def l2_status(node_name: str) -> Json:
    made = in_metallb("ServiceL2Status", f"l2-{node_name}")
    return made | {"status": {"node": node_name, "serviceName": "web", "serviceNamespace": "shop"}}


L2, BGP, PEER = in_metallb("L2Advertisement"), in_metallb("BGPAdvertisement"), in_metallb("BGPPeer")
BY_STATUS = [service(annotations=METALLB), L2, l2_status("a")]
OF_ANTREA = [service(annotations=ANTREA, ingress=[{"ip": "203.0.113.1", "hostname": "a"}])]
OF_OPENELB = [service(annotations={**OPENELB, LAYER2: "a"})]
EXTERNAL = [service(type="ClusterIP", ingress=[], externalIPs=["203.0.113.9"])]
SERVICELB = [service(ingress=[{"ip": "203.0.113.9"}])]
ONLY_A = Seen("Covered", "Covered", "a", "")
ALL = Seen("Unknown", "EveryNodeAnswersARP", "abc", "bc")
MEMBERS = [node("a", "k3s://a", addresses=["203.0.113.9"]), *nodes("k3s", "b", "c")]


def ipvs(strict: str | None, mode: str = "ipvs") -> Options:
    settings = None if strict is None else (("strictARP", strict),)
    return Options(one_plane(DataPlane.KUBE_PROXY, mode=mode, settings=settings))


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param(BY_STATUS, ALL, id="MetalLB by its status"),
        pytest.param([service(annotations=METALLB), L2], ALL, id="MetalLB by its configuration"),
        pytest.param([service(annotations=METALLB), in_metallb("IPAddressPool")], ALL, id="nothing announces"),
        pytest.param([service(annotations=METALLB), BGP, PEER], ONLY_A, id="MetalLB by BGP"),
        pytest.param(OF_ANTREA, ALL, id="Antrea"),
        pytest.param(OF_OPENELB, ALL, id="OpenELB"),
        pytest.param([service(annotations=OPENELB)], ONLY_A, id="OpenELB by BGP"),
        pytest.param(EXTERNAL, ALL, id="the address of a node as external IP"),
        pytest.param(SERVICELB, ALL, id="the address of a node as that of the load balancer"),
    ],
)
@pytest.mark.parametrize("strict", [None, "false"])
def test_every_node_answers(objects: list[Json], expected: Seen, strict: str | None) -> None:
    """kubernetes v1.37.2 pkg/proxy/ipvs/proxier.go:295, :902, :1011."""
    assert seen(*objects, endpoints("a"), *MEMBERS, options=ipvs(strict)) == expected
    everywhere = seen(*objects, endpoints("a", "b", "c"), *MEMBERS, options=ipvs(strict))
    assert everywhere.outcome == "Covered"


@pytest.mark.parametrize("objects", [BY_STATUS, OF_ANTREA, OF_OPENELB, EXTERNAL, SERVICELB])
@pytest.mark.parametrize(
    "options", [ipvs("true"), ipvs(None, "iptables"), ipvs(None, "nftables"), ipvs(None, ""), Options()]
)
def test_the_announcing_node_alone_answers(objects: list[Json], options: Options) -> None:
    assert seen(*objects, endpoints("a"), *MEMBERS, options=options) == ONLY_A


def test_neighbour_discovery_asks_the_receiving_interface() -> None:
    """Linux ndisc_recv_ns."""
    subject = service(annotations=METALLB, ipFamilies=["IPv6"], ingress=[{"ip": "2001:db8::1"}])
    objects = [subject, L2, l2_status("a"), endpoints("a", family="IPv6"), *MEMBERS]
    assert seen(*objects, options=ipvs(None)) == ONLY_A


@pytest.mark.parametrize("objects", [BY_STATUS, OF_ANTREA, EXTERNAL, SERVICELB])
def test_the_advice_is_strict_arp(objects: list[Json]) -> None:
    made = world(*objects, endpoints("a"), *MEMBERS, options=ipvs(None))
    assert "Set strictARP of kube-proxy to true" in made.advice()[0]
