"""cloud-provider-alibaba-cloud eeb0ddc pkg/controller/service: clbv1/vgroups.go, reconcile/backend/backend.go."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.families.clouds.alibaba import BACKEND_TYPE, NLB_CLASS, OTHER_CLASS
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
LABEL, CORDON = f"{PREFIX}backend-label", f"{PREFIX}remove-unscheduled-backend"
OLD_LABEL = "service.beta.kubernetes.io/alicloud-loadbalancer-backend-label"
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
ECS = {BACKEND_TYPE: "ecs"}
GONE = Seen("NoTargets", "NoTargets", "", "")
ADDRESS = [{"ip": "203.0.113.7"}]


def around(annotations: dict[str, str] | None = None, **a: Any) -> list[Json]:
    """The only endpoint is on node a, which the case is about."""
    one = node("a", "cn-hangzhou.i-abc1", **a)
    rest = [node(name, f"cn-hangzhou.i-abc{name}") for name in "bc"]
    return [service(annotations=ECS | (annotations or {})), endpoints("a"), one, *rest]


def test_only_nodes_with_a_ready_endpoint_are_targets() -> None:
    """vgroups.go:810 buildLocalBackends."""
    assert seen(*around()) == Seen("Covered", "Covered", "a", "")


@pytest.mark.parametrize(
    "a",
    [
        *(
            pytest.param({"labels": {key: value}}, id=f"{key}={value}")
            for key in (
                EXCLUDE,
                "alpha.service-controller.kubernetes.io/exclude-balancer",
                "service.beta.kubernetes.io/exclude-node",
                "service.alibabacloud.com/exclude-node",
                "node-role.kubernetes.io/master",
            )
            for value in ("true", "false", "")
        ),
        pytest.param({"ready": "False"}, id="backend.go:217 not Ready"),
        pytest.param({"ready": "Unknown"}, id="backend.go:217 Ready unknown"),
        pytest.param({"taints": [("ToBeDeletedByClusterAutoscaler", "NoSchedule")]}, id="backend.go:186"),
    ],
)
def test_nodes_that_are_left_out(a: dict[str, Any]) -> None:
    assert seen(*around(**a))[:1] == ("NoTargets",)


@pytest.mark.parametrize(
    "a",
    [
        pytest.param({"labels": {"node-role.kubernetes.io/control-plane": ""}}, id="another role"),
        pytest.param({"deleting": True}, id="being deleted is not read"),
        pytest.param({"taints": [("node.kubernetes.io/unschedulable", "NoSchedule")]}, id="194: a cordon"),
    ],
)
def test_nodes_that_are_not_left_out(a: dict[str, Any]) -> None:
    assert seen(*around(**a)).outcome == "Covered"


@pytest.mark.parametrize(("value", "outcome"), [("on", "NoTargets"), ("off", "Covered"), ("true", "Covered")])
def test_cordoned_nodes_are_left_out_on_request(value: str, outcome: str) -> None:
    """backend.go:194."""
    cordon = [("node.kubernetes.io/unschedulable", "NoSchedule")]
    assert seen(*around({CORDON: value}, taints=cordon)).outcome == outcome


@pytest.mark.parametrize(
    ("written", "outcome"),
    [
        pytest.param("pool=web", "Covered", id="it matches"),
        pytest.param("pool=web,zone=z", "Covered", id="all pairs hold"),
        pytest.param("pool=db", "NoTargets", id="no match: no target"),
        pytest.param("pool=web, zone=z", "NoTargets", id="compared as written, with the space"),
        pytest.param("pool=web=x", "Covered", id="what follows a second sign does not count"),
        pytest.param("pool", "Unknown", id="162: a part without a sign is an error"),
        pytest.param("pool=web,", "Unknown", id="162: an empty part too"),
        pytest.param("", "Covered", id="137: an empty one selects all"),
        pytest.param("k=v," * 60000, "Unknown", id="too long to read"),
    ],
)
def test_backend_label(written: str, outcome: str) -> None:
    labels = {"pool": "web", "zone": "z"}
    assert seen(*around({LABEL: written}, labels=labels)).outcome == outcome


def test_the_older_prefix_counts_where_the_current_one_is_absent() -> None:
    """annotations.go Get."""
    labels = {"pool": "web"}
    assert seen(*around({OLD_LABEL: "pool=db"}, labels=labels)).outcome == "NoTargets"
    assert seen(*around({OLD_LABEL: "pool=db", LABEL: "pool=web"}, labels=labels)).outcome == "Covered"


def test_a_value_that_is_not_understood_is_named() -> None:
    reason = world(*around({LABEL: "pool"})).consumer().reason
    assert reason.code == "InvalidAnnotation"
    assert f"{LABEL} is 'pool'" in reason.detail


def test_each_port_has_the_nodes_of_its_own_endpoints() -> None:
    two = service(annotations=ECS, ports=[port(), port("admin", 81, 30081)])
    objects = [two, endpoints("a", "b"), endpoints("b", ports=["admin"]), *nodes("alicloud")]
    assert seen(*objects) == Seen("Covered", "Covered", "ab", "")
    assert seen(*objects, port_name="admin") == Seen("Covered", "Covered", "b", "")


def test_terminating_endpoints_are_no_targets() -> None:
    """vgroups.go:730: they still forward, but nothing is sent there."""
    objects = [service(annotations=ECS), endpoints(terminating=["a"]), *nodes("alicloud")]
    assert seen(*objects) == GONE


@pytest.mark.parametrize(
    ("backend_type", "outcome"),
    [
        pytest.param("eni", "NotAffected", id="pods"),
        pytest.param("ecs", "NoTargets", id="nodes"),
        pytest.param("", "Unknown", id="service_utils.go:103 the configuration decides"),
        pytest.param("ENI", "NoTargets", id="compared as written"),
    ],
)
def test_backend_type(backend_type: str, outcome: str) -> None:
    objects = around({BACKEND_TYPE: backend_type}, labels={EXCLUDE: "true"})
    assert seen(*objects).outcome == outcome


def test_both_backend_types_agree_where_the_nodes_are_admitted() -> None:
    assert seen(*around({BACKEND_TYPE: ""})).outcome == "Covered"


@pytest.mark.parametrize(
    ("backend_type", "expected"),
    [
        ("eni", ("NotAffected", "TargetsPods")),
        ("ecs", ("NoTargets", "NoNodePort")),
        ("", ("Unknown", "BackendTypeNotKnown")),
    ],
)
def test_a_port_without_a_node_port(backend_type: str, expected: tuple[str, str]) -> None:
    bare = service(annotations={BACKEND_TYPE: backend_type}, ports=[port(node_port=0)], ingress=ADDRESS)
    assert seen(bare, endpoints("a"), *nodes("alicloud"))[:2] == expected


@pytest.mark.parametrize(
    ("subject", "scheme", "evidence"),
    [
        pytest.param(service(annotations={LABEL: "a=b"}), "", Evidence.DOCUMENTED, id="its annotation"),
        pytest.param(service(annotations={OLD_LABEL: "a=b"}), "", Evidence.DOCUMENTED, id="with the older prefix"),
        pytest.param(service(loadBalancerClass=NLB_CLASS), "", Evidence.DOCUMENTED, id="class of the NLB"),
        pytest.param(service(), "alicloud", Evidence.ASSUMED, id="alicloud:// nodes"),
    ],
)
def test_recognition(subject: Json, scheme: str, evidence: Evidence) -> None:
    found = world(subject, endpoints("a"), *nodes(scheme)).consumer().consumer
    assert (found.controller, found.evidence) == ("cloud-provider/alicloud", evidence)
    assert "follow the pods with a delay" in found.source


def test_another_class_annotation_takes_it_away() -> None:
    """service_utils.go NeedCLB."""
    made = world(service(annotations={OTHER_CLASS: "other"}), endpoints("a"), *nodes("alicloud"))
    assert made.consumer().consumer.controller != "cloud-provider/alibaba"


def test_advice_admits_nodes_and_says_that_cluster_changes_the_targets() -> None:
    advice = world(*around(labels={EXCLUDE: "true"})).advice()
    assert f"kubectl label node a {EXCLUDE}-" in advice[0]
    assert "all nodes as targets instead of those with pods" in advice[-1]


def test_no_advice_where_all_is_well() -> None:
    assert world(*around()).advice() == []
