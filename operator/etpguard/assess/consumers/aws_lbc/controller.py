"""The AWS Load Balancer Controller as a family of consumers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from etpguard.assess.consumers.aws_lbc.advice import advice
from etpguard.assess.consumers.aws_lbc.backends import services_of
from etpguard.assess.consumers.aws_lbc.bindings import Owner, bound_to, owner_of, targets_of
from etpguard.assess.consumers.aws_lbc.gateways import GATEWAY_KINDS, gateway_consumer
from etpguard.assess.consumers.aws_lbc.groups import groups_named, membership
from etpguard.assess.consumers.aws_lbc.health_checks import unknown_check
from etpguard.assess.consumers.aws_lbc.ingresses import IngressPath
from etpguard.assess.consumers.aws_lbc.listener_actions import weighted_services
from etpguard.assess.consumers.aws_lbc.load_balancers import LoadBalancerPath
from etpguard.assess.consumers.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.aws_lbc.targets import Sender, consumer
from etpguard.assess.consumers.ingresses import AWS_LBC
from etpguard.assess.consumers.interface import Consumer, ConsumerVerdict, View
from etpguard.cluster.picture import Referrer
from etpguard.objects import INGRESS, NAMESPACE, SERVICE, Key, Kind, Node, Service
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, TARGET_GROUP_BINDING, TargetGroupBinding

BINDING_CONTROLLER = "elbv2.k8s.aws/targetgroupbinding"
_UNTOLD = "the health check of its target group is set in AWS alone"


class AwsLoadBalancerController:
    """kubernetes-sigs/aws-load-balancer-controller v3.5.0. EKS Auto Mode is another implementation and none
    of its business."""

    name: str = "aws-load-balancer-controller"
    kinds: Sequence[Kind[Any]] = (TARGET_GROUP_BINDING, INGRESS_CLASS_PARAMS, NAMESPACE, *GATEWAY_KINDS)
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType(
        {INGRESS: (services_of, membership), SERVICE: (weighted_services,)}
    )

    def __init__(self, options: AwsOptions | None = None) -> None:
        self.options = options or AwsOptions()

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        """By the bindings that the controller made, each reported as the object that it was made for; by that
        object alone where there is none; and then by the bindings that lead back to nothing."""
        bindings = [b for b in view.referring(TARGET_GROUP_BINDING, service.key) if not b.deleting]
        owned = {b.key: owner_of(b) for b in bindings}
        used: set[Key] = set()
        found: list[Consumer] = []
        for ingress in view.referring(INGRESS, service.key):
            groups = groups_named(ingress, view)
            own = [b for b in bindings if _made_for(owned[b.key], "Ingress", ingress.key, groups)]
            path = IngressPath(service, ingress, own, view, self.options)
            found += path.consumers()
            used |= {b.key for b in own if any(bound_to(b, service, port) for port in path.ports)}
        for base in view.referring(SERVICE, service.key):
            own = [b for b in bindings if _made_for(owned[b.key], "Service", base.key)]
            found += LoadBalancerPath(_as_assessed(base, service), service, own, view, self.options).consumers()
            used |= {b.key for b in own}
        for binding in bindings:
            if binding.key not in used:
                found.append(self._alone(service, binding, owned[binding.key], view))
        return [_told(one, view) if not bindings else one for one in dict.fromkeys(found)]

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[str]:
        return advice(service, verdict, nodes)

    def _alone(self, service: Service, binding: TargetGroupBinding, owner: Owner | None, view: View) -> Consumer:
        """A binding whose owner is a Gateway, cannot be read, is gone, or is a person."""
        if owner and owner.kind == "Gateway":
            return gateway_consumer(service, binding, owner, view, self.options)
        sender = Sender("TargetGroupBinding", *binding.key, BINDING_CONTROLLER)
        why = view.unread(INGRESS) if owner and owner.kind == "Ingress" else None
        check = unknown_check(f"Ingresses cannot be read: {why}" if why else _UNTOLD)
        if owner and owner.namespace and why:
            sender = Sender("Ingress", owner.namespace, owner.name, AWS_LBC)
        port = binding.spec.service_ref.port
        return consumer(sender, service, port, targets_of(binding), check, self.options)


def _made_for(owner: Owner | None, kind: str, key: Key, groups: frozenset[str] = frozenset()) -> bool:
    if owner is None or owner.kind != kind:
        return False
    return (owner.namespace, owner.name) == key or (not owner.namespace and owner.name in groups)


def _as_assessed(base: Service, service: Service) -> Service:
    """The Service under assessment may be taken as if its policy were another than it is."""
    return service if base.key == service.key else base


def _told(one: Consumer, view: View) -> Consumer:
    why = view.unread(TARGET_GROUP_BINDING)
    if not why or one.unknown is not None:
        return one
    note = f"told by the {one.kind} alone, since TargetGroupBindings cannot be read: {why}"
    return replace(one, source=f"{one.source}; {note}" if one.source else note)
