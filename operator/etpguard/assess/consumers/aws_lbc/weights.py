"""Target groups that share the traffic of one action by weight, as Ingresses and NLBs of Services both have them.

aws-load-balancer-controller v3.5.0: pkg/ingress/config_types.go, pkg/service/config_types.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from etpguard.assess.consumers.interface import Consumer
from etpguard.assess.outcome import Reason
from etpguard.objects import Service, ServicePort


class Target(NamedTuple):
    """A port of a Service of the same namespace, by number or by name. Without a `weight` it has its share."""

    service: str
    port: int | str
    weight: int | None = None


class Action(NamedTuple):
    """`targets` are those that name a Service; `groups` counts them all, the ones by ARN or name too, and
    `heaviest` is the greatest of their weights."""

    targets: tuple[Target, ...] = ()
    groups: int = 0
    heaviest: int = 0


def unused(actions: Iterable[Action], service: Service, port: ServicePort) -> bool:
    """Whether that port is forwarded to with weight 0 alone, while another target group takes the traffic."""
    named = False
    for action in actions:
        own = [t for t in action.targets if t.service == service.key.name and service.port(t.port) == port]
        if own and (action.heaviest <= 0 or any(t.weight != 0 for t in own)):
            return False
        named |= bool(own)
    return named


def without_traffic(made: Consumer) -> Consumer:
    """The consumer of a target group of weight 0, which says nothing of who uses the node port."""
    if made.nodes is None or made.unknown is not None or made.unless_covered is not None:
        return made
    reason = Reason("WeightZero", "it gives this target group weight 0, so it sends nothing to it")
    return replace(made, unknown=reason, incidental=True)
