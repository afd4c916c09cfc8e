"""What should stand, and whether what stands is the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from etpguard.assess import Outcome
from etpguard.objects import (
    SERVICE,
    SERVICE_COVERAGE,
    Condition,
    Reject,
    Service,
    ServiceCoverage,
    decode_item,
)
from etpguard.publish import desired
from tests.publish.given import assessment, table, verdict

O = Outcome  # noqa: E741


@pytest.mark.parametrize("outcome", O)
def test_each_outcome_has_its_condition(outcome: Outcome) -> None:
    condition = desired.condition(assessment(outcome, verdict(outcome)))
    assert (condition.type, condition.reason) == ("etpguard.dev/Covered", outcome.name)
    assert condition.status in ("True", "False", "Unknown")


def test_the_conditions_message_has_no_counts_and_no_nodes() -> None:
    few = assessment(O.Blackhole, verdict(O.Blackhole), uncovered=0b010)
    many = assessment(O.Blackhole, verdict(O.Blackhole), uncovered=0b110)
    assert desired.condition(few) == desired.condition(many)


@pytest.mark.parametrize(
    ("standing", "wanted", "differs"),
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
    standing: Condition | None, wanted: Condition | None, differs: bool
) -> None:
    assert desired.condition_differs(standing, wanted) is differs


@pytest.mark.parametrize(
    ("status", "time"),
    [
        pytest.param("False", "2026-01-01T00:00:00Z", id="kept while the status stays"),
        pytest.param("Unknown", "2026-02-02T00:00:00Z", id="now when it changes"),
    ],
)
def test_the_time_of_a_transition(status: str, time: str) -> None:
    standing = Condition("etpguard.dev/Covered", "False", "Outage", "", "2026-01-01T00:00:00Z")
    wanted = Condition("etpguard.dev/Covered", status, "Blackhole", "")
    [made] = desired.condition_body(wanted, standing, "2026-02-02T00:00:00Z")["status"]["conditions"]
    assert made["lastTransitionTime"] == time


def test_a_report_differs_in_anything_but_times_and_the_remediation() -> None:
    assessed = assessment(O.Blackhole, verdict(O.Blackhole))
    wanted = desired.report_status(assessed, table(), ("do this",))
    standing = desired.report_body(wanted, None, "2026-01-01T00:00:00Z")["status"]
    assert desired.report_differs(None, wanted)
    assert not desired.report_differs(standing, wanted)
    assert not desired.report_differs({**standing, "remediation": {"phase": "Applied"}}, wanted)
    assert desired.report_differs({**standing, "advice": []}, wanted)
    assert desired.report_differs({**standing, "conditions": None}, wanted)
    assert desired.report_differs({**standing, "ifLocal": {}}, wanted)
    other = desired.report_status(assessment(O.Blackhole, verdict(O.Blackhole), uncovered=0b010), table(), ())
    assert desired.report_differs(standing, other)


def test_a_report_holds_no_null() -> None:
    def nulls(value: object) -> bool:
        if isinstance(value, dict):
            return any(nulls(v) for v in value.values())
        return any(nulls(v) for v in value) if isinstance(value, list) else value is None

    assert not nulls(desired.report_status(assessment(O.Outage, verdict(O.Outage)), table(), ()))


def service(conditions: object = None) -> Service:
    made = decode_item(
        SERVICE,
        {"metadata": {"name": "web", "uid": "u1"}, "spec": {}, "status": {"conditions": conditions}},
    )
    assert not isinstance(made, Reject)
    return made


@pytest.mark.parametrize(
    ("remediation", "stays"),
    [
        pytest.param(None, False, id="none"),
        pytest.param({"phase": "Applied", "serviceUID": "u1"}, True, id="applied"),
        pytest.param({"phase": "Applying", "serviceUID": "u1"}, True, id="intent"),
        pytest.param({"phase": "Applied", "serviceUID": "u0"}, False, id="of an earlier Service"),
        pytest.param({"phase": "RolledBack", "serviceUID": "u1"}, False, id="rolled back"),
        pytest.param(
            {"phase": "RolledBackByUser", "serviceUID": "u1", "heldFor": "p@1"}, True, id="held off by a person"
        ),
        pytest.param(
            {"phase": "RolledBackByUser", "serviceUID": "u0", "heldFor": "p@1"}, False, id="of another Service"
        ),
        pytest.param(
            {
                "phase": "Reverted",
                "serviceUID": "u1",
                "reverts": [{"time": "2026-10-28T00:00:00Z", "manager": "x"}],
            },
            True,
            id="reverted within the longest window",
        ),
        pytest.param(
            {
                "phase": "Reverted",
                "serviceUID": "u1",
                "reverts": [{"time": "2026-10-20T00:00:00Z", "manager": "x"}],
            },
            False,
            id="reverted long ago",
        ),
        pytest.param(
            {"phase": "RolledBack", "serviceUID": "u1", "intents": ["2026-11-21T00:00:00Z"]},
            True,
            id="spent within the longest budget",
        ),
        pytest.param(
            {"phase": "RolledBack", "serviceUID": "u1", "intents": ["2026-11-18T00:00:00Z", "never"]},
            False,
            id="spent long ago",
        ),
        pytest.param({"phase": 7}, True, id="unreadable"),
    ],
)
def test_a_report_that_remembers_a_change_must_stay(remediation: object, stays: bool) -> None:
    raw = {"metadata": {"name": "web", "namespace": "default"}, "status": {"remediation": remediation}}
    standing = decode_item(SERVICE_COVERAGE, raw)
    assert isinstance(standing, ServiceCoverage)
    now = datetime(2026, 11, 26, tzinfo=UTC).timestamp()
    assert desired.must_stay(standing, service(), now) is stays


def test_the_standing_condition_is_found_by_type() -> None:
    assert desired.standing_condition(service()) is None
    both = [{"type": "x"}, {"type": "etpguard.dev/Covered", "status": "True"}]
    found = desired.standing_condition(service(both))
    assert found is not None
    assert found.status == "True"
    assert desired.owner_of(ServiceCoverage(metadata=_meta([]))) == ""


def _meta(owners: list[Any]) -> Any:
    raw = {"metadata": {"name": "web", "namespace": "default", "ownerReferences": owners}}
    made = decode_item(SERVICE_COVERAGE, raw)
    assert not isinstance(made, Reject)
    return made.metadata
