"""What may be an ALB's Ingress where IngressClasses, their parameters or namespaces cannot be read."""

from __future__ import annotations

import pytest

from etpguard.assess import Options, Outcome
from etpguard.assess.consumers.families.aws_lbc import AwsOptions
from etpguard.objects import INGRESS_CLASS, NAMESPACE, AnyKind
from etpguard.objects.aws import INGRESS_CLASS_PARAMS
from tests.assess.consumers.families.aws_lbc.objects import (
    Json,
    Shop,
    class_params,
    ingress,
    ingress_class,
    node,
    only,
)

LEGACY = "kubernetes.io/ingress.class"
NO_CLASS = AwsOptions(ingress_class="")


@pytest.mark.parametrize(
    ("objects", "unread"),
    [
        pytest.param([ingress()], {INGRESS_CLASS_PARAMS: "forbidden"}, id="params-where-the-class-has-none"),
        pytest.param(
            [ingress(), ingress_class(params="params"), class_params()],
            {NAMESPACE: "forbidden"},
            id="namespace-where-no-selector-asks",
        ),
        pytest.param(
            [ingress(annotations={LEGACY: "alb"})],
            {INGRESS_CLASS: "forbidden"},
            id="class-where-the-annotation-decides",
        ),
    ],
)
def test_what_is_unread_says_nothing_where_it_could_change_nothing(
    objects: list[Json], unread: dict[AnyKind, str]
) -> None:
    assert only(Shop(*objects, unread=unread)).outcome is Outcome.TargetsUnhealthy


FILES = Options(unread_is_unknown=False)
ON_GKE = [node(name, labels={"cloud.google.com/gke-nodepool": "p"}) for name in "abc"]
UNREAD: dict[AnyKind, str] = {INGRESS_CLASS: "none in the input"}
SCHEME = {"scheme": "internal"}


@pytest.mark.parametrize(
    ("objects", "engine", "claimed"),
    [
        pytest.param([ingress(class_name=None), *ON_GKE], None, False, id="no-class-on-gke"),
        pytest.param([ingress(class_name="gce"), *ON_GKE], None, False, id="any-class-on-gke"),
        pytest.param([ingress(class_name="alb"), *ON_GKE], None, True, id="class-alb-on-gke"),
        pytest.param(
            [ingress(class_name=None, annotations=SCHEME), *ON_GKE], None, True, id="its-annotation-on-gke"
        ),
        pytest.param([ingress(class_name="nginx")], None, False, id="the-usual-name-of-anothers-class"),
        pytest.param(
            [ingress(class_name="nginx", annotations=SCHEME)],
            None,
            True,
            id="the-name-of-anothers-and-its-annotation",
        ),
        pytest.param([ingress(class_name="edge")], None, True, id="an-ambiguous-name"),
        pytest.param([ingress(class_name="edge")], FILES, False, id="an-ambiguous-name-in-files"),
        pytest.param([ingress(class_name=None)], None, True, id="no-class"),
        pytest.param([ingress(class_name=None)], FILES, False, id="no-class-in-files"),
        pytest.param([ingress(class_name=None, annotations=SCHEME)], FILES, True, id="its-annotation-in-files"),
        pytest.param(
            [ingress(class_name="alb")], FILES, True, id="class-alb-whose-parameters-are-not-in-the-files"
        ),
    ],
)
def test_where_classes_are_unread_it_claims_no_more_than_may_be_its(
    objects: list[Json], engine: Options | None, claimed: bool
) -> None:
    found = Shop(*objects, unread=UNREAD, engine=engine).verdicts()
    assert [v.reason.code for v in found] == ["IngressClassNotReadable"] * claimed


@pytest.mark.parametrize("engine", [FILES, None], ids=["files", "a cluster"])
def test_a_default_class_that_is_not_read_may_be_that_of_another_controller(engine: Options | None) -> None:
    """With --ingress-class="" the controller takes an Ingress without a class unless there is a default one."""
    shop = Shop(ingress(class_name=None), unread=UNREAD, engine=engine, options=NO_CLASS)
    assert only(shop).reason.code == "IngressClassNotReadable"


def test_a_class_that_cannot_be_read_matters_only_where_nodes_are_uncovered() -> None:
    unread: dict[AnyKind, str] = {INGRESS_CLASS: "forbidden"}
    partly = Shop(ingress(), unread=unread)
    assert only(partly).outcome is Outcome.Unknown
    assert partly.names(only(partly).uncovered) == ["b", "c"]
    assert only(Shop(ingress(), unread=unread, on="abc")).outcome is Outcome.Covered
