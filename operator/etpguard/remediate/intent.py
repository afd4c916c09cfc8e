"""Writing what is remembered of a remediation: `status.remediation`, and nothing else of a ServiceCoverage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Remediation, ServiceCoverage, decode_item
from etpguard.remediate.ownership import MANAGER
from etpguard.remediate.reread import Changed, CurrentService

Json = dict[str, Any]


class IntentRecorder:
    """`wall` gives seconds since the epoch; `noted` hears of each report that was written, with its Service."""

    def __init__(
        self,
        writer: Writer,
        wall: Callable[[], float],
        noted: Callable[[CurrentService], None] = lambda now: None,
    ) -> None:
        self._writer = writer
        self._wall = wall
        self._noted = noted

    async def write(self, now: CurrentService, remediation: Remediation) -> CurrentService:
        """Write it; the Service and its report as they then are. A report is made where there is none, and one of
        another Service, whose name this one has taken, deleted: that raises Changed, for one more look."""
        service, report = now.service, now.report
        if report is not None and now.foreign:
            await self._delete(report)
            raise Changed(f"ServiceCoverage {service.key} was another Service's")
        uid = report.uid if report else ""
        if not uid:
            made = await self._writer.write(verbs.apply(SERVICE_COVERAGE, service.key, _owned_by(now)))
            uid = str(made["metadata"]["uid"])
        body = {"status": {"remediation": _present(msgspec.to_builtins(remediation))}}
        answer = await self._writer.write(
            verbs.apply(SERVICE_COVERAGE, service.key, body, subresource="status", uid=uid, manager=MANAGER)
        )
        written = decode_item(SERVICE_COVERAGE, answer)
        after = CurrentService(now.raw, service, written if isinstance(written, ServiceCoverage) else report)
        self._noted(after)
        return after

    async def _delete(self, report: ServiceCoverage) -> None:
        version = report.metadata.resource_version or ""
        try:
            await self._writer.write(verbs.delete(SERVICE_COVERAGE, report.key, uid=report.uid, version=version))
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def stamp(self) -> str:
        """Now, as RFC 3339 in whole seconds."""
        return datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def entered(remediation: Remediation, phase: str, since: str, message: str | None = None) -> Remediation:
    """The record in another phase."""
    told = remediation.message if message is None else message[:4096]
    return msgspec.structs.replace(remediation, phase=phase, since=since, message=told)


def _owned_by(now: CurrentService) -> Json:
    owner = {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.name,
        "name": now.service.key.name,
        "uid": now.service.uid,
        "blockOwnerDeletion": False,
    }
    return {"metadata": {"ownerReferences": [owner]}}


def _present(value: Any) -> Any:
    """Without nulls and empty strings, which say nothing."""
    if isinstance(value, dict):
        return {k: _present(v) for k, v in value.items() if v is not None and v != ""}
    return [_present(v) for v in value] if isinstance(value, (list, tuple)) else value
