"""`etpguard explain`: everything that etpguard knows about one Service, as text."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etpguard.cli.check import warn
from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Assessed, Sources, assess
from etpguard.cli.output import aws_console, port_story
from etpguard.cli.output.command_line import Command
from etpguard.cli.output.streams import deliver
from etpguard.objects import NODE, SERVICE, Key, Service
from etpguard.objects.text import harmless, listed
from etpguard.report.data_planes import data_plane_sentences

if TYPE_CHECKING:
    from etpguard.assess import Assessment
    from etpguard.assess.consumers.consumer import Advice
    from etpguard.cli.inside.findings import Finding

Lines = Iterable[str]


@dataclass(frozen=True)
class ExplainOptions:
    """`max_nodes` 0 means all names. `hand_off` also explains the end of the pods. `patch` prints the ways out as
    documents instead of the text, `way` only the one with this number. In JSON the advice has the documents."""

    max_nodes: int = 10
    hand_off: bool = False
    patch: bool = False
    way: int | None = None
    output: str = "text"
    """Or json."""


def explain(sources: Sources, name: str, options: ExplainOptions) -> int:
    """Print the explanation of that Service in the sources' namespace to stdout. Returns 0. Raises Failure if
    there is no such Service."""
    assessed = assess(replace(sources, for_what_if=options.hand_off or options.patch))
    key = Key(assessed.namespace, name)
    service = assessed.loaded.picture.get(SERVICE, key)
    if service is None:
        raise Failure(not_found(assessed, key))
    if options.patch and options.output == "text":
        from etpguard.cli.explain_patch import print_patches

        return print_patches(assessed, service, inside_of(assessed, service), options.way)
    width = min(shutil.get_terminal_size().columns, 100) if sys.stdout.isatty() else 0
    whole = list(story(assessed, service, options.max_nodes, hand_off=options.hand_off))
    inside = inside_of(assessed, service)
    if inside:
        first = 1 + len(_external_advice(assessed, assessed.assessments.get(key)))
        whole += _clients_inside(assessed, inside, options.max_nodes, first)
    if options.output == "json":
        from etpguard.cli.explain_json import explanation
        from etpguard.cli.output.structured import print_json

        deliver(lambda: print_json(explanation(assessed, service, inside, whole, options.max_nodes)))
        warn(assessed.warnings)
        return 0
    lines = [harmless(line) if isinstance(line, Command) else _fold(harmless(line), width) for line in whole]
    deliver(lambda: print("\n".join(lines)))
    warn(assessed.warnings)
    return 0


def story(assessed: Assessed, service: Service, max_nodes: int = 10, *, hand_off: bool = False) -> Lines:
    """The lines of the explanation, unfolded. A deeper indent belongs to the line above."""
    assessment = assessed.assessments.get(service.key)
    internal = ", internalTrafficPolicy Local" if service.key in assessed.internal else ""
    yield f"Service {service.key}: {service.type}, externalTrafficPolicy {service.policy}{internal}"
    if assessment is None:
        yield ""
        yield from _unassessed(service)
        return
    from etpguard.report import explain_reason

    yield f"Outcome: {assessment.outcome.name}: {explain_reason(assessment)}"
    local = assessment.if_local
    if local is not None:
        yield f"Under Local its outcome would be {local.outcome.name}: {explain_reason(local)}"
    yield from _history(assessed, service)
    yield from port_story.lines(assessed, service, assessment, max_nodes)
    yield from _consumers(assessed, local or assessment, max_nodes, remediated=local is not None)
    if hand_off:
        from etpguard.cli.hand_off import lines

        yield from lines(assessed, service, local or assessment)
    if local is None:
        yield from _traps(assessed, assessment)
    yield from _advice(assessed, assessment)


def inside_of(assessed: Assessed, service: Service) -> Sequence[Finding]:
    """What is known of a Service with `internalTrafficPolicy: Local`, at most one entry. Reads Pods and workloads
    where clients fail."""
    assessment = assessed.internal.get(service.key)
    if assessment is None:
        return ()
    from etpguard.cli.inside.findings import findings

    return findings(assessed, [assessment])


def _clients_inside(assessed: Assessed, inside: Sequence[Finding], max_nodes: int, first: int) -> Lines:
    """The part on `internalTrafficPolicy: Local`. The numbers of its advice begin with `first`."""
    for finding in inside:
        from etpguard.cli.output.inside_story import lines

        yield from lines(assessed, finding, max_nodes, first)


HISTORY = 5
"""Changes of the outcome that are shown."""


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


def _consumers(assessed: Assessed, assessment: Assessment, max_nodes: int, *, remediated: bool) -> Lines:
    """Each consumer. Of a remediated Service, `assessment` is the one under Local."""
    from etpguard.report import explain_verdict
    from etpguard.report.resilience import resilience_lines

    table = assessed.loaded.picture.nodes
    yield ""
    if not assessment.consumers:
        yield "No consumer is known: no load balancer or route in the API objects that sends traffic to it."
        if (resilience := assessment.resilience) is not None:
            yield from (f"  {line}" for line in resilience_lines(resilience, table, max_nodes))
        return
    yield "Who sends traffic to it" + (", and what would happen under Local" if remediated else "")
    for verdict in assessment.consumers:
        consumer = verdict.consumer
        yield f"  {consumer.kind} {consumer.namespace}/{consumer.name} to port {consumer.port or '(unnamed)'}"
        how = f", {consumer.target_type} targets" if consumer.target_type else ""
        yield f"    by {consumer.controller or 'an unknown controller'}{how}"
        if check := consumer.check and consumer.check.settings:
            path = f" {check.path}" if check.path else ""
            codes = f", success on {check.success_codes}" if check.success_codes else ""
            yield f"    health check: {check.protocol}{path} on port {check.port}{codes}"
        if verdict.eligible:
            total, lost = verdict.eligible.bit_count(), verdict.uncovered.bit_count()
            uncovered = f"{lost} of them would drop it" if remediated else f"{lost} uncovered"
            yield f"    sends to {total} node{'s' if total > 1 else ''}, {uncovered}"
        if verdict.uncovered:
            names = table.names(verdict.uncovered, max_nodes)
            which = "would drop it" if remediated else "uncovered"
            yield f"    {which}: {listed(names, len(names), verdict.uncovered.bit_count())}"
        if verdict.unused:
            names = table.names(verdict.unused, max_nodes)
            yield f"    nodes with endpoints to which it never sends: {', '.join(names)}"
        would = "under Local it would be " if remediated else ""
        yield f"    {would}{verdict.outcome.name}: {explain_verdict(verdict)}"
        if (resilience := verdict.resilience) is not None:
            yield from (f"    {line}" for line in resilience_lines(resilience, table, max_nodes))
        if consumer.source:
            yield f"    note: {consumer.source}"
        yield f"    its rule is {consumer.evidence.value}"
        yield from (f"    assumed: {text}" for text in consumer.assumptions)
        if not remediated and (shown := aws_console.shown(verdict)):
            yield f"    the AWS console shows: {shown}"


def _traps(assessed: Assessed, assessment: Assessment) -> Lines:
    """What a person may take for a proof. Empty where nothing is dropped."""
    from etpguard.assess.node_states import client_of

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
    if met is not None and met.value.startswith("timeout"):
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


def _external_advice(assessed: Assessed, assessment: Assessment | None) -> Sequence[Advice]:
    """The advice about external traffic. With workloads it also has the labels that the nodes of the pods have."""
    if assessment is None:
        return ()
    if not assessed.sources.for_what_if:
        return tuple(assessed.advisor(assessment))
    from etpguard.cli.explain_patch import external_ways

    return [way.advice for way in external_ways(assessed, assessment.key)]


def _advice(assessed: Assessed, assessment: Assessment) -> Lines:
    items = _external_advice(assessed, assessment)
    if not items:
        return
    yield ""
    yield "What to do, best first"
    for number, advice in enumerate(items, 1):
        yield f"  {number}. {advice.title}."
        yield from (f"     {part}" for part in (advice.effect, advice.cost) if part)
        yield from (Command(f"       {line}") for line in advice.command.splitlines())


def _unassessed(service: Service) -> Lines:
    from etpguard.assess.engine import IGNORE_ANNOTATION
    from etpguard.assess.node_states import external_ports

    if service.annotations.get(IGNORE_ANNOTATION) == "true":
        yield f"etpguard skips it: it has the annotation {IGNORE_ANNOTATION}=true."
    elif service.policy != "Local" and external_ports(service):
        yield (
            "NotAffected: with this policy every node forwards external traffic to any endpoint of the cluster. "
            "The cost is one extra network hop, and pods see a node's address instead of the client's."
        )
        yield "If traffic is lost all the same, the policy is not the cause."
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


def not_found(assessed: Assessed, key: Key) -> str:
    """Which Service is missing, where, and which name is near."""
    services = sorted(k for k in assessed.loaded.picture.store(SERVICE).keys() if k.name)  # noqa: SIM118
    elsewhere = [str(k) for k in services if k.name == key.name]
    hint = f"; there is {', '.join(elsewhere[:3])}" if elsewhere else _near(services, key)
    if lacking := assessed.loaded.no_service_in(key.namespace):
        hint = f": {lacking}{hint}"
    return f"no Service {key} in {assessed.loaded.where}{hint}"


def _near(services: Sequence[Key], key: Key) -> str:
    from difflib import get_close_matches

    found = get_close_matches(str(key), [str(k) for k in services[:5000]], n=1, cutoff=0.8)
    return f"; did you mean {found[0]}?" if found else ""


def _fold(line: str, width: int) -> str:
    """Fold at `width` columns under the line's indent; 0 leaves it whole."""
    if not width or len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
