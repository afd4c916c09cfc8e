"""The condition on the Service: the one thing that etpguard keeps on objects of others."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial

from etpguard.assess import Assessment
from etpguard.kube import verbs
from etpguard.kube.own_writes import OwnWrites
from etpguard.kube.writes import Writer
from etpguard.objects import SERVICE, Condition, Key, Service
from etpguard.objects.times import rfc3339
from etpguard.outcomes import outcome_named
from etpguard.publish.debounce import Debounce
from etpguard.publish.worker import Write
from etpguard.report.service_condition import (
    CONDITION,
    Json,
    condition_body,
    condition_differs,
    existing_condition,
    wanted_condition,
)


class ConditionPublisher:
    """`on_recovery(uid, reason)` receives the former reason of each condition that is about to turn True. `clock`
    is monotonic, `wall` seconds since the epoch; `interval`: seconds between two writes to one Service."""

    def __init__(
        self,
        writer: Writer,
        own_writes: OwnWrites,
        debounce: Debounce[Key],
        interval: float,
        on_recovery: Callable[[str, str], None],
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._writer = writer
        self._own_writes = own_writes
        self._debounce = debounce
        self._interval = interval
        self._on_recovery = on_recovery
        self._clock = clock
        self._wall = wall
        self._written: dict[Key, float] = {}

    def look(self, key: Key, assessment: Assessment | None, now: float) -> Write | None:
        """The write that the Service's condition needs; None if it is as it should be."""
        service = self._own_writes.get(SERVICE, key, now)
        if service is None or service.deleting:
            self._written.pop(key, None)
            return None
        wanted = wanted_condition(assessment) if assessment else None
        existing = existing_condition(service)
        if not condition_differs(existing, wanted):
            return None
        spaced = self._written.get(key, float("-inf")) + self._interval
        held = self._debounce.due(key, outcome_named(existing.reason if existing else None), now)
        return Write(max(held, spaced), partial(self._send, service, wanted, existing))

    def retain(self, keys: Container[Key]) -> None:
        """Forget all other keys."""
        self._written = {key: at for key, at in self._written.items() if key in keys}

    async def _send(self, service: Service, wanted: Condition | None, existing: Condition | None) -> None:
        """The resourceVersion in each request makes sure that nothing is written from an outdated Service."""
        key, version = service.key, service.metadata.resource_version or ""
        if wanted and wanted.status == "True" and existing:
            self._on_recovery(service.uid, existing.reason or "")
        body = condition_body(wanted, existing, rfc3339(self._wall()))
        request = verbs.apply(SERVICE, key, body, subresource="status", uid=service.uid, version=version)
        self._own_writes.wrote(SERVICE, await self._writer.write(request), self._clock())
        left = self._own_writes.get(SERVICE, key, self._clock())
        if wanted is None and left is not None and existing_condition(left):
            # A manager that wrote the whole list owns the condition too, so our apply leaves it there.
            self._own_writes.wrote(SERVICE, await self._writer.write(removal(left)), self._clock())
        self._written[key] = self._clock()


def removal(service: Service) -> verbs.Request:
    """The patch that removes the condition, also of another manager. The Service must have the condition."""
    conditions = (service.status and service.status.conditions) or []
    place = next(i for i, c in enumerate(conditions) if c.type == CONDITION)
    operations: list[Json] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": service.metadata.resource_version},
        {"op": "test", "path": f"/status/conditions/{place}/type", "value": CONDITION},
        {"op": "remove", "path": f"/status/conditions/{place}"},
    ]
    return verbs.json_patch(SERVICE, service.key, operations, subresource="status")
