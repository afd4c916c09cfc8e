"""Which policies govern a Service, and what they say together: field by field the more careful. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from etpguard.objects import Service
from etpguard.objects.policies import Budget, CoveragePolicy, TriggerIf
from etpguard.objects.records import Requirement, Selector

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


def governing(
    service: Service, policies: Iterable[CoveragePolicy], namespaces: Mapping[str, Mapping[str, str]]
) -> Governing | None:
    """The policies that govern `service`; None where there is none.

    `namespaces`: labels of each known namespace. A namespaceSelector does not admit an unknown one. Policies with
    mode Observe, and those that are being deleted, do not govern.
    """
    return together(PolicyIndex(policies, namespaces).selecting(service))


def together(selecting: Iterable[CoveragePolicy]) -> Governing | None:
    """What these policies, which all select the same Service, say together; None if none of them governs."""
    found = [p for p in selecting if p.spec.mode != "Observe" and not p.deleting]
    found.sort(key=lambda p: (_MODES.index(p.spec.mode), p.key))
    return Governing(tuple(found)) if found else None


class PolicyIndex:
    """The policies that select a Service, for many Services.

    `namespaces`: labels of each known namespace. A namespaceSelector does not admit an unknown one. `serviceTypes`
    is not part of the selection: a type that it does not list is an exclusion, which the status reports.
    """

    def __init__(self, policies: Iterable[CoveragePolicy], namespaces: Mapping[str, Mapping[str, str]]) -> None:
        self._namespaces = namespaces
        self._local: dict[str, list[CoveragePolicy]] = defaultdict(list)
        self._global: list[CoveragePolicy] = []
        for policy in policies:
            space = policy.metadata.namespace
            (self._local[space] if space else self._global).append(policy)
        self._candidates: dict[str, _Candidates] = {}
        self._governing: dict[tuple[str, ...], Governing | None] = {}

    def selecting(self, service: Service) -> list[CoveragePolicy]:
        """Whatever their mode."""
        space = service.metadata.namespace or ""
        if space not in self._candidates:
            labels = self._namespaces.get(space)
            admitting = [p for p in self._global if _admits(p.spec.namespace_selector, labels)]
            self._candidates[space] = _Candidates((*self._local.get(space, ()), *admitting))
        return self._candidates[space].selecting(service.labels)

    def governing(self, selecting: list[CoveragePolicy]) -> Governing | None:
        """As `together`, made once for all Services that the same policies select."""
        uids = tuple(policy.uid for policy in selecting)
        if uids not in self._governing:
            self._governing[uids] = together(selecting)
        return self._governing[uids]


class _Candidates:
    """The policies that may select a Service of one namespace, by one label that each requires: a Service is
    compared only with the policies that require a label of it. So many policies, each for a team, cost little."""

    def __init__(self, policies: Iterable[CoveragePolicy]) -> None:
        selectors = [
            (p, p.spec.service_selector.requirements if p.spec.service_selector else ()) for p in policies
        ]
        users = Counter(pair for _, requirements in selectors for each in requirements for pair in _labels(each))
        self._by_label: dict[tuple[str, str], list[_Candidate]] = defaultdict(list)
        self._others: list[_Candidate] = []
        for place, (policy, requirements) in enumerate(selectors):
            pairs = min(
                (labels for each in requirements if (labels := _labels(each))),
                key=lambda labels: sum(users[pair] for pair in labels),
                default=(),
            )
            for pair in pairs:
                self._by_label[pair].append(_Candidate(place, policy, requirements))
            if not pairs:
                self._others.append(_Candidate(place, policy, requirements))

    def selecting(self, labels: dict[str, str]) -> list[CoveragePolicy]:
        """In the order of the policies."""
        possible = [*self._others, *(each for pair in labels.items() for each in self._by_label.get(pair, ()))]
        possible.sort(key=lambda each: each.place)
        return [each.policy for each in possible if all(r.admits(labels) for r in each.requirements)]


class _Candidate(NamedTuple):
    place: int
    policy: CoveragePolicy
    requirements: tuple[Requirement, ...]


def _labels(requirement: Requirement) -> tuple[tuple[str, str], ...]:
    """The labels, one of which a Service must have; empty if the requirement has another form."""
    if requirement.operator != "In":
        return ()
    return tuple(dict.fromkeys((requirement.key, value) for value in requirement.values or ()))


def _admits(selector: Selector | None, labels: Mapping[str, str] | None) -> bool:
    return selector is None or (labels is not None and selector.admits(dict(labels)))


def requests_rollback(policy: CoveragePolicy, service: Service) -> bool:
    names = {str(service.key)}
    if policy.metadata.namespace == service.metadata.namespace:
        names.add(service.key.name)
    return not names.isdisjoint(policy.spec.rollback_requests)


def amount(value: int | str, whole: int) -> int:
    """An IntOrString as a number. Percentages of `whole` round down, but to 1 at least unless they are 0:
    otherwise nothing could ever happen in a small cluster."""
    if isinstance(value, str) and value.endswith("%"):
        percent = int(value[:-1])
        return max(1, whole * percent // 100) if percent else 0
    return int(value)


def allowance(services: str, whole: int) -> int:
    """A budget's `services` as a number. Percentages round up, so that only 0 means none."""
    if services.endswith("%"):
        return -(-whole * int(services[:-1]) // 100)
    return int(services)


def mistake(policy: CoveragePolicy) -> str:
    """The first selector, schedule or time zone that has no meaning; "" if there is none."""
    for name, selector in (
        ("serviceSelector", policy.spec.service_selector),
        ("namespaceSelector", policy.spec.namespace_selector),
    ):
        for number, part in enumerate((selector and selector.match_expressions) or ()):
            if (part.operator in ("In", "NotIn")) != bool(part.values):
                needs = "needs" if not part.values else "takes no"
                return f"spec.{name}.matchExpressions[{number}]: {part.operator} {needs} values"
    for number, budget in enumerate(policy.spec.remediation.budgets):
        where = f"spec.remediation.budgets[{number}]"
        if wrong := _schedule_mistake(budget.schedule, budget.time_zone):
            return f"{where}.{wrong}"
    return ""


@lru_cache(maxsize=4096)
def _schedule_mistake(schedule: str | None, time_zone: str | None) -> str:
    try:
        zone = ZoneInfo(time_zone or "UTC")
    except (KeyError, ValueError, OSError):
        return f"timeZone: {time_zone!r} is not a time zone"
    if schedule is not None:
        try:
            CronSim(schedule, datetime(2000, 1, 1, tzinfo=zone))
        except CronSimError as error:
            return f"schedule: {schedule!r}: {error}"
    return ""


def faults(policy: CoveragePolicy) -> list[str]:
    """What violates the CRD's CEL rules, or `mistake`. The schema is checked elsewhere."""
    spec = policy.spec
    selector = spec.service_selector
    found = []
    if spec.mode == "Enforce" and not (selector and selector.requirements):
        found.append("spec.serviceSelector: mode Enforce needs a selector that is not empty")
    if spec.mode == "Enforce" and spec.remediation.source_ip_loss != "Accept":
        found.append("spec.remediation.sourceIPLoss: mode Enforce needs Accept")
    if not _share(spec.unhealthy_when.uncovered_nodes, least=1):
        found.append("spec.unhealthyWhen.uncoveredNodes: neither 1 or more nor a percentage from 1% to 100%")
    if not _share(spec.remediation.trigger_if.uncovered_services_less_than_or_equal_to, least=0):
        where = "spec.remediation.triggerIf.uncoveredServicesLessThanOrEqualTo"
        found.append(f"{where}: neither 0 or more nor a percentage from 0% to 100%")
    for number, budget in enumerate(spec.remediation.budgets):
        where = f"spec.remediation.budgets[{number}]"
        if (budget.schedule is None) != (budget.duration_seconds is None):
            found.append(f"{where}: schedule and durationSeconds go together")
        if budget.time_zone is not None and budget.schedule is None:
            found.append(f"{where}: timeZone needs a schedule")
    return found or [wrong for wrong in (mistake(policy),) if wrong]


def _share(value: int | str, least: int) -> bool:
    """Whether it is a number of at least `least`, or a percentage from `least` to 100% without leading zeros."""
    if isinstance(value, int):
        return value >= least
    digits = value.removesuffix("%")
    short = re.fullmatch("[0-9]{1,2}|100", digits) is not None and (least == 0 or not digits.startswith("0"))
    return value.endswith("%") and short
