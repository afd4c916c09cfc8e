"""Carries out the steps of remediation, one at a time, and postpones those that fail."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from etpguard.kube.errors import ApiError
from etpguard.kube.failures import Failures
from etpguard.kube.token_bucket import TokenBucket
from etpguard.kube.writes import NotNow
from etpguard.objects import Key
from etpguard.objects.log_fields import service_fields
from etpguard.remediate import reasons
from etpguard.remediate.decide import Action, Decision
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.errors import Changed, Refused
from etpguard.remediate.execute import Disagreement, Executor
from etpguard.remediate.facts import Round
from etpguard.remediate.gather import Gatherer, trial
from etpguard.remediate.pacing import Pacing
from etpguard.remediate.postponed import Postponed

_log = logging.getLogger(__name__)

_ORDER = {
    Action.ROLL_BACK: 0,
    Action.NOTE_USER_ROLLBACK: 0,
    Action.NOTE_REVERT: 0,
    Action.FORGET: 0,
    Action.WITHDRAW: 0,
    Action.APPLY: 1,
    Action.NOTE_POLICY: 2,
    Action.DRY_RUN: 3,
}
"""Steps that end a remediation come before steps that begin one, and what changes no Service comes last."""


class StepRunner:
    """Runs the steps that decisions ask for. `clock` is monotonic."""

    def __init__(
        self,
        gatherer: Gatherer,
        history: DwellHistory,
        executor: Executor,
        failures: Failures,
        pacing: Pacing,
        clock: Callable[[], float],
    ) -> None:
        self._gatherer = gatherer
        self._history = history
        self._executor = executor
        self._failures = failures
        self._pacing = pacing
        self._clock = clock
        self._postponed = Postponed(pacing.backoff.pause)
        self._rebuilds = TokenBucket(1 / pacing.rebuild_every, pacing.rebuild_burst)

    async def run_next(self, round_: Round, decisions: Mapping[Key, Decision]) -> bool:
        """Carry out the first step that is due. Only one, because the decision about the next step depends on it.
        Returns whether one was tried.

        Of the Services to remediate, the one that has been in need for longest comes first. By name, one namespace
        could use up each slot of a shared budget."""
        now = self._clock()
        self._postponed.expire(self._gatherer.known, now)
        since = {key: round_.cases[key].in_need_since or 0.0 for key in decisions}
        due = sorted((_ORDER[d.action], since[key], key) for key, d in decisions.items() if d.action in _ORDER)
        for _, _, key in due:
            if not self._postponed.waits(key, now):
                await self._carry_out(round_, key, decisions[key])
                return True
        return round_.ledger.blind is None and await self._rebuild(now)

    def pauses(self) -> list[float]:
        """In how many seconds each postponed step may be tried again."""
        return self._postponed.pauses(self._clock())

    def refusal(self, key: Key) -> str:
        """Why the API server refuses the step of this Service, "" if it does not."""
        return self._postponed.refusal(key)

    def with_refusal(self, key: Key, decision: Decision) -> Decision:
        """The decision, or the refusal where the API server refuses the step that it asks for."""
        refusal = self.refusal(key)
        if not refusal or decision.action is Action.NONE:
            return decision
        why = reasons.REFUSED.because(f"could not {decision.action.value}: {refusal}")
        return Decision(Action.NONE, why, policy=decision.policy)

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
        # What is discarded or withdrawn ends the try, and not the cause of its failure.
        if done and decision.action not in (Action.FORGET, Action.WITHDRAW):
            self._postponed.done(key)
        if done and decision.action is Action.DRY_RUN and case.assessment is not None:
            self._history.tried(case.service.uid, trial(case.assessment, case.governing))

    async def _try(self, key: Key, what: str, step: Awaitable[str]) -> bool:
        """Run the step. Returns whether it was done. A step that fails is postponed, each time for longer; steps
        of other Services are not. Where the gate of writes closes meanwhile, nothing is postponed."""
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
