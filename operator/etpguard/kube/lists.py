"""Paged lists, read raw and decoded straight into records.

Some kinds are requested in protobuf, in which the API server keeps its own kinds; see `Kind.protobuf`. A server
or a proxy may answer in JSON all the same.

Pages come compressed with gzip. On loopback, plain text saves the API server (1.37.2) 0.05 to 0.1 s of CPU time
for a kind of 10,000 objects and costs the client up to as much; on a network gzip saves 19 of 20 bytes. The API
server spends half the CPU on HTTP/1.1 that it spends on HTTP/2 for the same pages. It serves pages from its watch
cache if that has seen a change of the kind since the last compaction of etcd, else from etcd.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec
from msgspec import Struct

from etpguard.kube.backoff import Backoff
from etpguard.kube.connection import Connection
from etpguard.kube.errors import (
    Expired,
    Forbidden,
    KubeError,
    ListError,
    NotServed,
    Overloaded,
    Status,
    Unauthorized,
    Unreachable,
)
from etpguard.kube.read_client import ReadClient, Response
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
    decode_page,
    nothing_held,
)
from etpguard.objects.text import describe

if TYPE_CHECKING:
    from etpguard.kube.exchange import OnRequest

R = TypeVar("R", bound=Record)
OnPage = Callable[[Page[R]], None]

PAGE = 500
"""Most objects in a page. It bounds the memory of both sides, and how long decoding holds the interpreter."""
NODES_PAGE = 500
"""Most Nodes in a page where pages of other kinds are larger. A Node is up to ten times as large as other objects,
because it names its images."""
LARGE: tuple[AnyKind, ...] = (ENDPOINT_SLICE, NODE, SERVICE)
"""The kinds of which a cluster has the most. Their lists begin first."""
TIMEOUT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
STARTS = 4
"""How often a list starts that keeps expiring before its last page."""
THROTTLED = 4
"""How often a page is requested that the server cannot give now."""
BACK_OFF = Backoff(0.2, 5.0)
PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON = "application/json"
LONGEST_WAIT_SECONDS = 5.0
"""The list fails if the server asks for a longer pause. The error says how long."""


def _uncounted(verb: str, resource: str, status: int) -> None:
    return


class Listing(Struct, Generic[R], frozen=True):
    """A whole list: a consistent read of one kind."""

    items: list[R]
    rejects: list[Reject]
    deferred: Sequence[Deferred[R]] = ()


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
        on_request: OnRequest = _uncounted,
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
        with _Pages(self.connection, kind, "", 1, self.timeout, self.on_request) as pages:
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
    on_request: OnRequest = _uncounted,
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
        with _Pages(connection, kind, namespace, limit, timeout, on_request, field_selector) as pages:
            for _ in range(STARTS):
                whole = _once(pages, kind, on_page, held)
                if whole is not None:
                    return whole
    except KubeError:
        raise
    except Exception as error:  # whatever it is, it must only fail this list, which is tried again
        raise Unreachable(f"cannot list {kind.resource}: {describe(error)}") from error
    raise Expired(f"cannot list {kind.resource}: it expired {STARTS} times before its last page")


def _once(pages: _Pages, kind: Kind[R], on_page: OnPage[R] | None, held: Held) -> Listing[R] | None:
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


class _Resource(msgspec.Struct, frozen=True):
    name: str


class _Discovered(msgspec.Struct, frozen=True):
    """An APIResourceList."""

    resources: list[_Resource]


# Made here, not in the threads that list: see `objects.decode` on what msgspec learns of a type.
_discovered = msgspec.json.Decoder(_Discovered)


class _Pages:
    """The requests of one list."""

    def __init__(
        self,
        connection: Connection,
        kind: AnyKind,
        namespace: str,
        limit: int,
        timeout: float,
        on_request: OnRequest,
        field_selector: str = "",
    ) -> None:
        self._selector = {"fieldSelector": field_selector} if field_selector else {}
        if kind.subset:
            namespace = namespace or kind.subset.namespace
            if kind.subset.label:
                self._selector["labelSelector"] = kind.subset.label
        self.server = connection.server
        self._connection = connection
        self._kind = kind
        self._client = ReadClient(connection, (min(CONNECT_SECONDS, timeout), timeout))
        head, _, plural = kind.path.rpartition("/")
        self._path = f"{head}/namespaces/{namespace}/{plural}" if namespace and kind.namespaced else kind.path
        self._accept = f"{PROTOBUF}, {JSON}" if kind.protobuf else JSON
        self._limit = limit
        self._on_request = on_request

    def __enter__(self) -> _Pages:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, token: str) -> Response | None:
        """The answer with the page of a continue token; None if the token has expired."""
        renewed = False
        for attempt in range(THROTTLED):
            answer = self._page(self._parameters(token))
            status, wait = answer.status, answer.retry_after
            match status:
                case 200:
                    return answer
                case 410:
                    return None
                case 401 if not renewed:
                    renewed = True
                    self._client.close()
                    self._connection.forget()
                case 401:
                    raise self._failed(Unauthorized, f"{self.server} does not accept the credentials: ", answer)
                case 403 if self._served():
                    raise self._failed(Forbidden, f"may not list {self._kind.resource}: ", answer)
                case 403 | 404:
                    raise NotServed(f"{self._kind.resource} is not served")
                case 429 | 500 | 502 | 503 | 504:
                    if attempt == THROTTLED - 1 or wait > LONGEST_WAIT_SECONDS:
                        what = f"{self.server} cannot list {self._kind.resource} now: {status} "
                        raise self._failed(Overloaded, what, answer)
                    time.sleep(wait or BACK_OFF.pause(attempt + 1))
                case _:
                    raise self._failed(Unreachable, f"{self.server} answered {status} to a list: ", answer)
        raise Unauthorized(f"{self.server} does not accept the credentials")

    def _parameters(self, token: str) -> dict[str, str]:
        limit = {"limit": str(self._limit)} if self._limit else {}
        return self._selector | limit | ({"continue": token} if token else {})

    def _send_ahead(self, token: str) -> None:
        """Request the page after this one, whose records are not made yet."""
        if token:
            self._client.send_ahead(self._path, self._parameters(token), self._accept)

    def _failed(self, error: type[ListError], what: str, answer: Response) -> ListError:
        reason, message = Status.of(answer.body)
        text = what + (message or "(empty answer)")
        return error(text, answer.retry_after or None, status=answer.status, reason=reason)

    def _page(self, parameters: dict[str, str]) -> Response:
        status = 0
        try:
            answer = self._client.get(self._path, parameters, self._accept)
            status = answer.status
        finally:
            self._on_request("list", self._kind.resource, status)
        return answer

    def _served(self) -> bool:
        """Whether the kind exists. A 403 does not say: the API server checks permission first. Every user may read
        discovery."""
        path = self._kind.path.rpartition("/")[0]
        status, body, *_ = self._client.get(path, {})
        if status == 404:
            return False
        try:
            resources = _discovered.decode(body).resources if status == 200 else None
        except msgspec.MsgspecError:
            return True
        return resources is None or any(resource.name == self._kind.plural for resource in resources)

    def decode(self, kind: Kind[R], answer: Response, held: Held = nothing_held) -> Page[R]:
        """Raises Unreachable for an answer that is no list, such as the login page of a proxy."""
        try:
            if kind.protobuf and answer.media_type == PROTOBUF:
                from etpguard.objects.protobuf import pages  # slow to load, and `check -f` needs it not

                page = pages.decode_page(kind, answer.body, held, self._send_ahead)
            else:
                page = decode_page(kind, answer.body)
        except (msgspec.MsgspecError, ValueError) as error:
            raise Unreachable(f"{self.server} did not answer with a list of {kind.resource}: {error}") from None
        if not page.version:
            raise Unreachable(f"{self.server} did not answer with a list of {kind.resource}: no resourceVersion")
        if kind.subset:  # the API selects objects by no prefix of their names
            page = page._replace(items=[record for record in page.items if kind.holds(record)])
        return page
