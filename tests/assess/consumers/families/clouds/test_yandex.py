"""deckhouse/yandex-cloud-controller-manager 8322153 pkg/cloudprovider/yandex/load_balancer.go; numbers are its
lines."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.clouds.yandex import TARGET_GROUP
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.checks import settings_of
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

MARK = {"yandex.cpi.flant.com/loadbalancer-external": ""}
SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
ADDRESS = [{"ip": "203.0.113.7"}]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(service(annotations=MARK), SAFE, id="174: the healthCheckNodePort"),
        pytest.param(
            service(annotations=MARK | {TARGET_GROUP: "edge"}),
            Seen("Unknown", "NoTargetGroup", "", ""),
            id="218: there is no target group of that name",
        ),
        pytest.param(
            service(), Seen("Unknown", "ControllerNotModelled", "abc", "bc"), id="Managed Service is not public"
        ),
        pytest.param(
            service(annotations=MARK, ports=[port(), *(port(f"p{i}", 81 + i, 30081 + i) for i in range(10))]),
            Seen("Unknown", "TooManyPorts", "abc", "bc"),
            id="116: more than 10 ports",
        ),
    ],
)
def test_outcome(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("yandex")) == expected


def test_udp_has_the_same_check() -> None:
    dns = service(annotations=MARK, ports=[port("http", 53, 30053, "UDP")])
    assert seen(dns, endpoints("a", protocol="UDP"), *nodes("yandex")) == SAFE


def test_the_check() -> None:
    made = world(service(annotations=MARK), endpoints("a"), *nodes("yandex"))
    assert settings_of(made.consumer().consumer) == CheckSettings("32000", "HTTP", "/healthz")


@pytest.mark.parametrize(("annotations", "evidence"), [(MARK, Evidence.DOCUMENTED), ({}, Evidence.ASSUMED)])
def test_recognition(annotations: dict[str, str], evidence: Evidence) -> None:
    found = world(service(annotations=annotations), endpoints("a"), *nodes("yandex")).consumer().consumer
    assert (found.controller, found.evidence) == ("cloud-provider/yandex", evidence)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [(MARK, ("NoTargets", "NoNodePort")), ({}, ("Unknown", "ControllerNotModelled"))],
)
def test_a_port_without_a_node_port(annotations: dict[str, str], expected: tuple[str, str]) -> None:
    bare = service(annotations=annotations, ports=[port(node_port=0)], ingress=ADDRESS)
    assert seen(bare, endpoints("a"), *nodes("yandex"))[:2] == expected


def test_advice_says_that_cluster_loses_the_clients_address() -> None:
    assert (
        "instead of the client's"
        in world(service(annotations=MARK), endpoints("a"), *nodes("yandex")).advice()[-1]
    )


def in_group(name: str, group: str | None) -> Json:
    made = node(name, f"yandex://{name}")
    made["metadata"]["annotations"] = {} if group is None else {TARGET_GROUP: group}
    return made


LONG = "x" * 36


@pytest.mark.parametrize(
    ("wanted", "groups", "expected"),
    [
        pytest.param(
            "edge", ["edge", "edge", None], ("TargetsUnhealthy", "ab", "b"), id="275: the nodes of the same group"
        ),
        pytest.param("edge", [None, "edge", "edge"], ("Outage", "bc", "bc"), id="none of them has an endpoint"),
        pytest.param("edge", ["edge", None, "lan"], ("Covered", "a", ""), id="each of them has an endpoint"),
        pytest.param(
            None, [None, "edge", None], ("TargetsUnhealthy", "ac", "c"), id="168: a node is in no other group"
        ),
        pytest.param(
            None, ["edge", None, None], ("Outage", "bc", "bc"), id="the group without a prefix lost the endpoint"
        ),
        pytest.param(None, ["", None, "edge"], ("TargetsUnhealthy", "ab", "b"), id="an empty prefix is none"),
        pytest.param(
            LONG, [f"{LONG}y", LONG, None], ("TargetsUnhealthy", "ab", "b"), id="181: a long prefix is cut off"
        ),
        pytest.param(f"{LONG}y", [f"{LONG}y"], ("Unknown", "", ""), id="275: but not that of the Service"),
        pytest.param(None, ["edge"], ("Unknown", "", ""), id="218: no node is in the group without a prefix"),
    ],
)
def test_target_groups(wanted: str | None, groups: list[str | None], expected: tuple[str, str, str]) -> None:
    given = MARK | ({} if wanted is None else {TARGET_GROUP: wanted})
    members = [in_group(name, group) for name, group in zip("abc", groups, strict=False)]
    found = seen(service(annotations=given), endpoints("a"), *members)
    assert (found.outcome, found.eligible, found.uncovered) == expected


def test_the_target_group_is_that_of_the_last_sync() -> None:
    for given, says in ((MARK, False), (MARK | {TARGET_GROUP: "edge"}, True)):
        made = world(service(annotations=given), endpoints("a"), in_group("a", "edge"))
        assert ("as of the last sync" in made.consumer().consumer.source) is says


def test_another_annotation_of_a_node_is_noticed() -> None:
    made = world(
        service(annotations=MARK | {TARGET_GROUP: "edge"}),
        endpoints("a"),
        in_group("a", "edge"),
        in_group("b", None),
    )
    assert made.consumer().outcome.name == "Covered"
    made.put(in_group("b", "edge"))
    assert made.consumer().outcome.name == "TargetsUnhealthy"
