"""CLB and NLB of cloud-provider-aws: pkg/providers/v1/aws.go and aws_loadbalancer.go."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.probe import (
    HealthCheckNodePort,
    KubeProxyHealthz,
    NotModelled,
    OwnNodePort,
    PassesNowhere,
    Probe,
)
from tests.assess.consumers.checks import pins, settings_of
from tests.assess.consumers.worlds import (
    HEALTH_CHECK_NODE_PORT,
    Json,
    Seen,
    endpoints,
    node,
    nodes,
    port,
    seen,
    service,
    world,
)

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
TYPE, PORT, PROTOCOL = f"{PREFIX}type", f"{PREFIX}healthcheck-port", f"{PREFIX}healthcheck-protocol"
PATH, LABELS = f"{PREFIX}healthcheck-path", f"{PREFIX}target-node-labels"
ATTRIBUTES = f"{PREFIX}target-group-attributes"
NLB = {TYPE: "nlb"}
DNS = port("dns", 53, 30053, "UDP")
SAFE = Seen("TargetsUnhealthy", "TargetsUnhealthy", "abc", "bc")
LOST = Seen("Blackhole", "Blackhole", "abc", "bc")
NONE_HEALTHY = Seen("Unknown", "NoneHealthyNotKnown", "abc", "bc")


def annotated(annotations: dict[str, str], **more: object) -> list[Json]:
    return [service(annotations=annotations, **more), endpoints("a"), *nodes("aws")]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("annotations", "probe", "expected"),
    [
        pytest.param({}, HealthCheckNodePort(), SAFE, id="CLB: HTTP on healthCheckNodePort"),
        pytest.param(NLB, HealthCheckNodePort(), SAFE, id="NLB: HTTP on healthCheckNodePort"),
        pytest.param({PORT: "traffic-port"}, OwnNodePort("http"), SAFE, id="CLB: forced to the first node port"),
        pytest.param({**NLB, PORT: "traffic-port"}, OwnNodePort("http"), SAFE, id="NLB: forced to traffic-port"),
        pytest.param({PROTOCOL: "TCP"}, HealthCheckNodePort(any_answer=True), LOST, id="CLB: TCP passes anywhere"),
        pytest.param(
            {**NLB, PROTOCOL: "tcp"}, HealthCheckNodePort(any_answer=True), LOST, id="NLB: protocol in any case"
        ),
        pytest.param(
            {**NLB, PORT: str(HEALTH_CHECK_NODE_PORT)}, HealthCheckNodePort(), SAFE, id="pinned to the same port"
        ),
        pytest.param(
            {**NLB, PORT: str(HEALTH_CHECK_NODE_PORT), PROTOCOL: "TCP"},
            HealthCheckNodePort(any_answer=True),
            LOST,
            id="pinned, and TCP",
        ),
        pytest.param({**NLB, PORT: "30080"}, OwnNodePort("http"), SAFE, id="the node port by its number"),
        pytest.param({PORT: "10256"}, None, LOST, id="kube-proxy's healthz passes everywhere"),
        pytest.param(
            {PROTOCOL: "SSL"},
            NotModelled("the check uses SSL, and the healthCheckNodePort answers plain HTTP"),
            Seen("Unknown", "HealthCheckPortNotModelled", "abc", "bc"),
            id="TLS on a plain HTTP port",
        ),
        pytest.param(
            {**NLB, PROTOCOL: "HTTPS"},
            PassesNowhere("kube-proxy answers plain HTTP"),
            Seen("Blackhole", "NoHealthyTarget", "abc", "bc"),
            id="NLB: TLS on a plain HTTP port, and it fails open",
        ),
        pytest.param(
            {**NLB, PROTOCOL: "HTTPS", PORT: "10256"},
            PassesNowhere("kube-proxy answers plain HTTP there"),
            Seen("Blackhole", "NoHealthyTarget", "abc", "bc"),
            id="NLB: TLS on kube-proxy's healthz",
        ),
        pytest.param(
            {**NLB, PATH: "/", PORT: "10256"},
            PassesNowhere("kube-proxy answers 404 to /"),
            Seen("Blackhole", "NoHealthyTarget", "abc", "bc"),
            id="NLB: a path that kube-proxy does not serve, and it fails open",
        ),
        pytest.param(
            {PATH: "/", PORT: "10256"},
            PassesNowhere("kube-proxy answers 404 to /"),
            NONE_HEALTHY,
            id="CLB: a path that kube-proxy does not serve",
        ),
        pytest.param(
            {PROTOCOL: "SSL", PORT: "10256"},
            PassesNowhere("kube-proxy answers plain HTTP there"),
            NONE_HEALTHY,
            id="CLB: TLS on kube-proxy's healthz",
        ),
        pytest.param({PATH: "/livez", PORT: "10256"}, KubeProxyHealthz(), LOST, id="CLB: a path that it serves"),
        pytest.param(
            {PORT: "9100"},
            None,
            Seen("Unknown", "HealthCheckPortNotModelled", "abc", "bc"),
            id="a node exporter's port",
        ),
        pytest.param(
            {PORT: "http"}, None, Seen("Unknown", "InvalidAnnotation", "abc", "bc"), id="names are errors"
        ),
        pytest.param({PORT: "99999"}, None, Seen("Unknown", "InvalidAnnotation", "abc", "bc"), id="out of range"),
    ],
)
def test_health_check(annotations: dict[str, str], probe: Probe | None, expected: Seen) -> None:
    made = world(*annotated(annotations))
    assert seen(*annotated(annotations)) == expected
    if probe is not None:
        assert made.consumer().consumer.probe == probe


PROXIED = {ATTRIBUTES: "proxy_protocol_v2.enabled=true"}
NOWHERE = PassesNowhere("kube-proxy does not understand PROXY protocol")
FAILS_OPEN = Seen("Blackhole", "NoHealthyTarget", "abc", "bc")


@pytest.mark.parametrize(
    ("annotations", "probe", "expected"),
    [
        pytest.param({**NLB, **PROXIED}, NOWHERE, FAILS_OPEN, id="NLB: kube-proxy does not speak it"),
        pytest.param({**NLB, **PROXIED, PORT: "10256"}, NOWHERE, FAILS_OPEN, id="NLB: on 10256 neither"),
        pytest.param(
            {**NLB, **PROXIED, PORT: "10256", PROTOCOL: "TCP"}, KubeProxyHealthz(), LOST, id="NLB: TCP on 10256"
        ),
        pytest.param(
            {**NLB, **PROXIED, PROTOCOL: "TCP"},
            HealthCheckNodePort(any_answer=True),
            LOST,
            id="NLB: TCP only connects",
        ),
        pytest.param({**NLB, **PROXIED, PORT: "traffic-port"}, OwnNodePort("http"), SAFE, id="NLB: pods speak it"),
        pytest.param(
            {**NLB, ATTRIBUTES: "preserve_client_ip.enabled=true, proxy_protocol_v2.enabled=true"},
            NOWHERE,
            FAILS_OPEN,
            id="NLB: beside another attribute",
        ),
        pytest.param(
            {**NLB, ATTRIBUTES: "proxy_protocol_v2.enabled=false"},
            HealthCheckNodePort(),
            SAFE,
            id="NLB: switched off",
        ),
        pytest.param(
            {**NLB, ATTRIBUTES: "proxy_protocol_v2.enabled=on"},
            None,
            Seen("Unknown", "InvalidAttributes", "abc", "bc"),
            id="NLB: validateServiceAnnotationTargetGroupAttributes",
        ),
        pytest.param(
            {**NLB, ATTRIBUTES: "proxy_protocol_v2.enabled =true"},
            None,
            Seen("Unknown", "InvalidAttributes", "abc", "bc"),
            id="NLB: the same, with a blank in the name",
        ),
        pytest.param(
            {**NLB, f"{PREFIX}proxy-protocol": "*"}, HealthCheckNodePort(), SAFE, id="NLB: never reads the CLB's"
        ),
        pytest.param(
            {f"{PREFIX}proxy-protocol": "*"}, HealthCheckNodePort(), SAFE, id="CLB: not on the check's port"
        ),
    ],
)
def test_proxy_protocol(annotations: dict[str, str], probe: Probe | None, expected: Seen) -> None:
    assert seen(*annotated(annotations)) == expected
    if probe is not None:
        assert world(*annotated(annotations)).consumer().consumer.probe == probe


def test_a_clb_checks_its_first_port_for_all() -> None:
    two = annotated({PORT: "traffic-port"}, ports=[port(), port("admin", 81, 30081)])
    made = world(*two, endpoints("b", ports=["admin"]))
    assert made.consumer("admin").consumer.probe == OwnNodePort("http")
    assert made.consumer("admin").outcome.name == "Blackhole"


def test_an_nlb_checks_each_port_for_itself() -> None:
    two = annotated({**NLB, PORT: "traffic-port"}, ports=[port(), port("admin", 81, 30081)])
    made = world(*two, endpoints("b", ports=["admin"]))
    assert made.consumer("admin").consumer.probe == OwnNodePort("admin")
    assert made.consumer("admin").outcome.name == "TargetsUnhealthy"


def test_no_check_reaches_a_udp_port() -> None:
    """aws.go buildNLBHealthCheckConfiguration: a check by HTTP or TCP goes to the number of the UDP port."""
    dns = annotated({**NLB, PORT: "traffic-port", PROTOCOL: "TCP"}, ports=[DNS])[0]
    served = endpoints("a", ports=["dns"], protocol="UDP")
    assert seen(dns, served, *nodes("aws"), port_name="dns") == Seen(
        "Unknown", "HealthCheckPortNotModelled", "abc", "bc"
    )
    other = service("probe", type="NodePort", ports=[port("probe", 80, 30053)])
    answered = endpoints("a", of="probe", ports=["probe"])
    assert seen(dns, served, other, answered, *nodes("aws"), port_name="dns") == SAFE, (
        "another Service has the number for TCP"
    )


def test_another_services_node_port_is_followed() -> None:
    other = service("probe", type="NodePort", ports=[port("probe", 80, 31000)], externalTrafficPolicy="Cluster")
    objects = [*annotated({PORT: "31000"}), other, endpoints("c", of="probe", ports=["probe"])]
    made = world(*objects)
    assert seen(*objects) == LOST
    made.put(service("probe", type="NodePort", ports=[port("probe", 80, 31000)]))
    assert made.consumer().outcome.name == "Blackhole", "c drops, and the probed Service answers there"
    made.put(endpoints("a", of="probe", ports=["probe"]))
    assert made.consumer().outcome.name == "TargetsUnhealthy"


@pytest.mark.parametrize(
    ("value", "eligible"),
    [
        pytest.param("pool=edge", "b", id="a value must match"),
        pytest.param("pool=", "ab", id="an empty value admits any"),
        pytest.param("pool", "ab", id="a bare key admits any"),
        pytest.param("pool=edge,zone=1", "b", id="all pairs must match"),
        pytest.param(" pool=edge , ", "b", id="blanks around pairs"),
        pytest.param("pool =edge", "", id="a blank after a key is a part of it"),
        pytest.param("pool= edge", "", id="a blank before a value is a part of it"),
        pytest.param("pool=edge=core", "b", id="what follows a second sign is ignored"),
        pytest.param("pool=core,pool=edge", "b", id="the last value of a key decides"),
        pytest.param("=edge", "abc", id="a value without a key is no filter"),
        pytest.param("pool=egde", "", id="a typo leaves no node"),
        pytest.param("", "abc", id="empty is no filter"),
        pytest.param(",,", "abc", id="only commas are no filter"),
    ],
)
def test_target_node_labels(value: str, eligible: str) -> None:
    members = [
        node("a", "aws:///z/i-a", labels={"pool": "core"}),
        node("b", "aws:///z/i-b", labels={"pool": "edge", "zone": "1"}),
        node("c", "aws:///z/i-c"),
    ]
    found = seen(service(annotations={LABELS: value}), endpoints("a", "b", "c"), *members)
    assert found == Seen(
        "Covered" if eligible else "NoTargets", "Covered" if eligible else "NoTargets", eligible, ""
    )


@pytest.mark.parametrize(
    "provider_id", ["", "eks-hybrid:///region/cluster/mi-0123", "aws:///eu-west-1a/fargate-10.0.0.1"]
)
def test_a_bad_provider_id_is_skipped_and_blocks_nothing(provider_id: str) -> None:
    """aws_loadbalancer.go:1802-1857."""
    objects = [service(), endpoints("a"), *nodes("aws", "a", "b"), node("c", provider_id)]
    assert seen(*objects) == Seen("TargetsUnhealthy", "TargetsUnhealthy", "ab", "b")


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(service(annotations={TYPE: "external"}), id="aws.go isLBExternal: external is left alone"),
        pytest.param(service(annotations={TYPE: "nlb-ip"}), id="aws.go isLBExternal: nlb-ip is left alone"),
        pytest.param(service(loadBalancerClass="service.k8s.aws/nlb"), id="the class is another controller's"),
        pytest.param(service(type="NodePort"), id="a NodePort"),
        pytest.param(service(ingress=[{"ip": "203.0.113.9"}]), id="AWS answers with host names only"),
    ],
)
def test_not_the_aws_cloud_providers(subject: Json) -> None:
    made = world(subject, endpoints("a"), *nodes("aws"))
    assert not any(v.consumer.family == "aws-cloud-provider" for v in made.assessment.consumers)


def test_a_port_without_node_port_cannot_be_registered() -> None:
    bare = service(
        annotations={LABELS: "pool=edge"},
        ports=[port(node_port=0)],
        ingress=[{"hostname": "x.elb.amazonaws.com"}],
        externalIPs=["203.0.113.1"],
    )
    members = nodes("aws", labels={"pool": "edge"})
    assert seen(bare, endpoints("a"), *members) == Seen("NoTargets", "NoNodePort", "", "")


def test_the_advice_pins_the_check_to_the_health_check_node_port() -> None:
    """A change to Cluster takes that port away, and every target would turn unhealthy."""
    pinned = world(*annotated({PORT: str(HEALTH_CHECK_NODE_PORT)})).consumer().consumer
    assert pins(pinned)
    assert not pins(world(*annotated({})).consumer().consumer)


def test_the_health_check_is_shown_as_configured() -> None:
    check = settings_of(world(*annotated({PATH: "/ready", PORT: "30080"})).consumer().consumer)
    assert check is not None
    assert (check.port, check.protocol, check.path) == ("30080", "HTTP", "/ready")
    plain = settings_of(world(*annotated({PROTOCOL: "TCP"})).consumer().consumer)
    assert plain is not None
    assert (plain.port, plain.protocol, plain.path) == ("32000", "TCP", "")


def test_advice_takes_the_misleading_annotation_away() -> None:
    first = world(*annotated({PORT: "10256"})).advice()[0]
    assert "The load balancer then checks the healthCheckNodePort" in first
    assert first.endswith(f"\nkubectl -n shop annotate service web {PORT}-")
    by_tcp = world(*annotated({PROTOCOL: "TCP"})).advice()[0]
    assert by_tcp.endswith(f"\nkubectl -n shop annotate service web {PROTOCOL}-")


def test_advice_for_a_typo_in_the_labels() -> None:
    first = world(*annotated({LABELS: "pool=egde"})).advice()[0]
    assert first.endswith(f"\nkubectl -n shop annotate service web {LABELS}-")


def test_what_a_change_to_cluster_costs_depends_on_the_balancer() -> None:
    classic, network = world(*annotated({})).advice()[-1], world(*annotated(NLB)).advice()[-1]
    assert "already hides it" in classic
    assert "node's address instead of the client's" in network
    assert network.index("change the policy first") < network.index(f"set the annotation {ATTRIBUTES} to")
    assert "ignores this annotation" in network
    assert f"set {PREFIX}proxy-protocol" not in network
    proxied = world(*annotated({**NLB, **PROXIED})).advice()
    assert "keeps carrying it" in proxied[-1]
    assert "ignores" not in proxied[-1]


def test_with_proxy_protocol_the_node_port_is_connected_to() -> None:
    first = world(*annotated({**NLB, **PROXIED})).advice()[0]
    assert f"kubectl -n shop annotate service web --overwrite {PORT}=traffic-port {PROTOCOL}=TCP" in first
    assert seen(*annotated({**NLB, **PROXIED, PORT: "traffic-port", PROTOCOL: "TCP"})) == SAFE


@pytest.mark.parametrize(
    ("attributes", "more", "left"),
    [
        pytest.param("proxy_protocol_v2.enabled=true", {}, None, id="alone"),
        pytest.param(
            "proxy_protocol_v2.enabled=true,preserve_client_ip.enabled=true",
            {},
            "preserve_client_ip.enabled=true",
            id="beside another attribute",
        ),
        pytest.param("proxy_protocol_v2.enabled=true", {PORT: "10256"}, None, id="and another port"),
    ],
)
def test_with_proxy_protocol_no_check_reaches_a_udp_port(
    attributes: str, more: dict[str, str], left: str | None
) -> None:
    annotations = {**NLB, ATTRIBUTES: attributes, **more}

    def of(annotations: dict[str, str]) -> list[Json]:
        served = endpoints("a", ports=["dns"], protocol="UDP")
        return [service(annotations=annotations, ports=[DNS]), served, *nodes("aws")]

    texts = world(*of(annotations)).advice()
    assert texts[0].startswith("Turn PROXY protocol off")
    assert texts[0].endswith(f"{ATTRIBUTES}-" if left is None else f"{ATTRIBUTES}={left}")
    assert not any("traffic-port" in text for text in texts)
    del annotations[ATTRIBUTES]
    if PORT in annotations:
        assert any(text.endswith(f"{PORT}-") for text in texts)
        del annotations[PORT]
    assert seen(*of(annotations | ({ATTRIBUTES: left} if left else {})), port_name="dns") == SAFE


def test_only_nodes_that_are_excluded_are_to_be_admitted() -> None:
    exclude = "node.kubernetes.io/exclude-from-external-load-balancers"
    hosts = [node("a", "aws:///z/i-a", labels={exclude: ""}), node("b", "")]
    first, *others = world(service(), endpoints("a", "b"), *hosts, *nodes("aws", "c")).advice()
    assert f"kubectl label node a {exclude}-" in first
    assert not any(exclude in text for text in others)
    unidentified = world(service(), endpoints("b"), node("b", ""), *nodes("aws", "c"))
    assert unidentified.consumer().outcome.name == "Outage"
    assert not any(exclude in text for text in unidentified.advice())


def test_a_pinned_check_is_taken_away_before_a_change_to_cluster() -> None:
    advice = world(*annotated({PORT: str(HEALTH_CHECK_NODE_PORT)})).advice()[-1]
    assert f"First remove {PORT}:" in advice


CLB_NAME, NLB_NAME = "a1.eu-west-1.elb.amazonaws.com", "a1.elb.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("hostname", "family"),
    [
        pytest.param(CLB_NAME, "aws-cloud-provider", id="Classic"),
        pytest.param(NLB_NAME, "aws-cloud-provider", id="Network"),
        pytest.param("a1.elb.cn-north-1.amazonaws.com.cn", "aws-cloud-provider", id="China"),
        pytest.param("a1.elb.amazonaws.com.example.net", None, id="another domain"),
        pytest.param("elbow.amazonaws.com", None, id="no load balancer"),
    ],
)
def test_its_host_name_is_a_mark_on_any_nodes(hostname: str, family: str | None) -> None:
    made = world(service(ingress=[{"hostname": hostname}]), endpoints("a"), *nodes(""))
    found = [v.consumer for v in made.assessment.consumers if v.consumer.family == "aws-cloud-provider"]
    assert [c.family for c in found] == ([family] if family else [])
    assert all(c.evidence.value == "documented" and not c.assumptions for c in found)


def test_by_the_nodes_alone_it_is_assumed() -> None:
    consumer = world(*annotated({})).consumer().consumer
    assert consumer.evidence.value == "assumed"
    assert "AWS" in consumer.assumptions[0]


def test_an_annotation_on_nodes_of_aws_is_a_mark() -> None:
    assert world(*annotated(NLB)).consumer().consumer.evidence.value == "documented"


def test_outscale_has_providerids_of_aws() -> None:
    """outscale/cloud-provider-osc 64174f3 ccm/cloud/loadbalancer.go."""
    made = world(*annotated({"service.beta.kubernetes.io/osc-load-balancer-name": "x"}))
    assert not any(v.consumer.family == "aws-cloud-provider" for v in made.assessment.consumers)


@pytest.mark.parametrize(
    ("annotations", "protocol", "expected"),
    [
        pytest.param(
            {}, "UDP", Seen("NoTargets", "ProtocolNotServed", "", ""), id="checkProtocol: CLB has no UDP"
        ),
        pytest.param(NLB, "UDP", SAFE, id="NLB has UDP"),
        pytest.param(NLB, "SCTP", Seen("NoTargets", "ProtocolNotServed", "", ""), id="NLB has no SCTP"),
    ],
)
def test_protocols(annotations: dict[str, str], protocol: str, expected: Seen) -> None:
    subject = service(annotations=annotations, ports=[port(protocol=protocol)])
    assert seen(subject, endpoints("a", protocol=protocol), *nodes("aws")) == expected


@pytest.mark.parametrize(
    ("annotations", "spec", "expected"),
    [
        pytest.param(NLB, {"ports": [port(), DNS]}, "MixedProtocols", id="NLB: checkMixedProtocol"),
        pytest.param({}, {"ports": [port(), DNS]}, "MixedProtocols", id="CLB: checkMixedProtocol"),
        pytest.param(NLB, {"sessionAffinity": "ClientIP"}, "SessionAffinityNotServed", id="2375 NLB"),
        pytest.param({}, {"sessionAffinity": "ClientIP"}, "SessionAffinityNotServed", id="2375 CLB"),
        pytest.param({}, {"sessionAffinity": "None"}, "TargetsUnhealthy", id="2375 no affinity"),
    ],
)
def test_the_controller_refuses_the_whole_service(
    annotations: dict[str, str], spec: dict[str, Any], expected: str
) -> None:
    subject = service(annotations=annotations, ingress=[{"hostname": CLB_NAME}], **spec)
    made = world(subject, endpoints("a"), *nodes("aws"))
    assert made.consumer().reason.code == expected


def test_advice_for_several_protocols() -> None:
    subject = service(annotations={**NLB, PORT: "traffic-port"}, ports=[port(), DNS])
    slices = [endpoints("a"), endpoints("a", ports=["dns"], protocol="UDP")]
    assert world(subject, *slices, *nodes("aws")).advice()[0].startswith("Give each protocol a Service")


def test_without_an_address_the_refused_protocol_is_a_known_cause() -> None:
    subject = service(ports=[port(protocol="UDP"), port("tcp", 80, 30080)], in_cluster=True)
    verdict = world(subject, endpoints("a", protocol="UDP"), *nodes("aws")).consumer()
    assert verdict.reason.code == "NoAddress"
    assert "has no UDP" in verdict.reason.detail
    assert "several protocols" in verdict.reason.detail


MINIMUM = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count=2"


@pytest.mark.parametrize(
    ("annotations", "protocol", "code"),
    [
        pytest.param(
            {**NLB, ATTRIBUTES: MINIMUM}, "TCP", "InvalidAttributes", id="an attribute that it does not take"
        ),
        pytest.param({**NLB, ATTRIBUTES: ""}, "TCP", "TargetsUnhealthy", id="none"),
        pytest.param(
            {**NLB, ATTRIBUTES: "preserve_client_ip.enabled=false"},
            "TCP",
            "TargetsUnhealthy",
            id="one that it takes",
        ),
        pytest.param(
            {**NLB, ATTRIBUTES: "preserve_client_ip.enabled=no"},
            "TCP",
            "InvalidAttributes",
            id="a value that is no bool",
        ),
        pytest.param(
            {**NLB, ATTRIBUTES: "preserve_client_ip.enabled=false"}, "UDP", "InvalidAttributes", id="not with UDP"
        ),
        pytest.param(
            {ATTRIBUTES: "preserve_client_ip.enabled=true"}, "TCP", "InvalidAttributes", id="Classic Load Balancer"
        ),
    ],
)
def test_attributes_of_target_groups(annotations: dict[str, str], protocol: str, code: str) -> None:
    """aws_validations.go validateServiceAnnotationTargetGroupAttributes."""
    subject = service(annotations=annotations, ports=[port(protocol=protocol)])
    assert seen(subject, endpoints("a", protocol=protocol), *nodes("aws")).reason == code


@pytest.mark.parametrize(
    ("annotations", "hostname", "changed"),
    [
        pytest.param(NLB, CLB_NAME, True, id="Classic, and the annotation asks for an NLB"),
        pytest.param({}, NLB_NAME, True, id="Network, without annotation"),
        pytest.param(NLB, NLB_NAME, False, id="Network"),
        pytest.param({}, CLB_NAME, False, id="Classic"),
        pytest.param(NLB, "lb.example.net", False, id="a name that does not tell"),
    ],
)
def test_the_type_does_not_change_after_creation(
    annotations: dict[str, str], hostname: str, changed: bool
) -> None:
    """aws_validations.go validateServiceAnnotations."""
    made = service(annotations=annotations, ingress=[{"hostname": hostname}])
    found = seen(made, endpoints("a"), *nodes("aws"))
    assert (found.reason == "LoadBalancerTypeChanged") is changed
    assert (found.outcome == "Unknown") is changed


def test_what_a_classic_load_balancer_does_without_a_healthy_node_is_not_known() -> None:
    subject = service(annotations={PORT: "10256"}, ingress=[{"hostname": CLB_NAME}])
    assert seen(subject, endpoints(terminating="a"), *nodes("aws")).outcome == "Blackhole"
    subject = service(ingress=[{"hostname": CLB_NAME}])
    assert seen(subject, endpoints(terminating="a"), *nodes("aws")).reason == "NoneHealthyNotKnown"


def test_a_port_without_a_node_port_has_no_target() -> None:
    """aws.go EnsureLoadBalancer ignores it."""
    subject = service(ports=[port(), port("bare", 81, 0)], ingress=[{"hostname": CLB_NAME}])
    made = world(subject, endpoints("a", ports=["http", "bare"]), *nodes("aws"))
    assert made.consumer("bare").reason.code in ("NoNodePort", "PortNotServed")


def test_advice_where_the_controller_refuses_an_annotation() -> None:
    for attribute in (MINIMUM, "proxy_protocol_v2.enabled=on"):
        refused = world(*annotated({**NLB, ATTRIBUTES: attribute}))
        assert refused.advice()[0].startswith(f"Remove the annotation {ATTRIBUTES}")
        assert "it serves no port of the Service" in refused.consumer().reason.detail
    made = service(annotations=NLB, ingress=[{"hostname": CLB_NAME}])
    (found,) = world(made, endpoints("a"), *nodes("aws")).advice()
    assert found.startswith(f"Undo the change of the annotation {TYPE}")


def test_advice_for_udp_behind_a_classic_load_balancer() -> None:
    subject = service(ports=[port(protocol="UDP")])
    (advice,) = world(subject, endpoints("a", protocol="UDP"), *nodes("aws")).advice()
    assert advice.startswith("Serve this port by a Network Load Balancer")


def test_an_nlb_takes_a_zone_without_a_pod_out_of_dns() -> None:
    zoned = [
        node(name, f"aws:///z-{name}/i-{name}", labels={"topology.kubernetes.io/zone": f"z-{name}"})
        for name in "abc"
    ]
    crosses = f"{PREFIX}cross-zone-load-balancing-enabled"
    for asked, said in (
        (NLB, True),
        ({PORT: "traffic-port"}, False),
        ({**NLB, crosses: "false"}, True),
        ({**NLB, crosses: "true"}, False),
    ):
        advice = world(service(annotations=asked), endpoints("a"), *zoned).advice()
        assert any("No node with a pod is in z-b, z-c" in text for text in advice) is said


@pytest.mark.parametrize(("annotations", "hostname"), [(NLB, NLB_NAME), ({}, CLB_NAME)])
def test_a_dual_stack_service_is_served_over_ipv4(annotations: dict[str, str], hostname: str) -> None:
    subject = service(annotations=annotations, ingress=[{"hostname": hostname}], ipFamilies=["IPv4", "IPv6"])
    assert seen(subject, endpoints(*"abc"), *nodes("aws")).outcome == "Covered"
