"""From what is known of a target group to the Consumer that stands for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from etpguard.assess.consumers.aws_lbc.health_checks import Check
from etpguard.assess.consumers.aws_lbc.node_rules import node_rule
from etpguard.assess.consumers.aws_lbc.options import DEFAULT, AwsOptions
from etpguard.assess.consumers.interface import Consumer
from etpguard.assess.outcome import Reason
from etpguard.objects import IPFamily, Key, Selector, Service

_OF_INSTANCES = ("fail_open", "max_targets")
"""The options that matter for instance targets alone."""


class Sender(NamedTuple):
    """The object that a consumer is reported as."""

    kind: str
    namespace: str
    name: str
    controller: str


@dataclass(frozen=True, slots=True)
class Targets:
    """What a target group holds. `source` names the controller's option that decided, "" if none did."""

    target_type: str
    families: tuple[IPFamily, ...]
    selector: Selector | None = None
    source: str = ""


def consumer(
    sender: Sender,
    service: Service,
    reference: int | str,
    targets: Targets,
    check: Check | None,
    options: AwsOptions,
) -> Consumer:
    """The consumer of the port that `reference` names. What the controller could not register is Unknown."""
    port = service.port(reference)
    if port is None:
        return broken(
            sender,
            reference,
            Reason("PortNotFound", f"Service {service.key} has no port {reference!r}, which {_of(sender)} names"),
            targets.target_type,
        )
    made = Consumer(*sender, targets.target_type, port.label, targets.families, max_targets=options.max_targets)
    if targets.target_type == "ip":
        return replace(made, max_targets=0, source=targets.source)
    if targets.target_type != "instance":
        reason = Reason("TargetTypeMissing", f"{_of(sender)} has no targetType, so the controller passes it over")
        return replace(made, unknown=reason)
    if not port.node_port:
        reason = Reason(
            "NoNodePort",
            f"port {reference!r} of Service {service.key} has no node port, so the controller cannot register "
            f"nodes for {_of(sender)}",
        )
        return replace(made, unknown=reason)
    told = (options.told(option) for option in _OF_INSTANCES if options.source(option) != DEFAULT)
    source = "; ".join(filter(None, (targets.source, *told)))
    if check is None:
        return replace(made, nodes=node_rule(targets.selector, options), source=source)
    return replace(
        made,
        nodes=node_rule(targets.selector, options),
        health_check=check.shown,
        probe=check.probe,
        pins_health_check_node_port=check.pins,
        proxy_protocol=check.proxy_protocol,
        reads=check.reads,
        reads_node_ports=check.reads_node_ports,
        source=source,
    )


def broken(
    sender: Sender,
    reference: int | str,
    reason: Reason,
    target_type: str = "",
    reads: frozenset[Key] = frozenset(),
) -> Consumer:
    """A consumer of which no more is known than that it should send to that port."""
    return Consumer(*sender, target_type, str(reference), unknown=reason, reads=reads)


def _of(sender: Sender) -> str:
    return f"{sender.kind} {sender.namespace}/{sender.name}"
