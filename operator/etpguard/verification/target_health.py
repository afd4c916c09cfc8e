"""Compares a load balancer's own view of its targets with the predicted health check. Pure.

Formats, as their documentation gives them:
- AWS: `aws elbv2 describe-target-health` (ELBv2 API 2015-12-01, TargetHealthDescription and TargetHealth);
- Google Cloud: `gcloud compute backend-services get-health --format=json` (BackendServiceGroupHealth,
  HealthStatus);
- Azure: the answer of "Load Balancers - Health per rule" (LoadBalancerHealthPerRule of azure-rest-api network).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import msgspec

from etpguard.verification.judgement import Verdict


class Health(Enum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    OPEN = "open"
    """Neither healthy nor unhealthy: the check is not finished, or the target gets no traffic."""


@dataclass(frozen=True, slots=True)
class TargetView:
    """One target as the load balancer sees it. `target` is its name there; `provider_id` and `address` lead to the
    node, "" if not given; `port` and `check_port`, which the health check asks, are 0 if not given. `state` and
    `reason` are as the load balancer reports them, "" if not given."""

    target: str
    health: Health
    state: str
    reason: str = ""
    provider_id: str = ""
    address: str = ""
    port: int = 0
    check_port: int = 0

    @property
    def words(self) -> str:
        """The state and the reason."""
        return f"{self.state} ({self.reason})" if self.reason else self.state or "no state"


class TargetHealthError(ValueError):
    """The input is none of the known formats, in one line."""


class _AwsTarget(msgspec.Struct, rename="pascal"):
    id: str
    port: int = 0


class _AwsHealth(msgspec.Struct, rename="pascal"):
    state: str
    reason: str = ""


class _AwsDescription(msgspec.Struct, rename="pascal"):
    target: _AwsTarget
    target_health: _AwsHealth
    health_check_port: str = ""


class _Aws(msgspec.Struct, rename="pascal"):
    target_health_descriptions: list[_AwsDescription]


class _GoogleStatus(msgspec.Struct, rename="camel"):
    health_state: str = ""
    instance: str = ""
    ip_address: str = ""
    port: int = 0


class _GoogleHealth(msgspec.Struct, rename="camel"):
    health_status: list[_GoogleStatus] = []


class _GoogleBackend(msgspec.Struct):
    status: _GoogleHealth
    backend: str = ""


class _AzureAddress(msgspec.Struct, rename="camel"):
    ip_address: str
    state: str
    reason: str = ""


class _Azure(msgspec.Struct, rename="camel"):
    load_balancer_backend_addresses: list[_AzureAddress]


def parse(raw: bytes) -> list[TargetView]:
    """The targets of one of the formats above. Raises TargetHealthError."""
    try:
        tree = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise TargetHealthError(f"not JSON: {error}") from None
    try:
        if isinstance(tree, dict) and "TargetHealthDescriptions" in tree:
            return [_aws(each) for each in msgspec.convert(tree, _Aws).target_health_descriptions]
        if isinstance(tree, dict) and "loadBalancerBackendAddresses" in tree:
            return [_azure(each) for each in msgspec.convert(tree, _Azure).load_balancer_backend_addresses]
        if isinstance(tree, list) and all(isinstance(each, dict) and "status" in each for each in tree):
            backends = msgspec.convert(tree, list[_GoogleBackend])
            return [_google(each) for backend in backends for each in backend.status.health_status]
    except msgspec.ValidationError as error:
        raise TargetHealthError(str(error)) from None
    raise TargetHealthError(
        "the JSON is not that of aws elbv2 describe-target-health, of gcloud compute backend-services get-health "
        "--format=json, or of Azure's health per rule"
    )


_AWS_STATES = {"healthy": Health.HEALTHY, "unhealthy": Health.UNHEALTHY, "unhealthy.draining": Health.UNHEALTHY}


def _aws(given: _AwsDescription) -> TargetView:
    target, state = given.target, given.target_health
    instance = target.id if target.id.startswith("i-") else ""
    asked = given.health_check_port
    return TargetView(
        target=target.id,
        health=_AWS_STATES.get(state.state, Health.OPEN),
        state=state.state,
        reason=state.reason,
        provider_id=instance,
        address="" if instance else target.id,
        port=target.port,
        check_port=int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= 5 else 0,
    )


_GOOGLE_STATES = {"HEALTHY": Health.HEALTHY, "UNHEALTHY": Health.UNHEALTHY}


def _google(given: _GoogleStatus) -> TargetView:
    """The `port` in the answer is that of the instance group, not the one that is checked, so it is not used."""
    parts = given.instance.split("/")
    path = dict(pairwise(parts))
    known = all(key in path for key in ("projects", "zones", "instances"))
    return TargetView(
        target=path.get("instances", given.ip_address),
        health=_GOOGLE_STATES.get(given.health_state, Health.OPEN),
        state=given.health_state,
        provider_id=f"gce://{path['projects']}/{path['zones']}/{path['instances']}" if known else "",
        address=given.ip_address,
    )


_AZURE_STATES = {"up": Health.HEALTHY, "down": Health.UNHEALTHY}


def _azure(given: _AzureAddress) -> TargetView:
    return TargetView(
        target=given.ip_address,
        health=_AZURE_STATES.get(given.state.lower(), Health.OPEN),
        state=given.state,
        reason=given.reason,
        address=given.ip_address,
    )


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
