"""How fast a load balancer notices that a node stops or starts to serve, with the settings that it has by default.

Pure. From the moment when the health check would fail, the load balancer stops after at least (threshold - 1)
times interval, and at most threshold times interval, plus the time-out where the probe is dropped, plus the lag
that is known of the load balancer. The sources are those of the families in `assess.consumers`; the values are
the defaults of aws-load-balancer-controller 225f4456 (docs/guide/{ingress,service}/annotations.md), cloud-
provider-aws 63ec440c (pkg/providers/v1/aws_loadbalancer.go), ingress-gce (pkg/healthchecksl4), and cloud-
provider-azure.
"""

from __future__ import annotations

from dataclasses import dataclass

from etpguard.assess.consumers.interface import Consumer
from etpguard.assess.probe import OwnNodePort


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds. `lag`: the most that the load balancer sends on after its check has failed."""

    interval: int
    timeout: int
    unhealthy: int
    healthy: int
    lag: int = 0

    def down(self, *, dropped: bool) -> tuple[int, int]:
        """The least and the most seconds until it stops; `dropped`: whether the probe gets no answer."""
        most = self.unhealthy * self.interval + self.lag + (self.timeout if dropped else 0)
        return (self.unhealthy - 1) * self.interval, most

    @property
    def up(self) -> int:
        """The most seconds until a new target that serves gets traffic."""
        return self.healthy * self.interval + self.timeout


_ALB = Timing(interval=15, timeout=5, unhealthy=2, healthy=2)
_NLB = Timing(interval=10, timeout=6, unhealthy=2, healthy=2, lag=40)
"""AWS support names a lag of 30 to 40 s."""
_CLB = Timing(interval=10, timeout=5, unhealthy=6, healthy=2)
_GKE_L4 = Timing(interval=3, timeout=1, unhealthy=2, healthy=1, lag=6)
"""Users see 6 to 12 s."""
_AZURE = Timing(interval=5, timeout=0, unhealthy=2, healthy=2)


def timing_of(consumer: Consumer) -> Timing | None:
    """The timing of the consumer's health check, None if it is not known."""
    match consumer.family:
        case "aws-load-balancer-controller" | "eks-auto":
            return _NLB if consumer.kind == "Service" else _ALB if consumer.kind == "Ingress" else None
        case "aws-cloud-provider":
            return _CLB
        case "gke-l4":
            return _GKE_L4
        case "azure-load-balancer":
            return _AZURE
        case _:
            return None


def detection_seconds(consumer: Consumer) -> int | None:
    """The most seconds until the load balancer sends no new connection to a node that drops; None if that is not
    known."""
    timing = timing_of(consumer)
    return timing.down(dropped=isinstance(consumer.probe, OwnNodePort))[1] if timing else None
