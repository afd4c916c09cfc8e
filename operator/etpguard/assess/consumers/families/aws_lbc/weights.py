"""Target groups that share the traffic of one action by weight, as Ingresses and NLBs of Services both have them.

aws-load-balancer-controller v3.5.0: pkg/ingress/config_types.go, pkg/service/config_types.go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.aws_lbc.annotations import ModelError
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, UnknownOutcome
from etpguard.assess.outcome import Reason
from etpguard.objects import Service


class Target(NamedTuple):
    """A port of a Service of the same namespace, by number or by name. A target without a `weight` gets
    traffic."""

    service: str
    port: int | str
    weight: int | None = None


class Action(NamedTuple):
    """`targets` are those that name Services. `groups` also counts the target groups by ARN or name. `heaviest` is
    the greatest weight of all of them."""

    targets: tuple[Target, ...] = ()
    groups: int = 0
    heaviest: int = 0


class Actions(Struct, frozen=True):
    """All actions of an object; equal ones are there once. `error` is the first annotation that cannot be read,
    because of which the controller refuses the object."""

    made: tuple[Action, ...]
    error: ModelError | None
    by_service: dict[str, list[Action]]
    """The actions that forward to the Service of that name."""

    @classmethod
    def of(cls, made: Iterable[Action], error: ModelError | None) -> Actions:
        distinct = tuple(dict.fromkeys(made))
        by_service: dict[str, list[Action]] = defaultdict(list)
        for action in distinct:
            for name in dict.fromkeys(target.service for target in action.targets):
                by_service[name].append(action)
        return cls(distinct, error, dict(by_service))

    def ports(self, service: Service) -> list[int | str]:
        """References to ports of the Service, by name or number, each once."""
        name = service.key.name
        found = self.by_service.get(name, ())
        return list(dict.fromkeys(t.port for action in found for t in action.targets if t.service == name))

    def idle_ports(self, service: Service) -> frozenset[str]:
        """Labels of the ports to which all traffic has weight 0, while another target group takes the traffic.
        Empty with an error: then the weights are those of an earlier version, which no object shows."""
        if self.error is not None:
            return frozenset()
        name = service.key.name
        named: set[str] = set()
        used: set[str] = set()
        for action in self.by_service.get(name, ()):
            for target in action.targets:
                if target.service == name and (port := service.port(target.port)) is not None:
                    named.add(port.label)
                    if action.heaviest <= 0 or target.weight != 0:
                        used.add(port.label)
        return frozenset(named - used)


def without_traffic(made: Consumer) -> Consumer:
    """The consumer of a target group of weight 0, which does not show who uses the node port."""
    targets = made.targets
    if not isinstance(targets, NodeTargets | PossibleNodes):
        return made
    reason = Reason("WeightZero", "it gives this target group weight 0, so it sends nothing to it")
    return replace(made, targets=UnknownOutcome(reason, targets.rule, targets.check), incidental=True)
