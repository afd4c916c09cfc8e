"""Which nodes become instance targets: pkg/backend/endpoint_utils.go:10-79, endpoint_resolver.go:71-110,
pkg/k8s/node_utils.go:10-48."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from etpguard.assess.consumers.families.aws_lbc import AwsOptions
from tests.assess.consumers.families.aws_lbc.objects import ALB, Json, Shop, ingress, node, only, service

A = node("a")
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"


@pytest.mark.parametrize(
    ("other", "eligible"),
    [
        pytest.param(
            node("b", labels={"node-role.kubernetes.io/control-plane": ""}), True, id="control-plane-is-in"
        ),
        pytest.param(node("b", labels={"node-role.kubernetes.io/master": ""}), False, id="master-is-out"),
        pytest.param(node("b", labels={EXCLUDE: "true"}), False, id="exclude-label-is-out"),
        pytest.param(node("b", labels={EXCLUDE: "false"}), False, id="exclude-label-with-false-is-out-too"),
        pytest.param(node("b", labels={EXCLUDE: ""}), False, id="exclude-label-empty-is-out-too"),
        pytest.param(
            node("b", labels={"alpha.service-controller.kubernetes.io/exclude-balancer": "x"}),
            False,
            id="alpha-exclude-label-is-out",
        ),
        pytest.param(node("b", labels={"eks.amazonaws.com/compute-type": "fargate"}), False, id="fargate-is-out"),
        pytest.param(node("b", labels={"eks.amazonaws.com/compute-type": "ec2"}), True, id="other-compute-is-in"),
        pytest.param(
            node("b", taints=[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "PreferNoSchedule"}]),
            False,
            id="autoscaler-taint-of-any-effect-is-out",
        ),
        pytest.param(
            node("b", taints=[{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]),
            False,
            id="karpenter-noschedule-is-out",
        ),
        pytest.param(
            node("b", taints=[{"key": "karpenter.sh/disrupted", "effect": "NoExecute"}]),
            True,
            id="karpenter-with-another-effect-is-in",
        ),
        pytest.param(
            node("b", taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]),
            True,
            id="cordoned-is-in",
        ),
        pytest.param(node("b", ready="False"), False, id="not-ready-is-out"),
        pytest.param(node("b", ready="Unknown"), False, id="unknown-is-out-while-another-is-ready"),
        pytest.param(node("b", ready=None), False, id="without-a-ready-condition-is-out"),
    ],
)
def test_eligibility_beside_a_ready_node(other: Json, eligible: bool) -> None:
    shop = Shop(ingress(), A, other)
    verdict = only(shop)
    assert shop.names(verdict.eligible) == (["a", "b"] if eligible else ["a"])
    assert verdict.outcome is (Outcome.TargetsUnhealthy if eligible else Outcome.Covered)


@pytest.mark.parametrize(
    ("states", "fail_open", "eligible"),
    [
        pytest.param(["Unknown", "Unknown"], True, ["a", "b"], id="fails-open-where-none-is-ready"),
        pytest.param(["Unknown", "False"], True, ["a"], id="fails-open-to-unknown-alone"),
        pytest.param(["Unknown", "Unknown"], False, [], id="gate-off"),
        pytest.param(["False", "False"], True, [], id="none-ready-none-unknown"),
    ],
)
def test_fail_open(states: list[str], fail_open: bool, eligible: list[str]) -> None:
    nodes = [node(name, ready=state) for name, state in zip("ab", states, strict=True)]
    shop = Shop(ingress(), *nodes, options=AwsOptions(fail_open=fail_open))
    verdict = only(shop)
    assert shop.names(verdict.eligible) == eligible
    assert (verdict.outcome is Outcome.NoTargets) == (not eligible)


def test_a_selector_comes_before_fail_open() -> None:
    """A Ready node that the selector leaves out does not keep the Unknown ones out."""
    shop = Shop(
        ingress(annotations={"target-node-labels": "pool=edge"}),
        node("a", ready="Unknown", labels={"pool": "edge"}),
        node("b"),
    )
    assert shop.names(only(shop).eligible) == ["a"]


@pytest.mark.parametrize(
    ("provider_id", "blocked"),
    [
        pytest.param("aws:///eu-central-1a/i-0abc", False, id="instance"),
        pytest.param("i-0abc", False, id="the-prefix-is-not-looked-at"),
        pytest.param("kind://docker/kind/i-0abc", False, id="any-cloud-with-a-last-part-like-it"),
        pytest.param("", True, id="empty"),
        pytest.param("aws:///eu-central-1a/", True, id="empty-last-part"),
        pytest.param("aws:///eu-central-1a/0abc", True, id="no-instance"),
        pytest.param("eks-hybrid:///eu-central-1/hybrid/mi-0abc", True, id="hybrid-node"),
    ],
)
def test_one_bad_provider_id_blocks_the_whole_binding(provider_id: str, blocked: bool) -> None:
    verdict = only(Shop(ingress(), A, node("b", provider_id=provider_id)))
    if blocked:
        assert (verdict.outcome, verdict.reason.code) == (Outcome.Unknown, "RegistrationBlocked")
        assert "node b " in verdict.reason.detail
    else:
        assert verdict.outcome is Outcome.TargetsUnhealthy


def test_a_bad_provider_id_of_a_node_that_is_not_eligible_blocks_nothing() -> None:
    shop = Shop(
        ingress(), A, node("b", provider_id="", ready="False"), node("c", provider_id="", labels={EXCLUDE: ""})
    )
    assert shop.assessment().outcome is Outcome.Covered


@pytest.mark.parametrize(
    ("value", "labels", "selected"),
    [
        pytest.param("pool=edge", {"pool": "edge"}, True, id="one"),
        pytest.param("pool=edge,zone=a", {"pool": "edge", "zone": "a"}, True, id="all-must-hold"),
        pytest.param("pool=edge,zone=a", {"pool": "edge"}, False, id="one-missing"),
        pytest.param(" pool = edge , zone=a", {"pool": "edge", "zone": "a"}, True, id="blanks-are-trimmed"),
        pytest.param("pool=", {"pool": ""}, True, id="empty-value"),
        pytest.param("pool=edge\\-1", {"pool": "edge-1"}, True, id="a-backslash-keeps-what-follows"),
        pytest.param("example.com/pool=edge", {"example.com/pool": "edge"}, True, id="prefixed-key"),
    ],
)
def test_target_node_labels(value: str, labels: dict[str, str], selected: bool) -> None:
    shop = Shop(ingress(annotations={"target-node-labels": value}), node("a", labels=labels), node("b"))
    assert shop.names(only(shop).eligible) == (["a"] if selected else [])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("pool=a\\,b", id="an-escaped-comma-is-part-of-the-value-and-no-label-takes-it"),
        pytest.param("pool=edge,", id="a-comma-at-the-end-is-part-of-the-value"),
        pytest.param("pool=edge,zone", id="a-part-without-equals"),
    ],
)
def test_target_node_labels_that_no_selector_takes(value: str) -> None:
    verdict = only(Shop(ingress(annotations={"target-node-labels": value})))
    assert verdict.reason.code == "MalformedAnnotation"


def test_target_node_labels_of_the_service_go_before_those_of_the_ingress() -> None:
    shop = Shop(
        ingress(annotations={"target-node-labels": "pool=ingress"}),
        service(annotations={f"{ALB}target-node-labels": "pool=service"}),
        node("a", labels={"pool": "service"}),
        node("b", labels={"pool": "ingress"}),
    )
    assert shop.names(only(shop).eligible) == ["a"]


def test_target_node_labels_mean_nothing_to_ip_targets() -> None:
    shop = Shop(ingress(annotations={"target-type": "ip", "target-node-labels": "malformed"}))
    assert shop.assessment().outcome is Outcome.NotAffected


def test_a_typo_in_target_node_labels_leaves_no_target() -> None:
    shop = Shop(ingress(annotations={"target-node-labels": "pool=egde"}), node("a", labels={"pool": "edge"}))
    verdict = only(shop)
    assert verdict.outcome is Outcome.NoTargets
    assert shop.names(verdict.unused) == ["a"]


def test_pods_only_on_nodes_that_are_never_targeted_are_an_outage() -> None:
    shop = Shop(ingress(), node("a", labels={"node-role.kubernetes.io/master": ""}), node("b"), node("c"))
    verdict = only(shop)
    assert verdict.outcome is Outcome.Outage
    assert shop.names(verdict.unused) == ["a"]


def test_a_node_group_scaled_from_zero() -> None:
    shop = Shop(ingress(), node("m", labels={"node-role.kubernetes.io/master": ""}), on=[])
    assert shop.assessment().outcome is Outcome.NoEndpoints
    shop.apply(A, node("b"))
    assert shop.assessment().outcome is Outcome.NoEndpoints


def test_readiness_taint_label_and_provider_id_are_followed() -> None:
    shop = Shop(ingress(), A, node("b"))
    steps = [
        (node("b", ready="False"), Outcome.Covered),
        (node("b"), Outcome.TargetsUnhealthy),
        (node("b", labels={EXCLUDE: "1"}), Outcome.Covered),
        (node("b", provider_id=""), Outcome.Unknown),
        (node("b", taints=[{"key": "ToBeDeletedByClusterAutoscaler"}]), Outcome.Covered),
        (node("b"), Outcome.TargetsUnhealthy),
        (node("a", ready="False"), Outcome.Outage),
    ]
    for change, expected in steps:
        shop.apply(change)
        assert shop.assessment().outcome is expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(0, Outcome.TargetsUnhealthy, id="no-limit"),
        pytest.param(3, Outcome.TargetsUnhealthy, id="limit-not-reached"),
        pytest.param(2, Outcome.Unknown, id="which-are-left-out-is-unknown"),
    ],
)
def test_max_targets_per_target_group(limit: int, expected: Outcome) -> None:
    assert only(Shop(ingress(), options=AwsOptions(max_targets=limit))).outcome is expected
