"""Target groups that send to all targets below a share of healthy ones, target groups of several clusters, and two
protocols on one port number.

AWS documentation "Target group health"; aws-load-balancer-controller v3.5.0 docs/guide/targetgroupbinding,
#1608.
"""

from __future__ import annotations

import pytest

from tests.assess.consumers.families.aws_lbc.objects import (
    ALB,
    NLB,
    Json,
    Shop,
    binding,
    endpoints,
    gateway,
    gateway_owner,
    ingress,
    load_balancer,
    node,
    port,
    service,
    service_owner,
    target_configuration,
)

MINIMUM = "target_group_health.unhealthy_state_routing.minimum_healthy_targets"
ATTRIBUTES = "target-group-attributes"


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([ingress()], "TargetsUnhealthy", id="default: one healthy target is enough"),
        pytest.param(
            [ingress(annotations={ATTRIBUTES: f"{MINIMUM}.percentage=50"})],
            "Blackhole",
            id="Ingress: 1 of 3 < 50 %",
        ),
        pytest.param(
            [ingress(annotations={ATTRIBUTES: f"{MINIMUM}.percentage=33"})],
            "TargetsUnhealthy",
            id="Ingress: 1 of 3 is not below 33 %",
        ),
        pytest.param(
            [ingress(annotations={ATTRIBUTES: f"{MINIMUM}.count=2,stickiness.enabled=true"})],
            "Blackhole",
            id="Ingress: fewer than 2",
        ),
        pytest.param(
            [ingress(annotations={ATTRIBUTES: f"{MINIMUM}.percentage=off"})], "TargetsUnhealthy", id="Ingress: off"
        ),
        pytest.param(
            [ingress(), service(annotations={f"{ALB}{ATTRIBUTES}": f"{MINIMUM}.count=2"})],
            "Blackhole",
            id="annotation of the Service",
        ),
        pytest.param(
            [
                ingress(annotations={ATTRIBUTES: f"{MINIMUM}.count=2"}),
                service(annotations={f"{ALB}{ATTRIBUTES}": f"{MINIMUM}.count=1"}),
            ],
            "TargetsUnhealthy",
            id="the Service's goes before the Ingress's",
        ),
        pytest.param(
            [load_balancer(annotations={f"{NLB}{ATTRIBUTES}": f"{MINIMUM}.count=3"})], "Blackhole", id="NLB"
        ),
        pytest.param(
            [load_balancer(annotations={f"{NLB}{ATTRIBUTES}.80": f"{MINIMUM}.count=3"})],
            "Blackhole",
            id="NLB: of the port",
        ),
        pytest.param(
            [load_balancer(annotations={f"{NLB}{ATTRIBUTES}.81": f"{MINIMUM}.count=3"})],
            "TargetsUnhealthy",
            id="NLB: of another port",
        ),
        pytest.param(
            [
                load_balancer(
                    annotations={
                        f"{NLB}{ATTRIBUTES}": f"{MINIMUM}.count=3",
                        f"{NLB}{ATTRIBUTES}.80": f"{MINIMUM}.count=",
                    }
                )
            ],
            "Blackhole",
            id="NLB: an empty value of the port keeps that of all",
        ),
        pytest.param(
            [
                load_balancer(),
                gateway(),
                binding(owner=gateway_owner("alb")),
                target_configuration(
                    healthCheckConfig={"healthCheckPort": "traffic-port"},
                    targetGroupAttributes=[{"key": f"{MINIMUM}.percentage", "value": "100"}],
                ),
            ],
            "Blackhole",
            id="TargetGroupConfiguration",
        ),
    ],
)
def test_below_the_minimum_all_targets_get_traffic(objects: list[Json], expected: str) -> None:
    assert Shop(*objects).assessment().outcome.name == expected


ZONE = "topology.kubernetes.io/zone"
ZONED = [node(name, labels={ZONE: zone}) for name, zone in zip("abcdef", "xxyyzz", strict=True)]
"""Two nodes in each of three zones."""
CROSS_ZONE = "load_balancing.cross_zone.enabled"
TWO_HEALTHY = {f"{NLB}{ATTRIBUTES}": f"{MINIMUM}.count=2"}


@pytest.mark.parametrize(
    ("annotations", "on", "expected"),
    [
        pytest.param({}, "ace", "TargetsUnhealthy", id="the default is enough in each zone"),
        pytest.param({}, "a", "TargetsUnhealthy", id="a zone without a healthy target gets no traffic"),
        pytest.param(TWO_HEALTHY, "ace", "MinimumHealthyNotKnown", id="3 in total, and 1 in each zone"),
        pytest.param(TWO_HEALTHY, "a", "TooFewHealthyTargets", id="too few in total, and in each zone"),
        pytest.param(TWO_HEALTHY, "abc", "MinimumHealthyNotKnown", id="enough in one zone"),
        pytest.param(
            {f"{NLB}{ATTRIBUTES}": f"{MINIMUM}.percentage=50"},
            "ab",
            "MinimumHealthyNotKnown",
            id="too few in total, and enough in one zone",
        ),
        pytest.param(
            {f"{NLB}{ATTRIBUTES}": f"{MINIMUM}.percentage=50"}, "ace", "TargetsUnhealthy", id="enough in each"
        ),
        pytest.param(
            {**TWO_HEALTHY, f"{NLB}cross-zone-load-balancing-enabled": "true"},
            "ace",
            "TargetsUnhealthy",
            id="an annotation turns cross-zone on",
        ),
        pytest.param(
            {**TWO_HEALTHY, f"{NLB}attributes": f"{CROSS_ZONE}=true"},
            "ace",
            "TargetsUnhealthy",
            id="an attribute of the load balancer",
        ),
        pytest.param(
            {
                **TWO_HEALTHY,
                f"{NLB}cross-zone-load-balancing-enabled": "false",
                f"{NLB}attributes": f"{CROSS_ZONE}=true",
            },
            "ace",
            "MinimumHealthyNotKnown",
            id="the annotation of its own goes before the attribute",
        ),
        pytest.param(
            {f"{NLB}{ATTRIBUTES}": f"{MINIMUM}.count=2,{CROSS_ZONE}=true"},
            "ace",
            "TargetsUnhealthy",
            id="an attribute of the target group",
        ),
    ],
)
def test_an_nlb_counts_each_zone_for_itself(annotations: dict[str, str], on: str, expected: str) -> None:
    """AWS documentation, "Target group health": without cross-zone load balancing, the thresholds apply to the
    number of targets in each enabled zone separately."""
    (verdict,) = Shop(load_balancer(annotations=annotations), *ZONED, on=on).verdicts()
    assert verdict.reason.code == expected


def test_an_alb_counts_each_zone_where_its_target_group_does_not_cross_zones() -> None:
    few = f"{MINIMUM}.count=2"
    assert Shop(ingress(annotations={ATTRIBUTES: few}), *ZONED, on="ace").assessment().reason.code == (
        "TargetsUnhealthy"
    )
    off = Shop(ingress(annotations={ATTRIBUTES: f"{few},{CROSS_ZONE}=false"}), *ZONED, on="ace")
    assert off.assessment().reason.code == "MinimumHealthyNotKnown"


def test_resilience_is_not_known_where_each_zone_counts_for_itself() -> None:
    """The figure counts the healthy targets of all zones."""
    half = load_balancer(annotations={f"{NLB}{ATTRIBUTES}": f"{MINIMUM}.percentage=50"})
    assert Shop(half, *ZONED, on="ace").verdicts()[0].resilience is None
    assert Shop(half, *ZONED, on="abcdef").verdicts()[0].resilience is not None
    assert Shop(load_balancer(), *ZONED, on="ace").verdicts()[0].resilience is not None


EXCLUDED = {"node.kubernetes.io/exclude-from-external-load-balancers": "true"}


@pytest.mark.parametrize(
    ("objects", "on", "expected"),
    [
        pytest.param([binding(multiClusterTargetGroup=True)], "a", "Unknown", id="binding: its check is AWS's"),
        pytest.param(
            [
                binding(multiClusterTargetGroup=True),
                node("a", labels=EXCLUDED),
                node("b"),
            ],
            "a",
            "Unknown",
            id="no covered target here",
        ),
        pytest.param(
            [binding(multiClusterTargetGroup=True), node("a", labels=EXCLUDED)],
            "a",
            "Unknown",
            id="no target here",
        ),
        pytest.param([binding(multiClusterTargetGroup=True)], "abc", "Covered", id="all covered"),
        pytest.param(
            [ingress(annotations={"multi-cluster-target-group": "true"}), node("a", labels=EXCLUDED), node("b")],
            "a",
            "Unknown",
            id="annotation of an Ingress",
        ),
        pytest.param(
            [
                service(annotations={f"{ALB}multi-cluster-target-group": "false"}),
                ingress(annotations={"multi-cluster-target-group": "true"}),
                node("a", labels=EXCLUDED),
                node("b"),
            ],
            "a",
            "Unknown",
            id="a Service does not turn it off for an Ingress",
        ),
        pytest.param(
            [
                load_balancer(annotations={f"{NLB}multi-cluster-target-group": "true"}),
                node("a", labels=EXCLUDED),
                node("b"),
            ],
            "a",
            "Unknown",
            id="annotation of an NLB",
        ),
        pytest.param([ingress(), node("a", labels=EXCLUDED), node("b")], "a", "Outage", id="one cluster"),
    ],
)
def test_other_clusters_may_have_targets(objects: list[Json], on: str, expected: str) -> None:
    assert Shop(*objects, on=on).assessment().outcome.name == expected


TWO = [port(443, "https", 30443, protocol="TCP"), port(443, "h3", 30443, protocol="UDP")]
HTTPS = {"name": "https", "port": 8443, "protocol": "TCP"}
H3 = {"name": "h3", "port": 8443, "protocol": "UDP"}


def test_tcp_and_udp_on_one_number_are_two_ports() -> None:
    """The health check of the healthCheckNodePort passes where any port has an endpoint."""
    tcp = endpoints("web", "a", "b", ports=[HTTPS])
    udp = endpoints("web", "a", ports=[H3])
    udp["metadata"]["name"] = "web-h3"
    shop = Shop(load_balancer(ports=TWO, annotations={f"{NLB}enable-tcp-udp-listener": "true"}), tcp, udp)
    found = {v.consumer.port: v.outcome.name for v in shop.verdicts()}
    assert found == {"https": "TargetsUnhealthy", "h3": "Blackhole"}


@pytest.mark.parametrize(
    ("protocol", "ports"),
    [("TCP_UDP", {"https", "h3"}), ("UDP", {"h3"}), ("TLS", {"https"}), ("TCP", {"https"})],
)
def test_a_binding_serves_the_ports_of_its_protocol(protocol: str, ports: set[str]) -> None:
    bound = binding(of_port=443, targetGroupProtocol=protocol, owner=service_owner())
    shop = Shop(load_balancer(ports=TWO, loadBalancerClass="other"), bound)
    assert {c.port for c in shop.consumers()} == ports


def test_an_nlb_has_no_sctp() -> None:
    shop = Shop(
        load_balancer(ports=[port(protocol="SCTP")]),
        endpoints("web", "a", "b", "c", ports=[{"name": "http", "port": 8080, "protocol": "SCTP"}]),
    )
    (verdict,) = shop.verdicts()
    assert (verdict.outcome.name, verdict.reason.code) == ("NoTargets", "ProtocolNotServed")


def test_advice_lowers_the_minimum() -> None:
    advice = Shop(ingress(annotations={ATTRIBUTES: f"{MINIMUM}.percentage=50"})).advice()
    assert advice[0].startswith("Remove minimum_healthy_targets from the attributes")
    assert not any("Let the health check probe" in text for text in advice)


def test_advice_on_a_protocol_that_is_not_served_looks_for_no_nodes() -> None:
    slices = endpoints("web", "a", ports=[{"name": "http", "port": 8080, "protocol": "SCTP"}])
    (advice,) = Shop(load_balancer(ports=[port(protocol="SCTP")]), slices).advice()
    assert advice.startswith("Serve this port by other means")
