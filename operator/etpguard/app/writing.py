"""The parts that write: the Lease, the gate for writes, the publisher and the remediation controller."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from etpguard.app.leading import lead
from etpguard.app.observed import Observed
from etpguard.app.other_installation import OtherInstallation
from etpguard.app.remediation import remediation_controller
from etpguard.app.tasks import Keeper
from etpguard.assess import Assessment
from etpguard.intake.absorb import Receiver
from etpguard.kube.client import LazyClient
from etpguard.kube.confinement import ConfinementCheck
from etpguard.kube.connection import Connection
from etpguard.kube.failures import Failures, Part
from etpguard.kube.lease import Elector, Timing
from etpguard.kube.writes import WriteLimits, Writer
from etpguard.metrics import Metrics
from etpguard.objects import Key
from etpguard.publish.publisher import Publisher
from etpguard.publish.reports import InternalAdviceTexts
from etpguard.publish.settings import PublishSettings
from etpguard.remediate.pacing import Pacing
from etpguard.settings import Settings


class Writing:
    """Writes nothing before `run`, and nothing at all if every output is off.

    `publish` has the intervals and rates. If one part fails, the others continue, and `keeper` runs it again.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        observed: Observed,
        *,
        advice: Callable[[Assessment], Sequence[str]],
        assumed: Callable[[], Sequence[str]],
        internal_advice: InternalAdviceTexts,
        metrics: Metrics,
        failures: Failures,
        keeper: Keeper,
        remediation_pacing: Pacing | None = None,
        publish: PublishSettings | None = None,
    ) -> None:
        self._enabled = any(
            (settings.write_conditions, settings.write_reports, settings.write_events, settings.remediation)
        )
        self._client = LazyClient(connection)
        self._keeper = keeper
        self._identity = identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        timing = Timing.of(int(settings.lease_duration))
        own = Key(settings.lease_namespace or connection.namespace, settings.lease_name)
        self._elector = elector = (
            Elector(
                self._client,
                own,
                identity,
                timing=timing,
                unfit=lambda: observed.stale() is not None,
                on_change=metrics.leader,
                on_request=metrics.request,
                failures=failures,
            )
            if settings.leader_elect and self._enabled
            else None
        )
        term = (lambda: elector.term) if elector else (lambda: 1)
        self._other = (
            None
            if settings.second_installation == "allow"
            else OtherInstallation(Writer(self._client, limits=WriteLimits(refused_for=0, max_age=math.inf)), own)
        )
        self._writer = Writer(
            self._client,
            time_left=elector.time_left if elector else lambda: math.inf,
            stale=observed.stale,
            scope=settings.scope,
            limits=WriteLimits(timeout=timing.write_timeout),
            on_request=metrics.request,
        )
        self._publisher = Publisher(
            self._writer,
            observed.picture,
            settings.scope.select(observed.assessments),
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
                condition_interval=settings.condition_interval,
                event_interval=settings.event_interval,
            ),
            term=term,
            failures=failures,
            assumed=assumed,
            internal=settings.scope.select(observed.internal),
            internal_advice=internal_advice,
        )
        self._remediation = (
            remediation_controller(
                settings,
                self._writer,
                observed,
                metrics=metrics,
                failures=failures,
                identity=identity,
                term=term,
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
        """The parts that act on assessments."""
        return (self._publisher, self._remediation) if self._remediation else (self._publisher,)

    def etcd_restored(self) -> None:
        if self._remediation:
            self._remediation.etcd_restored()

    @property
    def leader(self) -> str:
        """The replica that writes, in words."""
        if not self._enabled:
            return "none: every output is off"
        if self._elector is None:
            return "this replica: the election of a leader is off"
        if self._elector.leading:
            return f"this replica, {self._identity}"
        return self._elector.holder or "not known"

    def problems(self) -> list[str]:
        """What prevents writes, one line each. Another replica's leadership is not a problem."""
        election = [f"the Lease: {self._elector.problem}"] if self._elector and self._elector.problem else []
        other = [self._other.problem] if self._other and self._other.problem else []
        return [*other, *election, *self._writer.problems(), *self._confinement.problems()]

    async def run(self, stop: asyncio.Event) -> None:
        """Publish and remediate until `stop`, then hand over the Lease."""
        try:
            if not self._enabled:
                await stop.wait()
                return
            async with asyncio.TaskGroup() as group:
                for part, subject, run in self._parts(stop):
                    group.create_task(self._keeper.keep(part, subject, run, stop), name=subject)
        finally:
            await self._client.close()

    def _parts(self, stop: asyncio.Event) -> list[tuple[Part, str, Callable[[], Awaitable[None]]]]:
        """The parts that run concurrently: the part, its name in the log, and the function that runs it."""
        parts: list[tuple[Part, str, Callable[[], Awaitable[None]]]] = [
            ("publish", "the publisher", partial(self._publisher.run, stop)),
            ("confinement", "the operator", partial(self._confinement.run, stop)),
        ]
        if self._remediation:
            parts.append(("remediation", "the controller", partial(self._remediation.run, stop)))
        if self._elector:
            parts.append(
                ("lease", "the elector", partial(lead, self._elector, self._other, stop, self._writer.quiet))
            )
        return parts
