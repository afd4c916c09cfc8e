"""The only consumer of the inbox: messages -> picture -> assessments -> receivers, in slices of time, so that the
event loop stays free."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from etpguard.assess import Assessment, Engine
from etpguard.assess.turns import Steps
from etpguard.cluster import Picture
from etpguard.intake.corrections import Corrections
from etpguard.intake.inbox import (
    AssessAll,
    Inbox,
    ListEnds,
    WatchEvent,
)
from etpguard.intake.merge import Merger
from etpguard.kube.failures import Failures
from etpguard.objects import SERVICE, AnyKind, Key
from etpguard.objects.log_fields import service_fields
from etpguard.objects.scope import EVERYWHERE, NamespaceScope
from etpguard.objects.text import describe

SLICE_SECONDS = 0.01
"""A turn yields the event loop after this time. One message or one Service may take longer."""
GATHER_SECONDS = 0.005
GATHER_MESSAGES = 64
"""If fewer messages than this are waiting, a turn waits `GATHER_SECONDS` for more. A turn for each message would
double the cost."""
OFFERED_AT_ONCE = 2000
"""Maximum number of touched Services that a receiver gets in one call: 7 ms of work."""
SETTLE_SECONDS = 1.0
"""Maximum interval between two checks whether the watch has delivered what the lists found."""


class Receiver(Protocol):
    """Acts on assessments: the publisher and the remediation controller."""

    def offer(self, changed: Mapping[Key, Assessment | None], touched: Collection[Key]) -> None:
        """`changed`: assessments that differ from before, None for a Service that is no longer assessed.
        `touched`: Services about which something changed, whether or not their assessment did. Both may be
        empty: then some other object changed."""


class Absorber:
    """Takes messages from `inbox` and, after `AssessAll`, keeps the assessments up to date.

    Receivers get every change of the Services in `scope`; no other place filters assessments for them. `observe`
    gets the seconds from the arrival of an event to the assessment made from it. `watch_relisted` and
    `etcd_restored`: see `Merger`.
    """

    def __init__(
        self,
        *,
        picture: Picture,
        engine: Engine,
        inbox: Inbox,
        corrections: Corrections,
        observe: Callable[[float], None],
        watch_relisted: Callable[[AnyKind], None],
        etcd_restored: Callable[[], None],
        receivers: Sequence[Receiver] = (),
        scope: NamespaceScope = EVERYWHERE,
        failures: Failures | None = None,
    ) -> None:
        self._picture = picture
        self._engine = engine
        self._inbox = inbox
        self._corrections = corrections
        self._receivers = list(receivers)
        self._scope = scope
        self._observe = observe
        self._failures = failures or Failures()
        self._merger = Merger(picture, corrections, watch_relisted, etcd_restored, self._failures)
        self.problem = ""
        """Why the assessments are not those of the picture, "" if they are."""
        self._assessing = False

    async def add_receivers(self, receivers: Sequence[Receiver]) -> None:
        """Add receivers, which get all assessments now and each change later. The former receivers get all
        assessments again."""
        self._receivers += receivers
        keys = list({*self._picture.store(SERVICE).keys(), *self._engine.assessments})
        for start in range(0, len(keys), OFFERED_AT_ONCE):
            some = keys[start : start + OFFERED_AT_ONCE]
            assessments = self._engine.assessments
            self._offer({key: assessments[key] for key in some if key in assessments}, some)
            await asyncio.sleep(0)

    async def run(self) -> None:
        while True:
            await self._inbox.wait(SETTLE_SECONDS)
            if 0 < len(self._inbox) < GATHER_MESSAGES:
                await asyncio.sleep(GATHER_SECONDS)
            try:
                await self.turn()
                self.problem = ""
            except Exception as error:
                # It is not known which Services still need an assessment, so the next turn assesses all of them.
                self._failures.note("assessment", "all Services", error)
                self.problem = f"etpguard failed to assess the Services: {describe(error)}"
                self._merger.touched.everything = True
                await asyncio.sleep(SETTLE_SECONDS)
            # Other tasks come first, even after a short turn.
            await asyncio.sleep(0)

    async def turn(self) -> None:
        """Absorb messages for one slice of time at most, and assess what they touch."""
        done: list[asyncio.Event] = []
        try:
            await self._turn(done)
        finally:
            for event in done:
                event.set()
        self._corrections.settle(time.monotonic())

    async def _turn(self, done: list[asyncio.Event]) -> None:
        arrivals: list[float] = []
        changed = False
        begun = time.monotonic()
        while (message := self._inbox.take()) is not None:
            if isinstance(message, AssessAll):
                self._assessing = True
                self._merger.touched.everything = True
                done.append(message.assessed)
                break
            changed |= self._merger.merge(message)
            if not self._assessing and self._merger.touched.nodes:
                # The first assessment would hold the loop for twice as long: 80 ms for 5,000 nodes, not 40 ms.
                self._engine.prepare(self._merger.touched.nodes)
                self._merger.touched.nodes.clear()
            if isinstance(message, WatchEvent):
                arrivals.append(message.arrived)
            elif isinstance(message, ListEnds):
                done.append(message.absorbed)
            if time.monotonic() - begun > SLICE_SECONDS:
                break
        if self._assessing and (self._merger.touched or changed):
            await self._assess()
        now = time.monotonic()
        for arrived in arrivals:
            self._observe(now - arrived)

    async def _assess(self) -> None:
        touched = self._merger.take_touched()
        # Node sets of different epochs cannot be compared, so a new epoch, which is rare, does not yield.
        new_epoch = bool(touched.nodes) and self._picture.nodes.compact()
        touched.everything |= new_epoch
        changed: dict[Key, Assessment | None] = {}
        keys = list(self._engine.invalidate(touched))
        begun = float("-inf") if touched.everything else time.monotonic()
        for key in keys:
            steps = Steps(self._engine.reassess_steps(key))
            for _ in steps:
                if not new_epoch and time.monotonic() - begun > SLICE_SECONDS:
                    await asyncio.sleep(0)
                    begun = time.monotonic()
            changed |= steps.result
            if error := self._engine.failures.get(key):
                self._failures.note("assessment", str(key), error, service_fields(key, outcome="Unknown"))
            if not new_epoch and time.monotonic() - begun > SLICE_SECONDS:
                self._offer(changed, ())
                changed = {}
                await asyncio.sleep(0)
                begun = time.monotonic()
        rest = list(touched.services | touched.endpoints)
        self._offer(changed, rest[:OFFERED_AT_ONCE])
        await self._offer_touched(rest[OFFERED_AT_ONCE:])

    async def _offer_touched(self, touched: Sequence[Key]) -> None:
        for start in range(0, len(touched), OFFERED_AT_ONCE):
            await asyncio.sleep(0)
            self._offer({}, touched[start : start + OFFERED_AT_ONCE])

    def _offer(self, changed: Mapping[Key, Assessment | None], touched: Iterable[Key]) -> None:
        includes = self._scope.includes
        changed = {key: assessment for key, assessment in changed.items() if includes(key.namespace)}
        touched = [key for key in touched if includes(key.namespace)]
        for receiver in self._receivers:
            try:
                receiver.offer(changed, touched)
            except Exception as error:
                self._failures.note("publish", type(receiver).__name__, error)
