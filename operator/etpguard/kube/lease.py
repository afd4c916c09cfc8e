"""Leader election by a Lease: only its holder writes.

Not kubernetes.aio.leaderelection of 37.0: it times another's lease by the wall clock, so that a clock set
forward on one standby makes two leaders, and nothing handed to it can change that. Its other faults (a failed
connection ends it, no time-outs, naive local time written as UTC, no release, no word of when a renewal was
sent) could have been worked around.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from etpguard.kube.errors import ApiError
from etpguard.kube.exchange import Client, OnRequest, exchange
from etpguard.kube.verbs import Request
from etpguard.objects import Key

_log = logging.getLogger(__name__)

_GROUP_PATH = "/apis/coordination.k8s.io/v1/namespaces"
_RESOURCE = "leases.coordination.k8s.io"
_API_VERSION = "coordination.k8s.io/v1"
_BY_INTENT = "shutting down"


def boot_clock() -> float:
    """Seconds that also pass while the machine is suspended, where the system has such a clock: a leader that
    slept must know that its Lease ran out."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds. The defaults are those of client-go; a shorter `lease` shortens all in proportion.

    `margin` is kept free at the lease's end: a write must be over, time-out included, before it. `patience` is
    how long a candidate may be unfit before it leaves the Lease to others: longer than the minute that a watch may
    take to begin.
    """

    lease: int = 15
    renew_deadline: float = 10.0
    retry: float = 2.0
    margin: float = 2.0
    write_timeout: float = 10.0
    patience: float = 120.0

    @classmethod
    def of(cls, lease: int) -> Timing:
        """Raises ValueError below 3 s, where a slow request alone would cost the lead."""
        if lease < 3:
            raise ValueError(f"a lease of {lease} s is too short: 3 s at least")
        short = min(2.0, lease * 2 / 15)
        return cls(lease, lease * 2 / 3, short, short, min(10.0, lease * 2 / 3), lease * 8.0)


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    lease_transitions: int | None = None


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Lease(msgspec.Struct, frozen=True):
    metadata: _Meta
    spec: _Spec | None = None


class Elector:
    """One candidate. `identity` must be this process's alone: a restarted container is another candidate.

    `unfit` tells whether it could not write even as the leader (its picture is stale, say). Where that lasts, a
    replica for which it is not so is the better leader, while renewals alone would keep the Lease for ever.
    """

    def __init__(
        self,
        client: Client,
        lease: Key,
        identity: str,
        *,
        timing: Timing | None = None,
        unfit: Callable[[], bool] = lambda: False,
        on_change: Callable[[bool], None] = lambda leading: None,
        on_request: OnRequest = lambda verb, resource, status: None,
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self.leading = False
        self.term = 0
        """How often this process has become the leader."""
        self.holder = ""
        """The last holder seen, "" for none."""
        self.problem = ""
        """Why the last try failed, in words; "" if it did not."""
        self._client = client
        self._key = lease
        self._identity = identity
        self._timing = timing or Timing()
        self._unfit = unfit
        self._unfit_since: float | None = None
        self._on_change = on_change
        self._on_request = on_request
        self._clock = clock
        self._renewed = float("-inf")
        self._known: _Lease | None = None
        self._seen_at = 0.0

    def may_start(self, timeout: float) -> bool:
        """Whether a write with that time-out may start now: its end must lie before the Lease's, counted from
        when the last successful renewal was sent, by the margin at least."""
        safe_until = self._renewed + self._timing.lease - self._timing.margin
        return self.leading and self._clock() + timeout < safe_until

    async def run(self, stop: asyncio.Event, quiet: Callable[[float], Awaitable[bool]] | None = None) -> None:
        """Stand for election until `stop`, then hand the Lease over.

        `quiet(seconds)` waits for writes under way. While one may still reach the API server the Lease is not
        handed over but runs out.
        """
        try:
            while not stop.is_set():
                await self._turn(quiet)
                await _sleep_or(stop, self._interval())
        finally:
            await self._leave(_BY_INTENT, quiet)

    async def _turn(self, quiet: Callable[[float], Awaitable[bool]] | None = None) -> None:
        stands = self._stands()  # asked for at each turn, so that it is known since when it is not
        if self.leading and not stands:
            await self._leave("it has been unable to write for too long", quiet)
        await self._round()

    def _stands(self) -> bool:
        """Whether it is a candidate: it is fit, or has not been unfit for long."""
        if not self._unfit():
            self._unfit_since = None
            return True
        if self._unfit_since is None:
            self._unfit_since = self._clock()
        return self._clock() < self._unfit_since + self._timing.patience

    def _interval(self) -> float:
        """A standby looks more often than the holder renews, which makes a hand-over quick."""
        base = self._timing.retry if self.leading else min(1.0, self._timing.retry)
        return base * random.uniform(0.9, 1.1)  # noqa: S311  not a secret

    async def _round(self) -> None:
        try:
            try:
                await self._compete()
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                self._known = None  # another was quicker, or the Lease was deleted: read it again
                await self._compete()
            self.problem = ""
        except (ApiError, msgspec.MsgspecError) as error:
            if isinstance(error, ApiError) and error.status == 409:
                self._known = None
            if not self.problem:
                _log.warning("Lease %s: %s", self._key, error)
            self.problem = f"Lease {self._key}: {error}"
        if self.leading and self._clock() >= self._renewed + self._timing.renew_deadline:
            self._lead(False, "it could not be renewed in time")

    async def _compete(self) -> None:
        if not self.leading or self._known is None:
            await self._look()
        spec = (self._known and self._known.spec) or _Spec()
        self.holder = spec.holder_identity or ""
        if self.leading and self.holder != self._identity:
            self._lead(False, f"{self.holder or 'nobody'} holds it")
        if (self.holder in ("", self._identity) or self._run_out(spec)) and self._stands():
            await self._take(spec)

    def _run_out(self, spec: _Spec) -> bool:
        """By our own clock since its holder's last renewal was first *seen*, which is later than it was sent."""
        length = max(spec.lease_duration_seconds or 0, 1)
        return self._clock() >= self._seen_at + length

    async def _look(self) -> None:
        try:
            answer = await self._request("GET")
        except ApiError as error:
            if error.status != 404:
                raise
            found = None
        else:
            found = msgspec.json.decode(answer, type=_Lease)
        if found is None or self._known is None or found.metadata != self._known.metadata:
            self._seen_at = self._clock()
        self._known = found

    async def _take(self, spec: _Spec) -> None:
        """Renew or acquire. The resourceVersion makes sure that only one of several candidates succeeds."""
        sent = self._clock()
        now = _micro_time()
        ours = spec.holder_identity == self._identity
        body: dict[str, Any] = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._timing.lease,
            "acquireTime": spec.acquire_time if ours and spec.acquire_time else now,
            "renewTime": now,
            "leaseTransitions": (spec.lease_transitions or 0) + (0 if ours or self._known is None else 1),
        }
        await self._put(body)
        self._renewed = max(self._renewed, sent)
        self.holder = self._identity
        if not self.leading:
            self._lead(True, "")

    async def _put(self, spec: dict[str, Any]) -> None:
        version = {"resourceVersion": self._known.metadata.resource_version} if self._known else {}
        metadata = {"name": self._key.name, "namespace": self._key.namespace, **version}
        lease = {"apiVersion": _API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}
        answer = await self._request("PUT" if self._known else "POST", lease)
        self._known = msgspec.json.decode(answer, type=_Lease)
        self._seen_at = self._clock()

    async def _request(self, method: str, body: Any = None) -> bytes:
        verb = {"GET": "get", "PUT": "update", "POST": "create"}[method]
        path = f"{_GROUP_PATH}/{self._key.namespace}/leases"
        if method != "POST":
            path += f"/{self._key.name}"
        request = Request(verb, _RESOURCE, self._key.namespace, self._key.name, method, path, (), body)
        # Two silent tries fit into the renew deadline.
        timeout = self._timing.renew_deadline / 2 - self._timing.retry / 2
        return (await exchange(self._client, request, timeout, self._on_request)).body

    def _lead(self, leading: bool, why: str) -> None:
        self.leading = leading
        if leading:
            self.term += 1
            _log.info("Leading as %s", self._identity)
        else:
            _log.log(logging.INFO if why == _BY_INTENT else logging.WARNING, "No longer leading: %s", why)
        self._on_change(leading)

    async def _leave(self, why: str, quiet: Callable[[float], Awaitable[bool]] | None) -> None:
        if not self.leading:
            return
        self._lead(False, why)
        if quiet is not None and not await quiet(min(3.0, self._timing.write_timeout)):
            _log.warning("Lease %s is left to run out: a write is still under way", self._key)
            return
        if self._known is None:
            return
        spec = self._known.spec or _Spec()
        released = {
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "acquireTime": spec.acquire_time or _micro_time(),
            "renewTime": _micro_time(),
            "leaseTransitions": spec.lease_transitions or 0,
        }
        try:
            await self._put(released)
        except (ApiError, msgspec.MsgspecError) as error:
            _log.warning("Lease %s could not be handed over: %s", self._key, error)


async def _sleep_or(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
