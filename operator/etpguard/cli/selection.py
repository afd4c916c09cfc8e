"""Which of the assessed Services a command shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from etpguard.cli.input.sources import Assessed

if TYPE_CHECKING:
    from etpguard.assess import Assessment
    from etpguard.assess.internal import InternalAssessment

A = TypeVar("A", bound="Assessment | InternalAssessment")


class Selection(Struct, frozen=True):
    """`selector` is a label selector, `outcomes` are names of outcomes. Empty fields select all."""

    selector: str = ""
    outcomes: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.selector or self.outcomes)

    def of(self, assessed: Assessed, assessments: Iterable[A]) -> list[A]:
        """The selected Services in the namespaces of the command, sorted by namespace and name."""
        from etpguard.assess.node_selection import label_selector
        from etpguard.objects import SERVICE

        requirements = label_selector(self.selector) or ()
        picture, namespaces = assessed.loaded.picture, assessed.namespaces

        def selected(assessment: A) -> bool:
            if namespaces and assessment.key.namespace not in namespaces:
                return False
            if self.outcomes and assessment.outcome.name not in self.outcomes:
                return False
            service = picture.get(SERVICE, assessment.key) if requirements else None
            return not requirements or (
                service is not None and all(r.admits(service.labels) for r in requirements)
            )

        return sorted(filter(selected, assessments), key=lambda assessment: assessment.key)


ALL = Selection()
