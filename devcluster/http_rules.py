"""The rules by which ``HttpProxy`` treats requests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """A request that came through the proxy, and what became of it."""

    number: int
    """Counts from 1 in the order of arrival."""
    method: str
    path: str
    """Without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    status: int | None = None
    """Of the answer; None while there is none."""
    response: bytes = b""
    """The answer's body as it came (maybe compressed); empty for a watch."""
    forwarded: bool = False
    """Whether it was sent on to the API server."""

    @property
    def watch(self) -> bool:
        return self.query.get("watch") in ("1", "true")

    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Match:
    """Which requests are meant: those that agree with all that is given; by default every one."""

    method: str | None = None
    path: str | None = None
    """A regular expression for the path without the query: ``/api/v1/services`` or ``.*/endpointslices``."""
    watch: bool | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    """Parameters that have to be there, with these values."""

    def __call__(self, request: Request) -> bool:
        return (
            (self.method is None or self.method == request.method)
            and (self.path is None or re.fullmatch(self.path, request.path) is not None)
            and (self.watch is None or self.watch == request.watch)
            and self.query.items() <= request.query.items()
        )


@dataclass(frozen=True)
class Answer:
    """Answers in the API server's place. The default body is a ``Status``, as the API server's errors have."""

    status: int
    body: object = None
    """Bytes as they are, else sent as JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(failure(self.status) if self.body is None else self.body).encode()


@dataclass(frozen=True)
class WatchError:
    """Answers a watch with 200 and one ERROR event, then ends it: how the API server reports a 410 (Expired)."""

    code: int

    def encoded(self) -> bytes:
        return json.dumps({"type": "ERROR", "object": failure(self.code)}).encode() + b"\n"


@dataclass(frozen=True)
class Delay:
    """Forwards the request after that many seconds."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """Closes the client's connection without an answer."""


@dataclass(frozen=True)
class Silence:
    """Never answers. A watch gets its response's head, and then no event."""


Action = Answer | WatchError | Delay | Cut | Silence


class Rule:
    """An action for the requests that match, for the first ``times`` of them or (None) all."""

    def __init__(self, match: Match, action: Action, times: int | None) -> None:
        self.match = match
        self.action = action
        self.hits = 0
        """How often it was carried out."""
        self._times = times

    def takes(self, request: Request) -> bool:
        """Whether it is carried out for this request; counts it."""
        if (self._times is not None and self.hits >= self._times) or not self.match(request):
            return False
        self.hits += 1
        return True


_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def failure(code: int) -> dict[str, Any]:
    """A meta/v1 ``Status`` with the reason that the API server gives for that code."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"devcluster answers {code}",
        "reason": _REASONS.get(code, ""),
        "code": code,
    }
