"""What is known of one consumer's verdict, a named case for each rule."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets, NoneHealthy, Otherwise
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.node_states import Frontend, PortState, Uncertain
from etpguard.assess.outcome import NO_HEALTHY_TARGET, TOO_FEW_HEALTHY, Outcome, Reason, Verdict
from etpguard.assess.probe import HealthCheckNodePort, NotModelled, PassesNowhere, Probe
from etpguard.assess.resilience import MinimumHealthy
from etpguard.assess.verdict_rules import (
    LISTEN,
    agreed,
    as_far_as_known,
    covered_but_never_healthy,
    frontend,
    has_no_address,
    node_port_limits,
    routed_around,
    where_one_node_announces,
    with_too_few_healthy,
    without_address,
    worst_of,
)
from etpguard.objects import Service
from tests.assess.build import OWN_PORT, consumer, service

WHY = Reason("Odd", "a setting is not known")
BALANCER: dict[str, Any] = {"type": "LoadBalancer"}


def targets(**fields: Any) -> NodeTargets:
    return NodeTargets(NodeRule(), HealthCheck(OWN_PORT), **fields)


def verdict(outcome: Outcome, eligible: int = 0b111, uncovered: int = 0, **fields: Any) -> ConsumerVerdict:
    made = replace(consumer(), targets=targets(**fields)) if fields else consumer()
    return ConsumerVerdict(made, outcome, Reason(outcome.name), eligible, uncovered)


@pytest.mark.parametrize(
    ("outcome", "fields", "expected"),
    [
        pytest.param(Outcome.Blackhole, {"no_target": WHY}, "Blackhole Blackhole", id="some traffic arrives"),
        pytest.param(Outcome.NoTargets, {}, "NoTargets NoTargets", id="nothing more is known"),
        pytest.param(Outcome.NoTargets, {"no_target": WHY}, "NoTargets Odd", id="why no node is a target"),
        pytest.param(Outcome.NoTargets, {"keeps_targets": WHY}, "Unknown Odd", id="former targets stay"),
        pytest.param(Outcome.Outage, {"keeps_targets": WHY}, "Outage Outage", id="there are targets"),
        pytest.param(Outcome.Outage, {"other_targets": WHY}, "Unknown Odd", id="targets that no object shows"),
    ],
)
def test_a_consumer_that_may_have_other_targets(outcome: Outcome, fields: dict[str, Any], expected: str) -> None:
    found = as_far_as_known(verdict(outcome), targets(**fields))
    assert f"{found.outcome.name} {found.reason.code}" == expected


@pytest.mark.parametrize(
    ("outcome", "other", "expected"),
    [
        pytest.param(Outcome.Blackhole, Outcome.Blackhole, "Blackhole", id="both agree"),
        pytest.param(Outcome.Covered, Outcome.TargetsUnhealthy, "Covered", id="both are good"),
        pytest.param(Outcome.NoTargets, Outcome.Outage, "NoTargets", id="all is lost in both"),
        pytest.param(Outcome.Covered, Outcome.Blackhole, "Unknown", id="one is good"),
        pytest.param(Outcome.Outage, Outcome.Blackhole, "Unknown", id="one loses more"),
    ],
)
def test_a_setting_that_is_not_known(outcome: Outcome, other: Outcome, expected: str) -> None:
    found = agreed(verdict(outcome), other, Otherwise(NodeRule(), WHY))
    assert found.outcome.name == expected
    if expected == "Unknown":
        assert found.reason == Reason("Odd", f"{WHY.detail}. The outcome is {outcome.name} or {other.name}")


def test_a_rule_without_a_node_may_mean_that_other_nodes_get_the_traffic() -> None:
    otherwise = Otherwise(NodeRule(), WHY, none_is_unknown=True)
    found = agreed(verdict(Outcome.Outage), Outcome.NoTargets, otherwise)
    assert (found.outcome, found.reason) == (Outcome.Unknown, WHY)
    assert agreed(verdict(Outcome.Covered), Outcome.Covered, otherwise) == verdict(Outcome.Covered)


def test_where_one_node_announces_and_each_loses_the_outcome_is_known() -> None:
    both = (
        verdict(Outcome.Blackhole, 0b11, 0b01, one_of=WHY),
        verdict(Outcome.Blackhole, 0b11, 0b10, one_of=WHY),
        verdict(Outcome.TargetsUnhealthy, 0b11, 0b10),
    )
    assert where_one_node_announces(both) == both


def test_where_one_node_announces_and_another_loses_nothing_the_outcome_is_unknown() -> None:
    """A consumer that sends to all of the nodes surely loses a share."""
    found = where_one_node_announces(
        (
            verdict(Outcome.Blackhole, 0b11, 0b01, one_of=WHY),
            verdict(Outcome.Covered),
            verdict(Outcome.Blackhole, 0b11, 0b01),
        )
    )
    assert [(each.outcome, each.reason.code) for each in found] == [
        (Outcome.Unknown, "Odd"),
        (Outcome.Covered, "Covered"),
        (Outcome.Blackhole, "Blackhole"),
    ]


def test_where_one_node_announces_and_none_loses_nothing_changes() -> None:
    fine = (verdict(Outcome.Covered, one_of=WHY),)
    assert where_one_node_announces(fine) == fine


NONE = Verdict(Outcome.Blackhole, 0b111, 0b110, NO_HEALTHY_TARGET)
SOME = Verdict(Outcome.TargetsUnhealthy, 0b111, 0b110)
HALF = {"none_healthy": NoneHealthy.SENDS_TO_ALL, "minimum_healthy": MinimumHealthy(percentage=50)}


@pytest.mark.parametrize(
    ("given", "fields", "expected"),
    [
        pytest.param(NONE, {"none_healthy": NoneHealthy.SENDS_TO_ALL}, "Blackhole", id="fails open"),
        pytest.param(NONE, {"none_healthy": NoneHealthy.SENDS_TO_NONE}, "Outage", id="sends to none"),
        pytest.param(NONE, {}, "NoneHealthyNotKnown", id="not known what it does"),
        pytest.param(NONE, {"other_targets": WHY}, "Odd", id="none is healthy, but there may be other targets"),
        pytest.param(SOME, {"none_healthy": NoneHealthy.SENDS_TO_ALL}, "TargetsUnhealthy", id="one is enough"),
        pytest.param(SOME, HALF, "Blackhole", id="fewer than the minimum"),
        pytest.param(SOME, {**HALF, "other_targets": WHY}, "Odd", id="too few, but there may be other targets"),
    ],
)
def test_few_healthy_targets(given: Verdict, fields: dict[str, Any], expected: str) -> None:
    found, unknown = with_too_few_healthy(given, targets(**fields), 0b001, ())
    assert (unknown.code if unknown else found.outcome.name) == expected
    if fields == HALF:
        assert found.special == TOO_FEW_HEALTHY


ALL_FORWARD = Verdict(Outcome.Covered, 0b111, 0)
NEVER = PassesNowhere("it gets a header")


@pytest.mark.parametrize(
    ("given", "probe", "none_healthy", "unknown"),
    [
        pytest.param(ALL_FORWARD, NEVER, NoneHealthy.SENDS_TO_NONE, True, id="sends to none"),
        pytest.param(ALL_FORWARD, NEVER, NoneHealthy.NOT_KNOWN, True, id="not known what it does"),
        pytest.param(ALL_FORWARD, NEVER, NoneHealthy.SENDS_TO_ALL, False, id="fails open, and all forward"),
        pytest.param(ALL_FORWARD, OWN_PORT, NoneHealthy.SENDS_TO_NONE, False, id="the check may pass"),
        pytest.param(SOME, NEVER, NoneHealthy.SENDS_TO_NONE, False, id="not covered"),
    ],
)
def test_covered_with_a_check_that_never_passes(
    given: Verdict, probe: Probe, none_healthy: NoneHealthy, unknown: bool
) -> None:
    made = replace(consumer(), targets=NodeTargets(NodeRule(), HealthCheck(probe), none_healthy=none_healthy))
    found = covered_but_never_healthy(given, made)
    assert (found is not None and found.code == "NoneHealthyNotKnown") is unknown


@pytest.mark.parametrize(
    ("kind", "target_type", "expected"),
    [
        ("ExternalIP", "", Frontend.EXTERNAL_IP),
        ("Ingress", "instance", Frontend.NODE_PORT),
        ("Service", "node", Frontend.VIP),
        ("Ingress", "node", None),
        ("Service", "", None),
    ],
)
def test_the_address_to_which_a_consumer_sends(kind: str, target_type: str, expected: Frontend | None) -> None:
    assert frontend(replace(consumer(), kind=kind, target_type=target_type), "IPv4") is expected


def test_packets_keep_the_address_of_the_load_balancer_in_some_families() -> None:
    internal = replace(consumer(), kind="Service", target_type="instance", keeps_address=("IPv4",))
    assert frontend(internal, "IPv4") is Frontend.VIP
    assert frontend(internal, "IPv6") is Frontend.NODE_PORT


@pytest.mark.parametrize(
    ("of", "kind", "to_pods", "expected"),
    [
        pytest.param(service(**BALANCER), "Service", False, True, id="its load balancer has no address"),
        pytest.param(service(**BALANCER), "Ingress", False, False, id="another consumer"),
        pytest.param(service(), "Service", False, False, id="another type"),
        pytest.param(service(**BALANCER), "Service", True, False, id="sends to pods"),
        pytest.param(service(meta={"uid": ""}, **BALANCER), "Service", False, False, id="a manifest"),
        pytest.param(
            service(status={"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}, **BALANCER),
            "Service",
            False,
            False,
            id="has an address",
        ),
    ],
)
def test_a_load_balancer_without_an_address(of: Service, kind: str, to_pods: bool, expected: bool) -> None:
    made = replace(consumer(nodes=None) if to_pods else consumer(), kind=kind)
    assert has_no_address(of, made) is expected


@pytest.mark.parametrize(("causes", "end"), [("", "at the log of example.com/lb"), ("x", "Known causes: x")])
def test_the_reason_without_an_address(causes: str, end: str) -> None:
    found = without_address(replace(consumer(), without_address=causes))
    assert (found.outcome, found.reason.code) == (Outcome.Unknown, "NoAddress")
    assert found.reason.detail.endswith(end)


@pytest.mark.parametrize(
    ("annotations", "edge", "code"),
    [
        pytest.param({}, 0, None, id="no limit"),
        pytest.param({LISTEN: " * "}, 0, None, id="all pools"),
        pytest.param({LISTEN: "-shanghai"}, 0, "NodePortsLimited", id="some pools"),
        pytest.param({}, 0b1, "EdgeNodesNotKnown", id="edge nodes of KubeEdge"),
    ],
)
def test_node_ports_that_some_nodes_may_not_serve(
    annotations: dict[str, str], edge: int, code: str | None
) -> None:
    found = node_port_limits(service(meta={"annotations": annotations}), edge)
    assert (found.code if found else None) == code


def asking(probe: Probe) -> Consumer:
    return consumer(probe=probe)


@pytest.mark.parametrize(
    ("probe", "passes", "expected"),
    [
        pytest.param(HealthCheckNodePort(), 0b001, True, id="passes only on a known node"),
        pytest.param(HealthCheckNodePort(), 0b101, False, id="passes on a doubtful node"),
        pytest.param(HealthCheckNodePort(), 0, False, id="passes on none"),
        pytest.param(HealthCheckNodePort(), NotModelled("x"), False, id="not modelled"),
        pytest.param(OWN_PORT, 0b001, False, id="another check"),
    ],
)
def test_nodes_of_unknown_state_that_the_health_check_takes_out(
    probe: Probe, passes: int | NotModelled, expected: bool
) -> None:
    doubtful = (Uncertain(0b100, Reason("NotKnown")),)
    state = PortState("http", 80, "TCP", "IPv4", 30080, 0b001, 0, usable=True, uncertain=doubtful)
    assert routed_around(asking(probe), state, 0b111, passes) is expected


def test_the_worst_is_by_outcome_then_by_uncovered_nodes() -> None:
    few, many = verdict(Outcome.Blackhole, 0b111, 0b001), verdict(Outcome.Blackhole, 0b111, 0b011)
    assert worst_of([few, many, verdict(Outcome.Covered)]) is many
    assert worst_of([few]) is few
