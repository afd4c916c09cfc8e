"""Decides which objects get Events, and which Event is next. Knows the Events of etpguard that exist. Pure."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec.structs import replace

from etpguard.assess import Assessment
from etpguard.objects import INGRESS, SERVICE, Key
from etpguard.objects.events import COVERAGE_CONTROLLER, Event, EventRecord, ObjectRef, clip_note
from etpguard.objects.times import parse
from etpguard.report.events import RECOVERIES, Subject

MAX_INGRESSES = 10
"""How many of one Service get Warnings at once."""
_APART = 0.001
"""Seconds between the corrected times of Events with a time in the future, so that they keep their order."""


def subjects(
    assessment: Assessment,
    ingress_uid: Callable[[Key], str],
    warned: Callable[[ObjectRef], bool] = lambda ingress: False,
) -> list[Subject]:
    """The Service, and those Ingresses that send traffic to it and have the worst outcomes, or a Warning that
    stands: it lasts, or needs its recovery. `ingress_uid` gives "" for an Ingress that does not exist; `warned`
    says whether the Ingress has such a Warning."""
    service = ObjectRef(SERVICE, assessment.key, assessment.uid)
    found = [Subject(service, assessment)]
    entries: dict[Key, list[Any]] = {}
    for verdict in assessment.consumers:
        consumer = verdict.consumer
        if consumer.kind == INGRESS.name and not consumer.incidental:
            entries.setdefault(Key(consumer.namespace, consumer.name), []).append(verdict)
    views = []
    for key, verdicts in entries.items():
        worst = max(verdicts, key=lambda v: (v.outcome, v.uncovered.bit_count()))
        view = replace(
            assessment,
            outcome=worst.outcome,
            reason=worst.reason,
            consumers=tuple(verdicts),
            eligible=worst.eligible,
            uncovered=worst.uncovered,
            if_local=None,
        )
        views.append((key, view))
    existing = [(ObjectRef(INGRESS, key, uid), view) for key, view in views if (uid := ingress_uid(key))]
    existing.sort(key=lambda entry: (-entry[1].outcome, entry[0].key))
    for place, (ingress, view) in enumerate(existing):
        if place < MAX_INGRESSES or warned(ingress):
            found.append(Subject(ingress, view, service))
    return found


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An Event of etpguard that exists. `uid` is the uid of the object that it is about. If this object is not the
    Service, `related` is the uid of the Service. Times are seconds since the epoch; `last` is the last
    observation."""

    key: Key
    uid: str
    related: str
    reason: str
    warning: bool
    note: str
    count: int
    last: float

    def same_as(self, wanted: Event) -> bool:
        return (self.reason, self.warning, self.note) == (wanted.reason, wanted.warning, clip_note(wanted.note))


@dataclass(frozen=True, slots=True)
class Pace:
    """`interval`: seconds between two Events about an object; `repeat`: until a lasting Warning is bumped."""

    interval: float = 60.0
    repeat: float = 1800.0


class Next(NamedTuple):
    """The next step for the Events of an object, at time `at`: bump the series of `bump`, or create an Event if
    `bump` is None. `fresh` is False for the repetition of a Warning that lasts."""

    at: float
    bump: SentEvent | None
    fresh: bool


def next_event(
    wanted: Event | None,
    sent: Sequence[SentEvent],
    pace: Pace,
    *,
    last_sent: float = float("-inf"),
    warned_before: bool = False,
) -> Next | None:
    """The next Event about one object in relation to one Service. `sent` are the Events that exist. None if none
    is needed, neither now nor later. `last_sent` is the time of the last Event about the object.

    A recovery is sent only after a Warning: if the last Event is a Warning, or if `warned_before` says that one
    was sent and may have expired.
    """
    if wanted is None:
        return None
    if wanted.reason in RECOVERIES and not (warned(sent) or (warned_before and not sent)):
        return None
    latest = max(sent, key=lambda s: s.last, default=None)
    same = next((s for s in sent if s.same_as(wanted)), None)
    if same is not None and same is latest:
        return Next(same.last + pace.repeat, same, False) if wanted.warning else None
    return Next(last_sent + pace.interval, same, True)


class _Object(NamedTuple):
    namespace: str
    uid: str


def warned(sent: Sequence[SentEvent]) -> bool:
    """Whether a Warning came after the last recovery."""
    warning = max((s.last for s in sent if s.warning), default=None)
    recovered = max((s.last for s in sent if s.reason in RECOVERIES), default=float("-inf"))
    return warning is not None and warning > recovered


class SentEvents:
    """The Events of etpguard that exist, by the object that they are about. Such an Event is in the namespace of
    its object. One in another namespace is not etpguard's: whoever may write Events there could name any uid."""

    def __init__(self, records: Iterable[EventRecord] = ()) -> None:
        self._by_object: dict[_Object, dict[str, SentEvent]] = defaultdict(dict)
        for record in records:
            self.add(record)

    def add(self, record: EventRecord) -> None:
        made = sent_event(record)
        if made is not None:
            self._by_object[_Object(made.key.namespace, made.uid)][made.key.name] = made

    def drop(self, event: SentEvent) -> None:
        """The API server does not have the Event any more."""
        about = _Object(event.key.namespace, event.uid)
        events = self._by_object.get(about, {})
        events.pop(event.key.name, None)
        if not events:
            self._by_object.pop(about, None)

    def of(self, about: ObjectRef, related: str, now: float) -> list[SentEvent]:
        """The Events about the object in relation to one Service (an Ingress may use several). If the time of an
        Event is after `now`, a clock was wrong. The Event then counts as observed at `now`; otherwise no Event
        about the object could be sent until that time."""
        events = self._about(about)
        ahead = sorted((event for event in events.values() if event.last > now), key=lambda event: -event.last)
        for place, event in enumerate(ahead):
            events[event.key.name] = dataclasses.replace(event, last=now - place * _APART)
        return [event for event in events.values() if event.related == related]

    def last_sent(self, about: ObjectRef) -> float:
        """When the last Event about the object was observed. Call `of` first, which corrects future times."""
        return max((event.last for event in self._about(about).values()), default=float("-inf"))

    def warned(self, about: ObjectRef, related: str) -> bool:
        """Whether the object has a Warning in relation to the Service that no recovery followed."""
        return warned([event for event in self._about(about).values() if event.related == related])

    def expire(self, before: float) -> None:
        """Forget Events that were last observed before that time: they have expired (--event-ttl of the API
        server), or expire soon."""
        for about, events in list(self._by_object.items()):
            kept = {name: event for name, event in events.items() if event.last >= before}
            if kept:
                self._by_object[about] = kept
            else:
                del self._by_object[about]

    def retain(self, uids: Container[str]) -> None:
        """Forget the Events about all other objects."""
        for about in [about for about in self._by_object if about.uid not in uids]:
            del self._by_object[about]

    def _about(self, about: ObjectRef) -> dict[str, SentEvent]:
        return self._by_object.get(_Object(about.key.namespace, about.uid), {})

    def __len__(self) -> int:
        return sum(map(len, self._by_object.values()))


def sent_event(record: EventRecord) -> SentEvent | None:
    """The SentEvent of an Event. None if etpguard did not write it, or if its form is not one that etpguard
    writes."""
    uid = record.regarding and record.regarding.uid
    if record.reporting_controller != COVERAGE_CONTROLLER or not uid:
        return None
    last = (record.series and record.series.last_observed_time) or record.event_time
    return SentEvent(
        key=record.key,
        uid=uid,
        related=(record.related and record.related.uid) or "",
        reason=record.reason or "",
        warning=record.type == "Warning",
        note=record.note or "",
        count=record.series.count if record.series else 1,
        last=parse(last) or 0.0,
    )
