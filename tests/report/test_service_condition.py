"""The condition of a Service, and whether the existing one is the same."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from etpguard.objects import SERVICE, Condition, Reject, Service, decode_item
from etpguard.report.service_condition import (
    condition_differs,
    conditions_body,
    existing_condition,
    wanted_condition,
)
from tests.publish.given import assessment, verdict

O = Outcome  # noqa: E741


@pytest.mark.parametrize("outcome", O)
def test_each_outcome_has_its_condition(outcome: Outcome) -> None:
    condition = wanted_condition(assessment(outcome, verdict(outcome)))
    assert (condition.type, condition.reason) == ("etpguard.dev/Covered", outcome.name)
    assert condition.status in ("True", "False", "Unknown")


def test_the_conditions_message_has_no_counts_and_no_nodes() -> None:
    few = assessment(O.Blackhole, verdict(O.Blackhole), uncovered=0b010)
    many = assessment(O.Blackhole, verdict(O.Blackhole), uncovered=0b110)
    assert wanted_condition(few) == wanted_condition(many)


@pytest.mark.parametrize(
    ("existing", "wanted", "differs"),
    [
        pytest.param(None, None, False, id="neither"),
        pytest.param(None, Condition("t", "True", "Covered"), True, id="missing"),
        pytest.param(Condition("t", "True", "Covered"), None, True, id="left over"),
        pytest.param(
            Condition("t", "True", "Covered", "old", "2026-01-01T00:00:00Z"),
            Condition("t", "True", "Covered", "new"),
            False,
            id="message and time alone",
        ),
        pytest.param(Condition("t", "False", "Outage"), Condition("t", "False", "Blackhole"), True, id="reason"),
        pytest.param(Condition("t", "False", "X"), Condition("t", "True", "X"), True, id="status"),
    ],
)
def test_a_condition_is_written_for_its_status_or_reason(
    existing: Condition | None, wanted: Condition | None, differs: bool
) -> None:
    assert condition_differs(existing, wanted) is differs


@pytest.mark.parametrize(
    ("status", "time"),
    [
        pytest.param("False", "2026-01-01T00:00:00Z", id="kept while the status stays"),
        pytest.param("Unknown", "2026-02-02T00:00:00Z", id="now when it changes"),
    ],
)
def test_the_time_of_a_transition(status: str, time: str) -> None:
    existing = Condition("etpguard.dev/Covered", "False", "Outage", "", "2026-01-01T00:00:00Z")
    wanted = Condition("etpguard.dev/Covered", status, "Blackhole", "")
    [made] = conditions_body([(wanted, existing)], "2026-02-02T00:00:00Z")["status"]["conditions"]
    assert made["lastTransitionTime"] == time


def service(conditions: object = None) -> Service:
    made = decode_item(
        SERVICE,
        {"metadata": {"name": "web", "uid": "u1"}, "spec": {}, "status": {"conditions": conditions}},
    )
    assert not isinstance(made, Reject)
    return made


def test_the_existing_condition_is_found_by_type() -> None:
    assert existing_condition(service()) is None
    both = [{"type": "x"}, {"type": "etpguard.dev/Covered", "status": "True"}]
    found = existing_condition(service(both))
    assert found is not None
    assert found.status == "True"


def test_the_message_is_one_harmless_line() -> None:
    hostile = assessment(O.Blackhole, verdict(O.Blackhole, name="web\nforged\x1b[2J"))
    assert (wanted_condition(hostile).message or "").isprintable()
