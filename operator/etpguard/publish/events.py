"""Events: their constructors, what is remembered of those that stand, and which one is next. Pure.

events.k8s.io/v1 (1.37 pkg/apis/core/validation/events.go): everything but `series` is immutable, a note has at
most 1,024 bytes, reportingController is a qualified name.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from etpguard.objects import AnyKind, Key, Kind, Record
from etpguard.objects.records import Shape
from etpguard.publish.desired import Json, Notice, Subject

CONTROLLER = "etpguard.dev/operator"
ACTION = "AssessCoverage"
REMEDIATION_CONTROLLER = "etpguard.dev/remediation"
REMEDIATION_ACTION = "Remediate"
MAX_NOTE = 1024
_APART = 0.001


class _Reference(Shape, frozen=True):
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None


class _Series(Shape, frozen=True):
    count: int = 1
    last_observed_time: str | None = None


class EventRecord(Record, frozen=True):
    reason: str | None = None
    note: str | None = None
    type: str | None = None
    reporting_controller: str | None = None
    event_time: str | None = None
    regarding: _Reference | None = None
    related: _Reference | None = None
    series: _Series | None = None


EVENT = Kind("Event", "events", "events.k8s.io", "v1", EventRecord)


@dataclass(frozen=True, slots=True)
class Standing:
    """One of our Events. `uid` is that of the object it is about, `related` that of the Service where the object
    is another. Times are seconds since the epoch; `last` is when it was last observed."""

    key: Key
    uid: str
    related: str
    reason: str
    warning: bool
    note: str
    count: int
    last: float

    def says(self, wanted: Notice) -> bool:
        return (self.reason, self.warning, self.note) == (wanted.reason, wanted.warning, cut(wanted.note))


@dataclass(frozen=True, slots=True)
class Pace:
    """`interval`: seconds between two Events of an object; `repeat`: until a lasting Warning is bumped."""

    interval: float = 60.0
    repeat: float = 1800.0


class Next(NamedTuple):
    """What to do about an object's Events at time `at`: bump `bump`, or with None make a new one. `fresh` is
    False for the mere repetition of a Warning that lasts."""

    at: float
    bump: Standing | None
    fresh: bool


def next_event(
    wanted: Notice | None,
    standing: Sequence[Standing],
    pace: Pace,
    *,
    spoken: float = float("-inf"),
    hinted: bool = False,
) -> Next | None:
    """What the standing Events of one object about one Service lack; None if nothing, now and later. `spoken` is
    when anything was last said of the object.

    A recovery is told only where a Warning is the last word, or where `hinted` says that one was told.
    """
    if wanted is None:
        return None
    if wanted.recovery and not (_warned(standing) or (hinted and not standing)):
        return None
    latest = max(standing, key=lambda s: s.last, default=None)
    same = next((s for s in standing if s.says(wanted)), None)
    if same is not None and same is latest:
        return Next(same.last + pace.repeat, same, False) if wanted.warning else None
    return Next(spoken + pace.interval, same, True)


def _warned(standing: Sequence[Standing]) -> bool:
    """Whether a Warning came after the last recovery."""
    warning = max((s.last for s in standing if s.warning), default=None)
    recovered = max((s.last for s in standing if s.reason == "NodesCovered"), default=float("-inf"))
    return warning is not None and warning > recovered


class SentEvents:
    """Our Events that stand, by the object that they are about."""

    def __init__(self, records: Iterable[EventRecord] = ()) -> None:
        self._by_uid: dict[str, dict[str, Standing]] = defaultdict(dict)
        for record in records:
            self.add(record)

    def add(self, record: EventRecord) -> None:
        made = standing(record)
        if made is not None:
            self._by_uid[made.uid][made.key.name] = made

    def drop(self, event: Standing) -> None:
        """It is gone from the API."""
        self._by_uid.get(event.uid, {}).pop(event.key.name, None)

    def of(self, uid: str, related: str, now: float) -> list[Standing]:
        """Those about the object, in relation to one Service (an Ingress may use several). What is dated later
        than `now`, by another's clock or before ours was set back, counts as said just now: to wait for its time
        would silence the object until then."""
        events = self._by_uid.get(uid, {})
        ahead = sorted((event for event in events.values() if event.last > now), key=lambda event: -event.last)
        for place, event in enumerate(ahead):
            events[event.key.name] = replace(event, last=now - place * _APART)  # in the order in which they came
        return [event for event in events.values() if event.related == related]

    def spoken(self, uid: str) -> float:
        """When the object was last said anything about, once `of` was asked for it."""
        return max((event.last for event in self._by_uid.get(uid, {}).values()), default=float("-inf"))

    def expire(self, before: float) -> None:
        """Forget Events last observed before that: by the API server's --event-ttl they are gone, or soon."""
        for uid, events in list(self._by_uid.items()):
            kept = {name: event for name, event in events.items() if event.last >= before}
            if kept:
                self._by_uid[uid] = kept
            else:
                del self._by_uid[uid]


def standing(record: EventRecord) -> Standing | None:
    """None for an Event that is not ours or not of a form that we write."""
    uid = record.regarding and record.regarding.uid
    if record.reporting_controller != CONTROLLER or not uid:
        return None
    last = (record.series and record.series.last_observed_time) or record.event_time
    return Standing(
        key=record.key,
        uid=uid,
        related=(record.related and record.related.uid) or "",
        reason=record.reason or "",
        warning=record.type == "Warning",
        note=record.note or "",
        count=record.series.count if record.series else 1,
        last=_seconds(last),
    )


def event(subject: Subject, related: Subject | None, wanted: Notice, now: float, instance: str) -> Json:
    """A new Event. Its name follows from its identity, so that a try repeated after a lost answer, or by the next
    leader, meets the first one instead of making a second."""
    note = cut(wanted.note)
    identity = "\0".join((subject.uid, related.uid if related else "", wanted.reason, str(wanted.warning), note))
    suffix = hashlib.sha256(identity.encode()).hexdigest()[:16]
    made: Json = {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"namespace": subject.key.namespace, "name": f"{subject.key.name[:230]}.{suffix}"},
        "eventTime": micro_time(now),
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
        "action": ACTION,
        "reason": wanted.reason,
        "type": "Warning" if wanted.warning else "Normal",
        "note": note,
        "regarding": _reference(subject),
    }
    if related is not None:
        made["related"] = _reference(related)
    return made


def remediation_event(
    kind: AnyKind, key: Key, uid: str, reason: str, warning: bool, note: str, now: float, instance: str
) -> Json:
    """An Event about what etpguard did to an object. Its controller is another one, so that it is never taken for
    what was last said of the object's coverage."""
    note = cut(note)
    suffix = hashlib.sha256("\0".join((uid, reason, str(warning), note)).encode()).hexdigest()[:16]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"namespace": key.namespace, "name": f"{key.name[:230]}.{suffix}"},
        "eventTime": micro_time(now),
        "reportingController": REMEDIATION_CONTROLLER,
        "reportingInstance": instance[:128],
        "action": REMEDIATION_ACTION,
        "reason": reason,
        "type": "Warning" if warning else "Normal",
        "note": note,
        "regarding": {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "namespace": key.namespace,
            "name": key.name,
            "uid": uid,
        },
    }


def series(event: Standing, now: float) -> Json:
    """The patch that says "once more"."""
    return {"series": {"count": event.count + 1, "lastObservedTime": micro_time(now)}}


def cut(note: str) -> str:
    """A note in the bounds of the API: bytes of UTF-8, which object names alone would not need."""
    return note.encode()[:MAX_NOTE].decode(errors="ignore")


def micro_time(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(text: str | None) -> float:
    try:
        return datetime.fromisoformat(text).timestamp() if text else 0.0
    except ValueError:
        return 0.0


def _reference(subject: Subject) -> dict[str, Any]:
    return {
        "apiVersion": subject.kind.api_version,
        "kind": subject.kind.name,
        "namespace": subject.key.namespace,
        "name": subject.key.name,
        "uid": subject.uid,
    }
