"""The assessment of a Service that etpguard remediated. Pure."""

from __future__ import annotations

from etpguard.assess.assessment import Assessment
from etpguard.assess.consumers.consumer import ConsumerVerdict
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import Service


def remediated(service: Service, local: Assessment) -> Assessment:
    """NotAffected, with what the Service would be under Local, which is `local`."""
    return Assessment(
        key=local.key,
        uid=service.uid,
        type=service.type,
        policy=service.policy,
        outcome=Outcome.NotAffected,
        reason=Reason("Remediated", "etpguard changed externalTrafficPolicy from Local to Cluster"),
        ports=local.ports,
        consumers=tuple(
            ConsumerVerdict(v.consumer, Outcome.NotAffected, Reason("Remediated"), v.eligible)
            for v in local.consumers
        ),
        nodes=local.nodes,
        eligible=local.eligible,
        if_local=local,
        epoch=local.epoch,
        assumptions=local.assumptions,
    )
