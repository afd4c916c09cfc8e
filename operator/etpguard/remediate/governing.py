"""What the policies that govern one Service say together: field by field the more careful value. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import msgspec

from etpguard.objects import Service
from etpguard.objects.policies import Budget, CoveragePolicy, TriggerIf
from etpguard.remediate.amounts import allowance
from etpguard.remediate.policy_faults import mistake

_MODES = ("Observe", "DryRun", "Enforce")


@dataclass(frozen=True)
class Governing:
    """What the policies that govern one Service say together. `policies` is sorted by mode, the lowest first, then
    by name. The first is the deciding one, which messages name."""

    policies: tuple[CoveragePolicy, ...]

    @cached_property
    def deciding(self) -> CoveragePolicy:
        return self.policies[0]

    @cached_property
    def mode(self) -> str:
        return self.deciding.spec.mode

    @cached_property
    def outcomes(self) -> frozenset[str]:
        return frozenset.intersection(*(frozenset(p.spec.unhealthy_when.outcomes) for p in self.policies))

    @cached_property
    def service_types(self) -> frozenset[str]:
        return frozenset.intersection(*(frozenset(p.spec.service_types) for p in self.policies))

    @cached_property
    def dwell_seconds(self) -> int:
        return max(p.spec.unhealthy_when.for_seconds for p in self.policies)

    @cached_property
    def source_ip_loss_accepted(self) -> bool:
        return all(p.spec.remediation.source_ip_loss == "Accept" for p in self.policies)

    @cached_property
    def patches_git_ops_owned(self) -> bool:
        return all(p.spec.remediation.git_ops_owned == "Patch" for p in self.policies)

    @cached_property
    def ignores_network_policies(self) -> bool:
        return all(p.spec.remediation.network_policy == "Ignore" for p in self.policies)

    @cached_property
    def ignores_probes_from_other_namespaces(self) -> bool:
        return all(p.spec.remediation.probes_from_other_namespaces == "Ignore" for p in self.policies)

    @cached_property
    def breakers(self) -> list[tuple[CoveragePolicy, TriggerIf]]:
        return [(p, p.spec.remediation.trigger_if) for p in self.policies]

    @cached_property
    def budgets(self) -> list[tuple[CoveragePolicy, int, Budget]]:
        """Each with its index in its policy."""
        return [(p, n, budget) for p in self.policies for n, budget in enumerate(p.spec.remediation.budgets)]

    @cached_property
    def max_reverts(self) -> int:
        return min(p.spec.remediation.on_drift.max_reverts for p in self.policies)

    @cached_property
    def revert_window_seconds(self) -> int:
        return max(p.spec.remediation.on_drift.window_seconds for p in self.policies)

    @cached_property
    def rolls_back_when_covered(self) -> bool:
        """Manual where the policies differ, because it does less."""
        return all(p.spec.rollback.mode == "WhenCovered" for p in self.policies)

    @cached_property
    def covered_seconds(self) -> int:
        return max(p.spec.rollback.covered_for_seconds for p in self.policies)

    @cached_property
    def on_delete(self) -> str:
        return self.deciding.spec.rollback.on_delete

    def keeper(self, service_type: str) -> CoveragePolicy | None:
        """The first policy that wants a remediated Service of this type to stay at Cluster. What the others say,
        and a value that cannot be evaluated, prevent new remediations only."""
        return next((policy for policy in self.policies if _keeps_cluster(policy, service_type)), None)

    @cached_property
    def invalid(self) -> str:
        """The first field of a policy that has no meaning and that the CRD cannot check; "" if there is none."""
        return next((f"{p.kind} {p.key}: {wrong}" for p in self.policies if (wrong := mistake(p))), "")

    @cached_property
    def paused(self) -> CoveragePolicy | None:
        """The first policy that is suspended or has a pause request."""
        return next((p for p in self.policies if p.spec.suspend or p.spec.pause_requests), None)

    @cached_property
    def _rolled_back_on_request(self) -> frozenset[str]:
        return frozenset(name for p in self.policies for name in p.spec.rollback_requests)

    def requests_rollback(self, service: Service) -> bool:
        """Whether `rollbackRequests` of one of the policies names the Service."""
        named = self._rolled_back_on_request
        possible = service.key.name in named or str(service.key) in named
        return possible and any(requests_rollback(policy, service) for policy in self.policies)

    @cached_property
    def versions(self) -> str:
        """Uids and generations: another value means that a spec changed."""
        return ",".join(f"{p.uid}@{p.metadata.generation or 0}" for p in self.policies)

    @cached_property
    def rules(self) -> str:
        """What the policies say apart from their modes: another value means that the dwell begins again."""
        by_uid = sorted(self.policies, key=lambda policy: policy.uid)
        specs = [(p.uid, msgspec.structs.replace(p.spec, mode="Observe")) for p in by_uid]
        return msgspec.json.encode(specs).decode()

    def enough_uncovered(self, uncovered: int, eligible: int) -> bool:
        """Whether the number reaches every policy's `unhealthyWhen.uncoveredNodes`. Percentages round up."""
        return all(uncovered >= max(1, allowance(least, eligible)) for least in self._least_uncovered)

    @cached_property
    def _least_uncovered(self) -> frozenset[str]:
        return frozenset(str(p.spec.unhealthy_when.uncovered_nodes) for p in self.policies)


def together(selecting: Iterable[CoveragePolicy]) -> Governing | None:
    """What these policies, which all select the same Service, say together; None if none of them governs."""
    found = [p for p in selecting if p.spec.mode != "Observe" and not p.deleting]
    found.sort(key=lambda p: (_MODES.index(p.spec.mode), p.key))
    return Governing(tuple(found)) if found else None


def _keeps_cluster(policy: CoveragePolicy, service_type: str) -> bool:
    spec = policy.spec
    accepted = spec.remediation.source_ip_loss == "Accept" and service_type in spec.service_types
    return spec.mode == "Enforce" and accepted


def requests_rollback(policy: CoveragePolicy, service: Service) -> bool:
    names = {str(service.key)}
    if policy.metadata.namespace == service.metadata.namespace:
        names.add(service.key.name)
    return not names.isdisjoint(policy.spec.rollback_requests)
