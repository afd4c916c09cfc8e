"""What to do, in the field's order, each with what it costs on this very path."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from etpguard.assess.consumers.shared.aws_target_groups import ALB_CHECK
from etpguard.assess.consumers.targets import CheckSettings
from etpguard.foresight.detection.timing import Timing
from etpguard.objects.gateways import TARGET_GROUP_CONFIGURATION
from tests.assess.consumers.checks import pins, settings_of, shown
from tests.assess.consumers.families.aws_lbc.commands import followed
from tests.assess.consumers.families.aws_lbc.objects import (
    ALB,
    CHECK_PORT,
    NLB,
    Json,
    Shop,
    binding,
    class_params,
    endpoints,
    gateway,
    gateway_owner,
    ingress,
    ingress_class,
    ingress_owner,
    load_balancer,
    load_balancer_configuration,
    node,
    only,
    port,
    service,
    target_configuration,
)

CLUSTER = """kubectl -n shop patch service web -p '{"spec":{"externalTrafficPolicy":"Cluster"}}'"""
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
ON_KUBE_PROXY = {"healthcheck-port": "10256", "healthcheck-path": "/healthz"}


ON_10256 = target_configuration(healthCheckConfig={"healthCheckPort": "10256", "healthCheckPath": "/livez"})


def advice(*objects: Json, **given: Any) -> list[str]:
    return Shop(*objects, **given).advice()


def test_order_behind_an_alb() -> None:
    texts = advice(ingress())
    starts = [
        "Leave it as it is",
        "Target the pods",
        "Run a ready pod",
        "Or target only",
        "Let every node forward",
    ]
    assert [text[: len(start)] for text, start in zip(texts, starts, strict=True)] == starts


def test_no_advice_to_move_a_check_that_is_already_on_the_right_port() -> None:
    """Only terminating endpoints serve: so the healthCheckNodePort fails on every node."""
    ending = endpoints("web", "a")
    ending["endpoints"][0]["conditions"] = {"ready": False, "serving": True, "terminating": True}
    shop = Shop(load_balancer(), ending)
    verdict = only(shop)
    assert (verdict.outcome.name, verdict.reason.code) == ("Blackhole", "NoHealthyTarget")
    first = shown(next(iter(shop.family.advise(shop.service, verdict, ()))))
    assert first.startswith("Find out why no new pod is ready")
    assert "kubectl -n shop get endpointslices -l kubernetes.io/service-name=web" in first


@pytest.mark.parametrize(
    ("objects", "number", "expected"),
    [
        pytest.param(
            [ingress()],
            1,
            f"kubectl -n shop annotate service web --overwrite {ALB}target-type=ip",
            id="alb-target-type-on-the-service-which-goes-before-the-ingress",
        ),
        pytest.param([ingress()], 1, "X-Forwarded-For, as before", id="alb-pod-targets-cost-no-client-ip"),
        pytest.param([ingress()], 1, "requests are lost until their targets are registered", id="alb-gap"),
        pytest.param([load_balancer()], 1, "requests are lost until their targets are registered", id="nlb-gap"),
        pytest.param([ingress()], 2, '{"matchLabels": {"app": "web"}}', id="spread-with-the-services-selector"),
        pytest.param(
            [ingress()], 3, "kubectl label node a shop.lb-target/web=true", id="labels-for-the-pods-nodes"
        ),
        pytest.param(
            [ingress()], 3, f"{ALB}target-node-labels=shop.lb-target/web=true", id="alb-target-node-labels"
        ),
        pytest.param([ingress()], 4, CLUSTER, id="cluster"),
        pytest.param([ingress()], 4, "X-Forwarded-For", id="alb-cluster-keeps-the-client-ip"),
        pytest.param([ingress()], 4, "must trust", id="alb-cluster-changes-the-trusted-peer"),
        pytest.param(
            [load_balancer()],
            1,
            f"kubectl -n shop annotate service web --overwrite {NLB}nlb-target-type=ip",
            id="nlb-target-type",
        ),
        pytest.param([load_balancer()], 1, "preserve_client_ip", id="nlb-pod-targets-cost-the-client-ip"),
        pytest.param(
            [load_balancer()], 3, f"{NLB}target-node-labels=shop.lb-target/web=true", id="nlb-target-node-labels"
        ),
        pytest.param(
            [load_balancer()], 4, "the node's address instead of the client's", id="nlb-cluster-loses-it"
        ),
        pytest.param([load_balancer()], 4, f"{NLB}proxy-protocol=*", id="nlb-proxy-protocol-with-the-annotation"),
        pytest.param([load_balancer()], 4, "after the patch and not before", id="nlb-order-of-the-changes"),
        pytest.param(
            [load_balancer(annotations={f"{NLB}target-group-attributes": "proxy_protocol_v2.enabled=true"})],
            4,
            "keeps carrying it",
            id="nlb-with-proxy-protocol-on-loses-nothing",
        ),
        pytest.param(
            [load_balancer(annotations={f"{NLB}proxy-protocol-per-target-group": "443"})],
            4,
            f"{NLB}proxy-protocol=*",
            id="nlb-with-proxy-protocol-on-another-port-alone",
        ),
        pytest.param(
            [
                ingress(annotations={"target-node-labels": "pool=edge"}),
                *(node(n, labels={"pool": "edge"}) for n in "ab"),
            ],
            3,
            "target-node-labels=pool=edge,shop.lb-target/web=true",
            id="labels-that-are-there-stay",
        ),
    ],
)
def test_what_to_copy_and_what_it_costs(objects: list[Json], number: int, expected: str) -> None:
    assert expected in advice(*objects)[number]


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        pytest.param([ingress()], "takes 15 to 35 s", id="alb-until-the-threshold"),
        pytest.param(
            [load_balancer(annotations={f"{NLB}healthcheck-port": "traffic-port"})],
            "takes 10 to 26 s, and the NLB sends there for 30 to 40 s more",
            id="nlb-on-the-traffic-port",
        ),
        pytest.param(
            [service(annotations={f"{NLB}type": "external", f"{NLB}nlb-target-type": "instance"})],
            "3 checks, 10 s apart, timeout 10 s) this takes 20 to 40 s, and the NLB",
            id="nlb-of-type-NodePort",
        ),
        pytest.param(
            [binding(owner=gateway_owner("alb")), gateway()],
            "3 checks, 15 s apart, timeout 5 s) this takes 30 to 50 s",
            id="gateway",
        ),
        pytest.param([load_balancer()], "preStop", id="health-check-node-port-drains"),
        pytest.param(
            [load_balancer()],
            "by default 2 checks, 10 s apart, and the NLB sends there for 30 to 40 s more.",
            id="nlb-on-the-health-check-node-port",
        ),
        pytest.param(
            [load_balancer(loadBalancerClass="x/y"), ingress(annotations={"healthcheck-port": str(CHECK_PORT)})],
            "by default 2 checks, 15 s apart.",
            id="alb-on-the-health-check-node-port",
        ),
    ],
)
def test_targets_unhealthy_is_said_to_be_harmless_and_when_it_is_not(objects: list[Json], said: str) -> None:
    first = advice(*objects)[0]
    assert first.startswith("Leave it as it is: nothing is lost while")
    assert "lost" in first.removeprefix("Leave it as it is: nothing is lost") or "any loss" in first
    assert said in first
    assert "2 nodes" in first


def test_pod_targets_where_the_class_sets_the_target_type() -> None:
    """An annotation has no effect then."""
    objects = [ingress(), ingress_class(params="of-shop"), class_params("of-shop", targetType="instance")]
    (found,) = (text for text in advice(*objects) if text.startswith("Target the pods"))
    assert "annotate" not in found
    assert only(followed(objects, found)).consumer.target_type == "ip"
    bound = [*objects, binding(owner=ingress_owner())]
    assert "kubectl patch ingressclassparams of-shop" in "".join(advice(*bound))


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([ingress(annotations=ON_KUBE_PROXY)], id="ALB"),
        pytest.param(
            [load_balancer(loadBalancerClass="x/y"), ingress(annotations={"healthcheck-port": str(CHECK_PORT)})],
            id="pinned",
        ),
        pytest.param([load_balancer(annotations={f"{NLB}healthcheck-port": "10256"})], id="NLB"),
        pytest.param(
            [
                ingress(annotations=ON_KUBE_PROXY),
                ingress_class(params="of-shop"),
                class_params("of-shop", targetType="instance"),
            ],
            id="class-parameters",
        ),
        pytest.param(
            [binding(owner=gateway_owner("alb")), gateway(), load_balancer(loadBalancerClass="x/y"), ON_10256],
            id="Gateway",
        ),
    ],
)
def test_pod_targets_move_a_check_off_a_port_of_the_node(objects: list[Json]) -> None:
    """On that port of a pod nothing answers, and all targets turn unhealthy."""
    (found,) = (text for text in advice(*objects) if text.startswith("Target the pods"))
    assert "so the health check moves too" in found
    assert "traffic-port" in found


PROXIED: Json = {"targetGroupAttributes": [{"key": "proxy_protocol_v2.enabled", "value": "true"}]}


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([load_balancer()], id="nothing-is-set"),
        pytest.param([load_balancer(annotations={f"{NLB}proxy-protocol": "*"})], id="PROXY-protocol"),
        pytest.param([load_balancer(annotations={f"{NLB}healthcheck-protocol": "https"})], id="protocol"),
        pytest.param([ingress(annotations={"healthcheck-port": "http"})], id="name-of-a-port"),
        pytest.param(
            [
                load_balancer(loadBalancerClass="x/y"),
                binding(owner=gateway_owner()),
                gateway(),
                target_configuration(**PROXIED),
            ],
            id="Gateway-with-PROXY-protocol",
        ),
    ],
)
def test_pod_targets_leave_the_check_that_follows_the_target_type(objects: list[Json]) -> None:
    """Nobody set its port to a number: pkg/service buildTargetGroupHealthCheckConfigDefault takes the traffic port
    for pods."""
    (found,) = (text for text in advice(*objects) if text.startswith("Target the pods"))
    assert "healthcheck" not in found.lower()
    assert "health check moves" not in found


UDP = [port(53, "dns", 30053, protocol="UDP")]
SHARED = [port(53, "dns", 30053, protocol="UDP"), port(53, "dns-tcp", 30053, protocol="TCP")]
SERVED = endpoints("web", "a", ports=[{"name": "dns", "port": 5353, "protocol": "UDP"}])
NODE_PORT = {f"{NLB}type": "external", f"{NLB}nlb-target-type": "instance"}


def udp(annotations: dict[str, str], **fields: Any) -> list[Json]:
    return [load_balancer(ports=UDP, annotations=annotations, **fields), SERVED]


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param(udp({f"{NLB}proxy-protocol": "*"}), id="PROXY-protocol"),
        pytest.param(
            udp({f"{NLB}proxy-protocol": "*", f"{NLB}healthcheck-port": "10256"}),
            id="PROXY-protocol-and-another-port",
        ),
        pytest.param(udp({f"{NLB}healthcheck-port": "10256"}), id="another-port"),
        pytest.param(udp({f"{NLB}healthcheck-port": "traffic-port"}), id="traffic-port"),
    ],
)
def test_advice_for_udp_moves_the_check_to_the_health_check_node_port(objects: list[Json]) -> None:
    """A check uses TCP: on the node port of UDP it would fail on every node, and the NLB would send to all."""
    first = advice(*objects)[0]
    assert "healthCheckNodePort" in first
    assert only(followed(objects, first)).outcome.name == "TargetsUnhealthy"


@pytest.mark.parametrize(
    ("objects", "titles"),
    [
        pytest.param(
            udp({f"{NLB}target-group-attributes": "proxy_protocol_v2.enabled=true"}),
            ["Turn PROXY protocol off", "Target the pods"],
            id="PROXY-protocol-by-an-attribute",
        ),
        pytest.param([service(ports=UDP, annotations=NODE_PORT), SERVED], ["Target the pods"], id="NodePort"),
        pytest.param(
            [*udp({}, loadBalancerClass="x/y"), binding(of_port="dns")],
            ["Find out what the health check probes", "Target the pods"],
            id="binding",
        ),
        pytest.param(
            [
                *udp({}, loadBalancerClass="x/y"),
                binding(of_port="dns", owner=gateway_owner()),
                gateway(),
                target_configuration(healthCheckConfig={"healthCheckPort": "10256", "healthCheckProtocol": "TCP"}),
            ],
            ["Target the pods"],
            id="Gateway",
        ),
    ],
)
def test_advice_for_udp_probes_no_node_port(objects: list[Json], titles: list[str]) -> None:
    texts = advice(*objects)
    assert [text.partition("\n")[0] for text in texts][: len(titles)] == titles
    assert not any("traffic-port" in text for text in texts)
    (pods,) = (text for text in texts if text.startswith("Target the pods"))
    assert "No health check uses UDP" in pods


def test_a_pinned_check_of_udp_cannot_move_before_the_policy() -> None:
    pinned = target_configuration(healthCheckConfig={"healthCheckPort": str(CHECK_PORT)})
    objects = [
        *udp({}, loadBalancerClass="x/y"),
        binding(of_port="dns", owner=gateway_owner()),
        gateway(),
        pinned,
    ]
    last = advice(*objects)[-1]
    assert last.startswith("Do not change the policy to Cluster")
    assert "kubectl" not in last


def test_pods_always_see_the_client_behind_an_nlb_for_udp() -> None:
    """The controller refuses preserve_client_ip.enabled=false there: #2144."""
    (alone,) = (text for text in advice(*udp({})) if text.startswith("Target the pods"))
    assert "as UDP always does" in alone
    assert "preserve_client_ip" not in alone
    shared = load_balancer(ports=SHARED, annotations={f"{NLB}enable-tcp-udp-listener": "true"})
    shop = Shop(shared, SERVED)
    (verdict,) = (each for each in shop.verdicts() if each.consumer.port == "dns")
    (of_both,) = (a for a in shop.family.advise(shop.service, verdict, ()) if a.title == "Target the pods")
    assert "as UDP always does" in of_both.cost


def test_an_nlb_takes_a_zone_without_a_pod_out_of_dns() -> None:
    zone = "topology.kubernetes.io/zone"
    nodes = [node("a", labels={zone: "z1"}), node("b", labels={zone: "z1"}), node("c", labels={zone: "z2"})]
    said = "No node with a pod is in z2: without cross-zone load balancing"
    assert said in advice(load_balancer(), *nodes)[0]
    assert said not in advice(load_balancer(), *nodes, on="ac")[0]
    assert said not in advice(ingress(), *nodes)[0]
    by_attribute = "load_balancing.cross_zone.enabled"
    for crosses in (
        {"attributes": f"{by_attribute}=true"},
        {"target-group-attributes": f"{by_attribute}=true"},
        {"cross-zone-load-balancing-enabled": "true"},
    ):
        on = load_balancer(annotations={NLB + key: value for key, value in crosses.items()})
        assert "No node with a pod is in z2" not in advice(on, *nodes)[0]
    off = ingress(annotations={"target-group-attributes": f"{by_attribute}=false"})
    assert f"{said}, the ALB takes its address there out of DNS" in advice(off, *nodes)[0]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([ingress(annotations=ON_KUBE_PROXY)], f"{ALB}healthcheck-port=traffic-port", id="ingress"),
        pytest.param(
            [load_balancer(annotations={f"{NLB}healthcheck-protocol": "tcp"})],
            f"annotate service web {NLB}healthcheck-port- {NLB}healthcheck-protocol-",
            id="nlb-back-to-health-check-node-port",
        ),
        pytest.param(
            [binding(owner=gateway_owner("alb")), load_balancer(loadBalancerClass="x/y"), ON_10256],
            '"healthCheckConfig": {"healthCheckPort": "traffic-port", "healthCheckProtocol": "HTTP"',
            id="gateway",
        ),
    ],
)
def test_the_first_advice_for_a_blackhole_is_to_probe_the_right_port(objects: list[Json], expected: str) -> None:
    first = advice(*objects)[0]
    assert first.startswith("Let the health check probe the node port")
    assert expected in first


PINNED: Json = {"healthCheckConfig": {"healthCheckPort": str(CHECK_PORT), "healthCheckPath": "/livez"}}
OF_NLB = [binding(owner=gateway_owner("nlb")), load_balancer(loadBalancerClass="x/y")]
OF_ALB = [binding(owner=gateway_owner("alb")), load_balancer(loadBalancerClass="x/y")]


@pytest.mark.parametrize(
    ("objects", "first", "settings"),
    [
        pytest.param(
            [ingress(annotations={"healthcheck-port": str(CHECK_PORT)}), load_balancer(loadBalancerClass="x/y")],
            f"{ALB}healthcheck-port=traffic-port",
            CheckSettings("traffic-port", "HTTP", "/", "200"),
            id="ingress",
        ),
        pytest.param(
            [load_balancer(annotations={f"{NLB}healthcheck-port": str(CHECK_PORT)})],
            f"annotate service web {NLB}healthcheck-port- {NLB}healthcheck-protocol-",
            CheckSettings(str(CHECK_PORT), "HTTP", "/healthz", "200-399"),
            id="nlb, whose check then follows the policy",
        ),
        pytest.param(
            [
                load_balancer(
                    annotations={f"{NLB}healthcheck-port": str(CHECK_PORT), f"{NLB}healthcheck-protocol": "https"}
                )
            ],
            f"{NLB}healthcheck-protocol-",
            CheckSettings(str(CHECK_PORT), "HTTP", "/healthz", "200-399"),
            id="nlb with a protocol",
        ),
        pytest.param(
            [*OF_NLB, target_configuration("web", **PINNED)],
            '{"healthCheckPort": "traffic-port", "healthCheckProtocol": "TCP"}',
            CheckSettings("traffic-port", "TCP"),
            id="gateway with an NLB",
        ),
        pytest.param(
            [*OF_ALB, target_configuration("web", **PINNED)],
            "asks /livez of the pods by HTTP",
            None,
            id="gateway with an ALB",
        ),
    ],
)
def test_cluster_is_warned_of_where_the_health_check_is_pinned(
    objects: list[Json], first: str, settings: CheckSettings | None
) -> None:
    last = advice(*objects)[-1]
    assert last.startswith("Do not change the policy to Cluster")
    assert str(CHECK_PORT) in last
    assert first in last
    assert "patch service" not in last
    after = only(followed(objects, last)).consumer
    assert not pins(after)
    assert settings is None or settings_of(after) == settings


def test_a_pinned_check_with_proxy_protocol_does_not_go_back_to_http() -> None:
    annotations = {"healthcheck-port": str(CHECK_PORT), "healthcheck-protocol": "tcp", "proxy-protocol": "*"}
    objects = [load_balancer(annotations={NLB + key: value for key, value in annotations.items()})]
    last = advice(*objects)[-1]
    assert last.startswith("Do not change the policy to Cluster")
    assert settings_of(only(followed(objects, last)).consumer) == CheckSettings("traffic-port", "TCP")


@pytest.mark.parametrize(
    ("objects", "asked"),
    [
        pytest.param(
            [ingress(annotations=ON_KUBE_PROXY)],
            "asks /healthz of the pods by HTTP: if they do not answer it with 200,",
            id="ALB",
        ),
        pytest.param(
            [*OF_ALB, ON_10256],
            "asks /livez of the pods by HTTP: if they do not answer it with 200-399,",
            id="of a Gateway",
        ),
        pytest.param([binding()], "asks its path of the pods", id="by a person"),
        pytest.param(
            [load_balancer(loadBalancerClass="x/y"), *OF_NLB, ON_10256],
            '"healthCheckProtocol": "TCP"',
            id="NLB of a Gateway",
        ),
        pytest.param(
            [
                service(
                    annotations={
                        f"{NLB}type": "external",
                        f"{NLB}nlb-target-type": "instance",
                        f"{NLB}healthcheck-port": "10256",
                        f"{NLB}healthcheck-protocol": "http",
                    }
                )
            ],
            f"{NLB}healthcheck-port=traffic-port {NLB}healthcheck-protocol=tcp",
            id="NLB of a Service of type NodePort",
        ),
    ],
)
def test_a_check_on_the_node_port_connects_or_says_what_it_asks_the_pods(objects: list[Json], asked: str) -> None:
    """If the pods do not answer what the check asks, all targets are unhealthy, and every node gets traffic."""
    (moves,) = [text for text in advice(*objects) if text.startswith("Let the health check probe")]
    assert asked in moves


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param(
            [ingress(annotations={"target-node-labels": "pool=egde"})],
            f"kubectl -n shop annotate ingress web {ALB}target-node-labels-",
            id="ingress-labels",
        ),
        pytest.param(
            [load_balancer(annotations={f"{NLB}target-node-labels": "pool=egde"})],
            f"kubectl -n shop annotate service web {NLB}target-node-labels-",
            id="nlb-labels",
        ),
        pytest.param(
            [binding(nodeSelector={"matchLabels": {"pool": "egde"}})],
            "kubectl -n shop patch targetgroupbinding k8s-shop-web",
            id="binding-selector",
        ),
        pytest.param(
            [ingress(), node("a", ready="False")], "kubectl get nodes --show-labels", id="no-selector-at-all"
        ),
    ],
)
def test_no_targets(objects: list[Json], expected: str) -> None:
    (text,) = advice(*objects)
    assert expected in text


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param(
            [ingress(), node("a"), node("b", provider_id="")], "PROVIDER:.spec.providerID", id="provider-id"
        ),
        pytest.param(
            [ingress(annotations={"healthcheck-port": "9100"})],
            "--answers-everywhere-ports=9100",
            id="unmodelled-port",
        ),
        pytest.param([binding()], "aws elbv2 describe-target-groups", id="binding-by-hand-see-what-is-checked"),
        pytest.param([binding()], "aws elbv2 modify-target-group", id="binding-by-hand-set-what-is-checked"),
        pytest.param(
            [
                service(type_="ClusterIP", externalIPs=["198.51.100.7"], ports=[port(node_port=None)]),
                ingress(),
            ],
            "target-type=ip",
            id="no-node-port",
        ),
    ],
)
def test_unknown(objects: list[Json], expected: str) -> None:
    assert any(expected in text for text in advice(*objects))


@pytest.mark.parametrize("on", [pytest.param("abc", id="covered"), pytest.param("", id="no-endpoints")])
def test_nothing_where_nothing_helps(on: str) -> None:
    assert advice(ingress(), on=on) == []


def test_outage_has_the_whole_list() -> None:
    starts = ["Target the pods", "Run a ready pod", "Or target only", "Let every node forward"]
    texts = advice(ingress(), on=["elsewhere"])
    assert [text[: len(start)] for text, start in zip(texts, starts, strict=True)] == starts


@pytest.mark.parametrize("labels", [pytest.param({}, id="targets"), pytest.param({EXCLUDE: ""}, id="excluded")])
def test_with_the_longest_names_each_command_is_whole_within_a_kibibyte(labels: dict[str, str]) -> None:
    long = "x" * 63
    nodes = [f"{i}.{long}.{long}.{long}" for i in range(9)]
    objects = [ingress(f"{long}.{long}.{long}"), node("bare"), *(node(name, labels=labels) for name in nodes)]
    texts = advice(*objects, on=nodes)
    assert len(texts) > 3
    for text in texts:
        assert len(text.encode()) <= 1024
        assert not text.endswith("…")


BY_DEFAULT = [
    gateway("lbc"),
    load_balancer_configuration(default="base"),
    target_configuration(
        "base",
        of=None,
        healthCheckConfig={
            "healthCheckPort": "10256",
            "healthCheckPath": "/livez",
            "matcher": {"httpCode": "200,404"},
        },
    ),
]
CHECKED = CheckSettings("traffic-port", "HTTP", "/livez", "200-399")


def test_a_configuration_of_the_service_is_patched_and_keeps_its_other_settings() -> None:
    """An apply would remove what it does not name, or make a second configuration of another name."""
    written = target_configuration(
        healthCheckConfig={"healthCheckPort": "10256", "healthCheckPath": "/livez", "healthCheckInterval": 5},
        targetGroupAttributes=[{"key": "stickiness.enabled", "value": "true"}],
    )
    objects = [*OF_ALB, written]
    moves, pods, _, narrows, *_ = texts = advice(*objects)
    for text in (moves, pods, narrows):
        assert "kubectl -n shop patch targetgroupconfiguration tgc --type merge" in text
    assert not any("kubectl create" in text or "kubectl apply" in text for text in texts)
    after = only(followed(objects, moves))
    assert (after.outcome.name, settings_of(after.consumer)) == ("TargetsUnhealthy", CHECKED)
    patch = json.loads(shlex.split(moves.splitlines()[-1])[-1])
    assert patch["spec"].keys() == {"defaultConfiguration"}
    assert patch["spec"]["defaultConfiguration"].keys() == {"healthCheckConfig"}
    assert "healthCheckInterval" not in patch["spec"]["defaultConfiguration"]["healthCheckConfig"]


def test_each_of_several_configurations_is_patched() -> None:
    """Which one the controller takes is not known."""
    objects = [*OF_ALB, ON_10256, {**ON_10256, "metadata": {"name": "second", "namespace": "shop"}}]
    after = only(followed(objects, advice(*objects)[0]))
    assert settings_of(after.consumer) == CHECKED


def test_a_configuration_that_is_made_has_the_check_of_the_default() -> None:
    objects = [*OF_ALB, *BY_DEFAULT]
    first = advice(*objects)[0]
    assert "kubectl create -f -" in first
    assert "copy interval, timeout and thresholds from there" in first
    after = only(followed(objects, first))
    assert after.outcome.name == "TargetsUnhealthy"
    assert settings_of(after.consumer) == CheckSettings("traffic-port", "HTTP", "/livez", "200,404")


def test_the_codes_of_grpc_stay_those_of_grpc() -> None:
    grpc = target_configuration(
        protocolVersion="GRPC",
        healthCheckConfig={"healthCheckPort": str(CHECK_PORT), "matcher": {"grpcCode": "0-5"}},
    )
    first = next(text for text in advice(*OF_ALB, grpc) if text.startswith("Let the health check probe"))
    assert '"matcher": {"grpcCode": "0-5"}' in first


def test_where_configurations_cannot_be_read_the_command_shows_them() -> None:
    texts = advice(*OF_ALB, unread={TARGET_GROUP_CONFIGURATION: "forbidden"})
    assert any("kubectl -n shop get targetgroupconfigurations -o yaml" in text for text in texts)
    assert not any("kubectl create" in text or "patch targetgroupconfiguration" in text for text in texts)


def test_the_time_to_notice_is_that_of_what_if() -> None:
    interval, timeout, unhealthy, healthy = ALB_CHECK
    least, most = Timing.of(interval, timeout, unhealthy, healthy).down(dropped=True)
    assert any(f"this takes {least} to {most} s." in text for text in advice(ingress()))
