"""An Assessment in the words of the public contract: the CoverageReport of `check`, the status of a
ServiceCoverage, and the sentences that both share. The one place where these shapes are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from etpguard.assess import Assessment, Outcome, PortState
from etpguard.assess.consumers.interface import ConsumerVerdict
from etpguard.assess.outcome import NO_HEALTHY_TARGET
from etpguard.assess.probe import NoHealthCheck, PassesNowhere
from etpguard.cluster import NodeTable
from etpguard.objects import API_VERSION

MAX_STATUS_PORTS = 64
MAX_STATUS_CONSUMERS = 32
MAX_STATUS_NAMES = 20
MAX_STATUS_BYTES = 64 * 1024
MAX_STATUS_TEXT = 1024
MAX_NAMED_PORTS = 10
MAX_NOTE_BYTES = 1024
NO_NAMES = -1
"""Given for a number of names: none at all, where 0 means all."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a CoverageReport is made of. `advice` gives the advice for one assessment; `max_nodes` bounds each
    list of names, 0 for all."""

    data_plane: str
    data_plane_how: str
    assessments: Iterable[Assessment]
    table: NodeTable
    advice: Callable[[Assessment], Sequence[str]]
    max_nodes: int = 100
    warnings: Sequence[str] = ()
    not_read: Sequence[str] = ()


def coverage_report(contents: Contents) -> Json:
    """The CoverageReport: `etpguard check -o json`."""
    ordered = sorted(contents.assessments, key=lambda a: a.key)
    return {
        "apiVersion": API_VERSION,
        "kind": "CoverageReport",
        "dataPlane": {"name": contents.data_plane, "how": contents.data_plane_how},
        "services": [service_report(a, contents.table, contents.advice(a), contents.max_nodes) for a in ordered],
        "warnings": list(contents.warnings),
        "notRead": list(contents.not_read),
    }


def service_report(assessment: Assessment, table: NodeTable, advice: Sequence[str], max_nodes: int = 100) -> Json:
    """One entry of `services[]`. `counts` are whole whatever `max_nodes` leaves of the names."""
    report: Json = {
        "namespace": assessment.key.namespace,
        "name": assessment.key.name,
        "type": assessment.type,
        "outcome": assessment.outcome.name,
        "reason": explain_reason(assessment),
        "counts": {"eligible": assessment.eligible.bit_count(), "uncovered": assessment.uncovered.bit_count()},
        "ports": [port_report(port, assessment.nodes, table, max_nodes) for port in assessment.ports],
        "consumers": [consumer_report(verdict, table, max_nodes) for verdict in assessment.consumers],
        "advice": list(advice),
    }
    if assessment.if_local is not None:
        report["ifLocal"] = if_local_report(assessment.if_local)
    return report


def if_local_report(local: Assessment) -> Json:
    """What a remediated Service would be under Local."""
    return {
        "outcome": local.outcome.name,
        "reason": explain_reason(local),
        "eligible": local.eligible.bit_count(),
        "uncovered": local.uncovered.bit_count(),
    }


def port_report(port: PortState, nodes: int, table: NodeTable, max_nodes: int) -> Json:
    states = {
        "ready": port.ready & nodes,
        "terminating": port.terminating & nodes,
        "dropped": port.dropped(nodes),
        "rejected": port.rejected(nodes),
    }
    return {
        "port": port.port,
        "protocol": port.protocol,
        "family": port.family,
        "nodePort": port.node_port,
        **{state: _names(table, members, max_nodes) for state, members in states.items()},
        "counts": {state: members.bit_count() for state, members in states.items()},
    }


def consumer_report(verdict: ConsumerVerdict, table: NodeTable, max_nodes: int) -> Json:
    consumer = verdict.consumer
    check = consumer.health_check
    report: Json = {
        "kind": consumer.kind,
        "namespace": consumer.namespace,
        "name": consumer.name,
        "controller": consumer.controller,
        "targetType": consumer.target_type,
        "port": consumer.port,
        "healthCheck": check and {"port": check.port, "protocol": check.protocol, "path": check.path},
        "eligibleNodes": _names(table, verdict.eligible, max_nodes),
        "uncoveredNodes": _names(table, verdict.uncovered, max_nodes),
        "counts": {
            "eligible": verdict.eligible.bit_count(),
            "uncovered": verdict.uncovered.bit_count(),
            "unused": verdict.unused.bit_count(),
        },
        "outcome": verdict.outcome.name,
        "reason": explain_verdict(verdict),
    }
    if verdict.unused:
        report["unusedNodes"] = _names(table, verdict.unused, max_nodes)
    if consumer.source:
        report["source"] = consumer.source
    return report


def _names(table: NodeTable, nodes: int, limit: int) -> list[str]:
    return [] if limit == NO_NAMES else table.names(nodes, limit)


def explain_reason(assessment: Assessment) -> str:
    """Why the Service has its outcome, in one sentence."""
    deciding = [v for v in assessment.consumers if not v.consumer.incidental and v.outcome == assessment.outcome]
    if deciding and assessment.reason == deciding[0].reason:
        return explain_verdict(deciding[0])
    if assessment.reason.code == "NoKnownConsumer":
        return _without_consumer(assessment)
    return str(assessment.reason)


def explain_verdict(verdict: ConsumerVerdict) -> str:
    """Why a consumer has its outcome, in one sentence."""
    no_healthy_target = verdict.reason.code == NO_HEALTHY_TARGET
    if verdict.reason.code != verdict.outcome.name and not no_healthy_target:
        return str(verdict.reason)
    eligible, uncovered = verdict.eligible.bit_count(), verdict.uncovered.bit_count()
    check = verdict.consumer.health_check
    probed = f"{check.protocol} health check on {check.port}" if check else "health check"
    match verdict.outcome:
        case Outcome.Covered:
            return f"each of its {eligible} target nodes has an endpoint"
        case Outcome.TargetsUnhealthy:
            return (
                f"{uncovered} of {eligible} target nodes drop the traffic; the {probed} fails there, "
                "so it routes around them"
            )
        case Outcome.NoEndpoints:
            return "no endpoint is usable anywhere, so every node rejects; the policy is not at fault"
        case Outcome.NoTargets:
            return "it targets no node: none is eligible"
        case Outcome.Blackhole if no_healthy_target:
            probe = verdict.consumer.probe
            why = f" ({probe.detail})" if isinstance(probe, PassesNowhere) else ""
            return (
                f"{uncovered} of {eligible} target nodes drop the traffic, and the {probed} fails on the others "
                f"too{why}: no target is healthy, so the load balancer sends to all, and a share of the requests "
                "is lost"
            )
        case Outcome.Blackhole if isinstance(verdict.consumer.probe, NoHealthCheck):
            return (
                f"{uncovered} of {eligible} nodes that it may send to drop the traffic, and no health check "
                "keeps it from them, so requests are lost"
            )
        case Outcome.Blackhole:
            return (
                f"{uncovered} of {eligible} target nodes drop the traffic, and the {probed} passes there, "
                "so a share of the requests is lost"
            )
        case Outcome.Outage:
            return f"all of its {eligible} target nodes drop the traffic"
        case _:
            return str(verdict.reason)


def _without_consumer(assessment: Assessment) -> str:
    eligible, uncovered = assessment.eligible.bit_count(), assessment.uncovered.bit_count()
    match assessment.outcome:
        case Outcome.Covered:
            return f"no known consumer; each of the {eligible} eligible nodes has an endpoint"
        case Outcome.Uncovered:
            return (
                f"no known consumer; a client that picks one of {uncovered} of the {eligible} eligible nodes "
                "is dropped"
            )
        case Outcome.NoTargets:
            return "no known consumer, and no eligible node"
        case _:
            return "no endpoint is usable anywhere, so every node rejects; the policy is not at fault"


def delivered(outcome: Outcome) -> str:
    """Status of the condition `Delivered`."""
    if outcome <= Outcome.TargetsUnhealthy:
        return "True"
    return "False" if outcome in (Outcome.Blackhole, Outcome.Outage, Outcome.NoTargets) else "Unknown"


def covered(outcome: Outcome) -> str:
    """Status of the condition `Covered`."""
    if outcome <= Outcome.Covered:
        return "True"
    return "Unknown" if outcome in (Outcome.NoEndpoints, Outcome.Unknown) else "False"


def condition_message(assessment: Assessment) -> str:
    """Outcome, ports and consumer, without counts or node names, which change too often to be written to a
    Service: every write to one reaches every kube-proxy."""
    outcome = assessment.outcome.name
    known = [v for v in assessment.consumers if not v.consumer.incidental]
    worst = [v for v in known if v.outcome == assessment.outcome]
    ports = sorted({v.consumer.port for v in worst} or {p.port for p in assessment.ports})
    through = ""
    if worst:
        first = worst[0].consumer
        others = " and others" if len({v.consumer.object for v in worst}) > 1 else ""
        through = f" through {first.kind} {first.namespace}/{first.name}{others}"
    named = ", ".join(port or "(unnamed)" for port in ports[:MAX_NAMED_PORTS])
    if len(ports) > MAX_NAMED_PORTS:
        named += " and others"
    detail = f" ({assessment.reason.code})" if assessment.reason.code != outcome else ""
    return f"{outcome}{detail}: port{'s' if len(ports) > 1 else ''} {named}{through}"


def event_note(assessment: Assessment, table: NodeTable) -> str:
    """Outcome, ports, counts and up to five nodes: at most 1 KiB, the bound of events.k8s.io/v1."""
    eligible, uncovered = assessment.eligible.bit_count(), assessment.uncovered.bit_count()
    names = table.names(assessment.uncovered, 5)
    more = f" and {uncovered - len(names)} more" if uncovered > len(names) else ""
    listed = f": {', '.join(names)}{more}" if names else ""
    numbers = ", ".join(
        f"{p.port or p.number}{f' ({p.node_port})' if p.node_port else ''}" for p in _event_ports(assessment)
    )
    note = f"{condition_message(assessment)}; {uncovered} of {eligible} eligible nodes uncovered{listed}"
    whole = f"{note}; node ports: {numbers}" if numbers else note
    return whole.encode()[:MAX_NOTE_BYTES].decode(errors="ignore")


def _event_ports(assessment: Assessment) -> list[PortState]:
    """The ports that uncovered nodes drop, one entry a node port, at most eight."""
    seen: dict[tuple[str, int], PortState] = {}
    for port in assessment.ports:
        if port.dropped(assessment.uncovered or assessment.nodes):
            seen.setdefault((port.port, port.node_port), port)
    return list(seen.values())[:8]


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
