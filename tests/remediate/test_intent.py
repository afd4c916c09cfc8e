"""A record is written over what etpguard publishes meanwhile, and never over another record."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from etpguard.assess import picture_for
from etpguard.kube.conflict_retry import TRIES
from etpguard.kube.errors import ApiError
from etpguard.kube.verbs import Request
from etpguard.objects import SERVICE_COVERAGE, Remediation, ServiceCoverage, decode_item
from etpguard.remediate.current_service import CurrentService
from etpguard.remediate.errors import Changed
from etpguard.remediate.intent import IntentRecorder
from etpguard.remediate.kinds import REMEDIATION_KINDS
from etpguard.remediate.memory import RemediationMemory
from etpguard.report.service_coverage import owner_body, remediation_body
from tests.remediate.given import NOW, UID, record, service
from tests.remediate.model_api import Json, ModelApi

KEY = ("servicecoverages", "default", "web")
INTENT = record("Applying", intents=("2027-01-15T08:00:00Z",))
BEFORE = record("RolledBack")


class Recording:
    """A report with the record `before`; others write to it right before each write of a status."""

    def __init__(self, before: Remediation | None) -> None:
        self.api = ModelApi(lambda: NOW, lambda name, manager, policy: None)
        self.meanwhile: list[Json] = []
        """One status for each write that finds it there."""
        self.refusal: ApiError | None = None
        """The answer to each write that does not create the report."""
        self.lose_answers = 0
        """So many writes of a status are sent again, since the answer was lost."""
        self.service = service()
        self.api.create(KEY, owner_body(self.service))
        self._status({"outcome": "Blackhole"})
        if before is not None:
            self._status(remediation_body(before)["status"])
        report = decode_item(SERVICE_COVERAGE, self.api.objects[KEY])
        assert isinstance(report, ServiceCoverage)
        self.found = CurrentService({}, self.service, report)
        picture = picture_for((), REMEDIATION_KINDS)
        self.memory = RemediationMemory(picture, lambda: 0.0, lambda: NOW)
        self.recorder = IntentRecorder(self, lambda: NOW, self.memory)  # type: ignore[arg-type]

    async def read(self, request: Request) -> Json:
        return await self.api.read(request)

    async def write(self, request: Request) -> Json:
        if self.meanwhile:
            self._status(self.meanwhile.pop(0))
        if self.refusal and request.verb in ("patch", "delete"):
            raise self.refusal
        if self.lose_answers and request.resource.endswith("/status"):
            self.lose_answers -= 1
            await self.api.write(request)
        return await self.api.write(request)

    def _status(self, status: Json) -> None:
        found: dict[str, Any] = self.api.objects[KEY]
        found["status"] = {**found.get("status", {}), **status}
        self.api.touch(KEY)

    @property
    def status(self) -> Json:
        status: Json = self.api.objects[KEY]["status"]
        return status


@pytest.mark.parametrize("before", [pytest.param(None, id="no record"), pytest.param(BEFORE, id="an earlier one")])
def test_what_is_published_meanwhile_does_not_prevent_the_record(before: Remediation | None) -> None:
    given = Recording(before)
    given.meanwhile = [{"outcome": "Degraded"}, {"outcome": "Covered"}]
    after = asyncio.run(given.recorder.write(given.found, INTENT))
    assert after.remediation == given.memory.remediation(given.service.key) == INTENT
    assert given.status["outcome"] == "Covered"


@pytest.mark.parametrize("before", [pytest.param(None, id="no record"), pytest.param(BEFORE, id="an earlier one")])
def test_a_write_whose_answer_was_lost_is_no_change_by_another(before: Remediation | None) -> None:
    given = Recording(before)
    given.lose_answers = 1
    after = asyncio.run(given.recorder.write(given.found, INTENT))
    assert after.remediation == given.memory.remediation(given.service.key) == INTENT


OTHERS = remediation_body(record("Applying", intents=("2027-01-15T07:59:59Z",)))["status"]


@pytest.mark.parametrize(
    ("before", "meanwhile"),
    [
        pytest.param(None, OTHERS, id="another leader recorded an intent"),
        pytest.param(BEFORE, OTHERS, id="another leader recorded an intent over an earlier record"),
        pytest.param(BEFORE, {"remediation": None}, id="somebody removed the record"),
        pytest.param(BEFORE, {"remediation": {"phase": "Later"}}, id="a later version wrote a record"),
    ],
)
def test_another_record_is_left_alone(before: Remediation | None, meanwhile: Json) -> None:
    given = Recording(before)
    given.meanwhile = [{"outcome": "Covered"}, meanwhile]
    with pytest.raises(Changed, match="ServiceCoverage default/web changed since it was read"):
        asyncio.run(given.recorder.write(given.found, INTENT))
    assert given.status["remediation"] == meanwhile["remediation"]


def test_a_report_of_the_same_name_that_was_created_since_is_left_alone() -> None:
    given = Recording(None)
    del given.api.objects[KEY]
    given.api.create(KEY, owner_body(given.service))
    with pytest.raises(Changed):
        asyncio.run(given.recorder.write(given.found, INTENT))
    assert "status" not in given.api.objects[KEY]


def test_a_report_that_changes_all_the_time_is_left_for_later() -> None:
    given = Recording(None)
    given.meanwhile = [{"outcome": outcome} for outcome in ("Covered", "Blackhole") * TRIES]
    with pytest.raises(Changed):
        asyncio.run(given.recorder.write(given.found, INTENT))
    assert len(given.meanwhile) == TRIES
    assert "remediation" not in given.status


def test_a_report_that_does_not_exist_is_created_with_the_service_as_its_owner() -> None:
    given = Recording(None)
    del given.api.objects[KEY]
    after = asyncio.run(given.recorder.write(CurrentService({}, given.service, None), INTENT))
    assert after.remediation == INTENT
    assert given.api.objects[KEY]["metadata"]["ownerReferences"][0]["uid"] == UID


def test_the_record_that_another_leader_wrote_before_the_report_was_created_here_is_left_alone() -> None:
    given = Recording(BEFORE)
    with pytest.raises(Changed):
        asyncio.run(given.recorder.write(CurrentService({}, given.service, None), INTENT))
    assert given.status["remediation"] == remediation_body(BEFORE)["status"]["remediation"]


def test_a_refusal_is_no_change_by_another() -> None:
    given = Recording(None)
    given.refusal = ApiError(403, "Forbidden", "no")
    with pytest.raises(ApiError, match="no"):
        asyncio.run(given.recorder.write(given.found, INTENT))
    assert "remediation" not in given.status


def of_an_earlier_service(given: Recording) -> CurrentService:
    """The report belongs to a Service that had the same name."""
    given.service = replace(given.service, metadata=replace(given.service.metadata, uid="uid-new"))
    return CurrentService({}, given.service, given.found.report)


def test_the_report_of_an_earlier_service_is_deleted_before_any_record() -> None:
    given = Recording(BEFORE)
    with pytest.raises(Changed, match="belonged to an earlier Service"):
        asyncio.run(given.recorder.write(of_an_earlier_service(given), INTENT))
    assert KEY not in given.api.objects


def test_the_report_of_an_earlier_service_that_changed_since_stays_for_the_next_look() -> None:
    given = Recording(BEFORE)
    given.api.touch(KEY)
    with pytest.raises(Changed, match="belonged to an earlier Service"):
        asyncio.run(given.recorder.write(of_an_earlier_service(given), INTENT))
    assert KEY in given.api.objects


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [
        pytest.param(ApiError(404, "NotFound", "it is gone"), Changed, id="gone"),
        pytest.param(ApiError(403, "Forbidden", "no"), ApiError, id="refused"),
    ],
)
def test_a_report_of_an_earlier_service_that_is_not_deleted(refusal: ApiError, raised: type[Exception]) -> None:
    given = Recording(BEFORE)
    given.refusal = refusal
    with pytest.raises(raised):
        asyncio.run(given.recorder.write(of_an_earlier_service(given), INTENT))
