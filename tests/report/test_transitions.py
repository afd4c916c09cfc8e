"""The history of a report: one entry for each change of outcome, bounded, whatever stood there before."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etpguard.outcomes import Outcome
from etpguard.report.transitions import LIMIT, MAX_BYTES, extended, transitions_of

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"


def status(outcome: str, **more: Any) -> dict[str, Any]:
    return {"outcome": outcome, "reason": f"why {outcome}", "eligibleNodes": 3, "uncoveredNodes": 2, **more}


def test_a_new_report_says_since_when() -> None:
    assert extended(status("Covered"), None, NOW) == [
        {"time": NOW, "to": "Covered", "reason": "why Covered", "eligibleNodes": 3, "uncoveredNodes": 2}
    ]


def test_a_change_is_the_first_entry() -> None:
    before = status("Covered", transitions=extended(status("Covered"), None, NOW))
    newest, oldest = extended(status("Blackhole"), before, LATER)
    assert (newest["time"], newest["from"], newest["to"]) == (LATER, "Covered", "Blackhole")
    assert oldest == before["transitions"][0]


def test_the_same_outcome_adds_nothing() -> None:
    before = status("Covered", transitions=extended(status("Covered"), None, NOW))
    assert extended(status("Covered", uncoveredNodes=0), before, LATER) == before["transitions"]


def test_a_report_of_an_earlier_release_gets_its_first_entry() -> None:
    (only,) = extended(status("Covered"), status("Covered"), NOW)
    assert "from" not in only


@pytest.mark.parametrize("found", [None, 7, "x", {}, [7, None, {}, {"time": NOW}]])
def test_what_another_writer_left_is_no_obstacle(found: Any) -> None:
    (only,) = extended(status("Outage"), status("Covered", transitions=found), NOW)
    assert (only["from"], only["to"]) == ("Covered", "Outage")


@given(st.lists(st.tuples(st.sampled_from([o.name for o in Outcome]), st.text(max_size=300)), max_size=60))
def test_bounds_hold_for_any_history(changes: list[tuple[str, str]]) -> None:
    existing: dict[str, Any] | None = None
    expected: list[str] = []
    for outcome, reason in changes:
        wanted = {**status(outcome), "reason": reason}
        if not expected or expected[-1] != outcome:
            expected.append(outcome)
        existing = {**wanted, "transitions": extended(wanted, existing, NOW)}
    found = transitions_of(existing)
    assert [each["to"] for each in found] == expected[::-1][:LIMIT]
    assert len(msgspec.json.encode(found)) <= MAX_BYTES
    for newer, older in pairwise(found):
        assert newer["from"] == older["to"]
