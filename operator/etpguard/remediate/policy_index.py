"""Which policies select a Service. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from etpguard.objects import Service
from etpguard.objects.policies import CoveragePolicy
from etpguard.objects.records import Requirement, Selector
from etpguard.remediate.governing import Governing, together


def governing(
    service: Service, policies: Iterable[CoveragePolicy], namespaces: Mapping[str, Mapping[str, str]]
) -> Governing | None:
    """The policies that govern `service`; None where there is none.

    `namespaces`: labels of each known namespace. A namespaceSelector does not admit an unknown one. Policies with
    mode Observe, and those that are being deleted, do not govern.
    """
    return together(PolicyIndex(policies, namespaces).selecting(service))


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
