"""All that writes: the Lease, the one gate, and what goes through it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from etpguard.app.mending import remediator
from etpguard.assess import Assessment, Engine
from etpguard.cluster import Picture
from etpguard.intake.threads import in_thread
from etpguard.kube.connection import Connection, Credentials
from etpguard.kube.errors import KubeError
from etpguard.kube.lease import Elector, Timing
from etpguard.kube.writes import Limits, Writer
from etpguard.metrics import Metrics
from etpguard.objects import AnyKind, Key
from etpguard.publish.publisher import Publisher
from etpguard.publish.settings import PublishSettings
from etpguard.settings import Settings

logger = logging.getLogger(__name__)


class LaterClient:
    """The client of the `kubernetes` package, loaded and made at the first request: no start waits for it. Nor
    does the loop ever wait for credentials, which a plugin may take a minute to give: it has a Lease to renew."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._credentials: Credentials | None = None
        self._making: asyncio.Task[Any] | None = None

    async def param_serialize(self, method: str, resource_path: str, **parts: Any) -> Any:
        client = await self._made()
        await self._look_up()
        return await client.param_serialize(method, resource_path, **parts)

    async def call_api(self, *parts: Any, **options: Any) -> Any:
        client = await self._made()
        return await client.call_api(*parts, **options)

    async def close(self) -> None:
        if self._making is not None:
            with contextlib.suppress(KubeError):
                await (await self._making).close()

    async def _made(self) -> Any:
        if self._making is None:
            self._making = asyncio.create_task(self._make())
        # Whoever gives up waiting, at its time-out, leaves it to the others.
        return await asyncio.shield(self._making)

    async def _make(self) -> Any:
        try:
            await self._look_up()
            return await in_thread(lambda: self._connection.aio(self._known), "client of the API server")
        except BaseException:
            self._making = None  # the next request tries again
            raise

    async def _look_up(self) -> None:
        self._credentials = await in_thread(self._connection.credentials, "credentials")

    def _known(self) -> Credentials:
        assert self._credentials is not None
        return self._credentials


class Writing:
    """Writes nothing before `run`, and nothing ever where all outputs are off. `stale` says why the picture
    must not be written from, None if it may."""

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
    ) -> None:
        self._enabled = any(
            (settings.write_conditions, settings.write_reports, settings.write_events, settings.remediation)
        )
        self._client = LaterClient(connection)
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
            # Short enough that a write which may start between two renewals ends before the Lease does.
            limits=Limits(timeout=timing.write_timeout),
            on_request=metrics.request,
        )
        self._publisher = Publisher(
            self._writer,
            picture,
            assessments,
            advice,
            PublishSettings(
                conditions=settings.write_conditions,
                reports=settings.write_reports,
                events=settings.write_events,
                instance=identity,
                namespaces=tuple(sorted(settings.namespaces)),
                skip_namespaces=tuple(sorted(settings.skip_namespaces)),
                hold=settings.hold,
                urgent_hold=settings.hold_urgent,
            ),
            term=(lambda: elector.term) if elector else (lambda: 1),
        )
        self._remediator = (
            remediator(
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
            )
            if settings.remediation
            else None
        )
        metrics.leader(self._enabled and elector is None)

    def offer(self, changed: Mapping[Key, Assessment | None], touched: Iterable[Key] = ()) -> None:
        self._publisher.offer(changed, touched)
        if self._remediator:
            self._remediator.offer(changed)

    def problems(self) -> list[str]:
        """What keeps writes from being made, in words. That another replica leads is none."""
        election = [f"the Lease: {self._elector.problem}"] if self._elector and self._elector.problem else []
        return election + self._writer.problems()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish and mend until `stop`, then hand over the Lease."""
        try:
            if not self._enabled:
                await stop.wait()
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(self._publisher.run(stop), name="publisher")
                if self._remediator:
                    group.create_task(self._remediator.run(stop), name="remediator")
                if self._elector:
                    group.create_task(self._elector.run(stop, self._writer.quiet), name="elector")
        finally:
            await self._client.close()
