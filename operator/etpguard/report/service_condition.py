"""The conditions `etpguard.dev/Covered` and `etpguard.dev/CoveredInternally` of a Service: content, comparison,
and body of the apply. Pure.

One apply contains both, because an apply removes the fields of its manager that it leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from etpguard.assess import Assessment, InternalAssessment, Outcome
from etpguard.objects import Condition, Key, Service
from etpguard.objects.text import harmless
from etpguard.report.messages import condition_message, covered, internal_message

CONDITION = "etpguard.dev/Covered"
INTERNAL_CONDITION = "etpguard.dev/CoveredInternally"
CONDITIONS = (CONDITION, INTERNAL_CONDITION)
MAX_MESSAGE = 32768

Json = dict[str, Any]

_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")


def wanted_condition(assessment: Assessment) -> Condition:
    """The Service's condition, without a time. Raises ValueError for one that breaks the rules of
    metav1.Condition: the API server does not check a Service's conditions (1.37 validation.go
    ValidateServiceStatusUpdate)."""
    return _condition(assessment.key, CONDITION, assessment.outcome, condition_message(assessment))


def wanted_internal_condition(assessment: InternalAssessment) -> Condition:
    """The same for clients in the cluster."""
    return _condition(assessment.key, INTERNAL_CONDITION, assessment.outcome, internal_message(assessment))


def _condition(key: Key, type_: str, outcome: Outcome, text: str) -> Condition:
    made = Condition(type_, covered(outcome), outcome.name, harmless(text)[:MAX_MESSAGE])
    if made.status not in ("True", "False", "Unknown") or not _REASON.fullmatch(made.reason or ""):
        raise ValueError(f"{key}: not a condition: {made}")
    return made


def existing_condition(service: Service, type_: str = CONDITION) -> Condition | None:
    """The condition of that type that the Service has; None if it has none."""
    conditions = (service.status and service.status.conditions) or ()
    return next((c for c in conditions if c.type == type_), None)


def has_condition(service: Service) -> bool:
    """Whether the Service has one of the conditions of etpguard."""
    return any(existing_condition(service, type_) for type_ in CONDITIONS)


def condition_differs(existing: Condition | None, wanted: Condition | None) -> bool:
    """Whether to write: the status or the reason differs. A different message alone does not justify a write,
    because each write reaches every kube-proxy."""
    if existing is None or wanted is None:
        return existing is not wanted
    return (existing.status, existing.reason) != (wanted.status, wanted.reason)


def conditions_body(pairs: Iterable[tuple[Condition | None, Condition | None]], now: str) -> Json:
    """The body of the apply: each wanted condition with its time, which depends on the existing condition of its
    type. The apply removes a condition that is not wanted, because the body leaves it out."""
    made = [_timed(wanted, existing, now) for wanted, existing in pairs if wanted is not None]
    return {"status": {"conditions": made} if made else {}}


def _timed(wanted: Condition, existing: Condition | None, now: str) -> Json:
    kept = existing.last_transition_time if existing and existing.status == wanted.status else None
    return {
        "type": wanted.type,
        "status": wanted.status,
        "reason": wanted.reason,
        "message": wanted.message,
        "lastTransitionTime": kept or now,
    }
