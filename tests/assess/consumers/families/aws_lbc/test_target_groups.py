"""Target type, IP family and health check of an ALB's target group: pkg/ingress/model_build_target_group.go."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import AllNodes, DataPlane, KnownDataPlane, Options, Outcome
from etpguard.assess.consumers.families.aws_lbc import AwsOptions
from etpguard.assess.probe import (
    AnswersEverywhere,
    HealthCheckNodePort,
    KubeProxyHealthz,
    NotModelled,
    OtherNodePort,
    OwnNodePort,
    PassesNowhere,
    Probe,
)
from etpguard.objects import Key
from tests.assess.consumers.checks import pins, settings_of
from tests.assess.consumers.families.aws_lbc.objects import (
    ALB,
    CHECK_PORT,
    NODE_PORT,
    Json,
    Shop,
    class_params,
    endpoints,
    ingress,
    ingress_class,
    load_balancer,
    only,
    port,
    service,
)

IP_DEFAULT = AwsOptions(default_target_type="ip", sources={"default_target_type": "flag"})


def on_service(**annotations: str) -> Json:
    return service(annotations={f"{ALB}{key.replace('_', '-')}": value for key, value in annotations.items()})


@pytest.mark.parametrize(
    ("objects", "options", "expected"),
    [
        pytest.param([ingress()], None, "instance", id="default-is-instance"),
        pytest.param([ingress()], IP_DEFAULT, "ip", id="default-by-flag"),
        pytest.param([ingress(annotations={"target-type": "ip"})], None, "ip", id="ingress-over-default"),
        pytest.param(
            [ingress(annotations={"target-type": "instance"})], IP_DEFAULT, "instance", id="ingress-over-flag"
        ),
        pytest.param(
            [ingress(annotations={"target-type": "ip"}), on_service(target_type="instance")],
            None,
            "instance",
            id="service-over-ingress",
        ),
        pytest.param(
            [
                ingress(annotations={"target-type": "ip"}),
                on_service(target_type="ip"),
                ingress_class(params="params"),
                class_params(targetType="instance"),
            ],
            None,
            "instance",
            id="params-over-service-and-ingress",
        ),
        pytest.param(
            [
                ingress(annotations={"target-type": "nonsense"}),
                ingress_class(params="params"),
                class_params(targetType="ip"),
            ],
            None,
            "ip",
            id="params-hide-a-malformed-annotation",
        ),
    ],
)
def test_target_type(objects: list[Json], options: AwsOptions | None, expected: str) -> None:
    verdict = only(Shop(*objects, options=options))
    assert verdict.consumer.target_type == expected
    assert verdict.outcome is (Outcome.NotAffected if expected == "ip" else Outcome.TargetsUnhealthy)


def test_the_source_of_the_default_is_named_only_where_it_decided() -> None:
    assert only(Shop(ingress(), options=IP_DEFAULT)).consumer.source == "--default-target-type=ip (flag)"
    assert only(Shop(ingress(annotations={"target-type": "ip"}))).consumer.source == ""


@pytest.mark.parametrize(
    ("annotations", "expected", "outcome"),
    [
        pytest.param({}, OwnNodePort("http"), Outcome.TargetsUnhealthy, id="absent-is-the-traffic-port"),
        pytest.param(
            {"healthcheck-port": "traffic-port"}, OwnNodePort("http"), Outcome.TargetsUnhealthy, id="traffic-port"
        ),
        pytest.param(
            {"healthcheck-port": "http"}, OwnNodePort("http"), Outcome.TargetsUnhealthy, id="name-is-its-node-port"
        ),
        pytest.param(
            {"healthcheck-port": str(NODE_PORT)},
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="number-of-the-own-node-port",
        ),
        pytest.param(
            {"healthcheck-port": "10256", "healthcheck-path": "/healthz"},
            KubeProxyHealthz(),
            Outcome.Blackhole,
            id="kube-proxy-healthz-knows-nothing-of-endpoints",
        ),
        pytest.param(
            {"healthcheck-port": "10256", "healthcheck-path": "/livez?x=1"},
            KubeProxyHealthz(),
            Outcome.Blackhole,
            id="kube-proxy-livez",
        ),
        pytest.param(
            {"healthcheck-port": "10256", "success-codes": "200,404"},
            KubeProxyHealthz(),
            Outcome.Blackhole,
            id="kube-proxy-404-accepted-for-another-path",
        ),
        pytest.param(
            {"healthcheck-port": "10256"},
            PassesNowhere("kube-proxy answers 404 to /"),
            Outcome.Blackhole,
            id="kube-proxy-answers-404-to-the-default-path",
        ),
        pytest.param(
            {"healthcheck-port": "10256", "healthcheck-path": "/healthz", "healthcheck-protocol": "HTTPS"},
            PassesNowhere("kube-proxy answers plain HTTP there"),
            Outcome.Blackhole,
            id="kube-proxy-healthz-speaks-no-tls",
        ),
        pytest.param({"healthcheck-port": "9100"}, None, Outcome.Unknown, id="port-that-no-api-object-shows"),
        pytest.param({"healthcheck-port": "0"}, None, Outcome.Unknown, id="port-0"),
        pytest.param(
            {"backend-protocol-version": "GRPC"},
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="grpc-on-the-traffic-port",
        ),
        pytest.param(
            {"backend-protocol-version": "GRPC", "healthcheck-port": "10256"},
            None,
            Outcome.Unknown,
            id="grpc-elsewhere",
        ),
        pytest.param(
            {"success-codes": "200-299, 404"},
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="codes-and-ranges-with-blanks",
        ),
        pytest.param(
            {"success-codes": "200-599"},
            OwnNodePort("http"),
            Outcome.TargetsUnhealthy,
            id="a-node-that-drops-answers-no-code-at-all",
        ),
    ],
)
def test_health_check_of_a_node_port_service(
    annotations: dict[str, str], expected: Probe | None, outcome: Outcome
) -> None:
    verdict = only(Shop(ingress(annotations=annotations)))
    assert verdict.outcome is outcome
    if expected is None:
        assert isinstance(verdict.consumer.probe, NotModelled)
        assert verdict.reason.code == "HealthCheckPortNotModelled"
    else:
        assert verdict.consumer.probe == expected


@pytest.mark.parametrize(
    ("annotations", "expected", "outcome"),
    [
        pytest.param({}, OwnNodePort("http"), Outcome.TargetsUnhealthy, id="an-alb-never-uses-it-by-itself"),
        pytest.param(
            {"healthcheck-port": str(CHECK_PORT)},
            HealthCheckNodePort(),
            Outcome.TargetsUnhealthy,
            id="set-by-hand",
        ),
        pytest.param(
            {"healthcheck-port": str(CHECK_PORT), "healthcheck-path": "/any"},
            HealthCheckNodePort(),
            Outcome.TargetsUnhealthy,
            id="it-answers-on-any-path",
        ),
        pytest.param(
            {"healthcheck-port": str(CHECK_PORT), "success-codes": "200-599"},
            HealthCheckNodePort(any_answer=True),
            Outcome.Blackhole,
            id="503-among-the-codes-passes-everywhere",
        ),
        pytest.param(
            {"healthcheck-port": str(CHECK_PORT), "success-codes": "200,503"},
            HealthCheckNodePort(any_answer=True),
            Outcome.Blackhole,
            id="503-in-a-list-passes-everywhere",
        ),
        pytest.param(
            {"healthcheck-port": str(CHECK_PORT), "success-codes": "200-499"},
            HealthCheckNodePort(),
            Outcome.TargetsUnhealthy,
            id="a-range-short-of-503",
        ),
        pytest.param(
            {"healthcheck-port": str(CHECK_PORT), "success-codes": "301"},
            PassesNowhere("301 is success, and the healthCheckNodePort answers 200 or 503"),
            Outcome.Blackhole,
            id="codes-without-200",
        ),
        pytest.param(
            {"healthcheck-port": str(CHECK_PORT), "success-codes": "503"},
            None,
            Outcome.Unknown,
            id="codes-that-take-the-nodes-without-endpoints",
        ),
        pytest.param(
            {"healthcheck-port": str(CHECK_PORT), "healthcheck-protocol": "HTTPS"},
            PassesNowhere("the healthCheckNodePort answers plain HTTP"),
            Outcome.Blackhole,
            id="it-speaks-no-tls",
        ),
    ],
)
def test_health_check_node_port_behind_an_alb(
    annotations: dict[str, str], expected: Probe | None, outcome: Outcome
) -> None:
    shop = Shop(ingress(annotations=annotations), load_balancer(loadBalancerClass="example.com/none"))
    verdict = only(shop)
    assert verdict.outcome is outcome
    assert pins(verdict.consumer) == ("healthcheck-port" in annotations)
    if expected is not None:
        assert verdict.consumer.probe == expected


def other(policy: str, **fields: Any) -> Json:
    return service("other", ports=[port(node_port=30900)], externalTrafficPolicy=policy, **fields)


@pytest.mark.parametrize(
    ("policy", "on", "outcome"),
    [
        pytest.param("Cluster", ["b"], Outcome.Blackhole, id="cluster-answers-on-every-node"),
        pytest.param("Local", ["a"], Outcome.TargetsUnhealthy, id="local-with-its-pods-on-the-same-nodes"),
        pytest.param("Local", ["a", "b"], Outcome.Blackhole, id="local-with-a-pod-on-an-uncovered-node"),
        pytest.param("Local", ["b", "c"], Outcome.Blackhole, id="local-with-its-pods-elsewhere"),
    ],
)
def test_health_check_on_the_node_port_of_another_service(policy: str, on: list[str], outcome: Outcome) -> None:
    shop = Shop(
        ingress(annotations={"healthcheck-port": "30900"}),
        other(policy),
        endpoints("web", "a"),
        endpoints("other", *on),
    )
    verdict = only(shop)
    assert verdict.consumer.probe == OtherNodePort(Key("shop", "other"), "http")
    assert verdict.outcome is outcome


ON_CILIUM = Options(AllNodes(KnownDataPlane(DataPlane.CILIUM, "", "v1.20.2", ())))


def of_cilium_ingress() -> Json:
    """Its endpoint is the placeholder that Cilium writes."""
    made = endpoints("other", ports=[{"name": "http", "port": 9999, "protocol": "TCP"}])
    made["endpoints"] = [{"addresses": ["192.192.192.192"]}]
    return made


@pytest.mark.parametrize(
    ("probed", "slices", "engine"),
    [
        pytest.param(
            {"policy": "Local", "selector": {}}, of_cilium_ingress(), Options(), id="an-ingress-of-cilium"
        ),
        pytest.param(
            {"annotations": {"service.cilium.io/node-selector": "role=edge"}},
            endpoints("other", "b"),
            ON_CILIUM,
            id="a-selector-of-nodes",
        ),
        pytest.param(
            {"annotations": {"service.cilium.io/node": "edge"}},
            endpoints("other", "b"),
            ON_CILIUM,
            id="a-node-of-cilium",
        ),
        pytest.param(
            {"annotations": {"service.cilium.io/type": "LoadBalancer"}, "externalIPs": ["192.0.2.1"]},
            endpoints("other", "b"),
            ON_CILIUM,
            id="no-node-port-of-cilium",
        ),
    ],
)
def test_a_node_port_of_another_service_that_may_not_answer(probed: Json, slices: Json, engine: Options) -> None:
    shop = Shop(
        ingress(annotations={"healthcheck-port": "30900"}),
        other(**{"policy": "Cluster", **probed}),
        endpoints("web", "a"),
        slices,
        engine=engine,
    )
    verdict = only(shop)
    assert (verdict.outcome, verdict.reason.code) == (Outcome.Unknown, "HealthCheckPortNotModelled")


def test_the_owner_of_a_probed_node_port_may_come_and_go() -> None:
    shop = Shop(ingress(annotations={"healthcheck-port": "30900"}), endpoints("web", "a"), endpoints("other", "a"))
    assert shop.assessment().outcome is Outcome.Unknown
    shop.apply(other("Cluster"))
    assert shop.assessment().outcome is Outcome.Blackhole
    shop.apply(other("Local"))
    assert shop.assessment().outcome is Outcome.TargetsUnhealthy
    shop.remove(other("Local"))
    assert shop.assessment().outcome is Outcome.Unknown


def test_a_port_that_is_said_to_answer_everywhere() -> None:
    shop = Shop(
        ingress(annotations={"healthcheck-port": "9100"}), engine=Options(answers_everywhere_ports=(9100,))
    )
    verdict = only(shop)
    assert verdict.consumer.probe == AnswersEverywhere()
    assert verdict.outcome is Outcome.Blackhole


@pytest.mark.parametrize(
    "on",
    [
        pytest.param(["a", "b", "c"], id="covered-whatever-is-probed"),
        pytest.param([], id="no-endpoints-whatever-is-probed"),
    ],
)
def test_a_probe_that_is_not_known_matters_only_to_partly_covered_nodes(on: list[str]) -> None:
    shop = Shop(ingress(annotations={"healthcheck-port": "9100"}), endpoints("web", *on))
    assert shop.assessment().outcome is (Outcome.Covered if on else Outcome.NoEndpoints)


def test_service_annotations_go_before_those_of_the_ingress() -> None:
    shop = Shop(
        ingress(annotations={"healthcheck-port": "10256", "healthcheck-path": "/ingress"}),
        on_service(healthcheck_port="traffic-port"),
    )
    check = settings_of(only(shop).consumer)
    assert check is not None
    assert (check.port, check.path) == ("traffic-port", "/ingress")


def test_two_ingresses_with_different_health_checks_are_two_consumers_and_the_worst_counts() -> None:
    shop = Shop(
        ingress("good"), ingress("bad", annotations={"healthcheck-port": "10256", "healthcheck-path": "/healthz"})
    )
    assert {v.consumer.name: v.outcome for v in shop.verdicts()} == {
        "good": Outcome.TargetsUnhealthy,
        "bad": Outcome.Blackhole,
    }
    assert shop.assessment().outcome is Outcome.Blackhole


def test_health_check_by_another_port_of_the_same_service() -> None:
    """Uncovered on one port is not uncovered on the other: each has its own endpoints."""
    ports = [port(), port(8081, "status", 30999)]
    slices = endpoints("web", "a")
    status = endpoints("web", "a", "b", ports=[{"name": "status", "port": 8081, "protocol": "TCP"}])
    status["metadata"]["name"] = "web-status"
    shop = Shop(service(ports=ports), slices, status, ingress(annotations={"healthcheck-port": "status"}))
    verdict = only(shop)
    assert verdict.consumer.probe == OwnNodePort("status")
    assert verdict.outcome is Outcome.Blackhole


def test_a_check_never_reaches_a_udp_node_port() -> None:
    ports = [port(), port(53, "dns", 30053, protocol="UDP")]
    shop = Shop(service(ports=ports), ingress(annotations={"healthcheck-port": "30053"}))
    assert shop.assessment().reason.code == "HealthCheckPortNotModelled"


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        pytest.param("target-type", "Instance", id="target-type-in-another-case"),
        pytest.param("target-type", "", id="target-type-empty"),
        pytest.param("backend-protocol", "http", id="backend-protocol-in-another-case"),
        pytest.param("backend-protocol-version", "HTTP3", id="backend-protocol-version"),
        pytest.param("healthcheck-protocol", "TCP", id="an-alb-checks-by-http-alone"),
        pytest.param("healthcheck-port", "metrics", id="health-check-port-name-missing"),
        pytest.param("healthcheck-port", "80.5", id="health-check-port-no-integer"),
        pytest.param("healthcheck-interval-seconds", "15s", id="interval-no-integer"),
        pytest.param("healthcheck-timeout-seconds", "", id="timeout-empty"),
        pytest.param("healthy-threshold-count", "9" * 30, id="threshold-beyond-64-bits"),
        pytest.param("unhealthy-threshold-count", "2.0", id="threshold-no-integer"),
        pytest.param("success-codes", "2xx", id="success-codes"),
        pytest.param("target-node-labels", "zone", id="target-node-labels-without-value"),
        pytest.param("target-node-labels", "=a", id="target-node-labels-without-key"),
        pytest.param("target-node-labels", "a=b c", id="target-node-labels-no-label-value"),
        pytest.param("listen-ports", "80", id="listen-ports-no-list"),
        pytest.param("listen-ports", '[{"TCP": 80}]', id="listen-ports-protocol"),
        pytest.param("listen-ports", '[{"HTTP": 70000}]', id="listen-ports-out-of-range"),
        pytest.param("ssl-redirect", "https", id="ssl-redirect-no-integer"),
    ],
)
def test_a_malformed_annotation_is_named_with_its_object(annotation: str, value: str) -> None:
    verdict = only(Shop(ingress(annotations={annotation: value})))
    assert verdict.outcome is Outcome.Unknown
    assert verdict.reason.code == "MalformedAnnotation"
    assert f"Ingress shop/web, annotation {ALB}{annotation}:" in verdict.reason.detail


def test_a_malformed_annotation_of_the_service_is_named_with_the_service() -> None:
    verdict = only(Shop(ingress(), on_service(target_type="x")))
    assert f"Service shop/web, annotation {ALB}target-type:" in verdict.reason.detail


def test_a_long_value_is_cut_in_the_reason() -> None:
    verdict = only(Shop(ingress(annotations={"target-type": "x" * 5000})))
    assert len(verdict.reason.detail) < 250


@pytest.mark.parametrize(
    ("families", "annotations", "expected"),
    [
        pytest.param(["IPv4"], {}, ("IPv4",), id="ipv4"),
        pytest.param(["IPv6"], {"ip-address-type": "dualstack"}, ("IPv6",), id="ipv6"),
        pytest.param(["IPv4", "IPv6"], {"ip-address-type": "dualstack"}, ("IPv6",), id="dual-stack-is-ipv6-alone"),
        pytest.param(
            ["IPv6", "IPv4"], {"ip-address-type": "dualstack-without-public-ipv4"}, ("IPv6",), id="no-public-ipv4"
        ),
        pytest.param(["IPv4", "IPv6"], {}, None, id="ipv6-needs-a-dual-stack-load-balancer"),
    ],
)
def test_ip_family(families: list[str], annotations: dict[str, str], expected: tuple[str, ...] | None) -> None:
    shop = Shop(
        service(ipFamilies=families),
        ingress(annotations=annotations),
        endpoints("web", "a"),
        endpoints("web", "b", family="IPv6"),
    )
    verdict = only(shop)
    if expected is None:
        assert verdict.reason.code == "LoadBalancerNotDualStack"
    else:
        assert verdict.consumer.ip_families == expected
        assert verdict.outcome is Outcome.TargetsUnhealthy
        assert shop.names(verdict.uncovered) == (["a", "c"] if expected == ("IPv6",) else ["b", "c"])


def test_dual_stack_by_the_params_of_the_class() -> None:
    shop = Shop(
        service(ipFamilies=["IPv4", "IPv6"]),
        ingress(),
        ingress_class(params="params"),
        class_params(ipAddressType="dualstack"),
        endpoints("web", "a", family="IPv6"),
    )
    assert shop.assessment().outcome is Outcome.TargetsUnhealthy
