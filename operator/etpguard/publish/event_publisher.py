"""Events about Services and the Ingresses that use them: which is next, and sending it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from etpguard.assess import Assessment, Outcome
from etpguard.cluster import Picture
from etpguard.kube import verbs
from etpguard.kube.exchange import ApiError
from etpguard.kube.token_bucket import TokenBucket
from etpguard.kube.writes import Writer
from etpguard.objects import INGRESS, SERVICE, Key, decode_item
from etpguard.publish import desired, events
from etpguard.publish.debounce import Debounce
from etpguard.publish.desired import Notice, Subject
from etpguard.publish.events import EVENT, EventRecord, Next, SentEvents, Standing
from etpguard.publish.settings import PublishSettings

_REMEMBERED = 7200.0
"""Seconds: twice the API server's default --event-ttl."""

_TOLD_AS_WARNING = frozenset({"Uncovered", "NoTargets", "Blackhole", "Outage"})


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
        self._pace = events.Pace(settings.event_interval, settings.event_repeat)
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
                    field_selector=f"reportingController={events.CONTROLLER}",
                )
                page = await self._writer.read_page(EVENT, request)
                found += page.items
                if not (token := page.continue_token):
                    break
        self._memory = SentEvents(found)

    def observe(self, key: Key, assessment: Assessment | None, now: float) -> list[Subject]:
        subjects = desired.subjects(assessment, self._ingress_uid) if assessment else []
        for subject in subjects:
            self._holds.observe(_Track(key, subject.uid), subject.view, now)
        return subjects

    def hint(self, uid: str, reason: str) -> None:
        """The Service's condition, about to turn True, told of an outcome that comes with a Warning, should the
        Event itself have expired."""
        if reason in _TOLD_AS_WARNING:
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
        told = desired.standing_condition(service)
        hinted = service.uid in self._hinted or (told is not None and told.reason in _TOLD_AS_WARNING)
        about, *ingresses = self.observe(key, assessment, now)
        again: float | None = None
        for subject, related in ((about, None), *((ingress, about) for ingress in ingresses)):
            wanted = desired.notice(subject, self._picture.nodes)
            standing = self._memory.of(subject.uid, related.uid if related else "", self._wall())
            spoken = self._memory.spoken(subject.uid)
            following = events.next_event(
                wanted, standing, self._pace, spoken=spoken, hinted=hinted and related is None
            )
            if wanted is None or following is None:
                continue
            due = self._due(_Track(key, subject.uid), wanted, standing, following, now)
            if due <= now:
                if wait := spend():
                    return now + wait
                await self._send(subject, related, wanted, following)
                return self._clock()
            again = due if again is None else min(again, due)
        return again

    def _due(self, track: _Track, wanted: Notice, standing: list[Standing], following: Next, now: float) -> float:
        """`following.at` in the monotonic clock, put off by the hold and by the object's own budget."""
        due = now + max(0.0, following.at - self._wall())
        if not following.fresh:
            return due
        latest = max(standing, key=lambda event: event.last, default=None)
        if latest is not None and (latest.reason, latest.warning) == (wanted.reason, wanted.warning):
            held = self._holds.nodes_since(track) + self._settings.event_settle
        else:
            lost = latest is not None and latest.reason in desired.TRAFFIC_LOST
            held = self._holds.due(track, Outcome.Blackhole if lost else None)
        return max(due, held, now + self._bucket(track.uid).wait(now))

    def _bucket(self, uid: str) -> TokenBucket:
        bucket = self._buckets.get(uid)
        if bucket is None:
            rate = 1 / self._settings.event_refill
            bucket = self._buckets[uid] = TokenBucket(rate, self._settings.event_burst)
        return bucket

    async def _send(self, subject: Subject, related: Subject | None, wanted: Notice, following: Next) -> None:
        if following.bump is not None:
            await self._bump(following.bump)
        else:
            await self._create(events.event(subject, related, wanted, self._wall(), self._settings.instance))
        if following.fresh:
            self._bucket(subject.uid).take(self._clock())
        self._hinted.discard(subject.uid)

    async def _create(self, body: desired.Json) -> None:
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"])
        try:
            answer = await self._writer.write(verbs.create(EVENT, key, body))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            # An answer that was lost, or an Event that the list did not show: what stands decides.
            answer = await self._writer.read(verbs.get(EVENT, key))
        self._remember(answer)

    async def _bump(self, event: Standing) -> None:
        patch = verbs.merge_patch(EVENT, event.key, events.series(event, self._wall()))
        try:
            self._remember(await self._writer.write(patch))
        except ApiError as error:
            if error.status != 404:
                raise
            self._memory.drop(event)  # expired: the next look makes it anew

    def _remember(self, answer: desired.Json) -> None:
        record = decode_item(EVENT, answer)
        if isinstance(record, EventRecord):
            self._memory.add(record)

    def _ingress_uid(self, key: Key) -> str:
        ingress = self._picture.get(INGRESS, key)
        return ingress.uid if ingress and not ingress.deleting else ""
