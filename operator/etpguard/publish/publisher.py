"""Compares what should be in the API with what is there, and sends what is missing.

The publisher is level-triggered: `offer` only says which Services to look at. Each output (conditions, reports,
Events) has its own worker, so that Events do not wait for conditions. A worker looks at a Service, sends at most
one write, and looks again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial

from etpguard.assess import Assessment, InternalAssessment
from etpguard.cluster import Picture
from etpguard.kube.errors import ApiError
from etpguard.kube.failures import Failures
from etpguard.kube.own_writes import OwnWrites
from etpguard.kube.token_bucket import TokenBucket
from etpguard.kube.writes import NotNow, Writer
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key
from etpguard.objects.events import EVENT
from etpguard.objects.log_fields import action_fields, request_fields, service_fields
from etpguard.objects.text import describe
from etpguard.publish.conditions import ConditionPublisher
from etpguard.publish.debounce import Debounce
from etpguard.publish.event_publisher import EventPublisher
from etpguard.publish.reports import AdviceTexts, InternalAdviceTexts, ReportPublisher
from etpguard.publish.settings import PublishSettings
from etpguard.publish.worker import Worker, Write
from etpguard.report.service_condition import CONDITION, INTERNAL_CONDITION, has_condition

_log = logging.getLogger(__name__)

LookAtAssessment = Callable[[Key, Assessment | None, float, InternalAssessment | None], Write | None]


class Publisher:
    """`assessments` and `internal` are the engine's own mappings, for external traffic and for clients in the
    cluster. They are read at the moment of each comparison. `term` grows each time this process becomes the leader
    (without leader election it is constant). The publisher then discards what it remembers of the API, and reads
    it again. `clock` is monotonic, `wall` seconds since the epoch.
    """

    def __init__(
        self,
        writer: Writer,
        picture: Picture,
        assessments: Mapping[Key, Assessment],
        advice: AdviceTexts,
        settings: PublishSettings | None = None,
        *,
        term: Callable[[], int] = lambda: 1,
        failures: Failures | None = None,
        assumed: Callable[[], Sequence[str]] = tuple,
        internal: Mapping[Key, InternalAssessment] | None = None,
        internal_advice: InternalAdviceTexts = lambda assessment: (),
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._writer = writer
        self._picture = picture
        self._assessments = assessments
        self._internal = internal if internal is not None else {}
        self._settings = settings = settings or PublishSettings()
        self._term = term
        self._failures = failures or Failures()
        self._clock = clock
        self._own_writes = own_writes = OwnWrites(picture)
        self._debounce: Debounce[Key] = Debounce(settings.hold, settings.urgent_hold)
        self._internal_debounce: Debounce[Key] = Debounce(settings.hold, settings.urgent_hold)
        self._events = EventPublisher(writer, picture, settings, clock, wall)
        self._conditions = ConditionPublisher(
            writer,
            own_writes,
            {CONDITION: self._debounce, INTERNAL_CONDITION: self._internal_debounce},
            settings.condition_interval,
            self._events.note_recovery,
            clock,
            wall,
            lambda: SERVICE_COVERAGE in picture.unread,
        )
        self._reports = ReportPublisher(
            writer,
            picture,
            own_writes,
            self._debounce,
            settings,
            advice,
            clock,
            wall,
            assumed,
            internal_debounce=self._internal_debounce,
            internal_advice=internal_advice,
        )
        self._own_term: int | None = None
        self._sweep_at = float("-inf")
        self._load_at = float("inf")
        self._load_failures = 0
        self._workers: dict[str, Worker] = {}
        for enabled, name, look, rate in (
            (settings.events, "Event", self._events.look, settings.event_rate),
            (settings.conditions, "condition", self._conditions.look, settings.condition_rate),
            (settings.reports, "ServiceCoverage", self._reports.look, settings.report_rate),
        ):
            if enabled:
                bucket = TokenBucket(rate, max(1.0, rate))
                assessed = partial(self._with_assessment, look)
                self._workers[name] = Worker(
                    name, assessed, bucket, self._is_open, clock, settings.worker, self._outcome, self._failures
                )

        self._retain: tuple[Callable[[Container[Key]], None], ...] = (
            self._debounce.retain,
            self._internal_debounce.retain,
            self._conditions.retain,
            self._reports.retain,
            self._events.retain,
            *(worker.retain for worker in self._workers.values()),
        )

    def offer(self, changed: Mapping[Key, Assessment | None], touched: Iterable[Key] = ()) -> None:
        """Enqueue the Services whose assessment changed, and those that changed in another way: if someone removes
        a condition or a report, no assessment changes."""
        for key, assessment in changed.items():
            self._enqueue(key, assessment)
        for key in touched:
            assessed = key in self._assessments or key in self._internal
            if key not in changed and (assessed or self._is_published(key)):
                self._enqueue(key, self._assessments.get(key))

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set. Writes that are under way then get some seconds to end. Errors of the API
        server are not raised. May be called again after it ended."""
        workers = [asyncio.create_task(w.run(), name=f"publish {w.name}") for w in self._workers.values()]
        keeper = asyncio.create_task(self._keep(), name="publish")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*workers, keeper, stopping], return_when=asyncio.FIRST_COMPLETED)
            for worker in self._workers.values():
                worker.close()
            if workers:
                await asyncio.wait(workers, timeout=self._settings.stop_grace)
            for task in (*workers, keeper):
                if task.done():
                    task.result()
        finally:
            for ended in (*workers, keeper, stopping):
                ended.cancel()
            await asyncio.gather(*workers, keeper, stopping, return_exceptions=True)

    def sweep(self) -> None:
        """Forget Services that do not exist any more, and look at all others."""
        known = {*self._assessments, *self._internal, *self._published(), *self._events.tracked}
        self._own_writes.expire(self._clock())
        for retain in self._retain:
            retain(known)
        for key in known:
            self._enqueue(key, self._assessments.get(key))

    def _published(self) -> set[Key]:
        """The Services with a report or a condition of etpguard, in any namespace."""
        conditions = {service.key for service in self._picture.store(SERVICE) if has_condition(service)}
        return conditions.union(self._picture.store(SERVICE_COVERAGE).keys())

    def _warn_of_others(self) -> None:
        """After the scope was narrowed, what was written outside of it stays, and may have become wrong."""
        others = sum(not self._settings.scope.includes(key.namespace) for key in self._published())
        if others:
            _log.warning(
                "Services that --namespaces or --skip-namespaces excludes and that have a condition or report of "
                "etpguard: %d. This operator neither updates nor removes them. If no other installation does, "
                "remove them: docs/install.md, Switching off",
                others,
                extra=action_fields("publish"),
            )

    async def _keep(self) -> None:
        """Prepare for each new term, load the Events that exist, and sweep at intervals."""
        while True:
            try:
                await self._tend()
                self._failures.settled("publish", "all Services")
            except Exception as error:
                self._failures.note("publish", "all Services", error)
            await asyncio.sleep(self._settings.poll_interval)

    async def _tend(self) -> None:
        now = self._clock()
        leads = self._writer.closed() is None
        if leads and self._term() != self._own_term:
            # Another leader may have written in between, so what this process remembers may be wrong.
            self._own_term = self._term()
            self._own_writes.clear()
            self._reports.reset()
            self._events.reset()
            self._sweep_at = self._load_at = now
            self._load_failures = 0
            self._warn_of_others()
        if leads and self._settings.events and now >= self._load_at:
            self._load_at = float("inf")
            pause = await self._load_events()
            if pause is not None:
                self._load_at = self._clock() + pause
        if leads:
            for key in self._own_writes.expire(now):
                self._enqueue(key, self._assessments.get(key))
        if now >= self._sweep_at:
            # Standbys sweep too: otherwise the offers until they lead would pile up.
            self._sweep_at = now + self._settings.sweep_interval
            self.sweep()

    async def _load_events(self) -> float | None:
        """Read the Events that exist; seconds until the next try, None if it succeeded."""
        try:
            await self._events.load()
        except NotNow as closed:
            if not closed.refusal:
                return closed.retry_in
            problem = closed.reason
        except ApiError as error:
            problem = str(error)
        except Exception as error:
            self._failures.note("publish", "the Events that exist", error)
            problem = describe(error)
        else:
            self._failures.settled("publish", "the Events that exist")
            self._events_known()
            return None
        self._load_failures += 1
        if self._load_failures == self._settings.reloads_before_events:
            _log.warning(
                "Cannot list the Events that exist: %s. etpguard sends Events all the same, and tries again after "
                "up to %.0f s",
                problem,
                self._settings.reload.longest,
                extra=request_fields("list", EVENT.resource, ""),
            )
            self._events.go_on()
            self._events_known()
        return self._settings.reload.pause(self._load_failures)

    def _events_known(self) -> None:
        """Look at all Services, since from now on Events are sent."""
        for key in {*self._assessments, *self._internal}:
            self._enqueue(key, self._assessments.get(key))

    def _is_open(self) -> bool:
        return self._writer.closed() is None and self._term() == self._own_term

    def _enqueue(self, key: Key, assessment: Assessment | None) -> None:
        """Keys reach a worker only through here. Keys out of scope are dropped: another installation may publish
        them."""
        if not self._settings.scope.includes(key.namespace):
            return
        try:
            now = self._clock()
            internal = self._internal.get(key)
            self._debounce.observe(key, assessment, now)
            self._internal_debounce.observe(key, internal, now)
            if self._settings.events:
                self._events.observe(key, assessment, now, internal)
        except Exception as error:
            self._failures.note(
                "publish", f"the assessment of {key}", error, service_fields(key, action="publish")
            )
        for worker in self._workers.values():
            worker.add(key)

    def _is_published(self, key: Key) -> bool:
        service = self._picture.get(SERVICE, key)
        if service is not None and has_condition(service):
            return True
        return self._picture.get(SERVICE_COVERAGE, key) is not None

    def _outcome(self, key: Key) -> str:
        assessment = self._assessments.get(key)
        return assessment.outcome.name if assessment else ""

    def _with_assessment(self, look: LookAtAssessment, key: Key, now: float) -> Write | None:
        return look(key, self._assessments.get(key), now, self._internal.get(key))
