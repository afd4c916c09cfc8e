"""The exported series: names, labels, values, as the text format's own parser reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from etpguard import __version__
from etpguard.assess import Assessment, InternalAssessment, Outcome, Reason
from etpguard.metrics import Metrics, State
from etpguard.objects import SERVICE, Key
from tests.assess.consumers.worlds import endpoints, nodes, service, world


def assessment(
    namespace: str, name: str, outcome: Outcome, eligible: int = 0b111, uncovered: int = 0
) -> Assessment:
    key = Key(namespace, name)
    reason = Reason(outcome.name)
    return Assessment(key, "uid", "NodePort", "Local", outcome, reason, (), (), 0b111, eligible, uncovered)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = metrics.snapshot()().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def made(*assessments: Assessment, **options: Any) -> Metrics:
    state = State(
        assessments={a.key: a for a in assessments},
        rejected={"services": 2},
        listed={"services": 1234.5},
        unread=["ingresses.networking.k8s.io"],
        fresh=True,
    )
    return Metrics(lambda: state, **options)


def test_a_service() -> None:
    found = samples(made(assessment("default", "web", Outcome.TargetsUnhealthy, 0b111, 0b110)))
    key = (("namespace", "default"), ("service", "web"))
    assert found["etpguard_service_uncovered_nodes", key] == 2
    assert found["etpguard_service_eligible_nodes", key] == 3
    states = {
        dict(labels)["outcome"]: value
        for (name, labels), value in found.items()
        if name == "etpguard_service_outcome"
    }
    assert states == {outcome.name: float(outcome is Outcome.TargetsUnhealthy) for outcome in Outcome}


def test_a_service_has_as_many_series_as_the_page_on_scale_says() -> None:
    known = world(service(), endpoints("a"), *nodes("", "a")).assessment
    series = [name for name, labels in samples(made(known)) if "service" in dict(labels)]
    page = Path(__file__).parents[1] / "docs" / "scale.md"
    said = re.search(r"each replica has (\d+) series for each of them", page.read_text())
    assert said is not None
    assert len(series) == int(said[1])


@pytest.mark.parametrize(
    ("per_service", "exported"), [("all", {"good", "fine", "bad", "odd"}), ("affected", {"bad", "odd"})]
)
def test_which_services_are_exported(per_service: Literal["all", "affected"], exported: set[str]) -> None:
    metrics = made(
        assessment("a", "good", Outcome.NotAffected),
        assessment("a", "fine", Outcome.Covered),
        assessment("a", "bad", Outcome.Outage),
        assessment("a", "odd", Outcome.Unknown),
        per_service=per_service,
    )
    assert {dict(labels)["service"] for _, labels in samples(metrics) if "service" in dict(labels)} == exported


def test_the_state_metrics_have_the_values_of_the_state() -> None:
    found = samples(made())
    assert found["etpguard_rejected_objects", (("kind", "services"),)] == 2
    assert found["etpguard_last_list_timestamp_seconds", (("kind", "services"),)] == 1234.5
    assert found["etpguard_unread_kind", (("kind", "ingresses.networking.k8s.io"),)] == 1
    assert found["etpguard_picture_fresh", ()] == 1
    assert found["etpguard_build_info", (("version", __version__),)] == 1


def test_what_is_counted() -> None:
    metrics = made()
    metrics.verdict(0.02)
    metrics.correction(SERVICE, "removed")
    metrics.watch_restart()
    metrics.remediation("apply", "success")
    metrics.remediation("apply", "reverted")
    metrics.request("patch", "services/status", 200)
    metrics.leader(True)
    found = samples(metrics)
    assert found["etpguard_event_to_verdict_seconds_count", ()] == 1
    assert found["etpguard_event_to_verdict_seconds_bucket", (("le", "0.025"),)] == 1
    assert found["etpguard_event_to_verdict_seconds_bucket", (("le", "0.01"),)] == 0
    assert found["etpguard_resync_corrections_total", (("correction", "removed"), ("kind", "services"))] == 1
    assert found["etpguard_watch_restarts_total", ()] == 1
    assert found["etpguard_remediations_total", (("action", "apply"), ("result", "success"))] == 1
    assert found["etpguard_remediation_reverts_total", ()] == 1
    labels = (("code", "200"), ("resource", "services/status"), ("verb", "patch"))
    assert found["etpguard_api_requests_total", labels] == 1
    assert found["etpguard_leader", ()] == 1


def test_there_are_no_creation_series() -> None:
    assert not [name for name, _ in samples(made()) if name.endswith("_created")]


@pytest.mark.parametrize(
    ("per_service", "exported"), [("all", {"bad": 2.0, "good": 0.0}), ("affected", {"bad": 2.0})]
)
def test_clients_in_the_cluster(per_service: Literal["all", "affected"], exported: dict[str, float]) -> None:
    inside = [
        InternalAssessment(Key("default", name), "uid", "ClusterIP", outcome, Reason(outcome.name), (), 7, nodes)
        for name, outcome, nodes in (("bad", Outcome.Uncovered, 0b110), ("good", Outcome.Covered, 0))
    ]
    state = State({}, {}, {}, (), True, internal={each.key: each for each in inside})
    found = samples(Metrics(lambda: state, per_service))
    shown = {
        dict(labels)["service"]: value
        for (name, labels), value in found.items()
        if name == "etpguard_service_internal_uncovered_nodes"
    }
    assert shown == exported
