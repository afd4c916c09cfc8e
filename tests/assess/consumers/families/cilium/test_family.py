"""Cilium Documentation/network/l2-announcements.rst (Limitations), lb-ipam.rst, node-ipam.rst; cilium #25477."""

from __future__ import annotations

from functools import partial

import pytest

from etpguard.assess import DataPlane, Options
from etpguard.objects import AnyKind
from etpguard.objects.cilium import CILIUM_BGP_ADVERTISEMENT, CILIUM_L2_ANNOUNCEMENT_POLICY
from tests.assess.build import one_plane
from tests.assess.consumers import worlds
from tests.assess.consumers.families.cilium.given import (
    ASSIGNED,
    BGP,
    L2,
    NODE_IPAM,
    PEER,
    advertisement,
    cluster_config,
    family,
    peer_config,
    policy,
    to_peer,
)
from tests.assess.consumers.worlds import EXTERNAL_IPS, Json, Seen, endpoints, node, nodes, port, seen, world

service = partial(worlds.service, ingress=[{"ip": "203.0.113.1"}])


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(
            service(loadBalancerClass=BGP),
            Seen("Unknown", "AdvertisementsNotSeen", "a", ""),
            id="BGP follows Local, if anything is advertised",
        ),
        pytest.param(
            service(loadBalancerClass=NODE_IPAM),
            Seen("Covered", "Covered", "a", ""),
            id="Node IPAM names pod nodes",
        ),
        pytest.param(
            service(loadBalancerClass=L2),
            Seen("Unknown", "AnnouncingNodesNotKnown", "abc", "bc"),
            id="L2, no policy",
        ),
        pytest.param(
            service(conditions=[ASSIGNED]),
            Seen("Unknown", "AnnouncementNotKnown", "abc", "bc"),
            id="LB IPAM gave the address",
        ),
        pytest.param(
            service(annotations={"lbipam.cilium.io/ips": "203.0.113.9"}),
            Seen("Unknown", "AnnouncementNotKnown", "abc", "bc"),
            id="LB IPAM was asked for an address",
        ),
    ],
)
def test_by_class_or_address(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("")) == expected


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param([policy()], Seen("Unknown", "LeaderNotKnown", "abc", "bc"), id="any node may lead"),
        pytest.param(
            [policy(nodeSelector={"matchLabels": {"lan": "yes"}})],
            Seen("Unknown", "LeaderNotKnown", "ab", "b"),
            id="any selected node may lead",
        ),
        pytest.param(
            [policy(nodeSelector={"matchLabels": {"name": "a"}})],
            Seen("Covered", "Covered", "a", ""),
            id="bound to the node with the pod",
        ),
        pytest.param(
            [policy(nodeSelector={"matchLabels": {"name": "b"}})],
            Seen("Outage", "Outage", "b", "b"),
            id="bound to a node without one",
        ),
        pytest.param(
            [policy(serviceSelector={"matchLabels": {"app": "other"}})],
            Seen("Unknown", "AnnouncingNodesNotKnown", "abc", "bc"),
            id="selects other Services",
        ),
        pytest.param(
            [policy(serviceSelector={"matchLabels": {"io.kubernetes.service.name": "web"}})],
            Seen("Unknown", "LeaderNotKnown", "abc", "bc"),
            id="selects the Service by name",
        ),
        pytest.param(
            [policy(loadBalancerIPs=False)],
            Seen("Unknown", "AnnouncingNodesNotKnown", "abc", "bc"),
            id="announces no load balancer addresses",
        ),
        pytest.param(
            [policy(), policy("wan", nodeSelector={"matchLabels": {"lan": "yes"}})],
            Seen("Unknown", "AnnouncingNodesNotKnown", "abc", "bc"),
            id="two policies that disagree",
        ),
        pytest.param(
            [policy(), policy("wan")], Seen("Unknown", "LeaderNotKnown", "abc", "bc"), id="two that agree"
        ),
    ],
)
def test_l2_announcements_ignore_endpoints(policies: list[Json], expected: Seen) -> None:
    members = [
        node("a", labels={"lan": "yes", "name": "a"}),
        node("b", labels={"lan": "yes", "name": "b"}),
        node("c"),
    ]
    assert seen(service(loadBalancerClass=L2), endpoints("a"), *members, *policies) == expected


def test_a_policy_announces_a_service_without_class() -> None:
    objects = [service(conditions=[ASSIGNED]), endpoints("a"), *nodes("")]
    assert seen(*objects, policy()) == Seen("Unknown", "LeaderNotKnown", "abc", "bc")


def test_a_policy_that_comes_and_changes_is_taken_up() -> None:
    made = world(service(loadBalancerClass=L2), endpoints("a"), *nodes(""))
    assert made.consumer().outcome.name == "Unknown"
    made.put(policy())
    assert made.consumer().reason.code == "LeaderNotKnown"
    made.put(policy(nodeSelector={"matchLabels": {"nowhere": ""}}))
    assert made.consumer().outcome.name == "NoTargets"


def test_the_reason_names_unreadable_policies() -> None:
    objects = [service(loadBalancerClass=L2), endpoints("a"), *nodes("")]
    assert seen(*objects, unread={"CiliumL2AnnouncementPolicy": "forbidden"}) == Seen(
        "Unknown", "PolicyNotReadable", "abc", "bc"
    )


def test_nothing_is_lost_where_all_nodes_are_covered_whichever_node_announces() -> None:
    for subject in (service(loadBalancerClass=L2), service(conditions=[ASSIGNED])):
        assert seen(subject, endpoints("a", "b", "c"), *nodes("")).outcome == "Covered"


def test_an_address_that_ipam_did_not_give_is_no_mark() -> None:
    refused = service(conditions=[{**ASSIGNED, "status": "False"}], annotations={"lbipam.cilium.io/ips": "x"})
    assert world(refused, endpoints("a"), *nodes("openstack")).consumer().consumer.family == "openstack"


def test_a_leader_is_not_ready_for_long() -> None:
    down = node("b", ready="False")
    assert seen(service(loadBalancerClass=L2), endpoints("a"), node("a"), down, policy()).eligible == "a"


def test_bgp_is_blind_to_ports() -> None:
    two = service(loadBalancerClass=BGP, ports=[port(), port("admin", 81, 30081)])
    objects = [
        two,
        endpoints("a", "b"),
        endpoints("a", ports=["admin"]),
        *nodes(""),
        advertisement(),
        to_peer(),
        peer_config(family()),
    ]
    assert seen(*objects, port_name="admin") == Seen("Blackhole", "Blackhole", "ab", "b")


def test_advice_binds_the_leader_to_the_pods() -> None:
    advice = world(service(loadBalancerClass=L2), endpoints("a"), *nodes(""), policy()).advice()
    assert "CiliumL2AnnouncementPolicy that selects Service shop/web" in advice[0]
    assert "(a)" in advice[0]


SILENT = Seen("NoTargets", "NotAdvertised", "", "")
ONLY_A = Seen("Covered", "Covered", "a", "")
MAYBE_A = Seen("Unknown", "PeerConfigNotRead", "a", "")
RACK = {"nodeSelector": {"matchLabels": {"rack": "one"}}}


@pytest.mark.parametrize(
    ("subject", "config", "expected"),
    [
        pytest.param(service(loadBalancerClass=BGP), [advertisement(), to_peer()], MAYBE_A, id="by class"),
        pytest.param(service(conditions=[ASSIGNED]), [advertisement(), to_peer()], MAYBE_A, id="without a class"),
        pytest.param(
            service(conditions=[ASSIGNED]),
            [advertisement(selector=None)],
            Seen("Unknown", "AnnouncementNotKnown", "abc", "bc"),
            id="without a class, and advertised by none",
        ),
        pytest.param(
            service(loadBalancerClass=BGP), [advertisement(selector=None)], SILENT, id="no selector: no Service"
        ),
        pytest.param(
            service(loadBalancerClass=BGP),
            [advertisement(selector={"matchLabels": {"app": "other"}})],
            SILENT,
            id="selects other Services",
        ),
        pytest.param(
            service(loadBalancerClass=BGP),
            [
                advertisement(selector={"matchLabels": {"io.kubernetes.service.namespace": "shop"}}),
                to_peer(),
            ],
            MAYBE_A,
            id="selects it by its namespace",
        ),
        pytest.param(
            service(loadBalancerClass=BGP),
            [advertisement(service={"addresses": ["ClusterIP"]})],
            SILENT,
            id="other addresses",
        ),
        pytest.param(
            service(loadBalancerClass=BGP), [advertisement(advertisementType="PodCIDR")], SILENT, id="no Services"
        ),
        pytest.param(
            service(loadBalancerClass=BGP),
            [advertisement(), to_peer(nodeSelector={"matchLabels": {"rack": "one"}})],
            Seen("NoTargets", "NoTargets", "", ""),
            id="sessions from other nodes alone",
        ),
        pytest.param(
            service(loadBalancerClass=BGP),
            [advertisement(), to_peer()],
            MAYBE_A,
            id="sessions from all nodes",
        ),
        pytest.param(
            service(loadBalancerClass=BGP),
            [advertisement(), cluster_config()],
            SILENT,
            id="no peer",
        ),
        pytest.param(
            service(loadBalancerClass=BGP),
            [advertisement(), cluster_config(PEER)],
            SILENT,
            id="a peer without a configuration",
        ),
        pytest.param(
            service(loadBalancerClass=BGP),
            [
                advertisement(),
                cluster_config(PEER),
                to_peer(name="edge", nodeSelector={"matchLabels": {"rack": "one"}}),
            ],
            Seen("NoTargets", "NoTargets", "", ""),
            id="a peer with a configuration on other nodes alone",
        ),
        pytest.param(
            service(loadBalancerClass=BGP),
            [advertisement()],
            Seen("Unknown", "SessionsNotSeen", "a", ""),
            id="no session is known",
        ),
        pytest.param(
            service(conditions=[ASSIGNED]),
            [advertisement(), policy()],
            Seen("Unknown", "AnnouncingNodesNotKnown", "abc", "bc"),
            id="by L2, too",
        ),
    ],
)
def test_bgp_advertisements(subject: Json, config: list[Json], expected: Seen) -> None:
    """cilium 058641d: CiliumBGPClusterConfig selects nodes, CiliumBGPAdvertisement selects Services, and the
    CiliumBGPPeerConfig of a peer selects advertisements."""
    unread = {"CiliumBGPPeerConfig": "forbidden"}
    assert seen(subject, endpoints("a"), *nodes(""), *config, unread=unread) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param([to_peer(), peer_config(family())], ONLY_A, id="it selects the advertisement"),
        pytest.param(
            [to_peer(), peer_config(family(advertisements={}))], ONLY_A, id="an empty selector selects all"
        ),
        pytest.param([to_peer(), peer_config(family(advertisements=None))], SILENT, id="no selector: none"),
        pytest.param([to_peer(), peer_config(family(labels={"advertise": "other"}))], SILENT, id="another one"),
        pytest.param([to_peer(), peer_config(family("ipv6"))], SILENT, id="for IPv6 alone"),
        pytest.param([to_peer(), peer_config(family(safi="mpls_label"))], SILENT, id="for no unicast"),
        pytest.param([to_peer(), peer_config()], SILENT, id="the families by default have no advertisement"),
        pytest.param(
            [to_peer(), peer_config(family(), family(advertisements=None))], SILENT, id="the last entry counts"
        ),
        pytest.param([to_peer(), peer_config(family(), name="other")], SILENT, id="that of the peer is missing"),
        pytest.param(
            [
                cluster_config(
                    {**PEER, "peerConfigRef": {"name": "other"}}, {**PEER, "peerConfigRef": {"name": "pc"}}
                ),
                peer_config(family()),
            ],
            ONLY_A,
            id="one of two peers",
        ),
        pytest.param(
            [to_peer(**RACK), peer_config(family())],
            Seen("NoTargets", "NoTargets", "", ""),
            id="sessions from other nodes alone",
        ),
        pytest.param(
            [to_peer(), cluster_config(name="second"), peer_config(family())],
            Seen("Unknown", "SessionsContested", "a", ""),
            id="a configuration without peers may have the nodes",
        ),
        pytest.param(
            [
                to_peer(nodeSelector={"matchLabels": {"name": "a"}}),
                cluster_config(name="second", **RACK),
                peer_config(family()),
            ],
            Seen("Unknown", "SessionsContested", "a", ""),
            id="by another label",
        ),
        pytest.param(
            [
                to_peer(nodeSelector={"matchLabels": {"name": "a"}}),
                cluster_config(name="second", nodeSelector={"matchLabels": {"name": "b"}}),
                peer_config(family()),
            ],
            ONLY_A,
            id="on other nodes",
        ),
        pytest.param(
            [to_peer(), to_peer(name="second"), peer_config(family())], ONLY_A, id="two, and both advertise it"
        ),
        *(
            pytest.param(
                [
                    to_peer(nodeSelector={"matchExpressions": [{"key": "name", **one}]}),
                    cluster_config(name="second", nodeSelector={"matchExpressions": [{"key": "name", **other}]}),
                    peer_config(family()),
                ],
                ONLY_A if apart else Seen("Unknown", "SessionsContested", "a", ""),
                id=f"{one} and {other}",
            )
            for one, other, apart in (
                ({"operator": "Exists"}, {"operator": "DoesNotExist"}, True),
                ({"operator": "In", "values": ["a"]}, {"operator": "DoesNotExist"}, True),
                ({"operator": "In", "values": ["a"]}, {"operator": "NotIn", "values": ["a", "b"]}, True),
                ({"operator": "In", "values": ["a", "c"]}, {"operator": "NotIn", "values": ["a", "b"]}, False),
                ({"operator": "Exists"}, {"operator": "In", "values": ["b"]}, False),
            )
        ),
    ],
)
def test_the_configuration_of_a_peer_selects_its_advertisements(config: list[Json], expected: Seen) -> None:
    """cilium 9bcad54 pkg/bgp/manager/reconciler/peer_advertisements.go, 23dbd70 operator/pkg/bgp/cluster.go."""
    members = [node(name, labels={"name": name}) for name in "abc"]
    assert seen(service(loadBalancerClass=BGP), endpoints("a"), *members, advertisement(), *config) == expected


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        pytest.param(["ipv4", "ipv6"], ONLY_A, id="both"),
        pytest.param(["ipv4"], Seen("Unknown", "FamiliesDiffer", "a", ""), id="IPv4 alone"),
        pytest.param(["ipv6"], Seen("Unknown", "FamiliesDiffer", "a", ""), id="IPv6 alone"),
        pytest.param(["l2vpn"], SILENT, id="none"),
    ],
)
def test_each_ip_family_is_advertised_by_itself(families: list[str], expected: Seen) -> None:
    subject = worlds.service(
        loadBalancerClass=BGP,
        ipFamilies=["IPv4", "IPv6"],
        ingress=[{"ip": "203.0.113.1"}, {"ip": "2001:db8::1"}],
    )
    pods = [endpoints("a"), endpoints("a", family="IPv6")]
    objects = [subject, *pods, *nodes(""), advertisement(), to_peer()]
    assert seen(*objects, peer_config(*map(family, families))) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param(None, ONLY_A, id="its configuration was not read"),
        pytest.param((("enable-bgp-control-plane", "true"),), ONLY_A, id="on"),
        pytest.param((("enable-bgp-control-plane", "false"),), "ControlPlaneOff", id="off"),
        pytest.param((), "ControlPlaneOff", id="off by default"),
    ],
)
def test_the_control_plane_may_be_off(settings: tuple[tuple[str, str], ...] | None, expected: Seen | str) -> None:
    objects = [service(loadBalancerClass=BGP), endpoints("a"), *nodes(""), advertisement(), to_peer()]
    options = Options(one_plane(DataPlane.CILIUM, settings=settings))
    found = seen(*objects, peer_config(family()), options=options)
    assert found == (Seen("Unknown", expected, "a", "") if isinstance(expected, str) else expected)


def test_a_peer_config_that_comes_and_changes_is_taken_up() -> None:
    made = world(service(loadBalancerClass=BGP), endpoints("a"), *nodes(""), advertisement(), to_peer())
    assert made.consumer().outcome.name == "NoTargets"
    made.put(peer_config(family()))
    assert made.consumer().outcome.name == "Covered"
    made.put(peer_config(family(advertisements=None)))
    assert made.consumer().outcome.name == "NoTargets"
    assert "selects an advertisement of the Service (lb) for IPv4" in made.consumer().reason.detail


@pytest.mark.parametrize(
    ("members", "annotations", "expected"),
    [
        pytest.param([node("a", ready="False"), node("b")], {}, ONLY_A, id="a node that is not Ready"),
        pytest.param(
            [node("a", deleting=True), node("b")], {}, Seen("NoTargets", "NoTargets", "", ""), id="deleting"
        ),
        pytest.param(
            [node("a", labels={"pool": "edge"}), node("b")],
            {"io.cilium.nodeipam/match-node-labels": "pool=edge"},
            ONLY_A,
            id="match-node-labels",
        ),
        pytest.param(
            [node("a"), node("b")],
            {"io.cilium.nodeipam/match-node-labels": "pool=edge"},
            Seen("NoTargets", "NoTargets", "", ""),
            id="match-node-labels of no node",
        ),
        pytest.param(
            [node("a"), node("b")],
            {"io.cilium.nodeipam/match-node-labels": "(("},
            Seen("Unknown", "SelectorNotUnderstood", "a", ""),
            id="match-node-labels that is no selector",
        ),
    ],
)
def test_node_ipam(members: list[Json], annotations: dict[str, str], expected: Seen) -> None:
    """cilium 94b67c8 operator/pkg/nodeipam."""
    subject = service(loadBalancerClass=NODE_IPAM, annotations=annotations)
    assert seen(subject, endpoints("a"), *members) == expected


@pytest.mark.parametrize(
    ("external", "http", "admin"),
    [
        *EXTERNAL_IPS,
        pytest.param(
            {"a": ["2001:db8::1"]},
            Seen("Blackhole", "Blackhole", "ab", "b"),
            Seen("Blackhole", "Blackhole", "ab", "a"),
            id="of another family",
        ),
    ],
)
def test_node_ipam_prefers_external_ips(external: dict[str, list[str]], http: Seen, admin: Seen) -> None:
    """getNodeLoadBalancerIngresses."""
    objects = [
        service(loadBalancerClass=NODE_IPAM, ports=[port(), port("admin", 81, 30081)]),
        endpoints("a"),
        endpoints("b", ports=["admin"]),
        *(node(name, external=external.get(name, ())) for name in "abc"),
    ]
    assert seen(*objects) == http
    assert seen(*objects, port_name="admin") == admin


def test_the_service_of_a_gateway_has_a_placeholder_endpoint() -> None:
    """cilium/cilium #48799."""
    subject = service(conditions=[ASSIGNED], labels={"io.cilium.gateway/owning-gateway": "edge"}, selector=None)
    placeholder = endpoints("a")
    del placeholder["endpoints"][0]["nodeName"]
    found = seen(subject, placeholder, *nodes(""), policy())
    assert (found.outcome, found.reason) == ("Unknown", "EnvoyOnEachNode")


def test_the_lease_is_named_that_shows_the_leader() -> None:
    found = world(service(loadBalancerClass=L2), endpoints("a"), *nodes(""), policy()).consumer()
    assert "Lease cilium-l2announce-shop-web" in found.reason.detail


def cilium(version: str) -> Options:
    return Options(one_plane(DataPlane.CILIUM, version=version, settings=()))


@pytest.mark.parametrize(
    ("version", "on", "expected"),
    [
        pytest.param("v1.20.1", "a", Seen("Unknown", "LeaderNotKnown", "abc", "bc"), id="any node may lead"),
        pytest.param("v1.20.2", "a", Seen("Covered", "Covered", "a", ""), id="only nodes with an endpoint"),
        pytest.param("v1.20.2", "", Seen("NoEndpoints", "NoEndpoints", "", ""), id="no endpoint"),
        pytest.param("", "a", Seen("Unknown", "LeaderNotKnown", "abc", "bc"), id="the release is not known"),
    ],
)
def test_the_release_decides_who_may_lead(version: str, on: str, expected: Seen) -> None:
    objects = [service(loadBalancerClass=L2), policy(), endpoints(*on), *nodes("a")]
    assert seen(*objects, options=cilium(version), unread={"Lease": "forbidden"}) == expected


@pytest.mark.parametrize(
    ("version", "outcome", "part"),
    [
        pytest.param("v1.19.0", "Covered", "", id="any node leads, and each has Envoy"),
        pytest.param("v1.20.2", "Unknown", "#48799", id="no node leads"),
        pytest.param("", "Unknown", "depends on the release", id="the release is not known"),
    ],
)
def test_the_release_decides_who_announces_a_service_of_envoy(version: str, outcome: str, part: str) -> None:
    subject = service(labels={"io.cilium.gateway/owning-gateway": "web"}, selector=None, conditions=[ASSIGNED])
    placeholder = {
        **endpoints(),
        "ports": [{"name": "", "protocol": "TCP", "port": 9999}],
        "endpoints": [{"addresses": ["192.192.192.192"], "conditions": {"ready": True}}],
    }
    made = world(subject, policy(), placeholder, *nodes("a"), options=cilium(version))
    assert made.assessment.outcome.name == outcome
    assert part in made.assessment.reason.detail


BY_BGP = [advertisement(), to_peer(), peer_config(family())]


@pytest.mark.parametrize(
    ("config", "kind", "known"),
    [
        pytest.param(BY_BGP, "CiliumL2AnnouncementPolicy", "advertisements announce it by BGP", id="policies"),
        pytest.param([policy()], "CiliumBGPAdvertisement", "policies announce it by L2", id="advertisements"),
    ],
)
def test_what_was_not_read_may_announce_an_address_of_lb_ipam_too(
    config: list[Json], kind: str, known: str
) -> None:
    """A class says which of the two it is."""
    objects = [endpoints("a", "b"), *nodes(""), *config]
    made = world(service(conditions=[ASSIGNED]), *objects, unread={kind: "forbidden"})
    found = made.consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "AnnouncingNodesNotKnown")
    assert found.reason.detail.startswith(f"{known}, and no {kind} was read (forbidden)")
    by_class = BGP if config is BY_BGP else L2
    made = world(service(loadBalancerClass=by_class), *objects, unread={kind: "forbidden"})
    assert made.consumer().consumer.controller == by_class


@pytest.mark.parametrize(
    ("config", "lacking", "outcome"),
    [
        pytest.param(BY_BGP, CILIUM_L2_ANNOUNCEMENT_POLICY, "Unknown", id="policies"),
        pytest.param(
            [policy(nodeSelector={"matchLabels": {"kubernetes.io/hostname": "c"}})],
            CILIUM_BGP_ADVERTISEMENT,
            "Outage",
            id="advertisements",
        ),
    ],
)
def test_files_may_lack_a_policy_that_announces_from_other_nodes(
    config: list[Json], lacking: AnyKind, outcome: str
) -> None:
    members = [node(name, labels={"kubernetes.io/hostname": name}) for name in "abc"]
    made = world(service(conditions=[ASSIGNED]), endpoints("a"), *members, *config)
    assert made.consumer().outcome.name == ("Covered" if config is BY_BGP else "Outage")
    made.picture.unlisted[lacking] = "the input has none"
    made.engine.refresh_all()
    assert made.consumer().outcome.name == outcome
    assert {kind.name for kind in made.engine.missed} == ({lacking.name} if outcome == "Unknown" else set())
