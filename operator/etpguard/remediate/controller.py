"""The loop of remediation: gathers the facts, decides about every Service, carries out one step at a time, and
writes the status of each policy.

A round follows each change, and each time at which an answer may change without one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from etpguard.assess import Assessment
from etpguard.kube.backoff import Backoff
from etpguard.kube.errors import ApiError
from etpguard.kube.failures import Failures
from etpguard.kube.token_bucket import TokenBucket
from etpguard.kube.writes import NotNow, Writer
from etpguard.objects import SERVICE_COVERAGE, Key
from etpguard.objects.log_fields import action_fields, request_fields, service_fields
from etpguard.remediate import reasons
from etpguard.remediate.decide import Action, Decision, decide
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.errors import Changed, Refused
from etpguard.remediate.events import Announcer, Count
from etpguard.remediate.execute import Disagreement, Executor
from etpguard.remediate.facts import Case, Ledger, Round
from etpguard.remediate.gather import Gatherer, trial
from etpguard.remediate.other_network_policies import OtherNetworkPolicies
from etpguard.remediate.policy_statuses import PolicyStatuses
from etpguard.remediate.postponed import Postponed
from etpguard.remediate.reread import ServiceReader
from etpguard.remediate.skips import Skips
from etpguard.remediate.turns import Turns

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pacing:
    """Seconds between two rounds: `settle` at least, so that a burst of events is one round, and `look_again` at
    most, since an answer may change without an event. `busy_share`: a round that takes long is followed by a pause
    of that many times its length, and holds the event loop for `longest_turn` at a time. `status_interval`:
    between two writes of one policy's status. `discover_every`: between two looks at the kinds of network policy
    that the API server serves. `backoff`: after a step that failed. `rebuild_every`: between two records that are
    rebuilt, after a first `rebuild_burst`."""

    settle: float = 1.0
    look_again: float = 30.0
    busy_share: float = 10.0
    longest_turn: float = 0.01
    status_interval: float = 10.0
    discover_every: float = 300.0
    rebuild_every: float = 10.0
    rebuild_burst: float = 3.0
    backoff: Backoff = field(default=Backoff(first=10.0, longest=600.0, jitter=0.0))


_ORDER = {
    Action.ROLL_BACK: 0,
    Action.NOTE_USER_ROLLBACK: 0,
    Action.NOTE_REVERT: 0,
    Action.FORGET: 0,
    Action.APPLY: 1,
    Action.DRY_RUN: 2,
}
"""Steps that end a remediation come before steps that begin one."""

_ROUND = "all Services"
"""Names a round in the log of failures."""


class RemediationController:
    """`stale` says why nothing may be written, None if it may. `term` counts how often this process became the
    leader. `clock` is monotonic, `wall` gives seconds since the epoch."""

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
        wall: Callable[[], float],
        pacing: Pacing | None = None,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._gatherer = gatherer
        self._history = history
        self._executor = executor
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
            writer, self._pacing.status_interval, self._pacing.longest_turn, clock, wall, failures
        )
        self._postponed = Postponed(self._pacing.backoff.pause)
        self._rebuilds = TokenBucket(1 / self._pacing.rebuild_every, self._pacing.rebuild_burst)
        self._woken = asyncio.Event()
        self._remembered_term: int | None = None
        self._skips = Skips(announcer, count)
        self._problem = ""

    def offer(self, changed: Mapping[Key, Assessment | None], touched: Collection[Key] = ()) -> None:
        """Take in changes. A flap between two rounds is seen here."""
        if changed:
            self._gatherer.note(changed)
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`. Raises nothing of the API server's."""
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
        """One round of decisions; carries out one step at most. Returns in how many seconds the next is due.
        Raises NotNow, Changed and ApiError where the reports of a new term cannot be read."""
        if self._writer.closed() is None:
            await self._discover()
        stale = self._stale()
        blind = reasons.PICTURE_NOT_FRESH.because(stale) if stale else None
        turns = Turns(self._pacing.longest_turn, self._clock)
        round_ = await turns.run(self._gatherer.steps(blind, self._clock(), self._wall(), self._term()))
        # On a large cluster a round takes a while, and the rest of the operator needs most of the event loop.
        self._settle = max(self._pacing.settle, self._pacing.busy_share * turns.total())
        if self._writer.closed() is not None:
            return self._pacing.settle
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
        self._settle += self._pacing.busy_share * turns.total()
        acted = await self._act(round_, decisions)
        reported = {key: self._with_refusal(key, decision) for key, decision in decisions.items()}
        status_wait = await self._statuses.write(round_, reported)
        await self._skips.announce(round_, reported, self._postponed.refusal)
        if acted:
            return self._pacing.settle
        waits = [decision.again for decision in decisions.values() if decision.again is not None]
        waits += self._postponed.pauses(self._clock())
        waits += [] if status_wait is None else [status_wait]
        return max(self._pacing.settle, min(waits, default=self._pacing.look_again))

    async def _discover(self) -> None:
        """Look now and then which other kinds of network policy the API server serves."""
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

    async def _act(self, round_: Round, decisions: Mapping[Key, Decision]) -> bool:
        """Carry out the first step that is due; whether one was tried. One at a time: the next depends on it."""
        now = self._clock()
        self._postponed.expire(self._gatherer.known, now)
        due = sorted((_ORDER[d.action], key) for key, d in decisions.items() if d.action in _ORDER)
        for _, key in due:
            if not self._postponed.waits(key, now):
                await self._carry_out(round_, key, decisions[key])
                return True
        return round_.ledger.blind is None and await self._rebuild(now)

    async def _rebuild(self, now: float) -> bool:
        """Make one lost record again. It comes last, and not often: anyone who may edit Services can make Services
        that look as if a record were lost."""
        for key in self._gatherer.lost():
            if not self._postponed.waits(key, now) and not self._rebuilds.take(now):
                step = self._executor.rebuild(self._gatherer.governing(key), key)
                if await self._try(key, "rebuild the record", step):
                    self._postponed.done(key)
                return True
        return False

    async def _carry_out(self, round_: Round, key: Key, decision: Decision) -> None:
        case = round_.cases[key]
        step = self._executor.carry_out(case, decision, round_.ledger)
        done = await self._try(key, f"{decision.action.value} ({decision.reason})", step)
        # A discarded intent ends the try, and not the cause of its failure.
        if done and decision.action is not Action.FORGET:
            self._postponed.done(key)
        if done and decision.action is Action.DRY_RUN and case.assessment is not None:
            self._history.tried(case.service.uid, trial(case.assessment, case.governing))

    async def _try(self, key: Key, what: str, step: Awaitable[str]) -> bool:
        """Whether the step was done. A step that fails is postponed, each time for longer, and nothing else with
        it. A gate that closes meanwhile is not the object's fault and postpones nothing."""
        refused = ""
        fields = service_fields(key, action=what)
        try:
            result = await step
        except Disagreement as changed:
            # The dwell was counted on facts that do not hold.
            self._history.interrupt(key, None)
            _log.info("%s: %s: not done: %s", key, what, changed, extra=fields)
        except Changed as changed:
            _log.info("%s: %s: not done: %s", key, what, changed, extra=fields)
        except NotNow as closed:
            _log.info("%s: %s: not now: %s", key, what, closed.reason, extra=fields)
            if not closed.refusal:
                if closed.retry_in > self._pacing.settle:  # the API server asked for a pause of this kind of write
                    self._postponed.wait(key, closed.retry_in, self._clock())
                return False
            refused = closed.reason
        except (Refused, ApiError) as error:
            if isinstance(error, Refused) or error.status:  # without an answer, nobody refused anything
                refused = str(error)
            _log.warning("%s: %s: failed: %s", key, what, error, extra=fields)
        except Exception as error:
            # The step of one Service: without this, each round ends here, and no other Service is remediated.
            self._failures.note("remediation", f"Service {key}", error, fields)
        else:
            self._failures.settled("remediation", f"Service {key}")
            if result:
                _log.info("%s: %s: %s", key, what, result, extra=fields)
            return True
        self._postponed.failed(key, refused, self._clock())
        return False

    def _decided(self, case: Case, ledger: Ledger, now: float) -> Decision:
        """The decision; none about a Service whose policies have a value that etpguard cannot evaluate."""
        key = case.service.key
        try:
            return decide(case, ledger, now)
        except Exception as error:
            self._failures.note("remediation", f"the decision about Service {key}", error, service_fields(key))
            return Decision(Action.NONE, reasons.UNDECIDABLE.because(str(error)))

    def _with_refusal(self, key: Key, decision: Decision) -> Decision:
        """The decision; where the API server refuses to let it be carried out, that refusal."""
        refusal = self._postponed.refusal(key)
        if not refusal or decision.action is Action.NONE:
            return decision
        why = reasons.REFUSED.because(f"could not {decision.action.value}: {refusal}")
        return Decision(Action.NONE, why, policy=decision.policy)

    async def _sleep(self, stop: asyncio.Event, seconds: float) -> None:
        """At least `settle`; then until woken, stopped or due."""
        stopping = asyncio.create_task(stop.wait())
        waking = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait([stopping], timeout=max(min(seconds, self._pacing.settle), self._settle))
            if not stop.is_set():
                await asyncio.wait(
                    [stopping, waking],
                    timeout=max(0.0, seconds - self._settle),
                    return_when=asyncio.FIRST_COMPLETED,
                )
        finally:
            for task in (stopping, waking):
                task.cancel()
            await asyncio.gather(stopping, waking, return_exceptions=True)
