"""What is known about the nodes whose clients do not reach a Service: why, and which pods run there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from etpguard.assess import InternalAssessment
from etpguard.assess.consumers.consumer import Advice
from etpguard.assess.internal_advice import internal_advice, surge, tolerate
from etpguard.cli.input.sources import Assessed
from etpguard.cli.inside.workloads import workloads
from etpguard.foresight.changes import Workload
from etpguard.foresight.clients import Clients, clients
from etpguard.foresight.no_endpoint.absence import Absence, absences, workloads_behind
from etpguard.foresight.workloads import surges
from etpguard.objects import NODE, SERVICE, Key
from etpguard.objects.pod_controllers import PodController
from etpguard.objects.pods import POD
from etpguard.outcomes import Outcome, severity

Json = dict[str, Any]

SHOWN_OWNERS = 10


@dataclass(frozen=True)
class Finding:
    """One Service with an internal assessment. `clients` is None if no node is uncovered, or if the Pods of the
    uncovered nodes are not known; `unread` then says why."""

    assessment: InternalAssessment
    absences: Sequence[Absence] = ()
    clients: Sequence[Clients] | None = None
    unread: str = ""
    behind: Sequence[tuple[Workload, PodController]] = ()
    """The workloads whose pods the Service selects, as far as they were read."""

    @property
    def key(self) -> Key:
        return self.assessment.key

    @property
    def severity(self) -> Outcome:
        return severity(self.assessment.outcome)


def findings(assessed: Assessed, wanted: Iterable[InternalAssessment]) -> list[Finding]:
    """The Findings of these Services. Reads Pods and workloads if a node is uncovered or a Service has no
    endpoint."""
    every = sorted(wanted, key=lambda each: each.key)
    table = assessed.loaded.picture.nodes
    dark = [each for each in every if each.outcome is Outcome.NoEndpoints or each.uncovered]
    if not dark:
        return [Finding(each) for each in every]
    keys = {each.key for each in dark}
    uncovered = {name for each in dark for name in table.names(each.uncovered)}
    found = workloads(assessed, {each.key.namespace for each in dark}, uncovered)
    if found.elsewhere and uncovered:
        assessed.loaded.warnings.append(f"which pods run on uncovered nodes is not known: {found.elsewhere}")
        assessed.loaded.not_read += [POD.resource] if POD.resource not in assessed.loaded.not_read else []
    made = []
    for each in every:
        service = assessed.loaded.picture.get(SERVICE, each.key)
        if each.key not in keys or service is None:
            made.append(Finding(each))
            continue
        names = table.names(each.uncovered or each.eligible)
        why = absences(assessed.loaded.picture, found.picture, service, names)
        behind = workloads_behind(found.picture, service)
        known = clients(found.picture, service, names) if each.uncovered and not found.elsewhere else None
        unread = found.elsewhere if each.uncovered else ""
        made.append(Finding(each, why, known, unread, behind))
    return made


def advice_for(assessed: Assessed, finding: Finding) -> list[Advice]:
    """The advice of the assessment that fits the workload behind the Service, with the name of the workload."""
    picture = assessed.loaded.picture
    service = picture.get(SERVICE, finding.key)
    if service is None:
        return []
    names = picture.nodes.names(finding.assessment.uncovered)
    nodes = [node for name in names if (node := picture.get(NODE, Key("", name)))]
    if len(finding.behind) != 1:
        return internal_advice(service, finding.assessment, nodes)
    ((workload, controller),) = finding.behind
    advised = internal_advice(service, finding.assessment, nodes, workload.key.name)
    if workload.kind != "DaemonSet":
        of_daemon_sets = (tolerate(service, nodes, workload.key.name), surge(service, workload.key.name))
        return [each for each in advised if each not in of_daemon_sets]
    return [each for each in advised if not surges(controller) or each != surge(service, workload.key.name)]


def details(finding: Finding, max_nodes: int) -> Json:
    """The fields that the report adds to the assessment: `causes` and `clients`."""
    return {
        "causes": [_cause(each, max_nodes) for each in finding.absences],
        "clients": None if finding.clients is None else _clients(finding.clients),
    }


def _cause(absence: Absence, max_nodes: int) -> Json:
    return {
        "reasons": [
            {
                "cause": reason.cause.value,
                "message": reason.sentence,
                **({"workload": str(reason.workload)} if reason.workload else {}),
            }
            for reason in absence.reasons
        ],
        "nodes": list(absence.nodes[: max_nodes or None]),
        "pods": [str(key) for key in absence.pods[: max_nodes or None]],
        "counts": {"nodes": len(absence.nodes), "pods": len(absence.pods)},
    }


def _clients(found: Sequence[Clients]) -> Json:
    return {
        "owners": [
            {
                "kind": each.owner.kind,
                "namespace": each.owner.key.namespace,
                "name": each.owner.key.name,
                "pods": each.pods,
                "nodes": each.nodes,
            }
            for each in found[:SHOWN_OWNERS]
        ],
        "counts": {"owners": len(found), "pods": sum(each.pods for each in found)},
    }
