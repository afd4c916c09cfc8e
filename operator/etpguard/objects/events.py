"""Events of the API group events.k8s.io/v1: the record that etpguard reads, and the body that it writes. Pure.

Rules of the API (1.37 pkg/apis/core/validation/events.go): everything but `series` is immutable, a note has at
most 1,024 bytes, `reportingController` is a qualified name.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from etpguard.objects.kinds import AnyKind, Kind
from etpguard.objects.records import Key, Record, Shape
from etpguard.objects.text import harmless
from etpguard.objects.times import micro_time

COVERAGE_CONTROLLER = "etpguard.dev/operator"
"""`reportingController` of Events about the coverage of a Service."""
COVERAGE_ACTION = "AssessCoverage"
REMEDIATION_CONTROLLER = "etpguard.dev/remediation"
"""`reportingController` of Events about what etpguard did. It differs from that of coverage, so that such an Event
never counts as the last Event about the coverage of the object."""
REMEDIATION_ACTION = "Remediate"
MAX_NOTE_BYTES = 1024

Json = dict[str, Any]


class EventReference(Shape, frozen=True):
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None


class EventSeries(Shape, frozen=True):
    count: int = 1
    last_observed_time: str | None = None


class EventRecord(Record, frozen=True):
    reason: str | None = None
    note: str | None = None
    type: str | None = None
    reporting_controller: str | None = None
    event_time: str | None = None
    regarding: EventReference | None = None
    related: EventReference | None = None
    series: EventSeries | None = None


EVENT = Kind("Event", "events", "events.k8s.io", "v1", EventRecord)


class ObjectRef(Struct, frozen=True):
    """The object that an Event is about."""

    kind: AnyKind
    key: Key
    uid: str

    def body(self) -> Json:
        return {
            "apiVersion": self.kind.api_version,
            "kind": self.kind.name,
            "namespace": self.key.namespace,
            "name": self.key.name,
            "uid": self.uid,
        }


class Event(Struct, frozen=True, kw_only=True):
    """An Event to send. `related` is the Service where `regarding` is another object.

    Reason, type and note are the identity of an Event: they make its name. A try that is repeated after a lost
    answer, or by the next leader, therefore meets the first Event instead of making a second one. A note whose
    wording changes with a release makes one new Event for each object.
    """

    regarding: ObjectRef
    reason: str
    warning: bool
    note: str
    related: ObjectRef | None = None
    controller: str = COVERAGE_CONTROLLER
    action: str = COVERAGE_ACTION

    @property
    def key(self) -> Key:
        parts = [self.regarding.uid]
        if self.controller == COVERAGE_CONTROLLER:
            # Several Services may share an Ingress, each with Events of its own about it.
            parts.append(self.related.uid if self.related else "")
        parts += [self.reason, str(self.warning), clip_note(self.note)]
        import hashlib  # 3 ms at the start of each command, and only the operator needs it (-X importtime)

        suffix = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        return Key(self.regarding.key.namespace, f"{self.regarding.key.name[:230]}.{suffix}")

    def body(self, *, now: float, instance: str) -> Json:
        """The body of the create. `now`: seconds since the epoch; `instance` names this process."""
        key = self.key
        made: Json = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.name,
            "metadata": {"namespace": key.namespace, "name": key.name},
            "eventTime": micro_time(now),
            "reportingController": self.controller,
            "reportingInstance": instance[:128],
            "action": self.action,
            "reason": self.reason,
            "type": "Warning" if self.warning else "Normal",
            "note": clip_note(self.note),
            "regarding": self.regarding.body(),
        }
        if self.related is not None:
            made["related"] = self.related.body()
        return made


def series_body(*, count: int, now: float) -> Json:
    """The merge patch that records one more observation of an Event; `count` includes it."""
    return {"series": {"count": count, "lastObservedTime": micro_time(now)}}


def clip_note(note: str, end: str = "") -> str:
    """The note, harmless and within the bound of the API, which counts bytes of UTF-8. `end` stays whole."""
    kept = harmless(end).encode()
    return (harmless(note).encode()[: MAX_NOTE_BYTES - len(kept)] + kept).decode(errors="ignore")
