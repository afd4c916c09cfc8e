"""Writes the conditions of Services. Nothing else of etpguard stays on objects that it does not own."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import partial

from etpguard.assess import Assessment, InternalAssessment
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
    CONDITIONS,
    INTERNAL_CONDITION,
    Json,
    condition_differs,
    conditions_body,
    existing_condition,
    wanted_condition,
    wanted_internal_condition,
)


class ConditionPublisher:
    """`debounces` has one for each type of condition. `on_recovery(uid, type, reason)` receives the former reason
    of each condition that is about to turn True. `records_unread`: whether it cannot be known which
    Services are remediated. `clock` is monotonic, `wall` seconds since the epoch; `interval`: seconds between two
    writes to one Service."""

    def __init__(
        self,
        writer: Writer,
        own_writes: OwnWrites,
        debounces: Mapping[str, Debounce[Key]],
        interval: float,
        on_recovery: Callable[[str, str, str], None],
        clock: Callable[[], float],
        wall: Callable[[], float],
        records_unread: Callable[[], bool] = lambda: False,
    ) -> None:
        self._writer = writer
        self._own_writes = own_writes
        self._debounces = debounces
        self._interval = interval
        self._on_recovery = on_recovery
        self._clock = clock
        self._wall = wall
        self._records_unread = records_unread
        self._written: dict[Key, float] = {}

    def look(
        self, key: Key, assessment: Assessment | None, now: float, internal: InternalAssessment | None = None
    ) -> Write | None:
        """The write that the conditions of the Service need; None if they are correct. A condition that is not due
        yet stays unchanged."""
        service = self._own_writes.get(SERVICE, key, now)
        if service is None or service.deleting:
            self._written.pop(key, None)
            return None
        existing = {type_: existing_condition(service, type_) for type_ in CONDITIONS}
        wanted = {
            CONDITION: wanted_condition(assessment) if assessment else None,
            INTERNAL_CONDITION: wanted_internal_condition(internal) if internal else None,
        }
        if assessment is None and service.policy != "Local" and self._records_unread():
            wanted[CONDITION] = existing[CONDITION]  # it may be a remediated Service
        due = {
            type_: self._debounces[type_].due(key, outcome_named(before.reason if before else None), now)
            for type_, before in existing.items()
            if condition_differs(before, wanted[type_])
        }
        if not due:
            return None
        at = max(min(due.values()), self._written.get(key, float("-inf")) + self._interval)
        late = {type_ for type_, when in due.items() if when > max(at, now)}
        made = {type_: existing[type_] if type_ in late else condition for type_, condition in wanted.items()}
        return Write(at, partial(self._send, service, made, existing))

    def retain(self, keys: Container[Key]) -> None:
        """Forget all other keys."""
        self._written = {key: at for key, at in self._written.items() if key in keys}

    async def _send(
        self,
        service: Service,
        wanted: Mapping[str, Condition | None],
        existing: Mapping[str, Condition | None],
    ) -> None:
        """The resourceVersion in each request makes sure that nothing is written from an outdated Service."""
        key, version = service.key, service.metadata.resource_version or ""
        for type_, condition in wanted.items():
            before = existing[type_]
            if condition and before and condition.status == "True" != before.status:
                self._on_recovery(service.uid, type_, before.reason or "")
        pairs = ((condition, existing[type_]) for type_, condition in wanted.items())
        body = conditions_body(pairs, rfc3339(self._wall()))
        request = verbs.apply(SERVICE, key, body, subresource="status", uid=service.uid, version=version)
        self._own_writes.wrote(SERVICE, await self._writer.write(request), self._clock())
        for type_, condition in wanted.items():
            left = self._own_writes.get(SERVICE, key, self._clock())
            if condition is None and left is not None and existing_condition(left, type_):
                # Another manager that wrote the whole list also owns the condition. Server-side apply then keeps
                # it, so patch it away.
                self._own_writes.wrote(SERVICE, await self._writer.write(removal(left, type_)), self._clock())
        self._written[key] = self._clock()


def removal(service: Service, type_: str = CONDITION) -> verbs.Request:
    """The patch that removes the condition, even if another manager owns it too. The Service must have the
    condition."""
    conditions = (service.status and service.status.conditions) or []
    place = next(i for i, c in enumerate(conditions) if c.type == type_)
    operations: list[Json] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": service.metadata.resource_version},
        {"op": "test", "path": f"/status/conditions/{place}/type", "value": type_},
        {"op": "remove", "path": f"/status/conditions/{place}"},
    ]
    return verbs.json_patch(SERVICE, service.key, operations, subresource="status")
