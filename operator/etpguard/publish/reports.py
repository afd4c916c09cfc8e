"""The ServiceCoverage of each Service. Its `status.remediation` belongs to remediation: it is in no apply of
ours, so that the API server leaves it alone, and a report that holds a live one is never deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from etpguard.assess import Assessment
from etpguard.cluster import Picture
from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.own_writes import OwnWrites
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, Service, ServiceCoverage
from etpguard.objects.times import rfc3339
from etpguard.publish.conditions import outcome_named
from etpguard.publish.debounce import Debounce
from etpguard.publish.settings import PublishSettings
from etpguard.report import service_coverage
from etpguard.report.statuses import Json

Advice = Callable[[Assessment], Sequence[str]]


class Reports:
    def __init__(
        self,
        writer: Writer,
        picture: Picture,
        overlay: OwnWrites,
        holds: Debounce[Key],
        settings: PublishSettings,
        advice: Advice,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._writer = writer
        self._picture = picture
        self._overlay = overlay
        self._holds = holds
        self._settings = settings
        self._advice = advice
        self._clock = clock
        self._wall = wall
        self._written: dict[Key, float] = {}
        # Assessment, version of the report and epoch of the node table that were found to agree.
        self._agreed: dict[Key, tuple[Assessment, int, int]] = {}

    async def step(self, key: Key, assessment: Assessment | None, spend: Callable[[], float]) -> float | None:
        """Send the next request that the report needs, if that is due; when to look again."""
        now = self._clock()
        service = self._picture.get(SERVICE, key)
        standing = self._overlay.get(SERVICE_COVERAGE, key, now)
        if service is None or service.deleting:
            # The garbage collector deletes it with its owner.
            self._agreed.pop(key, None)
            return None
        if assessment is None:
            self._agreed.pop(key, None)
            return await self._withdraw(service, standing, spend, now)
        if standing is not None and service_coverage.owned_by_another(standing, service):
            return await self._delete(standing, spend, now)
        state = (assessment, standing.version if standing else -1, self._picture.nodes.epoch)
        if self._agreed.get(key) == state:
            return None
        wanted = service_coverage.status(assessment, self._picture.nodes, self._advice(assessment))
        told = standing.status if standing else None
        owned = standing is not None and service_coverage.owned_by(standing, service)
        if owned and service_coverage.same(told, wanted):
            self._agreed[key] = state
            return None
        due = self._due(key, assessment, told, now)
        if due > now:
            return due
        if wait := spend():
            return now + wait
        if standing is None or not owned:
            await self._send(verbs.apply(SERVICE_COVERAGE, key, service_coverage.owner_body(service)))
        else:
            await self._send_status(standing, wanted)
        return self._clock()

    def forget(self, keep: set[Key]) -> None:
        self._agreed.clear()
        self._written = {key: at for key, at in self._written.items() if key in keep}

    def _due(self, key: Key, assessment: Assessment, told: Json | None, now: float) -> float:
        """A new outcome after its hold; the same one with other nodes, or ports, soon, but not too often."""
        self._holds.observe(key, assessment, now)
        stands = outcome_named((told or {}).get("outcome"))
        if stands != assessment.outcome:
            return self._holds.due(key, stands)
        spaced = self._written.get(key, float("-inf")) + self._settings.report_interval
        return max(spaced, self._holds.nodes_since(key) + min(1.0, self._settings.hold))

    async def _withdraw(
        self, service: Service, standing: ServiceCoverage | None, spend: Callable[[], float], now: float
    ) -> float | None:
        if standing is None:
            return None
        stays = service_coverage.must_stay(standing, service, self._wall())
        history = service_coverage.history_status()
        if stays and (standing.remediation is None or service_coverage.same_facts(standing.status, history)):
            return None
        self._holds.observe(service.key, None, now)
        due = self._holds.due(service.key, None)
        if due > now:
            return due
        if not stays:
            return await self._delete(standing, spend, now)
        if wait := spend():
            return now + wait
        # Else it would go on telling how things were when the Service was last assessed.
        await self._send_status(standing, history)
        return self._clock()

    async def _send_status(self, standing: ServiceCoverage, wanted: Json) -> None:
        key, version = standing.key, standing.metadata.resource_version or ""
        body = service_coverage.status_body(wanted, standing.status, rfc3339(self._wall()))
        await self._send(
            verbs.apply(SERVICE_COVERAGE, key, body, subresource="status", uid=standing.uid, version=version)
        )
        self._written[key] = self._clock()

    async def _send(self, request: verbs.Request) -> None:
        self._overlay.wrote(SERVICE_COVERAGE, await self._writer.write(request), self._clock())

    async def _delete(self, standing: ServiceCoverage, spend: Callable[[], float], now: float) -> float | None:
        """Pinned to the version seen: an intent to remediate that was written since must not be lost."""
        if wait := spend():
            return now + wait
        key, version = standing.key, standing.metadata.resource_version or ""
        try:
            await self._writer.write(verbs.delete(SERVICE_COVERAGE, key, uid=standing.uid, version=version))
        except ApiError as error:
            if error.status != 404 or error.kind_absent:
                raise
        self._overlay.deleted(SERVICE_COVERAGE, key, standing.uid, self._clock())
        return self._clock()
