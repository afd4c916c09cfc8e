"""Reading a live cluster: all kinds at once, a thread each for the large ones."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from queue import SimpleQueue
from typing import Any

from etpguard.cli.errors import Failure
from etpguard.cli.input.loaded import Loaded
from etpguard.cli.progress import progress
from etpguard.kube.connection import Connection
from etpguard.kube.discovery import TIMEOUT_SECONDS as DISCOVERY_SECONDS
from etpguard.kube.discovery import served_versions
from etpguard.kube.errors import Forbidden, KubeError, NotServed, Overloaded, Unreachable
from etpguard.kube.lists import LARGE, NODES_PAGE, TIMEOUT_SECONDS, Listing, in_served_version, list_kind
from etpguard.kube.lists import PAGE as PAGE_OF_NAMESPACE
from etpguard.kube.named_reads import TIMEOUT_SECONDS as NAMED_SECONDS
from etpguard.kube.named_reads import Result, named_objects, read_named
from etpguard.objects import NODE, AnyKind, Reject
from etpguard.objects.named import NAMED_OBJECTS, NamedObject

PAGE = 2500
"""Most objects in a page. It is larger than the operator's: a page costs a round trip, and no main loop waits here
for its decoding."""
TOGETHER = 3
"""Threads for all other kinds."""
NAMED_TOGETHER = 2
"""Threads for the named objects."""

ListResult = Listing[Any] | KubeError


class Lists:
    """Lists in threads. Creation starts those of the large kinds, so that the caller imports meanwhile; `rest`
    starts the others. A list that RBAC forbids for the whole cluster is read in each of `namespaces`. A kind whose
    API version the server does not serve is NotServed without a request."""

    def __init__(
        self, connection: Connection, namespaces: Sequence[str] = (), timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._connection = connection
        self.namespaces = namespaces
        self._timeout = timeout
        self._progress = progress()
        self._found: SimpleQueue[tuple[AnyKind, ListResult]] = SimpleQueue()
        self._named: SimpleQueue[dict[NamedObject, Result]] = SimpleQueue()
        self._pending: set[AnyKind] = set()
        self.narrowed: list[AnyKind] = []
        """The kinds that were read in `namespaces` only."""
        for kind in LARGE:
            self._start([kind])
        self._served: frozenset[str] | None = None
        self._discovery = threading.Thread(target=self._discover, daemon=True)
        self._discovery.start()

    def rest(self, kinds: Sequence[AnyKind]) -> None:
        others = [kind for kind in kinds if kind not in LARGE and kind.subset is None]
        for number in range(TOGETHER):
            self._start(others[number::TOGETHER])
        for number in range(NAMED_TOGETHER):
            which = NAMED_OBJECTS[number::NAMED_TOGETHER]
            threading.Thread(target=self._read_named, args=(which,), daemon=True).start()

    def results(self) -> Generator[tuple[AnyKind, ListResult]]:
        """The result of each list, in the order in which they end."""
        try:
            while self._pending:
                kind, outcome = self._found.get()
                self._pending.discard(kind)
                self._progress.done()
                yield kind, outcome
        finally:
            if self._pending:
                self._progress.done(len(self._pending))

    def named(self) -> dict[NamedObject, Result]:
        """The results of the reads of the named objects. Waits for them."""
        found: dict[NamedObject, Result] = {}
        for _ in range(NAMED_TOGETHER):
            found |= self._named.get()
        return {named: found[named] for named in NAMED_OBJECTS}

    def subset(self, kind: AnyKind) -> ListResult:
        """The result of the list of a subset. Waits for it."""
        return self._outcome(kind)

    def _read_named(self, which: Sequence[NamedObject]) -> None:
        try:
            self._named.put(dict(read_named(self._connection, which, timeout=min(NAMED_SECONDS, self._timeout))))
        except Exception as error:  # what no rule expects must not keep the command waiting
            failed = KubeError(f"cannot read the objects that show the data plane: {error!r}")
            self._named.put(dict.fromkeys(which, failed))

    def _start(self, kinds: Sequence[AnyKind]) -> None:
        self._pending.update(kinds)
        self._progress.expect(len(kinds))
        threading.Thread(target=self._read, args=(kinds,), daemon=True).start()

    def _read(self, kinds: Sequence[AnyKind]) -> None:
        for kind in kinds:
            self._found.put((kind, self._outcome(kind)))

    def _discover(self) -> None:
        self._served = served_versions(self._connection, min(DISCOVERY_SECONDS, self._timeout))

    def _versions(self, kind: AnyKind) -> list[AnyKind]:
        """The kind in each version that the server may serve. Waits for discovery if it may serve none."""
        if kind.required or not kind.group:
            return [kind]
        self._discovery.join()
        return kind.served(self._served)

    def _outcome(self, kind: AnyKind) -> ListResult:
        versions = self._versions(kind)
        if not versions:
            return NotServed(f"{kind.resource} is not served")
        try:
            return in_served_version(versions, partial(self._list, kind))
        except KubeError as error:
            return error
        except BaseException as error:  # `results` would wait for a thread that has ended
            return KubeError(f"cannot list {kind.resource}: {error!r}")

    def _list(self, kind: AnyKind, served: AnyKind) -> Listing[Any]:
        """`served` is the kind in the version to read."""
        try:
            return self._list_in(served, "", NODES_PAGE if kind is NODE else PAGE)
        except Forbidden:
            if not self.namespaces or not kind.namespaced or kind.subset:
                raise
            found = [self._list_in(served, each) for each in self.namespaces]
            self.narrowed.append(kind)
            return joined(found)

    def _list_in(self, kind: AnyKind, namespace: str, limit: int = PAGE_OF_NAMESPACE) -> Listing[Any]:
        return list_kind(
            self._connection,
            kind,
            namespace=namespace,
            limit=limit,
            timeout=self._timeout,
            on_request=lambda verb, resource, status: self._progress.page(),
        )


def joined(lists: Sequence[Listing[Any]]) -> Listing[Any]:
    """The lists of several namespaces as one."""
    return Listing(
        [item for each in lists for item in each.items],
        [reject for each in lists for reject in each.rejects],
        [later for each in lists for later in each.deferred],
    )


def load(loaded: Loaded, lists: Lists) -> None:
    """Put the results of the lists into `loaded`. A kind that is not served has no objects.

    Raises Failure if a required kind cannot be read, or any kind because the cluster cannot be reached.
    """
    failed: dict[AnyKind, KubeError] = {}
    rejected: dict[AnyKind, Sequence[Reject]] = {}

    def take(kind: AnyKind, outcome: ListResult) -> None:
        if isinstance(outcome, Listing):
            loaded.put(kind, [*outcome.items, *outcome.deferred])
            rejected[kind] = outcome.rejects
        elif isinstance(outcome, Unreachable):
            raise Failure(str(outcome))  # every other list would fail the same way, after a time-out
        else:
            failed[kind] = outcome

    with closing(lists.results()) as results:
        for kind, outcome in results:
            take(kind, outcome)
    for kind in loaded.picture.kinds:
        if kind.subset and loaded.picture.needs(kind.subset):
            take(kind, lists.subset(kind))
    for kind in sorted(failed, key=_order):
        error = failed[kind]
        if isinstance(error, NotServed) and not kind.required:
            loaded.not_served.append(kind)
            continue
        if kind.required and isinstance(error, Forbidden):
            raise Failure(f"{error}{_way_out(kind, narrowed=bool(lists.namespaces))}")
        if kind.required or not isinstance(error, Forbidden | Overloaded):
            raise Failure(str(error))
        loaded.note_unread(kind, str(error))
    for kind in sorted(rejected, key=_order):
        for reject in rejected[kind]:
            loaded.reject(kind, reject)
    loaded.note_narrowed(lists.narrowed, len(lists.namespaces))
    loaded.named = named_objects(lists.named())
    loaded.not_read += [named.address for named in loaded.named.unread]


def _way_out(kind: AnyKind, *, narrowed: bool) -> str:
    """What a person without the permission to list this kind can do, as the end of a message."""
    narrower = (
        "use -n NAMESPACE if your role is for one namespace, or " if kind.namespaced and not narrowed else ""
    )
    return f"; {narrower}ask for the ClusterRole etpguard-reader, which `etpguard reader-role` prints"


def _order(kind: AnyKind) -> tuple[bool, str]:
    return not kind.required, kind.resource
