"""A family that imports the rules of its provider when it first finds a sign of the provider.

A cluster is on one cloud. The imports of all other providers would take a tenth of the time of `check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib import import_module

from etpguard.assess.consumers.changes import Step
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.signs import Signs
from etpguard.assess.consumers.interface import BaseFamily, DocumentedConsumer, SelectsNodes
from etpguard.assess.consumers.shared.ingresses import backends
from etpguard.assess.consumers.shared.recognition import by_host
from etpguard.assess.consumers.view import View
from etpguard.objects import Node, Service


class Provider(BaseFamily):
    """`rules` finds the consumers and advises. Its `name` is that of the provider in `SIGNS`; it reads no further
    kinds and follows no further references."""

    def __init__(self, name: str, signs: Signs) -> None:
        self.name = name
        self.balancers_only = not signs.ingress_controllers
        self._signs = signs

    @cached_property
    def rules(self) -> BaseFamily:
        module = import_module(f"{__package__}.{self.name}")
        made: BaseFamily = getattr(module, self._signs.family)()
        return made

    @property
    def documented(self) -> Sequence[DocumentedConsumer]:  # type: ignore[override]
        return self.rules.documented

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        return self.rules.find(service, view) if self._may_serve(service, view) else ()

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        return self.rules.advise(service, verdict, nodes)

    follows_labels = False
    """False for all clouds: their service controllers do not watch the labels of nodes."""

    def target_nodes(
        self, service: Service, consumer: Consumer, labels: Mapping[str, str], *, keep: bool
    ) -> Step | None:
        rules = self.rules
        if not isinstance(rules, SelectsNodes):
            return None
        return rules.target_nodes(service, consumer, labels, keep=keep)

    def _may_serve(self, service: Service, view: View) -> bool:
        """Whether the Service, or an Ingress that sends to it, has one of the signs."""
        signs = self._signs
        if signs.ingress_controllers:
            served = backends(service, view, lambda _, by: by.controller in signs.ingress_controllers)
            if next(served, None) is not None:
                return True
        if service.type != "LoadBalancer":
            return False
        if (chosen := service.spec.load_balancer_class) is not None:
            return chosen in signs.classes
        if not view.platforms.isdisjoint(signs.schemes):
            return True
        if signs.domains and by_host(service, *signs.domains):
            return True
        return bool(signs.marks) and any(key.startswith(signs.marks) for key in service.annotations)
