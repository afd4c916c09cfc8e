"""Events about Services and the Ingresses that use them: which is next, and sending it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from etpguard.assess import Assessment, Outcome
from etpguard.cluster import Picture
from etpguard.kube import verbs
from etpguard.kube.event_sender import EventSender
from etpguard.kube.token_bucket import TokenBucket
from etpguard.kube.writes import Writer
from etpguard.objects import INGRESS, SERVICE, Key
from etpguard.objects.events import COVERAGE_CONTROLLER, EVENT, Event, EventRecord
from etpguard.publish.debounce import Debounce
from etpguard.publish.event_plan import Next, Pace, SentEvent, SentEvents, next_event, subjects
from etpguard.publish.settings import PublishSettings
from etpguard.report.events import LOST_REASONS, WARNING_OUTCOMES, Subject, coverage_event
from etpguard.report.service_condition import existing_condition

_REMEMBERED = 7200.0
"""Seconds: twice the API server's default --event-ttl."""

_WARNING_REASONS = frozenset(outcome.name for outcome in WARNING_OUTCOMES)


class _Track(NamedTuple):
    """What a hold is about: one object, by its uid, in its relation to one Service."""

    service: Key
    uid: str


class EventPublisher:
    """One object's Events are independent of another's; an Ingress's are told apart by Service."""

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
        self._holds: Debounce[_Track] = Debounce(settings.hold, settings.urgent_hold)
        self._memory = SentEvents()
        self._buckets: dict[str, TokenBucket] = {}
        self._hinted: set[str] = set()

    async def load(self) -> None:
        """Read what stands. Raises NotNow and ApiError."""
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
                page = await self._writer.read_page(EVENT, request)
                found += page.items
                if not (token := page.continue_token):
                    break
        self._memory = SentEvents(found)

    def observe(self, key: Key, assessment: Assessment | None, now: float) -> list[Subject]:
        found = subjects(assessment, self._ingress_uid) if assessment else []
        for subject in found:
            self._holds.observe(_Track(key, subject.regarding.uid), subject.view, now)
        return found

    def hint(self, uid: str, reason: str) -> None:
        """The Service's condition, about to turn True, told of an outcome that comes with a Warning, should the
        Event itself have expired."""
        if reason in _WARNING_REASONS:
            self._hinted.add(uid)

    def expire(self, keep: set[Key]) -> None:
        """Forget what matters no more; `keep` are the Services that are of interest."""
        self._memory.expire(self._wall() - _REMEMBERED)
        now = self._clock()
        self._buckets = {uid: bucket for uid, bucket in self._buckets.items() if not bucket.full(now)}
        self._holds.forget([track for track in self._holds.keys() if track.service not in keep])  # noqa: SIM118

    async def step(self, key: Key, assessment: Assessment | None, spend: Callable[[], float]) -> float | None:
        """Send the first Event that is due, if one is; when to look again."""
        service = self._picture.get(SERVICE, key)
        if assessment is None or service is None or service.deleting:
            return None
        now = self._clock()
        told = existing_condition(service)
        hinted = service.uid in self._hinted or (told is not None and told.reason in _WARNING_REASONS)
        again: float | None = None
        for subject in self.observe(key, assessment, now):
            uid, related = subject.regarding.uid, subject.service.uid if subject.service else ""
            wanted = coverage_event(subject, self._picture.nodes)
            sent = self._memory.of(uid, related, self._wall())
            following = next_event(
                wanted,
                sent,
                self._pace,
                last_sent=self._memory.last_sent(uid),
                warned_before=hinted and subject.service is None,
            )
            if wanted is None or following is None:
                continue
            due = self._due(_Track(key, uid), wanted, sent, following, now)
            if due <= now:
                if wait := spend():
                    return now + wait
                await self._send(wanted, following)
                return self._clock()
            again = due if again is None else min(again, due)
        return again

    def _due(self, track: _Track, wanted: Event, sent: list[SentEvent], following: Next, now: float) -> float:
        """`following.at` in the monotonic clock, put off by the hold and by the object's own budget."""
        due = now + max(0.0, following.at - self._wall())
        if not following.fresh:
            return due
        latest = max(sent, key=lambda event: event.last, default=None)
        if latest is not None and (latest.reason, latest.warning) == (wanted.reason, wanted.warning):
            held = self._holds.nodes_since(track) + self._settings.event_settle
        else:
            lost = latest is not None and latest.reason in LOST_REASONS
            held = self._holds.due(track, Outcome.Blackhole if lost else None)
        return max(due, held, now + self._bucket(track.uid).wait(now))

    def _bucket(self, uid: str) -> TokenBucket:
        bucket = self._buckets.get(uid)
        if bucket is None:
            rate = 1 / self._settings.event_refill
            bucket = self._buckets[uid] = TokenBucket(rate, self._settings.event_burst)
        return bucket

    async def _send(self, wanted: Event, following: Next) -> None:
        existing = following.bump
        if existing is None:
            record = await self._sender.create(wanted)
        else:
            record = await self._sender.bump(existing.key, existing.count + 1)
            if record is None:
                self._memory.drop(existing)  # it expired: the next look creates it
        if record is not None:
            self._memory.add(record)
        uid = wanted.regarding.uid
        if following.fresh:
            self._bucket(uid).take(self._clock())
        self._hinted.discard(uid)

    def _ingress_uid(self, key: Key) -> str:
        ingress = self._picture.get(INGRESS, key)
        return ingress.uid if ingress and not ingress.deleting else ""
