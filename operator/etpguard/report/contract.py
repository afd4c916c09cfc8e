"""The CoverageReport of `etpguard check -o json`, and the parts that a ServiceCoverage shares with it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from msgspec import Struct

from etpguard.assess import Assessment, InternalAssessment, PortState
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.data_planes.interface import NodePlanes
from etpguard.cluster import NodeTable
from etpguard.objects import API_VERSION
from etpguard.report.data_planes import assumed_data_planes, data_plane_report
from etpguard.report.internal import internal_report
from etpguard.report.node_names import node_names
from etpguard.report.resilience import resilience_report
from etpguard.report.sentences import explain_reason, explain_verdict

MAX_ASSUMPTIONS = 8
"""Of one consumer."""

Json = dict[str, Any]


class Contents(Struct, frozen=True):
    """The content of a CoverageReport. `nodes` is the set of all Nodes. `advice` returns the advice for one
    assessment. `max_nodes` bounds each list of names; 0 for no bound. `remediations` is what the policies would
    do; None if the caller did not ask for it."""

    planes: NodePlanes
    nodes: int
    assessments: Collection[Assessment]
    table: NodeTable
    advice: Callable[[Assessment], Sequence[str]]
    max_nodes: int = 100
    warnings: Sequence[str] = ()
    not_read: Sequence[str] = ()
    remediations: Sequence[Json] | None = None
    internal: Collection[InternalAssessment] = ()
    internal_advice: Callable[[InternalAssessment], Sequence[str]] = lambda assessment: ()
    internal_details: Callable[[InternalAssessment], Json] = lambda assessment: {}
    """Further fields of the entry of a Service in `internal[]`."""
    cluster: str = ""
    """The name of the cluster, in a report of several clusters."""


def coverage_report(contents: Contents, services: Sequence[Any] | None = None) -> Json:
    """The CoverageReport: `etpguard check -o json`. `services` are the entries of `services[]`, if the caller
    makes them."""
    asked = {} if contents.remediations is None else {"remediations": list(contents.remediations)}
    named = {"cluster": contents.cluster} if contents.cluster else {}
    return {
        "apiVersion": API_VERSION,
        "kind": "CoverageReport",
        **named,
        "dataPlane": data_plane_report(
            contents.planes, contents.nodes, lambda nodes: node_names(contents.table, nodes, contents.max_nodes)
        ),
        "services": list(service_reports(contents)) if services is None else services,
        "internal": [
            {
                **internal_report(each, contents.table, contents.internal_advice(each), contents.max_nodes),
                **contents.internal_details(each),
            }
            for each in sorted(contents.internal, key=lambda assessment: assessment.key)
        ],
        **asked,
        "assumptions": report_assumptions(contents),
        "warnings": list(contents.warnings),
        "notRead": list(contents.not_read),
    }


def service_reports(contents: Contents) -> Iterator[Json]:
    """The entries of `services[]`. A generator, because all of them together may be large."""
    for each in _ordered(contents):
        yield service_report(each, contents.table, contents.advice(each), contents.max_nodes)


def _ordered(contents: Contents) -> Sequence[Assessment]:
    return sorted(contents.assessments, key=lambda assessment: assessment.key)


def service_report(assessment: Assessment, table: NodeTable, advice: Sequence[str], max_nodes: int = 100) -> Json:
    """One entry of `services[]`. `counts` count all nodes, however many names `max_nodes` allows."""
    report: Json = {
        "namespace": assessment.key.namespace,
        "name": assessment.key.name,
        "type": assessment.type,
        "outcome": assessment.outcome.name,
        "reason": explain_reason(assessment),
        "counts": {"eligible": assessment.eligible.bit_count(), "uncovered": assessment.uncovered.bit_count()},
        "ports": _port_reports(assessment, table, max_nodes),
        "consumers": [consumer_report(verdict, table, max_nodes) for verdict in assessment.consumers],
        "advice": list(advice),
        "assumptions": list(assessment.assumptions),
    }
    if (resilience := assessment.resilience) is not None:
        report["resilience"] = resilience_report(resilience, table, max_nodes)
    if assessment.if_local is not None:
        report["ifLocal"] = if_local_report(assessment.if_local)
    return report


def report_assumptions(contents: Contents) -> list[str]:
    """The assumptions, each once: first the data planes that no API object and no flag names, then those of single
    Services."""
    found = dict.fromkeys(text for each in _ordered(contents) for text in each.assumptions)
    found |= dict.fromkeys(text for each in contents.internal for text in each.assumptions)
    return [*assumed_data_planes(contents.planes, contents.nodes), *found]


def if_local_report(local: Assessment) -> Json:
    """The assessment that a remediated Service would have under Local."""
    return {
        "outcome": local.outcome.name,
        "reason": explain_reason(local),
        "eligible": local.eligible.bit_count(),
        "uncovered": local.uncovered.bit_count(),
    }


def _port_reports(assessment: Assessment, table: NodeTable, max_nodes: int) -> list[Json]:
    """The entries of `ports[]`. The ports of a Service usually have the same nodes: those share the lists."""
    made: list[Json] = []
    before: PortState | None = None
    on_nodes: Json = {}
    for port in assessment.ports:
        if before is None or not port.same_on_nodes(before):
            before, on_nodes = port, port_nodes(port, assessment.nodes, table, max_nodes)
        named = {"port": port.port, "protocol": port.protocol, "family": port.family, "nodePort": port.node_port}
        made.append(named | on_nodes)
    return made


def port_nodes(port: PortState, nodes: int, table: NodeTable, max_nodes: int) -> Json:
    """The part of an entry of `ports[]` that says what the nodes do."""
    states = {
        "ready": port.ready & nodes,
        "terminating": port.terminating & nodes,
        "dropped": port.dropped(nodes),
        "rejected": port.rejected(nodes),
    }
    return {
        **{state: node_names(table, members, max_nodes) for state, members in states.items()},
        "client": client.value if (client := port.client(nodes)) else None,
        "counts": {state: members.bit_count() for state, members in states.items()},
    }


def consumer_report(verdict: ConsumerVerdict, table: NodeTable, max_nodes: int) -> Json:
    consumer = verdict.consumer
    check = consumer.check and consumer.check.settings
    report: Json = {
        "kind": consumer.kind,
        "namespace": consumer.namespace,
        "name": consumer.name,
        "controller": consumer.controller,
        "targetType": consumer.target_type,
        "port": consumer.port,
        "healthCheck": check and {"port": check.port, "protocol": check.protocol, "path": check.path},
        "eligibleNodes": node_names(table, verdict.eligible, max_nodes),
        "uncoveredNodes": node_names(table, verdict.uncovered, max_nodes),
        "counts": {
            "eligible": verdict.eligible.bit_count(),
            "uncovered": verdict.uncovered.bit_count(),
            "unused": verdict.unused.bit_count(),
        },
        "outcome": verdict.outcome.name,
        "reason": explain_verdict(verdict),
        "evidence": consumer.evidence.value,
    }
    if consumer.assumptions:
        report["assumptions"] = list(consumer.assumptions[:MAX_ASSUMPTIONS])
    if (resilience := verdict.resilience) is not None:
        report["resilience"] = resilience_report(resilience, table, max_nodes)
    if verdict.unused:
        report["unusedNodes"] = node_names(table, verdict.unused, max_nodes)
    if consumer.source:
        report["source"] = consumer.source
    return report
