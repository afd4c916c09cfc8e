"""An Ingress as a consumer: an ALB with a target group for each of its backends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from etpguard.assess.consumers.consumer import Consumer
from etpguard.assess.consumers.families.aws_lbc.annotations import ALB, ModelError, UnclearError
from etpguard.assess.consumers.families.aws_lbc.backends import ingress_actions
from etpguard.assess.consumers.families.aws_lbc.bindings import OF_ANY_INGRESS, by_label, label_of, targets_of
from etpguard.assess.consumers.families.aws_lbc.classes import ClassConfig, class_config
from etpguard.assess.consumers.families.aws_lbc.groups import Group, group_of
from etpguard.assess.consumers.families.aws_lbc.health_checks import unknown_check
from etpguard.assess.consumers.families.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.families.aws_lbc.target_groups import AlbCheck, alb_check, alb_group, port_of
from etpguard.assess.consumers.families.aws_lbc.targets import Sender, TargetGroup, broken, consumer
from etpguard.assess.consumers.families.aws_lbc.weights import Actions, without_traffic
from etpguard.assess.consumers.shared.ingresses import AWS_LBC
from etpguard.assess.consumers.shared.known_annotations import AWS_ALB, AWS_ALB_BEGINNINGS, misspelt
from etpguard.assess.consumers.shared.load_balancers import SOME_NODES
from etpguard.assess.consumers.targets import HealthCheck, NodeTargets, PossibleNodes
from etpguard.assess.consumers.view import View
from etpguard.assess.node_rule import EVERY_NODE
from etpguard.assess.node_states import ip_families
from etpguard.assess.outcome import Reason
from etpguard.assess.resilience import MinimumHealthy
from etpguard.objects import SERVICE, Ingress, Key, Service
from etpguard.objects.aws import TARGET_GROUP_BINDING, IngressClassParamsSpec, TargetGroupBinding

_REDIRECTED = Reason(
    "NotRegistered", "its group redirects HTTP to HTTPS and it listens on HTTP alone, so it has no rules"
)
_NO_BINDING = Reason(
    "NoBinding",
    "the controller made no TargetGroupBinding of this Service for the Ingress, and it made some for other "
    "Ingresses. So its load balancer may not send to this Service. Look at the events of the Ingress",
)


class _Plan(Struct, frozen=True):
    """What the controller does with the Ingress as a whole, the same for each backend."""

    config: ClassConfig | None = None
    """None for an Ingress that the controller does not manage."""
    refused: ModelError | None = None
    redirected: bool = False
    reads: frozenset[Key] = frozenset()


class _IngressModel:
    """The Ingress, its Services and its annotations as the controller reads them. Each is read once."""

    def __init__(self, ingress: Ingress, view: View, options: AwsOptions) -> None:
        self.ingress = ingress
        self._view = view
        self._options = options

    @property
    def actions(self) -> Actions:
        return self._view.once("alb-actions", self.ingress, ingress_actions)

    @property
    def unread(self) -> str:
        """A clause about annotations of the Ingress that look like one that the controller reads, and that it does
        not read; "" if there is none."""
        return self._view.once("alb-spelling", self.ingress, _unread_annotations)

    @property
    def plan(self) -> _Plan:
        return self._view.once("alb-plan", self.ingress, lambda _: self._plan())

    @property
    def config(self) -> ClassConfig | None:
        """Raises ModelError as `class_config` does."""
        return self._view.once(
            "alb-class", self.ingress, lambda ingress: class_config(ingress, self._view, self._options)
        )

    def group_for(self, service: Service, params: IngressClassParamsSpec) -> TargetGroup:
        """The target group for all ports of the Service. Raises ModelError for annotations that cannot be read."""
        return self._view.once(
            "alb-group", self.ingress, lambda ingress: alb_group(service, ingress, params, self._options), service
        )

    def check_for(self, service: Service) -> AlbCheck:
        """The health check for all ports of the Service. Raises ModelError for annotations that cannot be read."""
        return self._view.once("alb-check", self.ingress, lambda ingress: alb_check(service, ingress), service)

    def target_group(
        self, service: Service, reference: int | str, params: IngressClassParamsSpec
    ) -> tuple[TargetGroup, HealthCheck | None]:
        """The target group of one port, and its health check where nodes are the targets. Raises ModelError where
        the controller does not make one."""
        port = port_of(service, reference, self.ingress)
        group = self.group_for(service, params)
        if group.target_type != "instance":
            return group, None
        if not port.node_port:
            raise ModelError(
                "NoNodePort",
                f"port {reference!r} of Service {service.key} has no node port, so the controller refuses "
                f"Ingress {self.ingress.key}, whose target type is instance",
            )
        return group, self.check_for(service).of(port, service, self._view)

    def _plan(self) -> _Plan:
        config: ClassConfig | None = None
        reads: frozenset[Key] = frozenset()
        try:
            config = self.config
            if config is None:
                return _Plan()
            if self.actions.error is not None:
                raise self.actions.error
            group = group_of(self.ingress, config.params, self._view, self._options)
            namespace = self.ingress.key.namespace
            reads = group.reads | {Key(namespace, name) for name in self.actions.by_service} | {OF_ANY_INGRESS}
            group.check()
            if group.redirects(self.ingress, config.params):
                return _Plan(config, redirected=True, reads=reads)
            self._check_backends(config.params, group)
        except ModelError as refused:
            return _Plan(config, refused, reads=reads)
        return _Plan(config, reads=reads)

    def _check_backends(self, params: IngressClassParamsSpec, group: Group) -> None:
        """Raise ModelError for any backend that keeps the controller from making any target group.

        A Service that does not exist is an error where its action has several target groups. Where it is the only
        one of its action, the listener answers 503 (enhanced_backend_builder.go:271-300).
        """
        checked: set[tuple[str, int | str]] = set()
        for action in self.actions.made:
            for name, reference in dict.fromkeys((t.service, t.port) for t in action.targets):
                service = self._view.get(SERVICE, Key(self.ingress.key.namespace, name))
                if service is None and action.groups > 1:
                    raise ModelError(
                        "BackendNotFound",
                        f"Ingress {self.ingress.key} forwards to several target groups, of which Service "
                        f"{name} does not exist, so the controller refuses the whole Ingress",
                    )
                if service is None or (name, reference) in checked:
                    continue
                checked.add((name, reference))
                self.target_group(service, reference, params)
                group.check_family(service, self.ingress)


def _unread_annotations(ingress: Ingress) -> str:
    found = islice(misspelt(ingress.annotations, ALB, AWS_ALB, AWS_ALB_BEGINNINGS), 3)
    return "; ".join(
        f"the annotation {key} of Ingress {ingress.key} has no effect; the controller reads {meant}"
        for key, meant in found
    )


class IngressPath:
    """The path from one Ingress to one Service. `bindings` are the TargetGroupBindings of that Service that the
    controller made for the Ingress or for its group. They override the annotations."""

    def __init__(
        self,
        service: Service,
        ingress: Ingress,
        bindings: Sequence[TargetGroupBinding],
        view: View,
        options: AwsOptions,
    ) -> None:
        self._service = service
        self._bindings = bindings
        self._view = view
        self._options = options
        self._model = _IngressModel(ingress, view, options)
        self._sender = Sender("Ingress", *ingress.key, AWS_LBC)
        self._actions = self._model.actions
        self.ports = self._actions.ports(service)
        """References to ports of the Service, by name or number, each once."""
        if self._actions.error is not None:
            # Its annotations cannot be followed, so the bindings are the only sign of what it wants.
            self.ports = list(dict.fromkeys([*self.ports, *(b.spec.service_ref.port for b in bindings)]))

    def consumers(self) -> list[Consumer]:
        """One for each port; several where the controller keeps different target groups for one."""
        by_port = by_label(self._bindings, self._service)
        bound = {port: by_port.get(label_of(self._service, port), []) for port in self.ports}
        made: dict[Consumer, None] = {}
        for port, bindings in bound.items():
            for group in dict.fromkeys(map(self._targets, self._fitting(bindings))):
                made[self._registered(port, group)] = None
        free = [port for port, bindings in bound.items() if not bindings]
        made |= dict.fromkeys(self._derived(free) if free else ())
        idle = self._actions.idle_ports(self._service)
        by = self._type_set_by()
        return [
            replace(
                without_traffic(one) if one.port in idle else one, configured_by=by if one.targets.rule else ()
            )
            for one in made
        ]

    def _type_set_by(self) -> tuple[Key, ...]:
        """The IngressClassParams that set the target type, which no annotation then changes."""
        try:
            config = self._model.config
        except ModelError:
            return ()
        return (Key("", config.name),) if config and config.params.target_type else ()

    def _registered(self, port: int | str, group: TargetGroup) -> Consumer:
        """The consumer of a binding. The binding proves that the controller accepted the Ingress at least once. If
        the controller refuses the Ingress now, the registered targets stay, and only the health check is in
        doubt."""
        found = self._service.port(port)
        assert found is not None  # `by_label` finds ports that exist
        check: HealthCheck | None = None
        minimum = MinimumHealthy()
        if group.target_type == "instance":
            try:
                alb = self._model.check_for(self._service)
                check, minimum = alb.of(found, self._service, self._view), alb.minimum
            except ModelError as error:
                check = unknown_check(error.reason.detail)
        made = consumer(self._sender, self._service, port, group, check, self._options, minimum)
        sources = [source for source in (made.source, self._model.unread) if source]
        return replace(made, source="; ".join(sources))

    def _fitting(self, bindings: list[TargetGroupBinding]) -> list[TargetGroupBinding]:
        """The bindings that match the annotations of this Ingress, or all where none does: each member of a group
        may have a target group for one port."""
        if len(bindings) < 2:
            return bindings
        try:
            config = self._model.config
            params = config.params if config else IngressClassParamsSpec()
            wanted = replace(self._model.group_for(self._service, params), source="")
        except ModelError:
            return bindings
        same = [b for b in bindings if self._targets(b) == wanted]
        return same or bindings

    def _targets(self, binding: TargetGroupBinding) -> TargetGroup:
        """Made once, since the bindings of a group are those of each of its Ingresses."""
        return self._view.once("alb-binding", binding, lambda b: targets_of(b, self._options))

    def _derived(self, ports: Iterable[int | str]) -> list[Consumer]:
        """The consumers from the Ingress alone: there is no binding yet, or bindings cannot be read."""
        plan = self._model.plan
        if isinstance(plan.refused, UnclearError):
            return [self._unclear(port, plan.refused.reason, plan.reads) for port in ports]
        if plan.refused is not None:
            return [self._broken(port, plan.refused.reason, plan.reads) for port in ports]
        if plan.config is None:
            return []
        if plan.redirected:
            return [replace(self._broken(port, _REDIRECTED, plan.reads), incidental=True) for port in ports]
        try:
            return [self._wanted(port, plan.config, plan.reads) for port in ports]
        except ModelError as refused:
            return [self._broken(port, refused.reason, plan.reads) for port in ports]

    def _wanted(self, reference: int | str, config: ClassConfig, reads: frozenset[Key]) -> Consumer:
        group, check = self._model.target_group(self._service, reference, config.params)
        minimum = self._model.check_for(self._service).minimum if check else MinimumHealthy()
        made = consumer(self._sender, self._service, reference, group, check, self._options, minimum)
        sources = [source for source in (config.source, made.source, self._model.unread) if source]
        targets = made.targets
        if self._was_never_bound and isinstance(targets, NodeTargets):
            targets = PossibleNodes(targets.rule, _NO_BINDING)
        return replace(made, targets=targets, source="; ".join(sources), reads=reads)

    @property
    def _was_never_bound(self) -> bool:
        """Whether the controller would have made a binding by now: it does so within seconds, unless it cannot. In
        a manifest, or where the bindings cannot be read or there are none at all, nothing shows that."""
        if self._bindings or not self._model.ingress.uid or self._view.unread(TARGET_GROUP_BINDING):
            return False
        return self._view.any_refers(TARGET_GROUP_BINDING, OF_ANY_INGRESS)

    def _unclear(self, reference: int | str, reason: Reason, reads: frozenset[Key]) -> Consumer:
        """A consumer that is Unknown unless every node forwards, because another controller might send to any
        node."""
        made = self._broken(reference, reason, reads)
        if self._service.port(reference) is None:
            return made
        try:
            own = self._model.group_for(self._service, IngressClassParamsSpec()).rule
        except ModelError:
            own = None
        targets = PossibleNodes(EVERY_NODE, reason, fewest=own or SOME_NODES)
        return replace(made, ip_families=ip_families(self._service), targets=targets)

    def _broken(self, reference: int | str, reason: Reason, reads: frozenset[Key]) -> Consumer:
        port = self._service.port(reference)
        return broken(self._sender, port.label if port else reference, reason, reads=reads)
