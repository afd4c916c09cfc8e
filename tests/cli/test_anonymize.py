"""What `etpguard dump --anonymize` replaces, and what stays."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from etpguard.assess import Engine
from etpguard.assess.consumers.registry import consumer_families
from etpguard.cli.dump.anonymize import Anonymizer
from etpguard.cli.dump.comparison import changed_outcomes
from etpguard.cli.dump.vocabulary import vocabulary
from etpguard.cli.input.cluster_dump import ClusterDump, Rejected
from tests.cli import every_kind
from tests.cli.dump_worlds import dumped, load

Json = dict[str, Any]
SECRETS: tuple[str, ...] = (
    "acme",
    "shop",
    "billing",
    "jane",
    "checkout",
    "storefront",
    "cart",
    "payments",
    "invoices",
    "tickets",
)
SECRETS += ("eu-west", "10-20-0", "203.0.113.45", "0123456789", "123456789012", "i-0acme", "10.20.", "10.244.")


def anonymizer(items: list[Json], step: int = 3) -> Anonymizer:
    made = Anonymizer(vocabulary(), b"salt", lambda: step)
    made.learn(items)
    return made


def anonymized(items: list[Json]) -> list[Json]:
    return [anonymizer(items).item(item) for item in items]


@pytest.fixture(scope="module")
def every() -> list[Json]:
    return dumped(every_kind.objects())


def test_nothing_that_names_the_user_stays(every: list[Json]) -> None:
    text = json.dumps(anonymized(every))
    assert [word for word in SECRETS if word in text] == []


def test_the_outcomes_stay(every: list[Json]) -> None:
    names = anonymizer(every)
    before = load(every)
    made = [names.item(item) for item in every]
    assert changed_outcomes(before.picture, consumer_families(), made, names.text) == []
    engine = Engine(before.picture, consumer_families())
    engine.refresh_all()
    assert len({a.outcome for a in engine.assessments.values()}) >= 3


def test_the_comparison_finds_another_outcome(every: list[Json]) -> None:
    names = anonymizer(every)
    made = [names.item(item) for item in every if item["kind"] != "EndpointSlice"]
    assert changed_outcomes(load(every).picture, consumer_families(), made, names.text)


def test_what_the_rules_read_stays(every: list[Json]) -> None:
    text = json.dumps(anonymized(every))
    for word in (
        "aws:///",
        "service.k8s.aws/nlb",
        "alb.ingress.kubernetes.io/healthcheck-port",
        "kubernetes.io/hostname",
        "ingress.k8s.aws/alb",
        "traffic-port",
        '"31090"',
        "KubeletReady",
    ):
        assert word in text, word


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        pytest.param("web-shop", r"e\d+-e\d+", id="a name"),
        pytest.param("nginx-nginx-ingress-controller", r"e(\d+)-e\1-e\d+-e\d+", id="words of the rules in a name"),
        pytest.param("api.shop.example", r"e\d+\.e\d+\.e\d+", id="a host"),
        pytest.param("*.shop.example", r"\*\.e\d+\.e\d+", id="a wildcard"),
        pytest.param("30080", "30080", id="a port"),
        pytest.param("200-399", "200-399", id="a range"),
        pytest.param("ip-10-0-1-7", r"e\d+(-e\d+){4}", id="an address in a name"),
        pytest.param("123456789012", r"e\d+", id="a long number"),
        pytest.param("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", id="a time"),
        pytest.param("TRUE", "TRUE", id="a bool"),
        pytest.param("udp", "udp", id="a protocol in small letters"),
        pytest.param("shop.example/tier=acmeedge,acmex=y0", r"e\d+\.e\d+/e\d+=e\d+,e\d+=e\d+", id="labels"),
        pytest.param("acmepool notin (acmeweb)", r"e\d+ notin \(e\d+\)", id="a selector"),
        pytest.param(
            "acme-1.elb.eu-west-1.amazonaws.com",
            r"e\d+-e\d+\.elb\.e\d+-e\d+-e\d+\.amazonaws\.com",
            id="a host of AWS",
        ),
        pytest.param("acmeweb AcmeWeb", r"e(\d+) E\1", id="capitals"),
        pytest.param("kubernetes.io/os=linux", r"kubernetes\.io/os=\w+", id="a label of Kubernetes"),
        pytest.param("10.1.2.3/32", r"10\.\d+\.\d+\.3/32", id="an address"),
        pytest.param("fd00:1::2", r"fd[0-9a-f:]+:2", id="an IPv6 address"),
        pytest.param(
            '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"acmeweb","servicePort":"80"}]}}',
            r'\{"type":"forward","forwardConfig":\{"targetGroups":\[\{"serviceName":"e\d+","servicePort":"80"\}\]\}\}',
            id="JSON",
        ),
    ],
)
def test_text(text: str, pattern: str) -> None:
    item = {"kind": "Namespace", "metadata": {"name": text}}
    assert re.fullmatch(pattern, anonymizer([item]).text(text))


@pytest.mark.parametrize(
    ("provider_id", "pattern"),
    [
        ("aws:///eu-west-1a/i-0abc123", r"aws:///e\d+-e\d+-e\d+/i-e\d+"),
        ("gce://project/zone-a/node-1", r"gce://e\d+/e\d+-e\d+/e\d+-e\d+"),
        ("hcloud://1234567", r"hcloud://\d+"),
        ("cn-hangzhou.i-bp1abc", r"cn-hangzhou\.i-e\d+"),
        ("ocid1.instance.oc1.iad.abcd", r"ocid1\.instance\.oc1\.e\d+\.e\d+"),
        (
            "azure:///subscriptions/12ab-34/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/x",
            r"azure:///subscriptions/e\d+-e\d+/resourceGroups/e\d+/providers/Microsoft\.Compute/virtualMachines/e\d+",
        ),
    ],
)
def test_provider_ids_keep_their_form(provider_id: str, pattern: str) -> None:
    item = {"kind": "Node", "spec": {"providerID": provider_id}}
    assert re.fullmatch(pattern, anonymized([item])[0]["spec"]["providerID"])


def test_references_in_keys_and_values_follow_the_names() -> None:
    ingress = {
        "kind": "Ingress",
        "metadata": {"annotations": {"alb.ingress.kubernetes.io/actions.shop-web": '{"serviceName":"shop-web"}'}},
        "spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "shop-web"}}}]}}]},
    }
    (made,) = anonymized([ingress])
    name = made["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]
    assert "shop" not in name
    expected = {f"alb.ingress.kubernetes.io/actions.{name}": f'{{"serviceName":"{name}"}}'}
    assert made["metadata"]["annotations"] == expected


def test_kinds_of_the_user_are_names() -> None:
    owners = [{"kind": kind, "name": "web", "uid": "1"} for kind in ("AcmeShop", "Gateway")]
    class_ = {
        "kind": "IngressClass",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": "own", "ownerReferences": owners},
        "spec": {"parameters": {"apiGroup": "edge.acme.example", "kind": "AcmeEdge", "name": "x"}},
    }
    of_the_lbc = {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "x"}
    own, known = anonymized([class_, {**class_, "spec": {"parameters": of_the_lbc}}])
    assert "acme" not in json.dumps([own, known]).lower()
    assert (own["kind"], own["apiVersion"]) == ("IngressClass", "networking.k8s.io/v1")
    assert [each["kind"] for each in own["metadata"]["ownerReferences"]][1] == "Gateway"
    assert known["spec"]["parameters"] | {"name": "x"} == of_the_lbc


def test_names_keep_their_order() -> None:
    names = ["acmeweb", "acmeapi", "acme-a", "acme-b", "acme"]
    replaced = anonymizer([{"kind": "Namespace", "metadata": {"name": name}} for name in names])
    assert [replaced.text(name) for name in sorted(names)] == sorted(map(replaced.text, names))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("actions." * 1100 + "x", id="beginnings of keys"),
        pytest.param(("actions." * 31 + "x ") * 200, id="beginnings of keys in names"),
        pytest.param("x" + "-nlb" * 2200, id="endings"),
        pytest.param("-" * 60_000, id="no word"),
        pytest.param("-." * 30_000, id="no domain"),
        pytest.param("a." * 30_000, id="a domain without an end"),
        pytest.param("1" * 60_000, id="digits"),
        pytest.param("a:" * 30_000, id="an IPv6 address without an end"),
    ],
)
def test_no_text_of_one_tenant_stops_the_dump(text: str) -> None:
    item = {
        "kind": "Ingress",
        "metadata": {"annotations": {"alb.ingress.kubernetes.io/conditions.web": text}},
        "spec": {"rules": [{"http": {"paths": [{"path": f"/{text}"}]}}]},
    }
    started = time.process_time()
    made = anonymizer([item])
    assert made.item(item)["metadata"]["annotations"]
    assert made.sentence(text)
    assert time.process_time() - started < 3


def test_what_the_dump_says_of_errors() -> None:
    head = ClusterDump(
        namespace="shop",
        not_read={
            "l2advertisements.v1beta1.metallb.io": 'may not list: User "jane" cannot list "x" at https://acme:1'
        },
        named_not_read={
            "felixconfigurations.projectcalico.org default": "read: dial tcp 10.96.44.7:443: no route to host",
            "networks.operator.openshift.io cluster": "cannot read: dial tcp [fd00:acee::7]:443: i/o timeout",
        },
        rejected=(Rejected("nodes.v1", "Node jane-1: spec: expected object, got 'acme'", name="jane-1"),),
    ).as_object()
    (made,) = anonymized([head])
    assert not re.search(r"jane|acme|shop|96\.44|acee", json.dumps(made))
    assert made["anonymized"] is True
    assert made["notRead"]["l2advertisements.v1beta1.metallb.io"].startswith("may not list: User ")
    assert made["rejected"][0]["message"].startswith(f"Node {made['rejected'][0]['name']}: spec: expected object")
