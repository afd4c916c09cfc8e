"""The predictions for the health checks of one Service's consumers, compared with the load balancer's own view."""

from __future__ import annotations

from collections.abc import Sequence

from etpguard.assess import Assessment
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.probe import NotModelled, OwnNodePort
from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Assessed
from etpguard.objects import NODE, IPFamily
from etpguard.verification import Verdict
from etpguard.verification.target_health import (
    CheckPrediction,
    TargetHealthError,
    TargetJudged,
    TargetView,
    conclusion_of,
    judge_targets,
    parse,
)

_FAMILIES: tuple[IPFamily, ...] = ("IPv4", "IPv6")


def compare_targets(
    assessed: Assessed, assessment: Assessment, where: str, raw: bytes
) -> tuple[list[TargetJudged], Verdict, str]:
    """The rows, the verdict, and a sentence. `where` names the input. Raises Failure."""
    try:
        views = parse(raw)
    except TargetHealthError as error:
        raise Failure(f"{where}: {error}") from None
    if not views:
        raise Failure(f"{where}: no target: an empty target group, or one that is not registered yet")
    chosen = _consumers(assessment, views)
    if not chosen:
        raise Failure(
            f"Service {assessment.key}: no known consumer sends to its node ports, so no health check is "
            f"predicted; etpguard explain {assessment.key} says what is known"
        )
    nodes = {
        node.metadata.name: (
            node.provider_id,
            [address.address for address in (node.status and node.status.addresses) or ()],
        )
        for node in assessed.loaded.picture.store(NODE)
    }
    rows = judge_targets(views, nodes, _merged([_predictions(assessed, assessment, each) for each in chosen]))
    verdict = conclusion_of(rows)
    return rows, verdict, _sentence(rows, verdict, assessment, chosen)


def _consumers(assessment: Assessment, views: Sequence[TargetView]) -> list[ConsumerVerdict]:
    """The consumers whose node port is a port of the targets; all consumers if the targets name none of their
    ports."""
    ports = {view.port for view in views if view.port}
    able = [verdict for verdict in assessment.consumers if verdict.eligible]
    numbers: dict[str, set[int]] = {}
    for port in assessment.ports:
        numbers.setdefault(port.port, set()).add(port.node_port)
    if ports:
        able = [verdict for verdict in able if numbers.get(verdict.consumer.port, set()) & ports]
    return able


def _predictions(
    assessed: Assessed, assessment: Assessment, verdict: ConsumerVerdict
) -> dict[str, CheckPrediction]:
    table, consumer = assessed.loaded.picture.nodes, verdict.consumer
    family: IPFamily = next((f for f in _FAMILIES if f in (consumer.families or _FAMILIES)), "IPv4")
    passing = assessed.engine.probe_passes(assessment.key, consumer, family)
    on_traffic_port = isinstance(consumer.probe, OwnNodePort)
    names = table.names(verdict.eligible)
    if isinstance(passing, NotModelled):
        return dict.fromkeys(names, CheckPrediction(None, f"the check is not predicted: {passing.detail}"))
    return {name: CheckPrediction(bool(passing & table.bit(name)), "", on_traffic_port) for name in names}


def _merged(given: Sequence[dict[str, CheckPrediction]]) -> dict[str, CheckPrediction]:
    """One prediction for each node. It is not known if two consumers of the same port differ."""
    merged: dict[str, CheckPrediction] = {}
    for predictions in given:
        for node, prediction in predictions.items():
            before = merged.setdefault(node, prediction)
            if before.passes is not None and before.passes != prediction.passes:
                why = (
                    "several consumers use this port, and their checks differ; nothing shows which of them this is"
                )
                merged[node] = CheckPrediction(None, why)
    return merged


def _sentence(
    rows: Sequence[TargetJudged], verdict: Verdict, assessment: Assessment, chosen: Sequence[ConsumerVerdict]
) -> str:
    names = ", ".join(dict.fromkeys(f"{v.consumer.kind} {v.consumer.namespace}/{v.consumer.name}" for v in chosen))
    if verdict is Verdict.AGREES:
        return (
            f"The load balancer sees what etpguard predicts for {names}. Next: etpguard explain {assessment.key}"
        )
    first = next(row for row in rows if row.verdict is verdict)
    state = "differs" if verdict is Verdict.DIFFERS else "is not proven"
    return f"The prediction for {names} {state} on {first.node or first.target}: {first.reason}."
