"""Finds the operators of a cluster by their Leases, and whether one of them runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from etpguard.kube import verbs
from etpguard.kube.writes import Writer
from etpguard.objects import Key
from etpguard.objects.leases import LEASE, Lease

POLL_SECONDS = 1.0
STANDBY_SECONDS = 2 * 1.1 + POLL_SECONDS
"""Seconds after a Lease was released or has expired within which a standby may still acquire it. A standby looks
at least every 1.1 s (etpguard.kube.lease), one of its looks may fail, and then this command has to look."""
LONGEST_SECONDS = 60
"""Seconds that a Lease is waited for, however long it is valid. Its holder renews it every 2 s. Everybody who may
write a Lease of this name in a namespace chooses its duration."""


async def leases(writer: Writer, name: str) -> list[Lease]:
    """The Leases of that name in every namespace. Raises ApiError."""
    # One page holds them all: more Leases of one name than a page has do not exist.
    request = verbs.list_page(LEASE, field_selector=f"metadata.name={name}")
    return (await writer.read_page(LEASE, request)).items


class LeaseWatch:
    """Polls the Leases of one name, except `own`, the Lease that this process competes for."""

    def __init__(
        self,
        writer: Writer,
        name: str,
        *,
        own: Key | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._writer = writer
        self._name = name
        self._own = own
        self._clock = clock
        self._sleep = sleep
        self._seen: dict[str, Lease] = {}
        self._since: dict[str, float] = {}

    @property
    def seen(self) -> list[Lease]:
        """The Leases of the last look."""
        return list(self._seen.values())

    async def look(self) -> list[Lease]:
        """The Leases with a holder that have changed since the look before; at the first look all with a holder.
        Raises ApiError."""
        listed = await leases(self._writer, self._name)
        found = {lease.uid: lease for lease in listed if lease.key != self._own}
        now = self._clock()
        before = {uid: lease.version for uid, lease in self._seen.items()}
        same = {uid for uid, lease in found.items() if before.get(uid) == lease.version}
        self._since = {uid: self._since[uid] if uid in same else now for uid in found}
        self._seen = found
        return [lease for uid, lease in found.items() if lease.holder and uid not in same]

    async def renewed(self) -> Lease | None:
        """Look until a Lease is renewed or taken, and return it.

        Returns None when no Lease has changed for long enough, by the local clock: a running operator renews its
        Lease within seconds. This takes at most LONGEST_SECONDS and a standby's time while none is written. Raises
        ApiError.
        """
        while self._in_doubt():
            await self._sleep(POLL_SECONDS)
            for lease in await self.look():
                return lease
        return None

    def _in_doubt(self) -> bool:
        now = self._clock()
        return any(
            now < self._since[uid] + (min(lease.seconds, LONGEST_SECONDS) if lease.holder else 0) + STANDBY_SECONDS
            for uid, lease in self._seen.items()
        )
