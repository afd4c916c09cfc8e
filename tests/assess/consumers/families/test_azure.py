"""cloud-provider-azure pkg/provider/azure_loadbalancer.go and azure_loadbalancer_healthprobe.go; AGIC."""

from __future__ import annotations

import pytest

from etpguard.assess.consumers.targets import CheckSettings
from etpguard.assess.probe import (
    HealthCheckNodePort,
    KubeProxyHealthz,
    NoHealthCheck,
    OwnNodePort,
    PassesNowhere,
    Probe,
)
from tests.assess.consumers.worlds import (
    HEALTH_CHECK_NODE_PORT,
    KEY,
    Json,
    Seen,
    endpoints,
    ingress,
    ingress_class,
    node,
    nodes,
    not_ready,
    port,
    seen,
    service,
    world,
)

PREFIX = "service.beta.kubernetes.io/"
PROBE_PORT, NO_PROBE = f"{PREFIX}port_80_health-probe_port", f"{PREFIX}port_80_no_probe_rule"
SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
LOST = Seen("Blackhole", "Blackhole", "abc", "bc")
NONE_HEALTHY = Seen("Outage", "NoHealthyTarget", "abc", "bc")


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
            {PROBE_PORT: "10256", f"{PREFIX}port_80_health-probe_protocol": "http"},
            PassesNowhere("kube-proxy answers 404 to /"),
            NONE_HEALTHY,
            id="kube-proxy's healthz by HTTP, on a path that it does not serve",
        ),
        pytest.param(
            {
                PROBE_PORT: "10256",
                f"{PREFIX}port_80_health-probe_protocol": "http",
                f"{PREFIX}port_80_health-probe_request-path": "/healthz",
            },
            KubeProxyHealthz(),
            LOST,
            id="kube-proxy's healthz by HTTP",
        ),
        pytest.param(
            {PROBE_PORT: "10256", f"{PREFIX}port_80_health-probe_protocol": "https"},
            PassesNowhere("kube-proxy answers plain HTTP there"),
            NONE_HEALTHY,
            id="kube-proxy's healthz by TLS",
        ),
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


PINNED = {PROBE_PORT: str(HEALTH_CHECK_NODE_PORT)}
OWN_PROTOCOL, OWN_PATH = f"{PREFIX}port_80_health-probe_protocol", f"{PREFIX}port_80_health-probe_request-path"
ALL_PROTOCOL = f"{PREFIX}azure-load-balancer-health-probe-protocol"
ALL_PATH = f"{PREFIX}azure-load-balancer-health-probe-request-path"


@pytest.mark.parametrize(
    ("app_protocol", "annotations", "checked", "expected"),
    [
        pytest.param(None, {}, ("TCP", ""), LOST, id="TCP by default"),
        pytest.param("http", {}, ("HTTP", "/"), SAFE, id="appProtocol"),
        pytest.param(" HTTP ", {}, ("HTTP", "/"), SAFE, id="appProtocol in any case and with spaces"),
        pytest.param("grpc", {}, ("TCP", ""), LOST, id="an unknown appProtocol is TCP"),
        pytest.param("kubernetes.io/h2c", {}, ("TCP", ""), LOST, id="a standard appProtocol is TCP"),
        pytest.param(None, {ALL_PROTOCOL: "http"}, ("HTTP", "/"), SAFE, id="the annotation for all ports"),
        pytest.param(
            "grpc", {ALL_PROTOCOL: "http"}, ("TCP", ""), LOST, id="appProtocol outranks that for all ports"
        ),
        pytest.param("", {ALL_PROTOCOL: "http"}, ("TCP", ""), LOST, id="an empty appProtocol does, too"),
        pytest.param("http", {ALL_PROTOCOL: "tcp"}, ("HTTP", "/"), SAFE, id="and where it is HTTP"),
        pytest.param("grpc", {OWN_PROTOCOL: "http"}, ("HTTP", "/"), SAFE, id="that of the port outranks both"),
        pytest.param("http", {OWN_PROTOCOL: "tcp"}, ("TCP", ""), LOST, id="that of the port as TCP"),
        pytest.param("http", {OWN_PROTOCOL: ""}, ("TCP", ""), LOST, id="an empty one of the port is TCP"),
        pytest.param(
            None, {OWN_PROTOCOL: "udp", ALL_PROTOCOL: "http"}, ("TCP", ""), LOST, id="an unknown one is TCP"
        ),
        pytest.param("http", {ALL_PATH: "/all"}, ("HTTP", "/all"), SAFE, id="the path for all ports"),
        pytest.param(
            "http", {ALL_PATH: "/all", OWN_PATH: "/own"}, ("HTTP", "/own"), SAFE, id="the path of the port first"
        ),
        pytest.param(None, {ALL_PATH: "/all"}, ("TCP", ""), LOST, id="TCP has no path"),
        pytest.param(
            "https",
            {},
            ("HTTPS", "/"),
            Seen("Unknown", "HealthCheckPortNotModelled", "abc", "bc"),
            id="TLS on a plain HTTP port",
        ),
    ],
)
def test_protocol_and_path_of_a_probe_on_its_own_port(
    app_protocol: str | None, annotations: dict[str, str], checked: tuple[str, str], expected: Seen
) -> None:
    """azure_loadbalancer_healthprobe.go "Select Protocol" and "Select request path"."""
    given = port() if app_protocol is None else {**port(), "appProtocol": app_protocol}
    objects = [service(annotations=PINNED | annotations, ports=[given]), endpoints("a"), *nodes("azure")]
    assert seen(*objects) == expected
    check = world(*objects).consumer().consumer.check
    assert check is not None
    assert check.settings == CheckSettings(str(HEALTH_CHECK_NODE_PORT), *checked)


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


INTERNAL, ALL_PORTS = (
    f"{PREFIX}azure-load-balancer-internal",
    f"{PREFIX}azure-load-balancer-enable-high-availability-ports",
)
ONE_RULE = {INTERNAL: "true", ALL_PORTS: "True"}
NO_RULE = f"{PREFIX}port_80_no_lb_rule"
PROXIED = {f"{PREFIX}azure-pls-create": "true", f"{PREFIX}azure-pls-proxy-protocol": "TRUE"}


@pytest.mark.parametrize(
    ("annotations", "probe", "expected"),
    [
        pytest.param({}, HealthCheckNodePort(), SAFE, id="the probe of the healthCheckNodePort"),
        pytest.param({NO_PROBE: "true"}, HealthCheckNodePort(), SAFE, id="no_probe_rule has no effect"),
        pytest.param({NO_RULE: "true"}, HealthCheckNodePort(), SAFE, id="no_lb_rule has no effect"),
        pytest.param({PROBE_PORT: "10256"}, HealthCheckNodePort(), SAFE, id="a probe port has no effect"),
        pytest.param({NO_PROBE: "true", ALL_PORTS: "false"}, NoHealthCheck(), LOST, id="HA ports off"),
        pytest.param({NO_PROBE: "true", ALL_PORTS: " true"}, NoHealthCheck(), LOST, id="spaces are not trimmed"),
        pytest.param({NO_PROBE: "true", INTERNAL: "false"}, NoHealthCheck(), LOST, id="HA ports, not internal"),
        pytest.param(PROXIED, OwnNodePort("http"), SAFE, id="with PROXY protocol: the first TCP port's probe"),
        pytest.param({**PROXIED, PROBE_PORT: "10256"}, KubeProxyHealthz(), LOST, id="with its probe port"),
    ],
)
def test_one_rule_for_all_ports(annotations: dict[str, str], probe: Probe, expected: Seen) -> None:
    """azure_loadbalancer.go getExpectedLBRules: it reads no annotation of a port for HA ports."""
    made = annotated(ONE_RULE | annotations)
    assert seen(*made) == expected
    assert world(*made).consumer().consumer.probe == probe


PROXIED_HTTP = {**PROXIED, OWN_PROTOCOL: "http", OWN_PATH: "/healthz"}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({PROBE_PORT: str(HEALTH_CHECK_NODE_PORT)}, NONE_HEALTHY, id="the healthCheckNodePort"),
        pytest.param({PROBE_PORT: "10256"}, NONE_HEALTHY, id="kube-proxy's healthz"),
        pytest.param({PROBE_PORT: "10356"}, ("Unknown", "HealthCheckPortNotModelled"), id="health-probe-proxy"),
        pytest.param({PROBE_PORT: "81"}, SAFE, id="pods, which understand it"),
        pytest.param({PROBE_PORT: "10256", OWN_PROTOCOL: "tcp"}, LOST, id="a check that only connects"),
        pytest.param({PROBE_PORT: "10256", PREFIX + "azure-pls-create": "false"}, LOST, id="without the service"),
    ],
)
def test_probes_through_a_private_link_service_have_a_header(
    annotations: dict[str, str], expected: tuple[str, ...]
) -> None:
    """cloud-provider-azure pull request 5264; kubernetes pull request 121819."""
    assert seen(*annotated(PROXIED_HTTP | annotations))[: len(expected)] == expected


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        pytest.param({}, {**PROXIED, INTERNAL: "true"}, SAFE[:2], id="another load balancer"),
        pytest.param(
            {INTERNAL: "true"}, {**PROXIED, INTERNAL: "true"}, ("Unknown", "HealthCheckNotKnown"), id="internal"
        ),
        pytest.param({}, PROXIED, ("Unknown", "HealthCheckNotKnown"), id="public"),
        pytest.param({PROBE_PORT: "80"}, PROXIED, SAFE[:2], id="a check that only connects"),
        pytest.param({NO_PROBE: "true"}, PROXIED, LOST[:2], id="no check"),
        pytest.param({}, {PREFIX + "azure-pls-create": "true"}, SAFE[:2], id="no PROXY protocol"),
    ],
)
def test_a_private_link_service_of_another_service(
    own: dict[str, str], others: dict[str, str], expected: tuple[str, str]
) -> None:
    """azure-docs issue 64867: all probes of the load balancer get the header."""
    other = service("linked", annotations=others, ports=[port(node_port=30090)])
    made = world(service(annotations=own), endpoints("a"), other, *nodes("azure"))
    verdict = made.consumer()
    assert (verdict.outcome.name, verdict.reason.code) == expected
    assert ("another " in verdict.reason.detail) is (expected[0] == "Unknown")


def test_the_private_link_service_comes_and_goes() -> None:
    plain = service("linked", ports=[port(node_port=30090)])
    made = world(service(), endpoints("a"), plain, *nodes("azure"))
    given: list[tuple[dict[str, str], str]] = [(PROXIED, "Unknown"), ({}, "TargetsUnhealthy")]
    for notes, expected in given:
        made.put(service("linked", annotations=notes, ports=[port(node_port=30090)]))
        assert made.consumer().outcome.name == expected


def test_a_change_of_a_service_with_a_private_link_service_concerns_no_other_one() -> None:
    """Else each condition written on one of m such Services would have all n others judged again."""
    ports = [port(node_port=30090)]
    linked = service("linked", annotations=PROXIED, ports=ports)
    other = service("other", annotations=PROXIED, ports=[port(node_port=30091)])
    steps = [
        (linked, True),  # the first one
        (linked | {"status": {"conditions": [{"type": "x"}]}}, False),
        (other, False),
        (service("linked", ports=ports), False),  # one is left
        (service("other", ports=[port(node_port=30091)]), True),
    ]
    made = world(service(), endpoints("a"), *nodes("azure"))
    for changed, concerns in steps:
        assert (KEY in made.outdated_by(changed)) is concerns
        made.engine.assess(KEY)


def test_one_rule_for_all_ports_has_the_same_probe_for_each() -> None:
    ports = [port("dns", 53, 30053, "UDP"), port()]
    made = [service(annotations=ONE_RULE | PROXIED, ports=ports), endpoints("a"), *nodes("azure")]
    made.append(endpoints("b", ports=["dns"], protocol="UDP"))
    found = world(*made)
    assert [found.consumer(name).consumer.probe for name in ("dns", "http")] == [OwnNodePort("http")] * 2


def test_advice_does_not_touch_annotations_that_have_no_effect() -> None:
    made = world(*annotated(ONE_RULE | PROXIED | {PROBE_PORT: "10256", NO_PROBE: "true"}))
    assert not any("no_probe_rule" in text for text in made.advice())


def test_advice_gives_the_probe_back() -> None:
    first = world(*annotated({NO_PROBE: "true"})).advice()[0]
    assert "Its rule then uses the probe" in first
    assert first.endswith(f"\nkubectl -n shop annotate service web {NO_PROBE}-")


def test_a_pinned_probe_is_taken_away_before_a_change_to_cluster() -> None:
    advice = world(*annotated({PROBE_PORT: str(HEALTH_CHECK_NODE_PORT)})).advice()
    assert any(f"First remove {PROBE_PORT}:" in text for text in advice)


def under_cluster(annotations: dict[str, str], *ports: Json) -> tuple[list[str], set[str]]:
    """The advice to change the policy, and the reasons why the check may fail then."""
    subject = service(annotations=annotations, ports=ports, ingress=[{"ip": "203.0.113.7"}])
    names = [each["name"] for each in ports]
    made = world(subject, endpoints("a", ports=names), *nodes("azure"))
    checks = [verdict.consumer.check for verdict in made.assessment.consumers]
    advice = [text for text in made.advice() if text.startswith("Let every node forward")]
    return advice, {check.fails_under_cluster for check in checks if check is not None}


HTTP = {**port(), "appProtocol": "http"}
HTTPS = {**port("https", 443, 30443), "appProtocol": "https"}
NO_PORT = port(node_port=0)


@pytest.mark.parametrize(
    ("annotations", "ports", "fails", "advised"),
    [
        pytest.param({}, [port()], "", "", id="a check that connects"),
        pytest.param(
            {}, [HTTP], "asks / of the pods by HTTP", "asks / of the pods by HTTP", id="appProtocol, path /"
        ),
        pytest.param(
            {}, [HTTPS, HTTP], "asks / of the pods by HTTPS", "asks / of the pods by HTTPS", id="each port counts"
        ),
        pytest.param({ALL_PATH: "/up"}, [HTTP], "", "asks /up of the pods by HTTP", id="a person wrote the path"),
        pytest.param({OWN_PATH: "/up"}, [HTTP], "", "asks /up of the pods by HTTP", id="that of the port"),
        pytest.param(
            {OWN_PATH: "/up"}, [HTTP, HTTPS], "asks / of the pods by HTTPS", "asks /up of", id="of one port alone"
        ),
        pytest.param({NO_PROBE: "true"}, [HTTP], "", "", id="no probe at all"),
        pytest.param({PROBE_PORT: "80"}, [HTTP], "", "", id="its own probe port, which stays"),
        pytest.param({NO_RULE: "true"}, [HTTP, port("admin", 81, 30081)], "", "", id="no rule"),
        pytest.param({}, [NO_PORT], "probes port 0, since port http has no", "First give each port", id="port 0"),
        pytest.param(ONE_RULE, [port(), HTTPS], "", "", id="one rule: the probe of the first TCP port"),
        pytest.param(ONE_RULE, [HTTP], "asks / of the pods by HTTP", "asks / of the pods", id="one rule by HTTP"),
        pytest.param(PROXIED, [HTTP], "", "", id="on the node port already"),
    ],
)
def test_what_the_probe_asks_under_cluster(
    annotations: dict[str, str], ports: list[Json], fails: str, advised: str
) -> None:
    """azure_loadbalancer_healthprobe.go buildHealthProbeRulesForPort without the probe of the healthCheckNodePort;
    Azure/AKS issues 2903, 3210."""
    advice, found = under_cluster(annotations, *ports)
    (reason,) = found
    assert reason.startswith(fails)
    assert bool(reason) is bool(fails)
    assert all(advised in text for text in advice)
    assert advised or not any("The check then" in text for text in advice)


EXCLUDE, MANAGED = "node.kubernetes.io/exclude-from-external-load-balancers", "kubernetes.azure.com/managed"
OUTSIDE = "kubernetes.azure.com/resource-group"


@pytest.mark.parametrize(
    ("labels", "eligible"),
    [
        pytest.param({}, "ab", id="plain"),
        pytest.param({EXCLUDE: "true"}, "b", id="azure.go:851: excluded"),
        pytest.param({EXCLUDE: "false"}, "b", id="azure.go:851: presence excludes, whatever the value"),
        pytest.param({EXCLUDE: ""}, "b", id="azure.go:851: an empty value excludes"),
        pytest.param({MANAGED: "false"}, "b", id="not managed by Azure"),
        pytest.param({MANAGED: "False"}, "b", id="in any case"),
        pytest.param({MANAGED: "true"}, "ab", id="managed by Azure"),
        pytest.param({OUTSIDE: "other"}, "b", id="another resource group"),
        pytest.param({"node-role.kubernetes.io/control-plane": ""}, "b", id="azure_vmss.go:1225: control plane"),
        pytest.param({"node-role.kubernetes.io/master": ""}, "b", id="azure_standard.go:961: master"),
        pytest.param({"kubernetes.io/role": "master"}, "b", id="azure_standard.go:961: role"),
        pytest.param({"kubernetes.io/role": "agent"}, "ab", id="another role"),
    ],
)
def test_nodes(labels: dict[str, str], eligible: str) -> None:
    members = [node("a", "azure:///a", labels=labels), node("b", "azure:///b")]
    assert seen(service(), endpoints("b"), *members).eligible == eligible


def test_excluding_the_node_of_the_pods_loses_all() -> None:
    members = [node("a", "azure:///a", labels={EXCLUDE: "false"}), node("b", "azure:///b")]
    assert seen(service(), endpoints("a"), *members) == Seen("Outage", "Outage", "b", "b")


@pytest.mark.parametrize(
    ("label", "code"),
    [("node-role.kubernetes.io/control-plane", "CloudConfigNotKnown"), (OUTSIDE, "CloudConfigNotKnown")],
)
def test_what_the_cloud_config_decides_is_not_known_where_it_matters(label: str, code: str) -> None:
    members = [node("a", "azure:///a", labels={label: ""}), node("b", "azure:///b")]
    verdict = world(service(), endpoints("a"), *members).consumer()
    assert (verdict.outcome.name, verdict.reason.code) == ("Unknown", code)
    assert "Outage or TargetsUnhealthy" in verdict.reason.detail
    assert seen(service(), endpoints("b"), *members) == Seen("Covered", "Covered", "b", "")


def test_no_healthy_target_is_an_outage() -> None:
    """Azure documentation: with all probes down, new flows are refused."""
    assert seen(service(), endpoints(terminating="a"), *nodes("azure"))[:2] == ("Outage", "NoHealthyTarget")


CONFIGURATIONS = f"{PREFIX}azure-load-balancer-configurations"


def test_with_several_load_balancers_the_targets_are_the_nodes_with_endpoints() -> None:
    """azure_local_services.go:489-546; the annotation is only a hint."""
    made = world(service(annotations={CONFIGURATIONS: "lb-2"}), endpoints("a"), *nodes("azure"))
    verdict = made.consumer()
    assert (verdict.outcome.name, made.names(verdict.eligible)) == ("Covered", "a")
    assert CONFIGURATIONS in verdict.consumer.assumptions[-1]


def test_with_several_load_balancers_an_endpoint_that_is_not_ready_keeps_its_node() -> None:
    """azure_local_services.go:546: the pool has the nodes of any endpoint."""
    made = world(service(annotations={CONFIGURATIONS: "lb-2"}), endpoints("a"), not_ready("b"), *nodes("azure"))
    verdict = made.consumer()
    assert (verdict.outcome.name, made.names(verdict.eligible)) == ("TargetsUnhealthy", "ab")


def test_where_the_hint_decides_it_is_not_known() -> None:
    annotations = {CONFIGURATIONS: "lb-2", NO_PROBE: "true"}
    verdict = world(service(annotations=annotations), endpoints("a"), *nodes("azure")).consumer()
    assert (verdict.outcome.name, verdict.reason.code) == ("Unknown", "CloudConfigNotKnown")
    assert "Covered or Blackhole" in verdict.reason.detail


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, ("NoTargets", "ProtocolNotServed"), id="no rules for SCTP"),
        pytest.param(
            {ALL_PORTS: "true"},
            ("NoTargets", "ProtocolNotServed"),
            id="HA ports are only of an internal load balancer",
        ),
        pytest.param(ONE_RULE, ("TargetsUnhealthy", "TargetsUnhealthy"), id="HA ports take any protocol"),
        pytest.param(
            {INTERNAL: "true"}, ("Unknown", "ProtocolNotServed"), id="internal: it has a rule for all protocols"
        ),
    ],
)
def test_sctp(annotations: dict[str, str], expected: tuple[str, str]) -> None:
    subject = service(annotations=annotations, ports=[port(protocol="SCTP")])
    assert seen(subject, endpoints("a", protocol="SCTP"), *nodes("azure"))[:2] == expected


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, ("Unknown", "ProtocolNotServed"), id="the sync fails"),
        pytest.param({INTERNAL: "true"}, ("Unknown", "ProtocolNotServed"), id="Azure may reject the rules"),
        pytest.param({f"{PREFIX}port_81_no_lb_rule": "true"}, SAFE[:2], id="SCTP has no rule"),
        pytest.param(ONE_RULE, SAFE[:2], id="one rule for all"),
    ],
)
def test_a_port_beside_sctp(annotations: dict[str, str], expected: tuple[str, str]) -> None:
    """azure_loadbalancer.go getExpectedLBRules: an error for one port fails the Service."""
    ports = [port(), port("sctp", 81, 30081, "SCTP")]
    subject = service(annotations=annotations, ports=ports, ingress=[{"ip": "10.1.0.9"}])
    assert seen(subject, endpoints("a"), *nodes("azure"))[:2] == expected


IPV4, IPV6 = {"ip": "10.1.0.9"}, {"ip": "fd00::9"}
NO_NODE_PORT = Seen("NoTargets", "NoNodePort", "", "")


@pytest.mark.parametrize(
    ("annotations", "families", "addresses", "node_port", "expected"),
    [
        pytest.param({INTERNAL: "true"}, ["IPv4"], [IPV4], 0, SAFE, id="floating IP needs no node port"),
        pytest.param({}, ["IPv6"], [IPV6], 0, SAFE, id="neither does IPv6 that is not internal"),
        pytest.param({INTERNAL: "true"}, ["IPv6"], [IPV6], 0, NO_NODE_PORT, id="internal IPv6 does not float"),
        pytest.param({INTERNAL: "true"}, ["IPv6"], [IPV6], 30080, SAFE, id="internal IPv6 with a node port"),
        pytest.param(
            {INTERNAL: "true"},
            ["IPv4", "IPv6"],
            [IPV4, IPV6],
            0,
            Seen("Unknown", "NoNodePort", "abc", "bc"),
            id="beside IPv4: not known whether Azure takes both rules",
        ),
        pytest.param(
            {f"{PREFIX}azure-disable-load-balancer-floating-ip": "true"},
            ["IPv4"],
            [IPV4],
            0,
            NO_NODE_PORT,
            id="floating IP off",
        ),
        pytest.param(ONE_RULE, ["IPv4"], [IPV4], 0, SAFE, id="one rule for all ports floats"),
        pytest.param(
            ONE_RULE,
            ["IPv6"],
            [IPV6],
            30080,
            Seen("Unknown", "NoNodePort", "abc", "bc"),
            id="with internal IPv6 it keeps the port of the Service",
        ),
    ],
)
def test_without_floating_ip_a_port_needs_a_node_port(
    annotations: dict[str, str], families: list[str], addresses: list[Json], node_port: int, expected: Seen
) -> None:
    """The end of azure_loadbalancer.go getExpectedLoadBalancingRulePropertiesForPort."""
    subject = service(
        annotations=annotations, ipFamilies=families, ingress=addresses, ports=[port(node_port=node_port)]
    )
    slices = [endpoints("a", family=family) for family in families]
    assert seen(subject, *slices, *nodes("azure")) == expected


def test_recognition() -> None:
    assert world(service(), endpoints("a"), *nodes("azure")).consumer().consumer.evidence.value == "assumed"
    marked = service(annotations={f"{PREFIX}azure-load-balancer-internal": "true"})
    assert world(marked, endpoints("a"), *nodes("azure")).consumer().consumer.evidence.value == "documented"
    other = world(marked, endpoints("a"), *nodes(""))
    assert not any(v.consumer.family == "azure-load-balancer" for v in other.assessment.consumers)
