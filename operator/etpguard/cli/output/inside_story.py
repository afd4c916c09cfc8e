"""The part of `etpguard explain` on clients in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etpguard.assess import InternalPort
from etpguard.cli.input.sources import Assessed
from etpguard.cli.inside.findings import SHOWN_OWNERS, Finding, advice_for
from etpguard.cli.output.command_line import Command
from etpguard.cluster import NodeTable
from etpguard.foresight.clients import Clients
from etpguard.foresight.no_endpoint.absence import Absence
from etpguard.report.internal import nodes_by_state
from etpguard.report.sentences import explain_internal

Lines = Iterable[str]

_MEANING = {
    "ready": "a ready endpoint is here: clients on the node reach it",
    "terminating": "only terminating endpoints that still serve are here: clients reach them until they end",
    "dropped": "no usable endpoint here: connections from the node time out",
    "rejected": "no usable endpoint anywhere: connections are refused",
}
_NAMES = {"unknown": "not known"}


def lines(assessed: Assessed, finding: Finding, max_nodes: int, first: int = 1) -> Lines:
    """The lines: what happens to clients on each node, why, which pods are affected, and what to do. The numbers
    of the advice begin with `first`, because the advice about external traffic comes before."""
    assessment = finding.assessment
    yield ""
    yield "Clients in the cluster (internalTrafficPolicy Local)"
    yield f"  {assessment.outcome.name}: {explain_internal(assessment)}"
    for port in assessment.ports:
        yield from _port(port, assessment.eligible, assessed.loaded.picture.nodes, max_nodes)
    yield from (f"  Assumed: {text}." for text in assessment.assumptions)
    yield from _causes(finding.absences, max_nodes)
    yield from _pods(finding)
    items = advice_for(assessed, finding)
    if items:
        yield "  What to do, best first"
    for number, advice in enumerate(items, first):
        yield f"    {number}. {advice.title}."
        yield from (f"       {part}" for part in (advice.effect, advice.cost) if part)
        yield from (Command(f"         {line}") for line in advice.command.splitlines())


def _port(port: InternalPort, eligible: int, table: NodeTable, max_nodes: int) -> Lines:
    state = port.state
    yield f"  Port {state.port or '(unnamed)'} {state.number}/{state.protocol} {state.family}"
    for name, nodes in nodes_by_state(port, eligible).items():
        if nodes:
            count = nodes.bit_count()
            yield f"    {_NAMES.get(name, name)} on {count} node{'s' * (count > 1)}: {_meaning(name, port, nodes)}"
            yield f"      {_listed(table.names(nodes, max_nodes), count)}"


def _meaning(name: str, port: InternalPort, nodes: int) -> str:
    client = port.state.client(nodes)
    if name == "dropped" and client is not None and client.value != "timeout":
        how = {"refused": "connections from the node are refused"}
        return f"no usable endpoint here: {how.get(client.value, 'connections from the node fail')}"
    return str(port.reason) if name == "unknown" else _MEANING[name]


def _causes(found: Sequence[Absence], max_nodes: int) -> Lines:
    if found:
        yield "  Why no endpoint is there"
    for each in found:
        count = len(each.nodes)
        first, *others = [reason.sentence for reason in each.reasons]
        yield f"    {count} node{'s' * (count > 1)}: {first}"
        yield from (f"      {text}" for text in others)
        yield f"      {_listed(each.nodes[: max_nodes or None], count)}"
        if each.pods:
            names = [str(key) for key in each.pods[: max_nodes or None]]
            yield f"      pod{'s' * (len(each.pods) > 1)} {_listed(names, len(each.pods))}"


def _pods(finding: Finding) -> Lines:
    if finding.unread:
        yield f"  Which pods run on the uncovered nodes is not known: {finding.unread}"
    found: Sequence[Clients] = finding.clients or ()
    if not found:
        return
    total = sum(each.pods for each in found)
    yield f"  Pods on the uncovered nodes, {total} in all: a connection from them to this Service fails"
    for each in found[:SHOWN_OWNERS]:
        on = f" on {each.nodes} node{'s' * (each.nodes > 1)}"
        yield f"    {each.owner}: {each.pods} pod{'s' * (each.pods > 1)}{on}"
    if more := found[SHOWN_OWNERS:]:
        pods = sum(each.pods for each in more)
        yield f"    and {pods} pod{'s' * (pods > 1)} of {len(more)} more owner{'s' * (len(more) > 1)}"


def _listed(names: Sequence[str], total: int) -> str:
    more = total - len(names)
    return f"{', '.join(names)}{f' and {more} more (--max-nodes 0 for all)' if more else ''}"
