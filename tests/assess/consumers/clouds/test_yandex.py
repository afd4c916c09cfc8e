"""deckhouse/yandex-cloud-controller-manager 8322153 pkg/cloudprovider/yandex/load_balancer.go; numbers are its
lines."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.clouds.yandex import TARGET_GROUP
from etpguard.assess.consumers.interface import CheckSettings, Evidence
from tests.assess.consumers.checks import settings_of
from tests.assess.consumers.worlds import Json, Seen, endpoints, nodes, port, seen, service, world

MARK = {"yandex.cpi.flant.com/loadbalancer-external": ""}
SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
ADDRESS = [{"ip": "203.0.113.7"}]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(service(annotations=MARK), SAFE, id="174: the healthCheckNodePort"),
        pytest.param(
            service(annotations=MARK | {TARGET_GROUP: "edge"}),
            Seen("Unknown", "TargetGroupNotKnown", "abc", "bc"),
            id="275: the target group follows an annotation on Nodes",
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
