"""When a report is written, against a picture that the test keeps and a client that records."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess import Assessment, Outcome
from etpguard.cluster import Picture
from etpguard.kube.own_writes import OwnWrites
from etpguard.kube.writes import Writer
from etpguard.objects import INGRESS, SERVICE, SERVICE_COVERAGE, Key, decode_item
from etpguard.publish.debounce import Debounce
from etpguard.publish.reports import ReportPublisher
from etpguard.publish.settings import PublishSettings
from etpguard.publish.worker import Write
from etpguard.report import service_coverage
from tests.kube.fake_api import Call, FakeApi, ok
from tests.publish.given import KEY, assessment, table, verdict

O = Outcome  # noqa: E741

Json = dict[str, Any]

COVERED = assessment(O.Covered, verdict(O.Covered, uncovered=0), uncovered=0)
BLACKHOLE = assessment(O.Blackhole, verdict(O.Blackhole))


class Server:
    """One Service and its report, as an API server keeps them. `words` rewords what is stored."""

    def __init__(self, settings: PublishSettings | None = None) -> None:
        self.now = 1000.0
        self.version = 1
        self.stored: Json | None = None
        self.advice: tuple[str, ...] = ("do this",)
        self.assumed: tuple[str, ...] = ("the data plane is kube-proxy",)
        self.picture = Picture([SERVICE, INGRESS, SERVICE_COVERAGE])
        for name in ("node1", "node2", "node3"):
            self.picture.nodes.add(name)
        self.api = FakeApi(self._answer)
        self.writes: list[str] = []
        self.serve({}, "Cluster")
        self.settings = settings or PublishSettings(hold=0, urgent_hold=0)
        self.start()

    def start(self) -> None:
        """Another process, or another release, takes over."""
        clock: Callable[[], float] = lambda: self.now  # noqa: E731
        self.debounce: Debounce[Key] = Debounce(self.settings.hold, self.settings.urgent_hold)
        self.reports = ReportPublisher(
            Writer(self.api, clock=clock),
            self.picture,
            OwnWrites(self.picture),
            self.debounce,
            self.settings,
            lambda assessed: self.advice,
            clock,
            clock,
            lambda: self.assumed,
            internal_debounce=Debounce(self.settings.hold, self.settings.urgent_hold),
        )

    def serve(self, annotations: Json, policy: str) -> None:
        metadata = {"name": "web", "namespace": "default", "uid": "uid-web", "annotations": annotations}
        service = decode_item(SERVICE, {"metadata": metadata, "spec": {"externalTrafficPolicy": policy}})
        self.picture.absorb(self.picture.store(SERVICE).replace([service]))

    def shown(self) -> None:
        """The watch brings the report as it is stored."""
        store = self.picture.store(SERVICE_COVERAGE)
        if self.stored is not None:
            store.upsert(decode_item(SERVICE_COVERAGE, self.stored))
        else:
            self.version += 1
            store.delete(KEY, self.version)

    def edit(self, status: Json) -> None:
        """Another client writes the status."""
        assert self.stored is not None
        self.version += 1
        metadata = {**self.stored["metadata"], "resourceVersion": str(self.version)}
        self.stored = {**self.stored, "metadata": metadata, "status": status}
        self.shown()

    def settle(self, assessed: Assessment | None) -> Write | None:
        """Send what is due; the write that is due later."""
        return asyncio.run(self._settle(assessed))

    async def _settle(self, assessed: Assessment | None) -> Write | None:
        self.debounce.observe(KEY, assessed, self.now)
        while (write := self.reports.look(KEY, assessed, self.now)) is not None and write.due <= self.now:
            await write.send()
        return write

    def _answer(self, call: Call) -> Any:
        self.version += 1
        if call.method == "DELETE":
            self.writes.append("delete")
            self.stored = None
            return ok()
        body = json.loads(call.body) if isinstance(call.body, str) else call.body
        if "status" in body:
            assert self.stored is not None
            self.writes.append("status")
            remediation = (self.stored.get("status") or {}).get("remediation")
            others = {"remediation": remediation} if remediation else {}  # which another manager owns
            self.stored = {**self.stored, "status": {**body["status"], **others}}
        else:
            self.writes.append("create")
            metadata = {"name": "web", "namespace": "default", "uid": f"r{self.version}", **body["metadata"]}
            self.stored = {"metadata": metadata}
        self.stored["metadata"] = {**self.stored["metadata"], "resourceVersion": str(self.version)}
        return ok(self.stored)


def reported(assessed: Assessment = BLACKHOLE) -> Server:
    """With a report that the picture shows, some time ago."""
    server = Server()
    server.settle(assessed)
    server.shown()
    assert server.writes == ["create", "status"]
    server.now += 3600
    server.writes.clear()
    return server


def reworded(status: Json) -> Json:
    text = (
        json.dumps(status)
        .replace("drop the traffic", "lose it")
        .replace("do this", "do that")
        .replace("plane is", "plane may be")
    )
    return dict(json.loads(text))


def now_said(server: Server) -> str:
    """The status without its history, which keeps the words of the time."""
    assert server.stored is not None
    return json.dumps({name: value for name, value in server.stored["status"].items() if name != "transitions"})


def test_each_published_change_of_the_outcome_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The report keeps the last 20 changes and an Event lasts an hour; a log store keeps them all."""
    caplog.set_level("INFO", "etpguard.publish.reports")
    server = reported(COVERED)
    server.settle(BLACKHOLE)
    server.shown()
    server.now += 60
    server.advice = ("do that",)
    server.settle(replace(BLACKHOLE, uncovered=0b010))
    first, second = caplog.records
    assert first.getMessage().startswith("default/web: outcome Covered (its first report): ")
    assert second.getMessage().startswith("default/web: outcome Blackhole (was Covered): ")
    fields = {name: vars(second)[name] for name in ("namespace", "service", "outcome")}
    assert fields == {"namespace": "default", "service": "web", "outcome": "Blackhole"}


def test_nothing_is_written_while_reports_are_not_read() -> None:
    """They would be created again without end, since the picture never shows them."""
    server = reported()
    server.picture.store(SERVICE_COVERAGE).clear()
    server.picture.unread[SERVICE_COVERAGE] = "forbidden"
    server.settle(COVERED)
    assert server.writes == []
    del server.picture.unread[SERVICE_COVERAGE]
    server.shown()
    server.settle(COVERED)
    assert server.writes == ["status"]


class TestAnotherRelease:
    def test_that_words_the_facts_differently_is_taken_over_from_without_a_write(self) -> None:
        server = reported()
        assert server.stored is not None
        server.edit(reworded(server.stored["status"]))
        assert "lose it" in json.dumps(server.stored)
        server.start()
        for _ in range(3):
            assert server.settle(BLACKHOLE) is None
            server.reports.retain({KEY})
            server.now += 600
        assert server.writes == []

    def test_that_led_meanwhile_is_taken_over_from_without_a_write(self) -> None:
        """This process led before, and found its own words then."""
        server = reported()
        assert server.settle(BLACKHOLE) is None
        assert server.stored is not None
        server.edit(reworded(server.stored["status"]))
        server.reports.reset()
        assert server.settle(BLACKHOLE) is None
        assert server.writes == []

    def test_other_facts_are_written_in_our_words(self) -> None:
        server = reported()
        assert server.stored is not None
        server.edit(reworded(server.stored["status"]))
        server.start()
        assert server.settle(BLACKHOLE) is None
        server.settle(replace(BLACKHOLE, uncovered=0b010))
        assert server.writes == ["status"]
        assert "lose it" not in now_said(server)

    @pytest.mark.parametrize("before", [(), ("the data plane is kube-proxy",)])
    def test_what_is_assumed_now_and_was_not_before_is_written_once(self, before: tuple[str, ...]) -> None:
        """And what is not assumed any more. The setting of the data plane changed with the restart."""
        server = reported()
        if not before:
            server.assumed = ()
            server.settle(BLACKHOLE)
            server.shown()
            server.writes.clear()
        server.start()
        server.assumed = () if before else ("the data plane is Cilium",)
        for _ in range(3):
            server.settle(BLACKHOLE)
            server.shown()
            server.now += 3600
        assert server.writes == ["status"]
        assert server.stored is not None
        assert server.stored["status"].get("assumptions", []) == list(server.assumed)


class TestWords:
    def test_that_change_while_the_process_leads_are_written(self) -> None:
        server = reported()
        server.advice = ("do something else",)
        server.reports.retain({KEY})
        server.settle(BLACKHOLE)
        assert server.writes == ["status"]
        assert server.stored is not None
        assert server.stored["status"]["advice"] == ["do something else"]

    def test_that_another_client_overwrites_are_put_back(self) -> None:
        server = reported()
        assert server.stored is not None
        server.edit(reworded(server.stored["status"]))
        server.settle(BLACKHOLE)
        assert server.writes == ["status"]
        assert "lose it" not in now_said(server)


class TestAnotherWriter:
    def test_of_the_same_report_does_not_make_us_write_without_end(self) -> None:
        """It undoes each of our writes at once, for 100 s: some 14 writes, and not 40 a second."""
        server = reported()
        wrong = service_coverage.status_body(service_coverage.status(COVERED, table(), ()), None, "")["status"]
        end = server.now + 100
        while server.now < end:
            server.edit(wrong)
            write = server.settle(BLACKHOLE)
            if write is not None:
                assert write.due > server.now
                server.now = write.due
        assert 10 <= len(server.writes) <= 15

    def test_that_deletes_it_again_and_again_does_not_either(self) -> None:
        server = reported()
        end = server.now + 100
        while server.now < end:
            server.stored = None
            server.shown()
            write = server.settle(BLACKHOLE)
            server.shown()
            server.now = write.due if write is not None else server.now + 0.1
        assert 10 <= len(server.writes) <= 16


class TestAnAssumedDataPlane:
    def test_is_in_the_report_until_it_is_known(self) -> None:
        server = reported()
        assert server.stored is not None
        assert server.stored["status"]["assumptions"] == ["the data plane is kube-proxy"]
        server.assumed = ()
        server.settle(BLACKHOLE)
        server.shown()
        server.now += 3600
        server.settle(BLACKHOLE)
        assert server.writes == ["status"]
        assert "assumptions" not in server.stored["status"]


class TestADeletedReport:
    @pytest.mark.parametrize("shown_before", [False, True])
    def test_comes_back_at_once(self, shown_before: bool) -> None:
        """Although the picture never showed the one that was deleted."""
        server = Server()
        server.settle(BLACKHOLE)
        if shown_before:
            server.shown()
        server.stored = None
        server.shown()
        server.now += 0.1
        server.settle(BLACKHOLE)
        assert server.writes == ["create", "status"] * 2
        assert server.stored is not None
        assert server.stored["status"]["outcome"] == "Blackhole"


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    server = reported()
    server.now += 3600
    server.reports.retain(())
    kept = (
        server.reports._agreed,
        len(server.reports._buckets),
        server.reports._status_written,
        len(server.reports._wording),
    )
    assert kept == ({}, 0, {}, 0)


REMEDIATED = {"phase": "Applied", "serviceUID": "uid-web"}


class TestAServiceThatIsNotAssessedAnyMore:
    def test_loses_its_report(self) -> None:
        server = reported()
        assert server.settle(None) is None
        assert server.writes == ["delete"]
        assert server.stored is None

    def test_keeps_the_history_of_its_remediation_and_nothing_else(self) -> None:
        server = reported()
        assert server.stored is not None
        server.edit({**server.stored["status"], "remediation": REMEDIATED})
        assert server.settle(None) is None
        assert server.writes == ["status"]
        assert server.stored["status"]["outcome"] == "NotAffected"
        assert "consumers" not in server.stored["status"]
        assert server.stored["status"]["remediation"] == REMEDIATED

    @pytest.mark.parametrize(
        ("annotations", "policy", "outcome", "code"),
        [
            pytest.param({"etpguard.dev/ignore": "true"}, "Local", "Unknown", "NotAssessed", id="ignored"),
            pytest.param(
                {"etpguard.dev/ignore": "true"}, "Cluster", "NotAffected", "NotLocal", id="ignored Cluster"
            ),
            pytest.param({}, "Cluster", "NotAffected", "NotLocal", id="Cluster"),
            pytest.param({}, "Local", "NotAffected", "NotLocal", id="nothing outside reaches it"),
        ],
    )
    def test_its_history_calls_no_loss_harmless(
        self, annotations: Json, policy: str, outcome: str, code: str
    ) -> None:
        """A Service that etpguard ignores may still lose traffic."""
        server = reported()
        assert server.stored is not None
        server.edit({**server.stored["status"], "remediation": REMEDIATED})
        server.serve(annotations, policy)
        server.settle(None)
        status = server.stored["status"]
        assert (status["outcome"], status["reason"].partition(":")[0]) == (outcome, code)
        assert status["reason"].endswith("The report stays only as the record of its remediation")
        newest = status["transitions"][0]
        assert (newest["from"], newest["to"]) == ("Blackhole", outcome)

    def test_keeps_a_remediation_that_cannot_be_read_as_it_is(self) -> None:
        server = reported()
        assert server.stored is not None
        server.edit({**server.stored["status"], "remediation": {"phase": 7}})
        assert server.settle(None) is None
        assert server.writes == []

    def test_and_has_no_report_needs_nothing(self) -> None:
        server = Server()
        assert server.settle(None) is None
        assert server.writes == []


def test_a_report_of_an_earlier_service_is_replaced() -> None:
    server = reported()
    assert server.stored is not None
    owner = {"kind": "Service", "name": "web", "uid": "earlier"}
    server.stored = {**server.stored, "metadata": {**server.stored["metadata"], "ownerReferences": [owner]}}
    server.edit(server.stored["status"])
    assert server.settle(BLACKHOLE) is None
    assert server.writes == ["delete", "create", "status"]


def test_a_service_that_goes_away_takes_its_report_with_it() -> None:
    server = reported()
    server.picture.absorb(server.picture.store(SERVICE).clear())
    assert server.settle(COVERED) is None
    assert server.writes == []
