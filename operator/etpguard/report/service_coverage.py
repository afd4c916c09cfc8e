"""The ServiceCoverage of a Service: its body within the bounds of its size, the comparison of two of them, and
their owner. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from etpguard.assess import Assessment, InternalAssessment, Outcome, PortState
from etpguard.assess.service_assessor import IGNORE_ANNOTATION
from etpguard.cluster import NodeTable
from etpguard.objects import SERVICE, Remediation, Service, ServiceCoverage
from etpguard.objects.times import parse
from etpguard.report import transitions
from etpguard.report.contract import Json, consumer_report, if_local_report, port_nodes
from etpguard.report.internal import internal_status
from etpguard.report.messages import condition_message, covered, delivered, internal_message
from etpguard.report.node_names import NO_NAMES
from etpguard.report.resilience import resilience_report
from etpguard.report.sentences import explain_reason
from etpguard.report.statuses import comparable, conditions_of, fitting, with_times

MAX_STATUS_PORTS = 64
MAX_STATUS_CONSUMERS = 32
MAX_STATUS_NAMES = 20
MAX_STATUS_ASSUMPTIONS = 16
MAX_STATUS_BYTES = 64 * 1024
LONGEST_BUDGET = 604800.0
"""Maximum of `perSeconds` of a policy's budget, in seconds."""
LONGEST_DRIFT = 2592000.0
"""Maximum of `onDrift.windowSeconds`, in seconds."""

_BOUNDS = (
    (MAX_STATUS_NAMES, MAX_STATUS_CONSUMERS, 8),
    (5, MAX_STATUS_CONSUMERS, 8),
    (1, MAX_STATUS_CONSUMERS, 8),
    (NO_NAMES, MAX_STATUS_CONSUMERS, 8),
    (NO_NAMES, MAX_STATUS_CONSUMERS, 0),
    (NO_NAMES, 4, 0),
    (NO_NAMES, 0, 0),
)
"""Bounds of names in a list, consumers, and pieces of advice. The next row applies if the status is too large."""

_CODE = re.compile(r"[A-Z][A-Za-z0-9]*(?=: |$)")
_NOT_LOCAL = "NotLocal: externalTrafficPolicy is not Local, or nothing outside reaches the Service through a node"
_INTERNAL = "CoveredInternally"
"""The type of the condition about clients in the cluster."""
_NOT_COMPARED = ("remediation", transitions.FIELD)
"""Not compared: remediation writes the one, and the other follows from the compared fields."""
_WORDS = frozenset({"advice", "source"})
"""Sentences, which are no facts."""
_SINCE_LATER = frozenset({"assumptions", "client", "evidence", "resilience"})
"""Facts that the first etpguard did not write. They are compared where both reports have them; a report without
such a field gets it with the next change."""


def status(
    assessment: Assessment | None,
    table: NodeTable,
    advice: Sequence[str],
    assumed: Sequence[str] = (),
    *,
    internal: InternalAssessment | None = None,
    internal_advice: Sequence[str] = (),
) -> Json:
    """The status of the Service's ServiceCoverage, without times, `transitions`, and `remediation`, which
    remediation writes. `assessment` is None for a Service that is assessed only for clients in the cluster.
    `assumed` are the assumptions for all Services, such as the data plane. Bounds: 64 ports (equal states share
    one group), 32 consumers, 20 names in a list beside its total, 64 KiB in all. If the status is too large, names
    are left out first."""
    made: Json = {}
    for names, consumers, advised in _BOUNDS:
        made = _external(assessment, table, advice[:advised], names, consumers) if assessment else _no_external()
        texts = [*assumed, *(assessment.assumptions if assessment else ())]
        texts += [text for text in (internal.assumptions if internal else ()) if text not in texts]
        if texts:
            made["assumptions"] = texts[:MAX_STATUS_ASSUMPTIONS]
        if internal:
            made["internal"] = internal_status(internal, table, internal_advice[:advised], MAX_STATUS_PORTS, names)
            made["conditions"].append(internal_condition(internal))
        made = fitting(made)
        if len(msgspec.json.encode(made)) <= MAX_STATUS_BYTES - transitions.MAX_BYTES:
            break
    return made


def _no_external() -> Json:
    return {"outcome": Outcome.NotAffected.name, "reason": _NOT_LOCAL, "conditions": []}


def _external(assessment: Assessment, table: NodeTable, advice: Sequence[str], names: int, consumers: int) -> Json:
    worst_first = sorted(assessment.consumers, key=lambda v: (-v.outcome, -v.uncovered.bit_count()))
    made: Json = {
        "outcome": assessment.outcome.name,
        "reason": explain_reason(assessment),
        "eligibleNodes": assessment.eligible.bit_count(),
        "uncoveredNodes": assessment.uncovered.bit_count(),
        "conditions": conditions(assessment),
        "ports": port_groups(assessment, table, names),
        "portsTotal": len(assessment.ports),
        "consumers": [consumer_report(v, table, names) for v in worst_first[:consumers]],
        "consumersTotal": len(assessment.consumers),
        "advice": list(advice),
    }
    if (resilience := assessment.resilience) is not None:
        made["resilience"] = resilience_report(resilience, table, names)
    if assessment.if_local is not None:
        made["ifLocal"] = if_local_report(assessment.if_local)
    return made


def history_status(service: Service) -> Json:
    """The status of a report that is kept only for its `remediation`. A Service that etpguard ignores may still
    lose traffic."""
    outcome, why = Outcome.NotAffected, _NOT_LOCAL
    if service.policy == "Local" and service.annotations.get(IGNORE_ANNOTATION) == "true":
        outcome = Outcome.Unknown
        why = f"NotAssessed: the Service has the annotation {IGNORE_ANNOTATION}, so etpguard does not assess it"
    kept = "The report stays only as the record of its remediation"
    return {"outcome": outcome.name, "reason": f"{why}. {kept}", "conditions": []}


def joined(external: Json, internal: Json) -> Json:
    """The status with what `external` says about external traffic, and what `internal` says about clients in the
    cluster. Each may be a status that was read."""
    made = {name: value for name, value in external.items() if name not in (*_NOT_COMPARED, "internal")}
    if "internal" in internal:
        made["internal"] = internal["internal"]
    outside = [c for c in conditions_of(external) if c.get("type") != _INTERNAL]
    return {**made, "conditions": outside + [c for c in conditions_of(internal) if c.get("type") == _INTERNAL]}


def status_body(wanted: Json, existing: Json | None, now: str) -> Json:
    """The body of the status apply: `wanted` with the times of its conditions and the transitions."""
    timed = with_times(wanted, existing, now)
    return {"status": {**timed, transitions.FIELD: transitions.extended(wanted, existing, now)}}


def remediation_body(remediation: Remediation) -> Json:
    """The body of the status apply that records a remediation and changes nothing else in the report."""
    recorded = msgspec.to_builtins(remediation)
    return {"status": {"remediation": _without_empty(recorded)}}


def published_part(status: Json) -> Json:
    """The status without times, `remediation` and `transitions`."""
    return comparable(status, _NOT_COMPARED)


def same_facts(existing: Json, wanted: Json) -> bool:
    """Whether `published_part` of both differs at most in words: a message, a source, an advice, the text after
    the code of a reason, or the text of an assumption. The number of assumptions is a fact: what is assumed must
    not be read as certain."""
    found, meant = _facts(existing), _facts(wanted)
    if transitions.FIELD not in existing:
        del found["assumptions"]  # an etpguard wrote it that knew none
    return _agree(found, meant)


def _facts(status: Json) -> Json:
    bare = comparable(status, _NOT_COMPARED)
    states = [(c.get("type"), c.get("status"), c.get("reason")) for c in conditions_of(bare)]
    return {"assumptions": 0, **_coded(bare), "conditions": states}


def _coded(value: Any, name: str = "") -> Any:
    if name == "reason":
        return _code_of(value)
    if name == "assumptions":
        return len(value) if isinstance(value, list) else 0
    if isinstance(value, dict):
        # Who writes the evidence of a consumer writes its assumptions too, unless there is none.
        none = {"assumptions": 0} if "evidence" in value else {}
        return none | {field: _coded(inner, field) for field, inner in value.items() if field not in _WORDS}
    if isinstance(value, list):
        return [_coded(inner) for inner in value]
    return value


def _agree(found: Any, meant: Any) -> bool:
    if isinstance(found, dict) and isinstance(meant, dict):
        names = (found.keys() & meant.keys()) | ((found.keys() ^ meant.keys()) - _SINCE_LATER)
        return all(name in found and name in meant and _agree(found[name], meant[name]) for name in names)
    if isinstance(found, list) and isinstance(meant, list):
        return len(found) == len(meant) and all(map(_agree, found, meant))
    return bool(found == meant)


def _code_of(reason: object) -> str:
    """The code that a reason starts with, "" for a sentence."""
    found = _CODE.match(str(reason))
    return found.group() if found else ""


def owner_body(service: Service) -> Json:
    """The metadata of the Service's report: the garbage collector deletes it with the Service."""
    owner = {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.name,
        "name": service.key.name,
        "uid": service.uid,
        "blockOwnerDeletion": False,
    }
    return {"metadata": {"ownerReferences": [owner]}}


def owned_by(report: ServiceCoverage, service: Service) -> bool:
    """Whether the report belongs to this Service."""
    return service.uid in _owners(report)


def owned_by_another(report: ServiceCoverage, service: Service) -> bool:
    """Whether the report belongs to another Service, which had the same name. A report without an owner belongs to
    no Service."""
    owners = _owners(report)
    return bool(owners) and service.uid not in owners


def _owners(report: ServiceCoverage) -> set[str]:
    references = report.metadata.owner_references or ()
    return {reference.uid for reference in references if reference.kind == SERVICE.name}


def must_stay(report: ServiceCoverage, service: Service, now: float) -> bool:
    """Whether the report is the only record of history that still counts for the Service: a remediation in force,
    a rollback by a person, or reverts and spent budgets within their windows. Such a report is kept even if the
    Service is ignored. A `remediation` that cannot be decoded (of a later version, for example) also counts. `now`
    is in seconds since the epoch."""
    if (report.status or {}).get("remediation") is None:
        return False
    known = report.remediation
    if known is None or known.in_force_for(service.uid):
        return True
    if known.service_uid != service.uid:
        return False
    spent = any(_age(time, now) < LONGEST_BUDGET for time in known.intents)
    reverted = any(_age(revert.time, now) < LONGEST_DRIFT for revert in known.reverts)
    return bool(known.held_for) or spent or reverted


def _age(time: str, now: float) -> float:
    """Seconds since an RFC 3339 time; infinite for any other text."""
    at = parse(time)
    return math.inf if at is None else now - at


def conditions(assessment: Assessment) -> list[Json]:
    """`Covered` and `Delivered`, without lastTransitionTime, which the writer adds."""
    message, reason = condition_message(assessment), assessment.outcome.name
    return [
        {"type": "Covered", "status": covered(assessment.outcome), "reason": reason, "message": message},
        {"type": "Delivered", "status": delivered(assessment.outcome), "reason": reason, "message": message},
    ]


def internal_condition(internal: InternalAssessment) -> Json:
    """`CoveredInternally`, without lastTransitionTime, which the writer adds."""
    return {
        "type": _INTERNAL,
        "status": covered(internal.outcome),
        "reason": internal.outcome.name,
        "message": internal_message(internal),
    }


def port_groups(assessment: Assessment, table: NodeTable, names: int) -> list[Json]:
    """One entry for all ports whose nodes have equal states and whose clients get the same answer. The entry lists
    these ports."""
    groups: dict[tuple[object, ...], list[PortState]] = {}
    for port in assessment.ports[:MAX_STATUS_PORTS]:
        nodes = assessment.nodes
        at = (port.ready & nodes, port.terminating & nodes, port.usable, port.client(nodes))
        groups.setdefault(at, []).append(port)
    made = []
    for members in groups.values():
        entry = port_nodes(members[0], assessment.nodes, table, names)
        states = {k: entry[k] for k in ("ready", "terminating", "dropped", "rejected", "counts")}
        listed = [
            {"port": p.port, "protocol": p.protocol, "family": p.family, "nodePort": p.node_port} for p in members
        ]
        client = {} if entry["client"] is None else {"client": entry["client"]}
        made.append({"ports": listed, **states, **client})
    return made


def _without_empty(value: Any) -> Any:
    """The object without nulls and empty strings, which have no meaning."""
    if isinstance(value, dict):
        return {name: _without_empty(inner) for name, inner in value.items() if inner is not None and inner != ""}
    return [_without_empty(inner) for inner in value] if isinstance(value, (list, tuple)) else value
