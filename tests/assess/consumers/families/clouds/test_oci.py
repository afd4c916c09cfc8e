"""oci-cloud-controller-manager 1100ac3 load_balancer_spec.go (numbers are its lines) and load_balancer.go."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.clouds.oci import LB_SELECTOR, NLB_SELECTOR, PRESERVE_SOURCE, TYPE
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.checks import pins, settings_of
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
NOT_UNDERSTOOD = Seen("Unknown", "InvalidAnnotation", "abc", "bc")


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, SAFE, id="1542: type lb by default"),
        pytest.param({TYPE: "nlb"}, SAFE, id="1539: type nlb"),
        pytest.param({TYPE: "NLB"}, SAFE, id="1537: in any case"),
        pytest.param({TYPE: "nlb", PRESERVE_SOURCE: "true"}, SAFE, id="726: the client's address is kept"),
        pytest.param({TYPE: "nlb", PRESERVE_SOURCE: "maybe"}, NOT_UNDERSTOOD, id="717: not a bool"),
        pytest.param({PRESERVE_SOURCE: "maybe"}, SAFE, id="692: no effect on type lb"),
        pytest.param({LB_SELECTOR: "pool in ("}, NOT_UNDERSTOOD, id="515: a selector that does not parse"),
        pytest.param({LB_SELECTOR: "pool=web/1"}, NOT_UNDERSTOOD, id="515: a value that no label can have"),
        pytest.param({LB_SELECTOR: "_pool=web"}, NOT_UNDERSTOOD, id="515: a key that no label can have"),
        pytest.param({NLB_SELECTOR: "pool in ("}, SAFE, id="508: the key of the other type has no effect"),
    ],
)
def test_outcome(annotations: dict[str, str], expected: Seen) -> None:
    assert seen(service(annotations=annotations), endpoints("a"), *nodes("oci")) == expected


def test_the_check_is_http_healthz_on_the_health_check_node_port() -> None:
    """876-912 getHealthChecker."""
    made = world(service(), endpoints("a"), *nodes("oci"))
    assert settings_of(made.consumer().consumer) == CheckSettings("32000", "HTTP", "/healthz")


def pools(annotations: dict[str, str]) -> list[Json]:
    labels = {"a": {"pool": "web"}, "b": {"pool": "db"}, "c": {}}
    members = [node(name, f"ocid1.instance.oc1.{name}", labels=each) for name, each in labels.items()]
    return [service(annotations=annotations), endpoints("b"), *members]


@pytest.mark.parametrize(
    ("annotations", "outcome", "eligible"),
    [
        pytest.param({LB_SELECTOR: "pool=web"}, "Outage", "a", id="the pod's node is not selected"),
        pytest.param({LB_SELECTOR: "pool in (db, web)"}, "TargetsUnhealthy", "ab", id="a set"),
        pytest.param(
            {LB_SELECTOR: "pool notin (web)"}, "TargetsUnhealthy", "bc", id="notin admits an absent label"
        ),
        pytest.param({LB_SELECTOR: "!pool"}, "Outage", "c", id="absence"),
        pytest.param({LB_SELECTOR: "pool=qa"}, "NoTargets", "", id="no node matches: the backend sets are empty"),
        pytest.param({LB_SELECTOR: ""}, "TargetsUnhealthy", "abc", id="511: an empty one selects all"),
        pytest.param({TYPE: "nlb", NLB_SELECTOR: "pool=db"}, "Covered", "b", id="the key for type nlb"),
        pytest.param({TYPE: "nlb", LB_SELECTOR: "pool=web"}, "TargetsUnhealthy", "abc", id="the wrong key"),
    ],
)
def test_node_selector(annotations: dict[str, str], outcome: str, eligible: str) -> None:
    found = seen(*pools(annotations))
    assert (found.outcome, found.eligible) == (outcome, eligible)


def test_the_selection_is_as_of_the_last_sync() -> None:
    assert "as of the last sync" in world(*pools({LB_SELECTOR: "pool=web"})).consumer().consumer.source


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({TYPE: "nlb"}, SAFE, id="nlb: one check for all ports"),
        pytest.param({}, Seen("Unknown", "ProtocolNotServed", "abc", ""), id="util.go:727 lb has no UDP"),
    ],
)
def test_udp(annotations: dict[str, str], expected: Seen) -> None:
    dns = service(annotations=annotations, ports=[port("http", 53, 30053, "UDP")])
    objects = [dns, endpoints("a", protocol="UDP"), *nodes("oci")]
    assert seen(*objects)[:3] == expected[:3]


def test_a_udp_port_fails_the_tcp_ports_of_type_lb_too() -> None:
    both = service(ports=[port(), port("dns", 53, 30053, "UDP")])
    slices = [endpoints("a"), endpoints("a", ports=["dns"], protocol="UDP")]
    assert seen(both, *slices, *nodes("oci")).reason == "ProtocolNotServed"


@pytest.mark.parametrize("kind", ["nlb", "lb"])
def test_an_sctp_port_fails_the_whole_service(kind: str) -> None:
    """1194 getListenersNetworkLoadBalancer, 1095 getListenersOciLoadBalancer."""
    both = service(annotations={TYPE: kind}, ports=[port(), port("sctp", 81, 30081, "SCTP")])
    slices = [endpoints("a"), endpoints("a", ports=["sctp"], protocol="SCTP")]
    for name in ("http", "sctp"):
        assert seen(both, *slices, *nodes("oci"), port_name=name)[:2] == ("Unknown", "ProtocolNotServed")


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({TYPE: "nlb"}, "Outage", id="nlb: isFailOpen is false by default"),
        pytest.param({}, "Unknown", id="lb: not known"),
    ],
)
def test_where_no_backend_is_healthy(annotations: dict[str, str], expected: str) -> None:
    """A terminating endpoint still forwards, but the healthCheckNodePort answers 503."""
    objects = [service(annotations=annotations), endpoints(terminating=["a"]), *nodes("oci")]
    assert seen(*objects).outcome == expected


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([service(), *nodes("oci")], id="oci://"),
        pytest.param([service(), node("a", "ocid1.instance.oc1.x")], id="a bare OCID"),
        pytest.param([service(annotations={TYPE: "lb"}), *nodes("")], id="its annotation"),
        pytest.param([service(annotations={PRESERVE_SOURCE: "true"}), *nodes("")], id="one for type nlb"),
        pytest.param(
            [service(annotations={"service.beta.kubernetes.io/oci-load-balancer-shape": "flexible"}), *nodes("")],
            id="66: one under the older prefix",
        ),
    ],
)
def test_recognition(objects: list[Json]) -> None:
    found = world(*objects, endpoints("a")).consumer().consumer
    assert found.controller == "cloud-provider/oci"
    assert (found.evidence is Evidence.ASSUMED) == (not objects[0]["metadata"]["annotations"])


@pytest.mark.parametrize("annotations", [{TYPE: "nlb", PRESERVE_SOURCE: value} for value in ("true", "false")])
def test_cluster_with_preserve_source_is_an_error(annotations: dict[str, str]) -> None:
    """698: the controller rejects the Service, so its check keeps the healthCheckNodePort, which is gone."""
    made = world(service(annotations=annotations), endpoints("a"), *nodes("oci"))
    assert pins(made.consumer().consumer)
    assert f"First remove {PRESERVE_SOURCE}" in made.advice()[-1]


@pytest.mark.parametrize("annotations", [{}, {TYPE: "nlb"}, {PRESERVE_SOURCE: "true"}])
def test_otherwise_cluster_is_possible(annotations: dict[str, str]) -> None:
    made = world(service(annotations=annotations), endpoints("a"), *nodes("oci"))
    assert not pins(made.consumer().consumer)
    assert "First remove" not in made.advice()[-1]


@pytest.mark.parametrize(
    ("annotations", "cost"),
    [
        pytest.param({}, "already hides it", id="lb is a proxy"),
        pytest.param({TYPE: "nlb"}, "instead of the client's", id="721: nlb keeps it by default"),
        pytest.param({TYPE: "nlb", PRESERVE_SOURCE: "0"}, "already hides it", id="nlb with false"),
        pytest.param({TYPE: "NLB"}, "already hides it", id="692: compared as written"),
    ],
)
def test_advice_says_what_becomes_of_the_clients_address(annotations: dict[str, str], cost: str) -> None:
    assert cost in world(service(annotations=annotations), endpoints("a"), *nodes("oci")).advice()[-1]


def test_a_port_without_a_node_port_has_no_backend() -> None:
    bare = service(ports=[port(node_port=0)], ingress=[{"ip": "203.0.113.7"}])
    assert seen(bare, endpoints("a"), *nodes("oci")) == Seen("NoTargets", "NoNodePort", "", "")


def test_a_session_affinity_fails_the_service() -> None:
    subject = service(sessionAffinity="ClientIP")
    found = seen(subject, endpoints("a"), *nodes("oci"))
    assert found == Seen("Unknown", "SessionAffinityNotServed", "abc", "bc")


@pytest.mark.parametrize("other", ["", "k3s://a", "aws:///eu-west-1a/i-1"])
def test_spec_804_a_node_of_another_provider_is_left_out(other: str) -> None:
    members = [node("a", other), node("b", "ocid1.instance.oc1.phx.b"), node("c", "oci://c")]
    assert seen(service(annotations={TYPE: "lb"}), endpoints("a"), *members) == Seen(
        "Outage", "Outage", "bc", "bc"
    )


def test_without_a_node_of_its_own_the_targets_are_not_known() -> None:
    found = seen(service(annotations={TYPE: "lb"}), endpoints("a"), *nodes(""))
    assert found[:2] == ("Unknown", "NoNodeOfProvider")


VIRTUAL = {"node-role.kubernetes.io/virtual-node": ""}


def oke(managed: str, virtual: str) -> list[Json]:
    made = [node(name, f"ocid1.instance.oc1.{name}") for name in managed]
    return made + [node(name, f"ocid1.virtualnode.oc1.{name}", labels=VIRTUAL) for name in virtual]


@pytest.mark.parametrize(
    ("managed", "virtual", "on", "expected"),
    [
        pytest.param("", "abc", "a", Seen("Unknown", "VirtualNodes", "", ""), id="virtual nodes only"),
        pytest.param(
            "ab", "c", "c", Seen("Unknown", "VirtualNodes", "ab", "ab"), id="pods on a virtual node only"
        ),
        pytest.param("ab", "c", "ac", Seen("TargetsUnhealthy", "TargetsUnhealthy", "ab", "b"), id="on both"),
        pytest.param("ab", "c", "ab", Seen("Covered", "Covered", "ab", ""), id="on all managed nodes"),
    ],
)
def test_virtual_nodes_have_no_node_ports(managed: str, virtual: str, on: str, expected: Seen) -> None:
    """Oracle Cloud documentation, "Comparing Virtual Nodes with Managed Nodes"."""
    objects = [service(), endpoints(*on), *oke(managed, virtual)]
    assert seen(*objects) == expected
    assert bool(world(*objects).advice()) is (expected.outcome == "TargetsUnhealthy")


def test_no_client_addresses_a_virtual_node() -> None:
    made = world(service(type="NodePort"), endpoints("a"), *oke("a", "b"))
    assert made.assessment.outcome.name == "Covered"
    assert made.names(made.assessment.eligible) == "a"
