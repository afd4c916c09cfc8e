"""Istio's gateways of type NodePort, and records of external-dns for node ports."""

from __future__ import annotations

import pytest

from etpguard.assess import AllNodes, DataPlane, KnownDataPlane, Options
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, seen, service, world

SELECTOR = "traffic.istio.io/nodeSelector"
HOSTNAME = "external-dns.alpha.kubernetes.io/hostname"


def external(name: str, **labels: str) -> Json:
    made = node(name, labels=labels)
    made["status"]["addresses"] = [{"type": "ExternalIP", "address": f"203.0.113.{ord(name)}"}]
    return made


def gateway(selector: str, kind: str = "NodePort") -> Json:
    return service(type=kind, annotations={SELECTOR: selector}, in_cluster=True)


COVERED = Seen("Covered", "Covered", "abc", "")
EDGE = (external("a", edge="1"), external("b", edge="1"), external("c"))


@pytest.mark.parametrize(
    ("selector", "on", "expected"),
    [
        pytest.param('{"edge": "1"}', "ab", Seen("Covered", "Covered", "ab", ""), id="pods on each selected node"),
        pytest.param('{"edge": "1"}', "a", Seen("Blackhole", "Blackhole", "ab", "b"), id="a pod on one of two"),
        pytest.param('{"edge": "1"}', "c", Seen("Outage", "Outage", "ab", "ab"), id="pods elsewhere"),
        pytest.param("{}", "ab", Seen("Blackhole", "Blackhole", "abc", "c"), id="the empty selector is for all"),
        pytest.param('{"edge": "2"}', "a", Seen("NoTargets", "NoTargets", "", ""), id="no node selected"),
        pytest.param("edge=1", "a", Seen("Unknown", "InvalidAnnotation", "abc", "bc"), id="no JSON"),
        pytest.param('{"edge": 1}', "a", Seen("Unknown", "InvalidAnnotation", "abc", "bc"), id="a number"),
        pytest.param("[]", "a", Seen("Unknown", "InvalidAnnotation", "abc", "bc"), id="no object"),
    ],
)
def test_istio_gives_clients_the_external_addresses_of_selected_nodes(
    selector: str, on: str, expected: Seen
) -> None:
    """network.go updateServiceNodePortAddresses, controller.go getNodeSelectorsForService."""
    assert seen(gateway(selector), endpoints(*on), *EDGE) == expected


def test_istio_leaves_out_nodes_without_an_external_address() -> None:
    """controller.go onNodeEvent."""
    bare = node("b", labels={"edge": "1"})
    found = seen(gateway('{"edge": "1"}'), endpoints("a"), external("a", edge="1"), bare)
    assert found == Seen("Covered", "Covered", "a", "")


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        pytest.param("a", Seen("Unknown", "NoExternalAddress", "abc", "bc"), id="a share, or all of it, is lost"),
        pytest.param("abc", Seen("Unknown", "NoExternalAddress", "abc", ""), id="nothing, or all of it, is lost"),
        pytest.param(("ghost",), Seen("Outage", "Outage", "abc", "abc"), id="all is lost either way"),
    ],
)
def test_istio_without_any_external_address(on: str, expected: Seen) -> None:
    assert seen(gateway("{}"), endpoints(*on), *nodes("")) == expected


def test_istio_reads_the_annotation_of_node_port_services_alone() -> None:
    assert not world(gateway("{}", "LoadBalancer"), endpoints("a"), *EDGE).assessment.consumers


@pytest.mark.parametrize("key", [HOSTNAME, "external-dns.kubernetes.io/hostname"])
@pytest.mark.parametrize(
    ("on", "outcome"), [("a", "Unknown"), ("abc", "Covered"), (("ghost",), "Outage")], ids=["some", "all", "none"]
)
def test_external_dns_publishes_nodes(key: str, on: str, outcome: str) -> None:
    """source/service.go extractNodePortTargets."""
    named = service(type="NodePort", annotations={key: "web.example.com"}, in_cluster=True)
    assert seen(named, endpoints(*on), *nodes("")).outcome == outcome


@pytest.mark.parametrize("prefix", ["external-dns.alpha.kubernetes.io/", "external-dns.kubernetes.io/"])
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("203.0.113.80", ("Uncovered", "NoKnownConsumer"), id="its own"),
        pytest.param("", ("Unknown", "RecordNotKnown"), id="none"),
    ],
)
def test_a_record_with_targets_of_its_own_names_no_node(
    prefix: str, target: str, expected: tuple[str, str]
) -> None:
    """source/service.go generateEndpoints."""
    annotations = {HOSTNAME: "web.example.com", f"{prefix}target": target}
    named = service(type="NodePort", annotations=annotations, in_cluster=True)
    found = world(named, endpoints("a"), *nodes("")).assessment
    assert (found.outcome.name, found.reason.code) == expected


def test_external_dns_publishes_the_address_of_a_load_balancer_as_it_is() -> None:
    named = service(annotations={HOSTNAME: "web.example.com"}, in_cluster=True)
    assert not world(named, endpoints("a"), *nodes("")).assessment.consumers


PUBLIC = [node(name, addresses=[f"10.0.0.{n}"], external=[f"203.0.113.{n}"]) for n, name in enumerate("abc", 1)]
SAME = [node(name, addresses=[f"203.0.113.{n}"], external=[f"203.0.113.{n}"]) for n, name in enumerate("abc", 1)]
TWO_FAMILIES = [node(name, addresses=["2001:db8::1"], external=["203.0.113.1"]) for name in "abc"]
NOT_KNOWN = Seen("Unknown", "NodeAddressNotKnown", "abc", "")


def kube_proxy(mode: str, addresses: str = "") -> Options:
    settings = (("nodePortAddresses", addresses),) if addresses else None
    return Options(AllNodes(KnownDataPlane(DataPlane.KUBE_PROXY, mode, settings=settings)))


@pytest.mark.parametrize(
    ("members", "options", "expected"),
    [
        pytest.param(PUBLIC, kube_proxy("nftables"), NOT_KNOWN, id="nftables: the InternalIP by default"),
        pytest.param(PUBLIC, kube_proxy("nftables", "0.0.0.0/0,::/0"), COVERED, id="nftables with all addresses"),
        pytest.param(PUBLIC, kube_proxy("iptables"), COVERED, id="iptables: all addresses by default"),
        pytest.param(PUBLIC, kube_proxy(""), COVERED, id="a mode that is not known: mostly iptables"),
        pytest.param(PUBLIC, kube_proxy("iptables", "primary"), NOT_KNOWN, id="iptables with the primary address"),
        pytest.param(PUBLIC, kube_proxy("ipvs", "10.0.0.0/8"), NOT_KNOWN, id="ipvs with a range"),
        pytest.param(SAME, kube_proxy("nftables"), COVERED, id="one address for both"),
        pytest.param(TWO_FAMILIES, kube_proxy("nftables"), COVERED, id="an InternalIP of another family"),
        pytest.param(EDGE, kube_proxy("nftables"), COVERED, id="nodes with an ExternalIP alone"),
    ],
)
def test_the_external_address_must_be_served(members: list[Json], options: Options, expected: Seen) -> None:
    """kubernetes cmd/kube-proxy/app/server_linux.go and server.go detectNodeIPs."""
    found = seen(gateway("{}"), endpoints("a", "b", "c"), *members, options=options)
    assert found._replace(eligible="abc") == expected


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [("10.0.0.0/8", "Covered"), ("192.168.0.0/16", "Unknown"), ("192.168.0.0/16,primary", "Covered")],
)
def test_any_client_needs_an_address_that_is_served(ranges: str, expected: str) -> None:
    plain = service(type="NodePort")
    members = [node(name, addresses=[f"10.0.0.{n}"]) for n, name in enumerate("abc", 1)]
    made = world(plain, endpoints("a", "b", "c"), *members, options=kube_proxy("", ranges))
    assert made.assessment.outcome.name == expected
    made.put(node("a", addresses=["192.168.0.1"]))
    made.put(node("b", addresses=["192.168.0.1"]))
    made.put(node("c", addresses=["192.168.0.1"]))
    assert (made.assessment.outcome.name == "Covered") is (expected == "Unknown" or "primary" in ranges)


BOTH: Json = {"ipFamilies": ["IPv4", "IPv6"], "type": "NodePort", "internalTrafficPolicy": "Local"}


@pytest.mark.parametrize(
    ("c", "over_ipv6", "expected"),
    [
        pytest.param(["10.0.0.3"], "ab", "Covered", id="a node without IPv6"),
        pytest.param(["10.0.0.3", "2001:db8::3"], "ab", "Uncovered", id="a node with IPv6"),
        pytest.param([], "ab", "Uncovered", id="a node whose addresses are not known"),
        pytest.param(["10.0.0.3"], "a", "Uncovered", id="a node with IPv6, too"),
    ],
)
def test_nobody_addresses_a_node_over_a_family_that_it_lacks(c: list[str], over_ipv6: str, expected: str) -> None:
    members = [node(name, addresses=[f"10.0.0.{n}", f"2001:db8::{n}"]) for n, name in enumerate("ab", 1)]
    slices = [endpoints("a", "b", "c"), endpoints(*over_ipv6, family="IPv6")]
    made = world(service(**BOTH), *slices, *members, node("c", addresses=c))
    inside = made.engine.internal[made.assessment.key]
    assert (made.assessment.outcome.name, inside.outcome.name) == (expected, expected)
    made.put(node("c", addresses=["10.0.0.3", "2001:db8::3"]))
    assert made.assessment.outcome.name == "Uncovered"


def test_a_node_that_shows_no_endpoint_may_have_more_addresses_than_it_reports() -> None:
    members = [node("a", addresses=["10.0.0.1", "2001:db8::1"]), node("b", addresses=["10.0.0.2"])]
    subject = service(type="NodePort", ipFamilies=["IPv6"])
    made = world(subject, endpoints("a", family="IPv6"), *members)
    assert made.assessment.outcome.name == "Uncovered"


def on_windows(address: str) -> Json:
    return node("a", labels={"kubernetes.io/os": "windows"}, addresses=[address])


def test_windows_does_not_serve_endpoints_with_the_address_of_their_node() -> None:
    """winkernel/proxier.go L1372: "Local endpoint not found"."""
    made = world(service(type="NodePort"), endpoints("a"), on_windows("10.1.0.1"))
    for address, outcome in (("10.1.0.1", "Unknown"), ("10.0.0.7", "Covered"), ("10.1.0.1", "Unknown")):
        made.put(on_windows(address))
        assert made.assessment.outcome.name == outcome
    made.put(service(type="NodePort", internalTrafficPolicy="Local"))

    assert made.engine.internal[made.assessment.key].outcome.name == "Unknown"
    linux = world(service(type="NodePort"), endpoints("a"), node("a", addresses=["10.1.0.1"]))
    assert linux.assessment.outcome.name == "Covered"


def test_an_outage_is_one_at_each_address() -> None:
    found = seen(gateway("{}"), endpoints("ghost"), *PUBLIC, options=kube_proxy("nftables"))
    assert found == Seen("Outage", "Outage", "abc", "abc")


def test_advice_says_where_to_look() -> None:
    away = world(gateway('{"edge": "1"}'), endpoints("c"), *EDGE).advice()
    assert "Let traffic.istio.io/nodeSelector select only nodes with a pod of the gateway" in away[0]
    assert any("Cluster" in text for text in away)
    named = service(type="NodePort", annotations={HOSTNAME: "web.example.com"}, in_cluster=True)
    records = world(named, endpoints("a"), *nodes("")).advice()
    assert "web.example.com" in records[0]
    assert not world(gateway("{}"), endpoints("a", "b", "c"), *EDGE).advice()
    assert not world(named, endpoints("a", "b", "c"), *nodes("")).advice()
