"""The part of `etpguard what-if` on clients in the cluster: which nodes go dark, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etpguard.cli.output.inside_table import TITLE
from etpguard.cli.output.table import NAMED, nodes, plain
from etpguard.cluster import NodeTable
from etpguard.foresight.forecasts.internal_forecast import InternalCase, InternalPhases
from etpguard.foresight.worlds.bounds import Bounds
from etpguard.report.sentences import explain_internal

Json = dict[str, Any]

_HEADER = ("SERVICE", "NOW", "DURING", "SETTLED, WORST", "SETTLED, BEST", "GO DARK", "FOR")


def entries(found: Sequence[InternalPhases], table: NodeTable, max_nodes: int) -> list[Json]:
    """`internal[]` of a WhatIfReport."""
    return [
        {
            "namespace": each.service.namespace,
            "name": each.service.name,
            "now": _case(each.now, table, max_nodes),
            "during": _bounds(each.during, table, max_nodes),
            "settled": _bounds(each.settled, table, max_nodes),
            "goDark": {
                "nodes": table.names(each.dark, max_nodes),
                "count": each.dark.bit_count(),
                "atOnce": each.at_once,
                "seconds": _seconds(each),
                "duration": duration(each),
            },
            "because": list(each.because),
        }
        for each in found
    ]


def lines(found: Sequence[InternalPhases], table: NodeTable) -> list[str]:
    """The lines of the table; none if no such Service changes."""
    if not found:
        return []
    rows = []
    for each in found:
        during, settled = each.during, each.settled
        count = each.dark.bit_count()
        at_once = f", {each.at_once} at a time" if each.at_once < count else ""
        rows.append(
            (
                str(each.service),
                _cell(each.now),
                _cell(during.worst),
                _cell(settled.worst),
                _cell(settled.best),
                f"{nodes(table.names(each.dark, NAMED), count)}{at_once}",
                duration(each) if each.dark else "-",
            )
        )
    return ["", TITLE, *plain(_HEADER, rows)]


def duration(phases: InternalPhases) -> str:
    """For how long clients on an uncovered node lose their connections, in words."""
    if not phases.dark:
        return "no node goes dark"
    if phases.replaced_in_place:
        if phases.lasts is None:
            return "each until its new pod is ready"
        return f"each until its new pod is ready: {phases.lasts.median} s, the median of the present pods"
    if not phases.dark & ~phases.settled.best.dark:
        return "until another change"
    return "not bounded"


def _seconds(phases: InternalPhases) -> Json | None:
    """How long the present pods took to become ready; None if that is no bound."""
    if not phases.replaced_in_place or phases.lasts is None or not phases.dark:
        return None
    return {"least": phases.lasts.least, "median": phases.lasts.median, "pods": phases.lasts.pods}


def _bounds(bounds: Bounds[InternalCase], table: NodeTable, max_nodes: int) -> Json:
    return {"worst": _case(bounds.worst, table, max_nodes), "best": _case(bounds.best, table, max_nodes)}


def _case(case: InternalCase, table: NodeTable, max_nodes: int) -> Json:
    made: Json = {
        "outcome": case.outcome.name,
        "eligible": case.eligible.bit_count(),
        "dark": case.dark.bit_count(),
        "darkNodes": table.names(case.dark, max_nodes),
    }
    return {**made, "reason": explain_internal(case.assessment)} if case.assessment else made


def _cell(case: InternalCase) -> str:
    eligible = case.eligible.bit_count()
    return f"{case.outcome.name} {case.dark.bit_count()}/{eligible}" if eligible else case.outcome.name
