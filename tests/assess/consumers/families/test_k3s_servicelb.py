"""k3s pkg/cloudprovider/servicelb.go: getStatus, podIPs, newDaemonSet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from etpguard.assess import DataPlane, Options
from etpguard.assess.advice import Advisor
from tests.assess.build import one_plane
from tests.assess.consumers import worlds
from tests.assess.consumers.worlds import EXTERNAL_IPS, Json, Seen, endpoints, k3s, node, nodes, port, seen, world

service = partial(worlds.service, ingress=[{"ip": "198.51.100.1"}])

ENABLE, POOL = "svccontroller.k3s.cattle.io/enablelb", "svccontroller.k3s.cattle.io/lbpool"


@pytest.mark.parametrize(
    ("subject", "members", "served"),
    [
        pytest.param(service(ingress=[]), [k3s("a"), k3s("b")], True, id="no address yet"),
        pytest.param(service(ingress=[{"ip": "198.51.100.1"}]), [k3s("a"), k3s("b")], True, id="a node's address"),
        pytest.param(
            service(ingress=[{"ip": "203.0.113.7"}]), [k3s("a"), k3s("b")], False, id="an address of no node"
        ),
        pytest.param(service(ingress=[{"hostname": "lb.example"}]), [k3s("a")], False, id="a host name"),
        pytest.param(
            service(loadBalancerClass="example.com/lb"), [k3s("a")], False, id="controller.go:862 a class"
        ),
        pytest.param(service(), nodes("hcloud"), False, id="another cloud's controller"),
    ],
)
def test_recognised(subject: Json, members: list[Json], served: bool) -> None:
    made = world(subject, endpoints("a"), *members)
    assert any(v.consumer.family == "k3s-servicelb" for v in made.assessment.consumers) is served


@pytest.mark.parametrize(
    ("labels", "pool", "expected"),
    [
        pytest.param({}, "", Seen("Covered", "Covered", "ab", ""), id="status names the nodes with ready pods"),
        pytest.param({"a": {ENABLE: "true"}}, "", Seen("Covered", "Covered", "a", ""), id="only labelled nodes"),
        pytest.param(
            {"c": {ENABLE: "true"}}, "", Seen("NoTargets", "NoTargets", "", ""), id="none of them has a pod"
        ),
        pytest.param(
            {"a": {ENABLE: "false"}}, "", Seen("NoTargets", "NoTargets", "", ""), id="any value turns the list on"
        ),
        pytest.param(
            {"a": {ENABLE: "true", POOL: "x"}, "b": {ENABLE: "true", POOL: "y"}},
            "y",
            Seen("Covered", "Covered", "b", ""),
            id="the Service's pool",
        ),
        pytest.param({"a": {POOL: "x"}}, "x", Seen("Covered", "Covered", "ab", ""), id="no pool without the list"),
    ],
)
def test_nodes_of_service_lb(labels: dict[str, dict[str, str]], pool: str, expected: Seen) -> None:
    members = [k3s(name, labels=labels.get(name, {})) for name in "abc"]
    subject = service(labels={POOL: pool} if pool else {})
    assert seen(subject, endpoints("a", "b"), *members) == expected


def test_a_node_not_ready_is_not_named() -> None:
    objects = [service(), endpoints("a", "b"), k3s("a"), k3s("b", ready="False")]
    assert seen(*objects) == Seen("Covered", "Covered", "a", "")


@pytest.mark.parametrize(("external", "http", "admin"), EXTERNAL_IPS)
def test_external_ips_come_first(external: dict[str, list[str]], http: Seen, admin: Seen) -> None:
    """podIPs."""
    objects = [
        service(ports=[port(), port("admin", 81, 30081)]),
        endpoints("a"),
        endpoints("b", ports=["admin"]),
        *(k3s(name, external=external.get(name, ())) for name in "abc"),
    ]
    assert seen(*objects) == http
    assert seen(*objects, port_name="admin") == admin


def test_the_lack_of_an_external_ip_is_named() -> None:
    two = service(ports=[port(), port("admin", 81, 30081)])
    ready = [endpoints("a"), endpoints("b", ports=["admin"])]
    members = [k3s("a", external=["203.0.113.1"]), k3s("b")]
    found = world(two, *ready, *members)
    assert "the lack of an external address excludes 1 node" in found.consumer("admin").reason.detail
    found.put(k3s("a"))
    assert found.consumer("admin").outcome.name == "Blackhole"


def test_clients_that_address_other_nodes_are_warned_of() -> None:
    assert "lose their packets" in world(service(), endpoints("a"), k3s("a")).consumer().consumer.source


def test_advice_labels_the_nodes_with_pods() -> None:
    objects = [service(), endpoints("a", "b"), k3s("a"), k3s("b"), k3s("c", labels={ENABLE: "true"})]
    first = world(*objects).advice()[0]
    assert first.endswith(f"kubectl label node a b --overwrite {ENABLE}=true")
    assert "pool" not in first


def test_advice_overwrites_the_label_that_keeps_service_lb_off() -> None:
    objects = [service(), endpoints("a"), k3s("a", labels={ENABLE: "false"}), k3s("b")]
    assert world(*objects).advice()[0].endswith(f"kubectl label node a --overwrite {ENABLE}=true")


@pytest.mark.parametrize(
    ("pool", "leaves"),
    [
        pytest.param({}, False, id="of no pool"),
        pytest.param({POOL: "x"}, True, id="of another pool"),
        pytest.param({POOL: "y"}, False, id="of this pool, without the other label"),
    ],
)
def test_advice_puts_the_nodes_with_pods_into_the_pool(pool: dict[str, str], leaves: bool) -> None:
    objects = [
        service(labels={POOL: "y"}),
        endpoints("a"),
        k3s("a", labels=pool),
        k3s("c", labels={ENABLE: "true", POOL: "y"}),
    ]
    first = world(*objects).advice()[0]
    assert first.endswith(f"kubectl label node a --overwrite {ENABLE}=true {POOL}=y")
    assert ("Nodes of another pool leave it" in first) is leaves


def test_no_label_is_advised_where_no_node_has_it() -> None:
    """nodeHasDaemonSetLabel: the first one takes ServiceLB off all other nodes, for every Service."""
    made = world(service(ports=[port(node_port=0)]), endpoints("a"), k3s("a"), k3s("b"))
    assert made.advice() == []
    (item,) = Advisor(made.picture, made.families)(made.assessment)
    assert item.title == "Give the Service node ports"
    tainted = [service(), endpoints("a"), k3s("a", taints=[("dedicated", "NoSchedule")]), k3s("b")]
    made = world(*tainted)
    assert made.consumer().outcome.name == "NoTargets"
    assert not any(ENABLE in text for text in made.advice())


@pytest.mark.parametrize(
    ("taints", "eligible"),
    [
        pytest.param([("node-role.kubernetes.io/master", "NoSchedule")], "ab", id="master"),
        pytest.param([("node-role.kubernetes.io/control-plane", "NoSchedule")], "ab", id="control plane"),
        pytest.param([("CriticalAddonsOnly", "NoExecute")], "ab", id="critical add-ons"),
        pytest.param([("dedicated", "NoSchedule")], "a", id="any other"),
        pytest.param([("dedicated", "PreferNoSchedule")], "ab", id="a preference"),
    ],
)
def test_tolerations_of_the_svclb_pods(taints: list[tuple[str, str]], eligible: str) -> None:
    """newDaemonSet."""
    found = seen(service(), endpoints("a", "b"), k3s("a"), k3s("b", taints=taints))
    assert found == Seen("Covered", "Covered", eligible, "")


def test_a_port_without_a_node_port_is_not_served() -> None:
    """klipper-lb 75a20be entry: hostIP and node port under Local."""
    found = seen(service(ports=[port(node_port=0)]), endpoints("a"), k3s("a"), k3s("b"))
    assert (found.outcome, found.reason) == ("NoTargets", "NoNodePort")


def test_without_an_address_the_known_causes_are_named() -> None:
    found = world(service(ingress=[], in_cluster=True), endpoints("a"), k3s("a"), k3s("b")).consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "NoAddress")
    assert "svclb Pods are Pending" in found.reason.detail
    assert found.consumer.evidence.value == "assumed"


def test_a_node_that_gets_the_address_is_noticed() -> None:
    made = world(service(ingress=[{"ip": "198.51.100.9"}]), endpoints("a"), k3s("a"), k3s("b"))
    assert made.consumer().consumer.family == "unknown-controller"
    made.put(node("a", "k3s://a", addresses=["198.51.100.9"]))
    assert made.consumer().consumer.family == "k3s-servicelb"


RKE2_ENABLE, RKE2_POOL = "svccontroller.rke2.cattle.io/enablelb", "svccontroller.rke2.cattle.io/lbpool"


rke2 = partial(k3s, program="rke2")


@pytest.mark.parametrize(
    ("subject", "members", "expected"),
    [
        pytest.param(
            service(), [rke2("a"), rke2("b")], Seen("Covered", "Covered", "a", ""), id="the address of a node"
        ),
        pytest.param(
            service(labels={RKE2_POOL: "y"}),
            [rke2("a", labels={RKE2_ENABLE: "true", RKE2_POOL: "y"}), rke2("b")],
            Seen("Covered", "Covered", "a", ""),
            id="its labels",
        ),
        pytest.param(
            service(),
            [rke2("a"), rke2("b", labels={RKE2_ENABLE: "true"})],
            Seen("NoTargets", "NoTargets", "", ""),
            id="only labelled nodes",
        ),
    ],
)
def test_rke2_has_the_same_with_its_own_names(subject: Json, members: list[Json], expected: Seen) -> None:
    """rke2-docs #272: --enable-servicelb."""
    assert seen(subject, endpoints("a"), *members) == expected


@pytest.mark.parametrize(
    ("subject", "members"),
    [
        pytest.param(worlds.service(), [rke2("a"), rke2("b")], id="without an address: it is off by default"),
        pytest.param(service(), [rke2("a"), k3s("b")], id="nodes of both"),
    ],
)
def test_rke2_is_not_recognised(subject: Json, members: list[Json]) -> None:
    made = world(subject, endpoints("a"), *members)
    assert not any(v.consumer.family == "k3s-servicelb" for v in made.assessment.consumers)


@pytest.mark.parametrize(
    ("subject", "members"),
    [
        pytest.param(service(), [rke2("a", network="CiliumIsUp"), rke2("b")], id="a node that serves"),
        pytest.param(
            service(),
            [rke2("a", network="CiliumIsUp", taints=[("dedicated", "NoSchedule")]), rke2("b")],
            id="a taint",
        ),
        pytest.param(
            service(ports=[port(node_port=0)], allocateLoadBalancerNodePorts=False),
            [rke2("a", network="CiliumIsUp"), rke2("b")],
            id="no node port",
        ),
    ],
)
def test_cilium_may_give_the_addresses_of_nodes_in_rke2(subject: Json, members: list[Json]) -> None:
    """cilium 94b67c8 operator/pkg/nodeipam/nodesvclb.go, with default-lb-service-ipam: nodeipam. RKE2 has
    ServiceLB off by default."""
    assert world(subject, endpoints("a"), *members).assessment.reason.code == "LoadBalancerNotRecognised"


def test_cilium_as_data_plane_is_enough() -> None:
    options = Options(one_plane(DataPlane.CILIUM))
    made = world(service(), endpoints("a"), rke2("a"), rke2("b"), options=options)
    assert made.assessment.reason.code == "LoadBalancerNotRecognised"
    made = world(service(), endpoints("a"), k3s("a"), k3s("b"), options=options)
    assert made.consumer().consumer.family == "k3s-servicelb"


@pytest.mark.parametrize(("distribution", "label"), [(rke2, ENABLE), (k3s, RKE2_ENABLE)], ids=["rke2", "k3s"])
def test_the_label_of_the_other_distribution_restricts_nothing(
    distribution: Callable[..., Json], label: str
) -> None:
    """k3s 0821db5 pkg/cloudprovider/servicelb.go: the label has the name of the program."""
    found = seen(service(), endpoints("a"), distribution("a"), distribution("b", labels={label: "true"}))
    assert found == Seen("Covered", "Covered", "a", "")
