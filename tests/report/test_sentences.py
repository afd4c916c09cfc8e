"""What conditions, Events and reasons say, and the bounds of that."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from etpguard.assess import Outcome
from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.targets import CheckSettings, HealthCheck, NodeTargets, PodTargets
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.outcome import NO_HEALTHY_TARGET, Reason
from etpguard.assess.probe import AnswersEverywhere, KubeProxyHealthz, OwnNodePort, PassesNowhere
from etpguard.cli.output import aws_console
from etpguard.cluster import NodeTable
from etpguard.report import (
    condition_message,
    conditions,
    covered,
    delivered,
    event_note,
    explain_reason,
    explain_verdict,
)
from etpguard.report.sentences import evidence_in_words
from tests.assess.consumers import worlds
from tests.report.given import big, nginx, table_of


def test_condition_and_note_of_the_nginx_case() -> None:
    assessment, table = nginx()
    next_step = "Why, and what to do: etpguard explain default/nginx-nginx-ingress-controller"
    assert condition_message(assessment) == (
        f"TargetsUnhealthy: port http through Ingress default/web. {next_step}"
    )
    assert event_note(assessment, table) == (
        "TargetsUnhealthy, the load balancer avoids the nodes that drop the traffic: port http through Ingress "
        "default/web; 2 of 3 eligible nodes drop the traffic: node2, node3; "
        f"node ports: http (30851), https (32350). {next_step}"
    )


def test_why_nothing_is_routed_around_where_no_target_is_healthy() -> None:
    check = HealthCheck(AnswersEverywhere(), CheckSettings("30099", "HTTP", "/"))
    consumer = Consumer(
        "Ingress", "default", "web", "ingress.k8s.aws/alb", "instance", "http", NodeTargets(NodeRule(), check)
    )
    found = ConsumerVerdict(consumer, Outcome.Blackhole, Reason(NO_HEALTHY_TARGET), 0b111, 0b110)
    assert explain_verdict(found) == (
        "2 of 3 eligible nodes drop the traffic, and the HTTP health check on 30099 fails on the others too: "
        "no target is healthy, so the load balancer sends traffic to all of them, and a share of the requests "
        "is "
        "lost"
    )
    answered = replace(
        consumer,
        targets=NodeTargets(NodeRule(), replace(check, probe=PassesNowhere("kube-proxy answers 404 to /"))),
    )
    assert "fails on the others too (kube-proxy answers 404 to /): no target" in explain_verdict(
        replace(found, consumer=answered)
    )
    assert aws_console.shown(found) == (
        "all 3 targets unhealthy; it sends requests to all of them, and 2 of them drop every request"
    )


@pytest.mark.parametrize("controller", ["ingress.k8s.aws/alb", "service.k8s.aws/nlb"])
def test_the_console_may_show_healthy_targets_in_an_outage(controller: str) -> None:
    elsewhere = HealthCheck(KubeProxyHealthz(), CheckSettings("10256", "HTTP", "/healthz"))
    consumer = Consumer(
        "Ingress", "default", "web", controller, "instance", "http", NodeTargets(NodeRule(), elsewhere)
    )
    found = ConsumerVerdict(consumer, Outcome.Outage, Reason("Outage"), 0b110, 0b110)
    assert aws_console.shown(found) == (
        "2 targets healthy or unhealthy, as port 10256 answers the health check, which does not show that they "
        "drop every request"
    )
    itself = HealthCheck(OwnNodePort("http"), CheckSettings("traffic-port", "HTTP", "/"))
    asked = replace(found, consumer=replace(consumer, targets=NodeTargets(NodeRule(), itself)))
    assert aws_console.shown(asked).startswith("2 targets unhealthy, Target.")


@pytest.mark.parametrize(
    ("outcome", "reason", "uncovered", "sentence"),
    [
        pytest.param(
            Outcome.Blackhole,
            Reason("TooFewHealthyTargets"),
            0b110,
            "2 of 3 eligible nodes drop the traffic, and the HTTP health check on traffic-port fails on them: too "
            "few "
            "targets are healthy, so the load balancer sends traffic to all of them, and a share of the "
            "requests is lost",
            id="too few are healthy",
        ),
        pytest.param(
            Outcome.Outage,
            Reason("NoHealthyTarget"),
            0b111,
            "the HTTP health check on traffic-port fails on every target: no target is healthy, so the load "
            "balancer "
            "sends traffic to none, and all requests are lost",
            id="none is healthy and the load balancer fails closed",
        ),
        pytest.param(
            Outcome.NoTargets,
            Reason("NoTargets", "the taint gone excludes 3 nodes"),
            0,
            "no node is eligible, so the consumer has no target: the taint gone excludes 3 nodes",
            id="why no node is eligible",
        ),
        pytest.param(
            Outcome.NoTargets,
            Reason("NoNodePort", "Acme sends to node ports, and port web has none"),
            0,
            "NoNodePort: Acme sends to node ports, and port web has none",
            id="no node port",
        ),
        pytest.param(
            Outcome.NoEndpoints,
            Reason("NoEndpoints", "port web/TCP over IPv6"),
            0,
            "no node has a usable endpoint of port web/TCP over IPv6, so every node rejects this traffic; the "
            "traffic policy is not the cause",
            id="which port and family have no endpoint",
        ),
        pytest.param(
            Outcome.Unknown, Reason("NoAddress", "look there"), 0, "NoAddress: look there", id="no address"
        ),
        pytest.param(
            Outcome.Unknown,
            Reason("NoneHealthyNotKnown", "either"),
            0,
            "NoneHealthyNotKnown: either",
            id="not known",
        ),
    ],
)
def test_reasons_of_a_verdict(outcome: Outcome, reason: Reason, uncovered: int, sentence: str) -> None:
    check = HealthCheck(OwnNodePort("web"), CheckSettings("traffic-port", "HTTP", "/"))
    consumer = Consumer("Service", "d", "web", "c", "instance", "web", NodeTargets(NodeRule(), check))
    eligible = 0 if outcome is Outcome.NoTargets else 0b111
    assert explain_verdict(ConsumerVerdict(consumer, outcome, reason, eligible, uncovered)) == sentence


def test_without_a_consumer_the_port_and_family_without_endpoints_are_named() -> None:
    both = big(2, 0, table_of(3))
    lacking = replace(both.ports[1], usable=False, ready=0, family="IPv6")
    assessment = replace(
        both, outcome=Outcome.NoEndpoints, reason=Reason("NoKnownConsumer"), ports=(both.ports[0], lacking)
    )
    assert explain_reason(assessment).startswith(
        "no node has a usable endpoint of port p2/TCP over IPv6, so every node"
    )


def test_a_condition_holds_no_counts_and_no_node_names() -> None:
    """Whatever the nodes do, as long as outcome, ports and consumers stay."""
    few, many = table_of(3), table_of(4000)
    one = condition_message(big(3, 1, few))
    assert one == condition_message(big(3, 1, many))
    assert one.startswith("Outage: port p0 through Ingress default/lb-0. ")
    assert condition_message(big(3, 2, few)) == condition_message(big(3, 9, few))
    assert "node" not in one
    assert conditions(big(3, 1, few)) == conditions(big(3, 1, many))


def test_a_condition_without_consumers_names_at_most_ten_ports() -> None:
    message = condition_message(big(500, 0, table_of(1)))
    assert len(re.findall(r"\bp\d+", message)) == 10
    assert " and others. " in message


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        pytest.param(
            Outcome.Covered, "no known consumer; each of the 3 eligible nodes has an endpoint", id="covered"
        ),
        pytest.param(
            Outcome.Uncovered,
            "no known consumer; 2 of 3 eligible nodes drop the traffic of clients that use them",
            id="uncovered",
        ),
        pytest.param(Outcome.NoTargets, "no known consumer, and no eligible node", id="no eligible node"),
        pytest.param(
            Outcome.NoEndpoints,
            "no node has a usable endpoint, so every node rejects the traffic; the traffic policy is not the "
            "cause",
            id="no endpoints",
        ),
    ],
)
def test_why_without_a_known_consumer(outcome: Outcome, sentence: str) -> None:
    assessment = replace(
        big(1, 0, table_of(3)), outcome=outcome, reason=Reason("NoKnownConsumer"), eligible=0b111, uncovered=0b110
    )
    assert explain_reason(assessment) == sentence


@pytest.mark.parametrize("letter", ["n", "é"])
def test_an_event_note_is_at_most_1_kib(letter: str) -> None:
    table = NodeTable()
    for number in range(2000):
        table.add(f"{number}{letter * 249}")
    note = event_note(big(500, 20, table, name=letter * 253), table)
    assert len(note.encode()) <= 1024
    assert note.endswith(". Why, and what to do: etpguard explain default/big"), "the end is never cut off"


def test_an_event_note_names_five_nodes_and_the_rest_by_number() -> None:
    table = table_of(8)
    note = event_note(big(1, 1, table), table)
    assert note.count(".example.com") == 5
    assert "8 of 8 eligible nodes drop the traffic" in note
    assert "and 3 more" in note


@pytest.mark.parametrize(
    ("outcome", "is_covered", "is_delivered"),
    [
        (Outcome.NotAffected, "True", "True"),
        (Outcome.Covered, "True", "True"),
        (Outcome.TargetsUnhealthy, "False", "True"),
        (Outcome.NoEndpoints, "Unknown", "Unknown"),
        (Outcome.Unknown, "Unknown", "Unknown"),
        (Outcome.Uncovered, "False", "Unknown"),
        (Outcome.NoTargets, "False", "False"),
        (Outcome.Blackhole, "False", "False"),
        (Outcome.Outage, "False", "False"),
    ],
)
def test_conditions_by_outcome(outcome: Outcome, is_covered: str, is_delivered: str) -> None:
    assert (covered(outcome), delivered(outcome)) == (is_covered, is_delivered)


@pytest.mark.parametrize(
    ("outcome", "eligible", "uncovered", "sentence"),
    [
        pytest.param(Outcome.Covered, 0b1, 0, "the only eligible node has an endpoint", id="1 covered"),
        pytest.param(Outcome.Covered, 0b11, 0, "each of the 2 eligible nodes has an endpoint", id="2 covered"),
        pytest.param(Outcome.Outage, 0b1, 0b1, "the only eligible node drops the traffic", id="1 of 1"),
        pytest.param(Outcome.Outage, 0b11, 0b11, "all 2 eligible nodes drop the traffic", id="2 of 2"),
        pytest.param(
            Outcome.Blackhole,
            0b11,
            0b1,
            "1 of 2 eligible nodes drops the traffic, and the health check passes on it: a share of the requests "
            "is "
            "lost",
            id="1 of 2",
        ),
        pytest.param(
            Outcome.TargetsUnhealthy,
            0b111,
            0b11,
            "2 of 3 eligible nodes drop the traffic; the health check fails on them, so they receive no traffic",
            id="2 of 3",
        ),
        pytest.param(Outcome.NoTargets, 0, 0, "no node is eligible, so the consumer has no target", id="none"),
    ],
)
def test_numbers_agree_with_their_nouns(outcome: Outcome, eligible: int, uncovered: int, sentence: str) -> None:
    consumer = Consumer("Ingress", "default", "web", "ingress.k8s.aws/alb", "instance", "http", PodTargets())
    assert (
        explain_verdict(ConsumerVerdict(consumer, outcome, Reason(outcome.name), eligible, uncovered)) == sentence
    )


def test_an_outage_says_why_the_nodes_with_endpoints_are_no_targets() -> None:
    consumer = Consumer("Ingress", "default", "web", "ingress.k8s.aws/alb", "instance", "http", PodTargets())
    why = Reason("Outage", "of the nodes with endpoints, the selector pool=edge excludes 1 node")
    said = explain_verdict(ConsumerVerdict(consumer, Outcome.Outage, why, 0b1, 0b1))
    assert said == f"the only eligible node drops the traffic; {why.detail}"


def test_each_kind_of_evidence_has_its_words() -> None:
    assert all(evidence_in_words(evidence).startswith(evidence.value) for evidence in Evidence)


MEMBERS = [worlds.node(name, addresses=[f"192.0.2.{i}"]) for i, name in enumerate("abc", 1)]
UNCLAIMED = "no known consumer; 2 of 3 eligible nodes drop the traffic of clients that use them"


@pytest.mark.parametrize(
    ("addresses", "type_", "lost"),
    [
        pytest.param(["192.0.2.1"], "NodePort", "", id="the node with the endpoint"),
        pytest.param(["192.0.2.2"], "NodePort", "192.0.2.2", id="a node without one"),
        pytest.param(
            ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "NodePort", "192.0.2.2, 192.0.2.3", id="two of three"
        ),
        pytest.param(["192.0.2.2", "198.51.100.7"], "ClusterIP", "192.0.2.2", id="beside one that no node has"),
    ],
)
def test_the_reason_names_external_ips_that_are_lost(addresses: list[str], type_: str, lost: str) -> None:
    """Other clients may be better off, so these addresses do not decide the outcome."""
    subject = worlds.service(type=type_, externalIPs=addresses)
    assessment = worlds.world(subject, worlds.endpoints("a"), *MEMBERS).assessment
    more = f"; all requests to the external IP {lost} are lost" if lost else ""
    assert (assessment.outcome, explain_reason(assessment)) == (Outcome.Uncovered, f"{UNCLAIMED}{more}")


def test_the_reason_names_the_port_of_an_external_ip_that_is_lost_alone() -> None:
    ports = [worlds.port(), worlds.port("admin", 90, 30090)]
    subject = worlds.service(type="NodePort", ports=ports, externalIPs=["192.0.2.2"])
    slices = [worlds.endpoints("a", "b"), worlds.endpoints("a", ports=["admin"])]
    reason = explain_reason(worlds.world(subject, *slices, *MEMBERS).assessment)
    assert reason == f"{UNCLAIMED}; all requests to the external IP 192.0.2.2 (port admin) are lost"
