"""Clouds whose controller has public source that shows the nodes and the health check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Advice, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.cloud import Cloud
from etpguard.assess.consumers.remedies import asks_the_pods
from etpguard.assess.consumers.shared.known_annotations import spelling
from etpguard.assess.consumers.shared.load_balancers import (
    CLOUD_NODES,
    no_target,
    on_health_check_node_port,
    refused,
)
from etpguard.assess.consumers.targets import (
    CheckSettings,
    HealthCheck,
    NodeTargets,
    PossibleNodes,
    Targets,
    UnknownOutcome,
)
from etpguard.assess.consumers.view import View, is_ok
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.node_selection import label_selector
from etpguard.assess.outcome import Reason
from etpguard.assess.probe import OwnNodePort
from etpguard.objects import Node, Requirement, Service, ServicePort

MOST_SHOWN = 80
"""A reason quotes at most this many characters of the value of an annotation."""


class CheckedCloud(Cloud):
    """A provider whose controller derives the health check from the Service. An annotation may select the
    nodes."""

    nodes: ClassVar[NodeRule] = CLOUD_NODES
    protocols: ClassVar[frozenset[str]] = frozenset({"TCP", "UDP"})
    """Protocols of ports that the load balancer serves."""
    refuses_other_protocols: ClassVar[bool] = False
    """Whether one port of another protocol fails the sync of the whole Service."""
    annotations: ClassVar[tuple[str, frozenset[str]]] = ("", frozenset())
    """The prefix of its annotations, and every name with this prefix that the controller reads."""

    @property
    def selector(self) -> str:
        """The annotation that selects nodes by their labels; "" if there is none."""
        return self.node_selectors[0] if self.node_selectors else ""

    def selected(self, text: str) -> tuple[Requirement, ...] | None:
        """The requirements of the selector `text`; None if the controller rejects it."""
        return label_selector(text)

    def check(self, service: Service, port: ServicePort, view: View) -> HealthCheck | Reason:
        """The health check of this port, or the reason why it is not known."""
        raise NotImplementedError

    def most_targets(self, service: Service) -> int:
        """The maximum number of target nodes; 0 for no known limit."""
        return 0

    def _not_served(self, service: Service) -> ServicePort | None:
        return next((port for port in service.ports if port.transport not in self.protocols), None)

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        if port.transport not in self.protocols:
            return not_served(port, self.provider)
        odd = view.once(f"{self.name}: a port that is not served", service, self._not_served)
        if odd and self.refuses_other_protocols:
            return UnknownOutcome(refused_protocol(odd, self.provider), self.nodes)
        text = service.annotations.get(self.selector, "") if self.selector else ""
        requirements = self.selected(text)
        if requirements is None:
            return PossibleNodes(self.nodes, not_understood(service, self.selector))
        check = self.check(service, port, view)
        rule = replace(self.nodes, requirements=requirements) if requirements else self.nodes
        if isinstance(check, Reason):
            return PossibleNodes(rule, check)
        unselected = self._no_node_selected(text) if requirements else None
        return NodeTargets(rule, check, self.most_targets(service), no_target=unselected)

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        yield from spelling(self.provider, service.annotations, *self.annotations)
        yield from super().advise(service, verdict, nodes)

    def before_cluster(self, service: Service, verdict: ConsumerVerdict) -> str:
        first, check = super().before_cluster(service, verdict), verdict.consumer.check
        if check is None:
            return first
        if not first and check.fails_under_cluster:
            return (
                f"The check then {check.fails_under_cluster}: if that does not succeed, every target turns "
                f"unhealthy. {check.so_that_it_passes}, so that it passes."
            )
        return f"{first} {asks_the_pods(check.settings)}".strip() if first else ""

    def _no_node_selected(self, text: str) -> Reason:
        detail = (
            f"no node that {self.provider} uses matches {text[:MOST_SHOWN]!r} of the annotation {self.selector}"
        )
        return Reason("NoNodeSelected", detail)


def not_understood(service: Service, annotation: str) -> Reason:
    """The reason where the controller rejects the value of `annotation`, or etpguard does not know it. The load
    balancer keeps the state of the last successful sync."""
    value = service.annotations.get(annotation, "")[:MOST_SHOWN]
    return Reason(
        "InvalidAnnotation",
        f"the annotation {annotation}: {value!r} is not understood. The nodes and the health check are those of "
        "an earlier sync, if there was one. Look at the events of the Service",
    )


def not_served(port: ServicePort, provider: str) -> NodeTargets:
    """The targets of a port whose protocol the load balancer does not serve: none."""
    name = port.label or port.port
    why = f"{provider} does not serve {port.transport}, so nothing arrives on port {name} through it"
    return no_target(Reason("ProtocolNotServed", why))


def refused_protocol(port: ServicePort, provider: str) -> Reason:
    """The reason for the other ports of a Service, where the protocol of this one fails the sync."""
    return refused(
        "ProtocolNotServed",
        f"the Service has a port of the protocol {port.transport}, which {provider} does not serve",
    )


def on_node_port(port: ServicePort, protocol: str, path: str = "") -> HealthCheck:
    """A check of the node port of `port`."""
    return HealthCheck(OwnNodePort(port.label), CheckSettings(str(port.node_port or "nodePort"), protocol, path))


def on_port(
    number: int,
    service: Service,
    view: View,
    protocol: str,
    path: str = "",
    accepts: Callable[[int], bool] = is_ok,
) -> HealthCheck:
    """A check of port `number` on each node, which an annotation of the Service sets. `accepts` says whether an
    HTTP status is a success."""
    settings = CheckSettings(str(number), protocol, path)
    if number == service.spec.health_check_node_port:
        return HealthCheck(on_health_check_node_port(protocol), settings, pins_health_check_node_port=True)
    return view.check_on(number, service, settings, accepts)


def first_port(service: Service, numbers: Iterable[int]) -> ServicePort | None:
    """The first port of the Service with one of these port numbers."""
    wanted = frozenset(numbers)
    return next((port for port in service.ports if port.port in wanted), None)
