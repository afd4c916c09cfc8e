"""`etpguard explain -o json`: what the text says about one Service, for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from etpguard.assess import Assessment
from etpguard.assess.consumers.consumer import Advice
from etpguard.cli.input.sources import Assessed
from etpguard.cli.inside.findings import Finding, advice_for
from etpguard.cli.reading import ClusterReport
from etpguard.foresight.patches.ways import Way
from etpguard.objects import API_VERSION, SERVICE_COVERAGE, Service
from etpguard.report import coverage_report
from etpguard.report.service_coverage import owned_by_another
from etpguard.report.transitions import transitions_of

Json = dict[str, Any]


def explanation(
    assessed: Assessed, service: Service, inside: Sequence[Finding], story: Iterable[str], max_nodes: int
) -> Json:
    """A ServiceExplanation. `service` and `internal` are the entries of the CoverageReport. They are null for a
    Service that is not assessed. `inside` is for clients in the cluster, and `internalAdvice` its advice. `story`
    has the lines of the text."""
    assessment = assessed.assessments.get(service.key)
    chosen = [assessment] if assessment else []
    cluster = ClusterReport(assessed, chosen, internal=inside)
    report = coverage_report(cluster.contents(max_nodes))
    return {
        "apiVersion": API_VERSION,
        "kind": "ServiceExplanation",
        "namespace": service.key.namespace,
        "name": service.key.name,
        "type": service.type,
        "externalTrafficPolicy": service.policy,
        "service": next(iter(report["services"]), None),
        "internal": next(iter(report["internal"]), None),
        "endpoints": list(_endpoints(assessed, service)),
        "history": _history(assessed, service),
        "advice": _advice(assessed, assessment) if assessment else [],
        "internalAdvice": _internal_advice(assessed, inside),
        "text": [str(line) for line in story],
        "dataPlane": report["dataPlane"],
        "warnings": report["warnings"],
        "notRead": report["notRead"],
    }


def _advice(assessed: Assessed, assessment: Assessment) -> list[Json]:
    """The items of advice, with documents where workloads were read."""
    if not assessed.sources.for_what_if:
        return [_item(each) for each in assessed.advisor(assessment)]
    from etpguard.cli.explain.patch import external_ways

    return [_way(each) for each in external_ways(assessed, assessment.key)]


def _internal_advice(assessed: Assessed, inside: Sequence[Finding]) -> list[Json]:
    """The items of advice for clients in the cluster, with documents where workloads were read."""
    if not assessed.sources.for_what_if:
        return [_item(each) for finding in inside for each in advice_for(assessed, finding)]
    from etpguard.cli.explain.patch import inside_ways

    return [_way(each) for each in inside_ways(assessed, inside, 1)]


def _way(way: Way) -> Json:
    documents = [
        {"document": each.content, "command": each.command, "helmValues": each.values} for each in way.documents
    ]
    return {**_item(way.advice), "documents": documents, "notes": list(way.notes)}


def _item(advice: Advice) -> Json:
    return {"title": advice.title, "effect": advice.effect, "cost": advice.cost, "command": advice.command}


def _endpoints(assessed: Assessed, service: Service) -> Iterator[Json]:
    """The endpoints of all EndpointSlices. A condition that is not set is null."""
    for each in assessed.loaded.picture.slices(service.key):
        for endpoint in each.endpoints or ():
            conditions, target = endpoint.conditions, endpoint.target_ref
            yield {
                "node": endpoint.node_name,
                "family": each.address_type,
                "addresses": list(endpoint.addresses or ()),
                "kind": target and target.kind,
                "name": target and target.name,
                "ready": conditions and conditions.ready,
                "serving": conditions and conditions.serving,
                "terminating": conditions and conditions.terminating,
            }


def _history(assessed: Assessed, service: Service) -> list[Json]:
    """The changes of the outcome that the operator recorded, newest first."""
    recorded = assessed.loaded.picture.get(SERVICE_COVERAGE, service.key)
    if recorded is None or owned_by_another(recorded, service):
        return []
    return transitions_of(recorded.status)
