"""What a health check is predicted to see."""

from __future__ import annotations

import pytest

from etpguard.assess.node_states import PortState, ServiceStates
from etpguard.assess.probe import (
    AnswersEverywhere,
    HealthCheckNodePort,
    KubeProxyHealthz,
    NoHealthCheck,
    NotModelled,
    OtherNodePort,
    OwnNodePort,
    PassesNowhere,
    Probe,
    passing,
)
from etpguard.objects import Key

ALL, READY = 0b1111, 0b0111
OWN = ServiceStates(
    (
        PortState("http", 80, "TCP", "IPv4", 30080, ready=0b0001, terminating=0b0010, usable=True),
        PortState("https", 443, "TCP", "IPv4", 30443, ready=0, terminating=0, usable=False),
    ),
    {"IPv4": 0b0001},
)
OTHER = ServiceStates((PortState("hc", 80, "TCP", "IPv4", 30090, 0b0100, 0, True),), {"IPv4": 0b0100})
DOWN = ServiceStates((PortState("hc", 80, "TCP", "IPv4", 30090, 0, 0, False),), {"IPv4": 0})
OTHERS = {
    Key("x", "local"): (OTHER, True),
    Key("x", "cluster"): (OTHER, False),
    Key("x", "down"): (DOWN, False),
}


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        pytest.param(OwnNodePort("http"), 0b0011, id="its own node port: where that port forwards"),
        pytest.param(OwnNodePort("https"), 0, id="its own node port without endpoints: nowhere"),
        pytest.param(HealthCheckNodePort(), 0b0001, id="healthCheckNodePort: ready endpoints, not terminating"),
        pytest.param(HealthCheckNodePort(any_answer=True), ALL, id="healthCheckNodePort by TCP: everywhere"),
        pytest.param(HealthCheckNodePort(service=Key("x", "local")), 0b0100, id="another's healthCheckNodePort"),
        pytest.param(OtherNodePort(Key("x", "local"), "hc"), 0b0100, id="another's node port under Local"),
        pytest.param(OtherNodePort(Key("x", "cluster"), "hc"), ALL, id="another's node port under Cluster"),
        pytest.param(OtherNodePort(Key("x", "down"), "hc"), 0, id="another's without endpoints: nowhere"),
        pytest.param(KubeProxyHealthz(), READY, id="10256: Ready nodes"),
        pytest.param(AnswersEverywhere(), ALL, id="named by the user: everywhere"),
        pytest.param(PassesNowhere("it answers 404"), 0, id="a check that nothing there satisfies: nowhere"),
        pytest.param(NoHealthCheck(), ALL, id="no check at all keeps traffic from no node"),
    ],
)
def test_passing(probe: Probe, expected: int) -> None:
    assert passing(probe, "IPv4", OWN, OTHERS.get, healthz=READY, everywhere=ALL) == expected


@pytest.mark.parametrize(
    ("probe", "detail"),
    [
        pytest.param(NotModelled("who knows"), "who knows", id="any other port"),
        pytest.param(OwnNodePort("gone"), "the Service has no IPv4 port 'gone'", id="no such port"),
        pytest.param(
            OtherNodePort(Key("x", "gone"), "hc"), "Service x/gone has no IPv4 port 'hc'", id="no such Service"
        ),
        pytest.param(
            OtherNodePort(Key("x", "local"), "no"),
            "Service x/local has no IPv4 port 'no'",
            id="no such port there",
        ),
        pytest.param(
            HealthCheckNodePort(service=Key("x", "gone")),
            "Service x/gone, whose healthCheckNodePort is probed, does not exist",
            id="healthCheckNodePort of no Service",
        ),
    ],
)
def test_not_modelled(probe: Probe, detail: str) -> None:
    assert passing(probe, "IPv4", OWN, OTHERS.get, healthz=READY, everywhere=ALL) == NotModelled(detail)
