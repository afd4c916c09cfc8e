"""From the picture to what `decide` asks for: a Case for each Service that a policy selects or that is remediated,
and the Ledger over them. Reads, and changes nothing but the notes of `DwellHistory`. Pure; the caller gives
times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace

from etpguard.assess import Assessment, Outcome, Reason
from etpguard.assess.consumers.metallb import sharing
from etpguard.cluster import Picture
from etpguard.objects import NAMESPACE, SERVICE, SERVICE_COVERAGE, AnyKind, Key, Remediation, times
from etpguard.objects.policies import (
    CLUSTER_COVERAGE_POLICY,
    COVERAGE_POLICY,
    Budget,
    CoveragePolicy,
    TriggerIf,
)
from etpguard.objects.scope import EVERYWHERE, NamespaceScope
from etpguard.remediate import address_filters, hold_off, reasons
from etpguard.remediate.decide import unasked_rollback
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.facts import Case, Ledger, Round, Share, in_need
from etpguard.remediate.memory import CREATED_AGAIN, RemediationMemory
from etpguard.remediate.other_network_policies import OtherNetworkPolicies
from etpguard.remediate.ownership import MANAGER, owner
from etpguard.remediate.policy import Governing, PolicyIndex, amount, governing, together
from etpguard.remediate.shared_probes import SharedProbes
from etpguard.remediate.spent import IntentAges

BLIND_SECONDS = 120.0
"""After a longer time without a recent picture each dwell starts again. The start of a watch may take a "
"minute."""

Spent = dict[tuple[str, float], float]
"""By Service uid and recorded time: when an intent counts."""

_LOST = frozenset({Outcome.Blackhole, Outcome.Outage})


@dataclass(frozen=True, slots=True)
class OperatorLimits:
    """The operator's own limits, beside every policy's: --max-remediations and --breaker."""

    budget: Budget = field(default_factory=Budget)
    breaker: TriggerIf = field(default_factory=TriggerIf)
    rollback_budget: Budget = field(default=Budget(services="10", per_seconds=600))
    rollback_breaker: TriggerIf = field(default_factory=TriggerIf)
    """Of rollbacks that nobody asked for. `storm_cooldown_seconds` is how long the first one waits."""


class Gatherer:
    """`served` says which kinds exist and may be listed."""

    def __init__(
        self,
        picture: Picture,
        assessments: Mapping[Key, Assessment],
        history: DwellHistory,
        memory: RemediationMemory,
        limits: OperatorLimits,
        scope: NamespaceScope = EVERYWHERE,
        served: Callable[[AnyKind], bool] = lambda kind: True,
        ages: IntentAges | None = None,
        other_policies: OtherNetworkPolicies | None = None,
    ) -> None:
        self._picture = picture
        self._every_assessment = assessments
        self._assessments = scope.select(assessments)
        self._history = history
        self._memory = memory
        self._limits = limits
        self._scope = scope
        self._served = served
        self._ages = ages or IntentAges()
        self._other_policies = other_policies or OtherNetworkPolicies(())
        self._blind_since: float | None = None

    def gather(self, blind: Reason | None, monotonic: float, wall: float, term: int = 0) -> Round:
        """`monotonic` is the time of the history's clock, `wall` the seconds since the epoch at the same moment;
        `term` is the leadership that the ledger is for."""
        steps = self.steps(blind, monotonic, wall, term)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                found: Round = done.value
                return found

    def steps(
        self, blind: Reason | None, monotonic: float, wall: float, term: int = 0
    ) -> Generator[None, None, Round]:
        """As `gather`, with a yield after each Service and each policy, so that the caller can let others "
        "run."""
        picture = self._picture
        policies = self._policies()
        by_uid = {policy.uid: policy for policy in policies}
        # A kind that cannot be read looks like one without objects: as if every policy had been deleted.
        for kind in (COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY, SERVICE_COVERAGE):
            if reason := picture.unread.get(kind):
                blind = blind or reasons.NOT_READABLE.because(reason)
        remediations = dict(self._memory.remediations())
        blind = blind or self._absence(remediations)
        self._note_blindness(blind is not None, monotonic)
        self._ages.begin(term, wall)
        index = PolicyIndex(policies, namespace_labels(picture))
        by_address = address_filters.by_namespace(picture)
        probes = SharedProbes(self._every_assessment.values() if policies else ())
        cases: dict[Key, Case] = {}
        matched: dict[str, list[Key]] = defaultdict(list)
        everyone = {*self._assessments, *remediations} if policies else remediations.keys()
        for key in sorted(everyone):
            service = picture.get(SERVICE, key)
            if service is None or not self._scope.includes(key.namespace):
                continue
            assessment, remediation = self._assessments.get(key), remediations.get(key)
            yield
            selecting = index.selecting(service)
            if assessment is not None:
                for policy in selecting:
                    matched[policy.uid].append(key)
            rules = index.governing(selecting)
            if not selecting and remediation is None:
                continue
            since = self._history.observe(key, assessment, rules, monotonic)
            ref = remediation.policy if remediation else None
            tried = assessment is not None and self._history.was_tried(service.uid, trial(assessment, rules))
            asked = probes.of(service)
            case = Case(
                service=service,
                assessment=assessment,
                governing=rules,
                remediation=remediation,
                recorded_policy=by_uid.get(ref.uid) if ref else None,
                in_need_since=None if since.in_need is None else wall - (monotonic - since.in_need),
                covered_since=None if since.covered is None else wall - (monotonic - since.covered),
                dry_run_done=tried,
                namespace_terminating=self._terminating(key.namespace),
                namespace_unread=NAMESPACE in picture.unread,
                record_unreadable=self._unreadable(key),
                behind=self._memory.behind(service),
                owner=owner(service),
                probed_by=asked.same_namespace,
                probed_from_elsewhere=asked.elsewhere,
                shares_address_with=sharing(service, picture),
                # No check asks for it before the Service needs remediation.
                network_policy=address_filters.refusal(
                    picture, service, by_address.get(key.namespace, ()), self._other_policies
                )
                if since.in_need is not None
                else "",
                former_reverts=self._memory.former_reverts(key),
            )
            cases[key] = refreshed(case, remediation)
        self._history.forget(cases)
        made = yield from self._ledger(cases, by_uid, matched, monotonic, wall)
        ledger = replace(made, blind=blind, term=term)
        return Round(cases, ledger, policies, {uid: tuple(keys) for uid, keys in matched.items()})

    def note(self, changed: Mapping[Key, Assessment | None]) -> None:
        """Services changed between two rounds: one that does not need remediation even for a moment starts its
        dwell again."""
        for key, assessment in changed.items():
            self._history.interrupt(key, assessment)

    def known(self, key: Key) -> bool:
        """Whether there is a Service of that name."""
        return self._picture.get(SERVICE, key) is not None

    def lost(self) -> list[Key]:
        """Services that etpguard changed, by their field managers, and of which no record says so.

        Anyone who may edit a Service can write such a manager. Therefore a policy must govern the Service, or a
        former record of the same Service must be known.
        """
        candidates = []
        for service in self._picture.store(SERVICE):
            if service.policy == "Local" or MANAGER not in service.managers:
                continue
            if not self._scope.includes(service.key.namespace) or self._memory.behind(service):
                continue
            remediation = self._memory.remediation(service.key)
            if self._unreadable(service.key) or (remediation and remediation.stands_for(service.uid)):
                continue
            candidates.append(service)
        if not candidates:
            return []  # each round comes here, and the index reads every policy
        index = PolicyIndex(self._policies(), namespace_labels(self._picture))
        return [
            service.key
            for service in candidates
            if ((former := self._memory.former(service)) and former.stands_for(service.uid))
            or together(index.selecting(service))
        ]

    def governing(self, key: Key) -> Governing | None:
        """The policies that govern a Service, assessed or not."""
        service = self._picture.get(SERVICE, key)
        return governing(service, self._policies(), namespace_labels(self._picture)) if service else None

    def _absence(self, remediations: Mapping[Key, Remediation]) -> Reason | None:
        """Why an absent kind means that nothing can be decided. It looks like a kind without objects: as if every
        policy, or every record, had been deleted."""
        in_force = any(record.stands_for(record.service_uid) for record in remediations.values())
        for kind in (SERVICE_COVERAGE, COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY):
            if (kind == SERVICE_COVERAGE or in_force) and not self._served(kind):
                return reasons.NOT_READABLE.because(f"{kind.resource} is not served")
        return None

    def _unreadable(self, key: Key) -> bool:
        report = self._picture.get(SERVICE_COVERAGE, key)
        return report is not None and report.remediation_unreadable

    def _policies(self) -> tuple[CoveragePolicy, ...]:
        return (*self._picture.store(COVERAGE_POLICY), *self._picture.store(CLUSTER_COVERAGE_POLICY))

    def _note_blindness(self, blind: bool, monotonic: float) -> None:
        if self._blind_since is not None and monotonic - self._blind_since > BLIND_SECONDS:
            self._history.start_over()
        if not blind:
            self._blind_since = None
        elif self._blind_since is None:
            self._blind_since = monotonic

    def _terminating(self, name: str) -> bool:
        namespace = self._picture.get(NAMESPACE, Key("", name))
        return namespace is not None and namespace.deleting

    def _ledger(
        self,
        cases: Mapping[Key, Case],
        policies: Mapping[str, CoveragePolicy],
        matched: Mapping[str, list[Key]],
        monotonic: float,
        wall: float,
    ) -> Generator[None, None, Ledger]:
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
            most = amount(trigger.uncovered_services_less_than_or_equal_to, of)
            tripped = self._history.share(uid, many > most, monotonic)
            shares[uid] = Share(many, of, None if tripped is None else wall - (monotonic - tripped))
            for key in keys:
                applied[uid] |= spent[key]
        for key, case in cases.items():
            ref = case.remediation.policy if case.remediation else None
            if ref is not None and (ref.uid not in matched or key not in members[ref.uid]):
                applied[ref.uid] |= spent[key]
        departed = self._memory.departed()
        for gone in departed:
            times_spent = self._spent(gone, monotonic, wall)
            for uid in {"", gone.policy.uid if gone.policy else ""}:
                applied[uid] |= times_spent
        self._ages.forget([c.service.uid for c in cases.values()] + [gone.service_uid for gone in departed])
        return Ledger(
            shares=shares,
            applied={uid: tuple(found.values()) for uid, found in applied.items()},
            budget=self._limits.budget,
            breaker=self._limits.breaker,
            namespaces=self._by_namespace(needy, monotonic, wall),
            rollbacks=tuple(rollbacks(cases.values())),
            rollback_share=self._rollback_share(cases.values(), monotonic, wall),
            rollback_budget=self._limits.rollback_budget,
            rollback_breaker=self._limits.rollback_breaker,
        )

    def _spent(self, record: Remediation | None, monotonic: float, wall: float) -> Spent:
        """The times at which the intents of a record count, for budgets."""
        return self._ages.times(record.service_uid, intents(record), monotonic, wall) if record else {}

    def _rollback_share(self, cases: Iterable[Case], monotonic: float, wall: float) -> Share:
        remediated = [c for c in cases if c.remediation and c.remediation.stands_for(c.service.uid)]
        due = sum(unasked_rollback(case, wall) for case in remediated)
        most = amount(self._limits.rollback_breaker.uncovered_services_less_than_or_equal_to, len(remediated))
        since = self._history.rollback_storm(due > most, monotonic)
        return Share(due, len(remediated), None if since is None else wall - (monotonic - since))

    def _by_namespace(self, needy: Collection[Key], monotonic: float, wall: float) -> dict[str, Share]:
        """What counts for the operator's circuit breaker in each namespace: its own Services in full, and of every
        other namespace at most half of what the breaker allows. Where that is none, other namespaces count one
        each if they are two or more. So no other namespace alone can open it."""
        of = len(self._assessments)
        most = amount(self._limits.breaker.uncovered_services_less_than_or_equal_to, of)
        counts: dict[str, int] = defaultdict(int)
        for key, assessment in self._assessments.items():
            counts[key.namespace] += key in needy or assessment.outcome in _LOST
        affected = sum(many > 0 for many in counts.values())
        cap = most // 2
        capped = sum(min(many, cap) for many in counts.values())
        found = {}
        for namespace, own in counts.items():
            others = capped - min(own, cap)
            if not cap:
                others = affected - (own > 0)
                others = others if others >= 2 else 0
            tripped = self._history.share(f"namespace/{namespace}", own + others > most, monotonic)
            found[namespace] = Share(own + others, of, None if tripped is None else wall - (monotonic - tripped))
        return found

    def _losing_beside(self, needy: Collection[Key]) -> int:
        """How many Services lose traffic beside those that their policies select."""
        return sum(
            assessment.outcome in _LOST and key not in needy for key, assessment in self._assessments.items()
        )


def namespace_labels(picture: Picture) -> dict[str, Mapping[str, str]]:
    """The labels of each known namespace."""
    return {namespace.metadata.name: namespace.labels for namespace in picture.store(NAMESPACE)}


def trial(assessment: Assessment, rules: Governing | None) -> str:
    """What a dry run was about: it is repeated when this changes."""
    return f"{assessment.outcome.name} {rules.versions if rules else ''}"


def intents(remediation: Remediation | None) -> list[float]:
    found = map(times.parse, remediation.intents if remediation else ())
    return [time for time in found if time is not None]


def rollbacks(cases: Iterable[Case]) -> list[float]:
    """When rollbacks began or ended, by the records."""
    records = (case.remediation for case in cases)
    found = (times.parse(r.since) for r in records if r and r.phase in ("RollingBack", "RolledBack"))
    return [time for time in found if time is not None]


def held_off(remediation: Remediation | None, governing: Governing | None) -> bool:
    if remediation is None or remediation.phase != "RolledBackByUser":
        return False
    return hold_off.holds(remediation.held_for, governing.policies if governing else ())


def refreshed(case: Case, remediation: Remediation | None) -> Case:
    """The case with the record as it is now. A record of another Service, which had the same name, is not part of
    this one's history."""
    mine = remediation if remediation is not None and remediation.service_uid == case.service.uid else None
    reverts = list(dict.fromkeys((*case.former_reverts, *(mine.reverts if mine else ()))))
    # A Service that is created again once may be a new installation. What does it again undoes the remediation.
    if first := next((revert for revert in reverts if revert.manager == CREATED_AGAIN), None):
        reverts.remove(first)
    return replace(
        case,
        remediation=mine,
        reverts=tuple(time for revert in reverts if (time := times.parse(revert.time)) is not None),
        reverted_by=reverts[-1].manager if reverts else "",
        held_off=held_off(mine, case.governing),
    )
