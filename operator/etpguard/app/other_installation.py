"""Detects another etpguard installation that writes in the cluster.

A cluster should have one installation. Two would overwrite each other's conditions, reports and Events, and each
would apply its own limits of remediation.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from etpguard.kube.errors import ApiError
from etpguard.kube.operator_leases import LeaseWatch
from etpguard.kube.writes import Writer
from etpguard.objects import Key
from etpguard.objects.leases import LEASE, Lease
from etpguard.objects.log_fields import request_fields

_log = logging.getLogger(__name__)
_FIELDS = request_fields("list", LEASE.resource, "")


class OtherInstallation:
    """Looks for a Lease with the same name in another namespace that another operator renews."""

    def __init__(
        self,
        writer: Writer,
        own: Key,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._writer = writer
        self._own = own
        self._clock = clock
        self._sleep = sleep
        self._watch = self._new_watch()
        self.problem = ""
        """The other installation that leads, or why it is not known whether there is one; "" for none."""

    async def leads(self) -> bool:
        """Whether another installation leads, or may lead because the API server does not answer. If there is such
        a Lease, this takes some seconds: a second look shows whether it was renewed."""
        try:
            self._watch = self._new_watch()
            for held in (await self._watch.look())[:1]:
                self._note_doubt(held)
            found = await self._watch.renewed()
        except ApiError as error:
            _log.warning("cannot look for another etpguard installation: %s", error, extra=_FIELDS)
            if error.transient:
                self.problem = f"cannot look for another etpguard installation: {error}"
                return True
            found = None
        self._note(found)
        return found is not None

    async def precedes(self) -> bool:
        """Whether another installation has led since the last look, and this one, which leads too, has to give way
        to it: the one whose Lease comes first by namespace stays. A look that fails shows nothing."""
        try:
            found = await self._watch.look()
        except ApiError:
            return False
        first = min(found, key=lambda lease: lease.key, default=None)
        self._note(first)
        return first is not None and first.key < self._own

    def _new_watch(self) -> LeaseWatch:
        return LeaseWatch(self._writer, self._own.name, own=self._own, clock=self._clock, sleep=self._sleep)

    def _note_doubt(self, held: Lease) -> None:
        """While another installation is known to lead, its note stays until it is known that it does no more."""
        if not self.problem:
            self.problem = (
                f"{held.shown_holder} holds Lease {held.key}: this operator waits to see whether another etpguard "
                "installation leads"
            )
            _log.info("%s", self.problem, extra=_FIELDS)

    def _note(self, found: Lease | None) -> None:
        problem = self._describe(found) if found else ""
        if problem and problem != self.problem:
            _log.error("%s", problem, extra=_FIELDS)
        self.problem = problem

    def _describe(self, lease: Lease) -> str:
        return (
            f"another etpguard installation leads: {lease.shown_holder} renews Lease {lease.key}. This one only "
            "observes. Scale one of the two to 0. To run both, give them --namespaces lists without a common "
            "entry, then set --second-installation allow on both. An operator outside the cluster can share the "
            f"Lease: --lease-namespace {lease.key.namespace}"
        )
