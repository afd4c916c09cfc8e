"""Writes the ServiceCoverage of each Service. `status.remediation` belongs to the remediation controller: no apply
here contains it, so the API server keeps it. A report with a remediation that still counts is never deleted."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Container, Sequence
from functools import partial

from etpguard.assess import Assessment, InternalAssessment
from etpguard.cluster import Picture
from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.own_writes import OwnWrites
from etpguard.kube.token_bucket import Buckets
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, Service, ServiceCoverage
from etpguard.objects.log_fields import service_fields
from etpguard.objects.times import rfc3339
from etpguard.outcomes import outcome_named
from etpguard.publish.debounce import Debounce
from etpguard.publish.settings import PublishSettings
from etpguard.publish.worker import Write
from etpguard.report import service_coverage
from etpguard.report.statuses import Json
from etpguard.report.wording import Wording

_log = logging.getLogger(__name__)

AdviceTexts = Callable[[Assessment], Sequence[str]]
InternalAdviceTexts = Callable[[InternalAssessment], Sequence[str]]


class ReportPublisher:
    """`debounce` is about the outcomes for external traffic, `internal_debounce` about those for clients in the
    cluster. `clock` is monotonic, `wall` seconds since the epoch. `assumed` gives the assumptions on which every
    outcome rests."""

    def __init__(
        self,
        writer: Writer,
        picture: Picture,
        own_writes: OwnWrites,
        debounce: Debounce[Key],
        settings: PublishSettings,
        advice: AdviceTexts,
        clock: Callable[[], float],
        wall: Callable[[], float],
        assumed: Callable[[], Sequence[str]] = tuple,
        *,
        internal_debounce: Debounce[Key],
        internal_advice: InternalAdviceTexts = lambda assessment: (),
    ) -> None:
        self._writer = writer
        self._picture = picture
        self._own_writes = own_writes
        self._debounce = debounce
        self._settings = settings
        self._advice = advice
        self._clock = clock
        self._wall = wall
        self._assumed = assumed
        self._internal_debounce = internal_debounce
        self._internal_advice = internal_advice
        self._status_written: dict[Key, float] = {}
        self._buckets: Buckets[Key] = Buckets(1 / settings.report_interval, settings.report_burst)
        # Assessments, version of the report, epoch of the node table and assumptions that were found to agree.
        self._agreed: dict[Key, tuple[object, ...]] = {}
        self._wording: Wording[Key] = Wording(service_coverage.published_part, service_coverage.same_facts)

    def look(
        self, key: Key, assessment: Assessment | None, now: float, internal: InternalAssessment | None = None
    ) -> Write | None:
        """The next write that the report needs; None if it is correct."""
        if SERVICE_COVERAGE in self._picture.unread:
            return None  # a report that is not read looks like one that does not exist
        service = self._picture.get(SERVICE, key)
        existing = self._own_writes.get(SERVICE_COVERAGE, key, now)
        if service is None or service.deleting:
            # The garbage collector deletes the report with its owner.
            self._agreed.pop(key, None)
            return None
        if assessment is None and internal is None:
            self._agreed.pop(key, None)
            return self._withdrawal(service, existing, now)
        if existing is not None and service_coverage.owned_by_another(existing, service):
            return self._write(key, now, now, partial(self._delete, existing))
        assumed = self._assumed()
        state = (assessment, internal, existing.version if existing else -1, self._picture.nodes.epoch, assumed)
        if self._agreed.get(key) == state:
            return None
        wanted = service_coverage.status(
            assessment,
            self._picture.nodes,
            self._advice(assessment) if assessment else (),
            assumed,
            internal=internal,
            internal_advice=self._internal_advice(internal) if internal else (),
        )
        status = existing.status if existing else None
        owned = existing is not None and service_coverage.owned_by(existing, service)
        if owned and self._wording.same(key, status, wanted):
            self._agreed[key] = state
            return None
        due, wanted = self._next(key, wanted, status or {}, now)
        if existing is None or not owned:
            return self._write(key, now, due, partial(self._create, service))
        return self._write(key, now, due, partial(self._send_status, existing, wanted))

    def reset(self) -> None:
        """Another leader may have written in between."""
        self._agreed.clear()
        self._wording.clear()

    def retain(self, keys: Container[Key]) -> None:
        """Forget all other keys. The next look compares the whole report of each of `keys`."""
        self._agreed.clear()
        self._status_written = {key: at for key, at in self._status_written.items() if key in keys}
        self._wording.retain(keys)
        self._buckets.drop_full(self._clock())

    def _next(self, key: Key, wanted: Json, status: Json, now: float) -> tuple[float, Json]:
        """The status that is due next, and when. A new outcome is due after its hold. Where only one of the two
        is due, the other one stays as it is. The same outcomes with other nodes or ports are due earlier, at a
        limited rate."""
        external = self._debounce.due(key, outcome_named(status.get("outcome")), now)
        internal = self._internal_debounce.due(key, outcome_named(_internal_outcome(status)), now)
        changed = status.get("outcome") != wanted["outcome"]
        if _internal_outcome(status) != _internal_outcome(wanted):
            if not changed:
                return internal, wanted
            if max(external, now) < internal:
                return external, service_coverage.joined(wanted, status)
            if max(internal, now) < external and "outcome" in status:
                return internal, service_coverage.joined(status, wanted)
        if changed:
            return external, wanted
        spaced = self._status_written.get(key, float("-inf")) + self._settings.report_interval
        debounces = (self._debounce, self._internal_debounce) if "internal" in wanted else (self._debounce,)
        moved = max(debounce.nodes_since(key, now) for debounce in debounces)
        return max(spaced, moved + min(1.0, self._settings.hold)), wanted

    def _withdrawal(self, service: Service, existing: ServiceCoverage | None, now: float) -> Write | None:
        """The write for the report of a Service that is no longer assessed: delete it, or keep only its
        history."""
        if existing is None:
            return None
        due = self._debounce.due(service.key, None, now)
        if not service_coverage.must_stay(existing, service, self._wall()):
            return self._write(service.key, now, due, partial(self._delete, existing))
        history = service_coverage.history_status(service)
        if existing.remediation is None or self._wording.same(service.key, existing.status, history):
            return None
        # The report must not show the last assessment any longer.
        return self._write(service.key, now, due, partial(self._send_status, existing, history))

    def _write(self, key: Key, now: float, due: float, send: Callable[[], Awaitable[None]]) -> Write:
        """All writes of one report share a rate limit. Otherwise etpguard would write without end if another
        client undoes each write."""
        return Write(max(due, now + self._buckets.wait(key, now)), partial(self._spend, key, send))

    async def _spend(self, key: Key, send: Callable[[], Awaitable[None]]) -> None:
        await send()
        self._buckets.take(key, self._clock())

    async def _create(self, service: Service) -> None:
        await self._send(verbs.apply(SERVICE_COVERAGE, service.key, service_coverage.owner_body(service)))

    async def _send_status(self, existing: ServiceCoverage, wanted: Json) -> None:
        key, version = existing.key, existing.metadata.resource_version or ""
        body = service_coverage.status_body(wanted, existing.status, rfc3339(self._wall()))
        await self._send(
            verbs.apply(SERVICE_COVERAGE, key, body, subresource="status", uid=existing.uid, version=version)
        )
        self._status_written[key] = self._clock()
        before, now = (existing.status or {}).get("outcome"), wanted["outcome"]
        if now != before:
            fields = service_fields(key, outcome=now)
            was = f"was {before}" if before else "its first report"
            _log.info("%s: outcome %s (%s): %s", key, now, was, wanted["reason"], extra=fields)

    async def _send(self, request: verbs.Request) -> None:
        self._own_writes.wrote(SERVICE_COVERAGE, await self._writer.write(request), self._clock())

    async def _delete(self, existing: ServiceCoverage) -> None:
        """Delete only the version that was compared: a later version may contain the intent of a remediation."""
        key, version = existing.key, existing.metadata.resource_version or ""
        try:
            await self._writer.write(verbs.delete(SERVICE_COVERAGE, key, uid=existing.uid, version=version))
        except ApiError as error:
            if error.status != 404 or error.kind_absent:
                raise
        self._own_writes.deleted(SERVICE_COVERAGE, key, existing.uid, self._clock())


def _internal_outcome(status: Json) -> str | None:
    """The name of the outcome for clients in the cluster; None where the status has none."""
    internal = status.get("internal")
    return internal.get("outcome") if isinstance(internal, dict) else None
