"""An Assessment in words: why an outcome is what it is, and what a condition and an Event say of it."""

from __future__ import annotations

from etpguard.assess import Assessment, Outcome, PortState
from etpguard.assess.consumers.interface import ConsumerVerdict
from etpguard.assess.outcome import NO_HEALTHY_TARGET
from etpguard.assess.probe import NoHealthCheck, PassesNowhere
from etpguard.cluster import NodeTable

MAX_NAMED_PORTS = 10
MAX_NOTE_BYTES = 1024


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
            return f"no known consumer; {uncovered} of the {eligible} eligible nodes drop what clients send there"
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
