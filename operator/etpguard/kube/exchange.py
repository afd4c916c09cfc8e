"""One request and its answer, with a total time-out; every failure is one exception type."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from etpguard.kube.errors import ApiError, Status
from etpguard.kube.verbs import Json, Request
from etpguard.objects import Kind, Page, Record, decode_page

T = TypeVar("T")
R = TypeVar("R", bound=Record)
OnRequest = Callable[[str, str, int], None]
"""verb, resource, HTTP status (0: no answer)."""


class Client(Protocol):
    """What is used of kubernetes.aio.client.ApiClient. That package is large (25 MB of memory beside aiohttp):
    only who makes the client loads it."""

    async def param_serialize(self, method: str, resource_path: str, **parts: Any) -> Any: ...

    async def call_api(self, *parts: Any, **options: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What is made of the body raises ApiError where it is something else: the page of a proxy, say, that wants
    one to log in."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        return self._decoded(partial(msgspec.json.decode, type=dict[str, Any]))

    def page(self, kind: Kind[R]) -> Page[R]:
        return self._decoded(partial(decode_page, kind))

    def _decoded(self, decode: Callable[[bytes], T]) -> T:
        try:
            return decode(self.body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            text = f"it answered {self.status}, but not with what was asked for: {error}"
            raise ApiError(0, "Malformed", text) from None


async def exchange(client: Client, request: Request, timeout: float, on_request: OnRequest) -> Answer:  # noqa: ASYNC109
    """Send once, within `timeout` seconds in all, credentials and body included.

    Raises ApiError for any status but 2xx and where no answer came; nothing else.
    """
    status = 0
    try:
        # One clock over everything: aiohttp's own knows nothing of a slow credential plugin before it.
        async with asyncio.timeout(timeout):
            answer = await _send(client, request, timeout)
        status = answer.status
    except TimeoutError:
        raise ApiError(0, "Timeout", f"no answer within {timeout:g} s") from None
    except Exception as error:
        # Whatever credentials, TLS or sockets raise is the same to the caller: it was not done, as far as known.
        raise ApiError(0, type(error).__name__, str(error) or type(error).__name__) from error
    finally:
        on_request(request.verb, request.resource, status)
    if not 200 <= status < 300:
        raise _failure(answer)
    return answer


async def _send(client: Client, request: Request, timeout: float) -> Answer:  # noqa: ASYNC109
    import aiohttp

    method, url, headers, body, post = await client.param_serialize(
        request.method,
        request.path,
        query_params=list(request.query),
        header_params={"Content-Type": request.content_type, "Accept": "application/json"},
        body=request.body,
        auth_settings=["BearerToken"],
    )
    limit: Any = aiohttp.ClientTimeout(total=timeout)
    response = await client.call_api(method, url, headers, body, post, _request_timeout=limit)
    return Answer(response.status, response.headers, await response.read())


def _failure(answer: Answer) -> ApiError:
    status = Status.of(answer.body)
    return ApiError(answer.status, status.reason, status.message, _seconds(answer.headers.get("Retry-After")))


def _seconds(header: str | None) -> float | None:
    """Retry-After as the API server gives it: whole seconds. A date, which it never sends, is ignored."""
    return float(header) if header is not None and header.strip().isdigit() else None
