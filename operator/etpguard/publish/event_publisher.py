"""Finds and sends the next due Event about each Service, and about the Ingresses that use it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from etpguard.assess import Assessment, InternalAssessment
from etpguard.cluster import Picture
from etpguard.kube import verbs
from etpguard.kube.event_sender import EventSender
from etpguard.kube.token_bucket import Buckets
from etpguard.kube.writes import Writer
from etpguard.objects import INGRESS, SERVICE, Key, Service
from etpguard.objects.events import COVERAGE_CONTROLLER, EVENT, Event, EventRecord, ObjectRef
from etpguard.publish.debounce import Debounce, View
from etpguard.publish.event_plan import (
    Next,
    Pace,
    SentEvent,
    SentEvents,
    next_event,
    subjects,
    warned,
)
from etpguard.publish.settings import PublishSettings
from etpguard.publish.worker import Write
from etpguard.report.events import (
    INTERNAL_REASONS,
    NODES_COVERED,
    OUTCOMES,
    RECOVERIES,
    WARNING_OUTCOMES,
    Subject,
    coverage_event,
    internal_event,
    policy_changed,
)
from etpguard.report.service_condition import CONDITION, INTERNAL_CONDITION, existing_condition

_WARNING_REASONS = frozenset(outcome.name for outcome in WARNING_OUTCOMES)


class _Track(NamedTuple):
    """The key of a hold: one object, by its uid, in relation to one Service. `internal`: the hold is about clients
    in the cluster."""

    service: Key
    uid: str
    internal: bool = False


class EventPublisher:
    """The Events of one object do not depend on those of another; the Events of an Ingress are distinguished by
    Service. `clock` is monotonic, `wall` seconds since the epoch."""

    def __init__(
        self,
        writer: Writer,
        picture: Picture,
        settings: PublishSettings,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._writer = writer
        self._picture = picture
        self._settings = settings
        self._clock = clock
        self._wall = wall
        self._sender = EventSender(writer, settings.instance, wall)
        self._pace = Pace(settings.event_interval, settings.event_repeat)
        self._debounce: Debounce[_Track] = Debounce(settings.hold, settings.urgent_hold)
        self._tracks: dict[Key, frozenset[_Track]] = {}
        self._ingresses: dict[Key, tuple[ObjectRef, ...]] = {}
        self._sent = SentEvents()
        self._buckets: Buckets[str] = Buckets(1 / settings.event_refill, settings.event_burst)
        self._recovering: set[tuple[str, bool]] = set()
        self._loaded = False

    @property
    def loaded(self) -> bool:
        """Whether the Events that exist are known, as far as they can be. Until then no Event is sent."""
        return self._loaded

    @property
    def tracked(self) -> Iterable[Key]:
        """The Services that Events are about. Also those whose policy is not Local any more, until their recovery
        was sent."""
        return self._tracks.keys()

    def reset(self) -> None:
        """Another leader may have sent Events in between, so they must be loaded again."""
        self._loaded = False

    def go_on(self) -> None:
        """Send Events although those that exist cannot be listed. One that exists is then read when it is sent."""
        self._loaded = True

    async def load(self) -> None:
        """Read the Events that exist. Raises NotNow and ApiError. It tries once: the API server may have to read
        all Events of the cluster for it."""
        found: list[EventRecord] = []
        for namespace in sorted(self._settings.scope.only) or ("",):
            token = ""
            while True:
                request = verbs.list_page(
                    EVENT,
                    namespace=namespace,
                    token=token,
                    field_selector=f"reportingController={COVERAGE_CONTROLLER}",
                )
                page = await self._writer.read_page(EVENT, request, attempts=1)
                found += page.items
                if not (token := page.continue_token):
                    break
        self._sent = SentEvents(found)
        self._loaded = True

    def observe(
        self, key: Key, assessment: Assessment | None, now: float, internal: InternalAssessment | None = None
    ) -> None:
        """Record an assessment when it is made: it starts the holds of each object that it concerns."""
        found = self._subjects(assessment)
        tracks: dict[_Track, View | None] = {_Track(key, s.regarding.uid): s.view for s in found}
        if assessment is not None:
            self._ingresses[key] = tuple(s.regarding for s in found if s.service is not None)
        if internal:
            tracks[_Track(key, internal.uid, internal=True)] = internal
        for event, inside in self._not_local_any_more(key, assessment, internal):
            tracks[_Track(key, event.regarding.uid, inside)] = None
        self._debounce.forget(self._tracks.pop(key, frozenset()) - tracks.keys())
        if tracks:
            self._tracks[key] = frozenset(tracks)
        for track, view in tracks.items():
            self._debounce.observe(track, view, now)

    def note_recovery(self, uid: str, type_: str, reason: str) -> None:
        """Record that the condition of a Service is about to turn True. `reason` is its reason until now. If the
        Warning Event has expired, nothing else shows that there was one."""
        if reason in _WARNING_REASONS:
            self._recovering.add((uid, type_ == INTERNAL_CONDITION))

    def retain(self, keys: Container[Key]) -> None:
        """Forget all other Services, and objects that do not exist any more."""
        uids = {s.uid for s in self._picture.store(SERVICE)} | {i.uid for i in self._picture.store(INGRESS)}
        self._tracks = {key: tracks for key, tracks in self._tracks.items() if key in keys}
        self._ingresses = {key: found for key, found in self._ingresses.items() if key in keys}
        self._debounce.retain({track for tracks in self._tracks.values() for track in tracks})
        self._sent.expire(self._wall() - self._settings.event_memory)
        self._sent.retain(uids)
        self._buckets.drop_full(self._clock(), uids)
        self._recovering = {(uid, internal) for uid, internal in self._recovering if uid in uids}

    def look(
        self, key: Key, assessment: Assessment | None, now: float, internal: InternalAssessment | None = None
    ) -> Write | None:
        """The Event that is due first; None if none is missing."""
        service = self._picture.get(SERVICE, key)
        if not self._loaded or service is None or service.deleting:
            return None
        first: Write | None = None
        for wanted, inside in self._wanted(key, assessment, internal):
            about, related = wanted.regarding, wanted.related.uid if wanted.related else ""
            sent = self._sent_of(about, related, inside)
            following = next_event(
                wanted,
                sent,
                self._pace,
                last_sent=self._sent.last_sent(about),
                warned_before=not related and self._warned(service, inside),
            )
            if following is None:
                if sent and wanted.reason in RECOVERIES:
                    # The recovery was sent before the condition turned True.
                    self._recovering.discard((about.uid, inside))
                continue
            due = self._due(_Track(key, about.uid, inside), wanted, sent, following, now)
            if first is None or due < first.due:
                first = Write(due, partial(self._send, wanted, following))
            if due <= now:
                break
        return first

    def _wanted(
        self, key: Key, assessment: Assessment | None, internal: InternalAssessment | None
    ) -> Iterator[tuple[Event, bool]]:
        """The Events that the present outcomes need, and for each whether it is about clients in the cluster."""
        for subject in self._subjects(assessment):
            if event := coverage_event(subject, self._picture.nodes):
                yield event, False
        if internal and (event := internal_event(internal)):
            yield event, True
        yield from self._not_local_any_more(key, assessment, internal)

    def _not_local_any_more(
        self, key: Key, assessment: Assessment | None, internal: InternalAssessment | None
    ) -> Iterator[tuple[Event, bool]]:
        """The recoveries after someone has taken the policy Local from the Service. Without them its Warning would
        stand for good, and would hide the next one if Local returns."""
        service = self._picture.get(SERVICE, key)
        if service is None:
            return
        itself = ObjectRef(SERVICE, key, service.uid)
        if assessment is None and service.policy != "Local":
            if warned(self._sent_of(itself, "", inside=False)):
                yield policy_changed(itself, None, internal=False), False
            for ingress in self._ingresses.get(key, ()):
                exists = self._ingress_uid(ingress.key) == ingress.uid
                if exists and warned(self._sent_of(ingress, service.uid, inside=False)):
                    yield policy_changed(ingress, itself, internal=False), False
        not_local = internal is None and service.spec.internal_traffic_policy != "Local"
        if not_local and warned(self._sent_of(itself, "", inside=True)):
            yield policy_changed(itself, None, internal=True), True

    def _sent_of(self, about: ObjectRef, related: str, inside: bool) -> list[SentEvent]:
        sent = self._sent.of(about, related, self._wall())
        return [event for event in sent if (event.reason in INTERNAL_REASONS) is inside]

    def _subjects(self, assessment: Assessment | None) -> list[Subject]:
        if assessment is None:
            return []
        return subjects(assessment, self._ingress_uid, lambda ingress: self._sent.warned(ingress, assessment.uid))

    def _warned(self, service: Service, inside: bool) -> bool:
        """Whether the condition shows, or showed until now, an outcome that has a Warning. A condition says
        nothing if etpguard does not write conditions any more."""
        if not self._settings.conditions:
            return False
        condition = existing_condition(service, INTERNAL_CONDITION if inside else CONDITION)
        return (service.uid, inside) in self._recovering or bool(
            condition and condition.reason in _WARNING_REASONS
        )

    def _due(self, track: _Track, wanted: Event, sent: list[SentEvent], following: Next, now: float) -> float:
        """`following.at` in the monotonic clock, delayed by the hold and by the budget of the object."""
        due = now + max(0.0, following.at - self._wall())
        if not following.fresh:
            return due
        latest = max(sent, key=lambda event: event.last, default=None)
        # Without an Event, all was well.
        shown = (latest.reason, latest.warning) if latest else (NODES_COVERED, False)
        if latest is not None and shown == (wanted.reason, wanted.warning):
            held = self._debounce.nodes_since(track, now) + self._settings.event_settle
            if wanted.warning:  # it must not expire, even if the nodes never settle
                held = min(held, now + max(0.0, latest.last + self._settings.event_repeat - self._wall()))
        else:
            held = max(self._debounce.due(track, outcome, now) for outcome in OUTCOMES.get(shown, (None,)))
        return max(due, held, now + self._buckets.wait(track.uid, now))

    async def _send(self, wanted: Event, following: Next) -> None:
        existing = following.bump
        if existing is None:
            record = await self._sender.create(wanted)
        else:
            record = await self._sender.bump(existing.key, existing.count + 1)
            if record is None:
                self._sent.drop(existing)  # the Event has expired: the next look creates another
        if record is not None:
            self._sent.add(record)
        uid = wanted.regarding.uid
        if following.fresh:
            self._buckets.take(uid, self._clock())
        self._recovering.discard((uid, wanted.reason in INTERNAL_REASONS))

    def _ingress_uid(self, key: Key) -> str:
        ingress = self._picture.get(INGRESS, key)
        return ingress.uid if ingress and not ingress.deleting else ""
