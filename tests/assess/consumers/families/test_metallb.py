"""MetalLB speaker/layer2_controller.go and speaker/bgp_controller.go."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from etpguard.assess import DataPlane, Options
from etpguard.assess.consumers.families.metallb import MetalLB, sharing
from etpguard.assess.consumers.shared.other_announcers import KUBE_ROUTER_ADVERTISES as ADVERTISE
from etpguard.assess.consumers.shared.other_announcers import KUBE_ROUTER_SKIPS
from etpguard.assess.data_planes.choice import Choice
from etpguard.assess.data_planes.detection import Detection
from etpguard.assess.outcome import Outcome
from etpguard.objects import SERVICE, Key
from tests.assess.build import one_plane
from tests.assess.consumers import worlds
from tests.assess.consumers.worlds import KEY, Json, Seen, endpoints, node, nodes, port, seen, world
from tests.assess.data_planes import clusters

service = partial(worlds.service, ingress=[{"ip": "203.0.113.1"}])

ALLOCATED = {"metallb.io/ip-allocated-from-pool": "default"}
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


def advertisement(kind: str = "L2Advertisement", name: str = "lan", **spec: object) -> Json:
    return {"kind": kind, "metadata": {"name": name, "namespace": "metallb-system"}, "spec": spec}


def by_bgp(name: str, **spec: object) -> Json:
    return advertisement("BGPAdvertisement", name, **spec)


def peer(name: str = "peer", **spec: object) -> Json:
    return {"kind": "BGPPeer", "metadata": {"name": name, "namespace": "metallb-system"}, "spec": spec}


ADVERTISED = advertisement()
LAN = [*nodes(""), ADVERTISED]


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
            service(loadBalancerClass="example.com/lb", annotations=ALLOCATED), True, id="a class of --lb-class"
        ),
        pytest.param(
            service(loadBalancerClass="example.com/lb", annotations={"metallb.io/address-pool": "x"}),
            False,
            id="an annotation of a person shows nothing beside another class",
        ),
        pytest.param(
            service(
                loadBalancerClass="service.k8s.aws/nlb",
                annotations=ALLOCATED,
                ingress=[{"hostname": "x.elb.amazonaws.com"}],
            ),
            False,
            id="another class, with a host name",
        ),
        pytest.param(service(type="NodePort", annotations=ALLOCATED), False, id="a NodePort"),
        pytest.param(
            service(annotations=ALLOCATED, ingress=[{"hostname": "x.elb.amazonaws.com"}]),
            False,
            id="a host name is another's answer",
        ),
        pytest.param(service(), False, id="no sign of MetalLB"),
    ],
)
def test_recognised(subject: Json, served: bool) -> None:
    made = world(subject, endpoints("a"), *nodes("aws"))
    assert any(v.consumer.family == "metallb" for v in made.assessment.consumers) is served


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        pytest.param("true", Seen("Covered", "Covered", "a", ""), id="Antrea serves the address"),
        pytest.param("false", Seen("Unknown", "NotServedByAntrea", "a", ""), id="another proxy may"),
    ],
)
def test_antrea_may_leave_the_address_to_another_proxy(served: str, expected: Seen) -> None:
    """A load balancer that sends to node ports does not see this."""
    options = Options(one_plane(DataPlane.ANTREA, settings=(("proxyLoadBalancerIPs", served),)))
    assert seen(service(annotations=ALLOCATED), endpoints("a"), *LAN, options=options) == expected
    nlb = {"service.beta.kubernetes.io/aws-load-balancer-type": "external"}
    instances = {"service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "instance"}
    subject = service(annotations=nlb | instances)
    found = seen(subject, endpoints("a"), *nodes("aws"), options=options)
    assert found == seen(subject, endpoints("a"), *nodes("aws"))


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
    assert seen(service(annotations=ALLOCATED), *slices, *LAN) == expected


@pytest.mark.parametrize("value", ["", "true", "false"])
def test_an_excluded_node_does_not_announce(value: str) -> None:
    """k8snodes.IsNodeExcludedFromBalancers: the label's presence."""
    objects = [
        service(annotations=ALLOCATED),
        endpoints("a"),
        node("a", labels={EXCLUDE: value}),
        node("b"),
        ADVERTISED,
    ]
    assert seen(*objects) == Seen("NoTargets", "NoTargets", "", "")
    assert f"kubectl label node a {EXCLUDE}-" in world(*objects).advice()[0]


def test_a_node_not_ready_announces_while_its_endpoint_is() -> None:
    objects = [service(annotations=ALLOCATED), endpoints("a"), node("a", ready="Unknown"), node("b"), ADVERTISED]
    assert seen(*objects) == Seen("Covered", "Covered", "a", "")


def test_announcement_is_blind_to_ports() -> None:
    """metallb #646: a node announces with an endpoint of any port."""
    two = service(annotations=ALLOCATED, ports=[port(), port("admin", 81, 30081)])
    objects = [two, endpoints("a", "b"), endpoints("a", ports=["admin"]), *LAN]
    assert seen(*objects, port_name="http") == Seen("Covered", "Covered", "ab", "")
    assert seen(*objects, port_name="admin") == Seen("Unknown", "AnnouncerNotKnown", "ab", "b")
    by_bgp = [two, *objects[1:3], *nodes(""), advertisement("BGPAdvertisement"), peer()]
    assert seen(*by_bgp, port_name="admin") == Seen("Blackhole", "Blackhole", "ab", "b")
    assert "Separate port admin from the other ports" in world(*objects).advice()[0]


def test_announcement_is_blind_to_families() -> None:
    both = [{"ip": "203.0.113.1"}, {"ip": "2001:db8::1"}]
    dual = service(annotations=ALLOCATED, ipFamilies=["IPv4", "IPv6"], ingress=both)
    objects = [dual, endpoints("a"), endpoints("b", family="IPv6"), *LAN]
    assert seen(*objects) == Seen("Blackhole", "Blackhole", "ab", "ab"), "the one announcer lacks one family"


def test_whichever_node_announces_one_of_the_ports_is_lost() -> None:
    two = service(annotations=ALLOCATED, ports=[port(), port("admin", 81, 30081)])
    objects = [two, endpoints("a"), endpoints("b", ports=["admin"]), *LAN]
    assert world(*objects).assessment.outcome is Outcome.Blackhole
    assert seen(*objects, report("ServiceL2Status", "b"), port_name="http") == Seen("Outage", "Outage", "b", "b")
    assert seen(*objects, report("ServiceL2Status", "b"), port_name="admin") == Seen("Covered", "Covered", "b", "")


def test_ports_apart_on_all_nodes_lose_everything() -> None:
    two = service(annotations=ALLOCATED, ports=[port(), port("admin", 81, 30081)])
    excluded = node("b", labels={EXCLUDE: ""})
    objects = [two, endpoints("a"), endpoints("b", ports=["admin"]), node("a"), excluded, ADVERTISED]
    assert seen(*objects, port_name="admin") == Seen("Outage", "Outage", "a", "a")


def test_the_source_says_how_it_was_recognised() -> None:
    found = world(service(annotations=ALLOCATED), endpoints("a"), *LAN).consumer().consumer
    assert found.source.startswith("recognised by its annotation metallb.io/ip-allocated-from-pool")


def pool(name: str, **labels: str) -> Json:
    return {"kind": "IPAddressPool", "metadata": {"name": name, "namespace": "metallb-system", "labels": labels}}


def on(name: str) -> list[Json]:
    return [{"matchLabels": {"kubernetes.io/hostname": name}}]


BOTH = Seen("Covered", "Covered", "ab", "")
ONLY_A = Seen("Covered", "Covered", "a", "")
NOBODY = Seen("NoTargets", "NoTargets", "", "")
SILENT = Seen("NoTargets", "NotAdvertised", "", "")
UNSEEN = Seen("Unknown", "AdvertisementsNotSeen", "ab", "")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param([], UNSEEN, id="before 0.13 a ConfigMap has the configuration"),
        pytest.param([pool("default")], SILENT, id="a pool, and no advertisement"),
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
    assert seen(service(annotations=ALLOCATED), endpoints("a", "b"), *members, peer(), *config) == expected


def test_advice_where_no_selected_node_has_an_endpoint() -> None:
    members = [node(name, labels={"kubernetes.io/hostname": name}) for name in "abc"]
    objects = [service(annotations=ALLOCATED), *members, advertisement(nodeSelectors=on("c"))]
    first, second = world(*objects, endpoints("a")).advice()
    assert first.startswith("Let nodes with endpoints announce the address\n")
    assert "change spec.nodeSelectors of the L2Advertisement" in first
    assert "Let every node forward" in second


def test_without_a_pool_only_advertisements_that_agree_give_an_answer() -> None:
    objects = [service(loadBalancerClass="metallb"), endpoints("a"), *nodes("")]
    assert seen(*objects, advertisement()).outcome == "Covered"
    assert seen(*objects, advertisement(nodeSelectors=on("a"))).reason == "PoolNotKnown"


def test_the_reason_names_unreadable_advertisements() -> None:
    objects = [service(annotations=ALLOCATED), endpoints("a"), *LAN]
    assert seen(*objects, unread={"L2Advertisement": "forbidden"}).reason == "AdvertisementsNotReadable"


def test_an_advertisement_that_changes_is_taken_up() -> None:
    made = world(service(annotations=ALLOCATED), endpoints("a"), *nodes(""), advertisement())
    assert made.consumer().outcome.name == "Covered"
    made.put(advertisement(nodeSelectors=on("b")))
    assert made.consumer().outcome.name == "NoTargets"


def other_service(name: str, **more: Any) -> Json:
    return service(name, annotations=SHARED, **more)


LAN_ONLY = advertisement(serviceSelectors=[{"matchLabels": {"expose": "lan"}}])
SHARED = {**ALLOCATED, "metallb.io/allow-shared-ip": "one"}
STATUS: Json = {"node": "b", "serviceName": "web", "serviceNamespace": "shop"}


def report(kind: str, node_name: str) -> Json:
    metadata = {"name": f"{kind.lower()}-{node_name}", "namespace": "metallb-system"}
    return {"kind": kind, "metadata": metadata, "status": {**STATUS, "node": node_name}}


@pytest.mark.parametrize(
    ("labels", "annotations", "config", "expected"),
    [
        pytest.param({"expose": "lan"}, ALLOCATED, [LAN_ONLY], BOTH, id="serviceSelectors match its labels"),
        pytest.param({"expose": "dmz"}, ALLOCATED, [LAN_ONLY], SILENT, id="no serviceSelectors match: silent"),
        pytest.param(
            {}, ALLOCATED, [LAN_ONLY, advertisement(name="all")], BOTH, id="one without selectors is enough"
        ),
        pytest.param({"expose": "lan"}, SHARED, [LAN_ONLY], SILENT, id="L2, allow-shared-ip and serviceSelectors"),
        pytest.param(
            {"expose": "lan"},
            SHARED,
            [LAN_ONLY, advertisement("BGPAdvertisement", "wan")],
            BOTH,
            id="BGP announces a shared address all the same",
        ),
    ],
)
def test_service_selectors(
    labels: dict[str, str], annotations: dict[str, str], config: list[Json], expected: Seen
) -> None:
    """MetalLB 0.16, api/v1beta1 serviceSelectors."""
    subject = service(labels=labels, annotations=annotations)
    assert seen(subject, endpoints("a", "b"), *nodes(""), peer(), pool("default"), *config) == expected


def test_a_pool_that_was_not_read_has_unknown_labels() -> None:
    by_label = advertisement(ipAddressPoolSelectors=[{"matchLabels": {"tier": "edge"}}])
    assert seen(service(annotations=ALLOCATED), endpoints("a"), *nodes(""), by_label).reason == "PoolNotKnown"


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param(
            [node("a", network_down=True), node("b")], Seen("Covered", "Covered", "b", ""), id="no network"
        ),
        pytest.param(
            [node("a", taints=[("dedicated", "NoSchedule")]), node("b")],
            Seen("Covered", "Covered", "b", ""),
            id="a taint that the speaker does not tolerate",
        ),
        pytest.param(
            [node(name, taints=[("dedicated", "NoExecute")]) for name in "ab"],
            Seen("Unknown", "SpeakerNotKnown", "", ""),
            id="such a taint on all of them",
        ),
        pytest.param(
            [node("a", taints=[("dedicated", "PreferNoSchedule")]), node("b", taints=[("x", "NoSchedule")])],
            Seen("Covered", "Covered", "a", ""),
            id="a taint that keeps no pod off",
        ),
        pytest.param(
            [
                node("a", taints=[("node-role.kubernetes.io/control-plane", "NoSchedule")]),
                node("b", taints=[("node.kubernetes.io/unschedulable", "NoSchedule")]),
            ],
            BOTH,
            id="taints that the speaker tolerates",
        ),
    ],
)
def test_nodes_with_a_speaker(members: list[Json], expected: Seen) -> None:
    """speakersForPool, and the tolerations of the DaemonSet in config/manifests."""
    assert seen(service(annotations=ALLOCATED), endpoints("a", "b"), *members, ADVERTISED) == expected


@pytest.mark.parametrize(
    ("ads", "peers", "expected"),
    [
        pytest.param([{}], [], SILENT, id="there is no peer"),
        pytest.param([{}], [{}], BOTH, id="a peer of all nodes"),
        pytest.param([{}], [{"nodeSelectors": on("a")}], ONLY_A, id="a peer of one node"),
        pytest.param([{}], [{"nodeSelectors": on("c")}], NOBODY, id="a peer of no node with an endpoint"),
        pytest.param([{"peers": ["typo"]}], [{}], SILENT, id="for a peer that does not exist"),
        pytest.param([{"peers": ["typo", "peer-0"]}], [{}], BOTH, id="for one that exists, too"),
        pytest.param(
            [{"peers": ["peer-1"]}], [{}, {"nodeSelectors": on("a")}], ONLY_A, id="only its own peers count"
        ),
        pytest.param(
            [{"peers": ["typo"]}, {"nodeSelectors": on("a")}],
            [{}],
            ONLY_A,
            id="an advertisement for no peer beside one for all",
        ),
    ],
)
def test_bgp_peers(ads: list[Json], peers: list[Json], expected: Seen) -> None:
    """speaker/bgp_controller.go: a node has sessions with the peers that select it. internal/bgp/bgp.go
    MatchesPeer: an advertisement goes to the peers that it names."""
    members = [node(name, labels={"kubernetes.io/hostname": name}) for name in "abc"]
    config = [
        *(by_bgp(f"ad-{i}", **spec) for i, spec in enumerate(ads)),
        *(peer(f"peer-{i}", **spec) for i, spec in enumerate(peers)),
    ]
    subject = [service(annotations=ALLOCATED), endpoints("a", "b"), *members]
    assert seen(*subject, *config) == expected
    assert seen(*subject, *config, advertisement(nodeSelectors=on("c"))) == (
        NOBODY if expected == SILENT else expected
    ), "L2 is judged apart"
    assert seen(*subject, *config, ADVERTISED) == BOTH


def test_peers_that_were_not_read_may_restrict_the_nodes() -> None:
    objects = [service(annotations=ALLOCATED), endpoints("a"), *nodes(""), by_bgp("wan")]
    assert seen(*objects, unread={"BGPPeer": "forbidden"}).reason == "AdvertisementsNotReadable"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param([advertisement(interfaces=["eth1"])], "InterfacesNotKnown", id="some interfaces"),
        pytest.param([advertisement(interfaces=[])], "Covered", id="an empty list: all"),
        pytest.param(
            [advertisement(interfaces=["eth1"]), advertisement(name="all")], "Covered", id="one for all is enough"
        ),
        pytest.param(
            [advertisement(interfaces=["eth1"]), advertisement(name="all", nodeSelectors=on("a"))],
            "InterfacesNotKnown",
            id="one for all interfaces of some nodes is not",
        ),
        pytest.param(
            [advertisement(interfaces=["eth1"]), by_bgp("wan"), peer()], "Covered", id="BGP announces, too"
        ),
        pytest.param(
            [advertisement(interfaces=["eth1"]), report("ServiceL2Status", "a")], "Covered", id="a speaker reports"
        ),
        pytest.param(
            [advertisement(interfaces=["eth1"], nodeSelectors=on("c"))],
            "NoTargets",
            id="from no node with an endpoint, whatever its interfaces",
        ),
    ],
)
def test_the_announcing_node_may_lack_the_interface(config: list[Json], expected: str) -> None:
    """metallb 7938d3f speaker/layer2_controller.go SetBalancer."""
    members = [node(name, labels={"kubernetes.io/hostname": name}) for name in "abc"]
    found = world(service(annotations=ALLOCATED), endpoints("a", "b"), *members, *config).consumer()
    assert found.reason.code == expected
    assert found.outcome.name == ("Unknown" if expected == "InterfacesNotKnown" else expected)


SHORT = by_bgp("prefix", aggregationLength=24)
WHOLE = by_bgp("whole", aggregationLength=32)
V6 = {"ipFamilies": ["IPv6"], "ingress": [{"ip": "2001:db8::1"}]}
V4 = {"ipFamilies": ["IPv4"], "ingress": [{"ip": "203.0.113.1"}]}
SHARED_PREFIX = Seen("Unknown", "PrefixShared", "abc", "c")


@pytest.mark.parametrize(
    ("address", "config", "expected"),
    [
        pytest.param(V4, [SHORT], SHARED_PREFIX, id="a prefix alone"),
        pytest.param({"ipFamilies": ["IPv4"]}, [SHORT], SHARED_PREFIX, id="of the address to come"),
        pytest.param(V4, [by_bgp("wan"), SHORT], BOTH, id="the whole address by default, too"),
        pytest.param(V4, [SHORT, WHOLE], BOTH, id="the whole address by its length, too"),
        pytest.param(V4, [SHORT, advertisement()], SHARED_PREFIX, id="L2 announces to no router"),
        pytest.param(
            V4, [SHORT, by_bgp("whole", peers=["peer"])], SHARED_PREFIX, id="other peers know the prefix alone"
        ),
        pytest.param(
            V4,
            [by_bgp("prefix", aggregationLength=24, peers=["peer"]), by_bgp("whole", peers=["peer", "x"])],
            BOTH,
            id="the same peer knows both",
        ),
        pytest.param(
            V4,
            [SHORT, by_bgp("whole", nodeSelectors=on("a"))],
            SHARED_PREFIX,
            id="other nodes announce the prefix alone",
        ),
        pytest.param(
            V4,
            [by_bgp("prefix", aggregationLength=24, ipAddressPools=["other"]), by_bgp("wan")],
            BOTH,
            id="a prefix of another pool",
        ),
        pytest.param(V4, [by_bgp("prefix", aggregationLengthV6=64)], BOTH, id="IPv4 with a prefix for IPv6"),
        pytest.param(V6, [by_bgp("prefix", aggregationLengthV6=64)], SHARED_PREFIX, id="IPv6"),
        pytest.param(V6, [SHORT], BOTH, id="IPv6 with a prefix for IPv4"),
    ],
)
def test_a_prefix_brings_packets_to_nodes_of_other_services(
    address: Json, config: list[Json], expected: Seen
) -> None:
    """metallb 7938d3f speaker/bgp_controller.go SetBalancer: each node announces lbIP.Mask(m)."""
    family = "IPv6" if address == V6 else "IPv4"
    members = [node(name, labels={"kubernetes.io/hostname": name}) for name in "abc"]
    subject = worlds.service(annotations=ALLOCATED, **address)
    assert seen(subject, endpoints("a", "b", family=family), *members, peer(), *config) == expected


def test_a_prefix_is_shared_whatever_the_speakers_report() -> None:
    objects = [service(annotations=ALLOCATED), *nodes(""), SHORT, peer(), report("ServiceBGPStatus", "a")]
    assert seen(*objects, endpoints("a", "b")) == SHARED_PREFIX
    assert seen(*objects, endpoints("a", "b", "c")) == Seen("Covered", "Covered", "abc", "")


@pytest.mark.parametrize(
    ("config", "unread", "reports", "expected"),
    [
        pytest.param(
            [], "BGPAdvertisement", "ServiceBGPStatus", ("Unknown", "AdvertisementsNotSeen"), id="no advertisement"
        ),
        pytest.param(
            [SHORT], "BGPPeer", "ServiceBGPStatus", ("Unknown", "AdvertisementsNotReadable"), id="one of a prefix"
        ),
        pytest.param([by_bgp("whole")], "BGPPeer", "ServiceBGPStatus", ("Covered", "Covered"), id="a whole one"),
        pytest.param(
            [ADVERTISED], "BGPAdvertisement", "ServiceL2Status", ("Covered", "Covered"), id="announced by L2 alone"
        ),
    ],
)
def test_an_unread_advertisement_may_share_a_prefix(
    config: list[Json], unread: str, reports: str, expected: tuple[str, str]
) -> None:
    objects = [service(annotations=ALLOCATED), endpoints("a"), *nodes(""), *config, report(reports, "a")]
    found = world(*objects, unread={unread: "forbidden"}).consumer()
    assert (found.outcome.name, found.reason.code) == expected


@pytest.mark.parametrize(
    ("config", "reports", "expected"),
    [
        pytest.param(
            [ADVERTISED],
            [report("ServiceL2Status", "b")],
            Seen("Covered", "Covered", "b", ""),
            id="the L2 announcer",
        ),
        pytest.param(
            [ADVERTISED],
            [report("ServiceL2Status", "c")],
            Seen("Unknown", "AnnouncementOutdated", "c", "c"),
            id="an announcer without an endpoint, which the source excludes",
        ),
        pytest.param(
            [advertisement("BGPAdvertisement")],
            [report("ServiceBGPStatus", "a")],
            Seen("Covered", "Covered", "a", ""),
            id="the BGP announcer",
        ),
        pytest.param(
            [advertisement("BGPAdvertisement")],
            [report("ServiceBGPStatus", "a"), report("ServiceBGPStatus", "c")],
            Seen("Unknown", "AnnouncementOutdated", "ac", "c"),
            id="a BGP announcer without an endpoint",
        ),
        pytest.param(
            [ADVERTISED, advertisement("BGPAdvertisement"), peer()],
            [report("ServiceL2Status", "a")],
            BOTH,
            id="BGP reports nothing before 0.15",
        ),
    ],
)
def test_speakers_report_what_they_announce(config: list[Json], reports: list[Json], expected: Seen) -> None:
    """api/v1beta1 ServiceL2Status and ServiceBGPStatus."""
    made = world(service(annotations=ALLOCATED), endpoints("a", "b"), *nodes(""), *config, *reports)
    found = made.consumer()
    assert (
        Seen(found.outcome.name, found.reason.code, made.names(found.eligible), made.names(found.uncovered))
        == expected
    )
    assert found.consumer.evidence.value == ("documented" if expected == BOTH else "observed")


def report_of(kind: str, of: str, node_name: str = "b") -> Json:
    made = report(kind, node_name)
    made["metadata"]["name"] += f"-{of}"
    return made | {"status": {**made["status"], "serviceName": of}}


L2_OF_DNS, BGP_OF_DNS = report_of("ServiceL2Status", "dns"), report_of("ServiceBGPStatus", "dns")
NOT_REPORTED = Seen("Unknown", "AnnouncementNotReported", "ab", "")
BY_BGP = [advertisement("BGPAdvertisement"), peer()]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param([ADVERTISED, L2_OF_DNS], NOT_REPORTED, id="L2"),
        pytest.param([ADVERTISED, BGP_OF_DNS], BOTH, id="before 0.14 there is no report by L2"),
        pytest.param([*BY_BGP, BGP_OF_DNS], NOT_REPORTED, id="BGP"),
        pytest.param([*BY_BGP, L2_OF_DNS], BOTH, id="before 0.15 there is no report by BGP"),
        pytest.param([ADVERTISED, *BY_BGP, L2_OF_DNS, BGP_OF_DNS], NOT_REPORTED, id="neither"),
        pytest.param(
            [ADVERTISED, *BY_BGP, report("ServiceL2Status", "a"), BGP_OF_DNS], BOTH, id="a node announces it by L2"
        ),
    ],
)
def test_speakers_report_other_services_and_not_this_one(config: list[Json], expected: Seen) -> None:
    """layer2_status_controller.go, bgp_status_controller.go: the status is deleted when no node announces."""
    subject = service(annotations=ALLOCATED)
    assert seen(subject, endpoints("a", "b"), *nodes(""), *config) == expected
    manifest = worlds.service(annotations=ALLOCATED)
    assert seen(manifest, endpoints("a", "b"), *nodes(""), *config) == BOTH, "a manifest has no report yet"


def test_a_report_of_another_service_is_noticed() -> None:
    made = world(service(annotations=ALLOCATED), endpoints("a", "b"), *LAN)
    assert made.consumer().outcome is Outcome.Covered
    made.put(L2_OF_DNS)
    assert made.consumer().reason.code == "AnnouncementNotReported"
    made.put(report("ServiceL2Status", "a"))
    assert made.consumer().outcome is Outcome.Covered
    assert made.put(report_of("ServiceL2Status", "mail")) == {}, "no other report matters then"


def test_a_report_shows_metallb_whatever_the_class() -> None:
    """metallb PR 1417: --lb-class is free text."""
    made = world(service(loadBalancerClass="lan"), endpoints("a"), *LAN)
    assert made.consumer().consumer.family != "metallb"
    made.put(report("ServiceL2Status", "a"))
    assert (made.consumer().consumer.family, made.consumer().outcome) == ("metallb", Outcome.Covered)


def test_one_more_report_does_not_judge_every_service_again() -> None:
    made = world(service(annotations=ALLOCATED), endpoints("a", "b"), *LAN)
    assert KEY in made.outdated_by(L2_OF_DNS), "the first report of any Service"
    assert KEY not in made.outdated_by(report_of("ServiceL2Status", "mail"))


def test_services_that_share_an_address_are_changed_together() -> None:
    ports = [port(), port("admin", 81, 30081)]
    objects = [other_service("web", ports=ports), endpoints("a", "b"), endpoints("a", ports=["admin"]), *LAN]
    made = world(*objects, other_service("dns"))
    subject = made.picture.get(SERVICE, KEY)
    assert subject is not None
    assert sharing(subject, made.picture) == (Key("shop", "dns"),)
    (advice,) = [text for text in made.advice() if "Let every node forward" in text]
    assert "shares its address with shop/dns" in advice
    assert [line for line in advice.splitlines() if line.startswith("kubectl")] == [
        'kubectl -n shop patch service web -p \'{"spec":{"externalTrafficPolicy":"Cluster"}}\'',
        'kubectl -n shop patch service dns -p \'{"spec":{"externalTrafficPolicy":"Cluster"}}\'',
    ]
    (change,) = [each.change for each in MetalLB().advise(subject, made.consumer("admin"), []) if each.client_ip]
    assert isinstance(change, tuple)
    assert [each.key.name for each in change] == ["web", "dns"], "one patch for each command"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(service("dns", annotations=ALLOCATED), id="it does not allow it"),
        pytest.param(other_service("dns", ingress=[{"ip": "203.0.113.2"}]), id="another address"),
        pytest.param(other_service("dns", ingress=[]), id="no address yet"),
    ],
)
def test_an_address_that_is_not_shared(other: Json) -> None:
    made = world(other_service("web"), other, endpoints("a"), *LAN)
    subject = made.picture.get(SERVICE, KEY)
    assert subject is not None
    assert sharing(subject, made.picture) == ()


def test_a_service_that_comes_to_share_the_address_is_noticed() -> None:
    made = world(other_service("web"), endpoints("a"), *LAN)
    made.put(other_service("dns"))
    assert Key("shop", "dns") in made.consumer().consumer.reads


def test_without_an_address_the_known_causes_are_named() -> None:
    found = world(service(annotations=SHARED, ingress=[], in_cluster=True), endpoints("a"), *LAN).consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "NoAddress")
    assert "allow-shared-ip" in found.reason.detail


def test_calico_may_advertise_what_no_advertisement_announces() -> None:
    """MetalLB then gives addresses alone."""
    objects = [service(annotations=ALLOCATED), endpoints("a"), *nodes(""), pool("default")]
    assert world(*objects).consumer().outcome.name == "NoTargets"
    found = world(*objects, unread={"BGPConfiguration": "forbidden"}).consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "AdvertisementsNotSeen")
    assert "no BGPConfiguration of Calico was read (forbidden)" in found.reason.detail


@pytest.mark.parametrize(
    "malformed",
    [
        pytest.param(advertisement(name="bad", nodeSelectors="all"), id="an advertisement"),
        pytest.param({**by_bgp("bad"), "spec": {"peers": "all"}}, id="an advertisement by BGP"),
    ],
)
def test_an_advertisement_that_cannot_be_read_is_not_taken_for_absent(malformed: Json) -> None:
    subject = service(annotations=ALLOCATED)
    for others, known in (
        (LAN, "Covered"),
        ([*nodes(""), advertisement(ipAddressPools=["other"])], "NotAdvertised"),
    ):
        made = world(subject, endpoints("a"), *others)
        found = [made.assessment.reason.code]
        made.put_malformed(malformed)
        found.append(made.assessment.reason.code)
        made.put({**malformed, "spec": {"ipAddressPools": ["other"]}})
        found.append(made.assessment.reason.code)
        assert found == [known, "AdvertisementsNotReadable", known]


POLICY: Json = {
    "kind": "CiliumL2AnnouncementPolicy",
    "metadata": {"name": "lan"},
    "spec": {"loadBalancerIPs": True},
}
OTHER_POLICY = POLICY | {"spec": {"loadBalancerIPs": True, "serviceSelector": {"matchLabels": {"x": "y"}}}}
CILIUM_BGP: Json = {
    "kind": "CiliumBGPAdvertisement",
    "metadata": {"name": "lb"},
    "spec": {
        "advertisements": [
            {"advertisementType": "Service", "service": {"addresses": ["LoadBalancerIP"]}, "selector": {}}
        ]
    },
}


def held(on: str) -> Json:
    metadata = {"name": "cilium-l2announce-shop-web", "namespace": "kube-system"}
    return {"kind": "Lease", "metadata": metadata, "spec": {"holderIdentity": on}}


@pytest.mark.parametrize(
    ("more", "spec", "reason"),
    [
        pytest.param([POLICY], {}, "AnnouncedByOther", id="a policy of Cilium"),
        pytest.param([OTHER_POLICY], {}, "NotAdvertised", id="a policy for another Service"),
        pytest.param([CILIUM_BGP], {}, "AnnouncedByOther", id="an advertisement of Cilium"),
        pytest.param(
            [CILIUM_BGP, POLICY], {"loadBalancerClass": "metallb"}, "NotAdvertised", id="not for another class"
        ),
        pytest.param([], {}, "NotAdvertised", id="nobody"),
    ],
)
@pytest.mark.parametrize("config", [[pool("default")], [pool("x"), advertisement(ipAddressPools=["x"])]])
def test_another_controller_may_announce_what_metallb_does_not(
    config: list[Json], more: list[Json], spec: Json, reason: str
) -> None:
    """metallb #160."""
    made = world(service(annotations=ALLOCATED, **spec), endpoints("a"), *nodes(""), *config, *more)
    assert made.consumer().reason.code == reason
    assert (made.consumer().outcome is Outcome.NoTargets) is (reason == "NotAdvertised")


FLAG = "--advertise-loadbalancer-ip"


@pytest.mark.parametrize(
    ("arguments", "desired", "reason"),
    [
        pytest.param([FLAG], 3, "AnnouncedByOther", id="the flag"),
        pytest.param([FLAG, "--run-router=false"], 3, "NotAdvertised", id="no router"),
        pytest.param([FLAG], 0, "NotAdvertised", id="no pod"),
    ],
)
@pytest.mark.parametrize(
    ("annotations", "who"),
    [
        ({}, "kube-router advertises the addresses of load balancers (--advertise-loadbalancer-ip)"),
        ({ADVERTISE: "true"}, f"the annotation {ADVERTISE} of the Service makes kube-router advertise it"),
    ],
    ids=["flag", "annotation"],
)
def test_kube_router_may_announce_what_metallb_does_not(
    annotations: Json, who: str, arguments: list[str], desired: int, reason: str
) -> None:
    router = clusters.daemon_set("kube-router", args=[*arguments, "--run-service-proxy=false"], desired=desired)
    options = Options(Detection(Choice(), clusters.named_objects([router])))
    subject = service(annotations={**ALLOCATED, **annotations})
    made = world(subject, endpoints("a"), *nodes(""), pool("default"), options=options)
    found = made.consumer().reason
    assert found.code == reason
    assert (who in found.detail) is (reason == "AnnouncedByOther")


@pytest.mark.parametrize(
    ("annotations", "reason"),
    [
        pytest.param({ADVERTISE: "true"}, "AnnouncedByOther", id="on"),
        pytest.param({ADVERTISE: "yes"}, "NotAdvertised", id="what ParseBool rejects"),
        pytest.param({ADVERTISE: "true", KUBE_ROUTER_SKIPS: ""}, "NotAdvertised", id="off by another one"),
        pytest.param({}, "NotAdvertised", id="none"),
    ],
)
def test_an_annotation_of_kube_router_counts_without_its_daemon_set(annotations: Json, reason: str) -> None:
    """kube-router may have another name in another namespace."""
    subject = service(annotations={**ALLOCATED, **annotations})
    found = world(subject, endpoints("a"), *nodes(""), pool("default")).consumer()
    assert found.reason.code == reason


def test_policies_of_cilium_that_cannot_be_read_may_announce_it() -> None:
    unread = {"CiliumL2AnnouncementPolicy": "forbidden"}
    made = world(service(annotations=ALLOCATED), endpoints("a"), *nodes(""), pool("default"), unread=unread)
    assert made.consumer().reason.code == "AnnouncedByOther"


@pytest.mark.parametrize("config", [[ADVERTISED, report("ServiceL2Status", "a")], [ADVERTISED]])
def test_cilium_may_announce_it_on_another_node_too(config: list[Json]) -> None:
    made = world(service(annotations=ALLOCATED), endpoints("a"), *nodes(""), *config, POLICY)
    assert made.consumer().outcome is Outcome.Covered, "no node holds the Lease"
    made.put(held("b"))
    assert (made.consumer().outcome, made.consumer().reason.code) == (Outcome.Unknown, "AnnouncedTwice")
    made.put(endpoints("a", "b", "c"))
    assert made.consumer().outcome is Outcome.Covered
    made.put(endpoints("a"), OTHER_POLICY)
    assert made.consumer().outcome is Outcome.Covered, "the policy is for another Service"


def test_cilium_may_announce_it_on_the_same_node() -> None:
    objects = [service(annotations=ALLOCATED), endpoints("a"), *LAN, report("ServiceL2Status", "a"), POLICY]
    assert seen(*objects, held("a")) == Seen("Covered", "Covered", "a", "")
    assert seen(*objects, unread={"Lease": "forbidden"}).reason == "AnnouncedTwice"
