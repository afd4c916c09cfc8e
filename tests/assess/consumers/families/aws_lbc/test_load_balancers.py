"""NLBs of Services: pkg/service/service_utils.go:47-77, model_build_target_group.go:159-165,
model_builder.go:158-164, config_types.go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.assess.consumers.families.aws_lbc import AwsOptions
from etpguard.assess.probe import (
    HealthCheckNodePort,
    KubeProxyHealthz,
    NotModelled,
    OwnNodePort,
    PassesNowhere,
    Probe,
)
from etpguard.objects import Key
from tests.assess.consumers.checks import pins
from tests.assess.consumers.families.aws_lbc.objects import (
    CHECK_PORT,
    NLB,
    NODE_PORT,
    Json,
    Shop,
    binding,
    endpoints,
    load_balancer,
    node,
    only,
    port,
    service,
    service_owner,
)

TYPE, TARGET = f"{NLB}type", f"{NLB}nlb-target-type"
CANARY = Key("shop", "canary")


def nlb(**annotations: str) -> Json:
    return load_balancer(annotations={NLB + key.replace("_", "-"): value for key, value in annotations.items()})


@pytest.mark.parametrize(
    ("made", "options", "owned"),
    [
        pytest.param(load_balancer(), None, True, id="by-class"),
        pytest.param(load_balancer(), AwsOptions(services=False), False, id="no-service-controller"),
        pytest.param(
            load_balancer(loadBalancerClass="eks.amazonaws.com/nlb"), None, False, id="eks-auto-mode-class"
        ),
        pytest.param(
            load_balancer(loadBalancerClass="other", annotations={TYPE: "external", TARGET: "instance"}),
            None,
            False,
            id="another-class-over-annotations",
        ),
        pytest.param(
            load_balancer(loadBalancerClass=None, annotations={TYPE: "external", TARGET: "instance"}),
            None,
            True,
            id="external-instance",
        ),
        pytest.param(
            load_balancer(loadBalancerClass=None, annotations={TYPE: "external"}), None, False, id="external-alone"
        ),
        pytest.param(
            load_balancer(loadBalancerClass=None, annotations={TYPE: "nlb"}),
            None,
            False,
            id="nlb-is-the-cloud-providers",
        ),
        pytest.param(load_balancer(loadBalancerClass=None), None, False, id="neither-class-nor-annotation"),
        pytest.param(
            service(annotations={TYPE: "external", TARGET: "instance"}), None, True, id="any-type-of-service"
        ),
        pytest.param(
            service(annotations={TYPE: "external", TARGET: "instance"}),
            AwsOptions(load_balancer_services_only=True),
            False,
            id="gate-for-type-load-balancer-only",
        ),
        pytest.param(
            load_balancer(loadBalancerClass="my/nlb"),
            AwsOptions(load_balancer_class="my/nlb"),
            True,
            id="class-by-flag",
        ),
    ],
)
def test_ownership(made: Json, options: AwsOptions | None, owned: bool) -> None:
    assert [c.object for c in Shop(made, options=options).consumers()] == [("Service", "shop", "web")] * owned


def test_a_service_being_deleted_is_not_taken() -> None:
    made = load_balancer()
    made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert Shop(made).consumers() == []


@pytest.mark.parametrize(
    ("made", "options", "expected"),
    [
        pytest.param(nlb(), None, "instance", id="default"),
        pytest.param(nlb(), AwsOptions(default_target_type="ip"), "ip", id="default-by-flag"),
        pytest.param(nlb(nlb_target_type="ip"), None, "ip", id="annotation"),
        pytest.param(
            nlb(nlb_target_type="instance"),
            AwsOptions(default_target_type="ip"),
            "instance",
            id="annotation-over-flag",
        ),
        pytest.param(nlb(nlb_target_type="IP"), None, "instance", id="anything-but-ip-is-instance"),
        pytest.param(
            load_balancer(loadBalancerClass=None, annotations={TYPE: "nlb-ip"}), None, "ip", id="type-nlb-ip"
        ),
    ],
)
def test_target_type(made: Json, options: AwsOptions | None, expected: str) -> None:
    assert only(Shop(made, options=options)).consumer.target_type == expected


ANY = HealthCheckNodePort(any_answer=True)


@pytest.mark.parametrize(
    ("made", "expected", "outcome", "pinned"),
    [
        pytest.param(
            nlb(), HealthCheckNodePort(), Outcome.TargetsUnhealthy, False, id="local-is-health-check-node-port"
        ),
        pytest.param(
            nlb(healthcheck_port="traffic-port"),
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            False,
            id="traffic-port",
        ),
        pytest.param(
            nlb(healthcheck_port="http"), OwnNodePort("http"), Outcome.TargetsUnhealthy, False, id="port-by-name"
        ),
        pytest.param(
            nlb(healthcheck_port=str(NODE_PORT)),
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            False,
            id="port-by-number",
        ),
        pytest.param(
            nlb(healthcheck_port=str(CHECK_PORT)),
            HealthCheckNodePort(),
            Outcome.TargetsUnhealthy,
            True,
            id="health-check-node-port-by-hand-is-pinned",
        ),
        pytest.param(
            nlb(healthcheck_protocol="tcp"), ANY, Outcome.Blackhole, False, id="tcp-passes-on-every-node"
        ),
        pytest.param(
            nlb(healthcheck_protocol="tcp", healthcheck_success_codes="ok"),
            ANY,
            Outcome.Blackhole,
            False,
            id="tcp-has-no-codes-to-be-malformed",
        ),
        pytest.param(
            nlb(healthcheck_protocol="https"),
            PassesNowhere("the healthCheckNodePort answers plain HTTP"),
            Outcome.Blackhole,
            False,
            id="health-check-node-port-speaks-no-tls",
        ),
        pytest.param(
            nlb(healthcheck_success_codes="200-599"),
            ANY,
            Outcome.Blackhole,
            False,
            id="503-accepted-passes-everywhere",
        ),
        pytest.param(
            nlb(healthcheck_port="10256"),
            KubeProxyHealthz(),
            Outcome.Blackhole,
            False,
            id="kube-proxy-on-the-local-path",
        ),
        pytest.param(
            nlb(healthcheck_port="10256", healthcheck_protocol="tcp"),
            KubeProxyHealthz(),
            Outcome.Blackhole,
            False,
            id="kube-proxy-by-tcp",
        ),
        pytest.param(
            service(annotations={TYPE: "external", TARGET: "instance"}),
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            False,
            id="node-port-service-is-tcp-on-the-traffic-port",
        ),
        pytest.param(
            load_balancer(healthCheckNodePort=None),
            HealthCheckNodePort(),
            Outcome.TargetsUnhealthy,
            False,
            id="health-check-node-port-about-to-be-allocated",
        ),
    ],
)
def test_health_check(made: Json, expected: Probe | None, outcome: Outcome, pinned: bool) -> None:
    verdict = only(Shop(made))
    assert verdict.outcome is outcome
    assert pins(verdict.consumer) is pinned
    if expected is None:
        assert isinstance(verdict.consumer.probe, NotModelled)
    else:
        assert verdict.consumer.probe == expected


@pytest.mark.parametrize(
    ("made", "named"),
    [
        pytest.param(nlb(healthcheck_protocol="udp"), "healthcheck-protocol", id="protocol"),
        pytest.param(nlb(healthcheck_port="nope"), "healthcheck-port", id="port-name-missing"),
        pytest.param(nlb(healthcheck_interval="ten"), "healthcheck-interval", id="interval"),
        pytest.param(nlb(healthcheck_success_codes="ok"), "healthcheck-success-codes", id="success-codes"),
        pytest.param(nlb(target_node_labels="zone"), "target-node-labels", id="target-node-labels"),
        pytest.param(nlb(healthcheck_protocol=""), "healthcheck-protocol", id="an-empty-protocol-is-no-default"),
        pytest.param(nlb(healthcheck_port=""), "healthcheck-port", id="an-empty-port-is-no-default"),
        pytest.param(nlb(ip_address_type="ipv6"), "ip-address-type", id="ip-address-type"),
        pytest.param(nlb(ssl_ports="443"), "ssl-ports", id="tls-on-a-port-that-is-not-there"),
    ],
)
def test_a_malformed_annotation_is_named_with_its_service(made: Json, named: str) -> None:
    verdict = only(Shop(made))
    assert (verdict.outcome, verdict.reason.code) == (Outcome.Unknown, "MalformedAnnotation")
    assert f"Service shop/web, annotation {NLB}{named}:" in verdict.reason.detail


def test_target_node_labels_of_an_nlb() -> None:
    shop = Shop(nlb(target_node_labels="pool=edge"), node("a", labels={"pool": "edge"}), node("b"))
    assert shop.assessment().outcome is Outcome.Covered


def test_every_port_is_a_consumer() -> None:
    ports = [port(), port(443, "https", 30443)]
    shop = Shop(load_balancer(ports=ports))
    assert {v.consumer.port: v.outcome for v in shop.verdicts()} == {
        "http": Outcome.TargetsUnhealthy,
        "https": Outcome.NoEndpoints,
    }


def test_a_udp_port_is_not_checked_by_its_traffic_port() -> None:
    made = service(
        annotations={TYPE: "external", TARGET: "instance"}, ports=[port(53, "dns", 30053, protocol="UDP")]
    )
    slices = endpoints("web", "a", ports=[{"name": "dns", "port": 5353, "protocol": "UDP"}])
    assert only(Shop(made, slices)).reason.code == "HealthCheckPortNotModelled"


def test_an_empty_health_check_port_is_the_name_of_an_unnamed_port() -> None:
    made = load_balancer(annotations={f"{NLB}healthcheck-port": ""}, ports=[port(name=None)])
    slices = endpoints("web", "a", ports=[{"name": "", "port": 8080, "protocol": "TCP"}])
    assert only(Shop(made, slices)).consumer.probe == OwnNodePort("")


def test_ipv6_needs_a_dual_stack_load_balancer() -> None:
    verdict = only(Shop(load_balancer(ipFamilies=["IPv4", "IPv6"])))
    assert verdict.reason.code == "LoadBalancerNotDualStack"


def test_a_port_without_a_node_port_cannot_be_an_instance_target() -> None:
    made = load_balancer(ports=[port(node_port=None)], status=None)
    made["status"] = {"loadBalancer": {"ingress": [{"ip": "198.51.100.9"}]}}
    assert only(Shop(made)).reason.code == "NoNodePort"


def test_the_binding_of_a_service_goes_before_its_annotations() -> None:
    shop = Shop(nlb(nlb_target_type="ip"), binding(owner=service_owner()))
    verdict = only(shop)
    assert verdict.consumer.object == ("Service", "shop", "web")
    assert verdict.outcome is Outcome.TargetsUnhealthy


def test_a_binding_proves_ownership_by_a_class_that_is_not_known() -> None:
    shop = Shop(load_balancer(loadBalancerClass="my/nlb"), binding(owner=service_owner()))
    assert only(shop).consumer.object == ("Service", "shop", "web")


def weighted(*groups: Any, raw: str | None = None, **fields: Any) -> Json:
    value = {"type": "forward", "forwardConfig": {"baseServiceWeight": 90, "targetGroups": list(groups)}}
    annotations = {"service.beta.kubernetes.io/actions.TCP-80": raw or json.dumps(value)}
    return load_balancer(annotations=annotations, **fields)


TO_CANARY = {"serviceName": "canary", "servicePort": 80, "weight": 10}


@pytest.mark.parametrize(
    ("of_canary", "on", "probe", "outcome"),
    [
        pytest.param(
            load_balancer("canary", loadBalancerClass="x/y", ports=[port(node_port=30900)]),
            ["b"],
            HealthCheckNodePort(service=Key("shop", "web")),
            Outcome.Blackhole,
            id="the-first-ones-health-check-node-port-passes-where-the-second-has-no-pod",
        ),
        pytest.param(
            load_balancer("canary", loadBalancerClass="x/y", ports=[port(node_port=30900)]),
            ["a"],
            HealthCheckNodePort(service=Key("shop", "web")),
            Outcome.TargetsUnhealthy,
            id="harmless-only-while-both-run-on-the-same-nodes",
        ),
        pytest.param(
            service("canary", ports=[port(node_port=30900)]),
            ["b"],
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="a-second-service-of-type-node-port-is-checked-on-its-own",
        ),
    ],
)
def test_the_second_service_of_a_weighted_listener(
    of_canary: Json, on: list[str], probe: Probe, outcome: Outcome
) -> None:
    shop = Shop(weighted(TO_CANARY), of_canary, endpoints("web", "a"), endpoints("canary", *on))
    verdict = only(shop, CANARY)
    assert verdict.consumer.object == ("Service", "shop", "web")
    assert verdict.consumer.probe == probe
    assert verdict.outcome is outcome


def test_the_second_service_follows_the_endpoints_of_the_first() -> None:
    of_canary = load_balancer("canary", loadBalancerClass="x/y", ports=[port(node_port=30900)])
    shop = Shop(weighted(TO_CANARY), of_canary, endpoints("web", "a"), endpoints("canary", "b"))
    assert shop.assessment(CANARY).outcome is Outcome.Blackhole
    first = shop.advice(CANARY)[0]
    assert (
        f"annotate service web --overwrite {NLB}healthcheck-port=traffic-port {NLB}healthcheck-protocol=tcp"
        in first
    )
    assert "changes the check of both Services" in first
    shop.apply(endpoints("web", "b"))
    assert shop.assessment(CANARY).outcome is Outcome.TargetsUnhealthy
    shop.apply(load_balancer())
    assert shop.assessment(CANARY).consumers == ()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("{", id="no-json"),
        pytest.param('{"type":"redirect"}', id="no-forward"),
        pytest.param(
            '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"canary"}]}}', id="no-port"
        ),
        pytest.param('{"type":"forward","forwardConfig":{"targetGroups":[{}]}}', id="neither-service-nor-arn"),
    ],
)
def test_a_malformed_weighted_action_fails_the_load_balancer(raw: str) -> None:
    verdict = only(Shop(weighted(raw=raw)))
    assert (verdict.outcome, verdict.reason.code) == (Outcome.Unknown, "MalformedAnnotation")
    assert "actions.TCP-80" in verdict.reason.detail


def test_an_action_for_a_port_that_the_service_lacks_is_inert() -> None:
    made = load_balancer(annotations={"service.beta.kubernetes.io/actions.TCP-81": "{"})
    assert only(Shop(made)).outcome is Outcome.TargetsUnhealthy
