"""A dump, anonymized or not, gives the outcomes of the cluster: examples and cases from the field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from etpguard.assess.consumers.registry import consumer_families
from etpguard.cli.dump.anonymize import Anonymizer
from etpguard.cli.dump.comparison import changed_outcomes
from etpguard.cli.dump.vocabulary import vocabulary
from etpguard.objects import SERVICE_COVERAGE, Record
from tests.cli import every_kind
from tests.cli.dump_worlds import dumped, head, load, worlds

Json = dict[str, Any]


@pytest.mark.parametrize("world", sorted(worlds()))
def test_the_outcomes_are_those_of_the_cluster(world: str) -> None:
    cluster = load([head().as_object(), *worlds()[world]])
    items = dumped(worlds()[world])
    families = consumer_families()
    assert changed_outcomes(cluster.picture, families, items, lambda name: name, named=cluster.named) == []
    names = Anonymizer(vocabulary(), b"salt", lambda: 7)
    names.learn(items)
    anonymized = [names.item(item) for item in items]
    assert changed_outcomes(cluster.picture, families, anonymized, names.text, named=cluster.named) == []


@pytest.mark.parametrize("world", sorted(worlds()))
def test_the_dump_has_all_that_the_records_have_but_annotations_of_no_rule(world: str) -> None:
    before, after = load(worlds()[world]).picture, load(dumped(worlds()[world])).picture
    for kind in before.kinds:
        assert before.store(kind).keys() == after.store(kind).keys()
        for record in before.store(kind):
            if kind != SERVICE_COVERAGE:
                assert plain(after.get(kind, record.key)) == plain(record)


def plain(record: Record | None) -> Json:
    content: Json = msgspec.to_builtins(record)
    for field in ("annotations", "resourceVersion"):
        content["metadata"].pop(field, None)
    return content


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("service.beta.kubernetes.io/aws-load-balancer-healthcheck-port", True),
        ("alb.ingress.kubernetes.io/actions.blue-green", True),
        ("service.beta.kubernetes.io/port_443_health-probe_port", True),
        ("traefik.ingress.kubernetes.io/service.nodeportlb", True),
        ("service.cilium.io/node", True),
        ("acme.example/owner", False),
        ("nginx.org/server-snippets", False),
        ("getambassador.io/config", False),
        ("haproxy-ingress.github.io/config-backend", False),
        ("haproxy-ingress.github.io/headers", False),
        ("haproxy.org/request-set-header", False),
        ("zalando.org/skipper-filter", False),
    ],
)
def test_annotations_that_configure_a_proxy_are_not_dumped(key: str, kept: bool) -> None:
    """They may contain credentials."""
    assert vocabulary().reads_annotation(key) is kept


def test_no_secret_is_ever_read() -> None:
    assert "secrets" not in {kind.plural for kind in every_kind.kinds()}
