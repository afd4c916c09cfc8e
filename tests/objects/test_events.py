"""The body of an Event, and the identity that its name follows from."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from etpguard.objects import INGRESS, SERVICE, Key
from etpguard.objects.events import (
    REMEDIATION_ACTION,
    REMEDIATION_CONTROLLER,
    Event,
    ObjectRef,
    clip_note,
    series_body,
)

SERVICE_REF = ObjectRef(SERVICE, Key("ns", "web"), "uid-service")
INGRESS_REF = ObjectRef(INGRESS, Key("ns", "front"), "uid-ingress")
COVERAGE = Event(
    regarding=INGRESS_REF, related=SERVICE_REF, reason="NodesUncovered", warning=True, note="2 of 3 é"
)
REMEDIATED = Event(
    regarding=SERVICE_REF,
    reason="RemediationApplied",
    warning=False,
    note="done",
    controller=REMEDIATION_CONTROLLER,
    action=REMEDIATION_ACTION,
)


def test_the_body_of_an_event_about_coverage() -> None:
    assert COVERAGE.body(now=1000.5, instance="i" * 200) == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "ns", "name": "front.47e5c69cf540b60f"},
        "eventTime": "1970-01-01T00:16:40.500000Z",
        "reportingController": "etpguard.dev/operator",
        "reportingInstance": "i" * 128,
        "action": "AssessCoverage",
        "reason": "NodesUncovered",
        "type": "Warning",
        "note": "2 of 3 é",
        "regarding": {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "namespace": "ns",
            "name": "front",
            "uid": "uid-ingress",
        },
        "related": {
            "apiVersion": "v1",
            "kind": "Service",
            "namespace": "ns",
            "name": "web",
            "uid": "uid-service",
        },
    }


def test_the_body_of_an_event_about_a_remediation() -> None:
    body = REMEDIATED.body(now=0, instance="pod")
    assert (body["reportingController"], body["action"]) == ("etpguard.dev/remediation", "Remediate")
    assert body["type"] == "Normal"
    assert "related" not in body


@pytest.mark.parametrize(
    ("event", "name"),
    [
        pytest.param(COVERAGE, "front.47e5c69cf540b60f", id="coverage of an Ingress"),
        pytest.param(
            replace(COVERAGE, regarding=SERVICE_REF, related=None),
            "web.3e5477011ab528b2",
            id="coverage of a Service",
        ),
        pytest.param(REMEDIATED, "web.48c4b2e77c60a52c", id="remediation"),
    ],
)
def test_names_are_stored_data(event: Event, name: str) -> None:
    """Another release must find the Event by the same name."""
    assert event.key == Key("ns", name)


def test_the_name_is_the_identity() -> None:
    base = COVERAGE.key
    others = {
        replace(COVERAGE, note="1 of 3").key,
        replace(COVERAGE, warning=False).key,
        replace(COVERAGE, reason="NodesCovered").key,
        replace(COVERAGE, related=replace(SERVICE_REF, uid="another")).key,
        replace(COVERAGE, regarding=replace(INGRESS_REF, uid="another")).key,
    }
    assert base not in others
    assert len(others) == 5


def test_a_note_is_cut_at_1024_bytes_and_not_in_the_middle_of_a_character() -> None:
    assert clip_note("é" * 600) == "é" * 512


def test_a_series_counts_what_it_is_given() -> None:
    assert series_body(count=3, now=1.5) == {
        "series": {"count": 3, "lastObservedTime": "1970-01-01T00:00:01.500000Z"}
    }


def test_a_note_is_one_harmless_line() -> None:
    event = replace(COVERAGE, note="reverted by argo\ncd\x1b[2J\u202e")
    note = event.body(now=0, instance="pod")["note"]
    assert note == "reverted by argo\\ncd\\x1b[2J\\u202e"
    assert event.key == replace(COVERAGE, note=note).key, "what is read back has the same identity"
