"""Which Event an outcome has, and what its note says."""

from __future__ import annotations

import pytest

from etpguard.assess import Outcome
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.objects import SERVICE
from etpguard.objects.events import ObjectRef
from etpguard.report.events import WARNING_OUTCOMES, Subject, coverage_event
from tests.publish.given import BY_DESIGN, KEY, assessment, table, verdict

O = Outcome  # noqa: E741


def subject(outcome: Outcome, *consumers: ConsumerVerdict, uncovered: int = 0b110) -> Subject:
    assessed = assessment(outcome, *consumers, uncovered=uncovered)
    return Subject(ObjectRef(SERVICE, KEY, assessed.uid), assessed)


@pytest.mark.parametrize(
    ("outcome", "reason", "warning"),
    [
        pytest.param(O.NotAffected, "NodesCovered", False, id="NotAffected"),
        pytest.param(O.Covered, "NodesCovered", False, id="Covered"),
        pytest.param(O.TargetsUnhealthy, "NodesUncovered", True, id="TargetsUnhealthy"),
        pytest.param(O.NoEndpoints, None, None, id="NoEndpoints"),
        pytest.param(O.Unknown, None, None, id="Unknown"),
        pytest.param(O.Uncovered, "NodesUncovered", True, id="Uncovered"),
        pytest.param(O.NoTargets, "NoEligibleNodes", True, id="NoTargets"),
        pytest.param(O.Blackhole, "TrafficBlackhole", True, id="Blackhole"),
        pytest.param(O.Outage, "TrafficOutage", True, id="Outage"),
    ],
)
def test_each_outcome_has_its_event(outcome: Outcome, reason: str | None, warning: bool | None) -> None:
    event = coverage_event(subject(outcome, verdict(outcome)), table())
    assert (event and event.reason) == reason
    assert (event and event.warning) == warning
    assert (outcome in WARNING_OUTCOMES) <= bool(warning)


@pytest.mark.parametrize(
    ("consumers", "warning"),
    [
        pytest.param([verdict(O.TargetsUnhealthy, probe=BY_DESIGN)], False, id="healthCheckNodePort"),
        pytest.param([verdict(O.TargetsUnhealthy)], True, id="a node port"),
        pytest.param(
            [verdict(O.TargetsUnhealthy, probe=BY_DESIGN), verdict(O.TargetsUnhealthy, name="b")], True, id="both"
        ),
        pytest.param(
            [verdict(O.TargetsUnhealthy, probe=BY_DESIGN), verdict(O.Covered, name="b")],
            False,
            id="the node port's consumer is covered",
        ),
    ],
)
def test_unhealthy_targets_warn_unless_the_health_check_is_made_for_it(
    consumers: list[ConsumerVerdict], warning: bool
) -> None:
    event = coverage_event(subject(O.TargetsUnhealthy, *consumers), table())
    assert event is not None
    assert event.warning is warning


@pytest.mark.parametrize(
    ("outcome", "uncovered", "note"),
    [
        pytest.param(
            O.TargetsUnhealthy,
            0b110,
            "TargetsUnhealthy: port http through Ingress default/web; 2 of 3 eligible nodes uncovered: node2, "
            "node3; node ports: p0 (30000)",
            id="TargetsUnhealthy",
        ),
        pytest.param(
            O.Outage,
            0b111,
            "Outage: port http through Ingress default/web; 3 of 3 eligible nodes uncovered: node1, node2, node3; "
            "node ports: p0 (30000)",
            id="Outage",
        ),
        pytest.param(
            O.Covered,
            0,
            "Covered: port http through Ingress default/web; 0 of 3 eligible nodes uncovered; "
            "node ports: p0 (30000)",
            id="Covered",
        ),
    ],
)
def test_the_note_is_stored_data(outcome: Outcome, uncovered: int, note: str) -> None:
    """An operator of another release that takes over must find the very same note, or it writes one Event more
    for each object."""
    event = coverage_event(subject(outcome, verdict(outcome), uncovered=uncovered), table())
    assert event is not None
    assert event.note == note
