"""Writes the record of a remediation: `status.remediation` of a ServiceCoverage, and nothing else of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE_COVERAGE, Remediation, ServiceCoverage, decode_item, times
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

        Creates the report if there is none. Raises Changed where the report is not as it was read: another leader
        may have written it since. Deletes a report that belongs to an earlier Service of the same name and raises
        Changed, for one more look.
        """
        service, report = now.service, now.report
        if report is not None and now.foreign:
            await self._delete(report)
            raise Changed(f"ServiceCoverage {service.key} belonged to an earlier Service of that name")
        uid = report.uid if report else ""
        version = (report.metadata.resource_version or "") if report else ""
        if not uid:
            made = await self._writer.write(
                verbs.apply(SERVICE_COVERAGE, service.key, service_coverage.owner_body(service))
            )
            uid, version = str(made["metadata"]["uid"]), str(made["metadata"]["resourceVersion"])
        body = service_coverage.remediation_body(remediation)
        apply = verbs.apply(
            SERVICE_COVERAGE, service.key, body, subresource="status", uid=uid, version=version, manager=MANAGER
        )
        try:
            answer = await self._writer.write(apply)
        except ApiError as error:
            if error.status != 409:
                raise
            raise Changed(f"ServiceCoverage {service.key} changed since it was read") from None
        written = decode_item(SERVICE_COVERAGE, answer)
        after = CurrentService(
            now.raw, service, written if isinstance(written, ServiceCoverage) else report, recorded_at(answer)
        )
        after.note_in(self._memory)
        return after

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


def entered(remediation: Remediation, phase: str, since: str, message: str | None = None) -> Remediation:
    """The record in another phase."""
    text = remediation.message if message is None else message[:MAX_MESSAGE]
    return msgspec.structs.replace(remediation, phase=phase, since=since, message=text)
