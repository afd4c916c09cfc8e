"""What the publisher outlives; the API server is a script."""

from __future__ import annotations

import asyncio

from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.kube.writes import Writer
from etpguard.publish.publisher import Publisher
from etpguard.publish.settings import PublishSettings
from tests.kube.fake_api import FakeApi
from tests.publish.stage import advice

WEB_PAGE = b"<html>log in</html>"
NO_EVENTS = b'{"kind": "EventList", "metadata": {"resourceVersion": "7"}, "items": []}'


def test_events_that_are_answered_with_a_web_page() -> None:
    body = WEB_PAGE

    async def run() -> None:
        nonlocal body
        api = FakeApi(lambda call: (200, body, {}))
        writer = Writer(api, sleep=lambda seconds: asyncio.sleep(0))
        settings = PublishSettings(poll_interval=0.01, reload_interval=0.05)
        publishing = Publisher(writer, picture_for(consumer_families()), {}, advice, settings)
        stop = asyncio.Event()
        running = asyncio.create_task(publishing.run(stop))
        while len(api.calls) <= 6:  # three tries at a time
            assert not running.done()
            await asyncio.sleep(0.01)
        body = NO_EVENTS
        while not publishing._events.loaded:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(asyncio.wait_for(run(), 10))
