"""Functions for every status that etpguard writes: times of conditions, comparison, clipping. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from etpguard.objects.text import harmless

Json = dict[str, Any]

MAX_TEXT = 1024


def with_times(wanted: Json, existing: Json | None, now: str) -> Json:
    """`wanted` with a lastTransitionTime on each condition: the existing time if the status of the condition stays
    the same, else `now`."""
    before = {condition.get("type"): condition for condition in conditions_of(existing or {})}

    def timed(condition: Json) -> Json:
        old = before.get(condition["type"], {})
        kept = old.get("lastTransitionTime") if old.get("status") == condition["status"] else None
        return {**condition, "lastTransitionTime": kept or now}

    return {**wanted, "conditions": [timed(condition) for condition in wanted["conditions"]]}


def comparable(status: Json, ignored: Collection[str] = ()) -> Json:
    """The status without the times of its conditions, without nulls and empty lists, which the API server may
    leave out, and without the top-level fields `ignored`. Two statuses that differ only in these are equal."""
    rest = {name: value for name, value in status.items() if name not in ignored and value not in ([], None)}
    bare = [
        {field: value for field, value in condition.items() if field != "lastTransitionTime"}
        for condition in conditions_of(status)
    ]
    return {**rest, "conditions": sorted(bare, key=lambda condition: str(condition.get("type")))}


def conditions_of(status: Json) -> list[Json]:
    conditions = status.get("conditions")
    return [c for c in conditions if isinstance(c, dict)] if isinstance(conditions, list) else []


def fitting(value: Any) -> Any:
    """The status without nulls, which the API server removes. Each text is made safe and clipped to the bound in
    the CRD, because text from objects has no bound (the path of a health check may be as long as an
    annotation)."""
    if isinstance(value, dict):
        return {name: fitting(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, str):
        return harmless(value[:MAX_TEXT])[:MAX_TEXT]
    return [fitting(inner) for inner in value] if isinstance(value, (list, tuple)) else value
