"""Shapes for which a look at one port, one family, or one moment alone gives a wrong answer."""

from __future__ import annotations

import pytest

from etpguard.assess.outcome import Outcome
from tests.assess.consumers.families.aws_lbc.objects import (
    Json,
    Shop,
    backend,
    endpoints,
    ingress,
    meta,
    node,
    only,
    outcome,
    port,
    service,
)

PORTS = [port(), port(443, "https", 30443)]


def split(http: str, https: str) -> list[Json]:
    """Ports whose pods are on different nodes, as named target ports of two generations of pods give them."""
    slices = []
    for name, number, on in (("http", 8080, http), ("https", 8443, https)):
        made = endpoints("web", *on, ports=[{"name": name, "port": number, "protocol": "TCP"}])
        slices.append({**made, "metadata": meta(f"web-{name}", labels={"kubernetes.io/service-name": "web"})})
    return slices


def test_ports_are_assessed_separately_and_the_worst_of_those_in_use_counts() -> None:
    shop = Shop(service(ports=PORTS), *split("abc", "a"), ingress())
    assert only(shop).outcome is Outcome.Covered, "nothing sends to https"
    shop.apply(ingress("tls", backend(of_port="https"), annotations={"healthcheck-port": "http"}))
    by_port = {v.consumer.port: v.outcome for v in shop.verdicts()}
    assert by_port == {"http": Outcome.Covered, "https": Outcome.Blackhole}, "http answers where https drops"
    assert shop.assessment().outcome is Outcome.Blackhole


def test_families_are_assessed_separately() -> None:
    """An ALB of IPv4 targets is none the wiser for endpoints of the other family."""
    both: Json = {"ipFamilies": ["IPv4", "IPv6"], "clusterIPs": ["10.0.0.1", "2001:db8::1"]}
    shop = Shop(service(**both), endpoints("web", "a"), endpoints("web", "a", "b", "c", family="IPv6"))
    states = {state.family: shop.names(state.ready) for state in shop.assessment().ports}
    assert states == {"IPv4": ["a"], "IPv6": ["a", "b", "c"]}
    assert shop.assessment().outcome is Outcome.Uncovered, "the worst of the two"
    bound = Shop(
        service(ipFamilies=["IPv4"]),
        endpoints("web", "a"),
        endpoints("web", "a", "b", "c", family="IPv6"),
        ingress(),
    )
    assert bound.assessment().outcome is Outcome.TargetsUnhealthy


def test_two_health_checks_on_one_service() -> None:
    shop = Shop(
        ingress(), ingress("status", annotations={"healthcheck-port": "10256", "healthcheck-path": "/healthz"})
    )
    assert {v.consumer.name: v.outcome for v in shop.verdicts()} == {
        "web": Outcome.TargetsUnhealthy,
        "status": Outcome.Blackhole,
    }
    assert shop.assessment().outcome is Outcome.Blackhole


def test_an_ingress_that_names_a_port_that_does_not_exist_says_nothing_of_those_that_do() -> None:
    shop = Shop(ingress("typo", backend(of_port="htpp")), on="abc")
    assert only(shop).outcome is Outcome.Unknown
    assert only(shop).reason.code == "PortNotFound"
    shop.apply(ingress())
    assert {v.consumer.name: v.outcome.name for v in shop.verdicts()} == {"typo": "Unknown", "web": "Covered"}


def test_a_typo_in_target_node_labels_is_no_target_and_no_outage() -> None:
    shop = Shop(ingress(annotations={"target-node-labels": "pool=egde"}), node("a", labels={"pool": "edge"}))
    assert shop.assessment().outcome is Outcome.NoTargets
    shop.apply(node("a", labels={"pool": "egde"}))
    assert shop.assessment().outcome is Outcome.Covered


CONTROL_PLANE = {"node-role.kubernetes.io/control-plane": ""}
UNTOLERATED = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param(
            node("c", labels=CONTROL_PLANE, taints=UNTOLERATED),
            Outcome.TargetsUnhealthy,
            id="a control-plane node is a target, and no DaemonSet's pod is on it",
        ),
        pytest.param(
            node("c", labels={**CONTROL_PLANE, "node.kubernetes.io/exclude-from-external-load-balancers": ""}),
            Outcome.Covered,
            id="unless it is excluded, as kubeadm does",
        ),
        pytest.param(node("c", ready="False"), Outcome.Covered, id="a node that is not Ready"),
        pytest.param(node("c", ready="Unknown"), Outcome.Covered, id="a node that is not heard of"),
        pytest.param(node("c", ready=None), Outcome.Covered, id="a node that has just registered"),
    ],
)
def test_nodes_that_are_no_targets_need_no_pod(last: Json, expected: Outcome) -> None:
    assert outcome(ingress(), node("a"), node("b"), last, on="ab") is expected


def test_a_node_group_that_the_autoscaler_starts_from_zero() -> None:
    """No node; then nodes without a pod; then the pods."""
    shop = Shop(
        ingress(annotations={"target-node-labels": "pool=edge"}), node("other"), endpoints("web"), service()
    )
    seen = [shop.assessment().outcome.name]
    for step in (
        node("a", labels={"pool": "edge"}, ready=None),
        node("a", labels={"pool": "edge"}),
        endpoints("web", "a"),
        node("b", labels={"pool": "edge"}),
        endpoints("web", "a", "b"),
        node(
            "b",
            labels={"pool": "edge"},
            taints=[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}],
        ),
    ):
        shop.apply(step)
        seen.append(shop.assessment().outcome.name)
    assert seen == ["NoEndpoints"] * 3 + ["Covered", "TargetsUnhealthy", "Covered", "Covered"]


def test_a_deployment_scaled_to_zero_and_back() -> None:
    """Nothing is dropped where nothing could answer: every node rejects, and the policy is not at fault."""
    shop = Shop(ingress())
    assert shop.assessment().outcome is Outcome.TargetsUnhealthy
    shop.apply(endpoints("web"))
    assert shop.assessment().outcome is Outcome.NoEndpoints
    assert (only(shop).eligible.bit_count(), only(shop).uncovered) == (3, 0)
    shop.apply(endpoints("web", "b"))
    assert shop.assessment().outcome is Outcome.TargetsUnhealthy


def test_a_rolling_update_of_a_daemon_set_leaves_one_node_uncovered_at_a_time() -> None:
    """A terminating pod still forwards as long as it serves; the gap is from then to the next one's readiness."""
    shop = Shop(ingress(), on="abc")
    seen = []
    for gone in "abc":
        ending = endpoints("web", *"abc")
        index = "abc".index(gone)
        ending["endpoints"][index]["conditions"] = {"ready": False, "serving": True, "terminating": True}
        for step in (ending, endpoints("web", *(n for n in "abc" if n != gone)), endpoints("web", *"abc")):
            shop.apply(step)
            seen.append((shop.assessment().outcome.name, "".join(shop.names(only(shop).uncovered))))
    each = [("Covered", ""), ("TargetsUnhealthy", "{}"), ("Covered", "")]
    assert seen == [(name, where.format(gone)) for gone in ("a", "b", "c") for name, where in each]
