"""The text of `etpguard explain` about one Service and its external traffic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from etpguard.cli.input.sources import Assessed
from etpguard.cli.output import consumer_story, port_story
from etpguard.cli.output.command_line import Command
from etpguard.objects import NODE, Service
from etpguard.report.data_planes import data_plane_sentences

if TYPE_CHECKING:
    from etpguard.assess import Assessment
    from etpguard.assess.consumers.consumer import Advice

Lines = Iterable[str]

HISTORY = 5
"""How many of the recorded changes of the outcome are shown."""


def lines(assessed: Assessed, service: Service, max_nodes: int = 10, *, hand_off: bool = False) -> Lines:
    """The lines, not folded. A line with a deeper indent belongs to the line above it."""
    assessment = assessed.assessments.get(service.key)
    internal = ", internalTrafficPolicy Local" if service.key in assessed.internal else ""
    yield f"Service {service.key}: {service.type}, externalTrafficPolicy {service.policy}{internal}"
    if assessment is None:
        yield ""
        yield from _unassessed(assessed, service)
        return
    from etpguard.report import explain_reason

    yield f"Outcome: {assessment.outcome.name}: {explain_reason(assessment)}"
    local = assessment.if_local
    if local is not None:
        yield f"Under Local its outcome would be {local.outcome.name}: {explain_reason(local)}"
    yield from _history(assessed, service)
    yield from port_story.lines(assessed, service, assessment, max_nodes)
    yield from consumer_story.lines(assessed, local or assessment, max_nodes, remediated=local is not None)
    if hand_off:
        from etpguard.cli import hand_off as end_of_pods

        yield from end_of_pods.lines(assessed, service, local or assessment)
    if local is None:
        yield from _misleading(assessed, assessment)
    yield from _advice(assessed, assessment)


def _history(assessed: Assessed, service: Service) -> Lines:
    """The changes of the outcome that the operator recorded."""
    from etpguard.objects import SERVICE_COVERAGE
    from etpguard.report.service_coverage import owned_by_another
    from etpguard.report.transitions import transitions_of

    report = assessed.loaded.picture.get(SERVICE_COVERAGE, service.key)
    if report is None or owned_by_another(report, service):
        return
    changes = transitions_of(report.status)
    if not changes:
        return
    yield ""
    yield "Changes of the outcome that the operator recorded, newest first"
    for change in changes[:HISTORY]:
        before = f"{change['from']} to " if "from" in change else ""
        yield f"  {change['time']}  {before}{change['to']}: {change.get('reason', '')}"
    if len(changes) > HISTORY:
        yield f"  {len(changes) - HISTORY} more:"
        yield Command(
            f"    kubectl get servicecoverage -n {service.key.namespace} {service.key.name} "
            "-o jsonpath='{.status.transitions}'"
        )


def _misleading(assessed: Assessed, assessment: Assessment) -> Lines:
    """Observations that a person may wrongly take for a proof. Empty if no node drops traffic."""
    from etpguard.assess.node_states import Client, client_of

    hints = list(_renamed(assessed, assessment))
    dropping = [port for port in assessment.ports if port.dropped(assessment.nodes)]
    if not dropping and not hints:
        return
    yield ""
    yield "What misleads"
    node_port = next((port.node_port for port in dropping if port.node_port), 0)
    if node_port:
        for sentence in assessed.engine.misleading(assessment.nodes):
            yield f"  {sentence.format(port=node_port)}"
    met = client_of(dropping, assessment.nodes)
    if met in (Client.TIMEOUT, Client.MIXED):
        yield "  A dropped packet causes no refusal and no log line. Clients time out."
    for hint in hints:
        yield f"  {hint}"
    sentences = data_plane_sentences(assessed.engine.planes, assessed.loaded.picture.nodes.present)
    yield from (f"  {sentence}" for sentence in sentences)


def _renamed(assessed: Assessed, assessment: Assessment) -> Lines:
    """kube-proxy compares an endpoint's nodeName with its own hostname, which no API object shows."""
    nodes = assessed.loaded.picture.store(NODE)
    odd = [(node.metadata.name, host) for node in nodes if (host := node.other_hostname)]
    if odd:
        name, host = odd[0]
        others = len(odd) - 1
        more = f", and {others} more node{'s differ' if others > 1 else ' differs'} too" if others else ""
        yield (
            f"Node {name} has the hostname {host}{more}. For kube-proxy an endpoint is local if its nodeName is "
            "kube-proxy's hostname. Without --hostname-override kube-proxy then finds no local endpoint and "
            "drops all external traffic. No API object shows this."
        )


def external_advice(assessed: Assessed, assessment: Assessment | None) -> Sequence[Advice]:
    """The advice about external traffic. If workloads were read, its commands use the labels of the nodes of the
    pods."""
    if assessment is None:
        return ()
    if not assessed.sources.for_what_if:
        return tuple(assessed.advisor(assessment))
    from etpguard.cli.explain.patch import external_ways

    return [way.advice for way in external_ways(assessed, assessment.key)]


def _advice(assessed: Assessed, assessment: Assessment) -> Lines:
    items = external_advice(assessed, assessment)
    if not items:
        return
    yield ""
    yield "What to do, best first"
    for number, advice in enumerate(items, 1):
        yield f"  {number}. {advice.title}."
        yield from (f"     {part}" for part in (advice.effect, advice.cost) if part)
        yield from (Command(f"       {line}") for line in advice.command.splitlines())


def _unassessed(assessed: Assessed, service: Service) -> Lines:
    from etpguard.assess.advice import forwards_client_ip
    from etpguard.assess.node_states import external_ports
    from etpguard.assess.service_assessor import IGNORE_ANNOTATION

    if service.annotations.get(IGNORE_ANNOTATION) == "true":
        yield f"etpguard skips it: it has the annotation {IGNORE_ANNOTATION}=true."
    elif service.policy != "Local" and external_ports(service):
        picture = assessed.loaded.picture
        kept = forwards_client_ip(assessed.engine.planes, picture.nodes.present)
        seen = "" if kept else ", and pods may see a node's address instead of the client's"
        yield (
            "NotAffected: with this policy every node forwards external traffic to any endpoint of the cluster. "
            f"The cost is one extra network hop{seen}."
        )
        yield "If traffic is lost all the same, externalTrafficPolicy is not the cause."
    elif service.type == "ExternalName":
        yield "NotAffected: an ExternalName is a DNS alias; no node serves it."
    elif service.spec.cluster_ip == "None":
        yield "NotAffected: a headless Service is not served by kube-proxy; clients address its pods."
    elif external_ports(service):
        yield "It is not assessed."
    else:
        yield (
            "NotAffected: clients outside the cluster cannot reach any of its ports through a node. It has no "
            "node port, no external IP and no load balancer address, or another proxy serves it."
        )
