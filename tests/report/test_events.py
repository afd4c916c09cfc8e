"""Which Event an outcome has, and what its note says."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest

from etpguard.assess import Outcome
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.outcome import NO_HEALTHY_TARGET, Reason
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
            "TargetsUnhealthy, the load balancer avoids the nodes that drop the traffic: port http through "
            "Ingress default/web; 2 of 3 eligible nodes refuse the traffic: node2, node3; node ports: p0 (30000). "
            "Why, and what to do: etpguard explain default/web",
            id="TargetsUnhealthy",
        ),
        pytest.param(
            O.Outage,
            0b111,
            "Outage, all external requests are lost: port http through Ingress default/web; 3 of 3 eligible "
            "nodes refuse the traffic: node1, node2, node3; node ports: p0 (30000). "
            "Why, and what to do: etpguard explain default/web",
            id="Outage",
        ),
        pytest.param(
            O.Covered,
            0,
            "Covered: port http through Ingress default/web; each of the 3 eligible nodes has an endpoint; "
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


def test_a_note_without_eligible_nodes_has_no_counts() -> None:
    given = subject(O.NoTargets, verdict(O.NoTargets), uncovered=0)
    event = coverage_event(replace(given, view=msgspec.structs.replace(given.view, eligible=0)), table())
    assert event is not None
    meaning = "no node gets the traffic, so all external requests are lost"
    assert event.note.startswith(f"NoTargets, {meaning}: port http through Ingress default/web")
    assert not re.search(r"\d of \d", event.note)


def test_a_note_blames_no_node_where_the_health_check_fails_everywhere() -> None:
    """A load balancer that fails closed sends nothing to the nodes with an endpoint either."""
    given = subject(O.Outage, verdict(O.Outage), uncovered=0b111)
    view = msgspec.structs.replace(given.view, reason=Reason(NO_HEALTHY_TARGET))
    event = coverage_event(replace(given, view=view), table())
    assert event is not None
    assert "; no target passes the health check; " in event.note
    assert "drop the traffic" not in event.note


def test_the_note_of_another_object_keeps_its_next_step() -> None:
    long = subject(O.Outage, verdict(O.Outage, name="n" * 1000))
    event = coverage_event(replace(long, service=long.regarding), table())
    assert event is not None
    assert event.note.startswith("Service web: Outage")
    assert event.note.endswith("Why, and what to do: etpguard explain default/web")
    assert len(event.note.encode()) == 1024
