"""One request and its answer, with a total time-out. Every failure of the request is an ApiError."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from etpguard.kube.errors import ApiError, KubeError, Status
from etpguard.kube.on_request import OnRequest, uncounted
from etpguard.kube.verbs import Json, Request
from etpguard.objects import Kind, Page, Record, decode_page

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class Client(Protocol):
    """The part of kubernetes.aio.client.ApiClient that is used. Only `kube.client` imports that package, which
    takes 25 MB of memory beside aiohttp."""

    async def param_serialize(self, method: str, resource_path: str, **parts: Any) -> Any: ...

    async def call_api(self, *parts: Any, **options: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """`json` and `page` raise ApiError for a body that is something else, such as the login page of a proxy."""

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
            text = f"the server answered {self.status} with something else than was requested: {error}"
            raise ApiError(0, "Malformed", text) from None


async def exchange(
    client: Client,
    request: Request,
    timeout: float,  # noqa: ASYNC109
    on_request: OnRequest = uncounted,
) -> Answer:
    """Send `request` once. `timeout`, in seconds, includes the credentials and the body of the answer.

    Raises ApiError for any status but 2xx, and for no answer. Another exception is a fault of etpguard or of its
    libraries; the request may have been sent.
    """
    status = 0
    try:
        # One time-out over everything: that of aiohttp does not include a slow credential plugin.
        async with asyncio.timeout(timeout):
            answer = await _send(client, request, timeout)
        status = answer.status
    except TimeoutError:
        raise ApiError(0, "Timeout", f"no answer within {timeout:.3g} s") from None
    except _no_answer() as error:
        raise ApiError(0, type(error).__name__, str(error) or type(error).__name__) from error
    finally:
        on_request(request.verb, request.resource, status)
    if not 200 <= status < 300:
        raise _failure(answer)
    return answer


def _no_answer() -> tuple[type[Exception], ...]:
    """What credentials, TLS, sockets and answers that are not HTTP raise. They all mean the same to the caller.
    RuntimeError: a thread that cannot be started, or a session that is closed. UnicodeError: a host name that
    cannot be looked up."""
    from aiohttp import ClientError
    from aiohttp.http_exceptions import HttpProcessingError

    return (KubeError, OSError, ClientError, HttpProcessingError, RuntimeError, UnicodeError)


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
    """Retry-After in whole seconds, as the API server sends it. A date, which it never sends, is ignored."""
    return float(header) if header is not None and header.strip().isdigit() else None
