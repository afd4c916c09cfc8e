"""The facts that a decision rests on: of one Service, and of all Services together. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from etpguard.assess import Assessment, Outcome, Reason
from etpguard.objects import Key, PolicyRef, Remediation, Revert, Service
from etpguard.objects.policies import Budget, CoveragePolicy, TriggerIf
from etpguard.remediate.governing import Governing

NOT_BY_POLICY = frozenset({Outcome.NoEndpoints, Outcome.NoTargets, Outcome.Unknown})
"""Outcomes that the traffic policy does not cause, or perhaps not."""
NEVER = NOT_BY_POLICY | {Outcome.NotAffected, Outcome.Covered}
"""Outcomes that no policy can select for remediation."""
ROLLBACK_BUDGET = Budget(services="10", per_seconds=600)
"""How many automatic rollbacks the operator begins."""


@dataclass(frozen=True, slots=True)
class Case:
    """The facts about one Service. Times are seconds since the epoch.

    `assessment` is the present one; for a remediated Service its `if_local` says what the outcome would be under
    Local. `in_need_since`: since when the outcome is, without interruption, one that the governing policies
    select. `covered_since`: since when the Service would be covered under Local.
    """

    service: Service
    assessment: Assessment | None
    governing: Governing | None
    remediation: Remediation | None = None
    recorded_policy: CoveragePolicy | None = None
    """The policy that the record of the remediation names, if it still exists under that uid."""
    in_need_since: float | None = None
    covered_since: float | None = None
    orphaned_until: float = 0.0
    """Of a Service that is `orphaned`: until when etpguard waits for a policy that keeps it at Cluster."""
    dry_run_done: bool = False
    namespace_terminating: bool = False
    namespace_unread: bool = False
    """Whether the operator cannot know if the namespace is terminating."""
    record_unreadable: bool = False
    """Whether the Service has a record that this version cannot read."""
    behind: bool = False
    """Whether the picture's Service is older than what was read or written of it already."""
    owner: str = ""
    """The tool that owns the object ("Helm release web"); "" if none is known."""
    probed_by: str = ""
    """Which consumer's health check, of another Service with Local, asks a port of this one; "" if none does."""
    probed_from_elsewhere: str = ""
    """The same of a consumer in another namespace."""
    shares_address_with: tuple[Key, ...] = ()
    """The other Services that have an address of this one, which their load balancer takes from a Service whose
    policy differs."""
    network_policy: str = ""
    """Why the network policies of the pods might refuse a node's address; "" if they would not."""
    local_set_by: str | None = None
    """For a Service that is Local although a remediation is recorded: the field manager that set it after the
    intent; "" if none is known. Only a fresh read shows it: None in cases from the picture."""
    by_person: bool = False
    former_reverts: tuple[Revert, ...] = ()
    """Reverts of earlier Services of the same name. A Service that a tool deleted and created again while it was
    remediated counts as one."""
    reverts: tuple[float, ...] = ()
    reverted_by: str = ""
    """The manager of the last revert."""
    held_off: bool = False
    """Whether a person restored Local and the governing policies have not changed since."""

    @property
    def keeper(self) -> CoveragePolicy | None:
        """The first policy that keeps the Service at Cluster, if there is one."""
        return self.governing.keeper(self.service.type) if self.governing else None

    @property
    def orphaned(self) -> bool:
        """Whether the policy that the record names is gone, and no other one keeps the Service at Cluster."""
        return self.recorded_policy is None and self.keeper is None


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some Services need remediation, and when that last was too many for the circuit breaker."""

    in_need: int
    of: int
    tripped_at: float | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What concerns more than one Service. Keys are policy uids; "" is the operator as a whole."""

    blind: Reason | None = None
    """Why nothing may be decided: the picture is not complete or not recent."""
    term: int = 0
    """The leadership in which it was made. After the term of another leader it may lack what that leader used of
    the budgets."""
    shares: Mapping[str, Share] = field(default_factory=dict)
    applied: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Times at which intents were written."""
    budget: Budget = field(default=Budget())
    """The operator-wide limit, in addition to that of each policy: --max-remediations."""
    breaker: TriggerIf = field(default=TriggerIf())
    namespaces: Mapping[str, Share] = field(default_factory=dict)
    """By namespace: what counts for the operator's circuit breaker there. No single other namespace can open
    it."""
    rollbacks: tuple[float, ...] = ()
    """Times at which rollbacks began."""
    rollback_share: Share = field(default=Share(0, 0))
    """Automatic rollbacks that are due, of all remediated Services; since when there are too many."""
    rollback_budget: Budget = field(default=ROLLBACK_BUDGET)
    rollback_breaker: TriggerIf = field(default=TriggerIf())
    shared_waits: dict[tuple[str, str, float], tuple[Reason, float | None] | None] = field(
        default_factory=dict, compare=False, repr=False
    )
    """By the versions of the governing policies, namespace, and time: which breaker or budget holds a remediation
    back, and for how long. Computed once for all Services of a round."""
    waits: dict[tuple[str, int, float], float] = field(default_factory=dict, compare=False, repr=False)
    """By policy uid, index of its budget, and time: seconds until that allows one more. Computed once for all
    Services of a round."""


@dataclass(frozen=True)
class Round:
    """Everything that one round of decisions rests on. `matched`: by a policy's uid, the assessed Services that
    the policy selects, whatever its mode."""

    cases: Mapping[Key, Case]
    ledger: Ledger
    policies: tuple[CoveragePolicy, ...]
    matched: Mapping[str, tuple[Key, ...]]

    @cached_property
    def decided(self) -> Mapping[str, list[Case]]:
        """By a policy's uid: the cases whose record names that policy."""
        found: dict[str, list[Case]] = defaultdict(list)
        for case in self.cases.values():
            if case.remediation and case.remediation.policy:
                found[case.remediation.policy.uid].append(case)
        return found


def everywhere(ledger: Ledger, namespace: str) -> Share:
    """What counts for the operator's circuit breaker in a namespace."""
    return ledger.namespaces.get(namespace) or ledger.shares.get("", Share(0, 0))


def in_need(assessment: Assessment | None, governing: Governing | None) -> bool:
    """Whether the outcome of the Service is, at this moment, one that its policies select."""
    if assessment is None or governing is None or assessment.outcome in NEVER:
        return False
    eligible, uncovered = assessment.eligible.bit_count(), assessment.uncovered.bit_count()
    return assessment.outcome.name in governing.outcomes and governing.enough_uncovered(uncovered, eligible)


def reference(policy: CoveragePolicy) -> PolicyRef:
    """The policy as a record names it."""
    return PolicyRef(policy.kind, policy.metadata.name, policy.uid, policy.metadata.namespace or "")


def named(ref: PolicyRef | None) -> str:
    """The policy of a record, in words."""
    return "a policy that is no longer known" if ref is None else str(ref)
