"""The WhatIfReport of `etpguard what-if -o json`, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etpguard.cli.output import inside_what_if as inside
from etpguard.cli.output.table import nodes, plain
from etpguard.cli.what_if.hand_off import hand_off_lines, hand_off_report
from etpguard.cluster import NodeTable
from etpguard.foresight.eviction import Blocked
from etpguard.foresight.forecasts.forecast import Case, Forecast, Phases
from etpguard.foresight.worlds.bounds import Bounds
from etpguard.objects import API_VERSION
from etpguard.report import explain_reason
from etpguard.report.resilience import resilience_report, tolerates

Json = dict[str, Any]

_SHOWN_BLOCKED = 20


@dataclass(frozen=True)
class WhatIf:
    """A forecast, and the other data of the report."""

    forecast: Forecast
    table: NodeTable
    warnings: Sequence[str]
    not_read: Sequence[str]
    assumptions: Sequence[str] = ()
    max_nodes: int = 100


def report(given: WhatIf) -> Json:
    forecast = given.forecast
    return {
        "apiVersion": API_VERSION,
        "kind": "WhatIfReport",
        "changes": list(forecast.changes),
        "services": [_service(each, given) for each in forecast.services],
        "internal": inside.entries(forecast.internal, given.table, given.max_nodes),
        "blocked": [_blocked(each) for each in forecast.blocked],
        "assumptions": [*given.assumptions, *forecast.assumptions],
        "warnings": [*forecast.warnings, *given.warnings],
        "notRead": list(given.not_read),
    }


def _service(phases: Phases, given: WhatIf) -> Json:
    return {
        "namespace": phases.service.namespace,
        "name": phases.service.name,
        "now": _case(phases.now, given),
        "during": _bounds(phases.during, given),
        "settled": _bounds(phases.settled, given),
        "exposureSeconds": None if phases.exposure is None else list(phases.exposure),
        "handOff": hand_off_report(phases, given.max_nodes),
        "because": list(phases.because),
    }


def _bounds(bounds: Bounds[Case], given: WhatIf) -> Json:
    return {"worst": _case(bounds.worst, given), "best": _case(bounds.best, given)}


def _case(case: Case, given: WhatIf) -> Json:
    found = case.assessment
    if found is None:
        return {"outcome": case.outcome.name, "eligible": 0, "uncovered": 0}
    made: Json = {
        "outcome": case.outcome.name,
        "eligible": found.eligible.bit_count(),
        "uncovered": found.uncovered.bit_count(),
        "uncoveredNodes": given.table.names(found.uncovered, given.max_nodes),
        "reason": explain_reason(found),
    }
    if (resilience := found.resilience) is not None:
        made["resilience"] = resilience_report(resilience, given.table, given.max_nodes)
    return made


def _blocked(each: Blocked) -> Json:
    made: Json = {
        "namespace": each.pod.namespace,
        "pod": each.pod.name,
        "node": each.node,
        "reason": each.reason,
        "message": each.detail,
        "stays": each.stays,
    }
    return {**made, "status": each.code} if each.code else made


_HEADER = (
    "SERVICE",
    "NOW",
    "DURING",
    "SETTLED, WORST",
    "SETTLED, BEST",
    "TOLERATES",
    "EXPOSURE",
    "UNCOVERED NODES",
)


def lines(given: WhatIf) -> list[str]:
    """The table: only Services whose outcome or resilience changes, or that lose the last pod of a node."""
    forecast = given.forecast
    made = [f"If you {'; then '.join(forecast.changes)}:", ""]
    if forecast.services:
        made += plain(_HEADER, [_row(each, given) for each in forecast.services])
    else:
        made.append("No Service with externalTrafficPolicy Local changes its outcome or its resilience.")
    if ends := list(hand_off_lines(forecast.services)):
        made += ["", *ends]
    made += inside.lines(forecast.internal, given.table)
    stopped = [each for each in forecast.blocked if not each.stays]
    if stopped:
        made += ["", "These pods are not evicted:"]
        made += plain(
            ("POD", "NODE", "REASON", "MESSAGE"),
            [(str(b.pod), b.node, b.reason, b.detail) for b in stopped[:_SHOWN_BLOCKED]],
        )
        if len(stopped) > _SHOWN_BLOCKED:
            made.append(f"and {len(stopped) - _SHOWN_BLOCKED} more (-o json lists all)")
    notes = [f"Assumed: {text}." for text in (*given.assumptions, *forecast.assumptions)]
    if given.not_read:
        notes.append(f"Not read: {', '.join(given.not_read)}. The bounds are wider without them.")
    return [*made, "", *notes] if notes else made


def _row(phases: Phases, given: WhatIf) -> tuple[str, ...]:
    during, settled = phases.during, phases.settled
    worst = settled.worst.assessment or during.worst.assessment
    shown = during.worst.assessment or worst
    uncovered = shown.uncovered if shown else 0
    seconds = phases.exposure
    return (
        str(phases.service),
        _cell(phases.now),
        _cell(during.worst) if during.worst.figures == during.best.figures else _range(during),
        _cell(settled.worst),
        _cell(settled.best),
        f"{_tolerates(phases.now)} -> {_tolerates(settled.worst)}",
        "not bounded" if seconds is None else f"{seconds[0]} to {seconds[1]} s" if seconds[1] else "-",
        nodes(given.table.names(uncovered, 3), uncovered.bit_count()),
    )


def _cell(case: Case) -> str:
    found = case.assessment
    if found is None or not found.eligible:
        return case.outcome.name
    return f"{case.outcome.name} {found.uncovered.bit_count()}/{found.eligible.bit_count()}"


def _range(bounds: Bounds[Case]) -> str:
    worst, best = _cell(bounds.worst), _cell(bounds.best)
    return worst if worst == best else f"{worst} .. {best}"


def _tolerates(case: Case) -> str:
    return tolerates(case.assessment.resilience if case.assessment else None)
