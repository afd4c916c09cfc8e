"""`etpguard uninstall`: take away what the operator left on others' objects, with the caller's own credentials.

Each step looks at what stands and takes away what is there, so that the command may be ended at any point and
begun again. What one object refuses is told, and the rest goes on.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etpguard.cli import operator_leases
from etpguard.cli.errors import Failure
from etpguard.cli.output.streams import complain, narrate
from etpguard.cli.service_cleanup import Cleaning, Sender, Told, marked
from etpguard.kube import verbs
from etpguard.kube.client import LazyClient
from etpguard.kube.connection import Connection
from etpguard.kube.errors import ApiError, KubeError, NotServed
from etpguard.kube.lists import Listing, list_kind
from etpguard.kube.writes import WriteLimits, Writer
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, Service, ServiceCoverage
from etpguard.objects.leases import LEASE, Lease

if TYPE_CHECKING:
    from etpguard.kube.exchange import Client

TOGETHER = 8
"""Services at a time; the Writer keeps all requests to its rate."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """`revert`: put the Services that were remediated back to Local. `force`: also while an operator is at work,
    whose Lease has the name `lease`. `dry_run`: have the API server go through all and store nothing."""

    revert: bool
    dry_run: bool
    force: bool
    lease: str


def uninstall(kubeconfig: str | None, context: str | None, wishes: Wishes) -> int:
    """Do it, and print a line for each thing that was done. Returns 0, or 2 where some of it failed: a line each
    on stderr. Raises Failure: nothing was changed then."""
    logging.getLogger("etpguard").addHandler(logging.NullHandler())  # each failure has a line of its own
    try:
        connection = Connection(kubeconfig, context)
        return asyncio.run(_with_client(connection, wishes))
    except KubeError as error:
        raise Failure(str(error)) from None


async def _with_client(connection: Connection, wishes: Wishes) -> int:
    client = LazyClient(connection)
    try:
        return await _Uninstall(client, connection, wishes).run()
    finally:
        await client.close()


class _Uninstall:
    def __init__(self, client: Client, connection: Connection, wishes: Wishes) -> None:
        self._client = client
        # One refusal is no word on the next object: this is the only try.
        self._sender = Sender(Writer(client, limits=WriteLimits(refused_for=0)), wishes.dry_run)
        self._connection = connection
        self._wishes = wishes
        self._done = False
        self._failed = False

    async def run(self) -> int:
        watch = operator_leases.LeaseWatch(self._sender.writer, self._wishes.lease)
        await self._wait(watch)
        services = await asyncio.to_thread(list_kind, self._connection, SERVICE)
        reports = await asyncio.to_thread(self._reports)
        ended = await self._ended(watch)
        for reject in (*services.rejects, *reports.rejects):
            self._tell(Told(problem=reject.message))
        left = left_behind(services, reports)
        for start in range(0, len(left), TOGETHER):
            part = left[start : start + TOGETHER]
            for told in await asyncio.gather(*(self._clean(*each) for each in part)):
                self._tell(told)
        for lease in ended:
            self._tell(await self._delete(lease))
        if not self._done and not self._failed:
            narrate("There is no report, no Lease, and nothing of etpguard on any Service")
        return 2 if self._failed else 0

    async def _wait(self, watch: operator_leases.LeaseWatch) -> None:
        """Until no operator is at work. Raises Failure where one is, unless overruled."""
        try:
            held = await watch.look()
            if self._overruled:
                for lease in held:
                    _say(f"{lease.holder} holds Lease {lease.key}: an operator that is at work writes all anew")
                return
            if held:
                _say(f"waiting whether a Lease is renewed: {', '.join(f'{e.key} of {e.holder}' for e in held)}")
            alive = await watch.renewed()
        except ApiError as error:
            if self._wishes.force:
                return
            raise _unknown(error) from None
        if alive is not None:
            raise _at_work(alive)

    async def _ended(self, watch: operator_leases.LeaseWatch) -> list[Lease]:
        """The Leases of operators that have ended, after a last look before the first write. Raises Failure where
        one has begun meanwhile, unless overruled."""
        if self._overruled:
            return [lease for lease in watch.seen if not lease.holder]
        try:
            begun = await watch.look()
        except ApiError as error:
            raise _unknown(error) from None
        if begun:
            raise _at_work(begun[0])
        return watch.seen

    @property
    def _overruled(self) -> bool:
        return self._wishes.dry_run or self._wishes.force

    def _reports(self) -> Listing[ServiceCoverage]:
        try:
            return list_kind(self._connection, SERVICE_COVERAGE)
        except NotServed:
            return Listing([], [])

    async def _clean(self, key: Key, service: Service | None, report: ServiceCoverage | None) -> Told:
        cleaning = Cleaning(self._client, self._sender, key, revert=self._wishes.revert)
        return await cleaning.run(service, report)

    async def _delete(self, lease: Lease) -> Told:
        version = lease.metadata.resource_version or ""
        request = verbs.delete(LEASE, lease.key, uid=lease.uid, version=version)
        try:
            gone = await self._sender.send(request)
        except ApiError as error:
            return Told(problem=f"Lease {lease.key}: {error}")
        return Told((f"Lease {lease.key}: deleted",) if gone else ())

    def _tell(self, told: Told) -> None:
        for line in told.done:
            self._done = True
            narrate(f"{line} (dry run)" if self._wishes.dry_run else line)
        if told.problem:
            self._failed = True
            _say(told.problem)


def left_behind(
    services: Listing[Service], reports: Listing[ServiceCoverage]
) -> list[tuple[Key, Service | None, ServiceCoverage | None]]:
    """Services that bear something of ours, and all reports, by name; but no report of a Service that could not
    be read: it may be all that tells of a change to that."""
    known = {service.key: service for service in services.items}
    told = {report.key: report for report in reports.items}
    unread = {reject.key for reject in services.rejects}
    keys = {key for key, service in known.items() if marked(service)} | (told.keys() - unread)
    return [(key, known.get(key), told.get(key)) for key in sorted(keys)]


def _at_work(lease: Lease) -> Failure:
    return Failure(
        f"{lease.holder} holds Lease {lease.key}: an operator is at work and would write all anew. "
        "Scale its Deployment to 0 first, or go on with --force"
    )


def _unknown(error: ApiError) -> Failure:
    return Failure(f"--force goes on without knowing whether an operator is at work: {error}")


def _say(line: str) -> None:
    complain(f"etpguard: {' '.join(line.split())}")
