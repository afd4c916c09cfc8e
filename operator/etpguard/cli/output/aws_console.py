"""What the console of a load balancer says of the nodes that drop, so that one recognises it."""

from __future__ import annotations

from etpguard.assess import Outcome
from etpguard.assess.consumers.interface import ConsumerVerdict
from etpguard.assess.outcome import NO_HEALTHY_TARGET

_ALB = frozenset({"ingress.k8s.aws/alb", "gateway.k8s.aws/alb", "eks.amazonaws.com/alb"})
_NLB = frozenset({"service.k8s.aws/nlb", "gateway.k8s.aws/nlb", "eks.amazonaws.com/nlb", "cloud-provider/aws-nlb"})


def shown(verdict: ConsumerVerdict) -> str:
    """One sentence, "" where nothing is known of that console or no node drops.

    Reason codes of AWS: TargetHealth.Reason in the ELBv2 API; Target.Timeout is for Application Load
    Balancers, Target.FailedHealthChecks is all that a Network Load Balancer tells.
    """
    if not verdict.uncovered or verdict.outcome not in _TELLING:
        return ""
    count = verdict.uncovered.bit_count()
    targets = f"{count} target{'s' if count > 1 else ''}"
    controller, check = verdict.consumer.controller, verdict.consumer.health_check
    network = controller in _NLB or "nlb" in verdict.consumer.target_type.lower()
    if controller not in _ALB and not network:
        return ""
    if verdict.reason.code == NO_HEALTHY_TARGET:
        return (
            f"all {verdict.eligible.bit_count()} targets unhealthy, and requests sent to all of them alike, "
            f"{count} of which drop every one"
        )
    if verdict.outcome is Outcome.Blackhole:
        return (
            f"{targets} healthy that drop every request: clients get "
            f"{'time-outs' if network else '504 or time-outs'}, and nothing in the console says why"
        )
    if network:
        return f'{targets} unhealthy, Target.FailedHealthChecks "Health checks failed"'
    probes_itself = check is None or check.port in ("traffic-port", "")
    timeout = f'{targets} unhealthy, Target.Timeout "Request timed out"'
    return timeout if probes_itself else f"{timeout} or Target.ResponseCodeMismatch, as the check's port answers"


_TELLING = frozenset({Outcome.TargetsUnhealthy, Outcome.Outage, Outcome.Blackhole})
