"""cloud-provider-vsphere 60f6c5d pkg/cloudprovider/vsphere/loadbalancer/state.go; numbers are its lines."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.clouds.vsphere import CLASS
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.evidence import Evidence
from tests.assess.consumers.checks import settings_of
from tests.assess.consumers.worlds import Json, Seen, endpoints, nodes, port, seen, service, world

NSX = {CLASS: "default"}
ADDRESS = [{"ip": "203.0.113.7"}]


@pytest.mark.parametrize(
    ("subject", "protocol", "expected"),
    [
        pytest.param(
            service(annotations=NSX),
            "TCP",
            Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc"),
            id="245: a TCP monitor on the node port",
        ),
        pytest.param(
            service(annotations=NSX, ports=[port("http", 53, 30053, "UDP")]),
            "UDP",
            Seen("Blackhole", "Blackhole", "abc", "bc"),
            id="245: no monitor for UDP",
        ),
        pytest.param(
            service(),
            "TCP",
            Seen("Unknown", "ControllerNotModelled", "abc", "bc"),
            id="the nodes alone show no load balancer",
        ),
    ],
)
def test_outcome(subject: Json, protocol: str, expected: Seen) -> None:
    assert seen(subject, endpoints("a", protocol=protocol), *nodes("vsphere")) == expected


def test_the_check_finds_a_port_without_endpoints() -> None:
    """Each port has a monitor of its own."""
    two = service(annotations=NSX, ports=[port(), port("admin", 81, 30081)])
    objects = [two, endpoints("a", "b", "c"), endpoints("a", ports=["admin"]), *nodes("vsphere")]
    assert seen(*objects, port_name="admin").outcome == "TargetsUnhealthy"
    assert settings_of(world(*objects).consumer("admin").consumer) == CheckSettings("30081", "TCP")


def test_reason_names_what_may_serve_it() -> None:
    reason = world(service(), endpoints("a"), *nodes("vsphere")).consumer().reason.detail
    assert all(name in reason for name in ("NSX-T", "Avi", "Supervisor"))


@pytest.mark.parametrize(
    ("annotations", "scheme", "evidence"), [(NSX, "", Evidence.DOCUMENTED), ({}, "vsphere", Evidence.ASSUMED)]
)
def test_recognition(annotations: dict[str, str], scheme: str, evidence: Evidence) -> None:
    found = world(service(annotations=annotations), endpoints("a"), *nodes(scheme)).consumer().consumer
    assert (found.controller, found.evidence) == ("cloud-provider/vsphere", evidence)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [(NSX, ("NoTargets", "NoNodePort")), ({}, ("Unknown", "ControllerNotModelled"))],
)
def test_a_port_without_a_node_port(annotations: dict[str, str], expected: tuple[str, str]) -> None:
    bare = service(annotations=annotations, ports=[port(node_port=0)], ingress=ADDRESS)
    assert seen(bare, endpoints("a"), *nodes("vsphere"))[:2] == expected


def test_advice_says_that_nsx_hides_the_client_under_local_too() -> None:
    """access.go:276-287: SNAT automap."""
    assert "already hides it" in world(service(annotations=NSX), endpoints("a"), *nodes("vsphere")).advice()[-1]
