"""When an operator competes for its Lease: while no other installation leads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from etpguard.app.other_installation import OtherInstallation
from etpguard.app.tasks import finished_before
from etpguard.kube.lease import SHUTDOWN, Elector
from etpguard.kube.stopping import stopped_within


@dataclass(frozen=True, slots=True)
class Looks:
    """Pauses before a look for another installation, in seconds."""

    waiting: float = 10.0
    """While another one leads."""
    first: float = 5.0
    """After this one began to compete. One that began at the same time holds its Lease by then."""
    later: float = 60.0


async def lead(
    elector: Elector,
    other: OtherInstallation | None,
    stop: asyncio.Event,
    quiet: Callable[[float], Awaitable[bool]],
    looks: Looks | None = None,
) -> None:
    """Compete for the Lease until `stop`, but not while another installation leads. Two can lead after they began
    at the same time, or after one could not reach the API server: then one of them gives way. Without `other`,
    nothing is looked for."""
    if other is None:
        await elector.run(stop, quiet)
        return
    looks = looks or Looks()
    while await _alone(other, stop, looks):
        leave = asyncio.Event()
        watching = asyncio.create_task(_set_to_leave(leave, other, stop, looks))
        try:
            await elector.run(leave, quiet, lambda: SHUTDOWN if stop.is_set() else "another installation leads")
            await watching
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def _alone(other: OtherInstallation, stop: asyncio.Event, looks: Looks) -> bool:
    """Wait until no other installation leads. Returns False when `stop` is set."""
    while not stop.is_set():
        looking = asyncio.create_task(other.leads())
        if not await finished_before(stop, looking):
            break
        if not looking.result():
            return True
        await stopped_within(stop, looks.waiting)
    return False


async def _set_to_leave(leave: asyncio.Event, other: OtherInstallation, stop: asyncio.Event, looks: Looks) -> None:
    """Set `leave` when `stop` is set, or when this installation has to give way."""
    try:
        pause = looks.first
        while not await stopped_within(stop, pause):
            looking = asyncio.create_task(other.precedes())
            if not await finished_before(stop, looking) or looking.result():
                break
            pause = looks.later
    finally:
        leave.set()
