"""What is published for clients in the cluster: beside the rest, by the same rules, and once for a rollout."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from etpguard.assess import Assessment, InternalAssessment, Outcome
from etpguard.cluster import Picture
from etpguard.kube.own_writes import OwnWrites
from etpguard.kube.writes import Writer
from etpguard.objects import INGRESS, SERVICE, SERVICE_COVERAGE, Key, decode_item
from etpguard.publish.conditions import ConditionPublisher
from etpguard.publish.debounce import Debounce
from etpguard.publish.event_publisher import EventPublisher
from etpguard.publish.reports import ReportPublisher
from etpguard.publish.settings import PublishSettings
from etpguard.publish.worker import Write
from etpguard.report.service_condition import CONDITION, INTERNAL_CONDITION
from tests.kube.fake_api import Call, FakeApi, ok
from tests.publish.given import KEY, assessment, internal, verdict

O = Outcome  # noqa: E741
Json = dict[str, Any]

NO_EVENTS = {"kind": "EventList", "metadata": {"resourceVersion": "7"}, "items": []}
COVERED = internal(O.Covered, uncovered=0)
UNCOVERED = internal(O.Uncovered)
OUTSIDE_COVERED = assessment(O.Covered, uncovered=0)
BLACKHOLE = assessment(O.Blackhole, verdict(O.Blackhole))


class Server:
    """One Service, its report and its Events, as an API server keeps them, and a publisher of each kind. Time
    passes only in `after`."""

    def __init__(self, settings: PublishSettings | None = None) -> None:
        self.settings = settings or PublishSettings()
        self.now = 1_000_000.0
        self.version = 5
        self.conditions: list[Json] = []
        self.report: Json | None = None
        self.events: list[tuple[str, str]] = []
        self.stored: dict[str, Json] = {}
        self.writes: list[str] = []
        self.picture = Picture([SERVICE, INGRESS, SERVICE_COVERAGE])
        for name in ("node1", "node2", "node3"):
            self.picture.nodes.add(name)
        clock = lambda: self.now  # noqa: E731
        writer = Writer(FakeApi(self._answer), clock=clock)
        own = OwnWrites(self.picture)
        hold, urgent = self.settings.hold, self.settings.urgent_hold
        self.outside: Debounce[Key] = Debounce(hold, urgent)
        self.inside: Debounce[Key] = Debounce(hold, urgent)
        self.event_publisher = EventPublisher(writer, self.picture, self.settings, clock, clock)
        debounces = {CONDITION: self.outside, INTERNAL_CONDITION: self.inside}
        self.condition_publisher = ConditionPublisher(
            writer, own, debounces, 60, self.event_publisher.note_recovery, clock, clock
        )
        self.report_publisher = ReportPublisher(
            writer,
            self.picture,
            own,
            self.outside,
            self.settings,
            lambda _: ("outside",),
            clock,
            clock,
            internal_debounce=self.inside,
            internal_advice=lambda _: ("inside",),
        )
        asyncio.run(self.event_publisher.load())
        self._show()

    def after(
        self, seconds: float, external: Assessment | None = None, inside: InternalAssessment | None = None
    ) -> None:
        """Take in assessments, which then last so many seconds, in which all that is due is written."""
        self.outside.observe(KEY, external, self.now)
        self.inside.observe(KEY, inside, self.now)
        self.event_publisher.observe(KEY, external, self.now, inside)
        end = self.now + seconds
        while True:
            due = [write for write in self._looks(external, inside) if write.due <= end]
            if not due:
                self.now = end
                return
            first = min(due, key=lambda write: write.due)
            if first.due > self.now:
                self.now = first.due
                continue
            asyncio.run(first.send())  # type: ignore[arg-type]

    def _looks(self, external: Assessment | None, inside: InternalAssessment | None) -> Iterator[Write]:
        for publisher in (self.condition_publisher, self.event_publisher, self.report_publisher):
            if (write := publisher.look(KEY, external, self.now, inside)) is not None:
                yield write

    def shown(self, type_: str) -> tuple[str, str] | None:
        return next(((c["status"], c["reason"]) for c in self.conditions if c["type"] == type_), None)

    def _body(self) -> Json:
        metadata = {"name": "web", "namespace": "default", "uid": "uid-web", "resourceVersion": str(self.version)}
        return {"metadata": metadata, "spec": {}, "status": {"conditions": self.conditions}}

    def _show(self) -> None:
        self.picture.absorb(self.picture.store(SERVICE).replace([decode_item(SERVICE, self._body())]))
        if self.report is not None:
            self.picture.absorb(
                self.picture.store(SERVICE_COVERAGE).replace([decode_item(SERVICE_COVERAGE, self.report)])
            )

    def _answer(self, call: Call) -> Any:
        if call.method == "GET":
            return ok(NO_EVENTS)
        self.version += 1
        body = json.loads(call.body) if isinstance(call.body, str) else call.body
        if "/events" in call.path:
            self.writes.append("event")
            if call.method == "POST":
                self.events.append((body["type"], body["reason"]))
                metadata = {**body["metadata"], "uid": f"uid-{len(self.events)}", "resourceVersion": "9"}
                self.stored[body["metadata"]["name"]] = {**body, "metadata": metadata}
                return ok(self.stored[body["metadata"]["name"]])
            name = call.path.partition("?")[0].rpartition("/")[2]
            self.stored[name] |= body
            return ok(self.stored[name])
        if "/servicecoverages/" in call.path:
            return self._answer_report(call, body)
        self.writes.append("condition")
        self.conditions = body["status"].get("conditions", [])
        self._show()
        return ok(self._body())

    def _answer_report(self, call: Call, body: Json) -> Any:
        self.writes.append("report")
        if call.method == "DELETE":
            gone = self.report
            self.report = None
            self.picture.absorb(self.picture.store(SERVICE_COVERAGE).clear())
            return ok(gone)
        before = self.report or {"metadata": {}}
        identity = {
            "name": "web",
            "namespace": "default",
            "uid": "uid-report",
            "resourceVersion": str(self.version),
        }
        metadata = {**before["metadata"], **body.get("metadata", {}), **identity}
        self.report = {**before, **body, "metadata": metadata}
        self._show()
        return ok(self.report)


def test_both_conditions_are_written_and_each_has_its_own_hold() -> None:
    server = Server()
    server.after(10, BLACKHOLE, UNCOVERED)
    assert (server.shown(CONDITION), server.shown(INTERNAL_CONDITION)) == (("False", "Blackhole"), None)
    server.after(120, BLACKHOLE, UNCOVERED)
    assert (server.shown(CONDITION), server.shown(INTERNAL_CONDITION)) == (
        ("False", "Blackhole"),
        ("False", "Uncovered"),
    )


def internal_of(server: Server) -> str | None:
    """The outcome for clients in the cluster in the report, which its condition has too."""
    assert server.report is not None
    status = server.report["status"]
    reasons = [c["reason"] for c in status["conditions"] if c["type"] == "CoveredInternally"]
    assert reasons == ([status["internal"]["outcome"]] if "internal" in status else [])
    return reasons[0] if reasons else None


def outcomes(server: Server) -> tuple[str, str | None]:
    """Both outcomes of the report."""
    assert server.report is not None
    return server.report["status"]["outcome"], internal_of(server)


def test_both_outcomes_of_the_report_have_their_own_hold() -> None:
    server = Server()
    server.after(10, BLACKHOLE, UNCOVERED)
    assert outcomes(server) == ("Blackhole", None)
    server.after(120, BLACKHOLE, UNCOVERED)
    assert outcomes(server) == ("Blackhole", "Uncovered")


@pytest.mark.parametrize("recovers", [True, False])
def test_an_outcome_in_the_report_that_is_not_due_stays_as_it_is(recovers: bool) -> None:
    """A rollout: requests are lost outside, and inside for 12 s alone."""
    server = Server()
    server.after(200, OUTSIDE_COVERED, COVERED)
    server.after(12, BLACKHOLE, UNCOVERED)
    assert outcomes(server) == ("Blackhole", "Covered")
    server.after(200, BLACKHOLE, COVERED if recovers else UNCOVERED)
    assert outcomes(server) == ("Blackhole", "Covered" if recovers else "Uncovered")


def test_what_the_report_says_about_external_traffic_stays_until_it_is_due() -> None:
    server = Server()
    server.after(200, OUTSIDE_COVERED, COVERED)
    server.after(20, OUTSIDE_COVERED, UNCOVERED)
    server.after(11, None, UNCOVERED)
    assert outcomes(server) == ("Covered", "Uncovered")
    assert server.report is not None
    assert server.report["status"]["eligibleNodes"] == 3
    server.after(20, None, UNCOVERED)
    assert outcomes(server) == ("NotAffected", "Uncovered")
    assert "eligibleNodes" not in server.report["status"]


def test_the_first_report_waits_for_the_outcome_of_external_traffic() -> None:
    server = Server()
    server.after(20, None, UNCOVERED)
    server.after(25, OUTSIDE_COVERED, UNCOVERED)
    assert "report" not in server.writes
    server.after(20, OUTSIDE_COVERED, UNCOVERED)
    assert outcomes(server) == ("Covered", "Uncovered")


def test_a_condition_that_is_not_due_stays_as_it_is() -> None:
    server = Server()
    server.after(200, OUTSIDE_COVERED, UNCOVERED)
    [before] = [c for c in server.conditions if c["type"] == INTERNAL_CONDITION]
    server.after(10, BLACKHOLE, COVERED)
    assert server.shown(CONDITION) == ("False", "Blackhole")
    assert [c for c in server.conditions if c["type"] == INTERNAL_CONDITION] == [before]


def test_the_condition_goes_with_the_policy_and_the_other_one_stays() -> None:
    server = Server()
    server.after(200, BLACKHOLE, UNCOVERED)
    server.after(200, BLACKHOLE, None)
    assert [c["type"] for c in server.conditions] == [CONDITION]
    assert server.report is not None
    assert "internal" not in server.report["status"]
    server.after(200, None, None)
    assert server.conditions == []
    assert server.report is None


def test_a_service_inside_the_cluster_alone_has_a_report() -> None:
    server = Server()
    server.after(200, None, UNCOVERED)
    assert server.report is not None
    status = server.report["status"]
    assert (status["outcome"], status["reason"].split(":")[0]) == ("NotAffected", "NotLocal")
    assert status["internal"]["uncoveredNodes"] == ["node2", "node3"]
    assert status["internal"]["advice"] == ["inside"]
    assert [(c["type"], c["status"]) for c in status["conditions"]] == [("CoveredInternally", "False")]
    assert server.shown(INTERNAL_CONDITION) == ("False", "Uncovered")
    assert server.events == [("Warning", "NodesUncoveredInternally")]


def test_nothing_is_written_while_nothing_changes() -> None:
    server = Server()
    server.after(400, BLACKHOLE, UNCOVERED)
    written = len(server.writes)
    server.after(1200, BLACKHOLE, UNCOVERED)
    assert len(server.writes) == written
    server.report_publisher.retain({KEY})
    server.after(1, BLACKHOLE, UNCOVERED)
    assert len(server.writes) == written


def test_other_nodes_are_written_to_the_report_alone() -> None:
    server = Server()
    server.after(400, None, UNCOVERED)
    server.writes.clear()
    server.after(60, None, internal(O.Uncovered, uncovered=0b100))
    assert server.writes == ["report"]
    assert server.report is not None
    assert server.report["status"]["internal"]["uncoveredNodes"] == ["node3"]


def rollout(server: Server, nodes: int, dark: float, gap: float) -> None:
    """One node after the other has no endpoint for `dark` seconds, with all covered for `gap` between."""
    for number in range(nodes):
        server.after(dark, None, internal(O.Uncovered, uncovered=1 << (number % 3)))
        server.after(gap, None, COVERED)


def test_a_rollout_over_fifty_nodes_is_one_pair_of_events_and_one_change_of_the_condition() -> None:
    """Each pod takes a minute to become ready, longer than the hold."""
    server = Server()
    server.after(200, None, COVERED)
    server.writes.clear()
    rollout(server, 50, dark=60, gap=1)
    assert server.events == [("Warning", "NodesUncoveredInternally")]
    assert server.shown(INTERNAL_CONDITION) == ("False", "Uncovered")
    assert server.writes.count("condition") == 1
    server.after(300, None, COVERED)
    assert server.events == [("Warning", "NodesUncoveredInternally"), ("Normal", "NodesCoveredInternally")]
    assert server.shown(INTERNAL_CONDITION) == ("True", "Covered")
    assert server.writes.count("condition") == 2, "one change, and its end"


def test_a_quick_rollout_is_not_published() -> None:
    server = Server()
    server.after(200, None, COVERED)
    server.writes.clear()
    rollout(server, 50, dark=12, gap=2)
    assert "condition" not in server.writes
    assert server.events == []


def test_two_bad_outcomes_that_take_turns_are_published_once() -> None:
    """Neither lasts for its hold."""
    server = Server()
    server.after(200, OUTSIDE_COVERED, None)
    server.writes.clear()
    for _ in range(100):
        server.after(4, BLACKHOLE, None)
        server.after(4, assessment(O.NoEndpoints), None)
    assert server.shown(CONDITION) == ("False", "Blackhole")
    assert server.report is not None
    assert server.report["status"]["outcome"] == "Blackhole"
    assert server.events == [("Warning", "TrafficBlackhole")]
    assert server.writes == ["condition", "event", "report"]


def test_a_warning_inside_and_one_outside_do_not_replace_each_other() -> None:
    server = Server()
    server.after(400, BLACKHOLE, UNCOVERED)
    assert sorted(reason for _, reason in server.events) == ["NodesUncoveredInternally", "TrafficBlackhole"]
    server.after(400, BLACKHOLE, COVERED)
    assert server.events[-1] == ("Normal", "NodesCoveredInternally")
    assert len(server.events) == 3


def test_a_recovery_whose_warning_expired_follows_from_the_condition() -> None:
    server = Server()
    server.after(200, None, UNCOVERED)
    server.event_publisher._sent = type(server.event_publisher._sent)()
    server.after(400, None, COVERED)
    assert server.events[-1] == ("Normal", "NodesCoveredInternally")


def test_no_endpoints_and_unknown_have_no_event() -> None:
    server = Server()
    for outcome in (O.NoEndpoints, O.Unknown):
        server.after(400, None, internal(outcome, uncovered=0))
        assert server.shown(INTERNAL_CONDITION) == ("Unknown", outcome.name)
    assert server.events == []
