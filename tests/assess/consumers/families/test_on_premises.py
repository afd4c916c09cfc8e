"""Antrea, OpenELB, PureLB, kube-router, and external IPs that are the address of a node."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from etpguard.assess import Options
from etpguard.assess.data_planes.choice import Choice
from etpguard.assess.data_planes.detection import Detection
from etpguard.objects.metallb import L2_ADVERTISEMENT
from tests.assess.consumers import worlds
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, seen, world
from tests.assess.data_planes import clusters

service = partial(worlds.service, ingress=[{"ip": "203.0.113.1"}])

ONLY_A = Seen("Covered", "Covered", "a", "")
ANTREA = {"service.antrea.io/external-ip-pool": "lan"}
OPENELB = {"lb.kubesphere.io/v1alpha1": "openelb"}
LAYER2 = "layer2.openelb.kubesphere.io/v1alpha1"
PURELB = {"purelb.io/allocated-by": "PureLB"}
EXTERNAL = "kube-router.io/service.advertise.externalip"
NOT_ADVERTISED = Seen("NoTargets", "NotAdvertised", "", "")
ADVERTISE = "kube-router.io/service.advertise.loadbalancerip"


def held_by(host: str) -> Json:
    return service(annotations=ANTREA, ingress=[{"ip": "203.0.113.1", "hostname": host}])


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(held_by("a"), ONLY_A, id="antrea: the status names a node with an endpoint"),
        pytest.param(held_by("b"), Seen("Outage", "Outage", "b", "b"), id="antrea: it names one without"),
        pytest.param(held_by("z"), Seen("Unknown", "AnnouncerNotFound", "", ""), id="antrea: it names no Node"),
        pytest.param(
            service(annotations=ANTREA),
            Seen("Unknown", "AnnouncerNotKnown", "abc", "bc"),
            id="antrea: it names none",
        ),
        pytest.param(service(annotations=OPENELB), ONLY_A, id="openelb: nodes with endpoints"),
        pytest.param(service(annotations={**OPENELB, LAYER2: "a"}), ONLY_A, id="openelb: the layer 2 node"),
        pytest.param(
            service(annotations={**OPENELB, LAYER2: "c"}),
            Seen("Outage", "Outage", "c", "c"),
            id="openelb: a layer 2 node without an endpoint",
        ),
        pytest.param(
            service(annotations={**PURELB, "purelb.io/pool-type": "remote"}), ONLY_A, id="purelb: a remote address"
        ),
        pytest.param(
            service(annotations={**PURELB, "purelb.io/pool-type": "local"}),
            Seen("Unknown", "PolicyIsReset", "abc", "bc"),
            id="purelb: it resets the policy",
        ),
        pytest.param(
            service(annotations={**PURELB, "purelb.io/pool-type": "local", "purelb.io/allow-local": ""}),
            Seen("Unknown", "AnnouncerNotKnown", "abc", "bc"),
            id="purelb: any node may win",
        ),
        pytest.param(
            service(annotations=PURELB), Seen("Unknown", "PoolNotKnown", "abc", "bc"), id="purelb: which pool"
        ),
        pytest.param(
            service(loadBalancerClass="kube-router"),
            Seen("Unknown", "AdvertisementNotKnown", "a", ""),
            id="kube-router: without the flag no node advertises",
        ),
        pytest.param(
            service(loadBalancerClass="kube-router", annotations={ADVERTISE: "false"}),
            Seen("NoTargets", "NotAdvertised", "", ""),
            id="kube-router: turned off",
        ),
        pytest.param(service(annotations={ADVERTISE: "true"}), ONLY_A, id="kube-router: turned on"),
        pytest.param(service(annotations={ADVERTISE: "1"}), ONLY_A, id="kube-router: ParseBool takes 1"),
        pytest.param(
            service(loadBalancerClass="kube-router", annotations={ADVERTISE: "yes"}),
            Seen("NoTargets", "NotAdvertised", "", ""),
            id="kube-router: what ParseBool rejects is false",
        ),
        pytest.param(
            service(
                loadBalancerClass="kube-router",
                annotations={ADVERTISE: "true", "kube-router.io/service.skiplbips": ""},
            ),
            Seen("NoTargets", "NotAdvertised", "", ""),
            id="kube-router: skiplbips by presence",
        ),
    ],
)
def test_announcers(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("")) == expected


def router(*arguments: str, desired: int = 3) -> Options:
    """With the DaemonSet of kube-router, which is not the data plane."""
    args = ["--run-service-proxy=false", *arguments]
    daemon_set = clusters.daemon_set("kube-router", args=args, desired=desired)
    return Options(Detection(Choice(), clusters.named_objects([daemon_set])))


FLAGS = ["--advertise-loadbalancer-ip", "--advertise-external-ip"]
NO_ROUTER = [
    pytest.param(router("--run-router=false", *FLAGS), id="--run-router=false"),
    pytest.param(router(*FLAGS, desired=0), id="no pod"),
]


@pytest.mark.parametrize(
    ("annotations", "arguments", "expected"),
    [
        pytest.param({}, ["--advertise-loadbalancer-ip=true"], ONLY_A, id="the flag"),
        pytest.param({}, ["--advertise-loadbalancer-ip"], ONLY_A, id="a bare flag"),
        pytest.param({}, [], NOT_ADVERTISED, id="without the flag"),
        pytest.param({}, ["--advertise-loadbalancer-ip=false"], NOT_ADVERTISED, id="the flag is off"),
        pytest.param({ADVERTISE: "true"}, [], ONLY_A, id="the annotation goes before the flag"),
        pytest.param({ADVERTISE: "false"}, ["--advertise-loadbalancer-ip"], NOT_ADVERTISED, id="in both ways"),
    ],
)
def test_kube_router_advertises_by_its_flag(
    annotations: dict[str, str], arguments: list[str], expected: Seen
) -> None:
    """kube-router 7c2c277 pkg/controllers/routing/ecmp_vip.go, pkg/options/options.go."""
    subject = service(loadBalancerClass="kube-router", annotations=annotations)
    assert seen(subject, endpoints("a"), *nodes(""), options=router(*arguments)) == expected


@pytest.mark.parametrize(
    "annotations",
    [
        {"kube-router.io/service.scheduler": "lc"},
        {"kube-router.io/service.schedflags": "sh-port"},
        {"kube-router.io/service.dsr": "tunnel"},
        {"kube-router.io/service.hairpin": ""},
        {"kube-router.io/service.local": "true"},
        {EXTERNAL: "true"},
        {ADVERTISE: "false"},
        {"kube-router.io/service.skiplbips": ""},
    ],
    ids=lambda annotations: next(iter(annotations)),
)
@pytest.mark.parametrize("arguments", [["--advertise-loadbalancer-ip"], []], ids=["flag", "no flag"])
def test_an_annotation_that_advertises_nothing_leaves_a_service_to_the_cloud(
    annotations: dict[str, str], arguments: list[str]
) -> None:
    """pkg/controllers/proxy/network_services_controller.go: most of them are for the proxy."""
    objects = [service(annotations=annotations), endpoints("a"), *nodes("hcloud")]
    assert world(*objects, options=router(*arguments)).consumer().consumer.family == "hcloud"


@pytest.mark.parametrize(
    ("annotations", "options"),
    [
        pytest.param({ADVERTISE: "false"}, Options(), id="turned off"),
        pytest.param({"kube-router.io/service.skiplbips": ""}, Options(), id="skiplbips"),
        pytest.param({ADVERTISE: "true"}, router("--run-router=false"), id="no router"),
    ],
)
@pytest.mark.parametrize(
    ("scheme", "expected"), [("k3s", ("k3s-servicelb", "Covered")), ("", ("unknown-controller", "Unknown"))]
)
def test_what_kube_router_does_not_advertise_is_left_to_other_load_balancers(
    scheme: str, expected: tuple[str, str], annotations: dict[str, str], options: Options
) -> None:
    subject = service(annotations=annotations, ingress=[{"ip": "198.51.100.1"}])
    first = node("a", scheme and f"{scheme}://a", addresses=["198.51.100.1"])
    second = node("b", scheme and f"{scheme}://b", addresses=["198.51.100.2"])
    found = world(subject, endpoints("a"), first, second, options=options).consumer()
    assert (found.consumer.family, found.outcome.name) == expected


def test_the_advice_for_kube_router_is_its_annotation() -> None:
    made = world(service(loadBalancerClass="kube-router"), endpoints("a"), *nodes(""), options=router())
    assert f"{ADVERTISE}=true" in made.advice()[0]


@pytest.mark.parametrize("options", NO_ROUTER)
@pytest.mark.parametrize("annotations", [{}, {ADVERTISE: "true"}], ids=["flag", "annotation"])
def test_without_its_router_kube_router_advertises_no_load_balancer(
    annotations: dict[str, str], options: Options
) -> None:
    """pkg/cmd/kube-router.go: only the routing controller advertises."""
    subject = service(loadBalancerClass="kube-router", annotations=annotations)
    made = world(subject, endpoints("a"), *nodes(""), options=options)
    found = made.consumer()
    assert (found.outcome.name, found.reason.code) == ("NoTargets", "NotAdvertised")
    assert "--run-router=false or wants no pod" in found.reason.detail
    assert made.advice() == []
    by_cloud = [service(annotations=annotations | {ADVERTISE: "true"}), endpoints("a"), *nodes("hcloud")]
    assert world(*by_cloud, options=options).consumer().consumer.family == "hcloud"


def test_openelb_announces_a_shared_address_from_the_nodes_of_both() -> None:
    """f35d3f1 pkg/speaker/lb_controller.go."""
    objects = [service(annotations=OPENELB), service("dns", annotations=OPENELB), endpoints("a"), *nodes("")]
    found = world(*objects).consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "SharedAddress")
    assert "shop/dns" in found.reason.detail


@pytest.mark.parametrize(
    ("subject", "served"),
    [
        pytest.param(service(annotations=OPENELB), True, id="its value"),
        pytest.param(service(annotations={"lb.kubesphere.io/v1alpha1": "none"}), False, id="another value"),
        pytest.param(service(annotations={"lb.kubesphere.io/v1alpha1": ""}), False, id="empty"),
        pytest.param(
            service(annotations={"eip.openelb.kubesphere.io/v1alpha2": "lan"}), False, id="an Eip without it"
        ),
        pytest.param(service(annotations=OPENELB, type="NodePort"), False, id="a NodePort"),
    ],
)
def test_openelb_is_recognised(subject: Json, served: bool) -> None:
    """openelb f35d3f1 pkg/speaker/lb_controller.go IsOpenELBService, pkg/controllers/ipam/ipam.go."""
    families = [v.consumer.family for v in world(subject, endpoints("a"), *nodes("")).assessment.consumers]
    assert ("openelb" in families) is served


@pytest.mark.parametrize(
    ("class_name", "served"),
    [
        pytest.param(None, True, id="none"),
        pytest.param("purelb.io/purelbv2", True, id="its own"),
        pytest.param("purelb.io/purelb", True, id="its own of v1"),
        pytest.param("example.com/lb", False, id="another"),
    ],
)
def test_purelb_ignores_other_classes(class_name: str | None, served: bool) -> None:
    """purelb 08b4e19 internal/allocator/service.go:122, pkg/apis/purelb/v2/classes.go."""
    subject = service(annotations=REMOTE, loadBalancerClass=class_name)
    families = [v.consumer.family for v in world(subject, endpoints("a"), *nodes("")).assessment.consumers]
    assert ("purelb" in families) is served


REMOTE = {**PURELB, "purelb.io/pool-type": "remote", "purelb.io/allow-shared-ip": "one"}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        pytest.param(service("dns", annotations=REMOTE), "SharedAddress", id="the same address"),
        pytest.param(service("dns", annotations=REMOTE, ingress=[{"ip": "203.0.113.2"}]), "Covered", id="another"),
        pytest.param(service("dns"), "Covered", id="not served by PureLB"),
    ],
)
def test_purelb_keeps_an_address_on_the_nodes_of_each_service(other: Json, reason: str) -> None:
    """08b4e19 internal/local/announcer_local.go deleteAddress, otherAnnouncerOf."""
    subject = service(annotations=REMOTE)
    assert world(subject, other, endpoints("a"), *nodes("")).consumer().reason.code == reason
    assert world(subject, other, endpoints("a", "b", "c"), *nodes("")).consumer().outcome.name == "Covered"


def test_a_service_that_comes_to_share_an_address_of_purelb_is_noticed() -> None:
    made = world(service(annotations=REMOTE), endpoints("a"), *nodes(""))
    made.put(service("dns", annotations=REMOTE))
    assert made.consumer().reason.code == "SharedAddress"


@pytest.mark.parametrize("annotations", [ANTREA, OPENELB, PURELB, {ADVERTISE: "true"}])
def test_without_an_address_nothing_is_certain(annotations: dict[str, str]) -> None:
    made = world(service(annotations=annotations, ingress=[], in_cluster=True), endpoints("a"), *nodes(""))
    assert (made.consumer().outcome.name, made.consumer().reason.code) == ("Unknown", "NoAddress")
    assert made.advice() == []


MEMBERS = [node(name, addresses=[f"192.0.2.{i}"]) for i, name in enumerate("abc", 1)]


@pytest.mark.parametrize(
    ("addresses", "type_", "outcome"),
    [
        pytest.param(["192.0.2.1"], "ClusterIP", "Covered", id="the node with the endpoint"),
        pytest.param(["192.0.2.2"], "ClusterIP", "Outage", id="a node without one"),
        pytest.param(
            ["192.0.2.1", "192.0.2.2"], "ClusterIP", "Outage", id="one of each: all is lost for one address"
        ),
        pytest.param(["192.0.2.1", "198.51.100.7"], "ClusterIP", "Uncovered", id="an address of no node, too"),
        pytest.param(["198.51.100.7"], "ClusterIP", "Uncovered", id="an address of no node"),
        pytest.param(["192.0.2.1"], "NodePort", "Uncovered", id="clients of the node ports are judged apart"),
    ],
)
def test_external_ips(addresses: list[str], type_: str, outcome: str) -> None:
    subject = worlds.service(type=type_, externalIPs=addresses)
    assert world(subject, endpoints("a"), *MEMBERS).assessment.outcome.name == outcome


@pytest.mark.parametrize(
    ("address", "hosting", "expected"),
    [
        pytest.param("203.0.113.1", "a", ("Unknown", "NodeAddressNotKnown"), id="the cloud may translate it"),
        pytest.param("10.0.0.1", "a", ("Covered", "Covered"), id="the InternalIP"),
        pytest.param("2001:db8::1", "a", ("Covered", "Covered"), id="the only address of its family"),
        pytest.param("203.0.113.1", "b", ("Outage", "Outage"), id="without an endpoint all is lost anyway"),
    ],
)
def test_an_external_ip_behind_address_translation(address: str, hosting: str, expected: tuple[str, str]) -> None:
    family = "IPv6" if ":" in address else "IPv4"
    members = [
        node("a", addresses=["10.0.0.1"], external=["203.0.113.1", "2001:db8::1"]),
        node("b", addresses=["10.0.0.2"]),
    ]
    subject = worlds.service(type="ClusterIP", externalIPs=[address], ipFamilies=[family])
    found = world(subject, endpoints(hosting, family=family), *members).consumer()
    assert (found.outcome.name, found.reason.code) == expected


def test_a_node_that_gets_the_external_ip_is_noticed() -> None:
    subject = worlds.service(type="ClusterIP", externalIPs=["192.0.2.9"])
    made = world(subject, endpoints("a"), *MEMBERS)
    assert made.assessment.outcome.name == "Uncovered"
    made.put(node("a", addresses=["192.0.2.9"]))
    assert made.assessment.outcome.name == "Covered"


def calico(*blocks: str, name: str = "default", field: str = "serviceLoadBalancerIPs") -> Json:
    spec = {field: [{"cidr": block} for block in blocks]}
    return {"kind": "BGPConfiguration", "metadata": {"name": name}, "spec": spec}


DISAGGREGATED = calico("203.0.113.0/24")
DISAGGREGATED["spec"]["serviceLoadBalancerAggregation"] = "Disabled"


METALLB = {"metallb.io/ip-allocated-from-pool": "lan"}
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


@pytest.mark.parametrize(
    ("subject", "config", "family"),
    [
        pytest.param(service(), [calico("203.0.113.0/24")], "calico", id="its address is in a block"),
        pytest.param(
            service(annotations=METALLB), [calico("203.0.113.0/24")], "calico", id="MetalLB gave the address"
        ),
        pytest.param(
            service(annotations=METALLB),
            [calico("203.0.113.0/24"), {"kind": "L2Advertisement", "metadata": {"name": "lan"}, "spec": {}}],
            "metallb",
            id="MetalLB announces it, too",
        ),
        pytest.param(service(), [calico("198.51.100.0/24")], "unknown-controller", id="another block"),
        pytest.param(service(), [calico("203.0.113.0/24", name="node.a")], "unknown-controller", id="of one node"),
        pytest.param(service(), [calico("nonsense")], "unknown-controller", id="no block"),
    ],
)
def test_calico_is_recognised(subject: Json, config: list[Json], family: str) -> None:
    made = world(subject, endpoints("a"), *nodes(""), *config)
    assert made.consumer().consumer.family == family


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("true", Seen("Unknown", "OnlyBlockAdvertised", "", ""), id="true"),
        pytest.param("", ONLY_A, id="empty"),
        pytest.param("false", ONLY_A, id="false"),
    ],
)
def test_calico_reads_the_value_of_the_exclude_label(value: str, expected: Seen) -> None:
    """calico 87c1590 client.go:434."""
    members = [node("a", labels={EXCLUDE: value}), node("b")]
    assert seen(service(), endpoints("a"), *members, calico("203.0.113.0/24")) == expected


@pytest.mark.parametrize("config", [calico("203.0.113.1/32"), DISAGGREGATED])
def test_calico_advertises_no_single_address_from_every_node(config: Json) -> None:
    """client.go onLoadBalancerIPsUpdate, calico #6074."""
    assert seen(service(), endpoints("a"), *nodes(""), config) == ONLY_A
    assert seen(service(), endpoints(terminating=["a"]), *nodes(""), config) == NOT_ADVERTISED
    assert seen(service(), endpoints(), *nodes(""), config).outcome == "NoEndpoints"


@pytest.mark.parametrize(
    ("subject", "config", "reason"),
    [
        pytest.param(service(), [calico("203.0.113.0/24")], "OnlyBlockAdvertised", id="calico"),
        pytest.param(service(annotations=OPENELB), [], "AnnouncementKept", id="openelb"),
    ],
)
def test_terminating_endpoints_announce_nothing(subject: Json, config: list[Json], reason: str) -> None:
    """calico 0092c6b routes.go advertiseThisService, openelb f35d3f1 manager.go getServiceNodes, setBalancer."""
    objects = [subject, *nodes(""), *config]
    assert seen(*objects, endpoints(terminating=["a"])) == Seen("Unknown", reason, "", "")
    assert seen(*objects, endpoints("a", terminating=["b"])) == ONLY_A
    assert seen(*objects, endpoints()).outcome == "NoEndpoints"


def exposed(name: str = "web", *addresses: str, **more: Any) -> Json:
    return worlds.service(name, externalIPs=addresses or ("203.0.113.1",), **{"type": "ClusterIP", **more})


@pytest.mark.parametrize(
    ("subject", "block", "outcome"),
    [
        pytest.param(exposed(), "203.0.113.0/24", "Covered", id="in a block"),
        pytest.param(exposed(), "198.51.100.0/24", "Uncovered", id="in no block"),
        pytest.param(
            exposed("web", "203.0.113.1", "198.51.100.1"),
            "203.0.113.0/24",
            "Uncovered",
            id="one of two in a block",
        ),
        pytest.param(
            exposed(type="NodePort"),
            "203.0.113.0/24",
            "Uncovered",
            id="clients of the node ports are judged apart",
        ),
        pytest.param(exposed(), "203.0.113.1/32", "Unknown", id="a block of the address alone"),
        pytest.param(exposed("web", "192.0.2.2"), "192.0.2.0/24", "Outage", id="the address of a node"),
        pytest.param(exposed("web", "2001:db8::1"), "2001:db8::/64", "Uncovered", id="of a family without an IP"),
        pytest.param(exposed("web", "nonsense"), "203.0.113.0/24", "Uncovered", id="no address"),
    ],
)
def test_calico_advertises_external_ips(subject: Json, block: str, outcome: str) -> None:
    """calico 0092c6b routes.go getAllRoutesForService, isAllowedExternalIP."""
    made = world(subject, endpoints("a"), *MEMBERS, calico(block, field="serviceExternalIPs"))
    assert made.assessment.outcome.name == outcome


def test_calico_advertises_a_shared_address_from_the_nodes_of_both() -> None:
    """calico 0092c6b routes.go withdrawRoute: it counts the Services with the route."""
    for subject, other, field in [
        (service(), service("dns"), "serviceLoadBalancerIPs"),
        (exposed(), exposed("dns"), "serviceExternalIPs"),
    ]:
        made = world(subject, endpoints("a"), *nodes(""), calico("203.0.113.0/24", field=field))
        assert made.consumer().outcome.name == "Covered"
        made.put(other)
        assert (made.consumer().outcome.name, made.consumer().reason.code) == ("Unknown", "SharedAddress")
        assert "shop/dns" in made.consumer().reason.detail


CANNOT_READ = "cannot read bgpconfigurations.crd.projectcalico.org: forbidden. If its serviceExternalIPs contain"


@pytest.mark.parametrize(
    ("subject", "outcome"),
    [
        pytest.param(exposed(), "Unknown", id="it may be in a block"),
        pytest.param(exposed("web", "192.0.2.2"), "Outage", id="the address of a node"),
        pytest.param(exposed("web", "nonsense"), "Uncovered", id="no address"),
        pytest.param(exposed(type="NodePort"), "Uncovered", id="clients of the node ports are judged apart"),
        pytest.param(worlds.service(type="NodePort"), "Uncovered", id="without external IPs"),
    ],
)
def test_an_unread_configuration_of_calico_may_have_external_ips(subject: Json, outcome: str) -> None:
    made = world(subject, endpoints("a"), *MEMBERS, unread={"BGPConfiguration": "forbidden"})
    assert made.assessment.outcome.name == outcome
    reasons = [v.reason for v in made.assessment.consumers if v.outcome.name == "Unknown"]
    assert all(each.code == "BGPConfigurationNotReadable" for each in reasons)
    assert all(each.detail.startswith(CANNOT_READ) for each in reasons)
    assert bool(reasons) == ("203.0.113.1" in subject["spec"].get("externalIPs", ()))


@pytest.mark.parametrize("kind", ["L2Advertisement", "BGPAdvertisement"])
@pytest.mark.parametrize("annotations", [{}, METALLB], ids=["no mark", "MetalLB gave the address"])
def test_metallb_may_announce_an_address_of_calico(kind: str, annotations: dict[str, str]) -> None:
    objects = [service(annotations=annotations), endpoints("a"), *nodes(""), calico("203.0.113.0/24")]
    made = world(*objects, unread={kind: "forbidden"})
    assert (made.consumer().outcome.name, made.consumer().reason.code) == ("Unknown", "AdvertisementsNotSeen")
    assert made.consumer().consumer.family == "calico"
    assert made.consumer().reason.detail.startswith(f"no {kind} was read (forbidden). If there is one")


@pytest.mark.parametrize(
    ("annotations", "outcome", "missed"),
    [({}, "Covered", set()), (METALLB, "Unknown", {"L2Advertisement"})],
    ids=["no mark", "MetalLB gave the address"],
)
def test_files_without_advertisements_leave_an_address_to_calico(
    annotations: dict[str, str], outcome: str, missed: set[str]
) -> None:
    """Unless MetalLB gave it."""
    made = world(service(annotations=annotations), endpoints("a"), *nodes(""), calico("203.0.113.0/24"))
    made.picture.unlisted[L2_ADVERTISEMENT] = "the input has none"
    made.engine.refresh_all()
    assert made.consumer().outcome.name == outcome
    assert {kind.name for kind in made.engine.missed} == missed


def test_a_configuration_of_calico_that_cannot_be_decoded_is_not_taken_for_absent() -> None:
    made = world(exposed(), endpoints("a"), *MEMBERS)
    assert made.assessment.reason.code == "NoKnownConsumer"
    made.put_malformed({**calico("203.0.113.0/24", field="serviceExternalIPs"), "spec": "none"})
    assert made.assessment.reason.code == "BGPConfigurationNotReadable"


@pytest.mark.parametrize(
    ("annotations", "arguments", "outcome"),
    [
        pytest.param({}, ["--advertise-external-ip"], "Covered", id="the flag"),
        pytest.param({}, ["--advertise-loadbalancer-ip"], "Uncovered", id="another flag"),
        pytest.param({}, ["--advertise-external-ip", "--run-router=false"], "Uncovered", id="no router"),
        pytest.param({EXTERNAL: "true"}, [], "Covered", id="the annotation"),
        pytest.param(
            {EXTERNAL: "false"}, ["--advertise-external-ip"], "Uncovered", id="the annotation goes first"
        ),
    ],
)
def test_kube_router_advertises_external_ips(
    annotations: dict[str, str], arguments: list[str], outcome: str
) -> None:
    """kube-router 7c2c277 pkg/controllers/routing/ecmp_vip.go."""
    options = router(*arguments)
    made = world(exposed(annotations=annotations), endpoints("a"), *MEMBERS, options=options)
    assert made.assessment.outcome.name == outcome
    if outcome == "Covered":
        made.put(exposed("dns"))
        assert made.consumer().reason.code == "SharedAddress"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param(
            "PodsAndLoadBalancers", Seen("Unknown", "CalicoAnswersARP", "abc", "bc"), id="load balancers"
        ),
        pytest.param("Disabled", ONLY_A, id="off"),
    ],
)
@pytest.mark.parametrize("version", ["crd.projectcalico.org/v1", "projectcalico.org/v3"])
def test_felix_may_answer_arp_on_any_node(mode: str, expected: Seen, version: str) -> None:
    """tigera/docs #2844; calico 87c1590 felix/dataplane/linux/proxy_neigh_mgr.go: not for an address elsewhere."""
    felix = clusters.cluster_object("FelixConfiguration", version, "default", localSubnetL2Reachability=mode)
    options = Options(Detection(Choice(), clusters.named_objects([felix])))
    objects = [service(), *nodes(""), calico("203.0.113.0/24")]
    assert seen(*objects, endpoints("a"), options=options) == expected
    assert seen(*objects, endpoints("a", "b", "c"), options=options).outcome == "Covered"
    said = world(*objects, endpoints("a"), options=options).consumer().reason.detail
    assert ("in an IPPool without encapsulation" in said) is (mode != "Disabled")


@pytest.mark.parametrize("options", NO_ROUTER)
@pytest.mark.parametrize("annotations", [{}, {EXTERNAL: "true"}], ids=["flag", "annotation"])
def test_without_its_router_kube_router_advertises_no_external_ip(
    annotations: dict[str, str], options: Options
) -> None:
    made = world(exposed(annotations=annotations), endpoints("a"), *MEMBERS, options=options)
    assert made.assessment.reason.code == "NoKnownConsumer"
