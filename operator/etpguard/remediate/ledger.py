"""The Ledger over all Cases: how many Services need remediation, and how much of the budgets is used. Pure; the
caller gives times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from etpguard.assess import Assessment
from etpguard.objects import Key, Remediation, times
from etpguard.objects.policies import Budget, CoveragePolicy, TriggerIf
from etpguard.remediate import breakers
from etpguard.remediate.decide import unasked_rollback
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.facts import ROLLBACK_BUDGET, Case, Ledger, Share, in_need
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.spent import IntentAges

Spent = dict[tuple[str, float], float]
"""By Service uid and recorded time: when an intent counts."""


@dataclass(frozen=True, slots=True)
class OperatorLimits:
    """The operator's own limits, in addition to those of each policy: --max-remediations and --breaker."""

    budget: Budget = field(default_factory=Budget)
    breaker: TriggerIf = field(default_factory=TriggerIf)
    rollback_budget: Budget = field(default=ROLLBACK_BUDGET)
    rollback_breaker: TriggerIf = field(default_factory=TriggerIf)
    """Of automatic rollbacks. `storm_cooldown_seconds` is how long the first one waits."""
    orphaned_seconds: float = 30.0
    """Before a rollback for a deleted policy: a tool may delete it and create it again."""


class LedgerKeeper:
    """`assessments` are those of the Services in scope."""

    def __init__(
        self,
        assessments: Mapping[Key, Assessment],
        history: DwellHistory,
        memory: RemediationMemory,
        limits: OperatorLimits,
        ages: IntentAges,
    ) -> None:
        self._assessments = assessments
        self._history = history
        self._memory = memory
        self._limits = limits
        self._ages = ages
        self._charged: dict[str, set[str]] = {}
        """By the uid of a Service: the policies whose budgets its intents counted for."""
        self._rolled_back: dict[str, dict[float, bool]] = {}
        """By the uid of a Service: the times of rollbacks, and whether each has ended. The record shows only its
        last phase, and others can begin another one (see `Rollback.rebuild`)."""

    def steps(
        self,
        cases: Mapping[Key, Case],
        policies: Mapping[str, CoveragePolicy],
        matched: Mapping[str, list[Key]],
        monotonic: float,
        wall: float,
    ) -> Generator[None, None, Ledger]:
        """The ledger over `cases`, with a yield after each policy. `policies` and `matched`, the Services that
        each selects, are by uid. Times as in `Gatherer.gather`."""
        shares: dict[str, Share] = {}
        applied: dict[str, Spent] = defaultdict(dict)
        spent = {key: self._spent(case.remediation, monotonic, wall) for key, case in cases.items()}
        needy = {key for key, case in cases.items() if in_need(case.assessment, case.governing)}
        members: dict[str, Collection[Key]] = {
            uid: [k for k in keys if k in cases] for uid, keys in matched.items()
        }
        members[""] = cases.keys()
        for uid, keys in members.items():
            yield
            many = sum(key in needy for key in keys)
            trigger = policies[uid].spec.remediation.trigger_if if uid else self._limits.breaker
            # The operator's breaker counts all Services that it assesses: a common cause ends at no policy.
            of = len(matched[uid]) if uid else len(self._assessments)
            many += 0 if uid else self._losing_beside(needy)
            tripped = self._history.note_breaker(uid, many > breakers.most(trigger, of), monotonic)
            shares[uid] = Share(many, of, None if tripped is None else wall - (monotonic - tripped))
            for key in keys:
                if spent[key]:
                    self._charged.setdefault(cases[key].service.uid, set()).add(uid)
        for key, case in cases.items():
            if spent[key] and case.governing:
                # A Service that is not assessed now is no member of its policies; their budgets are spent as well.
                self._charged[case.service.uid].update(policy.uid for policy in case.governing.policies)
            if case.remediation is not None:
                self._charge(case.remediation, spent[key], applied)
        departed = self._memory.departed()
        for gone in departed:
            self._charge(gone, self._spent(gone, monotonic, wall), applied)
        known = {*(case.service.uid for case in cases.values()), *(gone.service_uid for gone in departed)}
        known |= self._rolled_back.keys()
        self._ages.forget(known)
        self._charged = {uid: charged for uid, charged in self._charged.items() if uid in known}
        return Ledger(
            shares=shares,
            applied={uid: tuple(found.values()) for uid, found in applied.items()},
            budget=self._limits.budget,
            breaker=self._limits.breaker,
            namespaces=self._by_namespace(needy, monotonic, wall),
            rollbacks=tuple(self._rollbacks(cases.values(), monotonic, wall)),
            rollback_share=self._rollback_share(cases.values(), monotonic, wall),
            rollback_budget=self._limits.rollback_budget,
            rollback_breaker=self._limits.rollback_breaker,
        )

    def _charge(self, record: Remediation, spent: Spent, applied: dict[str, Spent]) -> None:
        """Count the intents of a record for the operator, for the policy that decided, and for each other policy
        that they ever counted for."""
        decided = {record.policy.uid} if record.policy else set()
        for uid in {"", *decided, *self._charged.get(record.service_uid, ())}:
            applied[uid] |= spent

    def _spent(self, record: Remediation | None, monotonic: float, wall: float) -> Spent:
        """The times at which the intents of a record count, for budgets."""
        return self._ages.times(record.service_uid, intents(record), monotonic, wall) if record else {}

    def _rollbacks(self, cases: Iterable[Case], monotonic: float, wall: float) -> Iterator[float]:
        """The times of the rollbacks that still count for the rollback budget: when each began, or when it
        ended."""
        for record in (case.remediation for case in cases):
            at = times.parse(record.since) if record is not None else None
            if record is not None and at is not None and record.phase in ("RollingBack", "RolledBack"):
                ended = record.phase == "RolledBack"
                before = self._rolled_back.get(record.service_uid, {})
                # What was begun has ended: it is one rollback, with a new time.
                kept = {time: end for time, end in before.items() if end}
                self._rolled_back[record.service_uid] = {**kept, at: ended}
        since = wall - self._limits.rollback_budget.per_seconds
        for uid, known in list(self._rolled_back.items()):
            for recorded, counts in self._ages.times(uid, known, monotonic, wall).items():
                if counts > since:
                    yield counts
                else:
                    del known[recorded[1]]
            if not known:
                del self._rolled_back[uid]

    def _rollback_share(self, cases: Iterable[Case], monotonic: float, wall: float) -> Share:
        remediated = [c for c in cases if c.remediation and c.remediation.in_force_for(c.service.uid)]
        due = sum(unasked_rollback(case, wall) for case in remediated)
        most = breakers.most(self._limits.rollback_breaker, len(remediated))
        since = self._history.rollback_storm(due > most, monotonic)
        return Share(due, len(remediated), None if since is None else wall - (monotonic - since))

    def _by_namespace(self, needy: Collection[Key], monotonic: float, wall: float) -> dict[str, Share]:
        """What counts for the operator's circuit breaker in each namespace: its own Services in full, and of every
        other namespace at most half of what the breaker allows. Where that is none, other namespaces count one
        each if they are two or more. So no single other namespace can open it.

        A Service that loses requests counts although no policy selects it: a label that excludes all nodes from
        load balancers is a common cause like any other."""
        of = len(self._assessments)
        most = breakers.most(self._limits.breaker, of)
        counts: dict[str, int] = defaultdict(int)
        for key, assessment in self._assessments.items():
            counts[key.namespace] += key in needy or assessment.outcome.loses_requests
        affected = sum(many > 0 for many in counts.values())
        cap = most // 2
        capped = sum(min(many, cap) for many in counts.values())
        found = {}
        for namespace, own in counts.items():
            others = capped - min(own, cap)
            if not cap:
                others = affected - (own > 0)
                others = others if others >= 2 else 0
            tripped = self._history.note_breaker(f"namespace/{namespace}", own + others > most, monotonic)
            found[namespace] = Share(own + others, of, None if tripped is None else wall - (monotonic - tripped))
        return found

    def _losing_beside(self, needy: Collection[Key]) -> int:
        """How many Services lose traffic, apart from those that the policies select."""
        return sum(
            assessment.outcome.loses_requests and key not in needy for key, assessment in self._assessments.items()
        )


def intents(remediation: Remediation | None) -> list[float]:
    found = map(times.parse, remediation.intents if remediation else ())
    return [time for time in found if time is not None]
