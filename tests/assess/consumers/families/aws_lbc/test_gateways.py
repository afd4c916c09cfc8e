"""Gateways through their TargetGroupBindings: pkg/gateway/model/model_build_target_group.go,
routeutils/backend_service.go."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from etpguard.assess.probe import HealthCheckNodePort, KubeProxyHealthz, NotModelled, OwnNodePort, Probe
from etpguard.objects import AnyKind
from etpguard.objects.gateways import (
    GATEWAY,
    GATEWAY_CLASS,
    LOAD_BALANCER_CONFIGURATION,
    TARGET_GROUP_CONFIGURATION,
)
from tests.assess.consumers.checks import pins
from tests.assess.consumers.families.aws_lbc.objects import (
    CHECK_PORT,
    Json,
    Shop,
    binding,
    gateway,
    gateway_class,
    gateway_owner,
    load_balancer,
    load_balancer_configuration,
    only,
    service,
    target_configuration,
)

LOCAL = load_balancer(loadBalancerClass="none/here")
NLB = binding(owner=gateway_owner("nlb"))
ALB = binding(owner=gateway_owner("alb"))
KUBE_PROXY: Json = {"healthCheckConfig": {"healthCheckPort": "10256", "healthCheckPath": "/healthz"}}
TRAFFIC: Json = {"healthCheckConfig": {"healthCheckPort": "traffic-port"}}


@pytest.mark.parametrize(
    ("objects", "expected", "outcome"),
    [
        pytest.param([LOCAL, NLB], HealthCheckNodePort(), Outcome.TargetsUnhealthy, id="nlb-under-local"),
        pytest.param([LOCAL, ALB], OwnNodePort("http"), Outcome.TargetsUnhealthy, id="alb-never-reads-the-policy"),
        pytest.param([service(), ALB], OwnNodePort("http"), Outcome.TargetsUnhealthy, id="alb-to-a-node-port"),
        pytest.param([service(), NLB], None, Outcome.Unknown, id="nlb-to-a-node-port-service-probes-port-0"),
        pytest.param(
            [service(), NLB, target_configuration(**TRAFFIC)],
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="a-written-port-avoids-port-0",
        ),
        pytest.param(
            [LOCAL, NLB, target_configuration(healthCheckConfig={"healthCheckProtocol": "TCP"})],
            HealthCheckNodePort(any_answer=True),
            Outcome.Blackhole,
            id="tcp-on-health-check-node-port",
        ),
        pytest.param(
            [
                LOCAL,
                NLB,
                target_configuration(
                    healthCheckConfig={"healthCheckProtocol": "TCP", "matcher": {"httpCode": "ok"}}
                ),
            ],
            HealthCheckNodePort(any_answer=True),
            Outcome.Blackhole,
            id="tcp-has-no-codes-to-be-malformed",
        ),
        pytest.param(
            [LOCAL, ALB, target_configuration(**KUBE_PROXY)], KubeProxyHealthz(), Outcome.Blackhole, id="by-number"
        ),
        pytest.param(
            [LOCAL, ALB, target_configuration(healthCheckConfig={"healthCheckPort": "http"})],
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="by-name",
        ),
        pytest.param(
            [LOCAL, ALB, target_configuration(healthCheckConfig={"healthCheckPort": "nope"})],
            None,
            Outcome.Unknown,
            id="name-missing",
        ),
        pytest.param(
            [
                LOCAL,
                NLB,
                target_configuration(healthCheckConfig={"matcher": {"httpCode": "200-599"}}),
            ],
            HealthCheckNodePort(any_answer=True),
            Outcome.Blackhole,
            id="503-among-the-codes",
        ),
        pytest.param(
            [LOCAL, ALB, target_configuration(of="other", **KUBE_PROXY)],
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="configuration-of-another-service",
        ),
        pytest.param(
            [LOCAL, ALB, target_configuration(routes=[KUBE_PROXY], **TRAFFIC)],
            None,
            Outcome.Unknown,
            id="it-depends-on-the-route",
        ),
        pytest.param(
            [LOCAL, ALB, target_configuration(routes=[TRAFFIC], **TRAFFIC)],
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="whatever-the-route-it-is-the-same",
        ),
    ],
)
def test_health_check(objects: list[Json], expected: Probe | None, outcome: Outcome) -> None:
    verdict = only(Shop(*objects))
    assert verdict.consumer.object == ("Gateway", "shop", "gw")
    assert verdict.outcome is outcome
    if expected is None:
        assert isinstance(verdict.consumer.probe, NotModelled)
    else:
        assert verdict.consumer.probe == expected


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param(
            [
                gateway("lbc"),
                load_balancer_configuration(default="tgc"),
                target_configuration(of=None, **KUBE_PROXY),
            ],
            Outcome.Blackhole,
            id="default-of-the-gateway",
        ),
        pytest.param(
            [
                gateway(),
                gateway_class("lbc"),
                load_balancer_configuration(default="tgc"),
                target_configuration(of=None, **KUBE_PROXY),
            ],
            Outcome.Blackhole,
            id="default-of-the-gateway-class",
        ),
        pytest.param(
            [
                gateway("own"),
                gateway_class("class"),
                load_balancer_configuration("own", "t1"),
                load_balancer_configuration("class", "t2"),
                target_configuration("t1", of=None, **KUBE_PROXY),
                target_configuration("t2", of=None, **TRAFFIC),
            ],
            Outcome.TargetsUnhealthy,
            id="the-class-goes-first",
        ),
        pytest.param(
            [
                gateway("own"),
                gateway_class("class"),
                load_balancer_configuration("own", "t1"),
                load_balancer_configuration("class", "t2", mergingMode="prefer-gateway"),
                target_configuration("t1", of=None, **KUBE_PROXY),
                target_configuration("t2", of=None, **TRAFFIC),
            ],
            Outcome.Blackhole,
            id="unless-it-prefers-the-gateway",
        ),
        pytest.param(
            [
                gateway("lbc"),
                load_balancer_configuration(default="tgc"),
                target_configuration(of=None, **KUBE_PROXY),
                target_configuration("own", **TRAFFIC),
            ],
            Outcome.TargetsUnhealthy,
            id="the-services-own-goes-before-the-default",
        ),
        pytest.param(
            [
                gateway("lbc"),
                load_balancer_configuration(default="tgc"),
                target_configuration(of=None, routes=[KUBE_PROXY]),
            ],
            Outcome.Unknown,
            id="the-default-depends-on-the-route",
        ),
        pytest.param(
            [
                gateway("own"),
                gateway_class("class"),
                load_balancer_configuration("own", "t1"),
                load_balancer_configuration("class", "t2"),
                target_configuration("t1", of=None, routes=[KUBE_PROXY], **TRAFFIC),
                target_configuration("t2", of=None, **TRAFFIC),
            ],
            Outcome.TargetsUnhealthy,
            id="routes-of-the-default-that-goes-second-count-for-nothing",
        ),
        pytest.param(
            [gateway("lbc"), load_balancer_configuration(default="gone")],
            Outcome.TargetsUnhealthy,
            id="a-default-that-does-not-exist-is-none",
        ),
    ],
)
def test_default_configuration(objects: list[Json], expected: Outcome) -> None:
    assert only(Shop(LOCAL, ALB, *objects)).outcome is expected


@pytest.mark.parametrize(
    "kind", [TARGET_GROUP_CONFIGURATION, LOAD_BALANCER_CONFIGURATION, GATEWAY, GATEWAY_CLASS], ids=str
)
def test_what_cannot_be_read_makes_the_health_check_unknown(kind: AnyKind) -> None:
    unread = {kind: "forbidden"}
    partly = only(Shop(LOCAL, ALB, unread=unread))
    assert partly.outcome is Outcome.Unknown
    assert "forbidden" in partly.reason.detail
    assert only(Shop(LOCAL, ALB, unread=unread, on="abc")).outcome is Outcome.Covered


def test_a_health_check_node_port_written_by_hand_is_pinned() -> None:
    by_hand = target_configuration(healthCheckConfig={"healthCheckPort": str(CHECK_PORT)})
    assert pins(only(Shop(LOCAL, NLB, by_hand)).consumer)
    assert not pins(only(Shop(LOCAL, NLB)).consumer)


def test_changes_of_configurations_are_taken_up() -> None:
    shop = Shop(LOCAL, ALB)
    shop.apply(gateway("lbc"))
    shop.apply(load_balancer_configuration(default="tgc"))
    assert shop.assessment().outcome is Outcome.TargetsUnhealthy
    shop.apply(target_configuration(of=None, **KUBE_PROXY))
    assert shop.assessment().outcome is Outcome.Blackhole
    shop.apply(load_balancer_configuration())
    assert shop.assessment().outcome is Outcome.TargetsUnhealthy
    shop.apply(gateway_class("class"))
    shop.apply(load_balancer_configuration("class", "tgc"))
    assert shop.assessment().outcome is Outcome.Blackhole
    shop.apply(target_configuration(**TRAFFIC))
    assert shop.assessment().outcome is Outcome.TargetsUnhealthy


def test_an_ip_target_group_of_a_gateway_targets_pods() -> None:
    assert only(Shop(binding(owner=gateway_owner(), targetType="ip"))).outcome is Outcome.NotAffected
