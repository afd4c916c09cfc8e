"""Load balancers whose packets keep their destination, so that they arrive at the address of the load balancer and
not at a node port. Cilium can serve one of the two alone."""

from __future__ import annotations

import pytest

from etpguard.assess import Options
from etpguard.assess.data_planes.interface import DataPlane
from tests.assess.build import one_plane
from tests.assess.consumers.worlds import Json, endpoints, nodes, service, world

ON_CILIUM = Options(one_plane(DataPlane.CILIUM, version="v1.20.2", settings=()))
AZURE = "service.beta.kubernetes.io/azure-"
DIGITALOCEAN = "service.beta.kubernetes.io/do-loadbalancer-"
INTERNAL = {f"{AZURE}load-balancer-internal": "true"}
ONE_RULE = {**INTERNAL, f"{AZURE}load-balancer-enable-high-availability-ports": "true"}
NOT_FLOATING = {f"{AZURE}disable-load-balancer-floating-ip": "true"}


def outcome(scheme: str, served: str, annotations: dict[str, str], address: str = "203.0.113.7") -> str:
    """The outcome where Cilium serves one kind of address alone, and each node has a ready pod."""
    family = "IPv6" if ":" in address else "IPv4"
    subject: Json = service(
        annotations={"service.cilium.io/type": served, **annotations},
        ingress=[{"ip": address}],
        ipFamilies=[family],
    )
    members = nodes(scheme, addresses=["10.0.0.1"], external=["198.51.100.1"])
    made = world(subject, endpoints("a", "b", "c", family=family), *members, options=ON_CILIUM)
    return made.consumer().outcome.name


AT_ITS_ADDRESS, AT_NODE_PORTS, EITHER = ("Covered", "Outage"), ("Outage", "Covered"), ("Unknown", "Unknown")


@pytest.mark.parametrize(
    ("scheme", "annotations", "expected"),
    [
        pytest.param("gce", {}, AT_ITS_ADDRESS, id="Google Cloud"),
        pytest.param("azure", {}, AT_ITS_ADDRESS, id="Azure: floating IP"),
        pytest.param("azure", INTERNAL, AT_ITS_ADDRESS, id="Azure: internal"),
        pytest.param("azure", NOT_FLOATING, AT_NODE_PORTS, id="Azure: floating IP off"),
        pytest.param("azure", ONE_RULE | NOT_FLOATING, AT_ITS_ADDRESS, id="Azure: one rule floats anyway"),
        pytest.param(
            "digitalocean", {f"{DIGITALOCEAN}type": "REGIONAL_NETWORK"}, AT_ITS_ADDRESS, id="REGIONAL_NETWORK"
        ),
        pytest.param("digitalocean", {f"{DIGITALOCEAN}type": "REGIONAL"}, AT_NODE_PORTS, id="REGIONAL"),
        pytest.param("digitalocean", {}, EITHER, id="DigitalOcean: a type by default"),
        pytest.param("digitalocean", {f"{DIGITALOCEAN}network": "INTERNAL"}, EITHER, id="internal, too"),
        pytest.param("hcloud", {}, AT_NODE_PORTS, id="a proxy"),
    ],
)
def test_where_the_packets_arrive(scheme: str, annotations: dict[str, str], expected: tuple[str, str]) -> None:
    assert outcome(scheme, "LoadBalancer", annotations) == expected[0]
    assert outcome(scheme, "NodePort", annotations) == expected[1]


def test_an_internal_ipv6_address_of_azure_does_not_float() -> None:
    assert outcome("azure", "NodePort", INTERNAL, "fd00::9") == "Covered"
    assert outcome("azure", "LoadBalancer", INTERNAL, "fd00::9") == "Outage"
    assert outcome("azure", "LoadBalancer", {}, "2001:db8::9") == "Covered"


@pytest.mark.parametrize(("scheme", "expected"), [("gce", "Unknown"), ("hcloud", "Covered")])
def test_antrea_may_not_serve_the_address(scheme: str, expected: str) -> None:
    plane = one_plane(DataPlane.ANTREA, version="v2.5.0", settings=(("proxyLoadBalancerIPs", "false"),))
    subject = service(ingress=[{"ip": "203.0.113.7"}])
    made = world(subject, endpoints("a", "b", "c"), *nodes(scheme), options=Options(plane))
    assert made.consumer().outcome.name == expected


@pytest.mark.parametrize(("scheme", "expected"), [("gce", "Covered"), ("hcloud", "Unknown")])
def test_the_ranges_of_node_ports_do_not_concern_the_address(scheme: str, expected: str) -> None:
    plane = one_plane(DataPlane.KUBE_PROXY, settings=(("nodePortAddresses", "127.0.0.0/8"),))
    subject = service(ingress=[{"ip": "203.0.113.7"}])
    members = nodes(scheme, addresses=["10.0.0.1"])
    made = world(subject, endpoints("a", "b", "c"), *members, options=Options(plane))
    assert made.consumer().outcome.name == expected


@pytest.mark.parametrize(
    ("kind", "entry", "reason"),
    [
        pytest.param("REGIONAL_NETWORK", {"hostname": "lb.example"}, "AddressNotOnNodes", id="a host name"),
        pytest.param("", {"hostname": "lb.example"}, "AddressNotOnNodes", id="a host name, and a type by default"),
        pytest.param("REGIONAL", {"hostname": "lb.example"}, "Covered", id="a proxy needs no address on nodes"),
        pytest.param(
            "REGIONAL_NETWORK", {"ip": "203.0.113.7", "ipMode": "Proxy"}, "AddressNotOnNodes", id="ipMode Proxy"
        ),
        pytest.param("REGIONAL_NETWORK", {"ip": "203.0.113.7", "ipMode": "VIP"}, "Covered", id="ipMode VIP"),
    ],
)
def test_nodes_do_not_know_an_address_that_the_status_lacks(kind: str, entry: Json, reason: str) -> None:
    """digitalocean-cloud-controller-manager 70d527e loadbalancers.go:263; kube-proxy serves the addresses of mode
    VIP in the status."""
    subject = service(annotations={f"{DIGITALOCEAN}type": kind} if kind else {}, ingress=[entry])
    members = nodes("digitalocean", external=["198.51.100.1"])
    found = world(subject, endpoints("a", "b", "c"), *members).consumer()
    assert found.reason.code == reason
    assert (found.outcome.name == "Unknown") is (reason != "Covered")
