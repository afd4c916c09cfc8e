"""A NodePort Service in files without an Ingress: who sends to it?"""

from __future__ import annotations

import pytest

from etpguard.assess import Engine, Options, picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.objects import INGRESS, AnyKind, Reject, decode_item
from tests.assess.consumers.worlds import KEY, Json, endpoints, ingress, ingress_class, nodes, service

ALB = ingress_class("alb", "ingress.k8s.aws/alb")
NGINX = ingress_class("nginx", "k8s.io/ingress-nginx")
NO_INGRESS = "the input has no Ingress and does not say that it looked for them"


def assessed(
    *objects: Json, on: str = "a", looked: bool = False, annotations: dict[str, str] | None = None
) -> tuple[str, str, str]:
    """Outcome, reason and its detail of a NodePort Service, in files that have these objects."""
    families = consumer_families()
    picture = picture_for(families)
    kinds: dict[str, AnyKind] = {kind.name: kind for kind in picture.kinds}
    subject = service(type="NodePort", annotations=annotations)
    for made in (subject, endpoints(*on), *nodes("aws"), *objects):
        record = decode_item(kinds[made["kind"]], made)
        assert not isinstance(record, Reject)
        picture.absorb(picture.store(kinds[made["kind"]]).replace([record]))
    if not looked and not len(picture.store(INGRESS)):
        picture.unlisted[INGRESS] = picture.unread[INGRESS] = NO_INGRESS
    engine = Engine(picture, families, Options(unread_is_unknown=False))
    engine.refresh_all()
    found = engine.assessments[KEY]
    return found.outcome.name, found.reason.code, found.reason.detail


UNKNOWN, UNCOVERED = ("Unknown", "ConsumersNotReadable"), ("Uncovered", "NoKnownConsumer")


@pytest.mark.parametrize(
    ("objects", "annotations", "expected"),
    [
        pytest.param([], {}, UNCOVERED, id="no sign of an Ingress"),
        pytest.param([NGINX], {}, UNCOVERED, id="a controller inside the cluster sends to pods"),
        pytest.param([ALB], {}, UNKNOWN, id="the class of the AWS controller"),
        pytest.param(
            [], {"alb.ingress.kubernetes.io/healthcheck-path": "/up"}, UNKNOWN, id="an annotation for its ALB"
        ),
        pytest.param([], {"cloud.google.com/backend-config": "{}"}, UNKNOWN, id="an annotation for GKE Ingress"),
        pytest.param(
            [ALB, ingress(to="other", class_name="alb")], {}, UNCOVERED, id="an Ingress, for another Service"
        ),
    ],
)
def test_signs(objects: list[Json], annotations: dict[str, str], expected: tuple[str, str]) -> None:
    assert assessed(*objects, annotations=annotations)[:2] == expected


def test_a_list_that_looked_for_ingresses_has_all_of_them() -> None:
    assert assessed(ALB, looked=True)[:2] == UNCOVERED


def test_where_every_node_is_covered_an_ingress_changes_nothing() -> None:
    assert assessed(ALB, on="abc")[:2] == ("Covered", "NoKnownConsumer")


def test_the_reason_states_both_outcomes() -> None:
    *_, detail = assessed(ALB)
    assert detail.startswith(f"{NO_INGRESS}, but it has IngressClass alb")
    assert "If none has, clients that address an uncovered node lose their requests" in detail
