"""The predictions for the health checks of one Service's consumers, compared with the load balancer's own view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from etpguard.assess import Assessment
from etpguard.assess.consumer_verdict import REGISTRATION_STOPS
from etpguard.assess.consumers.consumer import Consumer, ConsumerVerdict
from etpguard.assess.consumers.shared.load_balancers import port_number
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, UnknownOutcome
from etpguard.assess.probe import NotModelled, OwnNodePort
from etpguard.assess.verdict_rules import NODE_PORT_LIMITS
from etpguard.cli.errors import Failure
from etpguard.cli.input.sources import Assessed
from etpguard.objects import IP_FAMILIES, NODE, IPFamily
from etpguard.verification import Verdict
from etpguard.verification.judged_targets import CheckPrediction, TargetJudged, conclusion_of, judge_targets
from etpguard.verification.target_health import TargetHealthError, TargetView, parse


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
    if not chosen and (able := [verdict for verdict in assessment.consumers if verdict.eligible]):
        numbers = ", ".join(map(str, sorted({view.port for view in views})))
        wanted = ", ".join(dict.fromkeys(verdict.consumer.port for verdict in able))
        raise Failure(
            f"{where}: the targets have port {numbers}, which is no node port that a consumer of Service "
            f"{assessment.key} uses (its port {wanted}): this is another target group"
        )
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
    predictions = _merged([_predictions(assessed, assessment, each) for each in chosen])
    others = next(filter(None, map(_why_others, chosen)), "")
    rows = judge_targets(views, nodes, predictions, others)
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
    family: IPFamily = next((f for f in IP_FAMILIES if f in (consumer.ip_families or IP_FAMILIES)), "IPv4")
    passing = assessed.engine.probe_passes(assessment.key, consumer, family, verdict.eligible)
    names, absent = table.names(verdict.eligible), _why_absent(verdict)
    if isinstance(passing, NotModelled):
        why = f"the check is not predicted: {passing.detail}"
        return dict.fromkeys(names, CheckPrediction(None, why, absent=absent))
    if not isinstance(consumer.probe, OwnNodePort):
        asked = _check_port(consumer)
        return {
            name: CheckPrediction(bool(passing & table.bit(name)), absent=absent, check_port=asked)
            for name in names
        }
    states = assessed.engine.states(assessment.key)
    state = states.of(consumer.probe.port, family) if states else None
    asked = state.node_port if state else 0
    limits = verdict.reason if verdict.reason.code in NODE_PORT_LIMITS else None
    made: dict[str, CheckPrediction] = {}
    for name in names:
        bit = table.bit(name)
        doubt = (state and state.doubt(bit)) or (limits if passing & bit else None)
        made[name] = (
            CheckPrediction(None, f"the state of this node is not known: {doubt}", absent=absent)
            if doubt
            else CheckPrediction(bool(passing & bit), "", on_traffic_port=True, absent=absent, check_port=asked)
        )
    return made


def _check_port(consumer: Consumer) -> int:
    """The number of the port that the check asks; 0 where it is none."""
    settings = consumer.check.settings if consumer.check else None
    return (port_number(settings.port) if settings else None) or 0


def _why_absent(verdict: ConsumerVerdict) -> str:
    """Why an eligible node may be no target; "" if each of them is one."""
    targets = verdict.consumer.targets
    if isinstance(targets, PossibleNodes):
        return targets.reason.detail
    if isinstance(targets, NodeTargets) and 0 < targets.max_targets < verdict.eligible.bit_count():
        return f"at most {targets.max_targets} of the nodes are targets, and nothing shows which of them"
    return _why_unknown(verdict)


def _why_others(verdict: ConsumerVerdict) -> str:
    """Why a node that is not eligible may be a target; "" if none is."""
    targets = verdict.consumer.targets
    if isinstance(targets, NodeTargets) and targets.other_targets:
        return targets.other_targets.detail
    return _why_unknown(verdict)


def _why_unknown(verdict: ConsumerVerdict) -> str:
    """Why the targets are not known to be the eligible nodes; "" if they are."""
    targets = verdict.consumer.targets
    if isinstance(targets, UnknownOutcome):
        return targets.reason.detail
    if isinstance(targets, NodeTargets) and targets.otherwise:
        return targets.otherwise.reason.detail
    return verdict.reason.detail if verdict.reason.code in REGISTRATION_STOPS else ""


def _merged(given: Sequence[dict[str, CheckPrediction]]) -> dict[str, CheckPrediction]:
    """One prediction for each node. It is not known if two consumers of the same port differ: one of them has the
    target group."""
    merged: dict[str, CheckPrediction] = {}
    for node in dict.fromkeys(node for predictions in given for node in predictions):
        own = [predictions[node] for predictions in given if node in predictions]
        first, absent = own[0], next(filter(None, (each.absent for each in own)), "")
        if len(own) < len(given):
            absent = f"{_SEVERAL} and send to different nodes; {_WHICH}"
        asked = {each.check_port for each in own}
        merged[node] = replace(first, absent=absent, check_port=asked.pop() if len(asked) == 1 else 0)
        if first.passes is not None and any(each.passes != first.passes for each in own):
            merged[node] = CheckPrediction(None, f"{_SEVERAL}, and their checks differ; {_WHICH}", absent=absent)
    return merged


_SEVERAL, _WHICH = "several consumers use this port", "nothing shows which of them this is"


def _sentence(
    rows: Sequence[TargetJudged], verdict: Verdict, assessment: Assessment, chosen: Sequence[ConsumerVerdict]
) -> str:
    names = ", ".join(dict.fromkeys(str(each.consumer) for each in chosen))
    if verdict is Verdict.AGREES:
        return (
            f"The load balancer sees what etpguard predicts for {names}. Next: etpguard explain {assessment.key}"
        )
    first = next(row for row in rows if row.verdict is verdict)
    state = "differs" if verdict is Verdict.DIFFERS else "is not proven"
    return f"The prediction for {names} {state} on {first.node or first.target}: {first.reason}."
