"""An Ingress as a consumer: an ALB with a target group for each of its backends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from etpguard.assess.consumers.aws_lbc.annotations import ModelError, UnclearError
from etpguard.assess.consumers.aws_lbc.backends import actions
from etpguard.assess.consumers.aws_lbc.bindings import bound_to, targets_of
from etpguard.assess.consumers.aws_lbc.classes import ClassConfig, class_config
from etpguard.assess.consumers.aws_lbc.groups import Group, group_of
from etpguard.assess.consumers.aws_lbc.health_checks import Check, unknown_check
from etpguard.assess.consumers.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.aws_lbc.target_groups import alb_check, alb_targets, port_of
from etpguard.assess.consumers.aws_lbc.targets import Sender, Targets, broken, consumer
from etpguard.assess.consumers.aws_lbc.weights import Action, unused, without_traffic
from etpguard.assess.consumers.ingresses import AWS_LBC
from etpguard.assess.consumers.interface import Consumer, View
from etpguard.assess.consumers.load_balancers import EVERY_NODE
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Reason
from etpguard.objects import SERVICE, Ingress, Key, Service
from etpguard.objects.aws import IngressClassParamsSpec, TargetGroupBinding

_REDIRECTED = Reason(
    "NotRegistered", "its group redirects HTTP to HTTPS and it listens on HTTP alone, so it has no rules"
)


class IngressPath:
    """The way from one Ingress to one Service; `bindings` are those to that Service that the controller made
    for the Ingress or for its group, and go before what the annotations say."""

    def __init__(
        self,
        service: Service,
        ingress: Ingress,
        bindings: Sequence[TargetGroupBinding],
        view: View,
        options: AwsOptions,
    ) -> None:
        self._service = service
        self._ingress = ingress
        self._bindings = bindings
        self._view = view
        self._options = options
        self._sender = Sender("Ingress", *ingress.key, AWS_LBC)
        self._actions, self._error = actions(ingress)
        self.ports = _ports(self._actions, service)
        """References to ports of the Service, by name or number, each once."""
        if self._error is not None:
            # Its annotations cannot be followed, so what is registered is all that is known to be wanted.
            self.ports = list(dict.fromkeys([*self.ports, *(b.spec.service_ref.port for b in bindings)]))

    def consumers(self) -> list[Consumer]:
        """One for each port; several where the controller keeps different target groups for one."""
        bound = {port: [b for b in self._bindings if bound_to(b, self._service, port)] for port in self.ports}
        made: dict[Consumer, None] = {}
        for port, bindings in bound.items():
            for binding in self._fitting(bindings):
                made[self._registered(port, targets_of(binding))] = None
        free = [port for port, bindings in bound.items() if not bindings]
        made |= dict.fromkeys(self._derived(free) if free else ())
        return [self._weighed(one) for one in made]

    def _weighed(self, made: Consumer) -> Consumer:
        """With an error in the actions, the weights are those of before, which nothing tells."""
        port = next((port for port in self._service.ports if port.label == made.port), None)
        if port is None or self._error is not None or not unused(self._actions, self._service, port):
            return made
        return without_traffic(made)

    def _registered(self, port: int | str, targets: Targets) -> Consumer:
        """By a binding, which proves that the controller took the Ingress at least once. Should it refuse
        it now, then what it registered stays, and only the health check is in doubt."""
        found = self._service.port(port)
        assert found is not None  # `bound_to` compares ports that exist
        check: Check | None = None
        if targets.target_type == "instance":
            try:
                check = alb_check(self._service, found, self._ingress, self._view)
            except ModelError as error:
                check = unknown_check(error.reason.detail)
        return consumer(self._sender, self._service, port, targets, check, self._options)

    def _fitting(self, bindings: list[TargetGroupBinding]) -> list[TargetGroupBinding]:
        """Members of a group may have a target group each for one port: those that are as this Ingress's
        annotations want them, or all where none is."""
        if len(bindings) < 2:
            return bindings
        try:
            config = class_config(self._ingress, self._view, self._options)
            params = config.params if config else IngressClassParamsSpec()
            wanted = alb_targets(self._service, self._ingress, params, self._options)
        except ModelError:
            return bindings
        same = [b for b in bindings if targets_of(b) == replace(wanted, source="")]
        return same or bindings

    def _derived(self, ports: Iterable[int | str]) -> list[Consumer]:
        """By the Ingress alone: there is no binding yet, or bindings cannot be read."""
        reads: frozenset[Key] = frozenset()
        try:
            config = class_config(self._ingress, self._view, self._options)
            if config is None:
                return []
            if self._error is not None:
                raise self._error
            group = group_of(self._ingress, config.params, self._view)
            reads = group.reads | {
                Key(self._ingress.key.namespace, target.service)
                for action in self._actions
                for target in action.targets
            }
            if group.redirects(self._ingress, config.params):
                return [replace(self._broken(port, _REDIRECTED, reads), incidental=True) for port in ports]
            self._complete(config, group)
            return [self._wanted(port, config, reads) for port in ports]
        except UnclearError as unclear:
            return [self._unclear(port, unclear.reason) for port in ports]
        except ModelError as refused:
            return [self._broken(port, refused.reason, reads) for port in ports]

    def _wanted(self, reference: int | str, config: ClassConfig, reads: frozenset[Key]) -> Consumer:
        targets, check = self._target_group(self._service, reference, config)
        made = consumer(self._sender, self._service, reference, targets, check, self._options)
        sources = [source for source in (config.source, made.source) if source]
        return replace(made, source="; ".join(sources), reads=made.reads | reads - {self._service.key})

    def _target_group(
        self, service: Service, reference: int | str, config: ClassConfig
    ) -> tuple[Targets, Check | None]:
        """Raises ModelError where the controller would not make one."""
        port = port_of(service, reference, self._ingress)
        targets = alb_targets(service, self._ingress, config.params, self._options)
        if targets.target_type != "instance":
            return targets, None
        if not port.node_port:
            raise ModelError(
                "NoNodePort",
                f"port {reference!r} of Service {service.key} has no node port, so the controller refuses "
                f"Ingress {self._ingress.key}, whose target type is instance",
            )
        return targets, alb_check(service, port, self._ingress, self._view)

    def _complete(self, config: ClassConfig, group: Group) -> None:
        """Raise for whatever elsewhere in the Ingress keeps the controller from making any target group.

        A Service that is missing is answered for with 503 where it is the only one of its action, and is an
        error among several (enhanced_backend_builder.go:271-300).
        """
        for action in self._actions:
            for name, reference in dict.fromkeys((t.service, t.port) for t in action.targets):
                service = self._view.get(SERVICE, Key(self._ingress.key.namespace, name))
                if service is None and action.groups > 1:
                    raise ModelError(
                        "BackendNotFound",
                        f"Ingress {self._ingress.key} forwards to several target groups, of which Service "
                        f"{name} does not exist, so the controller refuses the whole Ingress",
                    )
                if service is None:
                    continue
                self._target_group(service, reference, config)
                group.check_family(service, self._ingress, config.params)

    def _unclear(self, reference: int | str, reason: Reason) -> Consumer:
        """Unknown unless every node forwards, for another controller might send to any."""
        made = self._broken(reference, reason, frozenset())
        if self._service.port(reference) is None:
            return made
        return replace(
            made,
            families=ip_families(self._service),
            nodes=EVERY_NODE,
            unknown=None,
            unless_covered=reason,
        )

    def _broken(self, reference: int | str, reason: Reason, reads: frozenset[Key]) -> Consumer:
        port = self._service.port(reference)
        return broken(self._sender, port.label if port else reference, reason, reads=reads)


def _ports(wanted: list[Action], service: Service) -> list[int | str]:
    """The references to ports of the Service, each once."""
    name = service.key.name
    return list(dict.fromkeys(t.port for action in wanted for t in action.targets if t.service == name))
