"""Advice about which nodes are targets, followed: the outcome must get better by it."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from etpguard.objects import Key
from tests.assess.consumers.families.aws_lbc.commands import followed
from tests.assess.consumers.families.aws_lbc.objects import (
    NLB,
    WEB,
    Json,
    Shop,
    binding,
    endpoints,
    gateway_owner,
    ingress,
    load_balancer,
    node,
    only,
)

INTERNAL = Key("shop", "internal")
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
OLD_EXCLUDE = "alpha.service-controller.kubernetes.io/exclude-balancer"
MASTER = "node-role.kubernetes.io/master"
POOL = {"target-node-labels": "pool=edge"}
FARGATE = {"eks.amazonaws.com/compute-type": "fargate"}
ON_B = node("b", labels={"pool": "edge"})


def narrowing(texts: list[str]) -> list[str]:
    return [text for text in texts if text.startswith("Or target only")]


def test_pods_on_fargate_are_reached_as_targets_alone() -> None:
    """A node of Fargate is never an instance target: #1884, #2133, #3569."""
    nodes = [node(name, labels=FARGATE, provider_id=f"aws:///z/1-{name}/fargate-{name}") for name in "ab"]
    objects = [ingress(), *nodes]
    assert only(Shop(*objects)).outcome.name == "NoTargets"
    first, *others = Shop(*objects).advice()
    assert first.startswith("Target the pods")
    assert only(followed(objects, first)).outcome.name == "NotAffected"
    assert any("compute-type=fargate" in text for text in others)
    mixed = [node("a", labels={EXCLUDE: ""}), *nodes[1:]]
    assert not any(text.startswith("Target the pods") for text in Shop(ingress(), *mixed, on="ab").advice())


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([ingress(annotations=POOL), node("a"), ON_B], id="ingress"),
        pytest.param(
            [load_balancer(annotations={f"{NLB}target-node-labels": "pool=edge"}), node("a"), ON_B], id="nlb"
        ),
        pytest.param(
            [binding(nodeSelector={"matchLabels": {"pool": "edge"}}), node("a"), ON_B], id="binding-by-hand"
        ),
        pytest.param(
            [
                binding(nodeSelector={"matchExpressions": [{"key": "pool", "operator": "Exists"}]}),
                node("a"),
                ON_B,
            ],
            id="binding-by-hand-with-an-expression",
        ),
        pytest.param(
            [
                ingress(annotations={"target-node-labels": "pool=edge,zone=x"}),
                node("a", labels={"zone": "x"}),
                node("b", labels={"pool": "edge", "zone": "x"}),
            ],
            id="one-label-of-two",
        ),
    ],
)
def test_labels_that_keep_the_pods_nodes_out_are_not_kept(objects: list[Json]) -> None:
    shop = Shop(*objects)
    assert only(shop).outcome is Outcome.Outage
    (text,) = narrowing(shop.advice())
    after = followed(objects, text)
    assert only(after).outcome is Outcome.Covered
    assert after.names(only(after).eligible) == ["a"]


def test_a_label_that_the_pods_nodes_bear_is_kept() -> None:
    objects = [
        ingress(annotations={"target-node-labels": "pool=edge,zone=x"}),
        node("a", labels={"zone": "x"}),
        node("b", labels={"pool": "edge", "zone": "x"}),
    ]
    (text,) = narrowing(Shop(*objects).advice())
    assert "target-node-labels=zone=x,shop.lb-target/web=true" in text


@pytest.mark.parametrize(
    ("objects", "outcome"),
    [
        pytest.param([ingress(), node("b")], Outcome.Outage, id="ingress"),
        pytest.param([load_balancer(), node("b")], Outcome.Outage, id="nlb"),
        pytest.param([ingress()], Outcome.NoTargets, id="no-node-is-eligible"),
        pytest.param([binding(owner=gateway_owner("alb")), node("b")], Outcome.Outage, id="gateway"),
    ],
)
@pytest.mark.parametrize(
    ("label", "value"),
    [
        pytest.param(EXCLUDE, "false", id="excluded-by-false"),
        pytest.param(EXCLUDE, "", id="excluded"),
        pytest.param(OLD_EXCLUDE, "true", id="excluded-by-the-old-label"),
    ],
)
def test_excluded_nodes_with_pods_are_admitted_first(
    objects: list[Json], outcome: Outcome, label: str, value: str
) -> None:
    objects = [*objects, node("a", labels={label: value})]
    shop = Shop(*objects)
    assert only(shop).outcome is outcome
    texts = shop.advice()
    assert texts[0].startswith("Admit the nodes that host the pods")
    assert narrowing(texts) == []
    assert only(followed(objects, texts[0])).outcome < outcome


def test_nodes_that_no_label_could_make_targets_are_not_labelled() -> None:
    masters = [ingress(), node("a", labels={MASTER: ""}), node("b")]
    assert narrowing(Shop(*masters).advice()) == []
    doomed = node("a", taints=[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}])
    assert narrowing(Shop(ingress(), doomed, node("b")).advice()) == []


def test_only_those_that_a_label_makes_targets_are_labelled() -> None:
    objects = [
        ingress(annotations=POOL),
        node("a", labels={EXCLUDE: ""}),
        node("b", labels={"pool": "edge"}),
        node("c"),
    ]
    shop = Shop(*objects, endpoints("web", "a", "c"))
    (text,) = narrowing(shop.advice())
    assert "kubectl label node c shop.lb-target/web=true && " in text
    assert only(followed([*objects, endpoints("web", "a", "c")], text)).outcome is Outcome.Covered


def test_where_nodes_are_partly_covered_the_selector_stays() -> None:
    objects = [
        ingress(annotations=POOL),
        node("a", labels={"pool": "edge"}),
        ON_B,
        node("c"),
    ]
    shop = Shop(*objects, on="ac")
    assert only(shop).outcome is Outcome.TargetsUnhealthy
    (text,) = narrowing(shop.advice())
    assert "target-node-labels=pool=edge,shop.lb-target/web=true" in text
    assert only(followed(objects, text, on="ac")).outcome is Outcome.Covered


def test_two_services_with_pods_on_the_same_node_are_narrowed_one_after_the_other() -> None:
    """A label whose value is the name of one Service would leave the other one without a target."""
    internal = load_balancer("internal")
    objects = [load_balancer(), internal, endpoints("web", "a"), endpoints("internal", "a"), *map(node, "ab")]
    shop = Shop(*objects)
    for key in (WEB, INTERNAL):
        (text,) = narrowing(shop.advice(key))
        (line,) = [line for line in text.splitlines() if line.startswith("kubectl")]
        label, _, selector = line.partition(" && ")
        assert label == f"kubectl label node a {key.namespace}.lb-target/{key.name}=true"
        assert selector.startswith("kubectl ")
