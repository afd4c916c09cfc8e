"""The output of `etpguard verify`: a table for people, or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etpguard.cli.output.structured import print_json
from etpguard.cli.output.table import plain
from etpguard.objects import API_VERSION, Key
from etpguard.objects.text import harmless, listed
from etpguard.verification import Conclusion, HealthAnswer, Judged, Verdict
from etpguard.verification.judged_targets import TargetJudged

_WIRE = ("NODE", "ADDRESS", "PORT", "PREDICTED", "CONNECTION", "HEALTH CHECK", "VERDICT")
_TARGETS = ("NODE", "TARGET", "PREDICTED CHECK", "LOAD BALANCER SAYS", "VERDICT")


def wire(output: str, service: Key, rows: Sequence[Judged], conclusion: Conclusion) -> None:
    """Print the answers of the nodes."""
    if output == "json":
        listed = [_wire_row(row) for row in rows]
        _json(service, {"connections": listed}, conclusion.verdict, conclusion.sentence)
        return
    cells = [
        (
            row.prediction.node,
            row.prediction.address,
            f"{row.prediction.port or '-'}:{row.prediction.node_port}",
            row.prediction.state,
            row.connection.answer.value,
            _health(row.health),
            row.verdict.value,
        )
        for row in rows
    ]
    print("\n".join(plain(_WIRE, cells)))
    _reasons([(row.prediction.node, row.reason) for row in rows if row.reason])
    print(f"\n{harmless(f'{conclusion.verdict.value}: {conclusion.sentence}')}")


def targets(output: str, service: Key, rows: Sequence[TargetJudged], verdict: Verdict, sentence: str) -> None:
    """Print the load balancer's view."""
    if output == "json":
        listed = [
            {
                "node": row.node,
                "target": row.target,
                "predicted": row.predicted,
                "seen": row.seen,
                "verdict": row.verdict.value,
                "reason": row.reason,
            }
            for row in rows
        ]
        _json(service, {"targets": listed}, verdict, sentence)
        return
    cells = [(row.node or "-", row.target, row.predicted, row.seen, row.verdict.value) for row in rows]
    print("\n".join(plain(_TARGETS, cells)))
    _reasons([(row.node or row.target, row.reason) for row in rows if row.reason])
    print(f"\n{harmless(f'{verdict.value}: {sentence}')}")


def _reasons(found: Sequence[tuple[str, str]]) -> None:
    """Each reason once, with its nodes."""
    nodes: dict[str, dict[str, None]] = {}
    for node, reason in found:
        nodes.setdefault(reason, {})[node] = None
    if nodes:
        print()
    for reason, names in nodes.items():
        print(harmless(f"{listed(list(names), 5)}: {reason}"))


def _health(health: HealthAnswer | None) -> str:
    if health is None:
        return "-"
    if health.status is None:
        return health.answer.value
    local = "" if health.local_endpoints is None else f", {health.local_endpoints} local"
    return f"{health.status}{local}"


def _wire_row(row: Judged) -> dict[str, Any]:
    made: dict[str, Any] = {
        "node": row.prediction.node,
        "address": row.prediction.address,
        "port": row.prediction.port,
        "nodePort": row.prediction.node_port,
        "family": row.prediction.family,
        "predicted": row.prediction.state,
        "connection": row.connection.answer.value,
        "source": row.connection.source,
        "verdict": row.verdict.value,
        "reason": row.reason,
    }
    if row.health is not None:
        made["healthCheck"] = {
            "answer": row.health.answer.value,
            "status": row.health.status,
            "localEndpoints": row.health.local_endpoints,
        }
    return made


def _json(service: Key, rows: dict[str, Any], verdict: Verdict, sentence: str) -> None:
    report = {
        "apiVersion": API_VERSION,
        "kind": "VerifyReport",
        "service": {"namespace": service.namespace, "name": service.name},
        **rows,
        "verdict": verdict.value,
        "conclusion": sentence,
    }
    print_json(report)
