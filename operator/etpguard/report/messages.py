"""What conditions and Events say: the status and the message of a condition, and the note of an Event. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from etpguard.assess import Assessment, InternalAssessment, Outcome, PortState
from etpguard.assess.node_states import client_of
from etpguard.assess.outcome import NO_HEALTHY_TARGET
from etpguard.cluster import NodeTable
from etpguard.objects.events import clip_note
from etpguard.objects.text import listed
from etpguard.report.sentences import MAX_NAMED_PORTS, all_covered, dropped

_MEANING = {
    Outcome.TargetsUnhealthy: "the load balancer avoids the nodes that drop the traffic",
    Outcome.Uncovered: "no load balancer is known that avoids the nodes that drop the traffic",
    Outcome.Blackhole: "a share of the external requests is lost",
    Outcome.NoTargets: "no node gets the traffic, so all external requests are lost",
    Outcome.Outage: "all external requests are lost",
}
"""What an outcome means, for a reader of an Event who does not know the name."""


def delivered(outcome: Outcome) -> str:
    """Status of the condition `Delivered`."""
    if outcome <= Outcome.TargetsUnhealthy:
        return "True"
    return "False" if outcome.loses_requests else "Unknown"


def covered(outcome: Outcome) -> str:
    """Status of the condition `Covered`."""
    if outcome <= Outcome.Covered:
        return "True"
    return "Unknown" if outcome in (Outcome.NoEndpoints, Outcome.Unknown) else "False"


def condition_message(assessment: Assessment) -> str:
    """Outcome, ports and consumer. Counts and node names change too often: each write to a Service reaches every
    kube-proxy."""
    return f"{_outcome_and_code(assessment)}: {_where(assessment)}{_next_step(assessment)}"


def _outcome_and_code(assessment: Assessment | InternalAssessment) -> str:
    outcome, code = assessment.outcome.name, assessment.reason.code
    return outcome if code == outcome else f"{outcome} ({code})"


def _next_step(assessment: Assessment | InternalAssessment) -> str:
    if covered(assessment.outcome) == "True":
        return ""
    return f". Why, and what to do: etpguard explain {assessment.key}"


def _where(assessment: Assessment) -> str:
    """The ports and the consumer with the outcome."""
    deciding = [verdict.consumer for verdict in assessment.deciding]
    ports = sorted({each.port for each in deciding or assessment.ports})
    through = ""
    if deciding:
        others = " and others" if len({each.object for each in deciding}) > 1 else ""
        through = f" through {deciding[0]}{others}"
    return f"{_listed_ports(ports)}{through}"


def _listed_ports(ports: Sequence[str]) -> str:
    named = ", ".join(port or "(unnamed)" for port in ports[:MAX_NAMED_PORTS])
    more = " and others" if len(ports) > MAX_NAMED_PORTS else ""
    return f"port{'s' if len(ports) > 1 else ''} {named}{more}"


def internal_message(assessment: InternalAssessment) -> str:
    """Outcome and ports. Counts and node names change too often."""
    return f"{_internal_summary(assessment)}{_next_step(assessment)}"


def _internal_summary(assessment: InternalAssessment) -> str:
    outcome = _outcome_and_code(assessment)
    deciding = [port.state for port in assessment.ports if port.outcome is assessment.outcome]
    ports = sorted({port.port for port in deciding})
    return f"{outcome}: {_listed_ports(ports)}" if ports else outcome


def internal_note(assessment: InternalAssessment) -> str:
    """The note of an Event about clients in the cluster. It names no node: a rollout of a DaemonSet leaves one
    node after the other uncovered, and must not make an Event for each."""
    summary = _internal_summary(assessment)
    if assessment.outcome is not Outcome.Uncovered:
        return clip_note(summary)
    return clip_note(
        f"{summary}; clients in the cluster lose their connections on nodes without an endpoint. "
        f"ServiceCoverage {assessment.key.name} lists the nodes",
        _next_step(assessment),
    )


def event_note(assessment: Assessment, table: NodeTable, about: str = "") -> str:
    """Outcome and its meaning, ports, counts, up to five nodes, and the next step, within the bound of
    events.k8s.io/v1. `about` comes first.

    The note identifies the Event, so its format is stored data: see `report.events`."""
    meaning = _MEANING.get(assessment.outcome)
    outcome = _outcome_and_code(assessment) + (f", {meaning}" if meaning else "")
    numbers = ", ".join(
        f"{p.port or p.number}{f' ({p.node_port})' if p.node_port else ''}" for p in _event_ports(assessment)
    )
    parts = [f"{about}{outcome}: {_where(assessment)}", _event_nodes(assessment, table)]
    if numbers:
        parts.append(f"node ports: {numbers}")
    return clip_note("; ".join(filter(None, parts)), _next_step(assessment))


def _event_nodes(assessment: Assessment, table: NodeTable) -> str:
    """How many nodes drop the traffic, and up to five of them; "" where no node is eligible."""
    eligible, uncovered = assessment.eligible.bit_count(), assessment.uncovered.bit_count()
    if assessment.outcome is Outcome.Outage and assessment.reason.code == NO_HEALTHY_TARGET:
        return "no target passes the health check"
    if not uncovered:
        return all_covered(eligible, "eligible") if assessment.outcome is Outcome.Covered and eligible else ""
    names = table.names(assessment.uncovered, 5)
    drop = dropped(uncovered, eligible, "eligible", client_of(assessment.ports, assessment.uncovered))
    return f"{drop}: {listed(names, len(names), uncovered)}"


def _event_ports(assessment: Assessment) -> list[PortState]:
    """The ports whose traffic uncovered nodes drop: one entry for each node port, at most eight."""
    seen: dict[tuple[str, int], PortState] = {}
    for port in assessment.ports:
        if port.dropped(assessment.uncovered or assessment.nodes):
            seen.setdefault((port.port, port.node_port), port)
    return list(seen.values())[:8]
