"""Why a Service or a consumer has its outcome, in words. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from etpguard.assess import Assessment, InternalAssessment, Outcome, PortState
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_states import Client, client_of
from etpguard.assess.outcome import NO_HEALTHY_TARGET, TOO_FEW_HEALTHY
from etpguard.assess.probe import NoHealthCheck, PassesNowhere
from etpguard.objects.text import listed

MAX_NAMED_PORTS = 10


def explain_reason(assessment: Assessment) -> str:
    """Why the Service has its outcome, in words."""
    deciding = assessment.deciding
    if deciding and assessment.reason == deciding[0].reason:
        return explain_verdict(deciding[0]) + _other_ports(assessment)
    if assessment.reason.code == "NoKnownConsumer":
        return _without_consumer(assessment) + _lost_external_ips(assessment)
    return str(assessment.reason)


def _lost_external_ips(assessment: Assessment) -> str:
    """The external IPs that are a consumer beside clients that are not known, and whose requests are all lost."""
    fates: dict[str, dict[str, bool]] = defaultdict(dict)
    for verdict in assessment.consumers:
        if verdict.consumer.kind == "ExternalIP":
            lost = verdict.outcome in (Outcome.Outage, Outcome.NoTargets)
            fates[verdict.consumer.name][verdict.consumer.port or "(unnamed)"] = lost
    named = [
        address if all(ports.values()) else f"{address} (port {listed([p for p in ports if ports[p]], 3)})"
        for address, ports in fates.items()
        if any(ports.values())
    ]
    return f"; all requests to the external IP {listed(named, 3)} are lost" if named else ""


def explain_verdict(verdict: ConsumerVerdict) -> str:
    """Why a consumer has its outcome, in words."""
    no_healthy_target = verdict.reason.code == NO_HEALTHY_TARGET
    too_few_healthy = verdict.reason.code == TOO_FEW_HEALTHY
    if verdict.reason.code != verdict.outcome.name and not no_healthy_target and not too_few_healthy:
        return str(verdict.reason)
    eligible, uncovered = verdict.eligible.bit_count(), verdict.uncovered.bit_count()
    check = verdict.consumer.check and verdict.consumer.check.settings
    probed = f"{check.protocol} health check on {check.port}" if check else "health check"
    drop = dropped(uncovered, eligible, "eligible", verdict.client)
    them, they_receive = _them(uncovered), "it receives" if uncovered == 1 else "they receive"
    match verdict.outcome:
        case Outcome.Covered:
            return all_covered(eligible, "eligible")
        case Outcome.TargetsUnhealthy:
            return f"{drop}; the {probed} fails on {them}, so {they_receive} no traffic"
        case Outcome.NoEndpoints:
            return _no_usable_endpoint(verdict.reason.detail)
        case Outcome.NoTargets:
            why = f": {verdict.reason.detail}" if verdict.reason.detail else ""
            return f"no node is eligible, so the consumer has no target{why}"
        case Outcome.Blackhole if no_healthy_target:
            return (
                f"{drop}, and the {probed} fails on the others too{_why_it_fails(verdict)}: no target is healthy, "
                "so the load balancer sends traffic to all of them, and a share of the requests is lost"
            )
        case Outcome.Blackhole if too_few_healthy:
            return (
                f"{drop}, and the {probed} fails on {them}: too few targets are healthy, so the load balancer "
                "sends traffic to all of them, and a share of the requests is lost"
            )
        case Outcome.Blackhole if isinstance(verdict.consumer.probe, NoHealthCheck):
            return f"{drop}, and no health check excludes {them}: a share of the requests is lost"
        case Outcome.Blackhole:
            return f"{drop}, and the {probed} passes on {them}: a share of the requests is lost"
        case Outcome.Outage if no_healthy_target:
            return (
                f"the {probed} fails on every target{_why_it_fails(verdict)}: no target is healthy, so the load "
                "balancer sends traffic to none, and all requests are lost"
            )
        case Outcome.Outage:
            why = f"; {verdict.reason.detail}" if verdict.reason.detail else ""
            if eligible == 1:
                return f"the only eligible node {_verb(1, verdict.client)} the traffic{why}"
            return f"all {eligible} eligible nodes {_verb(eligible, verdict.client)} the traffic{why}"
        case _:
            return str(verdict.reason)


def explain_internal(assessment: InternalAssessment) -> str:
    """Why clients in the cluster of a Service have its outcome, in words."""
    ports = [port.state for port in assessment.ports]
    deciding = [port for port in assessment.ports if port.outcome is assessment.outcome]
    nodes = assessment.eligible.bit_count()
    match assessment.outcome:
        case Outcome.Covered:
            return all_covered(nodes, "Ready")
        case Outcome.Uncovered:
            client = client_of(ports, assessment.uncovered)
            drop = dropped(assessment.uncovered.bit_count(), nodes, "Ready", client)
            unknown = assessment.unknown.bit_count()
            more = f"; the state of {unknown} {_nodes(unknown)} is not known" if unknown else ""
            return f"{drop} of clients on {_them(assessment.uncovered.bit_count())}{more}"
        case Outcome.NoEndpoints:
            return _no_usable_endpoint(_ports_without_endpoints([port.state for port in deciding], ports))
        case _:
            return str(assessment.reason)


def _without_consumer(assessment: Assessment) -> str:
    eligible, uncovered = assessment.eligible.bit_count(), assessment.uncovered.bit_count()
    match assessment.outcome:
        case Outcome.Covered:
            return f"no known consumer; {all_covered(eligible, 'eligible')}"
        case Outcome.Uncovered:
            drop = dropped(uncovered, eligible, "eligible", client_of(assessment.ports, assessment.uncovered))
            return f"no known consumer; {drop} of clients that use {_them(uncovered)}"
        case Outcome.NoTargets:
            why = f": {assessment.reason.detail}" if assessment.reason.detail else ""
            return f"no known consumer, and no eligible node{why}"
        case _:
            lacking = [port for port in assessment.ports if not port.usable]
            return _no_usable_endpoint(_ports_without_endpoints(lacking, assessment.ports)) + _other_ports(
                assessment
            )


def _no_usable_endpoint(where: str) -> str:
    """`where` names the ports and families; "" for all of them."""
    of, traffic = (f" of {where}", "this traffic") if where else ("", "the traffic")
    why = f"no node has a usable endpoint{of}, so every node rejects {traffic}"
    return f"{why}; the traffic policy is not the cause"


def _other_ports(assessment: Assessment) -> str:
    """The sentence about the ports that have endpoints, where another port has none."""
    usable = {port.usable for port in assessment.ports}
    if assessment.outcome is not Outcome.NoEndpoints or usable != {True, False}:
        return ""
    return "; other ports or families of the Service have endpoints"


def _ports_without_endpoints(lacking: Sequence[PortState], ports: Sequence[PortState]) -> str:
    """The ports and families without endpoints; "" if no port has one."""
    if len(lacking) == len(ports):
        return ""
    named = [f"port {p.port or p.number}/{p.protocol} over {p.family}" for p in lacking[:MAX_NAMED_PORTS]]
    return ", ".join(named) + (" and others" if len(lacking) > MAX_NAMED_PORTS else "")


def _why_it_fails(verdict: ConsumerVerdict) -> str:
    probe = verdict.consumer.probe
    return f" ({probe.detail})" if isinstance(probe, PassesNowhere) else ""


def dropped(uncovered: int, eligible: int, kind: str, client: Client | None) -> str:
    """ "2 of 3 eligible nodes drop the traffic"; the verb agrees with the first number."""
    return f"{uncovered} of {eligible} {kind} {_nodes(eligible)} {_verb(uncovered, client)} the traffic"


def _verb(number: int, client: Client | None) -> str:
    """ "drop" where packets get no answer, "refuse" where connections are refused."""
    one = number == 1
    if client is Client.REFUSED:
        return "refuses" if one else "refuse"
    if client in (Client.MIXED, Client.NOT_KNOWN):
        return "drops or refuses" if one else "drop or refuse"
    return "drops" if one else "drop"


def all_covered(eligible: int, kind: str) -> str:
    if eligible == 1:
        return f"the only {kind} node has an endpoint"
    return f"each of the {eligible} {kind} nodes has an endpoint"


def _nodes(number: int) -> str:
    return "node" if number == 1 else "nodes"


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


_EVIDENCE = {
    Evidence.OBSERVED: "observed, an API object shows it",
    Evidence.DOCUMENTED: "documented, by the source or the documentation of the controller",
    Evidence.STATED: "stated by a flag",
    Evidence.ASSUMED: "assumed, see below",
}


def evidence_in_words(evidence: Evidence) -> str:
    """How the rule of a consumer is known."""
    return _EVIDENCE[evidence]
