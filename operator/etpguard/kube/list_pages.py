"""The requests for the pages of one list: pauses, new credentials, and what each refusal means.

Some kinds are requested in protobuf, in which the API server keeps its own kinds; see `Kind.protobuf`. A server
or a proxy may answer in JSON all the same.

Pages come compressed with gzip. On loopback, plain text saves the API server (1.37.2) 0.05 to 0.1 s of CPU time
for a kind of 10,000 objects and costs the client up to as much; on a network gzip saves 19 of 20 bytes. The API
server spends half the CPU on HTTP/1.1 that it spends on HTTP/2 for the same pages. It serves pages from its watch
cache if that has seen a change of the kind since the last compaction of etcd, else from etcd.
"""

from __future__ import annotations

import time
from typing import TypeVar

import msgspec

from etpguard.kube.backoff import Backoff
from etpguard.kube.connection import Connection
from etpguard.kube.discovery import serves
from etpguard.kube.errors import Forbidden, ListError, NotServed, Overloaded, Status, Unauthorized, Unreachable
from etpguard.kube.on_request import OnRequest
from etpguard.kube.read_client import ReadClient, Response
from etpguard.objects import AnyKind, Held, Kind, Page, Record, decode_page, nothing_held

R = TypeVar("R", bound=Record)

CONNECT_SECONDS = 10.0
THROTTLED = 4
"""How often a page is requested that the server cannot give now."""
BACK_OFF = Backoff(0.2, 5.0)
PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON = "application/json"
LONGEST_WAIT_SECONDS = 5.0
"""The list fails if the server asks for a longer pause. The error says how long."""


class ListPages:
    """The requests of one list. Close it after the last page."""

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
        self._path = kind.path_in(namespace)
        self._accept = f"{PROTOBUF}, {JSON}" if kind.protobuf else JSON
        self._limit = limit
        self._on_request = on_request

    def __enter__(self) -> ListPages:
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
                case 403 if serves(self._client, self._kind):
                    raise self._failed(Forbidden, f"may not list {self._kind.resource}: ", answer)
                case 403 | 404:
                    raise NotServed(f"{self._kind.resource} is not served")
                case 429 | 500 | 502 | 503 | 504:
                    if attempt == THROTTLED - 1 or wait > LONGEST_WAIT_SECONDS:
                        what = f"{self.server} cannot list {self._kind.resource} now: {status} "
                        raise self._failed(Overloaded, what, answer)
                    # The list has a thread of its own. `wait` is the pause that the server asked for.
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

    def decode(self, kind: Kind[R], answer: Response, held: Held = nothing_held) -> Page[R]:
        """Raises Unreachable for an answer that is no list, such as the login page of a proxy."""
        try:
            if kind.protobuf and answer.media_type == PROTOBUF:
                from etpguard.objects.protobuf import pages  # slow to load, and `check -f` does not need it

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
