"""TKE documentation; the source of the controller is not public."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.families.clouds.tencent import (
    BACKENDS_LABEL,
    BIND_PODS,
    CHECK_CONFIG,
    DIRECT_ACCESS,
)
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.checks import settings_of
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
ADDRESS = [{"ip": "203.0.113.7"}]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, SAFE, id="all nodes, checked on the node port"),
        pytest.param({BIND_PODS: "true"}, Seen("Covered", "Covered", "a", ""), id="the nodes with pods"),
        pytest.param({BIND_PODS: "false"}, SAFE, id="not asked for"),
        pytest.param({DIRECT_ACCESS: "true"}, Seen("NotAffected", "TargetsPods", "", ""), id="pods"),
        pytest.param({DIRECT_ACCESS: "false"}, SAFE, id="no pods"),
        *(
            pytest.param({key: "x"}, Seen("Unknown", "HealthCheckNotKnown", "abc", "bc"), id=f"{key}")
            for key in CHECK_CONFIG
        ),
        pytest.param(
            {BACKENDS_LABEL: "a in ("}, Seen("Unknown", "InvalidAnnotation", "abc", "bc"), id="no selector"
        ),
    ],
)
def test_outcome(annotations: dict[str, str], expected: Seen) -> None:
    assert seen(service(annotations=annotations), endpoints("a"), *nodes("qcloud")) == expected


def test_the_check_connects_to_the_node_port() -> None:
    made = world(service(), endpoints("a"), *nodes("qcloud"))
    assert settings_of(made.consumer().consumer) == CheckSettings("30080", "TCP")


@pytest.mark.parametrize(
    ("third", "eligible"),
    [
        pytest.param({"labels": {"node-role.kubernetes.io/master": ""}}, "ab", id="master"),
        pytest.param({"ready": "False"}, "ab", id="not Ready"),
        pytest.param({}, "abc", id="plain"),
    ],
)
def test_nodes(third: dict[str, Any], eligible: str) -> None:
    members = [*nodes("qcloud", "a", "b"), node("c", "qcloud:///1/c", **third)]
    assert seen(service(), endpoints("a"), *members).eligible == eligible


@pytest.mark.parametrize(
    ("written", "outcome", "eligible"),
    [
        pytest.param("group=access", "Covered", "a", id="the pod's node"),
        pytest.param("group=db", "Outage", "b", id="another node"),
        pytest.param("group in (db, access)", "TargetsUnhealthy", "ab", id="a set"),
        pytest.param("group=qa", "NoTargets", "", id="no match empties the load balancer"),
    ],
)
def test_backends_label(written: str, outcome: str, eligible: str) -> None:
    labels = {"a": {"group": "access"}, "b": {"group": "db"}, "c": {}}
    members = [node(name, f"qcloud:///1/{name}", labels=each) for name, each in labels.items()]
    made = world(service(annotations={BACKENDS_LABEL: written}), endpoints("a"), *members)
    verdict = made.consumer()
    assert (verdict.outcome.name, made.names(verdict.eligible)) == (outcome, eligible)
    assert "as of the last sync" in verdict.consumer.source


def test_udp_never_gets_the_answer_for_tcp() -> None:
    dns = service(ports=[port("http", 53, 30053, "UDP")])
    assert seen(dns, endpoints("a", protocol="UDP"), *nodes("qcloud"))[:2] == ("Unknown", "UDPCheckNotKnown")


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [({}, ("NoTargets", "NoNodePort")), ({DIRECT_ACCESS: "true"}, ("NotAffected", "TargetsPods"))],
)
def test_a_port_without_a_node_port(annotations: dict[str, str], expected: tuple[str, str]) -> None:
    bare = service(annotations=annotations, ports=[port(node_port=0)], ingress=ADDRESS)
    assert seen(bare, endpoints("a"), *nodes("qcloud"))[:2] == expected


@pytest.mark.parametrize(
    ("subject", "scheme", "evidence"),
    [
        *(
            pytest.param(service(annotations={key: "x"}), "", Evidence.DOCUMENTED, id=key)
            for key in (
                "service.kubernetes.io/qcloud-loadbalancer-internal-subnetid",
                "service.kubernetes.io/loadbalance-id",
                "service.kubernetes.io/tke-existed-lbid",
                "service.cloud.tencent.com/pass-to-target",
            )
        ),
        pytest.param(service(), "qcloud", Evidence.ASSUMED, id="qcloud:// nodes"),
        pytest.param(service(), "tencentcloud", Evidence.ASSUMED, id="tencentcloud:// nodes"),
    ],
)
def test_recognition(subject: Json, scheme: str, evidence: Evidence) -> None:
    found = world(subject, endpoints("a"), *nodes(scheme)).consumer().consumer
    assert (found.controller, found.evidence) == ("cloud-provider/qcloud", evidence)


def test_advice_binds_the_nodes_with_pods() -> None:
    advice = world(service(), endpoints("a"), *nodes("qcloud")).advice()
    assert f"{BIND_PODS}=true" in advice[0]
