"""Reads the named objects that show the data plane: at the start, then once per resync interval."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from etpguard.kube.connection import Connection
from etpguard.kube.exchange import OnRequest
from etpguard.kube.named_reads import named_objects, read_named
from etpguard.kube.threads import in_thread
from etpguard.objects.log_fields import action_fields
from etpguard.objects.named import NamedObjects

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
    ) -> None:
        self._connection = connection
        self._interval = interval
        self._on_change = on_change
        self._on_request = on_request
        self.objects: NamedObjects | None = None
        """The objects as last read; None before the first read."""

    async def read(self) -> None:
        """Read all of them once. An object that cannot be read keeps its last content."""
        results = await in_thread(
            lambda: read_named(self._connection, on_request=self._on_request), "read the data plane's objects"
        )
        before, now = self.objects, named_objects(results, self.objects)
        self.objects = now
        if before is None or now.substance != before.substance:
            _log(now, before)
            self._on_change(now)

    async def run(self) -> None:
        """Read them once per interval, until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            await self.read()


def _log(now: NamedObjects, before: NamedObjects | None) -> None:
    found = ", ".join(map(str, now.found)) or "none"
    logger.info("objects that show the data plane%s: %s", " have changed" if before else "", found, extra=_FIELDS)
    if now.unread and (before is None or now.unread.keys() != before.unread.keys()):
        logger.warning("objects that show the data plane: %s", now.refusal, extra=_FIELDS)
