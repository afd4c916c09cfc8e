"""The loop: looks when something changed or when time alone may change an answer, decides about every Service,
carries out one thing at a time, and tells each policy's status."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from etpguard.assess import Assessment, Reason
from etpguard.kube import verbs
from etpguard.kube.exchange import ApiError
from etpguard.kube.writes import NotNow, Writer
from etpguard.objects import Key
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY, CoveragePolicy
from etpguard.remediate import status
from etpguard.remediate.cases import Cases, Round, trial
from etpguard.remediate.decide import Action, Case, Decision, decide
from etpguard.remediate.execute import Announce, Executor
from etpguard.remediate.history import History
from etpguard.remediate.ownership import MANAGER

_log = logging.getLogger(__name__)

_SETTLE = 1.0
"""Seconds between two rounds at least."""
_LOOK_AGAIN = 30.0
"""And at most: a look from time to time finds what no event told of."""
_STATUS_INTERVAL = 10.0
_AFTER_FAILURE = 30.0

_ORDER = {
    Action.ROLL_BACK: 0,
    Action.NOTE_USER_ROLLBACK: 0,
    Action.NOTE_REVERT: 0,
    Action.FORGET: 0,
    Action.APPLY: 1,
    Action.DRY_RUN: 2,
}
"""What ends a change comes before what makes one."""

_SKIPPED = frozenset({"GitOpsOwned", "NetworkPolicy", "SourceIPLossRefused", "HealthCheckPinned", "Drift"})
"""Exclusions that people should hear of in an Event: traffic is being lost, and etpguard stands by."""


class Remediator:
    """`stale` says why nothing may be written, None if it may; `clock` is monotonic, `wall` since the epoch."""

    def __init__(
        self,
        writer: Writer,
        cases: Cases,
        history: History,
        executor: Executor,
        *,
        stale: Callable[[], str | None],
        announce: Announce,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._writer = writer
        self._cases = cases
        self._history = history
        self._executor = executor
        self._stale = stale
        self._announce = announce
        self._clock = clock
        self._wall = wall
        self._woken = asyncio.Event()
        self._told: dict[str, tuple[float, status.Json]] = {}
        self._skipped: dict[str, str] = {}
        self._failed: dict[Key, float] = {}

    def offer(self, changed: Mapping[Key, Assessment | None]) -> None:
        """Something changed. Flaps are seen here, not only when the loop next looks."""
        if changed:
            self._cases.note(changed)
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`. Raises nothing that the API server does."""
        while not stop.is_set():
            self._woken.clear()
            again = _LOOK_AGAIN
            try:
                again = await self._round()
            except NotNow as closed:
                again = closed.retry_in
            except ApiError as error:
                _log.warning("Remediation: %s", error)
                again = _AFTER_FAILURE
            await self._sleep(stop, min(again, _LOOK_AGAIN))

    async def _round(self) -> float:
        """One round of decisions; carries out at most one. Returns when to look again, in seconds."""
        blind = self._stale()
        round_ = self._cases.gather(
            Reason("PictureNotFresh", blind) if blind else None, self._clock(), self._wall()
        )
        now = self._wall()
        decisions = {key: decide(case, round_.ledger, now) for key, case in round_.cases.items()}
        if self._writer.closed() is not None:
            return _SETTLE
        for key in self._cases.lost():
            _log.info("%s: %s", key, await self._executor.rebuild(key))
        await self._tell(round_, decisions)
        await self._tell_skipped(round_, decisions)
        due = sorted(
            (_ORDER[d.action], key)
            for key, d in decisions.items()
            if d.action in _ORDER and self._failed.get(key, 0.0) <= self._clock()
        )
        if due:
            key = due[0][1]
            await self._carry_out(key, round_.cases[key], decisions[key], round_)
            return _SETTLE
        waits = [d.again for d in decisions.values() if d.again is not None]
        return max(_SETTLE, min(waits, default=_LOOK_AGAIN))

    async def _carry_out(self, key: Key, case: Case, decision: Decision, round_: Round) -> None:
        try:
            came_of_it = await self._executor.carry_out(case, decision, round_.ledger)
        except (ApiError, NotNow):
            self._failed[key] = self._clock() + _SETTLE
            raise
        _log.info("%s: %s (%s): %s", key, decision.action.value, decision.reason, came_of_it or "nothing to do")
        if decision.action is Action.DRY_RUN and case.assessment is not None:
            self._history.tried(case.service.uid, trial(case.assessment))
        # The watch may not have told yet of what was just written.
        self._failed[key] = self._clock() + (_SETTLE if not came_of_it.startswith("not done") else _AFTER_FAILURE)

    async def _tell(self, round_: Round, decisions: Mapping[Key, Decision]) -> None:
        now = self._clock()
        for policy in round_.policies:
            if policy.deleting:
                continue
            wanted = status.policy_status(policy, round_, decisions)
            at, told = self._told.get(policy.uid, (float("-inf"), None))
            standing = told if told is not None else policy.status
            if not status.differs(standing, wanted) or now < at + _STATUS_INTERVAL:
                continue
            await self._write_status(policy, wanted, standing)
            self._told[policy.uid] = (now, wanted)
        kept = {policy.uid for policy in round_.policies}
        self._told = {uid: told for uid, told in self._told.items() if uid in kept}

    async def _write_status(
        self, policy: CoveragePolicy, wanted: status.Json, standing: status.Json | None
    ) -> None:
        kind = COVERAGE_POLICY if policy.metadata.namespace else CLUSTER_COVERAGE_POLICY
        stamp = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = status.body(wanted, standing, stamp)
        request = verbs.apply(kind, policy.key, body, subresource="status", uid=policy.uid, manager=MANAGER)
        try:
            await self._writer.write(request)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def _tell_skipped(self, round_: Round, decisions: Mapping[Key, Decision]) -> None:
        for key, decision in decisions.items():
            service, code = round_.cases[key].service, decision.reason.code
            if decision.action is not Action.NONE or code not in _SKIPPED:
                self._skipped.pop(service.uid, None)
            elif self._skipped.get(service.uid) != code:
                self._skipped[service.uid] = code
                await self._announce(service, "RemediationSkipped", False, str(decision.reason))

    async def _sleep(self, stop: asyncio.Event, seconds: float) -> None:
        """At least `_SETTLE`, so that a burst of events is one round; then until woken, stopped or due."""
        stopping = asyncio.create_task(stop.wait())
        waking = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait([stopping], timeout=min(seconds, _SETTLE))
            if not stop.is_set():
                await asyncio.wait(
                    [stopping, waking],
                    timeout=max(0.0, seconds - _SETTLE),
                    return_when=asyncio.FIRST_COMPLETED,
                )
        finally:
            for task in (stopping, waking):
                task.cancel()
            await asyncio.gather(stopping, waking, return_exceptions=True)
