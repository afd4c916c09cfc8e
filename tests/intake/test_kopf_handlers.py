"""Which kinds have a handler of Kopf, what it does, and what Kopf is configured not to do."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, cast

import kopf
import pytest

from etpguard.assess import picture_for
from etpguard.assess.consumers.registry import consumer_families
from etpguard.intake import kopf_watch
from etpguard.intake.inbox import Message, WatchEvent
from etpguard.intake.kopf_session import KopfSession
from etpguard.intake.kopf_settings import NO_FINALIZER, kopf_settings
from etpguard.intake.kopf_wire import ParkedRecords
from etpguard.objects import NODE, AnyKind, decode_item
from etpguard.remediate.kinds import REMEDIATION_KINDS

KINDS = [kind for kind in picture_for(consumer_families(), REMEDIATION_KINDS).kinds if kind.subset is None]


def handlers(kinds: list[AnyKind], put: Any = None) -> kopf.OperatorRegistry:
    return kopf_watch.registry({kind: kind for kind in kinds}, put, ParkedRecords(), cast(KopfSession, None))


def test_each_kind_has_one_on_event_handler_and_no_other() -> None:
    registry = handlers(KINDS)
    watched = {str(handler.selector) for handler in registry._watching._handlers}
    assert len(registry._watching._handlers) == len(watched) == len(KINDS)
    for other in (registry._indexing, registry._spawning, registry._changing, registry._webhooks):
        assert other._handlers == []


@pytest.mark.parametrize(("what", "deleted"), [("ADDED", False), ("MODIFIED", False), ("DELETED", True)])
def test_a_handler_puts_the_event_into_the_inbox_and_returns_none(what: str, deleted: bool) -> None:
    put: list[Message] = []
    (handler,) = handlers([NODE], put.append)._watching._handlers
    node = {"metadata": {"name": "n1", "resourceVersion": "7"}}
    assert asyncio.run(cast(Any, handler.fn)(event={"type": what, "object": node}, logger=None)) is None
    (event,) = put
    assert isinstance(event, WatchEvent)
    assert event[:3] == (NODE, decode_item(NODE, node), deleted)
    assert 0 <= time.monotonic() - event.arrived < 5


def test_kopf_stores_nothing_on_objects_posts_nothing_and_kills_nothing() -> None:
    settings = kopf_settings()
    body = kopf.Body({"metadata": {"name": "n1"}, "spec": {"a": 1}})
    patch = kopf.Patch()
    settings.persistence.diffbase_storage.store(body=body, patch=patch, essence=kopf.BodyEssence())
    settings.persistence.progress_storage.touch(body=body, patch=patch, value="now")
    settings.persistence.progress_storage.purge(key=cast(Any, "h"), body=body, patch=patch)
    assert patch == {}
    assert settings.persistence.finalizer == NO_FINALIZER
    assert not re.fullmatch(r"[a-z0-9.-]+/[A-Za-z0-9._-]+", NO_FINALIZER), "an object could carry it"
    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert settings.process.ultimate_exiting_timeout is None
