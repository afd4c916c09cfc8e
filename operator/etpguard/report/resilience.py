"""The resilience of a consumer or a Service: as JSON, and in a few words. Pure."""

from __future__ import annotations

from typing import Any

from etpguard.assess.resilience import Resilience
from etpguard.cluster import NodeTable
from etpguard.objects.text import listed
from etpguard.report.node_names import NO_NAMES, node_names

Json = dict[str, Any]

_SHARE_DIGITS = 4


def resilience_report(found: Resilience, table: NodeTable, max_names: int) -> Json:
    """`max_names` bounds each list of names, see `NO_NAMES`. `counts` count all."""
    report: Json = {
        "coveredNodes": found.covered_nodes,
        "toleratesNodeLosses": found.tolerates_nodes,
        "singlePoints": node_names(table, found.single_points, max_names),
        "counts": {
            "singlePoints": found.single_points.bit_count(),
            "uncoveredZones": len(found.uncovered_zones),
        },
    }
    if found.covered_zones is not None and found.tolerates_zones is not None:
        report["coveredZones"] = found.covered_zones
        report["toleratesZoneLosses"] = found.tolerates_zones
        report["uncoveredZones"] = list(
            found.uncovered_zones[: max_names or None] if max_names != NO_NAMES else ()
        )
    if share := found.per_pod_share:
        least, most = share
        report["perPodShare"] = {"least": round(least, _SHARE_DIGITS), "most": round(most, _SHARE_DIGITS)}
    return report


def tolerates(found: Resilience | None) -> str:
    """How many nodes and zones may be lost without more loss of traffic, for a table; "-" if that is not known."""
    if found is None:
        return "-"
    nodes = _counted(found.tolerates_nodes, "node")
    return nodes if found.tolerates_zones is None else f"{nodes}, {_counted(found.tolerates_zones, 'zone')}"


def resilience_lines(found: Resilience, table: NodeTable, max_nodes: int) -> list[str]:
    """The sentences of `explain` about one consumer, without a full stop."""
    zones = f" in {_counted(found.covered_zones, 'zone')}" if found.covered_zones else ""
    may_lose = f"may lose {tolerates(found).replace(', ', ' or ')} before more traffic is lost"
    lines = [
        f"covered on {_counted(found.covered_nodes, 'node')}{zones}; {may_lose}"
        if found.covered_nodes
        else "covered on no node"
    ]
    if found.single_points:
        names, total = table.names(found.single_points, max_nodes), found.single_points.bit_count()
        nodes = listed(names, len(names), total)
        lines.append(f"if any one of these nodes fails, more traffic is lost: {nodes}")
    if found.uncovered_zones:
        named = ", ".join(found.uncovered_zones[: max_nodes or None])
        lines.append(f"zones with eligible nodes and no covered one: {named}")
    share = found.per_pod_share
    if share and share[0] != share[1]:
        lines.append(
            f"one pod gets {share[0]:.1%} to {share[1]:.1%} of the traffic, if each covered node gets the same"
        )
    return lines


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
