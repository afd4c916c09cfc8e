"""The operator's page, made from its parts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial

from etpguard.assess import Assessment, Engine, InternalAssessment
from etpguard.assess.consumers.consumer import Advice
from etpguard.cluster import Picture
from etpguard.kube.threads import in_thread
from etpguard.objects import Key
from etpguard.objects.log_fields import action_fields
from etpguard.objects.times import rfc3339
from etpguard.page import (
    Assets,
    PageContents,
    ServiceViews,
    Status,
    page_view,
    recorded_statuses,
    render,
    service_views,
    why_not_remediated,
)
from etpguard.report import Contents
from etpguard.settings import Address
from etpguard.web import ListenError, serve_page

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.01
"""Maximum time for which the views of Services occupy the event loop without a yield."""
RETRY_SECONDS = 30.0
"""Pause between two tries to listen on the address."""


class LivePage:
    """The content of the page and its server.

    `assessments` and `internal` are those that the operator reports. `status` returns the status of the operator,
    for a revision of the page. `problem` says why the page is not served; "" if it is. `port` is None while it is
    not served."""

    def __init__(
        self,
        picture: Picture,
        engine: Engine,
        assessments: Mapping[Key, Assessment],
        internal: Mapping[Key, InternalAssessment],
        advisor: Callable[[Assessment], Iterable[Advice]],
        source: str,
        status: Callable[[str], Status],
    ) -> None:
        self._picture = picture
        self._engine = engine
        self._assessments = assessments
        self._internal = internal
        self._advisor = advisor
        self._source = source
        self._status = status
        self._views = ServiceViews()
        self._shown: PageContents | None = None
        self.problem = ""
        self.port: int | None = None

    async def run(self, address: Address) -> None:
        """Serve until cancelled. If it cannot listen on the address, it tries again, and the operator works on."""
        while True:
            try:
                async with serve_page(address, self, Assets.of(live=True).policy) as self.port:
                    self.problem = ""
                    await asyncio.Event().wait()
            except ListenError as error:
                if not self.problem:
                    logger.warning("The page is not served: %s", error, extra=action_fields("listen"))
                self.problem = f"the page is not served: {error}"
            finally:
                self.port = None
            await asyncio.sleep(RETRY_SECONDS)

    def changed(self) -> bool:
        now, shown = self._contents(""), self._shown
        return shown is None or _differ(now, shown)

    async def render(self, revision: str) -> str:
        """Render the page. The views of Services, which read the picture, are made on the event loop, in slices.
        The text is made in a thread, from what was read."""
        while not await self._make_views(contents := self._contents(revision)):
            pass
        text = await in_thread(partial(self._text, contents), "render the page")
        self._shown = contents
        return text

    async def _make_views(self, contents: PageContents) -> bool:
        """Make the views, with yields. False if the nodes got new positions meanwhile: the sets of nodes in
        `contents` then name other nodes in the picture."""
        ends = time.monotonic() + TURN_SECONDS
        for _ in service_views(contents, self._views):
            if time.monotonic() > ends:
                await asyncio.sleep(0)
                if self._picture.nodes.epoch != contents.contents.table.epoch:
                    return False
                ends = time.monotonic() + TURN_SECONDS
        return True

    def _text(self, contents: PageContents) -> str:
        return render(page_view(contents, self._views))

    def forget(self) -> None:
        self._views = ServiceViews()
        self._shown = None

    def _contents(self, revision: str) -> PageContents:
        picture = self._picture
        return PageContents(
            contents=Contents(
                planes=self._engine.planes,
                nodes=picture.nodes.present,
                assessments=list(self._assessments.values()),
                table=picture.nodes.copy(),
                advice=_no_advice,
                internal=list(self._internal.values()),
            ),
            zones=self._engine.zones,
            advisor=self._advisor,
            source=self._source,
            made=rfc3339(time.time()),
            recorded=recorded_statuses(picture),
            why_not=why_not_remediated(picture),
            status=self._status(revision),
        )


def _no_advice(assessment: Assessment) -> Sequence[str]:
    """The page makes its own advice, from the advisor."""
    return ()


def _differ(now: PageContents, shown: PageContents) -> bool:
    """Whether the two result in different pages, apart from the time and the revision."""
    a, b = now.contents, shown.contents
    assert now.status is not None
    assert shown.status is not None
    return (
        a.nodes != b.nodes
        or _other(a.assessments, b.assessments)
        or _other(a.internal, b.internal)
        or a.planes != b.planes
        or now.zones != shown.zones
        or now.recorded != shown.recorded
        or now.why_not != shown.why_not
        or now.status.facts != shown.status.facts
    )


def _other(now: Collection[object], shown: Collection[object]) -> bool:
    """Whether one of the assessments was made since. To compare what they say would take longer."""
    return len(now) != len(shown) or any(x is not y for x, y in zip(now, shown, strict=True))
