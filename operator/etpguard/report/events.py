"""The Events about coverage: one constructor for each reason. Pure.

The note is part of an Event's identity (see `objects.events.Event`), so its format is stored data: an operator of
another release that takes over must find the same note, or it writes one more Event for each object.
"""

from __future__ import annotations

from dataclasses import dataclass

from etpguard.assess import Assessment, InternalAssessment, Outcome
from etpguard.assess.probe import HealthCheckNodePort
from etpguard.cluster import NodeTable
from etpguard.objects import SERVICE
from etpguard.objects.events import Event, ObjectRef
from etpguard.report.messages import event_note, internal_note

NODES_COVERED = "NodesCovered"
NODES_UNCOVERED = "NodesUncovered"
TRAFFIC_BLACKHOLE = "TrafficBlackhole"
TRAFFIC_OUTAGE = "TrafficOutage"
NO_ELIGIBLE_NODES = "NoEligibleNodes"
NODES_UNCOVERED_INTERNALLY = "NodesUncoveredInternally"
NODES_COVERED_INTERNALLY = "NodesCoveredInternally"

WARNING_OUTCOMES = frozenset(outcome for outcome in Outcome if outcome >= Outcome.Uncovered)
"""Outcomes whose Event is always a Warning. TargetsUnhealthy is not among them: its type depends on the probe."""
OUTCOMES = {
    (NODES_COVERED, False): (Outcome.NotAffected, Outcome.Covered),
    (NODES_UNCOVERED, False): (Outcome.TargetsUnhealthy,),
    (NODES_UNCOVERED, True): (Outcome.TargetsUnhealthy, Outcome.Uncovered),
    (TRAFFIC_BLACKHOLE, True): (Outcome.Blackhole,),
    (TRAFFIC_OUTAGE, True): (Outcome.Outage,),
    (NO_ELIGIBLE_NODES, True): (Outcome.NoTargets,),
    (NODES_UNCOVERED_INTERNALLY, True): (Outcome.Uncovered,),
    (NODES_COVERED_INTERNALLY, False): (Outcome.Covered,),
}
"""The outcomes that an Event may stand for, by its reason and by whether it is a Warning."""

INTERNAL_REASONS = frozenset({NODES_UNCOVERED_INTERNALLY, NODES_COVERED_INTERNALLY})
"""Reasons of the Events about clients in the cluster. They do not replace the Events about external traffic,
and these do not replace them."""
RECOVERIES = frozenset({NODES_COVERED, NODES_COVERED_INTERNALLY})


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that an Event is about, with the part of the assessment that concerns this object. `service` is
    the Service if `regarding` is another object."""

    regarding: ObjectRef
    view: Assessment
    service: ObjectRef | None = None


def coverage_event(subject: Subject, table: NodeTable) -> Event | None:
    """The Event for the outcome of `subject`; None for NoEndpoints and Unknown, which have none."""
    match subject.view.outcome:
        case Outcome.NotAffected | Outcome.Covered:
            return nodes_covered(subject=subject, table=table)
        case Outcome.TargetsUnhealthy:
            by_design = _health_check_node_port_decides(subject.view)
            return nodes_uncovered(subject=subject, table=table, warning=not by_design)
        case Outcome.Uncovered:
            return nodes_uncovered(subject=subject, table=table, warning=True)
        case Outcome.Blackhole:
            return traffic_blackhole(subject=subject, table=table)
        case Outcome.Outage:
            return traffic_outage(subject=subject, table=table)
        case Outcome.NoTargets:
            return no_eligible_nodes(subject=subject, table=table)
        case Outcome.NoEndpoints | Outcome.Unknown:
            return None


def nodes_covered(*, subject: Subject, table: NodeTable) -> Event:
    """Each eligible node forwards the traffic again. Sent after a Warning only."""
    return _event(subject, table, reason=NODES_COVERED, warning=False)


def nodes_uncovered(*, subject: Subject, table: NodeTable, warning: bool) -> Event:
    """Some eligible nodes drop the traffic. `warning` is False where each load balancer probes the
    healthCheckNodePort, which exists to route around such nodes."""
    return _event(subject, table, reason=NODES_UNCOVERED, warning=warning)


def traffic_blackhole(*, subject: Subject, table: NodeTable) -> Event:
    """A share of the requests is lost."""
    return _event(subject, table, reason=TRAFFIC_BLACKHOLE, warning=True)


def traffic_outage(*, subject: Subject, table: NodeTable) -> Event:
    """Every request is lost."""
    return _event(subject, table, reason=TRAFFIC_OUTAGE, warning=True)


def no_eligible_nodes(*, subject: Subject, table: NodeTable) -> Event:
    """The consumer sends traffic to no node."""
    return _event(subject, table, reason=NO_ELIGIBLE_NODES, warning=True)


def internal_event(assessment: InternalAssessment) -> Event | None:
    """The Event for clients in the cluster of a Service; None for NoEndpoints and Unknown, which have none."""
    match assessment.outcome:
        case Outcome.Uncovered:
            return nodes_uncovered_internally(assessment)
        case Outcome.Covered:
            return nodes_covered_internally(assessment)
        case _:
            return None


def nodes_uncovered_internally(assessment: InternalAssessment) -> Event:
    """Clients on some Ready nodes lose their connections to the cluster IP."""
    return _internal(assessment, reason=NODES_UNCOVERED_INTERNALLY, warning=True)


def nodes_covered_internally(assessment: InternalAssessment) -> Event:
    """Each Ready node has an endpoint again. Sent after a Warning only."""
    return _internal(assessment, reason=NODES_COVERED_INTERNALLY, warning=False)


def policy_changed(regarding: ObjectRef, service: ObjectRef | None, *, internal: bool) -> Event:
    """The Service does not have the policy Local any more, by which it lost traffic. Sent after a Warning only."""
    about = f"Service {service.key.name}: " if service is not None else ""
    field = "internalTrafficPolicy" if internal else "externalTrafficPolicy"
    return Event(
        regarding=regarding,
        related=service,
        reason=NODES_COVERED_INTERNALLY if internal else NODES_COVERED,
        warning=False,
        note=f"{about}NotAffected: the Service does not have {field} Local any more",
    )


def _internal(assessment: InternalAssessment, *, reason: str, warning: bool) -> Event:
    regarding = ObjectRef(SERVICE, assessment.key, assessment.uid)
    return Event(regarding=regarding, reason=reason, warning=warning, note=internal_note(assessment))


def _event(subject: Subject, table: NodeTable, *, reason: str, warning: bool) -> Event:
    about = f"Service {subject.service.key.name}: " if subject.service is not None else ""
    note = event_note(subject.view, table, about)
    return Event(regarding=subject.regarding, related=subject.service, reason=reason, warning=warning, note=note)


def _health_check_node_port_decides(view: Assessment) -> bool:
    """Whether each consumer that has this outcome probes the healthCheckNodePort."""
    probes = [verdict.consumer.probe for verdict in view.deciding]
    return bool(probes) and all(isinstance(probe, HealthCheckNodePort) for probe in probes)
