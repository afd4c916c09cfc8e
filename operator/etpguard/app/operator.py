"""One operator: its parts, the order in which they start, and the order in which they end. It decides nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from etpguard.app.health import HealthReport, metrics_state
from etpguard.app.tasks import Keeper, finished_before, run_until_one_ends
from etpguard.app.timing import OperatorTiming
from etpguard.assess import Engine, Options, picture_for
from etpguard.assess.advice import Advisor
from etpguard.assess.consumers.aws_lbc import AwsLoadBalancerController
from etpguard.assess.consumers.registry import ConsumerOptions, consumer_families
from etpguard.assess.data_planes.choice import Choice
from etpguard.assess.data_planes.detection import Detection
from etpguard.assess.data_planes.mixed import not_known
from etpguard.assess.evidence import Evidence
from etpguard.assess.internal_advice import InternalAdvisor
from etpguard.intake.absorb import Absorber
from etpguard.intake.controller_options import follow
from etpguard.intake.corrections import Corrections
from etpguard.intake.data_plane_objects import DataPlaneObjects
from etpguard.intake.early_lists import EarlyLists
from etpguard.intake.freshness import Freshness
from etpguard.intake.inbox import AssessAll, Inbox
from etpguard.intake.resync import Resync
from etpguard.intake.watch_supervisor import WatchSupervisor
from etpguard.kube.connection import Connection
from etpguard.kube.discovery import served_versions
from etpguard.kube.failures import PARTS, Failures
from etpguard.kube.lists import ListReader
from etpguard.kube.threads import in_thread
from etpguard.metrics import CONTENT_TYPE, Metrics
from etpguard.objects import GROUP, AnyKind
from etpguard.objects.log_fields import action_fields
from etpguard.objects.named import NamedObjects
from etpguard.remediate.kinds import REMEDIATION_KINDS
from etpguard.report.advice import advice_texts
from etpguard.report.data_planes import assumed_of_services
from etpguard.settings import Settings, SettingsError
from etpguard.web import Certificate, CertificateFiles, Health, serve

if TYPE_CHECKING:
    from etpguard.app.page import LivePage
    from etpguard.app.writing import Writing
    from etpguard.page import Status

logger = logging.getLogger(__name__)

NOT_READ = NamedObjects.none_read("it has not been read yet")
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
        self._options = consumer_options or ConsumerOptions()
        self._families = consumers = consumer_families(consumer_options)
        self.picture = picture_for(consumers, REMEDIATION_KINDS if settings.remediation else ())
        skipped = _skipped(self.picture.kinds, settings.skip_api_groups)
        self.picture.switched_off = skipped
        self.picture.unread.update(dict.fromkeys(skipped, "switched off by --skip-api-groups"))
        self._engine_options = Options(
            data_planes=Detection(Choice.parse(settings.data_plane), NOT_READ),
            answers_everywhere_ports=settings.answers_everywhere_ports,
        )
        self.engine = Engine(self.picture, consumers, self._engine_options)
        self.freshness = Freshness(
            [kind for kind in self.picture.kinds if kind not in skipped], settings.resync_interval, time.monotonic
        )
        reported = settings.scope.select(self.engine.assessments)
        internal = settings.scope.select(self.engine.internal)
        self.metrics = Metrics(
            lambda: metrics_state(self.picture, reported, self.freshness, internal),
            settings.metrics_per_service,
            kinds=self.picture.kinds,
            parts=PARTS,
        )
        self._certificate = _certificate(settings, self.metrics)
        self._data_plane_objects = DataPlaneObjects(
            connection, settings.resync_interval, self._use_objects, self.metrics.request
        )
        self._assessed = asyncio.Event()
        failures = Failures(self.metrics.internal_error)
        self._keeper = Keeper(failures, timing.rerun)
        self._inbox = Inbox()
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
            start=lambda kinds: _kopf().KopfRun(
                kinds, connection, self._inbox.put, settings.watch_inactivity, self.metrics.request
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
            etcd_restored=self._supervisor.etcd_restored,
            scope=settings.scope,
            failures=failures,
        )
        self.page: LivePage | None = None
        """Made once the operator is ready."""
        self._health = HealthReport(
            self.freshness,
            self._supervisor,
            self._assessed,
            (
                self._data_plane_notes,
                self._assessment_notes,
                self._writing_notes,
                self._page_notes,
                self._certificate_notes,
            ),
        )

    def watching(self) -> frozenset[AnyKind]:
        """The kinds that a watch runs for."""
        return self._supervisor.watching()

    def health(self) -> Health:
        return self._health.health()

    def use_options(self, options: ConsumerOptions) -> None:
        """The controllers have other options now: assess every Service again."""
        self._options = options
        for family in self._families:
            if isinstance(family, AwsLoadBalancerController):
                family.options = options.aws
        self._inbox.put(AssessAll(asyncio.Event()))

    def _use_objects(self, objects: NamedObjects) -> None:
        """The objects that show the data plane say something else now: assess every Service again."""
        detection = Detection(Choice.parse(self._settings.data_plane), objects)
        self._engine_options = replace(self._engine_options, data_planes=detection)
        self.engine.use_data_planes(detection)
        if self._assessed.is_set():
            self._inbox.put(AssessAll(asyncio.Event()))

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
        self._inbox.put(AssessAll(self._assessed))
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
        await in_thread(_late_modules, "import what starts now")
        self._writing = writing = self._new_writing()
        await self._absorber.add_receivers(writing.receivers)
        self.page = self._new_page()
        keep = self._keeper.keep
        parts = [
            asyncio.create_task(self._resync.run(), name="resync"),
            asyncio.create_task(keep("watch", "the operator", self._supervisor.run, stop), name="watch"),
            asyncio.create_task(writing.run(stop), name="writing"),
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

    def _new_writing(self) -> Writing:
        from etpguard.app.writing import Writing

        return Writing(
            self._settings,
            self._connection,
            picture=self.picture,
            assessments=self.engine.assessments,
            engine=lambda picture: Engine(picture, self._families, self._engine_options),
            served=self.freshness.served,
            advice=advice_texts(Advisor(self.picture, self._families)),
            assumed=lambda: assumed_of_services(self.engine.planes),
            internal=self.engine.internal,
            internal_advice=advice_texts(InternalAdvisor(self.picture)),
            stale=self._stale,
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
            Advisor(self.picture, self._families),
            self._connection.server,
            self._page_status,
        )

    async def _follow_options(self) -> None:
        await follow(self._settings, self._connection, self._options, self.use_options)

    def _stale(self) -> str | None:
        return self.freshness.stale() or self._absorber.problem or None

    def _assessment_notes(self) -> list[str]:
        return [self._absorber.problem] if self._absorber.problem else []

    def _page_notes(self) -> list[str]:
        return [self.page.problem] if self.page and self.page.problem else []

    def _writing_notes(self) -> list[str]:
        return self._writing.problems() if self._writing else []

    def _certificate_notes(self) -> list[str]:
        problem = self._certificate.problem if self._certificate else ""
        return [f"the new TLS certificate is not in use: {problem}"] if problem else []

    def _page_status(self, revision: str) -> Status:
        from etpguard.page import Status

        health = self.health()
        return Status(
            revision,
            leader=self._writing.leader if self._writing else "not known",
            fresh=self._stale() is None,
            problems=[*health.blockers, *health.notes, *health.failures],
        )

    def _data_plane_notes(self) -> list[str]:
        """Contradictions, what is not excluded, and objects that could not be read where something is assumed."""
        planes, objects = self.engine.planes, self._data_plane_objects.objects
        notes = [f"{text}; --data-plane names the right one" for text in planes.contradictions]
        if planes.otherwise and not planes.contradictions:
            notes.append(f"{not_known(planes)}; --data-plane names the right one")
        if objects and objects.unread and any(g.plane.evidence is Evidence.ASSUMED for g in planes.groups):
            notes.append(f"the data plane of some nodes is assumed: {objects.refusal}")
        return notes


def _certificate(settings: Settings, metrics: Metrics) -> Certificate | None:
    """Raises CertificateError."""
    if not settings.tls_cert_file:
        return None
    files = CertificateFiles(Path(settings.tls_cert_file), Path(settings.tls_private_key_file))
    return Certificate(files, metrics.certificate_reload)


def _skipped(kinds: Iterable[AnyKind], groups: frozenset[str]) -> frozenset[AnyKind]:
    """The kinds of these API groups. Raises SettingsError for a group without an optional kind."""
    own = ("", GROUP, "networking.k8s.io")
    optional = [kind for kind in kinds if not kind.required and kind.switch not in own]
    known = sorted({kind.switch for kind in optional})
    for group in sorted(groups.difference(known)):
        raise SettingsError(f"--skip-api-groups: {group!r} is not one of {', '.join(known)}")
    return frozenset(kind for kind in optional if kind.switch in groups)


def _kopf() -> ModuleType:
    from etpguard.intake import kopf_watch

    return kopf_watch


def _late_modules() -> None:
    """Import what starts once the operator is ready, in a thread. Kopf doubles the time that all imports take
    (measured: 0.8 s of CPU without, 2.0 s with it); the others take 0.1 s."""
    from etpguard.app import page, writing  # noqa: F401

    _kopf()
