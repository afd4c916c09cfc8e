"""One operator: its parts, the order in which they start, and the order in which they end. It decides nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from etpguard.app import late_modules
from etpguard.app.assessing import Assessing
from etpguard.app.health import HealthReport, data_plane_notes, metrics_state
from etpguard.app.memory import return_memory
from etpguard.app.observed import Observed
from etpguard.app.tasks import Keeper, finished_before, run_until_one_ends
from etpguard.app.timing import OperatorTiming
from etpguard.assess.advice import Advisor
from etpguard.assess.consumers.registry import ConsumerOptions
from etpguard.assess.internal_advice import InternalAdvisor
from etpguard.intake.absorb import Absorber
from etpguard.intake.controller_options import follow
from etpguard.intake.corrections import Corrections
from etpguard.intake.data_plane_objects import DataPlaneObjects
from etpguard.intake.early_lists import EarlyLists
from etpguard.intake.freshness import Freshness
from etpguard.intake.inbox import Inbox
from etpguard.intake.resync import Resync
from etpguard.intake.watch_supervisor import WatchSupervisor
from etpguard.kube.connection import Connection
from etpguard.kube.discovery import served_versions
from etpguard.kube.failures import PARTS, Failures
from etpguard.kube.lists import ListReader
from etpguard.kube.threads import in_thread
from etpguard.metrics import CONTENT_TYPE, Metrics
from etpguard.objects import AnyKind
from etpguard.objects.log_fields import action_fields
from etpguard.report.advice import advice_texts
from etpguard.report.data_planes import assumed_of_services
from etpguard.settings import Settings
from etpguard.web import Certificate, CertificateFiles, Health, serve

if TYPE_CHECKING:
    from etpguard.app.page import LivePage
    from etpguard.app.writing import Writing
    from etpguard.page import Status

logger = logging.getLogger(__name__)

STOP_SECONDS = 4.0
"""After SIGTERM, all parts together have this long to end."""
COLLECTOR_SECONDS = 60.0
"""The collector of cyclic garbage, which is off at the start, runs after this time even if the operator is not
ready."""


class Operator:
    """Created on the main loop. Reads `connection`. Everything it holds is rebuilt from the API at each start.
    Raises CertificateError and SettingsError.

    `consumer_options` are the present ones. If `settings` name a Deployment of a controller, its arguments are
    followed. `early` are lists that have begun.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        consumer_options: ConsumerOptions | None = None,
        timing: OperatorTiming | None = None,
        early: EarlyLists | None = None,
    ) -> None:
        timing = timing or OperatorTiming()
        self._settings = settings
        self._connection = connection
        self._assessed = asyncio.Event()
        self._inbox = Inbox()
        self._assessing = assessing = Assessing(settings, self._inbox, self._assessed, consumer_options)
        self.picture, self.engine = assessing.picture, assessing.engine
        self.freshness = Freshness(assessing.kinds, settings.resync_interval, time.monotonic)
        reported = settings.scope.select(self.engine.assessments)
        internal = settings.scope.select(self.engine.internal)
        self.metrics = Metrics(
            lambda: metrics_state(self.picture, reported, self.freshness, internal, fresh=self._stale() is None),
            settings.metrics_per_service,
            kinds=self.picture.kinds,
            parts=PARTS,
        )
        self._certificate = _certificate(settings, self.metrics)
        self._data_plane_objects = DataPlaneObjects(
            connection, settings.resync_interval, assessing.use_objects, self.metrics.request, timing.lists
        )
        failures = Failures(self.metrics.internal_error)
        self._keeper = Keeper(failures, timing.rerun)
        self._resync = Resync(
            picture=self.picture,
            reader=ListReader(connection, on_request=self.metrics.request),
            inbox=self._inbox,
            freshness=self.freshness,
            interval=settings.resync_interval,
            timing=timing.lists,
            failures=failures,
            early=early,
            on_request=self.metrics.request,
            served=partial(served_versions, connection),
        )
        self._supervisor = WatchSupervisor(
            resync=self._resync,
            start=lambda kinds: late_modules.kopf_watch().KopfRun(
                kinds,
                connection,
                self._inbox.put,
                settings.watch_inactivity,
                self.metrics.request,
                self._resync.as_served,
            ),
            restarted=self.metrics.watch_restart,
            timing=timing.watch,
            failures=failures,
        )
        self._failures = failures
        self._timing = timing
        self._writing: Writing | None = None
        self._absorber = Absorber(
            picture=self.picture,
            engine=self.engine,
            inbox=self._inbox,
            corrections=Corrections(self.metrics.correction, self._supervisor.watch_misses_events),
            observe=self.metrics.verdict,
            watch_relisted=self._resync.watch_relisted,
            etcd_restored=self._etcd_restored,
            scope=settings.scope,
            failures=failures,
        )
        self.page: LivePage | None = None
        """Made once the operator is ready."""
        self._health = HealthReport(
            self.freshness,
            self._supervisor,
            self._assessed,
            self._notes,
        )

    def watching(self) -> frozenset[AnyKind]:
        """The kinds that a watch runs for."""
        return self._supervisor.watching()

    def health(self) -> Health:
        return self._health.health()

    def serving(self) -> AbstractAsyncContextManager[int]:
        """The HTTP server, as a context that gives its port."""
        return serve(
            self._settings.listen,
            health=self.health,
            snapshot=self.metrics.snapshot,
            content_type=CONTENT_TYPE,
            certificate=self._certificate,
        )

    async def run(self, stop: asyncio.Event) -> int:
        """Work until `stop`. Then, or when a part fails for good, end every part. Returns the exit code."""
        work = [
            asyncio.create_task(self._absorber.run(), name="absorber"),
            asyncio.create_task(self._live(stop), name="operator"),
        ]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([*work, stopping], return_when=asyncio.FIRST_COMPLETED)
        code = 0 if stop.is_set() else 1
        stop.set()
        # Writes end first and hand the Lease over. No other part has anything to lose.
        await asyncio.wait([work[1]], timeout=STOP_SECONDS)
        for task in work:
            task.cancel()
        for task, outcome in zip(work, await asyncio.gather(*work, return_exceptions=True), strict=True):
            if isinstance(outcome, Exception):
                logger.error("%s failed", task.get_name(), exc_info=outcome, extra=action_fields(task.get_name()))
                code = 1
        return code

    async def _live(self, stop: asyncio.Event) -> None:
        """List, assess, become ready, and only then watch and write.

        The first part that ends takes the others with it. So after `stop` only the writes end by themselves, once
        they have handed the Lease over.
        """
        began = time.monotonic()
        asyncio.get_running_loop().call_later(COLLECTOR_SECONDS, gc.enable)
        if not await finished_before(stop, asyncio.create_task(self._first())):
            return
        self._assessing.assess_all()
        await self._assessed.wait()
        # What the first lists brought stays. Measured on 5,000 nodes and 10,000 Services: a full collection holds
        # the loop for 70 ms; after the freeze it does not look at these objects.
        gc.freeze()
        gc.enable()
        logger.info(
            "ready after %.2f s: Services with Local: %d",
            time.monotonic() - began,
            len(self.engine.assessments),
            extra=action_fields("start"),
        )
        await in_thread(late_modules.load, "import what starts now")
        self._writing = writing = self._new_writing()
        await self._absorber.add_receivers(writing.receivers)
        self.page = self._new_page()
        keep = self._keeper.keep
        parts = [
            asyncio.create_task(self._resync.run(), name="resync"),
            asyncio.create_task(keep("watch", "the operator", self._supervisor.run, stop), name="watch"),
            asyncio.create_task(writing.run(stop), name="writing"),
            asyncio.create_task(return_memory(), name="memory"),
            asyncio.create_task(
                keep("options", "the data plane's objects", self._data_plane_objects.run, stop), name="data planes"
            ),
        ]
        if self._settings.page is not None:
            serve_page = partial(self.page.run, self._settings.page)
            parts.append(asyncio.create_task(keep("page", "the operator", serve_page, stop), name="page"))
        if self._settings.aws_lbc_deployment:
            follow_options = keep("options", "the operator", self._follow_options, stop)
            parts.append(asyncio.create_task(follow_options, name="options"))
        await run_until_one_ends(parts)

    async def _first(self) -> None:
        """The first lists, and the first read of the objects that show the data plane."""
        await asyncio.gather(self._resync.first(), self._data_plane_objects.read())
        await self._data_plane_objects.settle()

    def _new_advisor(self) -> Advisor:
        return Advisor(
            self.picture,
            self._assessing.families,
            lambda: self.engine.planes,
            partial(self._failures.note, "assessment"),
        )

    def _new_writing(self) -> Writing:
        from etpguard.app.writing import Writing

        return Writing(
            self._settings,
            self._connection,
            Observed(
                self.picture,
                self.engine.assessments,
                self.engine.internal,
                self._assessing.engine_for,
                self.freshness.served,
                self._stale,
            ),
            advice=advice_texts(self._new_advisor()),
            assumed=lambda: assumed_of_services(self.engine.planes),
            internal_advice=advice_texts(InternalAdvisor(self.picture)),
            metrics=self.metrics,
            failures=self._failures,
            keeper=self._keeper,
            remediation_pacing=self._timing.remediation,
            publish=self._timing.publish,
        )

    def _new_page(self) -> LivePage:
        from etpguard.app.page import LivePage

        scope = self._settings.scope
        return LivePage(
            self.picture,
            self.engine,
            scope.select(self.engine.assessments),
            scope.select(self.engine.internal),
            self._new_advisor(),
            self._connection.server,
            self._page_status,
        )

    async def _follow_options(self) -> None:
        assessing = self._assessing
        await follow(self._settings, self._connection, assessing.consumer_options, assessing.use_options)

    def _etcd_restored(self) -> None:
        self._supervisor.etcd_restored()
        if self._writing:
            self._writing.etcd_restored()

    def _stale(self) -> str | None:
        """Why nothing may be written, and why the metrics may be out of date."""
        return self.freshness.stale() or self._absorber.problem or None

    def _notes(self) -> list[str]:
        """The lines of /readyz about the parts."""
        notes = data_plane_notes(self.engine.planes, self._data_plane_objects.objects)
        if self._absorber.problem:
            notes.append(self._absorber.problem)
        if self._writing:
            notes += self._writing.problems()
        if self.page and self.page.problem:
            notes.append(self.page.problem)
        if self._certificate and self._certificate.problem:
            notes.append(f"the new TLS certificate is not in use: {self._certificate.problem}")
        return notes

    def _page_status(self, revision: str) -> Status:
        from etpguard.page import Status

        health = self.health()
        return Status(
            revision,
            leader=self._writing.leader if self._writing else "not known",
            fresh=self._stale() is None,
            problems=[*health.blockers, *health.notes, *health.failures],
        )


def _certificate(settings: Settings, metrics: Metrics) -> Certificate | None:
    """Raises CertificateError."""
    if not settings.tls_cert_file:
        return None
    files = CertificateFiles(Path(settings.tls_cert_file), Path(settings.tls_private_key_file))
    return Certificate(files, metrics.certificate_reload)
