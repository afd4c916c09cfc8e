"""The JSON contract on the case it was written for, and what it counts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from etpguard.assess import Assessment, Outcome, PortState
from etpguard.assess.data_planes.interface import DataPlane, KnownDataPlane
from etpguard.assess.evidence import Evidence
from etpguard.assess.outcome import Reason
from etpguard.objects import Key
from etpguard.report import (
    Contents,
    coverage_report,
    service_report,
)
from etpguard.report.contract import consumer_report
from tests.report.given import big, nginx, table_of, verdict
from tests.report.planes import planes_of

Json = dict[str, Any]


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
                    "reason": "2 of 3 eligible nodes drop the traffic; the HTTP health check on traffic-port "
                    "fails "
                    "on them, so they receive no traffic",
                    "evidence": "documented",
                }
            ],
            "advice": ["do this", "or that"],
        }
    ],
    "internal": [],
    "assumptions": ["the data plane of every node is kube-proxy; use --data-plane to name another one"],
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
            planes_of(KnownDataPlane(DataPlane.KUBE_PROXY)),
            assessment.nodes,
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


RENAMED = "the hostname of node n1 is its name"


def test_the_report_lists_each_assumption_once() -> None:
    """The data plane is among them only where nobody names it."""
    table = table_of(1)
    services = [
        replace(big(1, 1, table), key=Key("default", name), assumptions=assumptions)
        for name, assumptions in (("a", (RENAMED, "it is Acme's")), ("b", ()), ("c", (RENAMED,)))
    ]
    for evidence, first in (
        (Evidence.ASSUMED, ["the data plane of every node is cilium; use --data-plane to name another one"]),
        (Evidence.STATED, []),
    ):
        planes = planes_of(KnownDataPlane(DataPlane.CILIUM, evidence=evidence))
        report = coverage_report(Contents(planes, 1, services, table, advice=lambda _: ()))
        assert report["assumptions"] == [*first, RENAMED, "it is Acme's"]
        assert [service["assumptions"] for service in report["services"]] == [
            [RENAMED, "it is Acme's"],
            [],
            [RENAMED],
        ]


def test_a_consumer_says_how_its_rule_is_known() -> None:
    table = table_of(1)
    for evidence, assumptions in ((Evidence.ASSUMED, ("it is Acme's",)), (Evidence.OBSERVED, ())):
        found = verdict(0, 1, evidence=evidence, assumptions=assumptions)
        report = consumer_report(found, table, 0)
        assert report["evidence"] == evidence.value
        assert report.get("assumptions", []) == list(assumptions)


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


@pytest.mark.parametrize(
    "differs",
    [
        {"ready": 0b011},
        {"terminating": 0b010},
        {"usable": False},
        {"unusable": 0b100},
        {"silent": 0b010},
        {"unanswered": 0b100},
    ],
    ids=lambda differs: next(iter(differs)),
)
def test_each_port_lists_its_own_nodes(differs: Json) -> None:
    """Ports with the same nodes share their lists."""
    table = table_of(3)
    first = PortState("a", 1, "TCP", "IPv4", 30001, ready=0b001, terminating=0, usable=True)
    ports = (first, replace(first, port="b", **differs), replace(first, port="c", **differs))
    together = service_report(replace(big(1, 0, table), ports=ports), table, [])["ports"]
    alone = [service_report(replace(big(1, 0, table), ports=(port,)), table, [])["ports"][0] for port in ports]
    assert together == alone
    assert together[0] | {"port": "b"} != together[1]
