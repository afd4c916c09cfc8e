"""Makes the consumer of a target group, whose outcome is Unknown where the controller cannot register its
targets."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.aws_lbc.options import DEFAULT, AwsOptions
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets, NoneHealthy, PodTargets, UnknownOutcome
from etpguard.assess.evidence import Evidence
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.outcome import Reason
from etpguard.assess.resilience import ONE_HEALTHY, MinimumHealthy
from etpguard.objects import IPFamily, Key, Service

_OF_INSTANCES = ("fail_open", "max_targets")
"""The options that matter only for instance targets."""


class Sender(NamedTuple):
    """The object that a report names as the consumer."""

    kind: str
    namespace: str
    name: str
    controller: str


class TargetGroup(Struct, frozen=True):
    """The targets of a target group. `source` names the option of the controller that decided, "" if none did."""

    target_type: str
    families: tuple[IPFamily, ...]
    rule: NodeRule | None = None
    """Of instance targets. One object for all ports of a Service, since a rule may be long."""
    source: str = ""
    other_targets: Reason | None = None
    """`MULTI_CLUSTER` for a target group that other clusters register targets in too."""


MULTI_CLUSTER = Reason(
    "MultiClusterTargetGroup",
    "other clusters register targets in the same target group, and no API object of this cluster shows them. Look "
    "at the health of its targets in AWS",
)
"""aws-load-balancer-controller v3.5.0 docs/guide/targetgroupbinding/targetgroupbinding.md, MultiCluster Target
Group."""


_PRIMARY_IPV6 = (
    "every instance has a primary IPv6 address; if one has none, AWS refuses it, and the controller registers no "
    "node"
)
"""kubernetes-sigs/aws-load-balancer-controller#3692, zalando-incubator/kubernetes-on-aws#10082."""


def consumer(
    sender: Sender,
    service: Service,
    reference: int | str,
    group: TargetGroup,
    check: HealthCheck | None,
    options: AwsOptions,
    minimum: MinimumHealthy = ONE_HEALTHY,
) -> Consumer:
    """The consumer of the port that `reference` names; `check` is that of instance targets. The outcome is Unknown
    where the controller cannot register the targets."""
    port = service.port(reference)
    if port is None:
        reason = Reason(
            "PortNotFound", f"Service {service.key} has no port {reference!r}, which {_of(sender)} names"
        )
        return broken(sender, reference, reason, group.target_type)
    if group.target_type == "ip":
        return Consumer(*sender, "ip", port.label, PodTargets(), group.families, source=group.source)
    if group.target_type != "instance":
        detail = (
            f"{_of(sender)} has no targetType. The controller's webhook takes it from the target group in AWS "
            "when the binding is made; without it, the controller registers nothing"
        )
        reason = Reason("TargetTypeMissing", detail)
        return Consumer(*sender, group.target_type, port.label, UnknownOutcome(reason), group.families)
    if not port.node_port or check is None or group.rule is None:
        reason = Reason(
            "NoNodePort",
            f"port {reference!r} of Service {service.key} has no node port, so the controller cannot register "
            f"nodes for {_of(sender)}",
        )
        return Consumer(*sender, "instance", port.label, UnknownOutcome(reason), group.families)
    described = (options.described(option) for option in _OF_INSTANCES if options.source(option) != DEFAULT)
    source = "; ".join(filter(None, (group.source, *described)))
    targets = NodeTargets(
        group.rule,
        check,
        options.max_targets,
        NoneHealthy.SENDS_TO_ALL,
        minimum,
        other_targets=group.other_targets,
    )
    made = Consumer(*sender, "instance", port.label, targets, group.families, source=source)
    if "IPv6" not in group.families:
        return made
    return replace(made, evidence=Evidence.ASSUMED, assumptions=(_PRIMARY_IPV6,))


def broken(
    sender: Sender,
    reference: int | str,
    reason: Reason,
    target_type: str = "",
    reads: frozenset[Key] = frozenset(),
) -> Consumer:
    """A consumer of that port whose outcome is Unknown for `reason`."""
    return Consumer(*sender, target_type, str(reference), UnknownOutcome(reason), reads=reads)


def _of(sender: Sender) -> str:
    return f"{sender.kind} {sender.namespace}/{sender.name}"
