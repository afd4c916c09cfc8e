"""Resilience as JSON and in words."""

from __future__ import annotations

import pytest

from etpguard.assess.resilience import Resilience
from etpguard.report.resilience import resilience_lines, resilience_report, tolerates
from tests.report.given import table_of

TABLE = table_of(4)


def test_the_json_has_every_figure() -> None:
    found = Resilience(2, 1, 0b11, 2, 1, ("c", "d"), (1, 3))
    assert resilience_report(found, TABLE, 1) == {
        "coveredNodes": 2,
        "toleratesNodeLosses": 1,
        "singlePoints": TABLE.names(0b01),
        "counts": {"singlePoints": 2, "uncoveredZones": 2},
        "coveredZones": 2,
        "toleratesZoneLosses": 1,
        "uncoveredZones": ["c"],
        "perPodShare": {"least": 0.1667, "most": 0.5},
    }


def test_what_is_not_known_is_absent() -> None:
    assert resilience_report(Resilience(0, 0, 0), TABLE, 0) == {
        "coveredNodes": 0,
        "toleratesNodeLosses": 0,
        "singlePoints": [],
        "counts": {"singlePoints": 0, "uncoveredZones": 0},
    }


@pytest.mark.parametrize(
    ("found", "cell"),
    [
        (None, "-"),
        (Resilience(1, 0, 1), "0 nodes"),
        (Resilience(2, 1, 0, 2, 1), "1 node, 1 zone"),
        (Resilience(3, 2, 0, 1, 0), "2 nodes, 0 zones"),
    ],
)
def test_the_cell_of_a_table(found: Resilience | None, cell: str) -> None:
    assert tolerates(found) == cell


def test_the_sentences_name_nodes_zones_and_shares() -> None:
    lines = resilience_lines(Resilience(2, 0, 0b11, 1, 0, ("b",), (1, 2)), TABLE, 1)
    first = TABLE.names(1)[0]
    assert lines == [
        "covered on 2 nodes in 1 zone; may lose 0 nodes or 0 zones before more traffic is lost",
        f"if any one of these nodes fails, more traffic is lost: {first} and 1 more",
        "zones with eligible nodes and no covered one: b",
        "one pod gets 25.0% to 50.0% of the traffic, if each covered node gets the same",
    ]
