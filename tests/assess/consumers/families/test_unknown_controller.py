"""What no API object shows is Unknown, and a Service that nothing sends to has no consumer."""

from __future__ import annotations

from functools import partial

import pytest

from etpguard.assess.consumers.families.unknown_controller import UnknownController
from tests.assess.consumers import worlds
from tests.assess.consumers.worlds import (
    Json,
    Seen,
    endpoints,
    ingress,
    ingress_class,
    nodes,
    port,
    seen,
    world,
)

service = partial(worlds.service, ingress=[{"ip": "203.0.113.1"}])

NODE_PORT = service(type="NodePort")


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        pytest.param(
            [NODE_PORT, ingress(class_name="own"), ingress_class("own", "example.com/ours")],
            "ControllerNotModelled",
            id="another Ingress controller",
        ),
        pytest.param([NODE_PORT, ingress(class_name="gone")], "ControllerNotKnown", id="no such IngressClass"),
        pytest.param([NODE_PORT, ingress()], "ControllerNotKnown", id="no class, and no default"),
        pytest.param(
            [
                NODE_PORT,
                ingress(),
                ingress_class("one", "k8s.io/ingress-nginx", default=True),
                ingress_class("two", "k8s.io/ingress-nginx", default=True),
            ],
            "ControllerNotKnown",
            id="two default classes",
        ),
        pytest.param([service(loadBalancerClass="example.com/lb")], "ControllerNotModelled", id="another class"),
        pytest.param(
            [service(ingress=[{"ip": "203.0.113.7"}])],
            "LoadBalancerNotRecognised",
            id="an address by nobody knows whom",
        ),
        pytest.param(
            [service(), *nodes("hcloud", "d"), *nodes("linode", "e")],
            "LoadBalancerNotRecognised",
            id="nodes of two clouds",
        ),
    ],
)
def test_unknown_with_the_reason(objects: list[Json], reason: str) -> None:
    found = seen(*objects, endpoints("a"), *nodes(""))
    assert (found.outcome, found.reason) == ("Unknown", reason)
    assert found.eligible.startswith("abc")


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([NODE_PORT, ingress(class_name="gone")], id="Ingress"),
        pytest.param([service(loadBalancerClass="example.com/lb")], id="load balancer"),
    ],
)
def test_covered_where_no_node_could_lose_anything(objects: list[Json]) -> None:
    assert seen(*objects, endpoints("a", "b", "c"), *nodes("")) == Seen("Covered", "Covered", "abc", "")


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(NODE_PORT, id="a plain NodePort"),
        pytest.param(service(ingress=[]), id="a load balancer that nobody has made"),
        pytest.param(
            service(loadBalancerClass="service.k8s.aws/nlb"), id="one left to the AWS controller's family"
        ),
    ],
)
def test_nobody_sends(subject: Json) -> None:
    found = world(subject, endpoints("a"), *nodes(""))
    assert not any(v.consumer.family == "unknown-controller" for v in found.assessment.consumers)


def test_a_plain_node_port_is_uncovered_where_clients_may_try_it() -> None:
    made = world(NODE_PORT, endpoints("a"), *nodes(""))
    assessment = made.assessment
    assert (assessment.outcome.name, assessment.reason.code) == ("Uncovered", "NoKnownConsumer")
    assert (made.names(assessment.eligible), made.names(assessment.uncovered)) == ("abc", "bc")


@pytest.mark.parametrize("label", ["statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"])
def test_a_node_port_for_one_pod_is_addressed_on_purpose(label: str) -> None:
    made = world(service(type="NodePort", selector={label: "db-0"}), endpoints("a"), *nodes(""))
    assert (made.assessment.outcome.name, made.assessment.reason.code) == ("NotAffected", "AddressedPerNode")


def test_one_pods_load_balancer_counts_like_any_other() -> None:
    selector = {"statefulset.kubernetes.io/pod-name": "db-0"}
    checked = {"loadbalancer.openstack.org/enable-health-monitor": "true"}
    made = world(service(selector=selector, annotations=checked), endpoints("a"), *nodes("openstack"))
    assert made.assessment.outcome.name == "TargetsUnhealthy"


def test_two_ingresses_of_two_controllers_count_both() -> None:
    objects = [
        NODE_PORT,
        ingress("inside", class_name="nginx"),
        ingress("outside", annotations={"kubernetes.io/ingress.class": "gce"}),
    ]
    made = world(*objects, endpoints("a"), *nodes("gce"))
    assert {(v.consumer.name, v.outcome.name) for v in made.assessment.consumers} == {
        ("inside", "NotAffected"),
        ("outside", "TargetsUnhealthy"),
    }
    assert made.assessment.outcome.name == "TargetsUnhealthy"


def test_a_load_balancer_and_an_ingress_count_both() -> None:
    made = world(service(), ingress(class_name="gone"), endpoints("a"), *nodes("hcloud"))
    assert {v.consumer.kind for v in made.assessment.consumers} == {"Service", "Ingress"}
    assert made.assessment.outcome.name == "Unknown"


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        pytest.param("own", "IngressClass own cannot be read (forbidden)", id="the one that it names"),
        pytest.param(
            None,
            "it names no class, and which is the default one cannot be read (forbidden)",
            id="the default one",
        ),
    ],
)
def test_the_reason_names_an_unreadable_ingress_class(class_name: str | None, expected: str) -> None:
    objects = [NODE_PORT, ingress(class_name=class_name), endpoints("a"), *nodes("")]
    made = world(*objects, known=[UnknownController()], unread={"IngressClass": "forbidden"})
    assert made.consumer().reason.detail == expected


@pytest.mark.parametrize(
    ("objects", "sender"),
    [
        pytest.param([service(loadBalancerClass="example.com/lb")], "example.com/lb", id="a class"),
        pytest.param([service()], "the load balancer", id="a load balancer that no object names"),
        pytest.param(
            [NODE_PORT, ingress(class_name="own"), ingress_class("own", "example.com/ours")],
            "example.com/ours",
            id="the controller of an IngressClass",
        ),
        pytest.param(
            [NODE_PORT, ingress()], "the controller of the Ingress", id="a controller that no object names"
        ),
    ],
)
def test_advice_says_what_to_find_out(objects: list[Json], sender: str) -> None:
    advice = world(*objects, endpoints("a"), *nodes("")).advice()
    assert f"Find out to which nodes {sender} sends" in advice[0]


@pytest.mark.parametrize(
    "kind",
    ["BackendConfig", "CiliumL2AnnouncementPolicy", "L2Advertisement", "BGPAdvertisement", "IPAddressPool"],
)
def test_an_unread_kind_of_details_hides_no_consumer(kind: str) -> None:
    made = world(NODE_PORT, endpoints("a"), *nodes(""), unread={kind: "forbidden"})
    assert made.assessment.outcome.name == "Uncovered"


POOLS: list[Json] = [{"kind": "IPAddressPool", "metadata": {"name": "lan", "namespace": "metallb-system"}}]
POLICY: Json = {
    "kind": "CiliumL2AnnouncementPolicy",
    "metadata": {"name": "lan"},
    "spec": {"loadBalancerIPs": True},
}


@pytest.mark.parametrize(
    ("subject", "more", "named"),
    [
        pytest.param(
            service(), [*nodes("openstack"), *POOLS], ("MetalLB", "openstack"), id="MetalLB beside a cloud"
        ),
        pytest.param(
            service(), [*nodes("openstack"), POLICY], ("Cilium", "openstack"), id="Cilium beside a cloud"
        ),
        pytest.param(service(), [*nodes(""), *POOLS, POLICY], ("MetalLB", "Cilium"), id="two in the cluster"),
        pytest.param(
            service(annotations={"metallb.io/address-pool": "lan", "kube-vip.io/loadbalancerIPs": "203.0.113.1"}),
            nodes(""),
            ("MetalLB", "kube-vip"),
            id="marks of two",
        ),
        pytest.param(
            service(
                annotations={"metallb.io/address-pool": "lan", "loadbalancer.openstack.org/proxy-protocol": "true"}
            ),
            nodes("openstack"),
            ("MetalLB", "OpenStack"),
            id="marks of one and of the nodes' cloud",
        ),
        pytest.param(
            service(annotations={"metallb.io/ip-allocated-from-pool": "lan", "kube-vip.io/vipHost": "a"}),
            nodes(""),
            ("MetalLB", "kube-vip"),
            id="both wrote to it",
        ),
    ],
)
def test_two_that_may_serve_it_are_named(subject: Json, more: list[Json], named: tuple[str, str]) -> None:
    made = world(subject, endpoints("a"), *more)
    found = made.consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "SeveralControllers")
    assert all(name in found.reason.detail for name in named)


@pytest.mark.parametrize(
    ("annotations", "family"),
    [
        pytest.param(
            {"metallb.io/ip-allocated-from-pool": "lan", "kube-vip.io/loadbalancerIPs": "203.0.113.1"},
            "metallb",
            id="one of them wrote to it",
        ),
        pytest.param(
            {"metallb.io/address-pool": "lan", "load-balancer.hetzner.cloud/location": "fsn1"},
            "metallb",
            id="the marks of a cloud without nodes here",
        ),
    ],
)
def test_marks_that_do_not_count(annotations: dict[str, str], family: str) -> None:
    made = world(service(annotations=annotations), endpoints("a"), *nodes(""))
    assert made.consumer().consumer.family == family


HIDDEN = [
    pytest.param(
        "IPAddressPool", "MetalLB, whose ipaddresspools.metallb.io cannot be read (forbidden),", id="pools"
    ),
    pytest.param(
        "CiliumL2AnnouncementPolicy",
        "Cilium, whose ciliuml2announcementpolicies.cilium.io cannot be read (forbidden),",
        id="policies",
    ),
    pytest.param(
        "BGPConfiguration",
        "Calico, whose bgpconfigurations.crd.projectcalico.org cannot be read (forbidden),",
        id="Calico's blocks",
    ),
]


@pytest.mark.parametrize(("kind", "clause"), HIDDEN)
def test_a_controller_whose_objects_cannot_be_read_may_serve_it(kind: str, clause: str) -> None:
    """Beside a cloud, as with objects that were read. The permission may be all that is missing."""
    objects = [service(), endpoints("a"), *nodes("openstack")]
    assert world(*objects).consumer().consumer.family == "openstack"
    found = world(*objects, unread={kind: "forbidden"}).consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "SeveralControllers")
    assert found.reason.detail.startswith(f"{clause} or the cloud openstack, which")


@pytest.mark.parametrize(("kind", "clause"), HIDDEN)
def test_a_mark_beside_one_whose_objects_cannot_be_read(kind: str, clause: str) -> None:
    marked = service(annotations={"loadbalancer.openstack.org/enable-health-monitor": "true"})
    objects = [marked, endpoints("a"), *nodes("")]
    assert world(*objects).consumer().consumer.family == "openstack"
    found = world(*objects, unread={kind: "forbidden"}).consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "LoadBalancerNotRecognised")
    assert found.reason.detail == f"{clause} may serve it, and no mark shows it"


def test_a_service_without_an_address_may_wait_for_one_whose_objects_cannot_be_read() -> None:
    """Calico gives no address that it would advertise."""
    objects = [service(ingress=[], in_cluster=True), endpoints("a"), *nodes("")]
    found = world(*objects, unread={"IPAddressPool": "forbidden"}).consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "NoAddress")
    assert not world(*objects, unread={"BGPConfiguration": "forbidden"}).assessment.consumers


def test_kinds_that_a_setting_switches_off_hide_no_controller() -> None:
    made = world(service(), endpoints("a"), *nodes("openstack"), unread={"IPAddressPool": "switched off"})
    made.picture.switched_off = frozenset(made.picture.unread)
    made.engine.refresh_all()
    assert made.consumer().consumer.family == "openstack"


def test_the_finalizer_of_a_cloud_decides() -> None:
    subject = service()
    subject["metadata"]["finalizers"] = ["service.kubernetes.io/load-balancer-cleanup"]
    for made in (
        world(subject, endpoints("a"), *nodes("openstack"), *POOLS),
        world(subject, endpoints("a"), *nodes("openstack"), unread={"IPAddressPool": "forbidden"}),
    ):
        assert made.consumer().consumer.family == "openstack"


def test_without_a_controller_it_is_judged_as_a_node_port() -> None:
    made = world(service(ingress=[], in_cluster=True), endpoints("a"), *nodes(""))
    assert (made.assessment.outcome.name, made.assessment.reason.code) == ("Uncovered", "NoKnownConsumer")


def test_a_controller_in_the_cluster_has_not_served_it_yet() -> None:
    made = world(service(ingress=[], in_cluster=True), endpoints("a"), *nodes(""), *POOLS)
    assert (made.consumer().outcome.name, made.consumer().reason.code) == ("Unknown", "NoAddress")


@pytest.mark.parametrize(
    ("annotations", "edge", "on", "expected"),
    [
        pytest.param({}, False, "abc", ("Covered", "NoKnownConsumer"), id="every node serves them"),
        pytest.param(
            {"nodeport.openyurt.io/listen": "hangzhou"},
            False,
            "abc",
            ("Unknown", "NodePortsLimited"),
            id="OpenYurt",
        ),
        pytest.param(
            {"nodeport.openyurt.io/listen": "*"},
            False,
            "abc",
            ("Covered", "NoKnownConsumer"),
            id="OpenYurt: all pools",
        ),
        pytest.param(
            {"nodeport.openyurt.io/listen": "x"},
            False,
            "a",
            ("Uncovered", "NoKnownConsumer"),
            id="lost in any case",
        ),
        pytest.param({}, True, "abc", ("Unknown", "EdgeNodesNotKnown"), id="KubeEdge"),
    ],
)
def test_nodes_that_do_not_serve_node_ports(
    annotations: dict[str, str], edge: bool, on: str, expected: tuple[str, str]
) -> None:
    """openyurt nodeportisolation; KubeEdge's edge nodes run no kube-proxy by default."""
    labels = {"node-role.kubernetes.io/edge": ""} if edge else {}
    members = [worlds.node("a"), worlds.node("b"), worlds.node("c", labels=labels)]
    made = world(service(type="NodePort", ingress=[], annotations=annotations), endpoints(*on), *members)
    assert (made.assessment.outcome.name, made.assessment.reason.code) == expected


def test_where_each_node_is_kept_from_load_balancers_it_may_have_no_target() -> None:
    """Most load balancers leave out nodes with the label, or all that are not Ready."""
    excluded = nodes("", labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""})
    objects = [
        NODE_PORT,
        endpoints("a", "b", "c"),
        ingress(class_name="own"),
        ingress_class("own", "example.com/ours"),
    ]
    assert seen(*objects, *nodes("")) == Seen("Covered", "Covered", "abc", "")
    assert seen(*objects, *excluded) == Seen("Unknown", "ControllerNotModelled", "abc", "")


HOST = [{"hostname": "lb.example.com"}]


@pytest.mark.parametrize(
    ("subject", "scheme", "expected"),
    [
        pytest.param(
            {"ingress": HOST},
            "",
            ("Unknown", "LoadBalancerNotRecognised"),
            id="a host name that nothing shows the maker of",
        ),
        pytest.param({"ingress": HOST}, "linode", ("NoTargets", "NoNodePort"), id="it sends to node ports"),
        pytest.param({"in_cluster": True}, "linode", ("Unknown", "NoAddress"), id="no address"),
        pytest.param({"ingress": [], "in_cluster": True}, "", ("Unknown", "NoNodePort"), id="no load balancer"),
    ],
)
def test_a_load_balancer_without_node_ports_is_reported(
    subject: Json, scheme: str, expected: tuple[str, str]
) -> None:
    """allocateLoadBalancerNodePorts: false behind a host name: kube-proxy has no rule for it."""
    bare = worlds.service(ports=[port(node_port=0)], allocateLoadBalancerNodePorts=False, **subject)
    found = world(bare, endpoints("a"), *nodes(scheme)).assessment
    assert (found.outcome.name, found.reason.code) == expected


def test_a_load_balancer_without_node_ports_that_sends_to_pods_is_not_affected() -> None:
    bare = worlds.service(
        ports=[port(node_port=0)],
        allocateLoadBalancerNodePorts=False,
        ingress=[{"hostname": "k8s-shop-web-0123456789.elb.eu-west-1.amazonaws.com"}],
        loadBalancerClass="service.k8s.aws/nlb",
        annotations={"service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "ip"},
    )
    assert world(bare, endpoints("a"), *nodes("aws")).assessment.outcome.name == "NotAffected"
