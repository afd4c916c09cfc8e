"""`etpguard uninstall`: remove what the operator left on other objects, with the caller's credentials.

Each step reads what exists and removes it, so the command can be stopped at any point and run again. A failure of
one object is reported, and the command continues with the others.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etpguard.cli.errors import Failure
from etpguard.cli.output.streams import complain, narrate
from etpguard.cli.service_cleanup import CleanupResult, Sender, ServiceCleanup, marked
from etpguard.kube import operator_leases
from etpguard.kube.client import LazyClient
from etpguard.kube.connection import Connection
from etpguard.kube.errors import ApiError, KubeError, NotServed
from etpguard.kube.lists import Listing, list_kind
from etpguard.kube.writes import WriteLimits, Writer
from etpguard.objects import SERVICE, SERVICE_COVERAGE, Key, Service, ServiceCoverage
from etpguard.objects.leases import LEASE, Lease

if TYPE_CHECKING:
    from etpguard.kube.exchange import Client

Left = tuple[Key, Service | None, ServiceCoverage | None]
"""The Service of that key and its report; None for one that does not exist."""
TOGETHER = 8
"""How many Services are cleaned up at the same time. The Writer limits the rate of all requests."""


@dataclass(frozen=True, slots=True)
class UninstallOptions:
    """`revert`: restore Local on remediated Services. `force`: also if another manager declares Cluster now, and
    also while an operator runs. `lease`: the name of the Lease of the operator. `dry_run`: the API server checks
    each request and stores nothing."""

    revert: bool
    dry_run: bool
    force: bool
    lease: str


def uninstall(kubeconfig: str | None, context: str | None, options: UninstallOptions) -> int:
    """Remove everything, and print a line for each change. Returns 0, or 2 if something failed, with a line for
    each failure on stderr. If it raises Failure, nothing was changed."""
    logging.getLogger("etpguard").addHandler(logging.NullHandler())  # each failure has its own line on stderr
    try:
        connection = Connection(kubeconfig, context)
        return asyncio.run(_with_client(connection, options))
    except KubeError as error:
        raise Failure(str(error)) from None


async def _with_client(connection: Connection, options: UninstallOptions) -> int:
    client = LazyClient(connection)
    try:
        return await Uninstall(client, connection, options).run()
    finally:
        await client.close()


class Uninstall:
    def __init__(self, client: Client, connection: Connection, options: UninstallOptions) -> None:
        self._client = client
        # A refusal of one object says nothing about the next one, and no write here becomes too old.
        limits = WriteLimits(refused_for=0, max_age=math.inf)
        self._sender = Sender(Writer(client, limits=limits), options.dry_run)
        self._connection = connection
        self._options = options
        self._done = False
        self._failed = False

    async def run(self) -> int:
        watch = operator_leases.LeaseWatch(self._sender.writer, self._options.lease)
        await self._wait(watch)
        services = await asyncio.to_thread(list_kind, self._connection, SERVICE)
        reports = await asyncio.to_thread(self._reports)
        ended = await self._ended(watch)
        for reject in (*services.rejects, *reports.rejects):
            self._report(CleanupResult(problem=reject.message))
        left = left_behind(services, reports)
        if left and not watch.seen and not self._options.force:
            # An operator leaves its Lease, so this one probably has another name, and may run.
            _say(
                f"no Lease is named {self._options.lease}: an operator whose Lease has another name is not seen, "
                "and writes everything again. If one runs with --lease-name, use the same option here"
            )
        for start in range(0, len(left), TOGETHER):
            await self.clean(left[start : start + TOGETHER])
        for lease in ended:
            version = lease.metadata.resource_version or ""
            self._report(await self._sender.delete(LEASE, lease.key, uid=lease.uid, version=version))
        if not self._done and not self._failed:
            narrate("Nothing to remove: no report, no Lease, and nothing of etpguard on any Service")
        return 2 if self._failed else 0

    async def _wait(self, watch: operator_leases.LeaseWatch) -> None:
        """Wait until no operator runs. Raises Failure if one does, unless `force` is set."""
        try:
            held = await watch.look()
            if self._options.force:
                for lease in held:
                    holds = f"{lease.shown_holder} holds Lease {lease.key}"
                    _say(f"{holds}: a running operator writes everything again")
                return
            if held:
                names = ", ".join(f"{each.key} of {each.shown_holder}" for each in held)
                _say(f"waiting to see if a Lease is renewed: {names}")
            alive = await watch.renewed()
        except ApiError as error:
            if self._options.force:
                self._report(CleanupResult(problem=f"the Lease stays, because Leases cannot be read: {error}"))
                return
            raise _unknown(error) from None
        if alive is not None:
            raise _at_work(alive)

    async def _ended(self, watch: operator_leases.LeaseWatch) -> list[Lease]:
        """The Leases of operators that have stopped, after a last look before the first write. Raises Failure if
        one has started in between, unless `force` is set."""
        if self._options.force:
            return [lease for lease in watch.seen if not lease.holder]
        try:
            begun = await watch.look()
        except ApiError as error:
            raise _unknown(error) from None
        if begun:
            raise _at_work(begun[0])
        return watch.seen

    def _reports(self) -> Listing[ServiceCoverage]:
        try:
            return list_kind(self._connection, SERVICE_COVERAGE)
        except NotServed:
            return Listing([], [])

    async def clean(self, part: Sequence[Left]) -> None:
        """Clean up some Services at the same time, then delete their reports. The lines are printed in between:
        nothing but the reports records which Services keep Cluster."""
        cleaned = await asyncio.gather(*(self._cleanup(key).run(service, report) for key, service, report in part))
        for result in cleaned:
            self._report(result)
        gone = [
            self._sender.delete(SERVICE_COVERAGE, key, uid=report.uid)
            for (key, _, report), result in zip(part, cleaned, strict=True)
            if report is not None and not result.problem
        ]
        for result in await asyncio.gather(*gone):
            self._report(result)

    def _cleanup(self, key: Key) -> ServiceCleanup:
        return ServiceCleanup(
            self._client, self._sender, key, revert=self._options.revert, force=self._options.force
        )

    def _report(self, result: CleanupResult) -> None:
        for line in result.done:
            self._done = True
            narrate(f"{line} (dry run)" if self._options.dry_run else line)
        if result.problem:
            self._failed = True
            _say(result.problem)


def left_behind(services: Listing[Service], reports: Listing[ServiceCoverage]) -> list[Left]:
    """The Services with a condition or a field manager of etpguard, and all reports, by name. The report of a
    Service that cannot be decoded is left out: it may be the only record of a remediation."""
    known = {service.key: service for service in services.items}
    listed = {report.key: report for report in reports.items}
    unread = {reject.key for reject in services.rejects}
    keys = {key for key, service in known.items() if marked(service)} | (listed.keys() - unread)
    return [(key, known.get(key), listed.get(key)) for key in sorted(keys)]


def _at_work(lease: Lease) -> Failure:
    return Failure(
        f"{lease.shown_holder} holds Lease {lease.key}: an operator runs and would write everything again. "
        "Scale its Deployment to 0 first, or use --force"
    )


def _unknown(error: ApiError) -> Failure:
    return Failure(f"cannot find out whether an operator runs: {error}. To go on all the same, use --force")


def _say(line: str) -> None:
    complain(f"etpguard: {' '.join(line.split())}")
