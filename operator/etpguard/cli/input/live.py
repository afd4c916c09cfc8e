"""Reading a live cluster: all kinds at once, a thread each for the large ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Any

from etpguard.cli.errors import Failure
from etpguard.cli.input.reading import Reading
from etpguard.kube.connection import Connection
from etpguard.kube.errors import Forbidden, KubeError, NotServed, Overloaded, Unreachable
from etpguard.kube.lists import Listing, list_kind
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE, AnyKind, Reject

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
        self._found: SimpleQueue[tuple[AnyKind, Outcome]] = SimpleQueue()
        self._pending: set[AnyKind] = set()
        self.narrowed: list[AnyKind] = []
        """The kinds that were read in one namespace only."""
        for kind in LARGE:
            self._begin([kind])

    def rest(self, kinds: Sequence[AnyKind]) -> None:
        others = [kind for kind in kinds if kind not in LARGE]
        for number in range(TOGETHER):
            self._begin(others[number::TOGETHER])

    def results(self) -> Iterator[tuple[AnyKind, Outcome]]:
        """What each list came to, as they end."""
        while self._pending:
            kind, outcome = self._found.get()
            self._pending.discard(kind)
            yield kind, outcome

    def _begin(self, kinds: Sequence[AnyKind]) -> None:
        self._pending.update(kinds)
        threading.Thread(target=self._read, args=(kinds,), daemon=True).start()

    def _read(self, kinds: Sequence[AnyKind]) -> None:
        for kind in kinds:
            self._found.put((kind, self._outcome(kind)))

    def _outcome(self, kind: AnyKind) -> Outcome:
        try:
            return self._list(kind)
        except KubeError as error:
            return error
        except BaseException as error:  # else nobody would know, and `results` wait for ever
            return KubeError(f"cannot list {kind.resource}: {error!r}")

    def _list(self, kind: AnyKind) -> Listing[Any]:
        try:
            return list_kind(self._connection, kind)
        except Forbidden:
            if not self._namespace or not kind.namespaced:
                raise
            found = list_kind(self._connection, kind, namespace=self._namespace)
            self.narrowed.append(kind)
            return found


def fill(reading: Reading, lists: Lists) -> None:
    """Put what the lists found into `reading`, each as it ends. Raises Failure where a required kind could not be
    read, or any because the cluster cannot be reached. A kind that is not served has no objects."""
    failed: dict[AnyKind, KubeError] = {}
    rejected: dict[AnyKind, Sequence[Reject]] = {}
    for kind, outcome in lists.results():
        if isinstance(outcome, Listing):
            reading.take(kind, outcome.items)
            rejected[kind] = outcome.rejects
        elif isinstance(outcome, Unreachable):
            raise Failure(str(outcome))  # the other lists would say the same, each after a time-out
        else:
            failed[kind] = outcome
    for kind in sorted(failed, key=_order):
        error = failed[kind]
        if isinstance(error, NotServed) and not kind.required:
            continue
        if kind.required or not isinstance(error, Forbidden | Overloaded):
            raise Failure(str(error))
        reading.picture.unread[kind] = str(error)
        reading.not_read.append(kind.resource)
    for kind in sorted(rejected, key=_order):
        for reject in rejected[kind]:
            reading.reject(kind, reject)
    if lists.narrowed:
        names = ", ".join(sorted(kind.resource for kind in lists.narrowed))
        reading.warnings.append(f"read in one namespace only, for RBAC allows no more: {names}")


def _order(kind: AnyKind) -> tuple[bool, str]:
    return not kind.required, kind.resource
