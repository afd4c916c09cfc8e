"""What a load balancer says of its targets, compared with the prediction for its health check. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from etpguard.verification.judgement import Verdict
from etpguard.verification.target_health import Health, TargetView


@dataclass(frozen=True, slots=True)
class CheckPrediction:
    """The prediction for the health check of one consumer on one node: whether it passes, or None with the reason
    why that is not known. `on_traffic_port`: the check probes the Service's own node port. `check_port`: the port
    that it probes, 0 if not known. `absent`: why the node may be no target after all, "" if it is one."""

    passes: bool | None
    why: str = ""
    on_traffic_port: bool = False
    absent: str = ""
    check_port: int = 0


@dataclass(frozen=True, slots=True)
class TargetJudged:
    """One target, or one eligible node that is not a target. `node` is "" for a target that is not a node."""

    node: str
    target: str
    predicted: str
    seen: str
    verdict: Verdict
    reason: str = ""


def judge_targets(
    views: Sequence[TargetView],
    nodes: Mapping[str, tuple[str, Sequence[str]]],
    predictions: Mapping[str, CheckPrediction],
    others: str = "",
) -> list[TargetJudged]:
    """Compare the targets with the predictions. `nodes`: provider ID and addresses of each node, by name.
    `predictions`: for the eligible nodes of the consumer, by name. `others`: why other nodes may be targets too,
    "" if they are none."""
    by_provider = {provider: name for name, (provider, _) in nodes.items() if provider}
    by_instance = {provider.rpartition("/")[2]: name for provider, name in by_provider.items()}
    by_address = {address: name for name, (_, addresses) in nodes.items() for address in addresses}
    judged: list[TargetJudged] = []
    seen: set[str] = set()
    for view in views:
        node = (
            by_provider.get(view.provider_id) or by_instance.get(view.provider_id) or by_address.get(view.address)
        )
        if node is None:
            why = "the target is no node of this cluster: a pod that is targeted directly, or another target group"
            judged.append(TargetJudged("", view.target, "-", view.words, Verdict.INCONCLUSIVE, why))
            continue
        seen.add(node)
        prediction = predictions.get(node)
        judged.append(_judge(node, view, prediction) if prediction else _unexpected(node, view, others))
    judged += [_missing(node, predictions[node].absent) for node in sorted(predictions.keys() - seen)]
    return judged


def _missing(node: str, why: str) -> TargetJudged:
    if why:
        return TargetJudged(node, "-", "not known", "no target", Verdict.INCONCLUSIVE, why)
    return TargetJudged(
        node, "-", "a target", "no target", Verdict.DIFFERS,
        "etpguard predicts that the load balancer sends to this node, but the node is not among its targets: look "
        "at the events and the log of the controller that registers targets, or this is another target group",
    )  # fmt: skip


def _unexpected(node: str, view: TargetView, others: str) -> TargetJudged:
    if view.state in _LEAVING or view.reason == "Target.NotRegistered":
        why = "the load balancer removes the target, as etpguard predicts"
        return TargetJudged(node, view.target, "no target", view.words, Verdict.AGREES, why)
    if others:
        return TargetJudged(node, view.target, "not known", view.words, Verdict.INCONCLUSIVE, others)
    why = "it is a target although etpguard predicts that the load balancer does not send to this node"
    return TargetJudged(node, view.target, "no target", view.words, Verdict.DIFFERS, why)


_LEAVING = ("draining", "DRAINING")


_OPEN = {
    "initial": "the load balancer has not finished its first checks: run this again in a minute",
    "draining": "the target is being deregistered",
    "unused": "the load balancer does not use the target: its zone is not enabled, or no listener uses the group",
    "unavailable": "health checks are switched off for this target group",
    "DRAINING": "the target is being drained",
}


_WHY_IT_FAILS = {
    "Target.Timeout": "the check times out although a local endpoint forwards: look at the security groups and "
    "NetworkPolicies between the load balancer and the node, and at --hostname-override of kube-proxy",
    "Target.ResponseCodeMismatch": "the pod answers another HTTP status than the check expects: look at the path "
    "and the success codes of the check; externalTrafficPolicy is not at fault",
    "Target.FailedHealthChecks": "the load balancer cannot connect, or the answer is malformed: look at the "
    "protocol of the check and at what the pod serves on the port",
}


_FAILS_ALL_THE_SAME = (
    "the check is predicted to pass, but the load balancer says that it fails: look at the firewall between them, "
    "and at the port and path of the check. A healthCheckNodePort that fails on a node with a ready endpoint "
    "points to --hostname-override of kube-proxy"
)


def _judge(node: str, view: TargetView, prediction: CheckPrediction) -> TargetJudged:
    def row(predicted: str, verdict: Verdict, reason: str = "") -> TargetJudged:
        return TargetJudged(node, view.target, predicted, view.words, verdict, reason)

    if prediction.passes is None:
        return row("not known", Verdict.INCONCLUSIVE, prediction.why)
    predicted = "passes" if prediction.passes else "fails"
    if view.health is Health.OPEN:
        return row(predicted, Verdict.INCONCLUSIVE, _OPEN.get(view.state, "etpguard does not know this state"))
    if view.reason == "Elb.InternalError":
        return row(predicted, Verdict.INCONCLUSIVE, "the load balancer reports an internal error of its own")
    if view.check_port and prediction.check_port not in (0, view.check_port):
        why = (
            f"the load balancer checks port {view.check_port}, and by the API objects it checks port "
            f"{prediction.check_port}: a change is not in force yet, somebody changed it in AWS, or this is "
            "another target group"
        )
        return row(predicted, Verdict.DIFFERS, why)
    if (view.health is Health.HEALTHY) == prediction.passes:
        if view.reason == "Target.ResponseCodeMismatch" and prediction.on_traffic_port:
            why = (
                "an HTTP answer came from a node that should drop the check: the data plane follows other rules, "
                "or it has not seen the last change"
            )
            return row(predicted, Verdict.DIFFERS, why)
        return row(predicted, Verdict.AGREES)
    if prediction.passes:
        causes = _WHY_IT_FAILS if prediction.on_traffic_port else {}
        return row(predicted, Verdict.DIFFERS, causes.get(view.reason, _FAILS_ALL_THE_SAME))
    why = (
        "the check passes although it is predicted to fail: the load balancer probes another port or path than "
        "the API objects show, or the data plane follows other rules"
    )
    return row(predicted, Verdict.DIFFERS, why)


def conclusion_of(rows: Iterable[TargetJudged]) -> Verdict:
    """The worst verdict: differs, then inconclusive, then agrees. Without rows it is inconclusive."""
    verdicts = {row.verdict for row in rows}
    if Verdict.DIFFERS in verdicts:
        return Verdict.DIFFERS
    return Verdict.AGREES if verdicts == {Verdict.AGREES} else Verdict.INCONCLUSIVE
