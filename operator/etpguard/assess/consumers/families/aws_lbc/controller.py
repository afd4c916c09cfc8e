"""The AWS Load Balancer Controller as a family of consumers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from etpguard.assess.consumers.changes import Step
from etpguard.assess.consumers.consumer import Advice, Consumer, ConsumerVerdict
from etpguard.assess.consumers.families.aws_lbc.advice import advice
from etpguard.assess.consumers.families.aws_lbc.backends import services_of
from etpguard.assess.consumers.families.aws_lbc.bindings import (
    PROTOCOLS,
    Owner,
    label_of,
    of_any_ingress,
    owner_of,
    references,
    targets_of,
)
from etpguard.assess.consumers.families.aws_lbc.gateways import GATEWAY_KINDS, gateway_consumer
from etpguard.assess.consumers.families.aws_lbc.groups import groups_named, membership
from etpguard.assess.consumers.families.aws_lbc.health_checks import unknown_check
from etpguard.assess.consumers.families.aws_lbc.ingresses import IngressPath
from etpguard.assess.consumers.families.aws_lbc.listener_actions import weighted_services
from etpguard.assess.consumers.families.aws_lbc.load_balancers import LoadBalancerPath, owns
from etpguard.assess.consumers.families.aws_lbc.node_advice import select
from etpguard.assess.consumers.families.aws_lbc.options import AwsOptions
from etpguard.assess.consumers.families.aws_lbc.shared_numbers import as_served
from etpguard.assess.consumers.families.aws_lbc.targets import Sender, consumer
from etpguard.assess.consumers.interface import DocumentedConsumer
from etpguard.assess.consumers.shared.ingresses import AWS_LBC
from etpguard.assess.consumers.shared.recognition import addressed_by_ip, of_others
from etpguard.assess.consumers.targets import NodeTargets, UnknownOutcome
from etpguard.assess.consumers.view import View
from etpguard.assess.evidence import Evidence
from etpguard.cluster.picture import Referrer
from etpguard.objects import INGRESS, NAMESPACE, SERVICE, Key, Kind, Node, Service
from etpguard.objects.aws import INGRESS_CLASS_PARAMS, TARGET_GROUP_BINDING, TargetGroupBinding

BINDING_CONTROLLER = "elbv2.k8s.aws/targetgroupbinding"
_IN_AWS = "only AWS holds the health check of its target group"


class AwsLoadBalancerController:
    """kubernetes-sigs/aws-load-balancer-controller v3.5.0. EKS Auto Mode is another implementation; see
    `eks_auto`."""

    name: str = "aws-load-balancer-controller"
    documented: Sequence[DocumentedConsumer] = (
        DocumentedConsumer(
            consumer="AWS Application Load Balancer",
            found_by="Ingress of controller `ingress.k8s.aws/alb`; TargetGroupBinding",
            nodes=(
                "Ready nodes that match `target-node-labels`, without the exclude label or the role master; pods "
                "with target type `ip`"
            ),
            health_check="HTTP on the node port; annotations change it",
            with_local=(
                "`TargetsUnhealthy`; sends to all nodes while fewer than `minimum_healthy_targets` are healthy"
            ),
            evidence=Evidence.DOCUMENTED,
            source="aws-load-balancer-controller v3.5.0 pkg/ingress/model_build_target_group.go",
        ),
        DocumentedConsumer(
            consumer="AWS Network Load Balancer",
            found_by="class `service.k8s.aws/nlb`, `aws-load-balancer-type: external`; TargetGroupBinding",
            nodes="as for the AWS Application Load Balancer",
            health_check="HTTP `/healthz` on healthCheckNodePort; annotations change it; PROXY protocol breaks it",
            with_local=(
                "`TargetsUnhealthy`; no SCTP; UDP beside TCP on one number only with "
                "`aws-load-balancer-enable-tcp-udp-listener`; sends to all nodes while fewer than "
                "`minimum_healthy_targets` are healthy"
            ),
            evidence=Evidence.DOCUMENTED,
            source="aws-load-balancer-controller v3.5.0 pkg/service/model_build_target_group.go",
        ),
        DocumentedConsumer(
            consumer="AWS load balancer of a Gateway",
            found_by="TargetGroupBinding with the owner labels of a Gateway",
            nodes="as for the AWS Application Load Balancer",
            health_check="as TargetGroupConfiguration and LoadBalancerConfiguration set it",
            with_local="depends on the health check",
            evidence=Evidence.DOCUMENTED,
            source="aws-load-balancer-controller v3.5.0 pkg/gateway/model/model_build_target_group.go",
        ),
        DocumentedConsumer(
            consumer="Target group that a person bound",
            found_by="TargetGroupBinding without owner labels",
            nodes=(
                "as for the AWS Application Load Balancer; with `multiClusterTargetGroup` also nodes of other "
                "clusters"
            ),
            health_check="not known: only AWS has it",
            with_local="`Unknown` unless all nodes or none are covered",
            evidence=Evidence.DOCUMENTED,
            source="aws-load-balancer-controller v3.5.0 pkg/backend/endpoint_utils.go",
        ),
    )
    balancers_only = False
    kinds: Sequence[Kind[Any]] = (TARGET_GROUP_BINDING, INGRESS_CLASS_PARAMS, NAMESPACE, *GATEWAY_KINDS)
    refers: Mapping[Kind[Any], Sequence[Referrer]] = MappingProxyType(
        {
            INGRESS: (services_of, membership),
            SERVICE: (weighted_services,),
            TARGET_GROUP_BINDING: (of_any_ingress,),
        }
    )

    def __init__(self, options: AwsOptions | None = None) -> None:
        self.options = options or AwsOptions()

    def find(self, service: Service, view: View) -> Iterable[Consumer]:
        """First the bindings that the controller made; each is reported as the object that it was made for. Then
        the objects that have no binding. Last the bindings whose object is not found."""
        bindings = [b for b in view.referring(TARGET_GROUP_BINDING, service.key) if not b.deleting]
        by_owner: dict[Owner | None, list[TargetGroupBinding]] = {}
        for binding in bindings:
            by_owner.setdefault(owner_of(binding), []).append(binding)
        used: set[Key] = set()
        found: set[Consumer] = set()

        def unseen(consumers: Iterable[Consumer]) -> Iterator[Consumer]:
            """The consumers that were not found before. Each is yielded at once, because the caller lets others
            run between two of them."""
            for one in consumers:
                if one not in found:
                    found.add(one)
                    yield one if bindings else _without_bindings(one, view)

        for ingress in view.referring(INGRESS, service.key):
            own = [
                b
                for owner in _owners("Ingress", "alb", ingress.key, groups_named(ingress, view))
                for b in by_owner.get(owner, ())
            ]
            path = IngressPath(service, ingress, own, view, self.options)
            yield from unseen(path.consumers())
            labels = {label_of(service, port) for port in path.ports} - {None}
            used |= {b.key for b in own if label_of(service, b.spec.service_ref.port) in labels}
        for base in view.referring(SERVICE, service.key):
            own = [b for owner in _owners("Service", "nlb", base.key) for b in by_owner.get(owner, ())]
            assessed = _as_assessed(base, service)
            if not own and (not owns(assessed, self.options) or _of_others(assessed, view)):
                continue  # each Service refers to itself, and most have no NLB
            path_of_base = LoadBalancerPath(assessed, service, own, view, self.options)
            yield from unseen(path_of_base.consumers())
            used |= {b.key for b in own}
        for binding in bindings:
            if binding.key not in used:
                yield from unseen(self._alone(service, binding, owner_of(binding), view))

    def advise(self, service: Service, verdict: ConsumerVerdict, nodes: Sequence[Node]) -> Iterable[Advice]:
        return advice(service, verdict, nodes)

    follows_labels = True
    """controllers/elbv2/eventhandlers/node.go: each change of a node that meets the selector, or met it before."""

    def target_nodes(
        self, service: Service, consumer: Consumer, labels: Mapping[str, str], *, keep: bool
    ) -> Step | None:
        return select(service, consumer, labels, keep=keep) if consumer.targets.rule else None

    def _alone(
        self, service: Service, binding: TargetGroupBinding, owner: Owner | None, view: View
    ) -> Iterator[Consumer]:
        """The consumers of a binding whose owner is a Gateway, a person, or an object that cannot be read or is
        gone: one, or two where TCP and UDP share the number of the port."""
        protocol = binding.spec.target_group_protocol or ""
        reference = binding.spec.service_ref.port
        named = references(service, reference, protocol) if protocol in PROTOCOLS else [reference]
        for each in named:
            made = self._of_port(service, each, binding, owner, view)
            port = service.port(each)
            if port and isinstance(made.targets, NodeTargets):
                targets = as_served(service, port, made.targets, self.options, protocol)
                made = replace(made, targets=targets)
            yield made

    def _of_port(
        self, service: Service, reference: int | str, binding: TargetGroupBinding, owner: Owner | None, view: View
    ) -> Consumer:
        if owner and owner.kind == "Gateway":
            return gateway_consumer(service, reference, binding, owner, view, self.options)
        sender = Sender("TargetGroupBinding", *binding.key, BINDING_CONTROLLER)
        why = view.unread(INGRESS) if owner and owner.kind == "Ingress" else None
        check = unknown_check(f"Ingresses cannot be read: {why}" if why else _IN_AWS)
        if owner and owner.namespace and why:
            sender = Sender("Ingress", owner.namespace, owner.name, AWS_LBC)
        return consumer(sender, service, reference, targets_of(binding, self.options), check, self.options)


def _owners(kind: str, load_balancer: str, key: Key, groups: frozenset[str] = frozenset()) -> Iterable[Owner]:
    """The owners that the labels of a binding name, if the controller made it for this object or for one of its
    groups."""
    yield Owner(kind, key.namespace, key.name, load_balancer)
    yield from (Owner(kind, "", group, load_balancer) for group in groups)


def _as_assessed(base: Service, service: Service) -> Service:
    """The Service `base` to read. Where it is the Service that is assessed, that is `service`: its policy may
    differ from the one in the picture."""
    return service if base.key == service.key else base


def _of_others(service: Service, view: View) -> bool:
    """Whether its annotations for this controller prove nothing, because something else serves the Service: it has
    an address by IP (an NLB has a host name), or the nodes are of another cloud. A chart may set the annotations
    on every cloud."""
    if service.type != "LoadBalancer" or service.spec.load_balancer_class is not None:
        return False
    return addressed_by_ip(service) or of_others(service, view, "aws", "eks-hybrid")


def _without_bindings(one: Consumer, view: View) -> Consumer:
    why = view.unread(TARGET_GROUP_BINDING)
    if not why or isinstance(one.targets, UnknownOutcome):
        return one
    note = f"known from the {one.kind} alone, since TargetGroupBindings cannot be read: {why}"
    return replace(one, source=f"{one.source}; {note}" if one.source else note)
