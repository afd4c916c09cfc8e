"""MetalLB speaker/layer2_controller.go and speaker/bgp_controller.go."""

from __future__ import annotations

from functools import partial

import pytest

from tests.assess.consumers import worlds
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, world

service = partial(worlds.service, ingress=[{"ip": "203.0.113.1"}])

ALLOCATED = {"metallb.io/ip-allocated-from-pool": "default"}
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


@pytest.mark.parametrize(
    ("subject", "served"),
    [
        pytest.param(service(annotations=ALLOCATED), True, id="the annotation that its controller writes"),
        pytest.param(
            service(annotations={"metallb.universe.tf/ip-allocated-from-pool": "x"}),
            True,
            id="by its former prefix",
        ),
        pytest.param(service(annotations={"metallb.universe.tf/address-pool": "x"}), True, id="a pool asked for"),
        pytest.param(service(loadBalancerClass="metallb.io/metallb"), True, id="by class"),
        pytest.param(
            service(loadBalancerClass="example.com/lb", annotations=ALLOCATED), False, id="another class"
        ),
        pytest.param(service(type="NodePort", annotations=ALLOCATED), False, id="a NodePort"),
        pytest.param(
            service(annotations=ALLOCATED, ingress=[{"hostname": "x.elb.amazonaws.com"}]),
            False,
            id="a host name is another's answer",
        ),
        pytest.param(service(), False, id="nothing tells"),
    ],
)
def test_recognised(subject: Json, served: bool) -> None:
    made = world(subject, endpoints("a"), *nodes("aws"))
    assert any(v.consumer.family == "metallb" for v in made.assessment.consumers) is served


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        pytest.param(
            [endpoints("a")], Seen("Covered", "Covered", "a", ""), id="only nodes with endpoints announce"
        ),
        pytest.param(
            [endpoints("a", terminating=["b"])], Seen("Covered", "Covered", "ab", ""), id="serving endpoints count"
        ),
        pytest.param([endpoints()], Seen("NoEndpoints", "NoEndpoints", "", ""), id="no endpoint, no announcement"),
        pytest.param([endpoints("z")], Seen("NoTargets", "NoTargets", "", ""), id="an endpoint on no known node"),
    ],
)
def test_announcing_nodes(slices: list[Json], expected: Seen) -> None:
    assert seen(service(annotations=ALLOCATED), *slices, *nodes("")) == expected


@pytest.mark.parametrize("value", ["", "true", "false"])
def test_an_excluded_node_does_not_announce(value: str) -> None:
    """k8snodes.IsNodeExcludedFromBalancers: the label's presence."""
    objects = [service(annotations=ALLOCATED), endpoints("a"), node("a", labels={EXCLUDE: value}), node("b")]
    assert seen(*objects) == Seen("NoTargets", "NoTargets", "", "")
    assert f"kubectl label node a {EXCLUDE}-" in world(*objects).advice()[0]


def test_a_node_not_ready_announces_while_its_endpoint_is() -> None:
    objects = [service(annotations=ALLOCATED), endpoints("a"), node("a", ready="Unknown"), node("b")]
    assert seen(*objects) == Seen("Covered", "Covered", "a", "")


def test_announcement_is_blind_to_ports() -> None:
    """metallb #646: a node announces with an endpoint of any port."""
    two = service(annotations=ALLOCATED, ports=[port(), port("admin", 81, 30081)])
    objects = [two, endpoints("a", "b"), endpoints("a", ports=["admin"]), *nodes("")]
    assert seen(*objects, port_name="http") == Seen("Covered", "Covered", "ab", "")
    assert seen(*objects, port_name="admin") == Seen("Blackhole", "Blackhole", "ab", "b")
    assert "Separate port admin from the other ports" in world(*objects).advice()[0]


def test_announcement_is_blind_to_families() -> None:
    dual = service(annotations=ALLOCATED, ipFamilies=["IPv4", "IPv6"])
    objects = [dual, endpoints("a"), endpoints("b", family="IPv6"), *nodes("")]
    assert seen(*objects) == Seen("Blackhole", "Blackhole", "ab", "b")


def test_ports_apart_on_all_nodes_lose_everything() -> None:
    two = service(annotations=ALLOCATED, ports=[port(), port("admin", 81, 30081)])
    excluded = node("b", labels={EXCLUDE: ""})
    objects = [two, endpoints("a"), endpoints("b", ports=["admin"]), node("a"), excluded]
    assert seen(*objects, port_name="admin") == Seen("Outage", "Outage", "a", "a")


def test_the_source_says_how_it_was_recognised() -> None:
    found = world(service(annotations=ALLOCATED), endpoints("a"), *nodes("")).consumer().consumer
    assert found.source.startswith("recognised by its annotation metallb.io/ip-allocated-from-pool")


def advertisement(kind: str = "L2Advertisement", name: str = "lan", **spec: object) -> Json:
    return {"kind": kind, "metadata": {"name": name, "namespace": "metallb-system"}, "spec": spec}


def pool(name: str, **labels: str) -> Json:
    return {"kind": "IPAddressPool", "metadata": {"name": name, "namespace": "metallb-system", "labels": labels}}


def on(name: str) -> list[Json]:
    return [{"matchLabels": {"kubernetes.io/hostname": name}}]


BOTH = Seen("Covered", "Covered", "ab", "")
ONLY_A = Seen("Covered", "Covered", "a", "")
NOBODY = Seen("NoTargets", "NoTargets", "", "")
SILENT = Seen("Unknown", "NotAdvertised", "ab", "")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param([], BOTH, id="no advertisement was given"),
        pytest.param([advertisement()], BOTH, id="for all pools, from all nodes"),
        pytest.param([advertisement(nodeSelectors=on("a"))], ONLY_A, id="from selected nodes"),
        pytest.param([advertisement("BGPAdvertisement", nodeSelectors=on("a"))], ONLY_A, id="the same by BGP"),
        pytest.param([advertisement(nodeSelectors=on("c"))], NOBODY, id="from a node without an endpoint: nobody"),
        pytest.param([advertisement(nodeSelectors=[*on("c"), *on("a")])], ONLY_A, id="one selector is enough"),
        pytest.param(
            [
                advertisement(nodeSelectors=on("c")),
                advertisement("BGPAdvertisement", "wan", nodeSelectors=on("a")),
            ],
            ONLY_A,
            id="one advertisement is enough",
        ),
        pytest.param(
            [advertisement(nodeSelectors=on("c")), advertisement(name="wan")], BOTH, id="one is for all nodes"
        ),
        pytest.param(
            [advertisement(ipAddressPools=["default"], nodeSelectors=on("a"))], ONLY_A, id="for its pool"
        ),
        pytest.param([advertisement(ipAddressPools=["other"])], SILENT, id="for another pool alone"),
        pytest.param(
            [
                advertisement(ipAddressPools=["other"]),
                advertisement(name="wan", ipAddressPools=["default"], nodeSelectors=on("a")),
            ],
            ONLY_A,
            id="another pool's is none of it",
        ),
        pytest.param(
            [
                pool("default", tier="edge"),
                advertisement(ipAddressPoolSelectors=[{"matchLabels": {"tier": "edge"}}], nodeSelectors=on("a")),
            ],
            ONLY_A,
            id="for pools by label",
        ),
        pytest.param(
            [pool("default"), advertisement(ipAddressPoolSelectors=[{"matchLabels": {"tier": "edge"}}])],
            SILENT,
            id="for pools with another label",
        ),
    ],
)
def test_advertisements(config: list[Json], expected: Seen) -> None:
    members = [node(name, labels={"kubernetes.io/hostname": name}) for name in "abc"]
    assert seen(service(annotations=ALLOCATED), endpoints("a", "b"), *members, *config) == expected


def test_without_a_pool_only_advertisements_that_agree_tell() -> None:
    objects = [service(loadBalancerClass="metallb"), endpoints("a"), *nodes("")]
    assert seen(*objects, advertisement()).outcome == "Covered"
    assert seen(*objects, advertisement(nodeSelectors=on("a"))).reason == "PoolNotKnown"


def test_unreadable_advertisements_are_told() -> None:
    objects = [service(annotations=ALLOCATED), endpoints("a"), *nodes("")]
    assert seen(*objects, unread={"L2Advertisement": "forbidden"}).reason == "AdvertisementsNotReadable"


def test_an_advertisement_that_changes_is_taken_up() -> None:
    made = world(service(annotations=ALLOCATED), endpoints("a"), *nodes(""), advertisement())
    assert made.consumer().outcome.name == "Covered"
    made.put(advertisement(nodeSelectors=on("b")))
    assert made.consumer().outcome.name == "NoTargets"
