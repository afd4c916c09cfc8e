"""Which Ingresses the controller manages: pkg/ingress/group_loader.go:175-255, class_loader.go:54-149."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.assess.consumers.families.aws_lbc import AwsOptions
from etpguard.objects import INGRESS_CLASS, NAMESPACE, AnyKind
from etpguard.objects.aws import INGRESS_CLASS_PARAMS
from tests.assess.consumers.families.aws_lbc.objects import (
    Json,
    Shop,
    class_params,
    ingress,
    ingress_class,
    namespace,
    only,
)

LEGACY = "kubernetes.io/ingress.class"
SELECTS_BLUE: Json = {"namespaceSelector": {"matchLabels": {"team": "blue"}}}
NO_CLASS = AwsOptions(ingress_class="")
FOREIGN = ingress_class("nginx", "k8s.io/ingress-nginx")


@pytest.mark.parametrize(
    ("objects", "options"),
    [
        pytest.param([ingress()], None, id="class-by-name-with-the-controller"),
        pytest.param([ingress(annotations={LEGACY: "alb"}, class_name=None)], None, id="legacy-annotation-alb"),
        pytest.param(
            [ingress(annotations={LEGACY: "alb"}, class_name="nginx"), FOREIGN],
            None,
            id="legacy-annotation-decides-alone-over-a-foreign-class",
        ),
        pytest.param(
            [ingress(annotations={LEGACY: "alb"}, class_name="missing")],
            None,
            id="legacy-annotation-decides-alone-over-a-missing-class",
        ),
        pytest.param(
            [ingress(annotations={LEGACY: "edge"}, class_name=None)],
            AwsOptions(ingress_class="edge"),
            id="legacy-annotation-equal-to-the-ingress-class-flag",
        ),
        pytest.param(
            [ingress(annotations={LEGACY: "alb"}, class_name=None)],
            NO_CLASS,
            id="legacy-annotation-alb-with-an-empty-ingress-class-flag",
        ),
        pytest.param(
            [ingress(class_name=None), ingress_class(default=True)], None, id="default-class-where-none-is-named"
        ),
        pytest.param([ingress(class_name=None), FOREIGN], NO_CLASS, id="no-class-at-all-with-an-empty-flag"),
        pytest.param(
            [ingress(), ingress_class(params="params"), class_params()], None, id="class-with-empty-params"
        ),
        pytest.param(
            [ingress(), ingress_class(params="params"), class_params(**SELECTS_BLUE), namespace(team="blue")],
            None,
            id="namespace-selector-that-admits",
        ),
        pytest.param(
            [ingress(), ingress_class(params="params"), class_params(namespaceSelector={})],
            None,
            id="namespace-selector-that-is-empty-admits-all-without-reading-the-namespace",
        ),
        pytest.param(
            [ingress(annotations={LEGACY: "alb"}), ingress_class(params="params"), class_params(**SELECTS_BLUE)],
            None,
            id="legacy-annotation-ignores-the-parameters-of-the-class",
        ),
    ],
)
def test_managed(objects: list[Json], options: AwsOptions | None) -> None:
    verdict = only(Shop(*objects, options=options))
    assert verdict.outcome is Outcome.TargetsUnhealthy
    assert verdict.consumer.object == ("Ingress", "shop", "web")


@pytest.mark.parametrize(
    ("objects", "options"),
    [
        pytest.param([ingress(class_name="nginx"), FOREIGN], None, id="class-of-another-controller"),
        pytest.param(
            [ingress(class_name="auto"), ingress_class("auto", "eks.amazonaws.com/alb")],
            None,
            id="eks-auto-mode-is-another-controller",
        ),
        pytest.param(
            [ingress(annotations={LEGACY: "nginx"})], None, id="foreign-legacy-annotation-over-the-own-class"
        ),
        pytest.param([ingress(annotations={LEGACY: ""})], None, id="empty-legacy-annotation-is-there-and-decides"),
        pytest.param(
            [ingress(annotations={LEGACY: "alb"}, class_name=None)],
            AwsOptions(ingress_class="edge"),
            id="legacy-annotation-alb-with-another-ingress-class-flag",
        ),
        pytest.param([ingress(class_name=None)], None, id="no-class-and-no-default"),
        pytest.param(
            [ingress(class_name=None), ingress_class("nginx", "k8s.io/ingress-nginx", default=True)],
            NO_CLASS,
            id="default-class-of-another-controller-even-with-an-empty-flag",
        ),
        pytest.param([ingress(class_name="missing")], None, id="missing-class-and-no-sign-of-the-controller"),
        pytest.param([ingress(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})], None, id="being-deleted"),
    ],
)
def test_not_managed(objects: list[Json], options: AwsOptions | None) -> None:
    assert Shop(*objects, options=options).consumers() == []


@pytest.mark.parametrize(
    ("objects", "unread", "code", "named"),
    [
        pytest.param(
            [ingress(class_name="missing", annotations={"scheme": "internal"})],
            {},
            "IngressClassNotFound",
            "missing",
            id="missing-class-of-an-ingress-meant-for-the-controller",
        ),
        pytest.param(
            [ingress(class_name=None), ingress_class(default=True), ingress_class("b", "x/y", default=True)],
            {},
            "SeveralDefaultIngressClasses",
            "alb, b",
            id="several-default-classes",
        ),
        pytest.param(
            [ingress(), ingress_class(params="params")],
            {},
            "IngressClassParamsNotFound",
            "params",
            id="missing-params",
        ),
        pytest.param(
            [ingress(), ingress_class(parameters={"kind": "ConfigMap", "name": "x"})],
            {},
            "UnknownClassParameters",
            "ConfigMap",
            id="parameters-of-another-kind",
        ),
        pytest.param(
            [
                ingress(),
                ingress_class(
                    parameters={"apiGroup": "eks.amazonaws.com", "kind": "IngressClassParams", "name": "x"}
                ),
            ],
            {},
            "UnknownClassParameters",
            "eks.amazonaws.com",
            id="parameters-of-another-group",
        ),
        pytest.param(
            [ingress(), ingress_class(params="params"), class_params(**SELECTS_BLUE), namespace(team="red")],
            {},
            "NamespaceNotSelected",
            "params",
            id="namespace-selector-that-does-not-admit",
        ),
        pytest.param(
            [ingress()], {INGRESS_CLASS: "forbidden"}, "IngressClassNotReadable", "forbidden", id="class-unread"
        ),
        pytest.param(
            [ingress(class_name=None)],
            {INGRESS_CLASS: "forbidden"},
            "IngressClassNotReadable",
            "forbidden",
            id="class-unread-where-a-default-might-hold",
        ),
        pytest.param(
            [ingress(), ingress_class(params="params")],
            {INGRESS_CLASS_PARAMS: "forbidden"},
            "IngressClassParamsNotReadable",
            "forbidden",
            id="params-unread",
        ),
        pytest.param(
            [ingress(), ingress_class(params="params"), class_params(**SELECTS_BLUE)],
            {NAMESPACE: "forbidden"},
            "NamespaceNotReadable",
            "forbidden",
            id="namespace-unread-where-a-selector-asks-for-it",
        ),
        pytest.param(
            [ingress(annotations={"group.name": "Not Valid"})],
            {},
            "MalformedAnnotation",
            "group.name",
            id="group-name-that-is-none",
        ),
        pytest.param(
            [ingress(annotations={"group.name": "a" * 64})],
            {},
            "MalformedAnnotation",
            "group.name",
            id="group-name-too-long",
        ),
    ],
)
def test_refused_or_unclear(objects: list[Json], unread: dict[AnyKind, str], code: str, named: str) -> None:
    verdict = only(Shop(*objects, unread=unread))
    assert verdict.outcome is Outcome.Unknown
    assert verdict.reason.code == code
    assert named in verdict.reason.detail
    assert verdict.consumer.object == ("Ingress", "shop", "web")


def test_changes_of_class_params_and_namespace_are_taken_up() -> None:
    shop = Shop(ingress(), ingress_class(params="params"))
    steps: list[tuple[Any, Outcome]] = [
        (class_params(), Outcome.TargetsUnhealthy),
        (class_params(targetType="ip"), Outcome.NotAffected),
        (class_params(**SELECTS_BLUE), Outcome.Unknown),
        (namespace(team="blue"), Outcome.TargetsUnhealthy),
        (namespace(team="red"), Outcome.Unknown),
        (ingress_class("alb", "k8s.io/other"), Outcome.Uncovered),
    ]
    for change, expected in steps:
        shop.apply(change)
        assert shop.assessment().outcome is expected
    shop.remove(ingress_class())
    assert shop.assessment().consumers == ()


def test_class_parameters_that_cannot_be_read_are_not_taken_for_absent() -> None:
    shop = Shop(ingress(), ingress_class(params="params"))
    assert only(shop).reason.code == "IngressClassParamsNotFound"
    shop.apply_malformed({**class_params(), "spec": {"targetType": 7}})
    assert only(shop).reason.code == "IngressClassParamsNotReadable"
