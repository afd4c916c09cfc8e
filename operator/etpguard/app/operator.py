"""One operator: its parts, the order in which they start, and the order in which they end."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import TypeVar

from etpguard.app.writing import Writing
from etpguard.assess import Assessment, DataPlane, Engine, Options, picture_for
from etpguard.assess.advice import Advisor
from etpguard.assess.consumers.aws_lbc import AwsLoadBalancerController
from etpguard.assess.consumers.registry import ConsumerOptions, consumer_families
from etpguard.assess.platforms import CILIUM
from etpguard.intake.absorb import Absorber
from etpguard.intake.controller_options import follow
from etpguard.intake.corrections import Corrections, What
from etpguard.intake.freshness import Access, Freshness
from etpguard.intake.inbox import Begin, Inbox
from etpguard.intake.resync import Resync
from etpguard.intake.watch_supervisor import WatchSupervisor
from etpguard.kube.connection import Connection
from etpguard.kube.lists import ListReader
from etpguard.kube.threads import in_thread
from etpguard.metrics import CONTENT_TYPE, Metrics, State
from etpguard.objects import AnyKind, Key
from etpguard.remediate.controller import Pacing
from etpguard.remediate.kinds import REMEDIATION_KINDS
from etpguard.settings import Settings
from etpguard.web import Health, serve

logger = logging.getLogger(__name__)

T = TypeVar("T")

STOP_SECONDS = 4.0
"""What all parts together have to end in, after SIGTERM."""


class Operator:
    """Made on the main loop. Reads `connection`; all that it keeps is rebuilt from the API at each start.
    `consumer_options` are those of now; where `settings` name a Deployment, they are followed from there."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        consumer_options: ConsumerOptions | None = None,
        *,
        remediation_pacing: Pacing | None = None,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._options = consumer_options or ConsumerOptions()
        self._families = consumers = consumer_families(consumer_options)
        self.picture = picture_for(consumers, REMEDIATION_KINDS if settings.remediation else ())
        options = Options(
            data_plane=_data_plane(settings),
            answers_everywhere_ports=settings.answers_everywhere_ports,
        )
        self.engine = Engine(self.picture, consumers, options)
        self.metrics = Metrics(self._state, settings.metrics_per_service)
        self.freshness = Freshness(self.picture.kinds, settings.resync_interval, time.monotonic)
        self._listed: dict[AnyKind, float] = {}
        self._assessed = asyncio.Event()
        self._inbox = Inbox()
        self._absorber = Absorber(
            picture=self.picture,
            engine=self.engine,
            inbox=self._inbox,
            corrections=Corrections(self._count, self._deaf),
            offer=self._offer,
            observe=self.metrics.verdict,
            gap=lambda kind: self._resync.relisted(kind),
            restored=self._restored,
            noticed=self._noticed,
        )
        self._resync = Resync(
            picture=self.picture,
            reader=ListReader(connection, on_request=self.metrics.request),
            inbox=self._inbox,
            freshness=self.freshness,
            interval=settings.resync_interval,
            clock=time.monotonic,
            on_listed=self._note_list,
        )
        self._supervisor = WatchSupervisor(
            resync=self._resync,
            start=lambda kinds: _kopf().KopfRun(
                kinds, connection, self._inbox.put, settings.watch_inactivity, self.metrics.request
            ),
            restarted=self.metrics.watch_restart,
        )
        self._writing = Writing(
            settings,
            connection,
            picture=self.picture,
            assessments=self.engine.assessments,
            engine=lambda picture: Engine(picture, consumers, options),
            served=self.served,
            advice=Advisor(self.picture, consumers),
            stale=self._stale,
            metrics=self.metrics,
            remediation_pacing=remediation_pacing,
        )

    def watching(self) -> frozenset[AnyKind]:
        """The kinds that a watch runs for."""
        return self._supervisor.watching()

    def served(self, kind: AnyKind) -> bool:
        """Whether it exists and may be listed. One that fails is: who reads it anew before a change must fail too,
        and not take it for a kind without objects."""
        return self.freshness.kinds[kind].access in (Access.READ, Access.FAILING)

    def tell(self, options: ConsumerOptions) -> None:
        """Other options of the controllers hold from now on: all is assessed anew."""
        for family in self._families:
            if isinstance(family, AwsLoadBalancerController):
                family.options = options.aws
        self._inbox.put(Begin(asyncio.Event()))

    def serving(self) -> AbstractAsyncContextManager[int]:
        """The HTTP server, as a context that gives its port."""
        return serve(
            self._settings.listen,
            health=self.health,
            snapshot=self.metrics.snapshot,
            content_type=CONTENT_TYPE,
        )

    async def run(self, stop: asyncio.Event) -> int:
        """Work until `stop`; then, or when a part fails for good, end all of it. Returns the exit code."""
        work = [
            asyncio.create_task(self._absorber.run(), name="absorber"),
            asyncio.create_task(self._live(stop), name="life"),
        ]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([*work, stopping], return_when=asyncio.FIRST_COMPLETED)
        code = 0 if stop.is_set() else 1
        stop.set()
        # Writes end first and hand the Lease over; nothing else has anything to lose.
        await asyncio.wait([work[1]], timeout=STOP_SECONDS)
        for task in work:
            task.cancel()
        for task, outcome in zip(work, await asyncio.gather(*work, return_exceptions=True), strict=True):
            if isinstance(outcome, Exception):
                logger.error("%s failed", task.get_name(), exc_info=outcome)
                code = 1
        return code

    def health(self) -> Health:
        status = self.freshness.picture_status()
        blockers = list(self.freshness.not_ready())
        if not self._assessed.is_set():
            blockers.append("the cluster has not been assessed yet")
        notes = [line for line in status.missing if line not in blockers]
        if self._assessed.is_set():
            if self._settings.data_plane == "auto" and CILIUM in self.engine.platforms:
                notes.append("the nodes run Cilium: if it replaces kube-proxy, set --data-plane=cilium")
            notes += [*self._supervisor.missing(), *self._writing.problems()]
        dead = self._supervisor.dead()
        return Health(blockers, notes, [dead] if dead else [])

    async def _live(self, stop: asyncio.Event) -> None:
        """List, assess, be ready, and only then watch and write."""
        began = time.monotonic()
        first = asyncio.create_task(self._resync.first())
        if not await unless(stop, first):
            return
        self._inbox.put(Begin(self._assessed))
        await self._assessed.wait()
        # What the first lists brought stays: no collection needs to walk through it ever again.
        gc.freeze()
        logger.info(
            "ready after %.2f s: %d Services with Local", time.monotonic() - began, len(self.engine.assessments)
        )
        await in_thread(_kopf, "import kopf")
        parts = [
            asyncio.create_task(self._resync.run(), name="resync"),
            asyncio.create_task(self._supervisor.run(), name="watch"),
            asyncio.create_task(self._writing.run(stop), name="writing"),
        ]
        if self._settings.aws_lbc_deployment:
            following = follow(self._settings, self._connection, self._options, self.tell)
            parts.append(asyncio.create_task(following, name="options of controllers"))
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for task in parts:
                if task.done():
                    task.result()
        finally:
            for task in parts:
                task.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    def _offer(self, changed: Mapping[Key, Assessment | None], touched: Iterable[Key] = ()) -> None:
        includes = self._settings.scope.includes
        self._writing.offer(
            {key: assessment for key, assessment in changed.items() if includes(key.namespace)},
            [key for key in touched if includes(key.namespace)],
        )

    def _noticed(self, kind: AnyKind) -> None:
        if kind in REMEDIATION_KINDS:
            self._writing.offer({})

    def _count(self, kind: AnyKind, what: What) -> None:
        self.metrics.correction(kind.resource, what)

    def _restored(self) -> None:
        """No watch tells of it, and some wait for versions that are yet to come."""
        for kind in self._resync.readable():
            self._resync.gap(kind)
        self._supervisor.restart("etcd was restored")

    def _deaf(self, kind: AnyKind) -> None:
        self._supervisor.restart(f"two lists of {kind} running found what it had not delivered")

    def _note_list(self, kind: AnyKind) -> None:
        self._listed[kind] = time.time()

    def _stale(self) -> str | None:
        status = self.freshness.picture_status()
        return None if status.fresh else "; ".join(status.missing)

    def _state(self) -> State:
        known = self.freshness.kinds
        rejected = {kind.resource: len(self.picture.store(kind).rejects) for kind in self.picture.kinds}
        return State(
            assessments=dict(self._settings.scope.select(self.engine.assessments)),
            rejected=rejected,
            # Of a kind that is not there any more, or may not be read, the last list tells nothing.
            listed={kind.resource: at for kind, at in self._listed.items() if known[kind].began is not None},
            unread=[kind.resource for kind, status in known.items() if status.unread is not None],
            fresh=self.freshness.picture_status().fresh,
        )


async def unless(stop: asyncio.Event, task: asyncio.Task[T]) -> bool:
    """Wait for `task`, and raise what it raises; False, and the task cancelled, if `stop` comes first."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        task.result()
        return True
    finally:
        for each in (task, stopping):
            each.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


def _kopf() -> ModuleType:
    """Imported only once the operator is ready, since that takes a second."""
    from etpguard.intake import kopf_watch

    return kopf_watch


def _data_plane(settings: Settings) -> DataPlane:
    """`auto` is kube-proxy: nothing that the API surely shows tells another."""
    return DataPlane.KUBE_PROXY if settings.data_plane == "auto" else DataPlane(settings.data_plane)
