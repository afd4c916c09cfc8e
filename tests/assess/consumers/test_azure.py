"""cloud-provider-azure pkg/provider/azure_loadbalancer.go and azure_loadbalancer_healthprobe.go; AGIC."""

from __future__ import annotations

import pytest

from etpguard.assess.probe import HealthCheckNodePort, NoHealthCheck, OwnNodePort, Probe
from tests.assess.consumers.worlds import (
    HEALTH_CHECK_NODE_PORT,
    Json,
    Seen,
    endpoints,
    ingress,
    ingress_class,
    nodes,
    port,
    seen,
    service,
    world,
)

PREFIX = "service.beta.kubernetes.io/"
PROBE_PORT, NO_PROBE = f"{PREFIX}port_80_health-probe_port", f"{PREFIX}port_80_no_probe_rule"
SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
LOST = Seen("Blackhole", "Blackhole", "abc", "bc")


def annotated(annotations: dict[str, str]) -> list[Json]:
    two = service(annotations=annotations, ports=[port(), port("admin", 81, 30081)])
    return [two, endpoints("a", ports=["http", "admin"]), *nodes("azure")]


@pytest.mark.parametrize(
    ("annotations", "probe", "expected"),
    [
        pytest.param({}, HealthCheckNodePort(), SAFE, id="3181: healthCheckNodePort"),
        pytest.param(
            {f"{PREFIX}azure-load-balancer-health-probe-protocol": "tcp"},
            HealthCheckNodePort(),
            SAFE,
            id="3181: it outranks the Service's own probe",
        ),
        pytest.param(
            {f"{PREFIX}port_80_health-probe_protocol": "Tcp"},
            HealthCheckNodePort(),
            SAFE,
            id="it outranks the port's protocol",
        ),
        pytest.param({PROBE_PORT: "80"}, OwnNodePort("http"), SAFE, id="own probe port by Service port"),
        pytest.param({PROBE_PORT: "81"}, OwnNodePort("admin"), SAFE, id="another port's node port"),
        pytest.param({PROBE_PORT: "Admin"}, OwnNodePort("admin"), SAFE, id="by name, in any case"),
        pytest.param({PROBE_PORT: "30081"}, OwnNodePort("admin"), SAFE, id="by node port"),
        pytest.param({PROBE_PORT: "10256"}, None, LOST, id="kube-proxy's healthz"),
        pytest.param(
            {PROBE_PORT: str(HEALTH_CHECK_NODE_PORT)},
            HealthCheckNodePort(any_answer=True),
            LOST,
            id="TCP, its default, on the healthCheckNodePort passes everywhere",
        ),
        pytest.param(
            {PROBE_PORT: str(HEALTH_CHECK_NODE_PORT), f"{PREFIX}port_80_health-probe_protocol": "http"},
            HealthCheckNodePort(),
            SAFE,
            id="HTTP on the healthCheckNodePort",
        ),
        pytest.param(
            {PROBE_PORT: "metrics"}, None, Seen("Unknown", "InvalidAnnotation", "abc", "bc"), id="no such port"
        ),
        pytest.param({NO_PROBE: "true"}, NoHealthCheck(), LOST, id="no probe at all"),
        pytest.param({NO_PROBE: "false"}, HealthCheckNodePort(), SAFE, id="no_probe_rule false"),
        pytest.param(
            {f"{PREFIX}azure-pls-create": "true", f"{PREFIX}azure-pls-proxy-protocol": "true"},
            OwnNodePort("http"),
            SAFE,
            id="a private link service with PROXY protocol checks the node port",
        ),
        pytest.param(
            {f"{PREFIX}azure-pls-create": "true"}, HealthCheckNodePort(), SAFE, id="a private link service alone"
        ),
    ],
)
def test_probe(annotations: dict[str, str], probe: Probe | None, expected: Seen) -> None:
    assert seen(*annotated(annotations)) == expected
    if probe is not None:
        assert world(*annotated(annotations)).consumer().consumer.probe == probe


def test_another_ports_annotation_is_its_own() -> None:
    made = world(*annotated({NO_PROBE: "true"}))
    assert made.consumer("admin").consumer.probe == HealthCheckNodePort()


def test_udp_uses_the_health_check_node_port_whatever_its_probe_port() -> None:
    udp = service(annotations={PROBE_PORT: "81"}, ports=[port(protocol="UDP")])
    made = world(udp, endpoints("a", protocol="UDP"), *nodes("azure"))
    assert made.consumer().consumer.probe == HealthCheckNodePort()


def test_a_port_without_a_rule_is_not_balanced() -> None:
    made = world(*annotated({f"{PREFIX}port_80_no_lb_rule": "true"}))
    assert [v.consumer.port for v in made.assessment.consumers] == ["admin"]


@pytest.mark.parametrize("controller", ["azure/application-gateway", "alb.networking.azure.io/alb-controller"])
def test_application_gateways_send_to_pods(controller: str) -> None:
    """pkg/appgw/backendaddresspools.go:99-181."""
    objects = [service(type="NodePort"), endpoints("a"), *nodes("azure")]
    made = [ingress(class_name="gateway"), ingress_class("gateway", controller)]
    assert seen(*objects, *made) == Seen("NotAffected", "TargetsPods", "", "")
    assert world(*objects, *made).assessment.outcome.name == "NotAffected"


def test_application_gateway_by_annotation_without_its_class() -> None:
    made = ingress(annotations={"kubernetes.io/ingress.class": "azure/application-gateway"})
    found = world(service(type="NodePort"), endpoints("a"), made, *nodes("azure")).consumer()
    assert found.outcome.name == "NotAffected"
    assert "usual name" in found.consumer.source


def test_advice_gives_the_probe_back() -> None:
    first = world(*annotated({NO_PROBE: "true"})).advice()[0]
    assert "Its rule then uses the probe" in first
    assert first.endswith(f"\nkubectl -n shop annotate service web {NO_PROBE}-")


def test_a_pinned_probe_is_taken_away_before_a_change_to_cluster() -> None:
    advice = world(*annotated({PROBE_PORT: str(HEALTH_CHECK_NODE_PORT)})).advice()
    assert any(f"First remove {PROBE_PORT}:" in text for text in advice)
