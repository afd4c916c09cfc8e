"""Which operators there are, as far as their Leases tell, and whether one is at work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from etpguard.kube import verbs
from etpguard.kube.writes import Writer
from etpguard.objects import Kind, Record
from etpguard.objects.records import Shape

POLL_SECONDS = 1.0
STANDBY_SECONDS = 2 * 1.1 + POLL_SECONDS
"""How long after a Lease was released or ran out a standby may still take it: it looks every 1.1 s at most
(etpguard.kube.lease), one of its looks may fail, and then we have to look."""


class LeaseSpec(Shape, frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None


class Lease(Record, frozen=True):
    spec: LeaseSpec | None = None

    @property
    def holder(self) -> str:
        """ "" once it was handed over, as an operator does that ends."""
        return (self.spec and self.spec.holder_identity) or ""

    @property
    def seconds(self) -> int:
        return (self.spec and self.spec.lease_duration_seconds) or 15


LEASE = Kind("Lease", "leases", "coordination.k8s.io", "v1", Lease)


async def leases(writer: Writer, name: str) -> list[Lease]:
    """Those of that name, in every namespace. Raises ApiError."""
    # More of one name than a page holds there are not.
    request = verbs.list_page(LEASE, field_selector=f"metadata.name={name}")
    return (await writer.read_page(LEASE, request)).items


class Watch:
    """The Leases of one name, looked at again and again."""

    def __init__(
        self,
        writer: Writer,
        name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._writer = writer
        self._name = name
        self._clock = clock
        self._sleep = sleep
        self._seen: dict[str, Lease] = {}
        self._since: dict[str, float] = {}

    @property
    def seen(self) -> list[Lease]:
        """As of the last look."""
        return list(self._seen.values())

    async def look(self) -> list[Lease]:
        """Those that have a holder and are not as they were at the look before; the first look gives all that
        have one. Raises ApiError."""
        found = {lease.uid: lease for lease in await leases(self._writer, self._name)}
        now = self._clock()
        before = {uid: lease.version for uid, lease in self._seen.items()}
        same = {uid for uid, lease in found.items() if before.get(uid) == lease.version}
        self._since = {uid: self._since[uid] if uid in same else now for uid in found}
        self._seen = found
        return [lease for uid, lease in found.items() if lease.holder and uid not in same]

    async def renewed(self) -> Lease | None:
        """Look until one is renewed or taken: that one; None once all were left alone for so long, by our own
        clock, that nobody is there to do so. A holder that runs renews within seconds. Raises ApiError."""
        while self._in_doubt():
            await self._sleep(POLL_SECONDS)
            for lease in await self.look():
                return lease
        return None

    def _in_doubt(self) -> bool:
        now = self._clock()
        return any(
            now < self._since[uid] + (lease.seconds if lease.holder else 0) + STANDBY_SECONDS
            for uid, lease in self._seen.items()
        )
