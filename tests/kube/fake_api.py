"""A client that answers from a script: for the rules of time, where a real server would need real minutes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    method: str
    path: str
    query: list[tuple[str, str]]
    content_type: str
    body: Any


class _Response:
    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    async def read(self) -> bytes:
        return self._body


Answer = tuple[int, object, Mapping[str, str]]


@dataclass
class FakeApi:
    """`answer(call)` gives status, body (bytes as they are, else JSON) and headers, or raises."""

    answer: Callable[[Call], Answer]
    calls: list[Call] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)

    async def param_serialize(self, method: str, resource_path: str, **parts: Any) -> Any:
        call = Call(
            method, resource_path, parts["query_params"], parts["header_params"]["Content-Type"], parts["body"]
        )
        return method, resource_path, {}, call, None

    async def call_api(self, *parts: Any, **options: Any) -> Any:
        await asyncio.sleep(0)
        self.calls.append(parts[3])
        self.timeouts.append(options["_request_timeout"].total)
        status, body, headers = self.answer(parts[3])
        return _Response(status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers)


def failure(code: int, reason: str, message: str = "", retry_after: int | None = None) -> Answer:
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return code, body, {} if retry_after is None else {"Retry-After": str(retry_after)}


def ok(body: object = None) -> Answer:
    return 200, body or {}, {}


class Clock:
    """A clock that `asyncio.sleep` of the code under test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
