"""How Kopf is configured: as a pump of watch events that writes nothing.

Kopf does not: store a diff base or progress on objects, add or remove finalizers, post Events, take part in
peering (`standalone` in kopf_watch), watch namespaces and CRDs, end a watch for inactivity, or kill the
process.
"""

from __future__ import annotations

import math
from typing import Any

import kopf

from etpguard.intake.kopf_wire import LIST_LIMIT

NO_FINALIZER = "etpguard.dev/none, and no object can bear this"
"""Kopf removes its own finalizer from every object that carries it (kopf 1.45.2, _core/reactor/processing.py). The
default name is that of every operator built with Kopf. The API server accepts only qualified names, so no object
can carry this one."""


def kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.persistence.finalizer = NO_FINALIZER
    settings.watching.chunk_size = LIST_LIMIT
    # KopfSession bounds the silence of a watch instead. Kopf's own bound (1.45.2, _cogs/clients/watching.py)
    # cancels the watcher's task. If an event comes right before that, the task is not in the watch but passes
    # the event on: it ends for good, and nothing reports that.
    settings.watching.inactivity_timeout = math.inf
    settings.queueing.idle_timeout = 0.1
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    # Otherwise Kopf kills the process with SIGKILL ten minutes after a failure, if its loop still runs.
    settings.process.ultimate_exiting_timeout = None
    return settings


class _NoDiffBase(kopf.DiffBaseStorage):
    """Kopf would copy every object five times to find out what changed. No handler here needs that."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        return


class _NoProgress(kopf.ProgressStorage):
    """`on.event` handlers have no progress, and none may be written."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        return None

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        return

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        return

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        return

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence
