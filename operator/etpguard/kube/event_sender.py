"""Sends Events: creates one, or bumps the series of the one that exists."""

from __future__ import annotations

import logging
from collections.abc import Callable

from etpguard.kube import verbs
from etpguard.kube.errors import ApiError
from etpguard.kube.failures import Failures
from etpguard.kube.writes import NotNow, Writer
from etpguard.objects import Key, decode_item
from etpguard.objects.events import EVENT, Event, EventRecord, series_body
from etpguard.objects.log_fields import request_fields

_log = logging.getLogger(__name__)


class EventSender:
    """`instance` names this process in the Events; `wall` gives seconds since the epoch."""

    def __init__(
        self, writer: Writer, instance: str, wall: Callable[[], float], failures: Failures | None = None
    ) -> None:
        self._writer = writer
        self._instance = instance
        self._wall = wall
        self._failures = failures or Failures()

    async def create(self, event: Event) -> EventRecord | None:
        """Create the Event, or read the one of the same name that exists: the answer to an earlier try was lost,
        or the last list did not show it. None for an answer that is no Event. Raises NotNow and ApiError."""
        try:
            answer = await self._writer.write(self._creation(event))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            answer = await self._writer.read(verbs.get(EVENT, event.key))
        return _record(answer)

    async def bump(self, key: Key, count: int) -> EventRecord | None:
        """Raise the series of an Event to `count`. None if it expired. Raises NotNow and ApiError."""
        patch = verbs.merge_patch(EVENT, key, series_body(count=count, now=self._wall()))
        try:
            return _record(await self._writer.write(patch))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def announce(self, event: Event, *, once: bool = False) -> bool:
        """Create the Event, or bump its series if it exists. With `once` no series is bumped, so a lasting state
        has one Event and not one for each leader. Raises nothing: an Event must not delay the action that it
        reports.

        Returns False if a later try may send it. With `once` that is left to the caller, who is there again, so
        one try is made."""
        try:
            try:
                await self._writer.write(self._creation(event), attempts=1 if once else 3)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                if not once:
                    await self._bump_existing(event.key)
        except (ApiError, NotNow) as error:
            again = error.transient if isinstance(error, ApiError) else not error.refusal
            _log.log(
                logging.DEBUG if once and again else logging.WARNING,
                "%s: cannot send Event %s: %s",
                event.regarding.key,
                event.reason,
                error,
                extra=request_fields("create", EVENT.resource, event.regarding.key.namespace, reason=event.reason),
            )
            return not again
        except Exception as error:
            self._failures.note("publish", f"Event {event.reason} on {event.regarding.key}", error)
        return True

    async def _bump_existing(self, key: Key) -> None:
        existing = _record(await self._writer.read(verbs.get(EVENT, key)))
        series = existing.series if existing else None
        await self.bump(key, (series.count if series else 1) + 1)

    def _creation(self, event: Event) -> verbs.Request:
        return verbs.create(EVENT, event.key, event.body(now=self._wall(), instance=self._instance))


def _record(answer: verbs.Json) -> EventRecord | None:
    record = decode_item(EVENT, answer)
    return record if isinstance(record, EventRecord) else None
