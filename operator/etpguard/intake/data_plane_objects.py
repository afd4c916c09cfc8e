"""Reads the named objects that show the data plane: at the start, then once per resync interval, and sooner after
a failure that may pass."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from etpguard.intake.timing import ListTiming
from etpguard.kube.connection import Connection
from etpguard.kube.errors import ApiError
from etpguard.kube.named_reads import Result, may_pass, merged, named_objects, read_named
from etpguard.kube.on_request import OnRequest
from etpguard.kube.threads import in_thread
from etpguard.objects.log_fields import action_fields
from etpguard.objects.named import NamedObject, NamedObjects

logger = logging.getLogger(__name__)
_FIELDS = action_fields("detect the data plane")


class DataPlaneObjects:
    """`on_change` is called with the objects when a part of them that the rules use has changed."""

    def __init__(
        self,
        connection: Connection,
        interval: float,
        on_change: Callable[[NamedObjects], None],
        on_request: OnRequest,
        timing: ListTiming | None = None,
    ) -> None:
        self._connection = connection
        self._interval = interval
        self._on_change = on_change
        self._on_request = on_request
        self._timing = timing or ListTiming()
        self._results: dict[NamedObject, Result] = {}
        self._failures = 0
        """Reads in a row in which some object could not be read for a reason that may pass."""
        self._asked_for = 0.0
        """The pause that the API server asked for in the last of them, in seconds."""
        self.objects: NamedObjects | None = None
        """The objects as last read; None before the first read."""

    async def read(self) -> None:
        """Read all of them once. One that cannot be read for a reason that may pass keeps its last content."""
        results = await in_thread(
            lambda: read_named(self._connection, on_request=self._on_request), "read the data plane's objects"
        )
        self._note_failures([each for each in results.values() if may_pass(each)])
        self._results = merged(self._results, results)
        before, now = self.objects, named_objects(self._results)
        self.objects = now
        if before is None or now.substance != before.substance:
            _log(now, before)
            self._on_change(now)

    async def settle(self) -> None:
        """Read them again, with back-off, until none fails for a reason that may pass, but for `start_failing` at
        most."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timing.start_failing
        while self._failures and loop.time() + (pause := self._pause()) < until:
            await asyncio.sleep(pause)
            await self.read()

    async def run(self) -> None:
        """Read them once per interval, and with back-off after a failure that may pass, until cancelled."""
        while True:
            await asyncio.sleep(self._pause() if self._failures else self._interval)
            await self.read()

    def _note_failures(self, failed: Sequence[Result]) -> None:
        self._failures = self._failures + 1 if failed else 0
        asked = [each.retry_after or 0.0 for each in failed if isinstance(each, ApiError)]
        self._asked_for = min(max(asked, default=0.0), self._timing.longest_retry_after)

    def _pause(self) -> float:
        """Seconds to wait after a read that failed."""
        return max(min(self._timing.backoff.pause(self._failures), self._interval), self._asked_for)


def _log(now: NamedObjects, before: NamedObjects | None) -> None:
    found = ", ".join(map(str, now.found)) or "none"
    logger.info("objects that show the data plane%s: %s", " have changed" if before else "", found, extra=_FIELDS)
    if now.unread and (before is None or now.unread.keys() != before.unread.keys()):
        logger.warning("objects that show the data plane: %s", now.refusal, extra=_FIELDS)
