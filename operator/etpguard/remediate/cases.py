"""From the picture to what `decide` asks for: a Case for each Service that a policy is about or that is changed,
and the Ledger over them. Reads, and changes nothing but the notes of `History`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from etpguard.assess import Assessment, Reason
from etpguard.cluster import Picture
from etpguard.objects import NAMESPACE, SERVICE, SERVICE_COVERAGE, Key, PolicyRef, Remediation, Service
from etpguard.objects.policies import (
    CLUSTER_COVERAGE_POLICY,
    COVERAGE_POLICY,
    NETWORK_POLICY,
    Budget,
    CoveragePolicy,
    NetworkPolicy,
    TriggerIf,
)
from etpguard.remediate.decide import Case, Ledger, Share, in_need
from etpguard.remediate.history import History
from etpguard.remediate.ownership import MANAGER, owner
from etpguard.remediate.policy import amount, governing, selects


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's own, beside every policy's: --max-remediations and --breaker."""

    budget: Budget = field(default_factory=Budget)
    breaker: TriggerIf = field(default_factory=TriggerIf)


@dataclass(frozen=True, slots=True)
class Round:
    """Everything that one round of decisions rests on. `matched`: the assessed Services that each policy is
    about, whatever its mode, by the policy's uid."""

    cases: Mapping[Key, Case]
    ledger: Ledger
    policies: tuple[CoveragePolicy, ...]
    matched: Mapping[str, tuple[Key, ...]]


class Cases:
    def __init__(
        self,
        picture: Picture,
        assessments: Mapping[Key, Assessment],
        history: History,
        limits: Limits,
    ) -> None:
        self._picture = picture
        self._assessments = assessments
        self._history = history
        self._limits = limits

    def gather(self, blind: Reason | None, monotonic: float, wall: float) -> Round:
        """`monotonic` is the clock of the history, `wall` seconds since the epoch at the same moment."""
        picture = self._picture
        policies = (*picture.store(COVERAGE_POLICY), *picture.store(CLUSTER_COVERAGE_POLICY))
        reports = {r.key: found for r in picture.store(SERVICE_COVERAGE) if (found := r.remediation)}
        namespaces = {n.metadata.name: n.labels for n in picture.store(NAMESPACE)}
        cases: dict[Key, Case] = {}
        matched: dict[str, list[Key]] = defaultdict(list)
        if policies or reports:
            by_uid = {policy.uid: policy for policy in policies}
            for key in sorted({*self._assessments, *reports}):
                service = picture.get(SERVICE, key)
                if service is None:
                    continue
                assessment = self._assessments.get(key)
                rules = governing(service, policies, namespaces)
                for policy in policies:
                    if assessment is not None and selects(policy, service, namespaces):
                        matched[policy.uid].append(key)
                remediation = reports.get(key)
                since = self._history.observe(key, assessment, rules, monotonic)
                cases[key] = Case(
                    service=service,
                    assessment=assessment,
                    governing=rules,
                    remediation=remediation,
                    recorded_policy=by_uid.get(remediation.policy.uid)
                    if remediation and remediation.policy
                    else None,
                    in_need_since=None if since.in_need is None else wall - (monotonic - since.in_need),
                    covered_since=None if since.covered is None else wall - (monotonic - since.covered),
                    dry_run_done=assessment is not None
                    and self._history.was_tried(service.uid, trial(assessment)),
                    namespace_terminating=self._terminating(key.namespace),
                    owner=owner(service),
                    network_policy=self.network_policy(service, picture.store(NETWORK_POLICY)),
                    reverts=reverts(remediation),
                    local_set_by=remediation.reverts[-1].manager if remediation and remediation.reverts else "",
                    held_off=held_off(remediation, rules.versions if rules else ""),
                )
        self._history.forget(cases)
        ledger = self._ledger(cases, policies, matched, blind, monotonic, wall)
        return Round(cases, ledger, policies, {uid: tuple(keys) for uid, keys in matched.items()})

    def note(self, changed: Mapping[Key, Assessment | None]) -> None:
        """Of Services that changed between two rounds: what is not in need even for a moment starts over."""
        for key, assessment in changed.items():
            self._history.interrupt(key, assessment)

    def lost(self) -> list[Key]:
        """Services that we changed, by their field managers, and of which no report knows."""
        found = []
        for service in self._picture.store(SERVICE):
            if MANAGER in service.managers and service.policy != "Local":
                report = self._picture.get(SERVICE_COVERAGE, service.key)
                remediation = report.remediation if report else None
                if remediation is None or remediation.service_uid != service.uid:
                    found.append(service.key)
        return found

    def network_policy(self, service: Service, policies: Iterable[NetworkPolicy]) -> str:
        """Why the pods' network might refuse another source address, "" if it would not."""
        if reason := self._picture.unread.get(NETWORK_POLICY):
            return f"NetworkPolicies cannot be read: {reason}"
        labels = service.spec.selector or {}
        for policy in policies:
            if (
                policy.key.namespace == service.key.namespace
                and policy.names_addresses
                and policy.may_select(labels)
            ):
                return f"NetworkPolicy {policy.metadata.name} admits the pods' clients by address (ipBlock)"
        return ""

    def _terminating(self, name: str) -> bool:
        namespace = self._picture.get(NAMESPACE, Key("", name))
        return namespace is not None and namespace.deleting

    def _ledger(
        self,
        cases: Mapping[Key, Case],
        policies: tuple[CoveragePolicy, ...],
        matched: Mapping[str, list[Key]],
        blind: Reason | None,
        monotonic: float,
        wall: float,
    ) -> Ledger:
        shares: dict[str, Share] = {}
        applied: dict[str, list[float]] = defaultdict(list)
        breakers = {p.uid: p.spec.remediation.trigger_if for p in policies}
        about = {uid: [cases[key] for key in keys if key in cases] for uid, keys in matched.items()}
        about[""] = list(cases.values())
        for uid, members in about.items():
            needy = sum(in_need(case.assessment, case.governing) for case in members)
            breaker = breakers.get(uid, self._limits.breaker)
            # The operator's own breaker looks at all Services that it assesses, governed or not.
            of = len(members) if uid else len(self._assessments)
            most = amount(breaker.uncovered_services_less_than_or_equal_to, of)
            tripped = self._history.share(uid, needy > most, monotonic)
            shares[uid] = Share(needy, of, None if tripped is None else wall - (monotonic - tripped))
            for case in members:
                applied[uid] += intents(case.remediation)
        for case in cases.values():
            ref = case.remediation.policy if case.remediation else None
            if ref is not None and case.service.key not in matched.get(ref.uid, ()):
                applied[ref.uid] += intents(case.remediation)
        return Ledger(
            blind=blind,
            shares=shares,
            applied={uid: tuple(times) for uid, times in applied.items()},
            budget=self._limits.budget,
            breaker=self._limits.breaker,
        )


def trial(assessment: Assessment) -> str:
    """What a dry run was about: it is repeated when this changes."""
    return f"{assessment.outcome.name} {assessment.uncovered.bit_count()}"


def seconds(time: str) -> float | None:
    """RFC 3339 as seconds since the epoch; None for what is no time."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return None


def intents(remediation: Remediation | None) -> list[float]:
    found = map(seconds, remediation.intents if remediation else ())
    return [time for time in found if time is not None]


def reverts(remediation: Remediation | None) -> tuple[float, ...]:
    found = (seconds(revert.time) for revert in (remediation.reverts if remediation else ()))
    return tuple(time for time in found if time is not None)


def held_off(remediation: Remediation | None, versions: str) -> bool:
    return remediation is not None and remediation.phase == "RolledBackByUser" and remediation.held_for == versions


def refreshed(case: Case, remediation: Remediation | None) -> Case:
    """The case with what its report says by now."""
    versions = case.governing.versions if case.governing else ""
    return replace(
        case, remediation=remediation, reverts=reverts(remediation), held_off=held_off(remediation, versions)
    )


def named(ref: PolicyRef | None) -> str:
    if ref is None:
        return "a policy that is no longer known"
    return f"{ref.kind} {ref.namespace}/{ref.name}" if ref.namespace else f"{ref.kind} {ref.name}"
