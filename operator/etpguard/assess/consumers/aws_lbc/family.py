"""The AWS Load Balancer Controller as a family of consumers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etpguard.assess.consumers.aws_lbc.backends import services_of
from etpguard.assess.consumers.aws_lbc.bindings import owner_of
from etpguard.assess.consumers.aws_lbc.groups import membership
from etpguard.assess.consumers.aws_lbc.ingresses import IngressPath
from etpguard.assess.consumers.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.interface import Consumer, ConsumerVerdict, View
from etpguard.cluster.picture import Referrer
from etpguard.objects import INGRESS, NAMESPACE, Kind, Service
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, TARGET_GROUP_BINDING


class AwsLoadBalancerController:
    """kubernetes-sigs/aws-load-balancer-controller v3.5.0. EKS Auto Mode is another implementation and none
    of its business."""

    name = "aws-load-balancer-controller"
    kinds: Sequence[Kind[Any]] = (TARGET_GROUP_BINDING, INGRESS_CLASS_PARAMS, NAMESPACE)
    refers: Mapping[Kind[Any], Sequence[Referrer]] = {INGRESS: (services_of, membership)}

    def __init__(self, options: AwsOptions | None = None) -> None:
        self.options = options or AwsOptions()

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        bindings = [b for b in view.referring(TARGET_GROUP_BINDING, service.key) if not b.deleting]
        owners = [(owner_of(binding), binding) for binding in bindings]
        for ingress in view.referring(INGRESS, service.key):
            own = [
                binding
                for owner, binding in owners
                if owner and owner.kind == "Ingress" and (owner.namespace, owner.name) == ingress.key
            ]
            yield from IngressPath(service, ingress, own, view, self.options).consumers()

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[str]) -> Iterable[str]:
        return ()
