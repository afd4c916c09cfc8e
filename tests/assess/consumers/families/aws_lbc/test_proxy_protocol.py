"""PROXY protocol v2 on an NLB: pkg/service/model_build_target_group.go buildTargetGroupAttributes, and what it
does to health checks (docs/guide/service/nlb.md)."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.assess.probe import HealthCheckNodePort, KubeProxyHealthz, OwnNodePort, PassesNowhere, Probe
from etpguard.objects import Key
from tests.assess.consumers.checks import proxied
from tests.assess.consumers.families.aws_lbc.commands import followed
from tests.assess.consumers.families.aws_lbc.objects import (
    CHECK_PORT,
    NLB,
    Json,
    Shop,
    binding,
    endpoints,
    gateway,
    gateway_owner,
    load_balancer,
    load_balancer_configuration,
    only,
    port,
    service,
    service_owner,
    target_configuration,
)

ON, OFF = "proxy_protocol_v2.enabled=true", "proxy_protocol_v2.enabled=false"
NOWHERE = PassesNowhere("kube-proxy does not understand PROXY protocol")
ANY = HealthCheckNodePort(any_answer=True)
EVERYWHERE = {"proxy-protocol": "*"}


def nlb(annotations: dict[str, str], **more: Any) -> Json:
    return load_balancer(annotations={NLB + key: value for key, value in annotations.items()}, **more)


@pytest.mark.parametrize(
    ("annotations", "on"),
    [
        pytest.param({}, False, id="off-by-default"),
        pytest.param(EVERYWHERE, True, id="for-all-target-groups"),
        pytest.param({"target-group-attributes": ON}, True, id="attribute"),
        pytest.param({"target-group-attributes": OFF}, False, id="attribute-false"),
        pytest.param({"target-group-attributes": "proxy_protocol_v2.enabled="}, False, id="attribute-empty"),
        pytest.param({"target-group-attributes": f"x=y, {ON}"}, True, id="attribute-beside-another"),
        pytest.param(
            {"target-group-attributes": OFF, "target-group-attributes.80": ON},
            True,
            id="attribute-of-the-port-over-that-of-all",
        ),
        pytest.param(
            {"target-group-attributes": ON, "target-group-attributes.80": OFF},
            False,
            id="attribute-off-for-the-port",
        ),
        pytest.param(
            {"target-group-attributes": ON, "target-group-attributes.80": "proxy_protocol_v2.enabled="},
            True,
            id="an-empty-value-of-the-port-keeps-that-of-all",
        ),
        pytest.param({"target-group-attributes.443": ON}, False, id="attribute-of-another-port"),
        pytest.param({"proxy-protocol-per-target-group": "443, 80"}, True, id="port-listed"),
        pytest.param(
            {"target-group-attributes": ON, "proxy-protocol-per-target-group": "443"},
            False,
            id="a-list-without-the-port-goes-over-the-attribute",
        ),
        pytest.param(
            {"target-group-attributes": ON, "proxy-protocol-per-target-group": ""},
            False,
            id="an-empty-list-does-too",
        ),
        pytest.param(
            {"proxy-protocol-per-target-group": "443", **EVERYWHERE}, True, id="for-all-goes-over-the-list"
        ),
        pytest.param({"target-group-attributes": OFF, **EVERYWHERE}, True, id="for-all-goes-over-the-attribute"),
    ],
)
def test_where_it_is_on_no_health_check_of_kube_proxy_passes(annotations: dict[str, str], on: bool) -> None:
    verdict = only(Shop(nlb(annotations)))
    assert proxied(verdict.consumer) is on
    assert verdict.consumer.probe == (NOWHERE if on else HealthCheckNodePort())
    expected = (Outcome.Blackhole, "NoHealthyTarget") if on else (Outcome.TargetsUnhealthy, "TargetsUnhealthy")
    assert (verdict.outcome, verdict.reason.code) == expected


@pytest.mark.parametrize(
    ("annotations", "probe", "outcome"),
    [
        pytest.param(
            {"healthcheck-protocol": "tcp"}, ANY, Outcome.Blackhole, id="tcp-passes-on-every-node-as-before"
        ),
        pytest.param(
            {"healthcheck-port": "traffic-port"},
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="the-pods-speak-it",
        ),
        pytest.param(
            {"healthcheck-port": "traffic-port", "healthcheck-protocol": "tcp"},
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="tcp-on-the-traffic-port",
        ),
        pytest.param({"healthcheck-port": str(CHECK_PORT)}, NOWHERE, Outcome.Blackhole, id="by-number"),
        pytest.param({"healthcheck-port": "10256"}, NOWHERE, Outcome.Blackhole, id="kube-proxys-own-health"),
        pytest.param(
            {"healthcheck-port": "10256", "healthcheck-protocol": "tcp"},
            KubeProxyHealthz(),
            Outcome.Blackhole,
            id="kube-proxys-own-health-by-tcp",
        ),
        pytest.param(
            {"healthcheck-success-codes": "200-499"}, ANY, Outcome.Blackhole, id="bad-request-taken-for-success"
        ),
        pytest.param(
            {"healthcheck-protocol": "https"},
            PassesNowhere("the healthCheckNodePort answers plain HTTP"),
            Outcome.Blackhole,
            id="https-fails-anyway",
        ),
    ],
)
def test_what_is_checked(annotations: dict[str, str], probe: Probe, outcome: Outcome) -> None:
    verdict = only(Shop(nlb({**EVERYWHERE, **annotations})))
    assert verdict.consumer.probe == probe
    assert verdict.outcome is outcome


@pytest.mark.parametrize(
    ("annotations", "named"),
    [
        pytest.param({"proxy-protocol": "v2"}, "proxy-protocol", id="for-all-but-no-star"),
        pytest.param({"proxy-protocol": ""}, "proxy-protocol", id="for-all-and-empty"),
        pytest.param({"proxy-protocol-per-target-group": "http"}, "proxy-protocol-per-target-group", id="a-name"),
        pytest.param({"target-group-attributes": "on"}, "target-group-attributes", id="no-pair"),
        pytest.param(
            {"target-group-attributes": "proxy_protocol_v2.enabled=yes"}, "target-group-attributes", id="no-bool"
        ),
        pytest.param(
            {"target-group-attributes.80": "preserve_client_ip.enabled=yes"},
            "target-group-attributes.80",
            id="another-attribute-that-is-no-bool",
        ),
    ],
)
def test_a_malformed_annotation_fails_the_load_balancer(annotations: dict[str, str], named: str) -> None:
    verdict = only(Shop(nlb(annotations)))
    assert (verdict.outcome, verdict.reason.code) == (Outcome.Unknown, "MalformedAnnotation")
    assert f"annotation {NLB}{named}:" in verdict.reason.detail


def test_with_a_binding_a_malformed_annotation_leaves_the_health_check_in_doubt() -> None:
    shop = Shop(nlb({"proxy-protocol": "v2"}), binding(owner=service_owner()))
    assert only(shop).reason.code == "HealthCheckPortNotModelled"
    assert only(Shop(nlb(EVERYWHERE), binding(owner=service_owner()))).consumer.probe == NOWHERE


def test_each_port_of_a_service_for_itself() -> None:
    made = nlb({"proxy-protocol-per-target-group": "443"}, ports=[port(), port(443, "https", 30443)])
    ports = [{"name": name, "port": 8080, "protocol": "TCP"} for name in ("http", "https")]
    found = {v.consumer.port: v.outcome for v in Shop(made, endpoints("web", "a", ports=ports)).verdicts()}
    assert found == {"http": Outcome.TargetsUnhealthy, "https": Outcome.Blackhole}


def test_a_second_service_is_checked_as_the_first_ones_annotations_say() -> None:
    action = (
        '{"type":"forward","forwardConfig":{"baseServiceWeight":9,"targetGroups":'
        '[{"serviceName":"canary","servicePort":80,"weight":1}]}}'
    )
    base = nlb(EVERYWHERE)
    base["metadata"]["annotations"]["service.beta.kubernetes.io/actions.TCP-80"] = action
    canary = load_balancer("canary", loadBalancerClass="x/y", ports=[port(node_port=30900)])
    shop = Shop(base, canary, endpoints("web", "a"), endpoints("canary", "a"))
    assert only(shop, Key("shop", "canary")).consumer.probe == NOWHERE


def test_where_every_node_has_an_endpoint_failing_open_loses_nothing() -> None:
    assert only(Shop(nlb(EVERYWHERE), on="abc")).outcome is Outcome.Covered


LOCAL = load_balancer(loadBalancerClass="none/here")
ATTRIBUTE: Json = {"targetGroupAttributes": [{"key": "proxy_protocol_v2.enabled", "value": "true"}]}
ATTRIBUTE_OFF: Json = {"targetGroupAttributes": [{"key": "proxy_protocol_v2.enabled", "value": "false"}]}


@pytest.mark.parametrize(
    ("kind", "objects", "probe"),
    [
        pytest.param("nlb", [target_configuration(**ATTRIBUTE)], NOWHERE, id="of-the-service"),
        pytest.param("nlb", [target_configuration(**ATTRIBUTE_OFF)], HealthCheckNodePort(), id="off"),
        pytest.param("alb", [target_configuration(**ATTRIBUTE)], OwnNodePort("http"), id="no-attribute-of-an-alb"),
        pytest.param(
            "nlb",
            [
                gateway("lbc"),
                load_balancer_configuration(default="tgc"),
                target_configuration(of=None, **ATTRIBUTE),
            ],
            NOWHERE,
            id="of-the-gateways-default",
        ),
        pytest.param(
            "nlb",
            [
                gateway("lbc"),
                load_balancer_configuration(default="tgc"),
                target_configuration(of=None, **ATTRIBUTE),
                target_configuration("own", **ATTRIBUTE_OFF),
            ],
            HealthCheckNodePort(),
            id="the-services-own-goes-before",
        ),
        pytest.param(
            "nlb",
            [target_configuration(routes=[{"protocol": "TCP"}], **ATTRIBUTE)],
            NOWHERE,
            id="a-route-keeps-the-attributes-that-it-does-not-name",
        ),
        pytest.param(
            "nlb",
            [target_configuration(routes=[ATTRIBUTE_OFF], **ATTRIBUTE)],
            None,
            id="it-depends-on-the-route",
        ),
        pytest.param(
            "nlb",
            [target_configuration(targetGroupAttributes=[{"key": "proxy_protocol_v2.enabled", "value": "on"}])],
            None,
            id="no-bool",
        ),
    ],
)
def test_gateways(kind: str, objects: list[Json], probe: Probe | None) -> None:
    verdict = only(Shop(LOCAL, binding(owner=gateway_owner(kind)), *objects))
    if probe is None:
        assert verdict.reason.code == "HealthCheckPortNotModelled"
    else:
        assert verdict.consumer.probe == probe


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([nlb(EVERYWHERE)], id="for-all"),
        pytest.param([nlb({"target-group-attributes": ON, "healthcheck-port": "10256"})], id="on-kube-proxy"),
        pytest.param([nlb({"proxy-protocol-per-target-group": "80"})], id="port-listed"),
        pytest.param(
            [LOCAL, binding(owner=gateway_owner()), target_configuration("web", **ATTRIBUTE)], id="gateway"
        ),
    ],
)
def test_the_first_advice_makes_the_load_balancer_route_around(objects: list[Json]) -> None:
    assert only(Shop(*objects)).outcome is Outcome.Blackhole
    better = followed(objects, Shop(*objects).advice()[0])
    assert only(better).outcome is Outcome.TargetsUnhealthy
    assert proxied(only(better).consumer)


def test_a_node_port_service_is_checked_by_tcp_and_stays_so() -> None:
    made = service(
        annotations={
            f"{NLB}type": "external",
            f"{NLB}nlb-target-type": "instance",
            f"{NLB}proxy-protocol": "*",
        }
    )
    assert only(Shop(made)).outcome is Outcome.TargetsUnhealthy
