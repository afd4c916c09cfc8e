"""What the statuses that etpguard writes have in common: times of conditions, comparison, clipping. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from etpguard.objects.text import harmless

Json = dict[str, Any]

MAX_TEXT = 1024


def with_times(wanted: Json, existing: Json | None, now: str) -> Json:
    """`wanted` with a lastTransitionTime on each condition: the existing one where the condition's status stays
    the same, else `now`."""
    before = {condition.get("type"): condition for condition in conditions_of(existing or {})}

    def timed(condition: Json) -> Json:
        old = before.get(condition["type"], {})
        kept = old.get("lastTransitionTime") if old.get("status") == condition["status"] else None
        return {**condition, "lastTransitionTime": kept or now}

    return {**wanted, "conditions": [timed(condition) for condition in wanted["conditions"]]}


def comparable(status: Json, ignored: Collection[str] = ()) -> Json:
    """The status without the times of its conditions, without what the API server may leave out (nulls and empty
    lists), and without the top-level fields `ignored`. Two statuses that differ in these alone are the same."""
    rest = {name: value for name, value in status.items() if name not in ignored and value not in ([], None)}
    bare = [_without(condition, "lastTransitionTime") for condition in conditions_of(status)]
    return {**rest, "conditions": sorted(bare, key=lambda condition: str(condition.get("type")))}


def conditions_of(status: Json) -> list[Json]:
    conditions = status.get("conditions")
    return [c for c in conditions if isinstance(c, dict)] if isinstance(conditions, list) else []


def fitting(value: Any) -> Any:
    """Without nulls, which the API server prunes, and with each text harmless and clipped at the CRD's bound: what
    people write into objects has none (the path of a health check may be as long as an annotation)."""
    if isinstance(value, dict):
        return {name: fitting(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, str):
        return harmless(value[:MAX_TEXT])[:MAX_TEXT]
    return [fitting(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _without(condition: Json, name: str) -> Json:
    return {field: value for field, value in condition.items() if field != name}
