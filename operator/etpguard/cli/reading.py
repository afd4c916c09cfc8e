"""What `etpguard check` has read and shows, for one cluster or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from etpguard.assess import Assessment
from etpguard.assess.internal import InternalAssessment
from etpguard.cli.input.sources import Assessed
from etpguard.report import Contents
from etpguard.report.advice import advice_texts

if TYPE_CHECKING:
    from etpguard.assess.consumers.consumer import Advice
    from etpguard.cli.inside.findings import Finding


class ClusterReport(Struct, frozen=True):
    """`chosen` are the assessments to show, sorted. `cluster` is the name of the context if several are read, else
    "". `remediations`: what policies would do, None if that was not asked for."""

    assessed: Assessed
    chosen: Sequence[Assessment]
    cluster: str = ""
    remediations: Sequence[dict[str, Any]] | None = None
    internal: Sequence[Finding] = ()
    """The Services to show for clients in the cluster, and why clients fail."""

    def contents(self, max_nodes: int) -> Contents:
        """The data of a CoverageReport."""
        found = {each.key: each for each in self.internal}

        def advice(assessment: InternalAssessment) -> Sequence[Advice]:
            from etpguard.cli.inside.findings import advice_for  # slow to load, and few clusters need it

            return advice_for(self.assessed, found[assessment.key])

        def further(assessment: InternalAssessment) -> dict[str, Any]:
            from etpguard.cli.inside.findings import details

            return details(found[assessment.key], max_nodes)

        return Contents(
            planes=self.assessed.engine.planes,
            nodes=self.assessed.loaded.picture.nodes.present,
            assessments=self.chosen,
            table=self.assessed.loaded.picture.nodes,
            advice=advice_texts(self.assessed.advisor),
            max_nodes=max_nodes,
            warnings=self.assessed.warnings,
            not_read=self.assessed.loaded.not_read,
            remediations=self.remediations,
            internal=[each.assessment for each in self.internal],
            internal_advice=advice_texts(advice),
            internal_details=further,
            cluster=self.cluster,
        )


class Reading(Struct, frozen=True):
    """`reports` in the order of the command line. `failed`: why a cluster could not be read, by its context."""

    reports: Sequence[ClusterReport]
    failed: Mapping[str, str] = field(default_factory=dict)
    fleet: bool = False
    """Whether several clusters were asked for."""
    selected: bool = False
    """Whether only Services with certain labels or outcomes were asked for."""
    internal: bool = False
    """Whether what clients in the cluster lose fails the check."""
