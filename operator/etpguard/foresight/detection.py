"""How long a load balancer sends to a node that no longer serves, with the settings that it has by default. Pure.

Worst case: unhealthy threshold times interval, plus the time-out where the probe is dropped, plus the lag that is
known of the load balancer. The sources are those of the families in `assess.consumers`.
"""

from __future__ import annotations

from etpguard.assess.consumers.interface import Consumer

_AWS_LBC_ALB = 35
_AWS_NLB = 60
"""Two probes, 10 s apart, and the lag of 30 to 40 s that AWS support names."""
_AWS_CLB = 65
_GKE_L4 = 12
_AZURE = 10


def detection_seconds(consumer: Consumer) -> int | None:
    """The most seconds until the load balancer sends no new connection to a node that drops; None if that is not
    known."""
    match consumer.family:
        case "aws-load-balancer-controller" | "eks-auto":
            return _AWS_NLB if consumer.kind == "Service" else _AWS_LBC_ALB if consumer.kind == "Ingress" else None
        case "aws-cloud-provider":
            return _AWS_CLB
        case "gke-l4":
            return _GKE_L4
        case "azure-load-balancer":
            return _AZURE
        case _:
            return None
