"""The condition `etpguard.dev/Covered` of a Service: its content, its comparison, the body of its apply. Pure."""

from __future__ import annotations

import re
from typing import Any

from etpguard.assess import Assessment
from etpguard.objects import Condition, Service
from etpguard.objects.text import harmless
from etpguard.report.sentences import condition_message, covered

CONDITION = "etpguard.dev/Covered"
MAX_MESSAGE = 32768

Json = dict[str, Any]

_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")


def wanted_condition(assessment: Assessment) -> Condition:
    """The Service's condition, without a time. Raises ValueError for one that breaks the rules of
    metav1.Condition: the API server does not check a Service's conditions (1.37 validation.go
    ValidateServiceStatusUpdate)."""
    message = harmless(condition_message(assessment))[:MAX_MESSAGE]
    made = Condition(CONDITION, covered(assessment.outcome), assessment.outcome.name, message)
    if made.status not in ("True", "False", "Unknown") or not _REASON.fullmatch(made.reason or ""):
        raise ValueError(f"{assessment.key}: not a condition: {made}")
    return made


def existing_condition(service: Service) -> Condition | None:
    """The condition that the Service has; None if it has none."""
    conditions = (service.status and service.status.conditions) or ()
    return next((c for c in conditions if c.type == CONDITION), None)


def condition_differs(existing: Condition | None, wanted: Condition | None) -> bool:
    """Whether to write: the status or the reason differs. A message alone is not worth a write that reaches every
    kube-proxy."""
    if existing is None or wanted is None:
        return existing is not wanted
    return (existing.status, existing.reason) != (wanted.status, wanted.reason)


def condition_body(wanted: Condition | None, existing: Condition | None, now: str) -> Json:
    """The body of the apply: the condition with its time, or an empty status, which removes it."""
    if wanted is None:
        return {"status": {}}
    kept = existing.last_transition_time if existing and existing.status == wanted.status else None
    return {
        "status": {
            "conditions": [
                {
                    "type": wanted.type,
                    "status": wanted.status,
                    "reason": wanted.reason,
                    "message": wanted.message,
                    "lastTransitionTime": kept or now,
                }
            ]
        }
    }
