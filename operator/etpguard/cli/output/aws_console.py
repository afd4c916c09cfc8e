"""The words that the console of a load balancer shows for nodes that drop the traffic."""

from __future__ import annotations

from etpguard.assess import Outcome
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.consumers.shared.aws_target_groups import is_nlb
from etpguard.assess.node_states import Client
from etpguard.assess.outcome import NO_HEALTHY_TARGET, TOO_FEW_HEALTHY
from etpguard.assess.probe import HealthCheckNodePort, OwnNodePort, PassesNowhere, Probe

_CONTROLLERS = frozenset(
    {
        "ingress.k8s.aws/alb",
        "gateway.k8s.aws/alb",
        "eks.amazonaws.com/alb",
        "service.k8s.aws/nlb",
        "gateway.k8s.aws/nlb",
        "eks.amazonaws.com/nlb",
        "cloud-provider/aws-nlb",
    }
)


def shown(verdict: ConsumerVerdict) -> str:
    """One sentence; "" for another console, or if no node drops the traffic.

    Reason codes of AWS: TargetHealth.Reason in the ELBv2 API; An Application Load Balancer shows Target.Timeout,
    or Target.FailedHealthChecks if the connection fails. A Network Load Balancer shows only
    Target.FailedHealthChecks.
    """
    of_aws = verdict.consumer.controller in _CONTROLLERS
    if not of_aws or not verdict.uncovered or verdict.outcome not in _SHOWN:
        return ""
    count = verdict.uncovered.bit_count()
    targets = f"{count} target{'s' if count > 1 else ''}"
    check = verdict.consumer.check.settings if verdict.consumer.check else None
    network = is_nlb(verdict.consumer)
    if verdict.reason.code == NO_HEALTHY_TARGET:
        return (
            f"all {verdict.eligible.bit_count()} targets unhealthy; it sends requests to all of them, and "
            f"{count} of them {'drop' if count > 1 else 'drops'} every request"
        )
    if verdict.reason.code == TOO_FEW_HEALTHY:
        return (
            f"{targets} unhealthy; too few are healthy, so it sends requests to all targets, and {count} of them "
            f"{'drop' if count > 1 else 'drops'} every request"
        )
    if verdict.outcome is Outcome.Blackhole:
        refused = verdict.client is Client.REFUSED
        verb = "refuse" if refused else "drop"
        get = "refused connections" if refused else "time-outs"
        return (
            f"{targets} healthy, though {f'they {verb}' if count > 1 else f'it {verb}s'} every request: "
            f"clients get {get if network else '502' if refused else '504 or time-outs'}, and the console "
            "does not show why"
        )
    if verdict.outcome is Outcome.Outage and not _fails_where_dropped(verdict.consumer.probe):
        return (
            f"{targets} healthy or unhealthy, as port {check.port if check else '(not known)'} answers the health "
            f"check, which does not show that {'they drop' if count > 1 else 'it drops'} every request"
        )
    if network or verdict.client is Client.REFUSED:
        return f'{targets} unhealthy, Target.FailedHealthChecks "Health checks failed"'
    probes_itself = check is None or check.port in ("traffic-port", "")
    timeout = f'{targets} unhealthy, Target.Timeout "Request timed out"'
    return timeout if probes_itself else f"{timeout} or Target.ResponseCodeMismatch, as the check's port answers"


def _fails_where_dropped(probe: Probe | None) -> bool:
    """Whether the check surely fails on a node that drops the traffic."""
    asks_for_endpoints = isinstance(probe, HealthCheckNodePort) and not probe.any_answer and probe.service is None
    return asks_for_endpoints or isinstance(probe, (OwnNodePort, PassesNowhere))


_SHOWN = frozenset({Outcome.TargetsUnhealthy, Outcome.Outage, Outcome.Blackhole})
