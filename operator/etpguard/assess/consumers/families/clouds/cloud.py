"""The base of the families of cloud providers.

`SIGNS` declares how the load balancers of each provider are recognised. A family returns the targets of each port.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from msgspec.structs import replace

from etpguard.assess.consumers import changes
from etpguard.assess.consumers.changes import Step, with_labels
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.clouds.signs import SIGNS, Signs
from etpguard.assess.consumers.families.clouds.spelling import misspelt
from etpguard.assess.consumers.interface import BaseFamily
from etpguard.assess.consumers.remedies import (
    ClientIP,
    as_of_last_sync,
    drop_annotation,
    health_checked,
    unpin,
)
from etpguard.assess.consumers.shared.load_balancers import Balancer, no_node_of, no_node_port
from etpguard.assess.consumers.shared.recognition import (
    Recognition,
    by_class,
    by_host,
    by_mark,
    by_nodes,
    classless,
    of_others,
)
from etpguard.assess.consumers.targets import NodeTargets, PossibleNodes, Targets
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import NodeRule
from etpguard.assess.outcome import Outcome, Reason
from etpguard.objects import IPFamily, Node, Service, ServicePort

FOLLOWS_PODS = (
    "; its targets follow the pods with a delay: requests to a node whose last pod stopped are lost until then"
)
"""A note on a controller that registers the nodes with endpoints."""

CHANGES_TARGETS = (
    "The load balancer then has all nodes as targets instead of those with pods: their number and their weights "
    "change."
)
"""The effect of `Cluster` with such a controller."""


_PROXY_PROTOCOL_ON = frozenset({"true", "1", "t", "*", "v1", "v2"})
_PROXY_PROTOCOL_OFF = frozenset({"", "false", "0", "f", "none"})


_NO_NODE_MATCHES = frozenset({"NoTargets", "NoNodeSelected", "NoMatchingNodes"})


class Cloud(BaseFamily):
    """A provider whose load balancers serve Services without a class, or with one of its classes; see `SIGNS` for
    these and for the other signs."""

    node_selectors: ClassVar[tuple[str, ...]] = ()
    """Annotations that select nodes by label. The controller reads the labels when it syncs, not when they
    change."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Annotations that decide the nodes, the health check or the client's address. etpguard looks for misspelt
    forms of them."""
    needs_node_ports: ClassVar[bool] = True
    """Whether a port without a node port has no target."""
    proxy_protocol: ClassVar[tuple[str, ...]] = ()
    """Annotations that enable PROXY protocol, for a load balancer that is a proxy."""
    client_ip: ClassVar[ClientIP] = ClientIP.VARIES
    """The effect of `Cluster` on the client's address."""
    check_port: ClassVar[str] = ""
    """The annotation that sets the port of the health check."""
    without_address: ClassVar[str] = ""
    """Known causes of a status without an address, as a clause of a sentence."""

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        recognition = self.recognise(service, view)
        if recognition is None:
            return
        recognition = recognition._replace(how=recognition.how + self._as_of_last_sync(service))
        balancer = Balancer.of(
            service,
            self.controller,
            recognition,
            without_address=self.without_address,
            keeps_address=self.keeps_address(service),
        )
        for port in service.ports:
            targets = self.targets(service, port, view)
            to_node_ports = not isinstance(targets, PossibleNodes) or targets.to_node_ports
            if self.needs_node_ports and not port.node_port and service.uid and to_node_ports:
                targets = no_node_port(port, self.provider)
            yield balancer.consumer(port, targets)

    @property
    def signs(self) -> Signs:
        return SIGNS[self.name]

    @property
    def provider(self) -> str:
        """The name in messages."""
        return self.signs.provider

    @property
    def scheme(self) -> str:
        """The scheme of the providerIDs of its nodes; "" if other providers use the same."""
        return next(iter(self.signs.schemes), "")

    @property
    def controller(self) -> str:
        return f"cloud-provider/{self.scheme or self.name}"

    def doubtful_without_own_nodes(self, targets: Targets, view: View) -> Targets:
        """For a controller that skips the nodes of other providers: not known where no node is one of its own."""
        if not isinstance(targets, NodeTargets) or self.scheme in view.platforms:
            return targets
        return replace(targets, keeps_targets=no_node_of(self.provider, self.scheme))

    def recognise(self, service: Service, view: View) -> Recognition | None:
        """Recognise the Service by its class; without a class, by its host name, by an annotation or by the
        nodes."""
        if recognised := by_class(service, *self.signs.classes):
            return recognised
        if not classless(service):
            return None
        if named := by_host(service, *self.signs.domains):
            return named
        others = of_others(service, view, *self.signs.schemes, *self.signs.hosts)
        marked = None if others else by_mark(service, *self.signs.marks)
        by_provider = (by_nodes(service, view, scheme, self.provider) for scheme in self.signs.schemes)
        return marked or next(filter(None, by_provider), None)

    def keeps_address(self, service: Service) -> tuple[IPFamily, ...]:
        """The families in which its packets keep the address of the load balancer; see `Consumer`."""
        return ()

    def targets(self, service: Service, port: ServicePort, view: View) -> Targets:
        """Where the load balancer sends the traffic of this port."""
        raise NotImplementedError

    def client_ip_of(self, service: Service) -> ClientIP:
        """The effect of `Cluster` on the client's address, for this Service."""
        return self.with_proxy_protocol(service) if self.proxy_protocol else self.client_ip

    def with_proxy_protocol(self, service: Service) -> ClientIP:
        """The same behind a proxy, which may pass the client's address by PROXY protocol."""
        values = {service.annotations.get(key, "").strip().lower() for key in self.proxy_protocol}
        if values & _PROXY_PROTOCOL_ON:
            return ClientIP.PROXY_PROTOCOL
        # Other values name the ports that have PROXY protocol.
        return ClientIP.HIDDEN if values - _PROXY_PROTOCOL_OFF else ClientIP.NO_PROXY_PROTOCOL

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        targets = verdict.consumer.targets
        if isinstance(targets, NodeTargets) and targets.no_target and verdict.reason == targets.no_target:
            yield from self.widen(service, verdict)
            return
        yield from misspelt(service, self.reads)
        yield from self.widen(service, verdict)
        before = self.before_cluster(service, verdict)
        yield from health_checked(service, verdict, nodes, self.client_ip_of(service), before)

    def before_cluster(self, service: Service, verdict: ConsumerVerdict) -> str:
        """What to do before a change to `Cluster`."""
        check = verdict.consumer.check
        return unpin(self.check_port) if check is not None and check.pins_health_check_node_port else ""

    def widen(self, service: Service, verdict: ConsumerVerdict) -> Iterable[Advice]:
        """Advice on the annotation that selects nodes, if no node with a pod is a target."""
        lost = verdict.outcome is Outcome.Outage or verdict.reason.code in _NO_NODE_MATCHES
        if lost and (key := self.selector_key(service)) and service.annotations.get(key):
            effect = "Or let it select the nodes with pods. Without it, all nodes are targets."
            yield drop_annotation(service, key, effect)

    def selector_key(self, service: Service) -> str:
        """The annotation of this Service that selects nodes by label; "" if there is none."""
        return next(iter(self.node_selectors), "")

    follows_labels = False

    def target_nodes(
        self, service: Service, consumer: Consumer, labels: Mapping[str, str], *, keep: bool
    ) -> Step | None:
        key = self.selector_key(service)
        if not key:
            return None
        written = with_labels(service.annotations.get(key, ""), labels, keep=keep)
        return changes.annotated("Service", service.key, {key: written})

    def _as_of_last_sync(self, service: Service) -> str:
        used = [key for key in self.node_selectors if key in service.annotations]
        return as_of_last_sync(used[0]) if used else ""


def unreadable(key: str, value: str, rule: NodeRule, effect: str = "The controller then fails") -> PossibleNodes:
    """The targets where etpguard does not understand the value of an annotation: the load balancer keeps its
    state."""
    detail = f"the annotation {key} is {value[:60]!r}, which is not understood. {effect}"
    return PossibleNodes(rule, Reason("InvalidAnnotation", detail))
