"""Target groups of weight 0: pkg/ingress/config_types.go, pkg/service/config_types.go and
model_build_target_group.go buildTargetGroupTuples."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.objects import Key
from tests.assess.consumers.families.aws_lbc.objects import (
    NLB,
    Json,
    Shop,
    backend,
    binding,
    endpoints,
    ingress,
    ingress_owner,
    load_balancer,
    only,
    port,
    service,
    service_owner,
)

ARN = "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/x/1"
OTHER = service("other", ports=[port(node_port=30900)])
CANARY = Key("shop", "canary")
OF_CANARY = load_balancer("canary", loadBalancerClass="x/y", ports=[port(node_port=30900)])


def group(weight: int | None, name: str = "web", of_port: int | str = 80) -> Json:
    return {"serviceName": name, "servicePort": of_port} | ({} if weight is None else {"weight": weight})


def by_arn(weight: int) -> Json:
    return {"targetGroupARN": ARN, "weight": weight}


def forward(*groups: Json) -> str:
    return json.dumps({"type": "forward", "forwardConfig": {"targetGroups": list(groups)}})


def alb(*actions: str, direct: bool = False, **annotations: Any) -> Json:
    """An Ingress with a path for each of the actions, and one straight to the Service."""
    backends = [backend(f"act{i}", "use-annotation") for i in range(len(actions))]
    given = {f"actions.act{i}": action for i, action in enumerate(actions)}
    return ingress("web", *backends, *([backend()] if direct else []), annotations={**given, **annotations})


@pytest.mark.parametrize(
    ("objects", "idle"),
    [
        pytest.param([alb(forward(group(0), group(100, "other"))), OTHER], True, id="beside-another-service"),
        pytest.param([alb(forward(group(0), by_arn(1)))], True, id="beside-a-group-by-arn"),
        pytest.param([alb(forward(group(0, of_port="http"), by_arn(1)))], True, id="port-by-name"),
        pytest.param([alb(forward(group(0), group(0, of_port="http"), by_arn(1)))], True, id="named-twice"),
        pytest.param([alb(*[forward(group(0), by_arn(1))] * 2)], True, id="in-every-action"),
        pytest.param(
            [alb(forward(group(0), by_arn(1)), forward(by_arn(1)))], True, id="beside-an-unrelated-action"
        ),
        pytest.param([alb(forward(group(1), group(100, "other"))), OTHER], False, id="a-small-share"),
        pytest.param([alb(forward(group(None)))], False, id="the-only-group-without-weight"),
        pytest.param([alb(forward(group(0)))], False, id="the-only-group"),
        pytest.param([alb(forward(group(0), by_arn(0)))], False, id="nothing-takes-the-traffic"),
        pytest.param(
            [alb(forward(group(0), by_arn(1)), forward(group(1), by_arn(1)))],
            False,
            id="a-share-of-another-action",
        ),
        pytest.param([alb(forward(group(0), by_arn(1)), direct=True)], False, id="a-path-straight-to-it"),
        pytest.param(
            [alb(forward(group(0), group(1, of_port="http"), by_arn(1)))], False, id="a-share-by-the-ports-name"
        ),
        pytest.param(
            [alb(forward(group(0), by_arn(1))), binding(owner=ingress_owner())], True, id="registered-nonetheless"
        ),
        pytest.param(
            [alb(forward(group(0), by_arn(1)), "{"), binding(owner=ingress_owner())],
            False,
            id="registered-and-its-weights-not-known",
        ),
    ],
)
def test_a_target_group_that_gets_nothing_is_no_consumer(objects: list[Json], idle: bool) -> None:
    shop = Shop(*objects)
    verdict = only(shop)
    assert verdict.consumer.incidental is idle
    assert (verdict.reason.code == "WeightZero") is idle
    if idle:
        assert (shop.assessment().outcome, shop.assessment().reason.code) == (Outcome.Uncovered, "NoKnownConsumer")
        assert shop.names(verdict.uncovered) == ["b", "c"]
        assert shop.advice() == []


def test_a_black_hole_that_gets_nothing_is_none() -> None:
    lost: dict[str, Any] = {"healthcheck-port": "10256", "healthcheck-path": "/healthz"}
    assert only(Shop(alb(forward(group(1), by_arn(1)), **lost))).outcome is Outcome.Blackhole
    shop = Shop(alb(forward(group(0), by_arn(1)), **lost))
    assert shop.assessment().outcome is Outcome.Uncovered
    shop.apply(alb(forward(group(1), by_arn(1)), **lost))
    assert shop.assessment().outcome is Outcome.Blackhole


def test_another_consumer_counts_all_the_same() -> None:
    shop = Shop(alb(forward(group(0), by_arn(1))), ingress("direct"))
    assert shop.assessment().outcome is Outcome.TargetsUnhealthy


def test_pods_as_targets_stay_what_they_are() -> None:
    of_pods: dict[str, Any] = {"target-type": "ip"}
    verdict = only(Shop(alb(forward(group(0), by_arn(1)), **of_pods)))
    assert (verdict.outcome, verdict.consumer.incidental) == (Outcome.NotAffected, False)


def nlb(base: int | None, *groups: Json, suffix: str = "TCP-80", **annotations: str) -> Json:
    config: dict[str, Any] = {"targetGroups": list(groups)} | ({} if base is None else {"baseServiceWeight": base})
    action = json.dumps({"type": "forward", "forwardConfig": config})
    given = {NLB + key.replace("_", "-"): value for key, value in annotations.items()}
    return load_balancer(annotations={f"service.beta.kubernetes.io/actions.{suffix}": action, **given})


@pytest.mark.parametrize(
    ("base", "of_base", "of_canary"),
    [
        pytest.param(nlb(0, group(1, "canary")), True, False, id="all-to-the-second"),
        pytest.param(nlb(1, group(0, "canary")), False, True, id="all-to-the-first"),
        pytest.param(nlb(1, group(1, "canary")), False, False, id="shared"),
        pytest.param(nlb(0, group(0, "canary")), False, False, id="nothing-takes-the-traffic"),
        pytest.param(nlb(None, group(1, "canary")), False, False, id="no-weight-is-no-0"),
        pytest.param(nlb(0, group(0, "canary"), by_arn(1)), True, True, id="all-to-a-group-by-arn"),
        pytest.param(
            nlb(0, group(1, "canary"), suffix="UDP-80"), False, False, id="of-a-listener-that-is-not-there"
        ),
        pytest.param(nlb(0, group(1, "canary"), suffix="TLS-80"), False, False, id="tls-without-a-certificate"),
        pytest.param(
            nlb(0, group(1, "canary"), suffix="TLS-80", ssl_cert="arn:x"), True, False, id="tls-with-a-certificate"
        ),
        pytest.param(
            nlb(0, group(1, "canary"), suffix="TLS-80", ssl_cert="arn:x", ssl_ports=" ,http"),
            True,
            False,
            id="tls-for-the-port-by-name",
        ),
    ],
)
def test_listeners_of_an_nlb(base: Json, of_base: bool, of_canary: bool) -> None:
    shop = Shop(base, OF_CANARY, endpoints("web", "a"), endpoints("canary", "a"))
    assert only(shop).consumer.incidental is of_base
    assert only(shop, CANARY).consumer.incidental is of_canary
    registered = Shop(
        base,
        OF_CANARY,
        endpoints("web", "a"),
        endpoints("canary", "a"),
        binding(owner=service_owner()),
        binding("k8s-shop-canary", "canary", owner=service_owner()),
    )
    assert only(registered).consumer.incidental is of_base
    assert only(registered, CANARY).consumer.incidental is of_canary


@pytest.mark.parametrize(("ssl_ports", "of_base"), [("443", False), ("443, http", True)])
def test_tls_for_some_of_the_ports(ssl_ports: str, of_base: bool) -> None:
    base = nlb(0, group(1, "canary"), suffix="TLS-80", ssl_cert="arn:x", ssl_ports=ssl_ports)
    base["spec"]["ports"] = [port(), port(443, "https", 30443)]
    shop = Shop(base, OF_CANARY, endpoints("web", "a"), endpoints("canary", "a"))
    assert {c.port: c.incidental for c in shop.consumers()} == {"http": of_base, "https": False}


@pytest.mark.parametrize("weight", [-1, 1000, True, 0.5, "1"])
def test_a_weight_out_of_range_fails_the_load_balancer(weight: Any) -> None:
    for base in (nlb(weight, group(1, "canary")), nlb(1, group(weight, "canary"))):
        assert only(Shop(base, OF_CANARY)).reason.code == "MalformedAnnotation"
