"""The loop of remediation: gathers the facts, decides about every Service, lets `StepRunner` carry out one step,
and writes the status of each policy.

A round follows each change, and each time at which an answer may change without one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping

from cronsim import CronSimError

from etpguard.assess import Assessment
from etpguard.kube.errors import ApiError
from etpguard.kube.failures import Failures
from etpguard.kube.writes import NotNow, Writer
from etpguard.objects import SERVICE_COVERAGE, Key
from etpguard.objects.log_fields import action_fields, request_fields, service_fields
from etpguard.objects.text import describe
from etpguard.remediate import reasons
from etpguard.remediate.decide import Action, Decision, decide
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.errors import Changed
from etpguard.remediate.events import Announcer, Count
from etpguard.remediate.execute import Executor
from etpguard.remediate.facts import Case, Ledger
from etpguard.remediate.gather import Gatherer
from etpguard.remediate.other_network_policies import OtherNetworkPolicies
from etpguard.remediate.pacing import Pacing
from etpguard.remediate.policy_statuses import PolicyStatuses
from etpguard.remediate.reread import ServiceReader
from etpguard.remediate.round_time import RoundTime
from etpguard.remediate.skips import Skips
from etpguard.remediate.step_runner import StepRunner
from etpguard.remediate.turns import Turns

_log = logging.getLogger(__name__)


OF_VALUES = (ValueError, OverflowError, CronSimError)
"""What the parsers of schedules, times and amounts raise for a value of a policy that they cannot evaluate."""
_ROUND = "all Services"
"""Names a round in the log of failures."""


class RemediationController:
    """`stale` says why nothing may be written, None if it may. `term` counts how often this process became the
    leader. `of_cluster_policies`: see `PolicyStatuses`. `clock` is monotonic; the time of `wall` begins with each
    round."""

    def __init__(
        self,
        writer: Writer,
        reader: ServiceReader,
        gatherer: Gatherer,
        history: DwellHistory,
        executor: Executor,
        other_policies: OtherNetworkPolicies,
        *,
        stale: Callable[[], str | None],
        announcer: Announcer,
        count: Count,
        term: Callable[[], int],
        failures: Failures | None = None,
        clock: Callable[[], float],
        wall: RoundTime,
        pacing: Pacing | None = None,
        of_cluster_policies: bool = True,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._gatherer = gatherer
        self._other_policies = other_policies
        self._discovered_at = float("-inf")
        self._stale = stale
        self._term = term
        self._clock = clock
        self._wall = wall
        self._pacing = pacing or Pacing()
        self._failures = failures = failures or Failures()
        self._failed_rounds = 0
        self._settle = self._pacing.settle
        self._statuses = PolicyStatuses(
            writer,
            self._pacing.status_interval,
            self._pacing.longest_turn,
            clock,
            wall,
            failures,
            of_cluster_policies,
        )
        self._steps = StepRunner(gatherer, history, executor, failures, self._pacing, clock)
        self._woken = asyncio.Event()
        self._remembered_term: int | None = None
        self._skips = Skips(announcer, count, self._pacing.longest_announcing, clock, self._pacing.backoff.pause)
        self._problem = ""

    def offer(self, changed: Mapping[Key, Assessment | None], touched: Collection[Key] = ()) -> None:
        """Take in changes. A Service that needs no remediation for a moment between two rounds is noted here."""
        if changed:
            self._gatherer.note(changed)
        self._woken.set()

    def etcd_restored(self) -> None:
        """Forget what was read and written of a history that is undone; what was spent stays spent."""
        self._reader.etcd_restored()
        self._remembered_term = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`. It raises no error of the API server."""
        while not stop.is_set():
            self._woken.clear()
            again = self._pacing.look_again
            try:
                again = await self.round()
                self._problem = ""
                self._failed_rounds = 0
                self._failures.settled("remediation", _ROUND)
            except NotNow as closed:
                again = closed.retry_in
            except (ApiError, Changed) as error:
                if str(error) != self._problem:
                    _log.warning(
                        "Cannot read the reports: %s",
                        error,
                        extra=request_fields("list", SERVICE_COVERAGE.resource, ""),
                    )
                self._problem = str(error)
            except Exception as error:
                # Whatever it is, it concerns remediation alone: the operator goes on to observe and to publish.
                self._failures.note("remediation", _ROUND, error)
                self._failed_rounds += 1
                self._settle = max(self._settle, self._pacing.backoff.pause(self._failed_rounds))
            await self._sleep(stop, min(again, self._pacing.look_again))

    async def round(self) -> float:
        """One round of decisions. Carries out one step at most. Returns in how many seconds the next round is due.
        Raises NotNow, Changed and ApiError where the reports of a new term cannot be read."""
        if self._writer.closed() is None:
            await self._discover()
        self._wall.begin()
        stale = self._stale()
        blind = reasons.PICTURE_NOT_FRESH.because(stale) if stale else None
        turns = Turns(self._pacing.longest_turn, self._clock)
        round_ = await turns.run(self._gatherer.steps(blind, self._clock(), self._wall(), self._term()))
        busy = turns.total()
        self._settle = self._rest(busy)
        if self._writer.closed() is not None:
            return self._pacing.look_again
        if self._remembered_term != self._term():
            # Another leader may have acted since, so what is remembered no longer counts.
            term = self._term()
            self._statuses.clear()
            await self._reader.remember_all()
            self._remembered_term = term
            return self._pacing.settle
        now = self._wall()
        turns = Turns(self._pacing.longest_turn, self._clock)
        decisions = {}
        for key, case in round_.cases.items():
            decisions[key] = self._decided(case, round_.ledger, now)
            await turns.pause()
        self._settle = self._rest(busy + turns.total())
        acted = await self._steps.run_next(round_, decisions)
        reported = {key: self._steps.with_refusal(key, decision) for key, decision in decisions.items()}
        status_wait = await self._statuses.write(round_, reported)
        unsaid = await self._skips.announce(round_, reported, self._steps.refusal, now)
        if acted or unsaid:
            return self._pacing.settle
        waits = [decision.again for decision in decisions.values() if decision.again is not None]
        waits += self._steps.pauses()
        waits += [] if status_wait is None else [status_wait]
        return max(self._pacing.settle, min(waits, default=self._pacing.look_again))

    def _rest(self, busy: float) -> float:
        """The least pause after a round that worked for `busy` seconds. On a large cluster a round takes a while,
        and the rest of the operator needs most of the event loop. But a machine that stood still meanwhile must
        not put the next round off by many times as long."""
        return min(max(self._pacing.settle, self._pacing.busy_share * busy), self._pacing.look_again)

    async def _discover(self) -> None:
        """At intervals, find out which other kinds of network policy the API server serves."""
        now = self._clock()
        if now < self._discovered_at + self._pacing.discover_every:
            return
        self._discovered_at = now
        try:
            self._other_policies.discovered(await self._reader.other_network_policies())
        except (ApiError, NotNow) as error:
            # What was found last still holds; before the first time, policies with Refuse leave all alone.
            self._discovered_at = now - self._pacing.discover_every + self._pacing.look_again
            _log.warning(
                "Cannot discover other kinds of network policy: %s", error, extra=action_fields("discover")
            )

    def _decided(self, case: Case, ledger: Ledger, now: float) -> Decision:
        """The decision. No action for a Service about which etpguard fails to decide."""
        key = case.service.key
        try:
            return decide(case, ledger, now)
        except Exception as error:
            self._failures.note("remediation", f"the decision about Service {key}", error, service_fields(key))
            if isinstance(error, OF_VALUES):
                return Decision(Action.NONE, reasons.UNDECIDABLE.because(str(error)))
            return Decision(Action.NONE, reasons.DECISION_FAILED.because(describe(error)))

    async def _sleep(self, stop: asyncio.Event, seconds: float) -> None:
        """Sleep for `settle` at least; then until a change, the end, the time at which the next round is due, or
        until writes may start that might not before."""
        closed = self._writer.closed() is not None
        stopping = asyncio.create_task(stop.wait())
        waking = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait([stopping], timeout=max(min(seconds, self._pacing.settle), self._settle))
            left = max(0.0, seconds - self._settle)
            while not stop.is_set():
                step = min(left, self._pacing.settle) if closed else left
                done, _ = await asyncio.wait([stopping, waking], timeout=step, return_when=asyncio.FIRST_COMPLETED)
                left -= step
                if done or left <= 0 or (closed and self._writer.closed() is None):
                    break
        finally:
            for task in (stopping, waking):
                task.cancel()
            await asyncio.gather(stopping, waking, return_exceptions=True)
