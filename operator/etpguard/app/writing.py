"""Everything that writes: the Lease, the gate, the publisher and the remediation controller."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence

from etpguard.app.remediation import remediation_controller
from etpguard.assess import Assessment, Engine
from etpguard.cluster import Picture
from etpguard.intake.absorb import Receiver
from etpguard.kube.client import LazyClient
from etpguard.kube.confinement import ConfinementCheck
from etpguard.kube.connection import Connection
from etpguard.kube.lease import Elector, Timing
from etpguard.kube.writes import WriteLimits, Writer
from etpguard.metrics import Metrics
from etpguard.objects import AnyKind, Key
from etpguard.publish.publisher import Publisher
from etpguard.publish.settings import PublishSettings
from etpguard.remediate.controller import Pacing
from etpguard.settings import Settings

logger = logging.getLogger(__name__)


class Writing:
    """Writes nothing before `run`, and nothing at all if every output is off.

    `stale` says why nothing may be written from the picture, None if it may. `publish` gives intervals and rates.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        *,
        picture: Picture,
        assessments: Mapping[Key, Assessment],
        engine: Callable[[Picture], Engine],
        served: Callable[[AnyKind], bool],
        advice: Callable[[Assessment], Sequence[str]],
        stale: Callable[[], str | None],
        metrics: Metrics,
        remediation_pacing: Pacing | None = None,
        publish: PublishSettings | None = None,
    ) -> None:
        self._enabled = any(
            (settings.write_conditions, settings.write_reports, settings.write_events, settings.remediation)
        )
        self._client = LazyClient(connection)
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        timing = Timing.of(int(settings.lease_duration))
        self._elector = (
            Elector(
                self._client,
                Key(settings.lease_namespace or connection.namespace, settings.lease_name),
                identity,
                timing=timing,
                unfit=lambda: stale() is not None,
                on_change=metrics.leader,
                on_request=metrics.request,
            )
            if settings.leader_elect and self._enabled
            else None
        )
        elector = self._elector
        self._writer = Writer(
            self._client,
            may_start=elector.may_start if elector else lambda timeout: True,
            stale=stale,
            scope=settings.scope,
            # A write that starts between two renewals must end before the Lease does.
            limits=WriteLimits(timeout=timing.write_timeout),
            on_request=metrics.request,
        )
        self._publisher = Publisher(
            self._writer,
            picture,
            settings.scope.select(assessments),
            advice,
            dataclasses.replace(
                publish or PublishSettings(),
                conditions=settings.write_conditions,
                reports=settings.write_reports,
                events=settings.write_events,
                instance=identity,
                scope=settings.scope,
                hold=settings.hold,
                urgent_hold=settings.hold_urgent,
            ),
            term=(lambda: elector.term) if elector else (lambda: 1),
        )
        self._remediation = (
            remediation_controller(
                settings,
                self._writer,
                picture=picture,
                assessments=assessments,
                engine=engine,
                served=served,
                stale=stale,
                metrics=metrics,
                identity=identity,
                term=(lambda: elector.term) if elector else (lambda: 1),
                pacing=remediation_pacing,
            )
            if settings.remediation
            else None
        )
        self._confinement = ConfinementCheck(
            self._client,
            conditions=settings.write_conditions,
            remediation=settings.remediation,
            rbac_proves=not settings.scope.only,
            interval=settings.resync_interval,
            on_result=lambda found: metrics.confined(found.known),
        )
        metrics.leader(self._enabled and elector is None)

    @property
    def receivers(self) -> Sequence[Receiver]:
        """What acts on assessments."""
        return (self._publisher, self._remediation) if self._remediation else (self._publisher,)

    def problems(self) -> list[str]:
        """What prevents writes, one line each. Another replica's leadership is not a problem."""
        election = [f"the Lease: {self._elector.problem}"] if self._elector and self._elector.problem else []
        return [*election, *self._writer.problems(), *self._confinement.problems()]

    async def run(self, stop: asyncio.Event) -> None:
        """Publish and remediate until `stop`, then hand over the Lease."""
        try:
            if not self._enabled:
                await stop.wait()
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(self._publisher.run(stop), name="publisher")
                if self._remediation:
                    group.create_task(self._remediation.run(stop), name="remediation")
                group.create_task(self._confinement.run(stop), name="confinement check")
                if self._elector:
                    group.create_task(self._elector.run(stop, self._writer.quiet), name="elector")
        finally:
            await self._client.close()
