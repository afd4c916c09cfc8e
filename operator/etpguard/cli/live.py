"""Reading a live cluster: all kinds at once, a thread each for the large ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from etpguard.cli.errors import Failure
from etpguard.cli.reading import Reading
from etpguard.kube.connection import Connection
from etpguard.kube.errors import Forbidden, KubeError, NotServed, Overloaded
from etpguard.kube.lists import Listing, list_kind
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE, AnyKind

LARGE: tuple[AnyKind, ...] = (ENDPOINT_SLICE, NODE, SERVICE)
TOGETHER = 3
"""Threads for all other kinds."""

Outcome = Listing[Any] | KubeError


class Lists:
    """Lists under way. The large kinds are begun on creation, so that what else must be loaded is loaded
    meanwhile; `rest` adds the others. `namespace` is where to look when RBAC lets one look nowhere else."""

    def __init__(self, connection: Connection, namespace: str = "") -> None:
        self._connection = connection
        self._namespace = namespace
        self._found: dict[AnyKind, Outcome] = {}
        self._narrowed: list[AnyKind] = []
        self._threads: list[threading.Thread] = []
        for kind in LARGE:
            self._begin([kind])

    def rest(self, kinds: Sequence[AnyKind]) -> None:
        others = [kind for kind in kinds if kind not in LARGE]
        for number in range(TOGETHER):
            self._begin(others[number::TOGETHER])

    def results(self) -> tuple[dict[AnyKind, Outcome], list[AnyKind]]:
        """What each list came to, once all have; and the kinds that were read in one namespace only."""
        for thread in self._threads:
            thread.join()
        return self._found, self._narrowed

    def _begin(self, kinds: Sequence[AnyKind]) -> None:
        thread = threading.Thread(target=self._read, args=(kinds,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _read(self, kinds: Sequence[AnyKind]) -> None:
        for kind in kinds:
            try:
                self._found[kind] = self._list(kind)
            except KubeError as error:
                self._found[kind] = error
            except BaseException as error:  # a thread that died would look like a kind without objects
                self._found[kind] = KubeError(f"cannot list {kind.resource}: {error!r}")
                raise

    def _list(self, kind: AnyKind) -> Listing[Any]:
        try:
            return list_kind(self._connection, kind)
        except Forbidden:
            if not self._namespace or not kind.namespaced:
                raise
            found = list_kind(self._connection, kind, namespace=self._namespace)
            self._narrowed.append(kind)
            return found


def fill(reading: Reading, lists: Lists) -> None:
    """Put what the lists found into `reading`. Raises Failure where a required kind could not be read, or any
    because the cluster cannot be reached. A kind that is not served has no objects."""
    found, narrowed = lists.results()
    for kind, outcome in sorted(found.items(), key=lambda item: (not item[0].required, item[0].resource)):
        if isinstance(outcome, Listing):
            reading.take(kind, outcome.items)
            for reject in outcome.rejects:
                reading.reject(kind, reject)
        elif isinstance(outcome, NotServed) and not kind.required:
            continue
        elif isinstance(outcome, Forbidden | Overloaded) and not kind.required:
            reading.picture.unread[kind] = str(outcome)
            reading.not_read.append(kind.resource)
        else:
            raise Failure(str(outcome))
    if narrowed:
        names = ", ".join(sorted(kind.resource for kind in narrowed))
        reading.warnings.append(f"read in one namespace only, for RBAC allows no more: {names}")
