"""The bounds of what is stored, and what goes first."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from etpguard.assess.consumers.interface import HealthCheck
from etpguard.report import (
    status,
)
from tests.report.given import big, nginx, table_of

Json = dict[str, Any]


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
