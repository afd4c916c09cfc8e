"""Writes the record of a remediation: `status.remediation` of a ServiceCoverage, and nothing else of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from etpguard.kube import verbs
from etpguard.kube.conflict_retry import TRIES
from etpguard.kube.errors import ApiError
from etpguard.kube.present_object import present_object
from etpguard.kube.verbs import Json
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE_COVERAGE, Reject, Remediation, ServiceCoverage, decode_item, times
from etpguard.objects.coverage import Phase
from etpguard.remediate.current_service import CurrentService
from etpguard.remediate.errors import Changed
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.ownership import MANAGER, recorded_at
from etpguard.report import service_coverage

MAX_MESSAGE = 4096


class IntentRecorder:
    """`wall` gives seconds since the epoch. `memory` takes in each record that was written."""

    def __init__(self, writer: Writer, wall: Callable[[], float], memory: RemediationMemory) -> None:
        self._writer = writer
        self._wall = wall
        self._memory = memory

    async def write(self, now: CurrentService, remediation: Remediation) -> CurrentService:
        """Write the record; returns the Service and its report as they then are.

        Creates the report if there is none. Raises Changed where the record of a remediation in the report is not
        as it was read: another leader may have written it since. Deletes a report that belongs to an earlier
        Service of the same name and raises Changed, for one more look.
        """
        service, report = now.service, now.report
        if report is not None and now.foreign:
            await self._delete(report)
            raise Changed(f"ServiceCoverage {service.key} belonged to an earlier Service of that name")
        if report is None:
            owned = verbs.apply(SERVICE_COVERAGE, service.key, service_coverage.owner_body(service))
            report = _as_it_was(now, decode_item(SERVICE_COVERAGE, await self._writer.write(owned)))
        answer = await self._write_status(now, report, remediation)
        written = decode_item(SERVICE_COVERAGE, answer)
        after = CurrentService(
            now.raw, service, written if isinstance(written, ServiceCoverage) else report, recorded_at(answer)
        )
        after.note_in(self._memory)
        return after

    async def _write_status(self, now: CurrentService, report: ServiceCoverage, remediation: Remediation) -> Json:
        """Tries again after a conflict with a write that left the record as it was: etpguard publishes what it
        assesses in the same object, at any time. The write may also conflict with itself, if its answer was lost
        and the Writer sent it again."""
        key, uid = now.service.key, report.uid
        body = service_coverage.remediation_body(remediation)
        for _ in range(TRIES):
            version = report.metadata.resource_version or ""
            apply = verbs.apply(
                SERVICE_COVERAGE, key, body, subresource="status", uid=uid, version=version, manager=MANAGER
            )
            try:
                return await self._writer.write(apply)
            except ApiError as error:
                if error.status != 409:
                    raise
            raw, found = await present_object(self._writer.read, SERVICE_COVERAGE, key) or ({}, None)
            if isinstance(found, ServiceCoverage) and (found.uid, found.remediation) == (uid, remediation):
                return raw
            report = _as_it_was(now, found, uid)
        raise _changed(now)

    async def _delete(self, report: ServiceCoverage) -> None:
        version = report.metadata.resource_version or ""
        try:
            await self._writer.write(verbs.delete(SERVICE_COVERAGE, report.key, uid=report.uid, version=version))
        except ApiError as error:
            if error.status != 404 and not error.conflict:
                raise

    def stamp(self) -> str:
        """Now, as RFC 3339 in whole seconds."""
        return times.rfc3339(self._wall())


def _as_it_was(now: CurrentService, found: ServiceCoverage | Reject | None, uid: str = "") -> ServiceCoverage:
    """The report that was found. Raises Changed if its record is not the one that was read, or its uid another."""
    read = now.report.remediation if now.report else None
    if not isinstance(found, ServiceCoverage) or found.remediation_unreadable or found.remediation != read:
        raise _changed(now)
    if uid and found.uid != uid:
        raise _changed(now)
    return found


def _changed(now: CurrentService) -> Changed:
    return Changed(f"ServiceCoverage {now.service.key} changed since it was read")


def entered(remediation: Remediation, phase: Phase, since: str, message: str | None = None) -> Remediation:
    """The record in another phase."""
    text = remediation.message if message is None else message[:MAX_MESSAGE]
    return msgspec.structs.replace(remediation, phase=phase, since=since, message=text)
