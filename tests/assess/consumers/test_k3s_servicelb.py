"""k3s pkg/cloudprovider/servicelb.go: getStatus, podIPs, newDaemonSet."""

from __future__ import annotations

from functools import partial

import pytest

from tests.assess.consumers import worlds
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, seen, world

service = partial(worlds.service, ingress=[{"ip": "198.51.100.1"}])

ENABLE, POOL = "svccontroller.k3s.cattle.io/enablelb", "svccontroller.k3s.cattle.io/lbpool"


def k3s(name: str, **more: object) -> Json:
    return node(name, f"k3s://{name}", addresses=[f"198.51.100.{ord(name) - 96}"], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("subject", "members", "served"),
    [
        pytest.param(service(), [k3s("a"), k3s("b")], True, id="no address yet"),
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


def test_clients_that_address_other_nodes_are_warned_of() -> None:
    assert "lose their packets" in world(service(), endpoints("a"), k3s("a")).consumer().consumer.source


def test_advice_labels_a_node_with_pods() -> None:
    objects = [service(), endpoints("a"), k3s("a"), k3s("c", labels={ENABLE: "true"})]
    assert f"kubectl label node a {ENABLE}=true" in world(*objects).advice()[0]
