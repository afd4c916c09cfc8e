"""From the picture to what `decide` reads: a Case for each Service that a policy selects or that is remediated. It
changes nothing but the notes of `DwellHistory`. Pure; the caller gives times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from etpguard.assess import Assessment, Reason
from etpguard.assess.consumers.families.metallb import Sharers
from etpguard.assess.turns import in_full
from etpguard.cluster import Picture
from etpguard.objects import NAMESPACE, SERVICE, SERVICE_COVERAGE, AnyKind, Key, Remediation, Service, times
from etpguard.objects.network_policies import NetworkPolicy
from etpguard.objects.policies import CLUSTER_COVERAGE_POLICY, COVERAGE_POLICY, CoveragePolicy
from etpguard.objects.scope import EVERYWHERE, NamespaceScope
from etpguard.remediate import address_filters, hold_off, reasons
from etpguard.remediate.dwell import DwellHistory
from etpguard.remediate.facts import Case, Round
from etpguard.remediate.governing import Governing, together
from etpguard.remediate.ledger import LedgerKeeper, OperatorLimits
from etpguard.remediate.memory import CREATED_AGAIN, RemediationMemory
from etpguard.remediate.other_network_policies import OtherNetworkPolicies
from etpguard.remediate.ownership import MANAGER, owner
from etpguard.remediate.policy_index import PolicyIndex, governing
from etpguard.remediate.shared_probes import SharedProbes
from etpguard.remediate.spent import IntentAges

BLIND_SECONDS = 120.0
"""After a longer time without a recent picture each dwell starts again. The start of a watch may take a minute."""


@dataclass(frozen=True, slots=True)
class _Common:
    """What a round computes once for all Services. `policies` are by uid, `network_policies` by namespace."""

    policies: Mapping[str, CoveragePolicy]
    network_policies: Mapping[str, Sequence[NetworkPolicy]]
    sharers: Sharers
    probes: SharedProbes
    monotonic: float
    wall: float

    def since_epoch(self, moment: float | None) -> float | None:
        """A moment of the history's clock in seconds since the epoch."""
        return None if moment is None else self.wall - (self.monotonic - moment)


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
        self._scope = scope
        self._served = served
        self._ages = ages or IntentAges()
        self._orphaned_seconds = limits.orphaned_seconds
        self._ledger = LedgerKeeper(self._assessments, history, memory, limits, self._ages)
        self._other_policies = other_policies or OtherNetworkPolicies(())
        self._blind_since: float | None = None

    def gather(self, blind: Reason | None, monotonic: float, wall: float, term: int = 0) -> Round:
        """`monotonic` is the time of the history's clock, `wall` the seconds since the epoch at the same moment;
        `term` is the leadership that the ledger is for."""
        return in_full(self.steps(blind, monotonic, wall, term))

    def steps(
        self, blind: Reason | None, monotonic: float, wall: float, term: int = 0
    ) -> Generator[None, None, Round]:
        """As `gather`, with a yield after each Service and each policy, so that the caller can let others
        run."""
        policies = self._policies()
        remediations = dict(self._memory.remediations())
        blind = blind or self._unread() or self._absence(remediations)
        self._note_blindness(blind is not None, monotonic)
        self._ages.begin(term, wall)
        index = PolicyIndex(policies, namespace_labels(self._picture))
        common = _Common(
            {policy.uid: policy for policy in policies},
            address_filters.by_namespace(self._picture),
            Sharers(self._picture),
            SharedProbes(self._every_assessment.values() if policies else ()),
            monotonic,
            wall,
        )
        cases: dict[Key, Case] = {}
        matched: dict[str, list[Key]] = defaultdict(list)
        everyone = {*self._assessments, *remediations} if policies else remediations.keys()
        for key in sorted(everyone):
            service = self._picture.get(SERVICE, key)
            if service is None or not self._scope.includes(key.namespace):
                continue
            assessment, remediation = self._assessments.get(key), remediations.get(key)
            yield
            selecting = index.selecting(service)
            if assessment is not None:
                for policy in selecting:
                    matched[policy.uid].append(key)
            rules = index.governing(selecting)
            if selecting or remediation is not None:
                case = self._case(service, assessment, rules, remediation, common)
                cases[key] = self._orphaned(refreshed(case, remediation), blind is not None, common)
        self._history.forget(cases, monotonic)
        made = yield from self._ledger.steps(cases, common.policies, matched, monotonic, wall)
        ledger = replace(made, blind=blind, term=term)
        return Round(cases, ledger, policies, {uid: tuple(keys) for uid, keys in matched.items()})

    def _case(
        self,
        service: Service,
        assessment: Assessment | None,
        rules: Governing | None,
        remediation: Remediation | None,
        common: _Common,
    ) -> Case:
        key = service.key
        since = self._history.observe(key, assessment, rules, common.monotonic)
        recorded = remediation.policy if remediation else None
        asked = common.probes.of(service)
        network_policy = ""
        if since.in_need is not None:  # no check asks for it before the Service needs remediation
            here = common.network_policies.get(key.namespace, ())
            network_policy = address_filters.refusal(self._picture, service, here, self._other_policies)
        return Case(
            service=service,
            assessment=assessment,
            governing=rules,
            remediation=remediation,
            recorded_policy=common.policies.get(recorded.uid) if recorded else None,
            in_need_since=common.since_epoch(since.in_need),
            covered_since=common.since_epoch(since.covered),
            dry_run_done=assessment is not None and self._history.was_tried(service.uid, trial(assessment, rules)),
            namespace_terminating=self._terminating(key.namespace),
            namespace_unread=NAMESPACE in self._picture.unread,
            record_unreadable=self._unreadable(key),
            behind=self._memory.behind(service),
            owner=owner(service),
            probed_by=asked.same_namespace,
            probed_from_elsewhere=asked.elsewhere,
            shares_address_with=common.sharers.of(service),
            network_policy=network_policy,
            former_reverts=self._memory.former_reverts(key),
        )

    def note(self, changed: Mapping[Key, Assessment | None]) -> None:
        """Take in Services that changed between two rounds. One that does not need remediation even for a moment
        starts its dwell again."""
        for key, assessment in changed.items():
            self._history.interrupt(key, assessment)

    def known(self, key: Key) -> bool:
        """Whether there is a Service of that name."""
        return self._picture.get(SERVICE, key) is not None

    def lost(self) -> list[Key]:
        """Services that etpguard changed, by their field managers, but that have no record of it.

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
            if self._unreadable(service.key) or (remediation and remediation.in_force_for(service.uid)):
                continue
            candidates.append(service)
        if not candidates:
            return []  # each round comes here, and the index reads every policy
        index = PolicyIndex(self._policies(), namespace_labels(self._picture))
        return [
            service.key
            for service in candidates
            if ((former := self._memory.former(service)) and former.in_force_for(service.uid))
            or together(index.selecting(service))
        ]

    def governing(self, key: Key) -> Governing | None:
        """The policies that govern a Service, assessed or not."""
        service = self._picture.get(SERVICE, key)
        return governing(service, self._policies(), namespace_labels(self._picture)) if service else None

    def _unread(self) -> Reason | None:
        """Why a kind that cannot be read means that nothing can be decided: it looks like one without objects, as
        if every policy or every record had been deleted."""
        for kind in (COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY, SERVICE_COVERAGE):
            if reason := self._picture.unread.get(kind):
                return reasons.NOT_READABLE.because(reason)
        return None

    def _absence(self, remediations: Mapping[Key, Remediation]) -> Reason | None:
        """The same of a kind that is absent."""
        in_force = any(record.in_force_for(record.service_uid) for record in remediations.values())
        for kind in (SERVICE_COVERAGE, COVERAGE_POLICY, CLUSTER_COVERAGE_POLICY):
            if (kind == SERVICE_COVERAGE or in_force) and not self._served(kind):
                return reasons.NOT_READABLE.because(f"{kind.resource} is not served")
        return None

    def _orphaned(self, case: Case, blind: bool, common: _Common) -> Case:
        # A picture that is not complete does not show that a policy is gone.
        orphaned = case.remediation is not None and case.orphaned and not blind
        since = common.since_epoch(self._history.orphaned(case.service.key, orphaned, common.monotonic))
        return case if since is None else replace(case, orphaned_until=since + self._orphaned_seconds)

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


def namespace_labels(picture: Picture) -> dict[str, Mapping[str, str]]:
    """The labels of each known namespace."""
    return {namespace.metadata.name: namespace.labels for namespace in picture.store(NAMESPACE)}


def trial(assessment: Assessment, rules: Governing | None) -> str:
    """What a dry run was about. The dry run is repeated when this changes."""
    return f"{assessment.outcome.name} {rules.versions if rules else ''}"


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
