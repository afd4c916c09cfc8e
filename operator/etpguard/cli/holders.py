"""Which operators there are, as far as their Leases tell, and whether one is at work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from etpguard.kube import verbs
from etpguard.kube.writes import Writer
from etpguard.objects import Kind, Record, decode_page
from etpguard.objects.records import Shape

POLL_SECONDS = 1.0


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
    return decode_page(LEASE, await writer.read_raw(request)).items


async def renewed(
    writer: Writer,
    name: str,
    held: list[Lease],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Lease | None:
    """The first of these that is renewed before it has run out by our own clock, whatever the holder's says; None
    once all have. A holder that runs renews within seconds. Raises ApiError."""
    began = clock()
    while waiting := [lease for lease in held if lease.holder and clock() < began + lease.seconds]:
        await sleep(POLL_SECONDS)
        now = {lease.uid: lease for lease in await leases(writer, name)}
        for lease in waiting:
            found = now.get(lease.uid)
            if found is not None and found.holder and found.version != lease.version:
                return found
        held = [lease for lease in waiting if lease.uid in now and now[lease.uid].holder]
    return None
