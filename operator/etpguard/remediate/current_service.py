"""A Service, its assessment and its policies as the API server has them now. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from etpguard.assess import Assessment
from etpguard.cluster import NodeTable
from etpguard.objects import (
    Remediation,
    Service,
    ServiceCoverage,
)
from etpguard.objects.network_policies import NetworkPolicy
from etpguard.objects.policies import CoveragePolicy
from etpguard.remediate.facts import Case
from etpguard.remediate.memory import RemediationMemory
from etpguard.remediate.policy_index import governing
from etpguard.report import service_coverage, service_report


@dataclass(frozen=True, slots=True)
class CurrentService:
    """One Service as the API server has it: the raw object for its managedFields, the record, and its report.

    `recorded_at`: when etpguard wrote the record of the remediation, see `ownership.recorded_at`."""

    raw: dict[str, Any]
    service: Service
    report: ServiceCoverage | None
    recorded_at: str = ""

    @property
    def remediation(self) -> Remediation | None:
        """The record of this very Service, not of an earlier one of the same name."""
        found = self.report.remediation if self.report else None
        return found if found is not None and found.service_uid == self.service.uid else None

    @property
    def foreign(self) -> bool:
        """Whether the report belongs to an earlier Service of the same name."""
        return self.report is not None and service_coverage.owned_by_another(self.report, self.service)

    def note_in(self, memory: RemediationMemory) -> None:
        version = self.report.version if self.report else 0
        memory.note(self.service.key, self.remediation, version, self.service.uid, self.service.version)


@dataclass(frozen=True, slots=True)
class Reassessed:
    """An assessment made from fresh reads; node sets are those of `table`."""

    now: CurrentService
    assessment: Assessment | None
    table: NodeTable
    network_policies: tuple[NetworkPolicy, ...]

    def agrees_with(self, held: Assessment | None, table: NodeTable) -> bool:
        """Whether the report of the Service would be the same with the assessment `held`, from the picture."""
        if held is None or self.assessment is None:
            return held is self.assessment
        return service_report(held, table, (), 0) == service_report(self.assessment, self.table, (), 0)


@dataclass(frozen=True, slots=True)
class Rules:
    """The policies that may govern the Services of a namespace, the labels of each known namespace, and whether
    the namespace is being deleted."""

    policies: tuple[CoveragePolicy, ...]
    labels: Mapping[str, Mapping[str, str]]
    terminating: bool

    def applied_to(self, case: Case) -> Case:
        """The case under these rules."""
        ref = case.remediation.policy if case.remediation else None
        return replace(
            case,
            governing=governing(case.service, self.policies, self.labels),
            recorded_policy=next((p for p in self.policies if ref and p.uid == ref.uid), None),
            namespace_terminating=self.terminating,
        )
