"""Paged lists, read raw and decoded straight into records.

A list is a consistent read: all its pages have one resourceVersion, else it starts over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from msgspec import Struct

from etpguard.kube.connection import Connection
from etpguard.kube.errors import Expired, KubeError, NotServed, Unreachable
from etpguard.kube.list_pages import ListPages
from etpguard.kube.on_request import OnRequest, uncounted
from etpguard.objects import (
    ENDPOINT_SLICE,
    NODE,
    SERVICE,
    AnyKind,
    Deferred,
    Held,
    Kind,
    Page,
    Record,
    Reject,
    nothing_held,
)
from etpguard.objects.text import describe

R = TypeVar("R", bound=Record)
T = TypeVar("T")
OnPage = Callable[[Page[R]], None]

PAGE = 500
"""Most objects in a page. It bounds the memory of both sides, and how long decoding holds the interpreter."""
NODES_PAGE = 500
"""Most Nodes in a page where pages of other kinds are larger. A Node is up to ten times as large as other objects,
because it names its images."""
LARGE: tuple[AnyKind, ...] = (ENDPOINT_SLICE, NODE, SERVICE)
"""The kinds of which a cluster has the most. Their lists begin first."""
TIMEOUT_SECONDS = 30.0
STARTS = 4
"""How often a list starts that keeps expiring before its last page."""


class Listing(Struct, Generic[R], frozen=True):
    """A whole list: a consistent read of one kind."""

    items: list[R]
    rejects: list[Reject]
    deferred: Sequence[Deferred[R]] = ()


def in_served_version(kinds: Sequence[Kind[R]], read: Callable[[Kind[R]], T]) -> T:
    """`read` of the first of these versions of one kind that the server serves. Raises NotServed if it serves
    none, and what `read` raises."""
    *before, last = kinds
    for kind in before:
        with suppress(NotServed):
            return read(kind)
    return read(last)


class ListReader:
    """Blocking reads from one API server, for any thread.

    Each list opens its own TCP connection, with the credentials of then. `on_request` is called for each page, in
    the thread of the list.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        limit: int = PAGE,
        timeout: float = TIMEOUT_SECONDS,
        on_request: OnRequest = uncounted,
    ) -> None:
        self.connection = connection
        self.limit = limit
        self.timeout = timeout
        self.on_request = on_request

    def list(
        self,
        kind: Kind[R],
        on_page: OnPage[R] | None = None,
        held: Held = nothing_held,
        *,
        namespace: str = "",
    ) -> Listing[R]:
        return list_kind(
            self.connection,
            kind,
            limit=self.limit,
            on_page=on_page,
            held=held,
            timeout=self.timeout,
            namespace=namespace,
            on_request=self.on_request,
        )

    def ask(self, kind: AnyKind) -> int:
        """The resourceVersion that a list of the kind has now. Raises what `list_kind` raises."""
        with ListPages(self.connection, kind, "", 1, self.timeout, self.on_request) as pages:
            answer = pages.get("")
            return 0 if answer is None else pages.decode(kind, answer).version


def list_kind(
    connection: Connection,
    kind: Kind[R],
    *,
    limit: int = PAGE,
    on_page: OnPage[R] | None = None,
    held: Held = nothing_held,
    timeout: float = TIMEOUT_SECONDS,
    namespace: str = "",
    field_selector: str = "",
    on_request: OnRequest = uncounted,
) -> Listing[R]:
    """List `kind`, in one namespace or in all, by pages of `limit` objects (0: all at once). `field_selector`
    selects objects, such as those with "spec.nodeName=node1"; "" selects all. Of a kind that is a subset, the
    objects of the subset are listed, by default in its namespace.

    `on_page` is called with each page, in this thread; the result then holds no objects. Of objects that are
    `held`, a page may have the keys only. A list starts over, and so do its pages, when its continue token has
    expired or a later page has another resourceVersion. `timeout` is how long the server may be silent, in
    seconds.

    Raises Forbidden, NotServed, Unauthorized, Expired, Overloaded, Unreachable or BadKubeconfig, and no other
    error.
    """
    try:
        with ListPages(connection, kind, namespace, limit, timeout, on_request, field_selector) as pages:
            for _ in range(STARTS):
                whole = _once(pages, kind, on_page, held)
                if whole is not None:
                    return whole
    except KubeError:
        raise
    except Exception as error:  # whatever it is, it must only fail this list, which is tried again
        raise Unreachable(f"cannot list {kind.resource}: {describe(error)}") from error
    raise Expired(f"cannot list {kind.resource}: it expired {STARTS} times before its last page")


def _once(pages: ListPages, kind: Kind[R], on_page: OnPage[R] | None, held: Held) -> Listing[R] | None:
    """One attempt; None if it must start over."""
    items: list[R] = []
    deferred: list[Deferred[R]] = []
    rejects: list[Reject] = []
    version = 0
    token = ""
    while True:
        answer = pages.get(token)
        if answer is None:
            return None
        page = pages.decode(kind, answer, held)
        del answer  # it is as large as the page, and the next answer may come before it would go
        if version and page.version != version:
            return None
        version = page.version
        if on_page is None:
            items += page.items
            rejects += page.rejects
            deferred += page.deferred
        else:
            on_page(page)
        if not page.continue_token:
            return Listing(items, rejects, deferred)
        token = page.continue_token
