"""External IPs that Cilium announces: cilium 058641d getExternalIPPaths; l2announcer.go desiredEntries."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.objects.cilium import CILIUM_L2_ANNOUNCEMENT_POLICY
from tests.assess.consumers import worlds
from tests.assess.consumers.families.cilium.given import advertisement, family, peer_config, policy, to_peer
from tests.assess.consumers.worlds import Json, endpoints, node, nodes, world

MEMBERS = [node("a", addresses=["192.0.2.1"]), *nodes("", "b", "c")]
BGP = [advertisement(service={"addresses": ["ExternalIP"]}), to_peer(), peer_config(family())]


def exposed(name: str = "web", *addresses: str, **more: Any) -> Json:
    return worlds.service(name, externalIPs=addresses or ("203.0.113.1",), **{"type": "ClusterIP", **more})


@pytest.mark.parametrize(
    ("subject", "config", "outcome"),
    [
        pytest.param(exposed(), BGP, "Covered", id="by BGP"),
        pytest.param(exposed(), [advertisement(), *BGP[1:]], "Uncovered", id="only load balancers by BGP"),
        pytest.param(
            exposed(),
            [advertisement(service={"addresses": ["ExternalIP"]}, selector={"matchLabels": {"x": "y"}}), *BGP[1:]],
            "Uncovered",
            id="another Service",
        ),
        pytest.param(exposed(), [*BGP[:2], peer_config()], "NoTargets", id="no peer gets it"),
        pytest.param(exposed(), [policy(externalIPs=True)], "Unknown", id="by L2"),
        pytest.param(exposed(), [policy()], "Uncovered", id="only load balancers by L2"),
        pytest.param(exposed(), [policy(externalIPs=True), *BGP], "Unknown", id="in both ways"),
        pytest.param(exposed("web", "192.0.2.1"), BGP, "Covered", id="the address of a node"),
        pytest.param(exposed("web", "2001:db8::1"), BGP, "Uncovered", id="of a family without an IP"),
        pytest.param(exposed(type="NodePort"), BGP, "Uncovered", id="clients of the node ports are judged apart"),
        pytest.param(exposed("web", "203.0.113.1", "203.0.113.2"), BGP, "Covered", id="two"),
    ],
)
def test_cilium_announces_external_ips(subject: Json, config: list[Json], outcome: str) -> None:
    assert world(subject, endpoints("a"), *MEMBERS, *config).assessment.outcome.name == outcome


@pytest.mark.parametrize("config", [BGP, [policy(externalIPs=True)]])
def test_a_shared_address_comes_from_the_nodes_of_both(config: list[Json]) -> None:
    made = world(exposed(), endpoints("a"), *MEMBERS, *config)
    made.put(exposed("dns"))
    assert (made.consumer().outcome.name, made.consumer().reason.code) == ("Unknown", "SharedAddress")


def test_a_node_that_gets_the_address_takes_its_packets() -> None:
    made = world(exposed(), endpoints("a"), *MEMBERS, *BGP)
    assert made.assessment.outcome.name == "Covered"
    made.put(node("b", addresses=["203.0.113.1"]))
    assert made.assessment.outcome.name == "Outage"


@pytest.mark.parametrize("kind", ["CiliumBGPAdvertisement", "CiliumL2AnnouncementPolicy"])
def test_objects_that_cannot_be_read_may_announce_external_ips(kind: str) -> None:
    made = world(exposed(), endpoints("a"), *MEMBERS, unread={kind: "forbidden"})
    assert (made.consumer().outcome.name, made.consumer().reason.code) == ("Unknown", "AnnouncementNotReadable")


@pytest.mark.parametrize("why", ["forbidden", "unlisted"])
def test_policies_that_were_not_read_may_announce_what_bgp_announces(why: str) -> None:
    """As for the addresses of load balancers: a leader without an endpoint would take a share."""
    unread = {"CiliumL2AnnouncementPolicy": "forbidden"} if why == "forbidden" else {}
    made = world(exposed(), endpoints("a"), *MEMBERS, *BGP, unread=unread)
    if why == "unlisted":
        made.picture.unlisted[CILIUM_L2_ANNOUNCEMENT_POLICY] = "the input has none"
        made.engine.refresh_all()
    assert (made.consumer().outcome.name, made.consumer().reason.code) == ("Unknown", "AnnouncingNodesNotKnown")


def of_class(name: str) -> Json:
    return exposed(type="LoadBalancer", loadBalancerClass=name)


@pytest.mark.parametrize(
    ("class_name", "config", "unread", "outcome"),
    [
        pytest.param("io.cilium/bgp-control-plane", BGP, {}, "Covered", id="its class of BGP"),
        pytest.param(
            "io.cilium/bgp-control-plane", [policy(externalIPs=True), *BGP], {}, "Covered", id="a policy, too"
        ),
        pytest.param("example.com/lb", BGP, {}, "Covered", id="another class, by BGP"),
        pytest.param("example.com/lb", [policy(externalIPs=True)], {}, None, id="another class, by L2"),
        pytest.param(
            "example.com/lb", BGP, {"CiliumL2AnnouncementPolicy": "forbidden"}, "Covered", id="policies unread"
        ),
        pytest.param(
            "example.com/lb", [], {"CiliumL2AnnouncementPolicy": "forbidden"}, None, id="only policies unread"
        ),
        pytest.param(
            "io.cilium/l2-announcer", [policy(externalIPs=True), *BGP], {}, "Unknown", id="its class of L2"
        ),
    ],
)
def test_bgp_announces_external_ips_of_any_class_and_l2_does_not(
    class_name: str, config: list[Json], unread: dict[str, str], outcome: str | None
) -> None:
    """cilium 058641d service.go getExternalIPPaths reads no class; v1.20.2 l2announcer.go upsertSvc does."""
    made = world(of_class(class_name), endpoints("a"), *MEMBERS, *config, unread=unread)
    found = {v.outcome.name for v in made.assessment.consumers if v.consumer.kind == "ExternalIP"}
    assert found == ({outcome} if outcome else set())
