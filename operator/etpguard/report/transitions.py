"""`status.transitions` of a ServiceCoverage: when the outcome of the Service changed. Pure.

They are written together with the status that has the new outcome, so they cause no write.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

FIELD = "transitions"
LIMIT = 20
"""The newest that are kept."""
MAX_BYTES = 14 * 1024
"""An upper bound of the size of LIMIT of them as JSON."""
MAX_REASON = 120
"""Characters."""


def extended(wanted: Json, existing: Json | None, now: str) -> list[Json]:
    """The transitions of `existing`, newest first. If `wanted` has another outcome, a new transition comes before
    them. The first one of a report has no `from`. `now` is in the form of RFC 3339."""
    before = (existing or {}).get("outcome")
    kept = transitions_of(existing)
    if before == wanted["outcome"] and kept:
        return kept
    made = {
        "time": now,
        "to": wanted["outcome"],
        "reason": _clipped(wanted["reason"]),
        "eligibleNodes": wanted.get("eligibleNodes", 0),
        "uncoveredNodes": wanted.get("uncoveredNodes", 0),
    }
    if before is not None and before != wanted["outcome"]:
        made["from"] = before
    return [made, *kept][:LIMIT]


def transitions_of(status: Json | None) -> list[Json]:
    """The transitions of a status, newest first, without entries of another form that another writer added."""
    found = (status or {}).get(FIELD)
    if not isinstance(found, list):
        return []
    return [each for each in found if isinstance(each, dict) and "time" in each and "to" in each][:LIMIT]


def _clipped(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 3].rstrip()}..."
