"""The loop: looks when something changed or when time alone may change an answer, decides about every Service,
carries out one thing at a time, and tells each policy's status."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from etpguard.assess import Assessment, Reason
from etpguard.kube import verbs
from etpguard.kube.backoff import Backoff
from etpguard.kube.errors import ApiError
from etpguard.kube.writes import NotNow, Writer
from etpguard.objects import Key
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY, CoveragePolicy
from etpguard.remediate import status
from etpguard.remediate.decide import Action, Case, Decision, Ledger, decide
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.execute import Disagreement, Executor, Refused
from etpguard.remediate.gather import Gatherer, Round, trial
from etpguard.remediate.ownership import MANAGER
from etpguard.remediate.reread import Changed, ServiceReader
from etpguard.remediate.telling import Announce, Count

_log = logging.getLogger(__name__)

SETTLE = 1.0
"""Seconds between two rounds at least."""
LOOK_AGAIN = 30.0
"""And at most: a look from time to time finds what no event told of."""
_STATUS_INTERVAL = 10.0
BACK_OFF = Backoff(10.0, 600.0, jitter=0.0)
"""How long a step that failed is put off."""

_ORDER = {
    Action.ROLL_BACK: 0,
    Action.NOTE_USER_ROLLBACK: 0,
    Action.NOTE_REVERT: 0,
    Action.FORGET: 0,
    Action.APPLY: 1,
    Action.DRY_RUN: 2,
}
"""What ends a change comes before what makes one."""

_SKIPPED = frozenset(
    {"GitOpsOwned", "NetworkPolicy", "SourceIPLossRefused", "HealthCheckPinned", "Drift", status.REFUSED}
)
"""What people should hear of in an Event: traffic is lost and etpguard stands by, or cannot do what is due."""


class _PutOff(NamedTuple):
    """Until when, and for how long that is, after how many failures in a row. `refused` is why the API server last
    did not take it, "" for a first failure, which may be a race."""

    until: float
    pause: float
    failures: int
    refused: str


class RemediationController:
    """`stale` says why nothing may be written, None if it may; `term` counts how often this process has come to
    lead; `clock` is monotonic, `wall` since the epoch."""

    def __init__(
        self,
        writer: Writer,
        reader: ServiceReader,
        cases: Gatherer,
        history: DwellHistory,
        executor: Executor,
        *,
        stale: Callable[[], str | None],
        announce: Announce,
        count: Count,
        term: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._cases = cases
        self._history = history
        self._executor = executor
        self._stale = stale
        self._announce = announce
        self._count = count
        self._term = term
        self._clock = clock
        self._wall = wall
        self._settle = SETTLE
        self._woken = asyncio.Event()
        self._taken_up: int | None = None
        self._told: dict[str, tuple[float, status.Json]] = {}
        self._skipped: dict[str, str] = {}
        self._put_off: dict[Key, _PutOff] = {}
        self._troubles: dict[str, str] = {}

    def offer(self, changed: Mapping[Key, Assessment | None]) -> None:
        """Something changed. Flaps are seen here, not only when the loop next looks."""
        if changed:
            self._cases.note(changed)
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`. Raises nothing that the API server does."""
        while not stop.is_set():
            self._woken.clear()
            again = LOOK_AGAIN
            try:
                again = await self.round()
            except NotNow as closed:
                again = closed.retry_in
            except ApiError as error:
                self._trouble("the reports", str(error))
            except Exception:
                # Whatever it is, it concerns remediation alone: to observe and to tell goes on.
                _log.exception("Remediation")
            await self._sleep(stop, min(again, LOOK_AGAIN))

    async def round(self) -> float:
        """One round of decisions; carries out at most one. Returns when to look again, in seconds. Raises NotNow
        and ApiError where the reports of a new term cannot be read."""
        blind = self._stale()
        reason = Reason("PictureNotFresh", blind) if blind else None
        began = time.perf_counter()
        round_ = self._cases.gather(reason, self._clock(), self._wall(), self._term())
        # On a large cluster a round takes its time, of which the loop's other work must have the most.
        self._settle = max(SETTLE, 10 * (time.perf_counter() - began))
        if self._writer.closed() is not None:
            return SETTLE
        if self._taken_up != self._term():
            # Another leader may have acted since, and nothing remembered counts any more.
            term = self._term()
            await self._take_up()
            self._taken_up = term
            return SETTLE
        now = self._wall()
        decisions = {key: _decided(case, round_.ledger, now) for key, case in round_.cases.items()}
        acted = await self._act(round_, decisions)
        told = {key: self._as_told(key, decision) for key, decision in decisions.items()}
        untold = await self._tell(round_, told)
        await self._tell_skipped(round_, told)
        if acted:
            return SETTLE
        waits = [untold, *(d.again for d in decisions.values() if d.again is not None)]
        waits += [p.until - self._clock() for p in self._put_off.values() if p.until > self._clock()]
        return max(SETTLE, min(waits, default=LOOK_AGAIN))

    async def _take_up(self) -> None:
        self._told.clear()
        now = self._clock()
        for report in await self._reader.remediations():
            remediation = report.remediation
            assert remediation is not None
            self._cases.memory.note(report.key, remediation, report.version, now, (remediation.service_uid, 0))

    async def _act(self, round_: Round, decisions: Mapping[Key, Decision]) -> bool:
        """Carry out what comes first; whether anything was tried. One at a time: the next rests on its outcome."""
        now = self._clock()
        self._put_off = {
            key: p for key, p in self._put_off.items() if p.until + 2 * p.pause > now and self._cases.known(key)
        }
        waiting = {key for key, put_off in self._put_off.items() if put_off.until > now}
        for key in self._cases.lost(now):
            if key not in waiting:
                if await self._guarded(key, "rebuild", self._executor.rebuild(self._cases.governing(key), key)):
                    self._put_off.pop(key, None)
                return True
        due = sorted((_ORDER[d.action], key) for key, d in decisions.items() if d.action in _ORDER)
        for _, key in due:
            if key not in waiting:
                case, decision = round_.cases[key], decisions[key]
                words = f"{decision.action.value} ({decision.reason})"
                done = await self._guarded(key, words, self._executor.carry_out(case, decision, round_.ledger))
                if done and decision.action is not Action.FORGET:  # that settles the try, and not why it failed
                    self._put_off.pop(key, None)
                if decision.action is Action.DRY_RUN and done and case.assessment is not None:
                    self._history.tried(case.service.uid, trial(case.assessment, case.governing))
                return True
        return False

    async def _guarded(self, key: Key, what: str, step: Awaitable[str]) -> bool:
        """Whether it was done. What fails is put off, each time for longer, and nothing else with it; but a gate
        that closes meanwhile says nothing about the object."""
        before = self._put_off.get(key)
        refused = before.refused if before else ""
        try:
            came_of_it = await step
        except Disagreement as changed:
            # What the dwell was counted on is not so.
            self._history.interrupt(key, None)
            _log.info("%s: %s: not done: %s", key, what, changed)
        except Changed as changed:
            _log.info("%s: %s: not done: %s", key, what, changed)
        except NotNow as closed:
            _log.info("%s: %s: not now: %s", key, what, closed.reason)
            if not closed.refusal:
                return False
            refused = closed.reason
        except (Refused, ApiError) as error:
            if isinstance(error, Refused) or error.status:  # without an answer, nobody refused anything
                refused = str(error)
            _log.warning("%s: %s: failed: %s", key, what, error)
        else:
            _log.info("%s: %s: %s", key, what, came_of_it)
            return True
        failures = before.failures + 1 if before else 1
        pause = BACK_OFF.pause(failures)
        self._put_off[key] = _PutOff(self._clock() + pause, pause, failures, refused if before else "")
        return False

    def _as_told(self, key: Key, decision: Decision) -> Decision:
        """The decision; where the API server keeps it from being carried out, that."""
        put_off = self._put_off.get(key)
        if put_off is None or not put_off.refused or decision.action is Action.NONE:
            return decision
        words = f"could not {decision.action.value}: {put_off.refused}"
        return Decision(Action.NONE, Reason(status.REFUSED, words), policy=decision.policy)

    async def _tell(self, round_: Round, decisions: Mapping[Key, Decision]) -> float:
        """Write the statuses that differ; in how many seconds there may be one to write that waits now."""
        now = self._clock()
        again = LOOK_AGAIN
        for policy in round_.policies:
            if policy.deleting:
                continue
            wanted = status.policy_status(policy, round_, decisions, self._wall())
            at, told = self._told.get(policy.uid, (float("-inf"), None))
            standing = told if told is not None else policy.status
            if not status.differs(standing, wanted):
                continue
            if now < at + _STATUS_INTERVAL:
                again = min(again, at + _STATUS_INTERVAL - now)
                continue
            # Remembered even where it fails: so often, and no more, is it tried.
            self._told[policy.uid] = (now, wanted)
            try:
                await self._write_status(policy, wanted, standing)
                self._trouble("statuses of policies", "")
            except (ApiError, NotNow) as error:
                self._told[policy.uid] = (now, standing or {})
                self._trouble("statuses of policies", str(error))
        kept = {policy.uid for policy in round_.policies}
        self._told = {uid: told for uid, told in self._told.items() if uid in kept}
        return again

    def _trouble(self, about: str, what: str) -> None:
        """Said once for as long as it lasts."""
        if what and self._troubles.get(about) != what:
            _log.warning("Remediation: %s: %s", about, what)
        self._troubles[about] = what

    async def _write_status(
        self, policy: CoveragePolicy, wanted: status.Json, standing: status.Json | None
    ) -> None:
        kind = COVERAGE_POLICY if policy.metadata.namespace else CLUSTER_COVERAGE_POLICY
        stamp = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = status.body(wanted, standing, stamp)
        request = verbs.apply(kind, policy.key, body, subresource="status", uid=policy.uid, manager=MANAGER)
        try:
            await self._writer.write(request, attempts=1)
        except ApiError as error:
            if error.status != 409 and (error.status != 404 or error.kind_absent):
                raise

    async def _tell_skipped(self, round_: Round, decisions: Mapping[Key, Decision]) -> None:
        uids = {case.service.uid for case in round_.cases.values()}
        self._skipped = {uid: code for uid, code in self._skipped.items() if uid in uids}
        for key, decision in decisions.items():
            service, code = round_.cases[key].service, decision.reason.code
            if decision.action is not Action.NONE or code not in _SKIPPED:
                put_off = self._put_off.get(key)
                if put_off is None or not put_off.refused:  # else the same refusal may be met again
                    self._skipped.pop(service.uid, None)
            elif self._skipped.get(service.uid) != code:
                self._skipped[service.uid] = code
                self._count("apply", "skipped")
                await self._announce(service, "RemediationSkipped", False, str(decision.reason))

    async def _sleep(self, stop: asyncio.Event, seconds: float) -> None:
        """At least `SETTLE`, so that a burst of events is one round; then until woken, stopped or due."""
        stopping = asyncio.create_task(stop.wait())
        waking = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait([stopping], timeout=max(min(seconds, SETTLE), self._settle))
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


def _decided(case: Case, ledger: Ledger, now: float) -> Decision:
    """The decision; none about a Service whose policies are of a form that nobody foresaw: the others go on."""
    try:
        return decide(case, ledger, now)
    except (ValueError, ArithmeticError, LookupError) as error:
        _log.exception("%s", case.service.key)
        return Decision(Action.NONE, Reason("Undecidable", str(error)))
