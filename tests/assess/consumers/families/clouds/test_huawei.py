"""cloud-provider-huaweicloud 037c910 pkg/cloudprovider/huaweicloud/dedicatedloadbalancer.go; numbers are its
lines."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.clouds.huawei import CHECK_FLAG, CHECK_OPTION
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.checks import settings_of
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, not_ready, port, seen, service, world

ELB = {"kubernetes.io/elb.class": "dedicated"}
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


def around(annotations: dict[str, str], *slices: Json) -> list[Json]:
    return [service(annotations=ELB | annotations), *(slices or (endpoints("a"),)), *nodes("huaweicloud")]


def test_only_nodes_with_an_active_pod_are_members() -> None:
    """517."""
    assert seen(*around({})) == Seen("Covered", "Covered", "a", "")


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, "TargetsUnhealthy", id="716: the check connects to the node port"),
        pytest.param({CHECK_FLAG: "on"}, "TargetsUnhealthy", id="on"),
        pytest.param({CHECK_FLAG: "off"}, "Blackhole", id="shared:1054 anything else is off"),
        pytest.param({CHECK_OPTION: "{}"}, "Unknown", id="its options are not read"),
    ],
)
def test_a_pod_that_is_not_ready_makes_its_node_a_member(annotations: dict[str, str], expected: str) -> None:
    found = seen(*around(annotations, endpoints("a"), not_ready("b")))
    assert (found.outcome, found.eligible, found.uncovered) == (expected, "ab", "b")


def test_the_check() -> None:
    assert settings_of(world(*around({})).consumer().consumer) == CheckSettings("30080", "TCP")


def test_terminating_pods_are_no_members() -> None:
    assert seen(*around({}, endpoints("a", terminating=["b"]))).eligible == "a"


def test_udp_never_gets_the_answer_for_tcp() -> None:
    dns = service(annotations=ELB, ports=[port("http", 53, 30053, "UDP")])
    starting = not_ready("b")
    starting["ports"][0]["protocol"] = "UDP"
    objects = [dns, endpoints("a", protocol="UDP"), starting, *nodes("huaweicloud")]
    assert seen(*objects)[:2] == ("Unknown", "HealthCheckPortNotModelled")


def test_without_a_node_port_pods_are_members() -> None:
    """639."""
    bare = service(annotations=ELB, ports=[port(node_port=0)], ingress=[{"ip": "203.0.113.7"}])
    assert seen(bare, endpoints("a"), *nodes("huaweicloud"))[:2] == ("NotAffected", "TargetsPods")


def test_a_pod_on_an_excluded_node_stops_the_controller() -> None:
    """527."""
    a = node("a", "huaweicloud://a", labels={EXCLUDE: "true"})
    objects = [service(annotations=ELB), endpoints("a"), a, *nodes("huaweicloud", "b")]
    assert seen(*objects)[:2] == ("Unknown", "NoMatchingNodes")


def test_cce_is_another_controller() -> None:
    found = world(service(annotations=ELB), endpoints("a"), *nodes("")).consumer()
    assert (found.outcome.name, found.reason.code) == ("Unknown", "ControllerNotModelled")
    assert "Cloud Container Engine" in found.reason.detail


def test_by_the_nodes_alone_it_is_assumed() -> None:
    found = world(service(), endpoints("a"), *nodes("huaweicloud")).consumer().consumer
    assert (found.controller, found.evidence) == ("cloud-provider/huaweicloud", Evidence.ASSUMED)
