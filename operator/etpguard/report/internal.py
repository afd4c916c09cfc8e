"""An internal assessment as JSON: an entry of `internal[]` of a CoverageReport. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etpguard.assess import InternalAssessment, InternalPort
from etpguard.cluster import NodeTable
from etpguard.report.node_names import node_names
from etpguard.report.sentences import explain_internal

Json = dict[str, Any]


def internal_report(
    assessment: InternalAssessment, table: NodeTable, advice: Sequence[str], max_nodes: int = 100
) -> Json:
    """One entry of `internal[]`. `max_nodes` bounds each list of names (see `NO_NAMES`). `counts` count all
    nodes."""
    return {
        "namespace": assessment.key.namespace,
        "name": assessment.key.name,
        "type": assessment.type,
        "outcome": assessment.outcome.name,
        "reason": explain_internal(assessment),
        "counts": internal_counts(assessment),
        "uncoveredNodes": node_names(table, assessment.uncovered, max_nodes),
        "unknownNodes": node_names(table, assessment.unknown, max_nodes),
        "ports": [internal_port(port, assessment.eligible, table, max_nodes) for port in assessment.ports],
        "advice": list(advice),
        "assumptions": list(assessment.assumptions),
    }


def internal_status(
    assessment: InternalAssessment, table: NodeTable, advice: Sequence[str], max_ports: int, max_nodes: int
) -> Json:
    """`status.internal` of a ServiceCoverage. Ports whose nodes are in equal states share one entry."""
    return {
        "outcome": assessment.outcome.name,
        "reason": explain_internal(assessment),
        "counts": internal_counts(assessment),
        "uncoveredNodes": node_names(table, assessment.uncovered, max_nodes),
        "unknownNodes": node_names(table, assessment.unknown, max_nodes),
        "ports": _groups(assessment.ports[:max_ports], assessment.eligible, table, max_nodes),
        "portsTotal": len(assessment.ports),
        "advice": list(advice),
    }


def _groups(ports: Sequence[InternalPort], eligible: int, table: NodeTable, max_nodes: int) -> list[Json]:
    groups: dict[tuple[object, ...], list[InternalPort]] = {}
    for port in ports:
        state = port.state
        forwarding = (state.ready & eligible, state.terminating & eligible)
        groups.setdefault((*forwarding, state.usable, port.unknown, port.outcome, port.reason), []).append(port)
    made = []
    for members in groups.values():
        entry = internal_port(members[0], eligible, table, max_nodes)
        listed = [
            {"port": state.port, "number": state.number, "protocol": state.protocol, "family": state.family}
            for state in (member.state for member in members)
        ]
        shared = {name: value for name, value in entry.items() if name not in listed[0]}
        made.append({"ports": listed, **shared})
    return made


def internal_counts(assessment: InternalAssessment) -> Json:
    return {
        "eligible": assessment.eligible.bit_count(),
        "uncovered": assessment.uncovered.bit_count(),
        "unknown": assessment.unknown.bit_count(),
    }


def nodes_by_state(port: InternalPort, eligible: int) -> dict[str, int]:
    """The set of nodes in each state. Each eligible node is in exactly one of them."""
    state, known = port.state, eligible & ~port.unknown
    return {
        "ready": state.ready & known,
        "terminating": state.terminating & known,
        "dropped": state.dropped(known),
        "rejected": state.rejected(known),
        "unknown": port.unknown,
    }


def internal_port(port: InternalPort, eligible: int, table: NodeTable, max_nodes: int) -> Json:
    """One port. Each Ready node is in exactly one of the lists."""
    state, members = port.state, nodes_by_state(port, eligible)
    return {
        "port": state.port,
        "number": state.number,
        "protocol": state.protocol,
        "family": state.family,
        "outcome": port.outcome.name,
        "reason": str(port.reason),
        **{name: node_names(table, nodes, max_nodes) for name, nodes in members.items()},
        "client": client.value if (client := state.client(eligible & ~port.unknown)) else None,
        "counts": {name: nodes.bit_count() for name, nodes in members.items()},
    }
