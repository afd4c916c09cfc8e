"""Facts about load balancers of AWS that hold whichever controller made them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from etpguard.assess.consumers.changes import Step
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.targets import NodeTargets
from etpguard.assess.resilience import MinimumHealthy
from etpguard.objects import Service


class CheckDefaults(NamedTuple):
    """A health check that nothing sets: seconds, and how many answers in a row change the state of a target."""

    interval: int
    timeout: int
    unhealthy: int
    healthy: int


ALB_CHECK = CheckDefaults(interval=15, timeout=5, unhealthy=2, healthy=2)
GATEWAY_ALB_CHECK = CheckDefaults(interval=15, timeout=5, unhealthy=3, healthy=3)
NLB_LOCAL_CHECK = CheckDefaults(interval=10, timeout=6, unhealthy=2, healthy=2)
"""For a Service of type LoadBalancer with Local."""
NLB_CHECK = CheckDefaults(interval=10, timeout=10, unhealthy=3, healthy=3)
"""aws-load-balancer-controller 225f4456: pkg/ingress and pkg/service model_builder.go,
pkg/gateway/model/model_build_target_group.go."""
CLOUD_PROVIDER_NLB_CHECK = CheckDefaults(interval=10, timeout=10, unhealthy=2, healthy=2)
CLASSIC_CHECK = CheckDefaults(interval=10, timeout=5, unhealthy=6, healthy=2)
"""cloud-provider-aws 63ec440c: pkg/providers/v1/aws.go buildNLBHealthCheckConfiguration, aws_loadbalancer.go."""

NLB_LAG = (30, 40)
"""Seconds that an NLB sends on after a target is unhealthy, at least and at most, as AWS support names them."""

INSTANCE_ID = "(?:.*/)?i-[^/]*"
"""A providerID that names an instance. The part before the last "/" is not looked at."""
PROXIED, PRESERVED = "proxy_protocol_v2.enabled", "preserve_client_ip.enabled"
"""Attributes of target groups."""

CLASSIC = "cloud-provider/aws-clb"
"""The controller of a Classic Load Balancer."""


def is_nlb(consumer: Consumer) -> bool:
    """Whether a load balancer of AWS is a Network Load Balancer. That of a Service is, unless it is a Classic one:
    the controller is then named by a class, which may be any."""
    of_service = consumer.kind == "Service" and consumer.controller != CLASSIC
    return of_service or consumer.controller.endswith("/nlb")


_MINIMUM = "target_group_health.unhealthy_state_routing.minimum_healthy_targets."
MINIMUM_COUNT, MINIMUM_PERCENTAGE = f"{_MINIMUM}count", f"{_MINIMUM}percentage"
"""Below these numbers of healthy targets the load balancer sends to all targets: AWS documentation, "Target group
health"; defaults 1 and off."""

CROSS_ZONE = "load_balancing.cross_zone.enabled"
"""An attribute of load balancers, off by default for an NLB, and always on for an ALB; and of target groups, which
then decides."""

LOWER_THE_MINIMUM = Advice(
    "Remove minimum_healthy_targets from the attributes of the target group",
    "Fewer targets are healthy than it asks for, so the load balancer sends to all. The unhealthy ones drop "
    "their share. With the default, it routes around them as long as one is healthy.",
    "Cost: the healthy targets then take all of the traffic.",
)


def without_proxy_protocol(step: Step) -> Advice:
    """For a UDP port of an NLB."""
    return Advice(
        "Turn PROXY protocol off",
        "No health check reaches a UDP port, and kube-proxy does not understand PROXY protocol. Without it, the "
        "load balancer can check the healthCheckNodePort by HTTP. Turn it off in the pods' settings too. Pods see "
        "the client's address without it.",
        "",
        *step,
    )


def zones_without(verdict: ConsumerVerdict) -> str:
    """A sentence about the zones that have targets and none with an endpoint; "" without such a zone, or if the
    load balancer crosses zones. AWS documentation, "Health checks for Network Load Balancer target groups" and
    "Cross-zone load balancing"."""
    found, targets = verdict.resilience, verdict.consumer.targets
    if found is None or not found.uncovered_zones or not found.covered_nodes:
        return ""
    if not isinstance(targets, NodeTargets) or not targets.minimum_healthy.by_zone:
        return ""
    default, name = (", which is off by default,", "NLB") if is_nlb(verdict.consumer) else (",", "ALB")
    zones = ", ".join(found.uncovered_zones[:3]) + (" and others" if len(found.uncovered_zones) > 3 else "")
    return (
        f"No node with a pod is in {zones}: without cross-zone load balancing{default} the {name} takes its "
        "address there out of DNS, and clients that keep using that address lose their requests."
    )


_HOST = re.compile(r"[a-z0-9.-]*\.elb\.(?:[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?", re.IGNORECASE)


def named_by_aws(hostname: str) -> bool:
    """Whether AWS gave that name to a load balancer: NAME.REGION.elb.amazonaws.com, or
    NAME.elb.REGION.amazonaws.com of a Network Load Balancer; with .cn in China."""
    return len(hostname) <= 253 and bool(_HOST.fullmatch(hostname))


CLASSIC_NAME = re.compile(r"\.elb\.amazonaws\.com(?:\.cn)?$")
"""Of a Classic Load Balancer, behind the name of the region."""
NETWORK_NAME = re.compile(r"\.elb\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?$")
"""Of a Network Load Balancer."""


def is_classic(service: Service) -> bool:
    """Whether the Service has a Classic Load Balancer, by its name."""
    return any(CLASSIC_NAME.search(entry.hostname or "") for entry in service.load_balancer_ingress)


def minimum_healthy(attributes: Mapping[str, str], *, by_zone: bool) -> MinimumHealthy:
    """The minimum by the attributes of a target group. Values that AWS rejects count as the default, which the
    target group is assumed to keep. `by_zone`: whether cross-zone load balancing is off on the load balancer."""
    crosses = attributes.get(CROSS_ZONE, "")
    return MinimumHealthy(
        count=_number(attributes.get(MINIMUM_COUNT, ""), 1, 1_000_000),
        percentage=_number(attributes.get(MINIMUM_PERCENTAGE, ""), 0, 100),
        by_zone=crosses == "false" or (by_zone and crosses != "true"),
    )


def _number(text: str, default: int, most: int) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 7):
        return default
    return int(text) if 1 <= int(text) <= most else default
