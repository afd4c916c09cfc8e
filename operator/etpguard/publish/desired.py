"""What should stand in the API for an assessment, and how that compares with what stands. Pure.

Times are never compared: two conditions, or two reports, that differ in them alone are the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from etpguard import report
from etpguard.assess import Assessment, Outcome
from etpguard.cluster import NodeTable
from etpguard.objects import SERVICE, Condition, Service, ServiceCoverage
from etpguard.objects.times import parse

CONDITION = "etpguard.dev/Covered"
MAX_TEXT = 1024
LONGEST_BUDGET = 604800.0
"""Seconds: the most that a policy's `perSeconds` may be, and that of `onDrift.windowSeconds`."""
LONGEST_DRIFT = 2592000.0

Json = dict[str, Any]

_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")


def condition(assessment: Assessment) -> Condition:
    """The Service's condition, without a time. Raises ValueError for one that breaks metav1.Condition's rules:
    the API server does not check a Service's conditions (1.37 validation.go ValidateServiceStatusUpdate)."""
    made = Condition(
        CONDITION,
        report.covered(assessment.outcome),
        assessment.outcome.name,
        report.condition_message(assessment)[:32768],
    )
    if made.status not in ("True", "False", "Unknown") or not _REASON.fullmatch(made.reason or ""):
        raise ValueError(f"{assessment.key}: not a condition: {made}")
    return made


def standing_condition(service: Service) -> Condition | None:
    conditions = (service.status and service.status.conditions) or ()
    return next((c for c in conditions if c.type == CONDITION), None)


def condition_differs(standing: Condition | None, wanted: Condition | None) -> bool:
    """Whether to write: status or reason. A message alone is not worth a write to every kube-proxy."""
    if standing is None or wanted is None:
        return standing is not wanted
    return (standing.status, standing.reason) != (wanted.status, wanted.reason)


def condition_body(wanted: Condition | None, standing: Condition | None, now: str) -> Json:
    """The body of the apply: the condition with its time, or nothing, which takes it away."""
    if wanted is None:
        return {"status": {}}
    kept = standing.last_transition_time if standing and standing.status == wanted.status else None
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


def report_status(assessment: Assessment, table: NodeTable, advice: Sequence[str]) -> Json:
    """The status of the ServiceCoverage but for times and `remediation`, which is not the publisher's."""
    made: Json = _fitting(report.status(assessment, table, advice, None))
    return made


def report_differs(standing: Json | None, wanted: Json) -> bool:
    return standing is None or _timeless(standing) != _timeless(wanted)


def report_body(wanted: Json, standing: Json | None, now: str) -> Json:
    """The body of the status apply: `wanted` with a lastTransitionTime on each condition, kept where its status
    is unchanged."""
    before = {c.get("type"): c for c in _conditions(standing or {})}

    def timed(made: Json) -> Json:
        old = before.get(made["type"], {})
        kept = old.get("lastTransitionTime") if old.get("status") == made["status"] else None
        return {**made, "lastTransitionTime": kept or now}

    return {"status": {**wanted, "conditions": [timed(c) for c in wanted["conditions"]]}}


def report_owner(service: Service) -> Json:
    """The metadata of the Service's ServiceCoverage: the garbage collector deletes it with the Service."""
    owner = {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.name,
        "name": service.key.name,
        "uid": service.uid,
        "blockOwnerDeletion": False,
    }
    return {"metadata": {"ownerReferences": [owner]}}


def owner_of(standing: ServiceCoverage) -> str:
    """The uid of the Service that owns a report, "" if none does."""
    references = standing.metadata.owner_references or ()
    return next((r.uid for r in references if r.kind == SERVICE.name), "")


def must_stay(standing: ServiceCoverage, service: Service, now: float) -> bool:
    """Whether the report holds the only memory of what counts for the Service yet: a change that stands, a person
    who put Local back, reverts and spent budgets in their windows. It outlives every wish to be ignored. A
    `remediation` that cannot be read (a later version's, say) counts as one. `now`: seconds since the epoch."""
    if (standing.status or {}).get("remediation") is None:
        return False
    known = standing.remediation
    if known is None or known.stands_for(service.uid):
        return True
    if known.service_uid != service.uid:
        return False
    spent = any(_since(time, now) < LONGEST_BUDGET for time in known.intents)
    reverted = any(_since(revert.time, now) < LONGEST_DRIFT for revert in known.reverts)
    return bool(known.held_for) or spent or reverted


def _since(time: str, now: float) -> float:
    """Seconds since an RFC 3339 time; infinite for what is none."""
    at = parse(time)
    return math.inf if at is None else now - at


def history_status() -> Json:
    """The status of a report that stays for its `remediation` alone."""
    why = "not assessed now; what is kept is the history of its remediation"
    return {"outcome": Outcome.NotAffected.name, "reason": why, "conditions": []}


def _conditions(status: Json) -> list[Json]:
    conditions = status.get("conditions")
    return [c for c in conditions if isinstance(c, dict)] if isinstance(conditions, list) else []


def _timeless(status: Json) -> Json:
    bare = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in _conditions(status)]
    rest = {k: v for k, v in status.items() if k not in ("remediation", "conditions")}
    return {**rest, "conditions": sorted(bare, key=lambda c: str(c.get("type")))}


def _fitting(value: Any) -> Any:
    """Without nulls, which the API server prunes, and with texts in the CRD's bounds (a health check's path may be
    as long as an annotation): what is sent must be taken, and be what is read back."""
    if isinstance(value, dict):
        return {k: _fitting(v) for k, v in value.items() if v is not None}
    if isinstance(value, str):
        return value[:MAX_TEXT]
    return [_fitting(v) for v in value] if isinstance(value, list) else value
