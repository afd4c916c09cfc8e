"""UpCloud: upcloud-cloud-controller-manager d04f4e8 internal/loadbalancer/loadbalancer_request.go."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.targets import CheckSettings
from tests.assess.consumers.worlds import Json, Seen, endpoints, node, nodes, port, seen, service, world

LB = "service.beta.kubernetes.io/upcloud-load-balancer-"
ADDRESS = [{"ip": "203.0.113.7"}]


def web(ports: list[Json] | None = None, **annotations: str) -> Json:
    given = {f"{LB}{key.replace('_', '-')}": value for key, value in annotations.items()}
    return service(annotations=given, ports=ports or [], ingress=ADDRESS)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(
            web(), Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc"), id="HTTP on the check port"
        ),
        pytest.param(
            web(config="{}"),
            Seen("Unknown", "ConfigNotModelled", "abc", "bc"),
            id="the config may replace the check",
        ),
        pytest.param(
            web(node_selector="a in"), Seen("Unknown", "InvalidAnnotation", "abc", "bc"), id="a bad selector"
        ),
        pytest.param(
            web(node_selector="role=edge"),
            Seen("Unknown", "NoMatchingNodes", "", ""),
            id="loadbalancer_request.go:111 without a node the controller fails and keeps the members",
        ),
        pytest.param(web([port(node_port=0)]), Seen("NoTargets", "NoNodePort", "", ""), id="no node port"),
    ],
)
def test_check(subject: Json, expected: Seen) -> None:
    assert seen(subject, endpoints("a"), *nodes("upcloud")) == expected


def test_the_path_is_the_root() -> None:
    check = world(web(), endpoints("a"), *nodes("upcloud")).consumer().consumer.check
    assert check is not None
    assert check.settings == CheckSettings("32000", "HTTP", "/")


def test_udp_is_not_known() -> None:
    subject = web([port("dns", 53, 30053, "UDP")])
    ready = endpoints("a", ports=["dns"], protocol="UDP")
    assert seen(subject, ready, *nodes("upcloud"), port_name="dns").reason == "ProtocolNotModelled"


def test_the_selector_is_a_full_one() -> None:
    labelled = [node("a", "upcloud:////1", labels={"role": "edge"}), node("b", "upcloud:////2")]
    made = world(web(node_selector="role notin (core),role"), endpoints("a"), *labelled)
    assert (made.consumer().outcome.name, made.names(made.consumer().eligible)) == ("Covered", "a")
