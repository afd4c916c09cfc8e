"""Leader election by a Lease: only its holder writes.

This is not kubernetes.aio.leaderelection (37.0). That one judges another candidate's Lease by the wall clock, so a
clock set forward on one standby makes two leaders, and no option changes it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from etpguard.kube.errors import ApiError
from etpguard.kube.exchange import Client, exchange
from etpguard.kube.failures import Failures
from etpguard.kube.on_request import OnRequest, uncounted
from etpguard.kube.stopping import stopped_within
from etpguard.kube.verbs import Request
from etpguard.objects import Key, Reject, decode_item
from etpguard.objects.leases import LEASE, Lease
from etpguard.objects.text import describe
from etpguard.objects.times import micro_time

_log = logging.getLogger(__name__)

SHUTDOWN = "shutting down"


def boot_clock() -> float:
    """Seconds of a clock that also counts while the machine is suspended, where the system has one. A leader that
    was suspended must know that its Lease ran out."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds. The defaults are those of client-go; a shorter `lease` shortens all in proportion.

    `write_timeout` is the time-out of a write. It is shorter where the write would not end `margin` before the
    Lease expires. `patience`: how long a candidate may be unfit before it leaves the Lease to others. It is longer
    than the minute that a watch may take to start.
    """

    lease: int = 15
    renew_deadline: float = 10.0
    retry: float = 2.0
    margin: float = 2.0
    write_timeout: float = 10.0
    patience: float = 120.0

    @classmethod
    def of(cls, lease: int) -> Timing:
        """Raises ValueError below 3 s: one slow request would lose the Lease."""
        if lease < 3:
            raise ValueError(f"a lease of {lease} s is too short: 3 s at least")
        short = min(2.0, lease * 2 / 15)
        return cls(lease, lease * 2 / 3, short, short, min(10.0, lease * 2 / 3), lease * 8.0)


class Elector:
    """One candidate. `identity` must be unique to this process: a restarted container is another candidate.

    `unfit` says whether this replica could not write even as the leader, because its picture is stale for example.
    If that lasts, the replica gives up the Lease, so that another one can lead. Without this it would renew the
    Lease for ever.

    `clock` is monotonic and decides everything. `wall`, in seconds since the epoch, only stamps the Lease.
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
        on_request: OnRequest = uncounted,
        failures: Failures | None = None,
        clock: Callable[[], float] = boot_clock,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.leading = False
        self.term = 0
        """How many times this process has become the leader."""
        self.holder = ""
        """The identity of the last holder seen, "" for none."""
        self.problem = ""
        """Why the last request for the Lease failed; "" if it did not."""
        self._client = client
        self._key = lease
        self._fields = {"namespace": lease.namespace, "lease": lease.name, "identity": identity}
        self._identity = identity
        self._timing = timing or Timing()
        self._unfit = unfit
        self._unfit_since: float | None = None
        self._on_change = on_change
        self._on_request = on_request
        self._failures = failures or Failures()
        self._clock = clock
        self._wall = wall
        self._renewed = float("-inf")
        self._known: Lease | None = None
        self._seen_at = 0.0
        self._followed = ""

    def time_left(self) -> float:
        """How long a write that starts now may take, in seconds: it must end `margin` before the Lease expires.
        The time of the Lease counts from the moment at which the last successful renewal was sent. 0.0 where this
        replica does not lead."""
        safe_until = self._renewed + self._timing.lease - self._timing.margin
        return max(0.0, safe_until - self._clock()) if self.leading else 0.0

    async def run(
        self,
        stop: asyncio.Event,
        quiet: Callable[[float], Awaitable[bool]] | None = None,
        why: Callable[[], str] = lambda: SHUTDOWN,
    ) -> None:
        """Compete for the Lease until `stop`, then release it. `why` gives the reason, for the log. May be called
        again after it ended.

        `quiet(seconds)` waits for the writes under way. If one may still reach the API server, the Lease is not
        released: it expires by itself.
        """
        try:
            while not stop.is_set():
                await self._turn(quiet)
                await stopped_within(stop, self._interval())
        finally:
            await self._leave(why(), quiet)

    async def _turn(self, quiet: Callable[[float], Awaitable[bool]] | None = None) -> None:
        """One look at the Lease. After any failure the next turn tries again."""
        try:
            eligible = self._eligible()  # in each turn: it records since when the replica is unfit
            if self.leading and not eligible:
                await self._leave("this replica could not write for too long", quiet)
            await self._round()
            self._failures.settled("lease", str(self._key))
        except Exception as error:
            # An unexpected failure counts as a request without an answer: the leader leads until its Lease
            # expires.
            self.problem = f"Lease {self._key}: {describe(error)}"
            self._failures.note("lease", str(self._key), error)
        if self.leading and self._clock() >= self._renewed + self._timing.renew_deadline:
            self._lead(False, "the Lease could not be renewed in time")

    def _eligible(self) -> bool:
        """Whether this replica may lead: it is fit, or it has been unfit only for a short time."""
        if not self._unfit():
            self._unfit_since = None
            return True
        if self._unfit_since is None:
            self._unfit_since = self._clock()
        return self._clock() < self._unfit_since + self._timing.patience

    def _interval(self) -> float:
        """A standby looks more often than the holder renews, so that a hand-over is quick."""
        base = self._timing.retry if self.leading else min(1.0, self._timing.retry)
        return base * random.uniform(0.9, 1.1)  # noqa: S311  not a secret

    async def _round(self) -> None:
        try:
            try:
                await self._compete()
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                self._known = None  # another candidate was faster, or the Lease was deleted: read it again
                await self._compete()
            self.problem = ""
        except ApiError as error:
            if error.status == 409:
                self._known = None
            if not self.problem:
                _log.warning("Lease %s: %s", self._key, error, extra=self._fields)
            self.problem = f"Lease {self._key}: {error}"

    async def _compete(self) -> None:
        if not self.leading or self._known is None:
            await self._look()
        self.holder = self._known.holder if self._known else ""
        if self.leading and self.holder != self._identity:
            self._lead(False, f"{self.holder or 'nobody'} holds the Lease")
        if (self.holder in ("", self._identity) or self._ran_out()) and self._eligible():
            await self._take()
        elif self.holder not in ("", self._identity, self._followed):
            self._followed = self.holder
            _log.info("Standing by: %s leads", self.holder, extra=self._fields)

    def _ran_out(self) -> bool:
        """Whether the Lease has expired, by the local clock. The time counts from when this replica first saw the
        last renewal, which is later than when it was sent."""
        return self._known is None or self._clock() >= self._seen_at + self._known.seconds

    async def _look(self) -> None:
        try:
            answer = await self._request("GET")
        except ApiError as error:
            if error.status != 404:
                raise
            found = None
        else:
            found = _decoded(answer)
        if found is None or self._known is None or found.metadata != self._known.metadata:
            self._seen_at = self._clock()
        self._known = found

    async def _take(self) -> None:
        """Renew or acquire the Lease. The resourceVersion in the request lets only one of several candidates
        succeed."""
        sent = self._clock()
        held = self._known
        renewal = held is not None and held.holder == self._identity
        now = micro_time(self._wall())
        await self._put(
            {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._timing.lease,
                "acquireTime": (held.acquired if held and renewal else "") or now,
                "renewTime": now,
                "leaseTransitions": (held.transitions if held else 0) + (0 if renewal or held is None else 1),
            }
        )
        self._renewed = max(self._renewed, sent)
        self.holder = self._identity
        if not self.leading:
            self._lead(True, "")

    async def _put(self, spec: dict[str, Any]) -> None:
        version = {"resourceVersion": self._known.metadata.resource_version or ""} if self._known else {}
        metadata = {"name": self._key.name, "namespace": self._key.namespace, **version}
        lease = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
        self._known = _decoded(await self._request("PUT" if self._known else "POST", lease))
        self._seen_at = self._clock()

    async def _request(self, method: str, body: Any = None) -> bytes:
        verb = {"GET": "get", "PUT": "update", "POST": "create"}[method]
        path = LEASE.path_in(self._key.namespace) if method == "POST" else LEASE.path_of(self._key)
        request = Request(verb, LEASE.resource, self._key.namespace, self._key.name, method, path, (), body)
        # Two requests without an answer fit into the renew deadline.
        timeout = self._timing.renew_deadline / 2 - self._timing.retry / 2
        return (await exchange(self._client, request, timeout, self._on_request)).body

    def _lead(self, leading: bool, why: str) -> None:
        self.leading = leading
        self._followed = ""
        if leading:
            self.term += 1
            _log.info("Leading as %s", self._identity, extra=self._fields)
        else:
            _log.log(
                logging.INFO if why == SHUTDOWN else logging.WARNING,
                "No longer leading: %s",
                why,
                extra=self._fields,
            )
        self._on_change(leading)

    async def _leave(self, why: str, quiet: Callable[[float], Awaitable[bool]] | None) -> None:
        if not self.leading:
            return
        self._lead(False, why)
        if quiet is not None and not await quiet(min(3.0, self._timing.write_timeout)):
            _log.warning(
                "Lease %s is not released, it runs out: a write is still under way", self._key, extra=self._fields
            )
            return
        if self._known is None:
            return
        now = micro_time(self._wall())
        released = {
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "acquireTime": self._known.acquired or now,
            "renewTime": now,
            "leaseTransitions": self._known.transitions,
        }
        try:
            await self._put(released)
        except ApiError as error:
            _log.warning("Lease %s could not be released: %s", self._key, error, extra=self._fields)


def _decoded(answer: bytes) -> Lease:
    """Raises ApiError for an answer that is no Lease."""
    try:
        found = decode_item(LEASE, answer)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ApiError(0, "Malformed", f"the answer is no Lease: {error}") from None
    if isinstance(found, Reject):
        raise ApiError(0, "Malformed", found.message)
    return found
