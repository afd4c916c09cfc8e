"""The public shapes: the JSON contract on the case it was written for, and the bounds of what is stored."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from etpguard.assess import Assessment, Engine, Outcome, PortState, picture_for
from etpguard.assess.consumers.interface import Consumer, ConsumerVerdict, HealthCheck
from etpguard.assess.consumers.registry import families
from etpguard.assess.outcome import NO_HEALTHY_TARGET, Reason
from etpguard.assess.probe import PassesNowhere
from etpguard.cli import console_words
from etpguard.cluster import NodeTable
from etpguard.objects import INGRESS, INGRESS_CLASS, Key
from etpguard.report import (
    Contents,
    condition_message,
    conditions,
    coverage_report,
    covered,
    delivered,
    event_note,
    explain_verdict,
    service_report,
    status,
)
from tests.assess.build import endpoint, endpoint_slice, node, record, service

Json = dict[str, Any]


def nginx() -> tuple[Assessment, NodeTable]:
    """Three nodes, the ingress controller's only pod on node1, an ALB with instance targets in front."""
    consumers = families()
    picture = picture_for(consumers)
    name = "nginx-nginx-ingress-controller"
    ports = [
        {"name": "http", "port": 80, "targetPort": "http", "nodePort": 30851},
        {"name": "https", "port": 443, "targetPort": "https", "nodePort": 32350},
    ]
    targets = [
        {"name": "http", "protocol": "TCP", "port": 80},
        {"name": "https", "protocol": "TCP", "port": 443},
    ]
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    ingress: Json = {
        "metadata": {
            "name": "web",
            "namespace": "default",
            "annotations": {"alb.ingress.kubernetes.io/healthcheck-path": "/nginx-health"},
        },
        "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": [{"path": "/", "backend": backend}]}}]},
    }
    class_ = {"metadata": {"name": "alb"}, "spec": {"controller": "ingress.k8s.aws/alb"}}
    objects = [
        *(node(n, provider_id=f"aws:///eu-west-1a/i-000000000000000{n[-1]}") for n in ("node1", "node2", "node3")),
        service(name, ports),
        endpoint_slice([endpoint("node1")], targets, name=f"{name}-1", of=name),
    ]
    for each in objects:
        kind = next(k for k in picture.kinds if k.record is type(each))
        picture.absorb(picture.store(kind).replace([each]))
    picture.absorb(picture.store(INGRESS).replace([record(INGRESS, ingress)]))
    picture.absorb(picture.store(INGRESS_CLASS).replace([record(INGRESS_CLASS, class_)]))
    engine = Engine(picture, consumers)
    engine.refresh_all()
    return engine.assessments[Key("default", name)], picture.nodes


def port_of(name: str, node_port: int) -> Json:
    return {
        "port": name,
        "protocol": "TCP",
        "family": "IPv4",
        "nodePort": node_port,
        "ready": ["node1"],
        "terminating": [],
        "dropped": ["node2", "node3"],
        "rejected": [],
        "counts": {"ready": 1, "terminating": 0, "dropped": 2, "rejected": 0},
    }


CONTRACT: Json = {
    "apiVersion": "etpguard.dev/v1alpha1",
    "kind": "CoverageReport",
    "dataPlane": {"name": "kube-proxy", "how": "assumed"},
    "services": [
        {
            "namespace": "default",
            "name": "nginx-nginx-ingress-controller",
            "type": "NodePort",
            "outcome": "TargetsUnhealthy",
            "ports": [port_of("http", 30851), port_of("https", 32350)],
            "consumers": [
                {
                    "kind": "Ingress",
                    "namespace": "default",
                    "name": "web",
                    "controller": "ingress.k8s.aws/alb",
                    "targetType": "instance",
                    "port": "http",
                    "healthCheck": {"port": "traffic-port", "protocol": "HTTP", "path": "/nginx-health"},
                    "eligibleNodes": ["node1", "node2", "node3"],
                    "uncoveredNodes": ["node2", "node3"],
                    "outcome": "TargetsUnhealthy",
                    "reason": "2 of 3 target nodes drop the traffic; the HTTP health check on traffic-port fails "
                    "there, so it routes around them",
                }
            ],
            "advice": ["do this", "or that"],
        }
    ],
    "warnings": ["odd"],
    "notRead": ["gateways.gateway.networking.k8s.io"],
}


def part_of(whole: Any, contract: Any) -> Any:
    """`whole` without what it has beyond the contract; lists keep their length."""
    if isinstance(contract, dict) and isinstance(whole, dict):
        return {key: part_of(whole[key], inner) for key, inner in contract.items() if key in whole}
    if isinstance(contract, list) and isinstance(whole, list) and len(contract) == len(whole):
        return [part_of(one, other) for one, other in zip(whole, contract, strict=True)]
    return whole


def test_the_json_contract_on_the_nginx_case() -> None:
    assessment, table = nginx()
    report = coverage_report(
        Contents(
            "kube-proxy",
            "assumed",
            [assessment],
            table,
            advice=lambda _: ["do this", "or that"],
            warnings=["odd"],
            not_read=["gateways.gateway.networking.k8s.io"],
        )
    )
    assert part_of(report, CONTRACT) == CONTRACT
    assert set(report) == set(CONTRACT), "nothing beside it at the top"
    assert msgspec.json.decode(msgspec.json.encode(report)) == report


def test_condition_and_note_of_the_nginx_case() -> None:
    assessment, table = nginx()
    assert condition_message(assessment) == "TargetsUnhealthy: port http through Ingress default/web"
    assert event_note(assessment, table) == (
        "TargetsUnhealthy: port http through Ingress default/web; 2 of 3 eligible nodes uncovered: node2, node3; "
        "node ports: http (30851), https (32350)"
    )


def test_why_nothing_is_routed_around_where_no_target_is_healthy() -> None:
    check = HealthCheck("30099", "HTTP", "/")
    consumer = Consumer("Ingress", "default", "web", "ingress.k8s.aws/alb", "instance", "http", health_check=check)
    found = ConsumerVerdict(consumer, Outcome.Blackhole, Reason(NO_HEALTHY_TARGET), 0b111, 0b110)
    assert explain_verdict(found) == (
        "2 of 3 target nodes drop the traffic, and the HTTP health check on 30099 fails on the others too: "
        "no target is healthy, so the load balancer sends to all, and a share of the requests is lost"
    )
    answered = replace(consumer, probe=PassesNowhere("kube-proxy answers 404 to /"))
    assert "fails on the others too (kube-proxy answers 404 to /): no target" in explain_verdict(
        replace(found, consumer=answered)
    )
    assert console_words.shown(found) == (
        "all 3 targets unhealthy, and requests sent to all of them alike, 2 of which drop every one"
    )


def table_of(count: int) -> NodeTable:
    table = NodeTable()
    for number in range(count):
        table.add(f"node-{number:04}.{'x' * 40}.example.com")
    return table


def verdict(number: int, nodes: int, **fields: Any) -> ConsumerVerdict:
    base: Json = {"name": f"lb-{number}", "port": "p0"}
    consumer = Consumer("Ingress", "default", controller="c", target_type="instance", **{**base, **fields})
    return ConsumerVerdict(consumer, Outcome.Outage, Reason("Outage"), nodes, nodes, nodes)


def big(ports: int, consumers: int, table: NodeTable, **fields: Any) -> Assessment:
    """A Service whose ports are all in different states."""
    everything = table.present
    states = tuple(
        PortState(f"p{n}", n, "TCP", "IPv4", 30000 + n, ready=n, terminating=0, usable=True)
        for n in range(1, ports + 1)
    )
    verdicts = tuple(verdict(number, everything, **fields) for number in range(consumers))
    return Assessment(
        Key("default", "big"),
        "u",
        "NodePort",
        "Local",
        Outcome.Outage,
        Reason("Outage"),
        states,
        verdicts,
        everything,
        everything,
        everything,
    )


def test_status_bounds() -> None:
    table = table_of(50)
    made = status(big(3, 2, table), table, ["advice"], {"phase": "Applied"})
    assert [len(group["dropped"]) for group in made["ports"]] == [20, 20, 20]
    assert [group["counts"]["dropped"] for group in made["ports"]] == [49, 49, 48], "whole"
    assert [len(consumer["eligibleNodes"]) for consumer in made["consumers"]] == [20, 20]
    assert made["consumers"][0]["counts"]["eligible"] == 50
    assert (made["eligibleNodes"], made["uncoveredNodes"]) == (50, 50)
    assert made["remediation"] == {"phase": "Applied"}


@pytest.mark.parametrize(
    ("ports", "consumers", "fields", "advice"),
    [
        pytest.param(200, 100, {}, [], id="more ports and consumers than there is room for"),
        pytest.param(64, 32, {"name": "n" * 253, "source": "s" * 300}, ["a" * 1024] * 20, id="long names"),
        pytest.param(
            64, 32, {"health_check": HealthCheck("80", "HTTP", "/" * 250_000)}, [], id="a path of 250 KB"
        ),
        pytest.param(
            64, 32, {"name": "é" * 253, "source": "é" * 5000}, ["é" * 5000] * 20, id="more bytes than letters"
        ),
        pytest.param(64, 0, {}, ["x" * 100_000], id="long advice"),
    ],
)
def test_status_never_exceeds_its_bounds(ports: int, consumers: int, fields: Json, advice: list[str]) -> None:
    table = table_of(5000)
    made = status(big(ports, consumers, table, **fields), table, advice, {"phase": "Applied"})
    assert len(msgspec.json.encode(made)) <= 64 * 1024
    assert sum(len(group["ports"]) for group in made["ports"]) == min(ports, 64)
    assert len(made["consumers"]) <= 32
    assert (made["portsTotal"], made["consumersTotal"]) == (ports, consumers)
    assert all(group["counts"]["dropped"] > 4900 for group in made["ports"]), "totals stay when names go"
    assert made["outcome"] == "Outage"


def test_names_are_dropped_before_consumers() -> None:
    table = table_of(5000)
    made = status(big(64, 32, table), table, [], None)
    assert len(made["consumers"]) == 32
    assert max(len(group["dropped"]) for group in made["ports"]) < 20


def test_ports_in_equal_states_share_a_group() -> None:
    assessment, table = nginx()
    (group,) = status(assessment, table, [], None)["ports"]
    assert [port["nodePort"] for port in group["ports"]] == [30851, 32350]
    assert group["dropped"] == ["node2", "node3"]


def test_names_a_list_are_bounded_and_counts_whole() -> None:
    table = table_of(10)
    for limit, names in ((3, 3), (100, 10), (0, 10)):
        report = service_report(big(1, 1, table), table, [], limit)
        assert len(report["consumers"][0]["eligibleNodes"]) == names
        assert report["consumers"][0]["counts"]["eligible"] == 10
    listed = service_report(big(1, 1, table), table, [], 3)["consumers"][0]["eligibleNodes"]
    assert listed == sorted(listed)


def test_nodes_that_are_no_more_are_not_counted() -> None:
    table = table_of(3)
    ghost = table.bit("ghost")
    ready = PortState("p", 1, "TCP", "IPv4", 30001, ready=ghost | 1, terminating=-1 & ~1, usable=True)
    assessment = big(1, 0, table)
    assessment = Assessment(
        assessment.key, "u", "NodePort", "Local", Outcome.Covered, Reason("Covered"), (ready,), (), table.present
    )
    (port,) = service_report(assessment, table, [])["ports"]
    assert port["counts"] == {"ready": 1, "terminating": 2, "dropped": 0, "rejected": 0}


def test_a_condition_holds_no_counts_and_no_node_names() -> None:
    """Whatever the nodes do, as long as outcome, ports and consumers stay."""
    few, many = table_of(3), table_of(4000)
    one = condition_message(big(3, 1, few))
    assert one == condition_message(big(3, 1, many)) == "Outage: port p0 through Ingress default/lb-0"
    assert condition_message(big(3, 2, few)) == condition_message(big(3, 9, few))
    assert "node" not in one
    assert conditions(big(3, 1, few)) == conditions(big(3, 1, many))


def test_a_condition_without_consumers_names_at_most_ten_ports() -> None:
    message = condition_message(big(500, 0, table_of(1)))
    assert len(re.findall(r"\bp\d+", message)) == 10
    assert message.endswith(" and others")


@pytest.mark.parametrize("letter", ["n", "é"])
def test_an_event_note_is_at_most_1_kib(letter: str) -> None:
    table = NodeTable()
    for number in range(2000):
        table.add(f"{number}{letter * 249}")
    note = event_note(big(500, 20, table, name=letter * 253), table)
    assert len(note.encode()) <= 1024


def test_an_event_note_names_five_nodes_and_the_rest_by_number() -> None:
    table = table_of(8)
    note = event_note(big(1, 1, table), table)
    assert note.count(".example.com") == 5
    assert "8 of 8 eligible nodes uncovered" in note
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
