"""The status of a ServiceCoverage, within bounds that etcd and its readers can live with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from etpguard.assess import Assessment, PortState
from etpguard.cluster import NodeTable
from etpguard.report.contract import NO_NAMES, Json, consumer_report, if_local_report, port_report
from etpguard.report.sentences import condition_message, covered, delivered, explain_reason

MAX_STATUS_PORTS = 64
MAX_STATUS_CONSUMERS = 32
MAX_STATUS_NAMES = 20
MAX_STATUS_BYTES = 64 * 1024
MAX_STATUS_TEXT = 1024


def status(assessment: Assessment, table: NodeTable, advice: Sequence[str], remediation: Json | None) -> Json:
    """The status of the Service's ServiceCoverage, without times: 64 ports (equal states share one group),
    32 consumers, 20 names a list with totals beside, 64 KiB in all; names are dropped first."""
    made: Json = {}
    for names, consumers, advised in _BOUNDS:
        made = _status(assessment, table, advice[:advised], remediation, names, consumers)
        if len(msgspec.json.encode(made)) <= MAX_STATUS_BYTES:
            break
    return made


# Names a list, consumers, pieces of advice: the next where the status is still too large.
_BOUNDS = (
    (MAX_STATUS_NAMES, MAX_STATUS_CONSUMERS, 8),
    (5, MAX_STATUS_CONSUMERS, 8),
    (1, MAX_STATUS_CONSUMERS, 8),
    (NO_NAMES, MAX_STATUS_CONSUMERS, 8),
    (NO_NAMES, MAX_STATUS_CONSUMERS, 0),
    (NO_NAMES, 4, 0),
    (NO_NAMES, 0, 0),
)


def _status(
    assessment: Assessment,
    table: NodeTable,
    advice: Sequence[str],
    remediation: Json | None,
    names: int,
    consumers: int,
) -> Json:
    worst_first = sorted(assessment.consumers, key=lambda v: (-v.outcome, -v.uncovered.bit_count()))
    made: Json = {
        "outcome": assessment.outcome.name,
        "reason": explain_reason(assessment),
        "eligibleNodes": assessment.eligible.bit_count(),
        "uncoveredNodes": assessment.uncovered.bit_count(),
        "conditions": conditions(assessment),
        "ports": port_groups(assessment, table, names),
        "portsTotal": len(assessment.ports),
        "consumers": [consumer_report(v, table, names) for v in worst_first[:consumers]],
        "consumersTotal": len(assessment.consumers),
        "advice": list(advice),
    }
    if assessment.if_local is not None:
        made["ifLocal"] = if_local_report(assessment.if_local)
    clipped: Json = _clipped(made)
    if remediation is not None:
        clipped["remediation"] = remediation
    return clipped


def _clipped(value: Any) -> Any:
    """Texts may hold what people wrote, which has no bound (a path in an annotation of 256 KiB)."""
    if isinstance(value, str):
        return value[:MAX_STATUS_TEXT]
    if isinstance(value, dict):
        return {key: _clipped(inner) for key, inner in value.items()}
    return [_clipped(inner) for inner in value] if isinstance(value, list) else value


def conditions(assessment: Assessment) -> list[Json]:
    """`Covered` and `Delivered`, without lastTransitionTime, which is the writer's."""
    message, reason = condition_message(assessment), assessment.outcome.name
    return [
        {"type": "Covered", "status": covered(assessment.outcome), "reason": reason, "message": message},
        {"type": "Delivered", "status": delivered(assessment.outcome), "reason": reason, "message": message},
    ]


def port_groups(assessment: Assessment, table: NodeTable, names: int) -> list[Json]:
    """Ports whose nodes are in equal states share one entry that lists them."""
    groups: dict[tuple[int, int, bool], list[PortState]] = {}
    for port in assessment.ports[:MAX_STATUS_PORTS]:
        at = (port.ready & assessment.nodes, port.terminating & assessment.nodes, port.usable)
        groups.setdefault(at, []).append(port)
    made = []
    for members in groups.values():
        entry = port_report(members[0], assessment.nodes, table, names)
        states = {k: entry[k] for k in ("ready", "terminating", "dropped", "rejected", "counts")}
        listed = [
            {"port": p.port, "protocol": p.protocol, "family": p.family, "nodePort": p.node_port} for p in members
        ]
        made.append({"ports": listed, **states})
    return made
