"""Ports of one number of the NLB of a Service: pkg/service/model_build_listener.go, pkg/model/core/stack.go
AddResource."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.families.aws_lbc import AwsOptions
from tests.assess.consumers.families.aws_lbc.objects import (
    NLB,
    Json,
    Shop,
    binding,
    endpoints,
    gateway,
    gateway_owner,
    load_balancer,
    port,
    service_owner,
)

TWO = [port(443, "https", 30443, protocol="TCP"), port(443, "h3", 30443, protocol="UDP")]
APART = [TWO[0], port(443, "h3", 30444, protocol="UDP")]
SLICES = endpoints(
    "web",
    "a",
    ports=[{"name": "https", "port": 8443, "protocol": "TCP"}, {"name": "h3", "port": 8443, "protocol": "UDP"}],
)
GATE = "tcp_udp_listeners"


def nlb(ports: list[Json], merged: str = "") -> Json:
    return load_balancer(ports=ports, annotations={f"{NLB}enable-tcp-udp-listener": merged} if merged else {})


def bound(protocol: str | None) -> Json:
    return binding(of_port=443, targetGroupProtocol=protocol, owner=service_owner())


@pytest.mark.parametrize(
    ("objects", "gate", "outcome", "code"),
    [
        pytest.param([nlb(TWO)], None, "Unknown", "PortNumberShared", id="the-gate-is-not-known"),
        pytest.param([nlb(TWO)], False, "NoTargets", "PortNumberShared", id="gate-off"),
        pytest.param([nlb(TWO)], True, "TargetsUnhealthy", "TargetsUnhealthy", id="gate-on"),
        pytest.param(
            [nlb(TWO, "false")], True, "NoTargets", "PortNumberShared", id="annotation-off-beside-the-gate"
        ),
        pytest.param([nlb(TWO, "on")], False, "NoTargets", "PortNumberShared", id="no-bool-counts-as-absent"),
        pytest.param([nlb(TWO, "true")], None, "TargetsUnhealthy", "TargetsUnhealthy", id="annotation-on"),
        pytest.param([nlb(APART, "true")], None, "NoTargets", "NodePortOfAnotherPort", id="another-node-port"),
        pytest.param(
            [nlb(APART), bound("TCP_UDP")], None, "NoTargets", "NodePortOfAnotherPort", id="another-one-as-bound"
        ),
        pytest.param([nlb(TWO), bound("TCP_UDP")], None, "TargetsUnhealthy", "TargetsUnhealthy", id="bound"),
        pytest.param([nlb(TWO), bound("TCP")], None, "NoTargets", "PortNumberShared", id="only-tcp-is-bound"),
        pytest.param(
            [nlb(TWO), bound(None)], None, "Unknown", "PortNumberShared", id="a-binding-without-protocol"
        ),
    ],
)
def test_the_second_port_of_a_number(objects: list[Json], gate: bool | None, outcome: str, code: str) -> None:
    options = AwsOptions() if gate is None else AwsOptions().overlaid({GATE: gate}, "flag")
    found = {
        v.consumer.port: (v.outcome.name, v.reason.code)
        for v in Shop(*objects, SLICES, options=options).verdicts()
    }
    assert found == {"https": ("TargetsUnhealthy", "TargetsUnhealthy"), "h3": (outcome, code)}


def test_advice_merges_the_listeners() -> None:
    shop = Shop(nlb(TWO), SLICES)
    (verdict,) = (v for v in shop.verdicts() if v.consumer.port == "h3")
    (advice,) = shop.family.advise(shop.service, verdict, shop.hosts())
    assert f"{NLB}enable-tcp-udp-listener=true" in advice.command


@pytest.mark.parametrize(
    ("protocol", "apart", "found"),
    [
        pytest.param("UDP", False, {"h3": "TargetsUnhealthy"}, id="udp"),
        pytest.param("UDP", True, {"h3": "NoTargets"}, id="udp-to-the-node-port-of-tcp"),
        pytest.param("TCP", True, {"https": "TargetsUnhealthy"}, id="tcp"),
        pytest.param("TCP_UDP", False, {"https": "TargetsUnhealthy", "h3": "TargetsUnhealthy"}, id="both"),
        pytest.param(None, False, {"https": "TargetsUnhealthy"}, id="no-protocol"),
    ],
)
def test_the_binding_of_a_gateway(protocol: str | None, apart: bool, found: dict[str, str]) -> None:
    made = load_balancer(ports=APART if apart else TWO, loadBalancerClass="none/here")
    bound = binding(of_port=443, targetGroupProtocol=protocol, owner=gateway_owner("nlb"))
    shop = Shop(made, bound, gateway(), SLICES)
    assert {v.consumer.port: v.outcome.name for v in shop.verdicts()} == found


def test_the_binding_of_a_person() -> None:
    made = load_balancer(ports=TWO, loadBalancerClass="none/here")
    shop = Shop(made, binding(of_port=443, targetGroupProtocol="UDP"), SLICES)
    assert [c.port for c in shop.consumers()] == ["h3"]
