"""`etpguard explain`: the whole story of one Service, for a person."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from etpguard.cli import endpoints
from etpguard.cli.check import warn
from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Assessed, Sources, assess
from etpguard.cli.output import aws_console
from etpguard.cli.output.streams import deliver
from etpguard.objects import NODE, SERVICE, Endpoint, Key, Node, Service
from etpguard.objects.text import harmless

if TYPE_CHECKING:
    from etpguard.assess import Assessment, PortState

Lines = Iterable[str]


def explain(sources: Sources, name: str, max_nodes: int) -> int:
    """Print the story of that Service in the sources' namespace to stdout. Returns 0. Raises Failure where there
    is no such Service."""
    assessed = assess(sources)
    key = Key(assessed.namespace, name)
    service = assessed.loaded.picture.get(SERVICE, key)
    if service is None:
        raise Failure(_not_found(assessed, key))
    width = min(shutil.get_terminal_size().columns, 100) if sys.stdout.isatty() else 0
    lines = [_fold(harmless(line), width) for line in story(assessed, service, max_nodes)]
    deliver(lambda: print("\n".join(lines)))
    warn(assessed.warnings)
    return 0


def story(assessed: Assessed, service: Service, max_nodes: int = 10) -> Lines:
    """The lines of the story, unfolded; a deeper indent belongs to what is above."""
    assessment = assessed.assessments.get(service.key)
    yield f"Service {service.key}: {service.type}, externalTrafficPolicy {service.policy}"
    if assessment is None:
        yield ""
        yield from _unassessed(service)
        return
    from etpguard.report import explain_reason

    yield f"Outcome: {assessment.outcome.name}: {explain_reason(assessment)}"
    if assessment.if_local is not None:
        local = assessment.if_local
        yield f"Under Local it would be: {local.outcome.name}: {explain_reason(local)}"
    yield from _ports(assessed, service, assessment, max_nodes)
    yield from _consumers(assessed, assessment, max_nodes)
    yield from _traps(assessed, assessment)
    yield from _advice(assessed, assessment)


def _ports(assessed: Assessed, service: Service, assessment: Assessment, max_nodes: int) -> Lines:
    slices = assessed.loaded.picture.slices(service.key)
    for port in assessment.ports:
        node_port = f", node port {port.node_port}" if port.node_port else ""
        yield ""
        yield f"Port {port.port or '(unnamed)'} {port.number}/{port.protocol} {port.family}{node_port}"
        yield from _states(assessed, assessment, port, endpoints.by_node(slices, port), max_nodes)
        if slices and not any(endpoints.serves(slice_, port) for slice_ in slices):
            yield f"  no EndpointSlice of it has {port.family} endpoints for this port's name and protocol"


_MEANING = {
    "ready": "a ready endpoint is here: traffic is forwarded",
    "terminating": "only terminating endpoints that still serve are here: traffic is forwarded until they end",
    "dropped": "no usable endpoint here: packets from outside are dropped, without an answer",
    "rejected": "no usable endpoint anywhere: connections are refused",
}


def _states(
    assessed: Assessed,
    assessment: Assessment,
    port: PortState,
    found: Mapping[str, Sequence[Endpoint]],
    max_nodes: int,
) -> Lines:
    table, every = assessed.loaded.picture.nodes, assessment.nodes
    states = {
        "ready": port.ready & every,
        "terminating": port.terminating & every,
        "dropped": port.dropped(every),
        "rejected": port.rejected(every),
    }
    for state, members in states.items():
        if not members:
            continue
        count = members.bit_count()
        yield f"  {state} on {count} node{'s' if count > 1 else ''}: {_MEANING[state]}"
        names = table.names(members, max_nodes)
        for name in names:
            here = [endpoints.told(endpoint) for endpoint in found.get(name, ())]
            yield f"    {name}{': ' + '; '.join(here) if here else ''}"
        if count > len(names):
            yield f"    and {count - len(names)} more (--max-nodes 0 for all)"
    strays = [name for name in found if name and not table.bit(name) & every]
    for name in sorted(strays)[: max_nodes or None]:
        yield f"  endpoints on {name}, which no Node object bears: nothing can send to them"
    lost = [endpoints.told(endpoint) for endpoint in found.get("", ())]
    if lost:
        yield f"  endpoints without a nodeName, local to no node for kube-proxy: {'; '.join(lost[:5])}"


def _consumers(assessed: Assessed, assessment: Assessment, max_nodes: int) -> Lines:
    from etpguard.report import explain_verdict

    table = assessed.loaded.picture.nodes
    yield ""
    if not assessment.consumers:
        yield "No consumer is known: no load balancer or route in the API objects that sends traffic to it."
        return
    yield "Who sends traffic to it"
    for verdict in assessment.consumers:
        consumer = verdict.consumer
        yield f"  {consumer.kind} {consumer.namespace}/{consumer.name} to port {consumer.port or '(unnamed)'}"
        how = f", {consumer.target_type} targets" if consumer.target_type else ""
        yield f"    by {consumer.controller or 'an unknown controller'}{how}"
        if check := consumer.health_check:
            path = f" {check.path}" if check.path else ""
            codes = f", success on {check.success_codes}" if check.success_codes else ""
            yield f"    health check: {check.protocol}{path} on port {check.port}{codes}"
        if verdict.eligible:
            total, lost = verdict.eligible.bit_count(), verdict.uncovered.bit_count()
            yield f"    sends to {total} node{'s' if total > 1 else ''}, {lost} of them uncovered"
        if verdict.uncovered:
            names = table.names(verdict.uncovered, max_nodes)
            more = verdict.uncovered.bit_count() - len(names)
            yield f"    uncovered: {', '.join(names)}{f' and {more} more' if more else ''}"
        if verdict.unused:
            names = table.names(verdict.unused, max_nodes)
            yield f"    nodes with endpoints that it never sends to: {', '.join(names)}"
        yield f"    {verdict.outcome.name}: {explain_verdict(verdict)}"
        if consumer.source:
            yield f"    note: {consumer.source}"
        if shown := aws_console.shown(verdict):
            yield f"    its console shows: {shown}"


def _traps(assessed: Assessed, assessment: Assessment) -> Lines:
    dropping = any(port.dropped(assessment.nodes) for port in assessment.ports)
    hints = list(_renamed(assessed, assessment))
    if not dropping and not hints:
        return
    yield ""
    yield "What misleads"
    if dropping:
        port = next(p for p in assessment.ports if p.dropped(assessment.nodes))
        at = str(port.node_port or port.number)
        yield (
            f"  curl localhost:{at} on a node proves nothing: traffic that starts on a node counts as coming from "
            "inside, and goes to any endpoint of the cluster (in nftables mode localhost is not served at all). "
            "Only a request from another machine, to that node's own address, shows what clients get."
        )
        yield "  A dropped packet leaves no trace, neither a refusal nor a log line: clients time out."
    for hint in hints:
        yield f"  {hint}"
    yield f"  The data plane is taken to be {assessed.data_plane} ({assessed.data_plane_how})."


def _renamed(assessed: Assessed, assessment: Assessment) -> Lines:
    """kube-proxy compares an endpoint's nodeName with its own hostname, which no API object shows."""
    nodes = assessed.loaded.picture.store(NODE)
    odd = [(node.metadata.name, host) for node in nodes if (host := _other_hostname(node))]
    if odd:
        name, host = odd[0]
        more = f", and {len(odd) - 1} more nodes differ likewise" if len(odd) > 1 else ""
        yield (
            f"Node {name} calls itself {host}{more}. kube-proxy takes for local the endpoints whose nodeName is "
            "its own hostname; without --hostname-override it finds none and drops all. No API object shows it."
        )


def _other_hostname(node: Node) -> str:
    """A hostname of the Node that is not its name, as far as lower case tells."""
    name = node.metadata.name
    told = [node.labels.get("kubernetes.io/hostname", "")]
    told += [a.address for a in (node.status and node.status.addresses) or () if a.type == "Hostname"]
    return next((host for host in told if host and host.lower() != name.lower()), "")


def _advice(assessed: Assessed, assessment: Assessment) -> Lines:
    pieces = assessed.advisor(assessment)
    if not pieces:
        return
    yield ""
    yield "What to do, in the order in which to consider it"
    for number, piece in enumerate(pieces, 1):
        yield f"  {number}. {piece}"


def _unassessed(service: Service) -> Lines:
    from etpguard.assess.engine import IGNORE_ANNOTATION
    from etpguard.assess.node_states import external_ports

    if service.annotations.get(IGNORE_ANNOTATION) == "true":
        yield f"Its annotation {IGNORE_ANNOTATION} takes it out of sight."
    elif service.policy != "Local" and external_ports(service):
        yield (
            "NotAffected: with this policy every node forwards external traffic to any endpoint of the cluster, "
            "so none drops it for want of a local one. The price is a hop, and pods see a node's address instead "
            "of the client's."
        )
        yield "If traffic is lost all the same, the policy is not why."
    elif service.type == "ExternalName":
        yield "NotAffected: an ExternalName is a DNS alias; no node serves it."
    elif service.spec.cluster_ip == "None":
        yield "NotAffected: a headless Service is not served by kube-proxy; clients address its pods."
    elif external_ports(service):
        yield "It is not assessed."
    else:
        yield (
            "NotAffected: no port of it can be reached from outside through a node: there is no node port, no "
            "external IP and no load balancer address, or another proxy serves it."
        )


def _not_found(assessed: Assessed, key: Key) -> str:
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
    """Fold at `width` columns under the line's own indent; 0: leave it whole."""
    if not width or len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
