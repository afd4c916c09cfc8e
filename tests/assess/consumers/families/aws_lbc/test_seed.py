"""An ALB Ingress before a NodePort Service with one endpoint: the case that the whole project is about."""

from __future__ import annotations

from etpguard.assess import Engine, Outcome, picture_for
from etpguard.assess.consumers import registry
from etpguard.assess.probe import OwnNodePort
from etpguard.objects import Reject, decode_item
from tests.assess.consumers.checks import settings_of
from tests.assess.consumers.families.aws_lbc.objects import (
    KINDS,
    WEB,
    Shop,
    endpoints,
    ingress,
    ingress_class,
    node,
    only,
    service,
)


def test_alb_ingress_with_instance_targets_finds_two_of_three_targets_unhealthy() -> None:
    shop = Shop(ingress(annotations={"healthcheck-path": "/nginx-health"}))
    verdict = only(shop)
    assert verdict.outcome is Outcome.TargetsUnhealthy
    assert shop.names(verdict.eligible) == ["a", "b", "c"]
    assert shop.names(verdict.uncovered) == ["b", "c"]
    consumer = verdict.consumer
    assert consumer.object == ("Ingress", "shop", "web")
    assert (consumer.controller, consumer.target_type, consumer.port) == (
        "ingress.k8s.aws/alb",
        "instance",
        "http",
    )
    assert consumer.probe == OwnNodePort("http")
    settings = settings_of(consumer)
    assert (settings.port, settings.protocol, settings.path) == (
        "traffic-port",
        "HTTP",
        "/nginx-health",
    )
    assert consumer.source == "--default-target-type=instance (default)"


def test_the_registry_gives_the_same_answer() -> None:
    families = registry.consumer_families()
    picture = picture_for(families)
    objects = [*(node(n) for n in "abc"), service(), endpoints("web", "a"), ingress_class(), ingress()]
    for raw in objects:
        kind = KINDS[raw["kind"]]
        record = decode_item(kind, raw)
        assert not isinstance(record, Reject)
        picture.absorb(picture.store(kind).replace([record]))
    engine = Engine(picture, families)
    engine.refresh_all()
    assert engine.assessments[WEB].outcome is Outcome.TargetsUnhealthy
    assert [v.consumer.kind for v in engine.assessments[WEB].consumers] == ["Ingress"]
