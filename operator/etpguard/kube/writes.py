"""The only sender of writes: every write of etpguard passes one gate.

The gate sends a write only while this replica leads, its picture is whole and fresh, and the namespace is in
scope. A rate limit applies. A write that would have to wait for too long after its decision is refused, and the
caller decides again. A verb that RBAC forbids and a resource that is not served are reported, and tried again a
minute later.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from etpguard.kube.backoff import Backoff
from etpguard.kube.errors import ApiError
from etpguard.kube.exchange import Answer, Client, exchange
from etpguard.kube.on_request import OnRequest, uncounted
from etpguard.kube.pauses import LONGEST_SECONDS, Pauses
from etpguard.kube.refusals import Refusals
from etpguard.kube.token_bucket import TokenBucket
from etpguard.kube.verbs import Json, Request
from etpguard.objects import Kind, Page, Record
from etpguard.objects.log_fields import request_fields
from etpguard.objects.scope import EVERYWHERE, NamespaceScope

T = TypeVar("T")
R = TypeVar("R", bound=Record)

_log = logging.getLogger(__name__)

_BACK_OFF = Backoff(1.0, 30.0)

SHORTEST_SECONDS = 0.5
"""A write that would have less time than this is not started."""


class NotNow(Exception):  # noqa: N818  nothing went wrong
    """The gate is closed, and nothing was sent. Try again in `retry_in` seconds.

    `refusal` is True if the API server refused such a request a short while ago. Otherwise this replica does not
    lead, its picture is stale, or the request would have to wait for too long.
    """

    def __init__(self, reason: str, retry_in: float, *, refusal: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_in = retry_in
        self.refusal = refusal


class OutOfScope(ApiError):  # noqa: N818  as the other errors of kube
    """A write to a namespace that `--namespaces` or `--skip-namespaces` excludes. It was not sent."""

    def __init__(self, request: Request) -> None:
        super().__init__(403, "OutOfScope", f"{request}: the namespace is out of scope; nothing was sent")


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """`timeout` limits one request as a whole; the Lease may leave less to a write. `rate`, a second, and `burst`
    limit all requests together. `refused_for` is how long a refusal holds. A request starts at most `max_age`
    after the call of `write`, because the facts behind it may have changed since. Times are in seconds."""

    timeout: float = 10.0
    rate: float = 30.0
    burst: float = 30.0
    refused_for: float = 60.0
    max_age: float = 15.0


class Writer:
    """Sends writes, and the few reads that belong to them.

    `time_left()` says how long a write that starts now may take, in seconds, so that this replica still leads when
    it ends. `stale()` says why nothing may be written from the picture, None if it may. Writes go to the
    namespaces of `scope` only. `clock` is monotonic; `wall`, in seconds since the epoch, only appears in messages.
    """

    def __init__(
        self,
        client: Client,
        *,
        time_left: Callable[[], float] = lambda: math.inf,
        stale: Callable[[], str | None] = lambda: None,
        scope: NamespaceScope = EVERYWHERE,
        limits: WriteLimits | None = None,
        on_request: OnRequest = uncounted,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._time_left = time_left
        self._stale = stale
        self._scope = scope
        self._limits = limits or WriteLimits()
        self._on_request = on_request
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self._bucket = TokenBucket(self._limits.rate, self._limits.burst)
        self._refusals = Refusals(self._limits.refused_for)
        self._pauses = Pauses()
        self._unanswered = ""
        self._in_flight = 0
        self._in_doubt_until = float("-inf")
        self._quiet = asyncio.Event()
        self._quiet.set()

    def closed(self) -> str | None:
        """Why no write may start now; None if writes may start."""
        if self._time_left() < SHORTEST_SECONDS:
            return "not the leader"
        return self._stale()

    def problems(self) -> list[str]:
        """What prevents writes, one sentence each; empty if nothing does."""
        unanswered = [f"the API server does not answer requests: {self._unanswered}"] if self._unanswered else []
        now = self._clock()
        return unanswered + self._refusals.problems(now) + self._pauses.problems(now, self._wall())

    async def quiet(self, timeout: float) -> bool:  # noqa: ASYNC109
        """Wait until no request is under way. False if one is, or may be, after `timeout` seconds: the server may
        still carry out a request that timed out a moment ago."""
        try:
            async with asyncio.timeout(timeout):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return self._clock() >= self._in_doubt_until

    async def write(self, request: Request, *, attempts: int = 3) -> Json:
        """Send a write. Returns the object that the server answers with.

        Raises NotNow if the gate is closed, or if the write would have to wait for longer than `max_age`. Raises
        ApiError at once for a decision of the server, and for a transient failure after `attempts` tries with
        growing pauses, or fewer if the next would start too late. The server may have carried out a try that got
        no answer, so the write must be safe to repeat.
        """
        return await self._try(request, Answer.json, attempts, gated=True)

    async def read(self, request: Request, *, attempts: int = 3) -> Json:
        """Send a read. As `write`, but also allowed on a standby and with a stale picture."""
        return await self._try(request, Answer.json, attempts, gated=False)

    async def read_page(self, kind: Kind[R], request: Request, *, attempts: int = 3) -> Page[R]:
        """As `read`, for a page of a list of `kind`."""
        return await self._try(request, lambda answer: answer.page(kind), attempts, gated=False)

    async def _try(self, request: Request, made_of: Callable[[Answer], T], attempts: int, *, gated: bool) -> T:
        if gated and request.namespace and not self._scope.includes(request.namespace):
            raise OutOfScope(request)
        latest = self._clock() + self._limits.max_age
        failures = 0
        while True:
            await self._wait_for_turn(request, latest, gated)
            try:
                made = made_of(await self._send(request, gated))
                self._answered(request)
                return made
            except ApiError as error:
                self._note(request, error)
                failures += 1
                pause = self._pause(error, failures)
                if not error.transient or failures >= attempts or self._clock() + pause > latest:
                    raise
                await self._sleep(pause)

    async def _wait_for_turn(self, request: Request, latest: float, gated: bool) -> None:
        """Return when the request may start. Nothing is awaited between the last check and the return."""
        while True:
            now = self._clock()
            if refused := self._refusals.of(request, now):
                raise NotNow(*refused, refusal=True)
            if gated and (closed := self.closed()):
                raise NotNow(closed, 0.5)
            pause, turn = self._pauses.left(request, now), self._bucket.wait(now)
            if pause and now + pause > latest:
                raise NotNow(self._pauses.reason(request, now, self._wall()), pause)
            if now + turn > latest:
                raise NotNow(f"{request} would start too long after it was decided", 0.5)
            if not pause and not turn:
                self._bucket.take(now)
                return
            await self._sleep(max(pause, turn))

    async def _send(self, request: Request, gated: bool) -> Answer:
        timeout = min(self._limits.timeout, self._time_left()) if gated else self._limits.timeout
        async with self._under_way():
            return await exchange(self._client, request, timeout, self._on_request)

    @asynccontextmanager
    async def _under_way(self) -> AsyncIterator[None]:
        self._in_flight += 1
        self._quiet.clear()
        try:
            yield
        except BaseException as error:
            if not (isinstance(error, ApiError) and error.status):
                self._in_doubt_until = self._clock() + self._limits.timeout
            raise
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._quiet.set()

    def _answered(self, request: Request) -> None:
        if self._unanswered:
            _log.info("The API server answers again", extra=_fields(request))
            self._unanswered = ""
        if message := self._refusals.allowed(request):
            _log.info("%s", message, extra=_fields(request))

    def _note(self, request: Request, error: ApiError) -> None:
        """Record what concerns other requests too: a refusal, a Retry-After, an API server that does not
        answer."""
        now = self._clock()
        for message in (
            self._refusals.note(request, error, now),
            self._pauses.note(request, error, now, self._wall()),
        ):
            if message:
                _log.warning("%s", message, extra=_fields(request))
        if error.status:
            self._unanswered = ""
        elif not self._unanswered:
            self._unanswered = error.message
            _log.warning("No answer from the API server to %s: %s", request, error.message, extra=_fields(request))

    def _pause(self, error: ApiError, failures: int) -> float:
        """Seconds until the next try, and never sooner than the server asked."""
        return max(_BACK_OFF.pause(failures), min(error.retry_after or 0.0, LONGEST_SECONDS))


def _fields(request: Request) -> dict[str, str]:
    return request_fields(request.verb, request.resource, request.namespace)
