"""What a health check is predicted to see."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess.node_states import Frontend, PortState, ServiceStates, Uncertain
from etpguard.assess.outcome import Reason
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
    Probed,
    passing,
)
from etpguard.objects import Key

ALL, READY = 0b1111, 0b0111
OWN = ServiceStates(
    (
        PortState("http", 80, "TCP", "IPv4", 30080, ready=0b0001, terminating=0b0010, usable=True),
        PortState("https", 443, "TCP", "IPv4", 30443, ready=0, terminating=0, usable=False),
        PortState("odd", 81, "TCP", "IPv4", 30081, 0b0001, 0, True, uncertain=(Uncertain(-1, Reason("X", "x")),)),
    ),
    {"IPv4": 0b0001},
)
OTHER = ServiceStates((PortState("hc", 80, "TCP", "IPv4", 30090, 0b0100, 0, True),), {"IPv4": 0b0100})
DOWN = ServiceStates((PortState("hc", 80, "TCP", "IPv4", 30090, 0, 0, False),), {"IPv4": 0})


def other(**fields: Any) -> ServiceStates:
    return ServiceStates((replace(OTHER.ports[0], **fields),), OTHER.healthy)


DOUBT = Uncertain(0b1000, Reason("WhoKnows", "who knows"))
ONLY_LOCAL = DOUBT._replace(only_local=True)
ELSEWHERE = Uncertain(0b10000, Reason("WhoKnows", "who knows"))
OTHERS = {
    Key("x", "local"): Probed(OTHER, local=True),
    Key("x", "cluster"): Probed(OTHER, local=False),
    Key("x", "down"): Probed(DOWN, local=False),
    Key("x", "partly"): Probed(other(unusable=0b0001), local=False),
    Key("x", "doubtful"): Probed(other(uncertain=(DOUBT,)), local=True),
    Key("x", "doubtful-cluster"): Probed(other(uncertain=(DOUBT,)), local=False),
    Key("x", "doubtful-local"): Probed(other(uncertain=(ONLY_LOCAL,)), local=True),
    Key("x", "doubtful-local-cluster"): Probed(other(uncertain=(ONLY_LOCAL,)), local=False),
    Key("x", "doubtful-elsewhere"): Probed(other(uncertain=(ELSEWHERE,)), local=True),
    Key("x", "limited"): Probed(OTHER, local=False, limit="it is limited"),
    Key("x", "limited-local"): Probed(OTHER, local=True, limit="it is limited"),
    Key("x", "unreadable"): Probed(OTHER, local=True, unreadable="s: bad"),
    Key("x", "unreadable-cluster"): Probed(OTHER, local=False, unreadable="s: bad"),
    Key("x", "unreadable-down"): Probed(DOWN, local=False, unreadable="s: bad"),
    Key("x", "closed"): Probed(other(through=((Frontend.NODE_PORT, 0),)), local=False),
    Key("x", "closed-local"): Probed(other(through=((Frontend.NODE_PORT, 0),)), local=True),
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
        pytest.param(OtherNodePort(Key("x", "partly"), "hc"), 0b1110, id="another's that a data plane rejects"),
        pytest.param(OtherNodePort(Key("x", "doubtful-elsewhere"), "hc"), 0b0100, id="not known on no node"),
        pytest.param(
            OtherNodePort(Key("x", "doubtful-local-cluster"), "hc"), ALL, id="not known under Local alone"
        ),
        pytest.param(OtherNodePort(Key("x", "limited-local"), "hc"), 0b0100, id="limited, in the states already"),
        pytest.param(OtherNodePort(Key("x", "closed-local"), "hc"), 0, id="a node port that is closed"),
        pytest.param(
            OtherNodePort(Key("x", "unreadable-cluster"), "hc"), ALL, id="under Cluster one endpoint is enough"
        ),
        pytest.param(
            HealthCheckNodePort(True, Key("x", "unreadable")), ALL, id="another's by TCP, whatever its endpoints"
        ),
        pytest.param(KubeProxyHealthz(), READY, id="10256: Ready nodes"),
        pytest.param(AnswersEverywhere(), ALL, id="named by the user: everywhere"),
        pytest.param(PassesNowhere("it answers 404"), 0, id="a check that nothing there satisfies: nowhere"),
        pytest.param(NoHealthCheck(), ALL, id="no check at all keeps traffic from no node"),
    ],
)
def test_passing(probe: Probe, expected: int) -> None:
    assert passing(probe, "IPv4", OWN, OTHERS.get, healthz=READY, nodes=ALL) == expected


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
            OwnNodePort("odd"), "what answers on port 'odd' of the Service is not known: x", id="another own port"
        ),
        pytest.param(
            OtherNodePort(Key("x", "doubtful"), "hc"),
            "what answers on the node port of Service x/doubtful is not known: who knows",
            id="another's state is not known",
        ),
        pytest.param(
            OtherNodePort(Key("x", "doubtful-local"), "hc"),
            "what answers on the node port of Service x/doubtful-local is not known: who knows",
            id="another's state is not known under Local",
        ),
        pytest.param(
            OtherNodePort(Key("x", "doubtful-cluster"), "hc"),
            "what answers on the node port of Service x/doubtful-cluster is not known: who knows",
            id="another's state is not known, under Cluster",
        ),
        pytest.param(
            OtherNodePort(Key("x", "limited"), "hc"),
            "it is not known which nodes serve Service x/limited: it is limited",
            id="only some nodes serve it",
        ),
        pytest.param(
            OtherNodePort(Key("x", "unreadable"), "hc"),
            "not all endpoints of Service x/unreadable are known: s: bad",
            id="another's slice cannot be read",
        ),
        pytest.param(
            OtherNodePort(Key("x", "unreadable-down"), "hc"),
            "not all endpoints of Service x/unreadable-down are known: s: bad",
            id="another's slice cannot be read, and it has no other endpoint",
        ),
        pytest.param(
            HealthCheckNodePort(service=Key("x", "unreadable")),
            "not all endpoints of Service x/unreadable are known: s: bad",
            id="healthCheckNodePort of a Service of which a slice cannot be read",
        ),
        pytest.param(
            OtherNodePort(Key("x", "closed"), "hc"),
            "the node port of Service x/closed is closed on some nodes",
            id="some nodes have node ports closed",
        ),
        *(
            pytest.param(
                HealthCheckNodePort(any_answer, Key("x", "gone")),
                "Service x/gone, whose healthCheckNodePort is probed, does not exist",
                id=f"healthCheckNodePort of no Service, {'by TCP' if any_answer else 'by HTTP'}",
            )
            for any_answer in (False, True)
        ),
    ],
)
def test_not_modelled(probe: Probe, detail: str) -> None:
    assert passing(probe, "IPv4", OWN, OTHERS.get, healthz=READY, nodes=ALL) == NotModelled(detail)


def test_the_caller_judges_the_port_to_which_traffic_goes() -> None:
    probe = OwnNodePort("odd")
    assert passing(probe, "IPv4", OWN, OTHERS.get, healthz=READY, nodes=ALL, port="odd") == 0b0001


PASSES = 0b0001


@pytest.mark.parametrize(
    ("probe", "states", "path", "expected"),
    [
        pytest.param(HealthCheckNodePort(), {"healthz_only": -1}, "", PASSES, id="no path"),
        pytest.param(HealthCheckNodePort(), {"healthz_only": -1}, "/healthz", PASSES, id="the path that answers"),
        pytest.param(HealthCheckNodePort(), {"healthz_only": -1}, "/", 0, id="a path that does not answer"),
        pytest.param(HealthCheckNodePort(), {}, "/", PASSES, id="all paths answer"),
        pytest.param(HealthCheckNodePort(True), {"healthz_only": -1}, "/", ALL, id="any answer is enough"),
        pytest.param(HealthCheckNodePort(), {"health_port_open": 0b1110}, "", 0, id="the port is closed there"),
        pytest.param(HealthCheckNodePort(True), {"health_port_open": 0b0110}, "", 0b0110, id="closed, by TCP"),
        pytest.param(
            HealthCheckNodePort(),
            {"health_not_known": 0b1000},
            "",
            NotModelled("what the data plane answers on the healthCheckNodePort is not known"),
            id="not known on a node that is probed",
        ),
        pytest.param(HealthCheckNodePort(), {"health_not_known": 0b10000}, "", PASSES, id="not known elsewhere"),
        pytest.param(HealthCheckNodePort(True), {"health_not_known": -1}, "", ALL, id="not known, by TCP"),
    ],
)
def test_what_data_planes_answer_on_health_check_node_port(
    probe: Probe, states: dict[str, int], path: str, expected: int | NotModelled
) -> None:
    own = replace(OWN, **states)
    assert passing(probe, "IPv4", own, OTHERS.get, healthz=READY, nodes=ALL, path=path) == expected
