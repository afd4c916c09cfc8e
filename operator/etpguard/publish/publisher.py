"""Compares what should stand in the API with what stands, and sends what is lacking.

Level-triggered: an offer only says where to look. Each output has a lane of its own, so that Events do not wait
for conditions; a lane looks at a Service, sends one request at most, and looks again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping

from etpguard.assess import Assessment
from etpguard.cluster import Picture
from etpguard.kube.errors import ApiError
from etpguard.kube.own_writes import OwnWrites
from etpguard.kube.token_bucket import TokenBucket
from etpguard.kube.writes import NotNow, Writer
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key
from etpguard.publish.conditions import Conditions
from etpguard.publish.debounce import Debounce
from etpguard.publish.event_publisher import EventPublisher
from etpguard.publish.reports import Advice, Reports
from etpguard.publish.settings import PublishSettings
from etpguard.publish.worker import Worker
from etpguard.report.service_condition import existing_condition

_log = logging.getLogger(__name__)

_POLL = 0.5
_RELOAD = 5.0
_GRACE = 3.0


class Publisher:
    """`assessments` is the engine's own mapping, read at the moment of each comparison. `term` grows whenever
    this process becomes the leader (constant without election): what was remembered of the API is then read
    anew. `clock` is monotonic, `wall` seconds since the epoch.
    """

    def __init__(
        self,
        writer: Writer,
        picture: Picture,
        assessments: Mapping[Key, Assessment],
        advice: Advice,
        settings: PublishSettings | None = None,
        *,
        term: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._writer = writer
        self._picture = picture
        self._assessments = assessments
        self._settings = settings = settings or PublishSettings()
        self._term = term
        self._clock = clock
        self._overlay = OwnWrites(picture)
        self._holds: Debounce[Key] = Debounce(settings.hold, settings.urgent_hold)
        self._announcer = EventPublisher(writer, picture, settings, clock, wall)
        hint = self._announcer.hint
        self._conditions = Conditions(
            writer, self._overlay, self._holds, settings.condition_interval, hint, clock, wall
        )
        self._reports = Reports(writer, picture, self._overlay, self._holds, settings, advice, clock, wall)
        self._taken_up: int | None = None
        self._events_loaded = False
        self._lanes: dict[str, Worker] = {}
        for wanted, name, step, rate in (
            (settings.events, "Event", self._announce, settings.event_rate),
            (settings.conditions, "condition", self._conditions.step, settings.condition_rate),
            (settings.reports, "ServiceCoverage", self._reports.step, settings.report_rate),
        ):
            if wanted:
                bucket = TokenBucket(rate, max(1.0, rate))
                self._lanes[name] = Worker(name, step, assessments.get, bucket, self._open, clock)

    def offer(self, changed: Mapping[Key, Assessment | None], touched: Iterable[Key] = ()) -> None:
        """Tell of assessments that changed, and of Services that something else touched (that someone removed a
        condition or a report shows only there)."""
        now = self._clock()
        for key, assessment in changed.items():
            self._holds.observe(key, assessment, now)
            if self._settings.events:
                self._announcer.observe(key, assessment, now)
            self._poke(key)
        for key in touched:
            if key not in changed and (key in self._assessments or self._stands(key)):
                self._poke(key)

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`; what is under way then may take some seconds to end. Raises nothing that the API
        server does."""
        lanes = [asyncio.create_task(lane.run(), name=f"publish {lane.name}") for lane in self._lanes.values()]
        keeper = asyncio.create_task(self._keep(), name="publish")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*lanes, keeper, stopping], return_when=asyncio.FIRST_COMPLETED)
            for lane in self._lanes.values():
                lane.close()
            if lanes:
                await asyncio.wait(lanes, timeout=_GRACE)
            for task in (*lanes, keeper):
                if task.done():
                    task.result()
        finally:
            for ended in (*lanes, keeper, stopping):
                ended.cancel()
            await asyncio.gather(*lanes, keeper, stopping, return_exceptions=True)

    def sweep(self) -> None:
        """Compare everything, and forget what is no more."""
        known = {*self._assessments, *self._picture.store(SERVICE_COVERAGE).keys()}
        known |= {s.key for s in self._picture.store(SERVICE) if existing_condition(s)}
        self._holds.forget([key for key in self._holds.keys() if key not in known])  # noqa: SIM118  no dict
        self._conditions.forget(known)
        self._reports.forget(known)
        self._announcer.expire(known)
        for key in known:
            self._poke(key)

    async def _keep(self) -> None:
        """Take up each new term, and sweep now and then."""
        sweep_at = load_at = 0.0
        while True:
            now = self._clock()
            if self._writer.closed() is None:
                if self._term() != self._taken_up:
                    # Another leader may have written meanwhile: nothing remembered counts any more.
                    self._taken_up = self._term()
                    self._overlay.clear()
                    self._events_loaded = not self._settings.events
                    sweep_at = load_at = now
                if not self._events_loaded and now >= load_at:
                    load_at = await self._load_events()
                if now >= sweep_at:
                    self.sweep()
                    sweep_at = self._clock() + self._settings.sweep_interval
            await asyncio.sleep(_POLL)

    async def _load_events(self) -> float:
        """Read the Events that stand; when to try again."""
        try:
            await self._announcer.load()
        except NotNow as closed:
            return self._clock() + closed.retry_in
        except ApiError as error:
            _log.debug("Events cannot be listed: %s", error)
            return self._clock() + _RELOAD
        self._events_loaded = True
        for key in self._assessments:
            self._lanes["Event"].poke(key)
        return 0.0

    def _open(self) -> bool:
        return self._writer.closed() is None and self._term() == self._taken_up

    def _poke(self, key: Key) -> None:
        if not self._settings.scope.includes(key.namespace):
            return  # what stands there may be another instance's
        for lane in self._lanes.values():
            lane.poke(key)

    def _stands(self, key: Key) -> bool:
        service = self._picture.get(SERVICE, key)
        if service is not None and existing_condition(service):
            return True
        return self._picture.get(SERVICE_COVERAGE, key) is not None

    async def _announce(self, key: Key, assessment: Assessment | None, spend: Callable[[], float]) -> float | None:
        # Until it is known what stands, nothing is said; whatever is assessed is looked at once it is.
        return await self._announcer.step(key, assessment, spend) if self._events_loaded else None
