"""The condition on the Service: the one thing that etpguard keeps on others' objects."""

from __future__ import annotations

from collections.abc import Callable

from etpguard.assess import Assessment, Outcome
from etpguard.kube import verbs
from etpguard.kube.own_writes import OwnWrites
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, Key, Service
from etpguard.objects.times import rfc3339
from etpguard.publish.debounce import Debounce
from etpguard.report.service_condition import (
    CONDITION,
    Json,
    condition_body,
    condition_differs,
    existing_condition,
    wanted_condition,
)


class Conditions:
    """`told(uid, reason)` hears which reason a condition had that is about to turn True."""

    def __init__(
        self,
        writer: Writer,
        overlay: OwnWrites,
        holds: Debounce[Key],
        interval: float,
        told: Callable[[str, str], None],
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._writer = writer
        self._overlay = overlay
        self._holds = holds
        self._interval = interval
        self._told = told
        self._clock = clock
        self._wall = wall
        self._written: dict[Key, float] = {}

    async def step(self, key: Key, assessment: Assessment | None, spend: Callable[[], float]) -> float | None:
        """Write the Service's condition if that is due; when to look again."""
        now = self._clock()
        service = self._overlay.get(SERVICE, key, now)
        if service is None or service.deleting:
            self._written.pop(key, None)
            return None
        wanted = wanted_condition(assessment) if assessment else None
        standing = existing_condition(service)
        if not condition_differs(standing, wanted):
            return None
        self._holds.observe(key, assessment, now)
        spaced = self._written.get(key, float("-inf")) + self._interval
        due = max(self._holds.due(key, outcome_named(standing.reason if standing else None)), spaced)
        if due > now:
            return due
        if wait := spend():
            return now + wait
        if wanted and wanted.status == "True" and standing:
            self._told(service.uid, standing.reason or "")
        await self._send(service, condition_body(wanted, standing, rfc3339(self._wall())), remove=wanted is None)
        self._written[key] = self._clock()
        return None

    def forget(self, keep: set[Key]) -> None:
        self._written = {key: at for key, at in self._written.items() if key in keep}

    async def _send(self, service: Service, body: Json, *, remove: bool) -> None:
        """The resourceVersion makes sure that nothing is written from a Service that was seen too long ago."""
        key, version = service.key, service.metadata.resource_version or ""
        request = verbs.apply(SERVICE, key, body, subresource="status", uid=service.uid, version=version)
        self._overlay.wrote(SERVICE, await self._writer.write(request), self._clock())
        left = self._overlay.get(SERVICE, key, self._clock())
        if remove and left is not None and existing_condition(left):
            # A manager that wrote the whole list owns it too, and so our letting go leaves it there.
            self._overlay.wrote(SERVICE, await self._writer.write(removal(left)), self._clock())


def removal(service: Service) -> verbs.Request:
    """Takes the condition away, whoever owns it; the Service must have it."""
    conditions = (service.status and service.status.conditions) or []
    place = next(i for i, c in enumerate(conditions) if c.type == CONDITION)
    operations: list[Json] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": service.metadata.resource_version},
        {"op": "test", "path": f"/status/conditions/{place}/type", "value": CONDITION},
        {"op": "remove", "path": f"/status/conditions/{place}"},
    ]
    return verbs.json_patch(SERVICE, service.key, operations, subresource="status")


def outcome_named(name: object) -> Outcome | None:
    return Outcome.__members__.get(name) if isinstance(name, str) else None
